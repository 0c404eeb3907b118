// The package as a stranger gets it: packed, installed bare in an empty folder, imported and started by its published names.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  version: string;
  private?: boolean;
  exports: Record<string, unknown>;
  peerDependencies: Record<string, string>;
};
const doors = Object.keys(manifest.exports).filter((door) => door !== './package.json');
const LEFT_OUT = new Set(['node_modules', '.git', 'dist', '.sojourn', 'coverage']);

let folder = '';
let consumer = '';
let packed: { filename: string; unpackedSize: number; files: { path: string }[] };

/** The settings that lead to a registry, and none of those that lead a nested npm back to this project. */
function environment(): NodeJS.ProcessEnv {
  const kept = /^npm_config_(registry|cache|userconfig|globalconfig|.*proxy|cafile)$/i;
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name) || kept.test(name)),
  );
}

function npm(cwd: string, ...words: string[]): string {
  const options = { cwd, env: environment(), encoding: 'utf8', stdio: 'pipe' } as const;
  return execFileSync('npm', words, { ...options, shell: process.platform === 'win32' });
}

function node(...words: string[]): string {
  return execFileSync(process.execPath, words, {
    cwd: consumer,
    env: environment(),
    encoding: 'utf8',
    stdio: 'pipe',
  });
}

/** The example in the README that imports this. */
function readmeCode(imported: string): string {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const examples = [...readme.matchAll(/```ts\n([^]*?)```/g)].map(([, code = '']) => code);
  return examples.find((code) => code.includes(`import { ${imported}`)) ?? '';
}

/** From what npm has downloaded before, where that is enough; otherwise from the registry. */
function install(tarball: string): void {
  const words = ['install', '--ignore-scripts', '--no-audit', '--no-fund', tarball];
  try {
    npm(consumer, ...words, '--offline');
  } catch {
    npm(consumer, ...words, '--prefer-offline');
  }
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sojourn-package-'));
  // A copy, so that packing leaves this folder's own dist alone.
  const copy = join(folder, 'copy');
  cpSync(root, copy, {
    recursive: true,
    filter: (path) => !LEFT_OUT.has(relative(root, path).split(sep)[0] ?? ''),
  });
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'), 'junction');
  consumer = join(folder, 'consumer');
  mkdirSync(consumer);
  writeFileSync(join(consumer, 'package.json'), '{"private": true, "type": "module"}');

  const [first] = JSON.parse(npm(copy, 'pack', '--json', '--pack-destination', folder)) as (typeof packed)[];
  if (first === undefined) throw new Error('npm pack made nothing');
  packed = first;
  install(join(folder, packed.filename));
}, 120_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the tarball', () => {
  test('holds what is run and read, and nothing of the workshop', () => {
    const strange = packed.files
      .map(({ path }) => path)
      .filter(
        (path) =>
          !/^(dist\/.+\.(js|d\.ts)|bin\/sojourn\.mjs|package\.json|LICENSE|README\.md|CHANGELOG\.md)$/.test(
            path,
          ),
      );

    expect(strange).toEqual([]);
    expect(packed.files.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['LICENSE', 'README.md', 'CHANGELOG.md']),
    );
  });

  test('is small: no Node and no test came along', () => {
    expect(packed.unpackedSize).toBeLessThan(3_000_000);
    expect(packed.files.filter(({ path }) => /\.test\.|(^|\/)node$/.test(path))).toEqual([]);
  });

  test('may be published', () => {
    expect(manifest.private).toBeUndefined();
  });
});

describe('installed bare', () => {
  test('brings none of the optional packages', () => {
    const tree = JSON.parse(npm(consumer, 'ls', '--all', '--json')) as { dependencies: { sojourn: object } };

    for (const peer of Object.keys(manifest.peerDependencies)) {
      expect(JSON.stringify(tree)).not.toContain(`"${peer}":{"version"`);
    }
  });

  test('every door can be imported, and none prints', () => {
    const names = doors.map((door) => `sojourn${door.slice(1)}`);
    const script = `
      const failed = {};
      for (const name of ${JSON.stringify(names)}) await import(name).catch((e) => (failed[name] = e.message));
      console.log(JSON.stringify(failed));`;

    expect(node('--input-type=module', '--eval', script)).toBe('{}\n');
  });

  test('what a type stands for is found by its door', () => {
    const missing = doors.filter((door) => {
      const { types } = manifest.exports[door] as { types: string };
      return !packed.files.some(({ path }) => `./${path}` === types);
    });

    expect(missing).toEqual([]);
  });

  test('runs the ten lines of the README as they stand', () => {
    writeFileSync(join(consumer, 'parrot.mts'), readmeCode('createRuntime'));

    expect(node('parrot.mts')).toMatch(/outcome: 'completed'[^]*text: 'hello'/);
  });

  test("serves the README's own agent from a config", () => {
    writeFileSync(join(consumer, 'sojourn.config.ts'), readmeCode('defineConfig'));

    expect(node(join('node_modules', 'sojourn', 'bin', 'sojourn.mjs'), 'doctor')).toContain(
      'sojourn.config.ts names support',
    );
  });

  test('the command says its version', () => {
    expect(node(join('node_modules', 'sojourn', 'bin', 'sojourn.mjs'), '--version').trim()).toBe(
      manifest.version,
    );
  });
});
