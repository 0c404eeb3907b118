// What `npm start` and `npm test` do first, with an npm that only writes what a real one would leave behind.
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';

const SCRIPT = fileURLToPath(new URL('../scripts/install.mjs', import.meta.url));
const NODE = `node_modules/node-${process.platform}-${process.arch}`;
const PACKAGES = {
  '': { name: 'project' },
  'node_modules/a': { version: '1.0.0', integrity: 'sha512-a' },
  'node_modules/elsewhere': { version: '1.0.0', optional: true },
  [NODE]: { version: '24.0.0', optional: true },
};
const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

interface Project {
  folder: string;
  /** Runs the script; `npm` is the body of the npm it finds. */
  install: (npm?: string) => { status: number | null; said: string; npmRan: boolean };
  write: (path: string, packages: object) => void;
}

const LOCK = 'package-lock.json';
const RECORD = 'node_modules/.package-lock.json';
const GOOD_NPM = `
  const { packages } = JSON.parse(fs.readFileSync('${LOCK}', 'utf8'));
  delete packages['']; delete packages['node_modules/elsewhere'];
  fs.writeFileSync('${RECORD}', JSON.stringify({ packages }));`;

function project(): Project {
  const folder = mkdtempSync(join(tmpdir(), 'sojourn-install-'));
  folders.push(folder);
  for (const name of ['scripts', 'node_modules', 'npm']) mkdirSync(join(folder, name));
  copyFileSync(SCRIPT, join(folder, 'scripts/install.mjs'));
  const write = (path: string, packages: object): void => {
    writeFileSync(join(folder, path), JSON.stringify({ packages }));
  };
  write(LOCK, PACKAGES);
  return {
    folder,
    write,
    install: (npm = GOOD_NPM) => {
      const cli = join(folder, 'npm/npm-cli.js');
      const ran = join(folder, 'npm/ran');
      rmSync(ran, { force: true });
      writeFileSync(
        cli,
        `const fs = require('node:fs'); fs.writeFileSync(${JSON.stringify(ran)}, ''); ${npm}`,
      );
      const env = { ...process.env, npm_execpath: cli };
      // Started elsewhere on purpose: npm must work in the project, wherever the caller stands.
      const run = spawnSync(process.execPath, [join(folder, 'scripts/install.mjs')], { env, cwd: tmpdir() });
      return { status: run.status, said: run.stderr.toString(), npmRan: existsSync(ran) };
    },
  };
}

test('the first start installs, and the second does nothing and says nothing', () => {
  const { install } = project();

  expect(install()).toMatchObject({ status: 0, npmRan: true });
  expect(install()).toEqual({ status: 0, said: '', npmRan: false });
});

test('a changed lock file is installed, a touched one is not', () => {
  const { install, write } = project();
  install();

  write(LOCK, PACKAGES);
  expect(install()).toMatchObject({ npmRan: false });

  write(LOCK, { ...PACKAGES, 'node_modules/a': { version: '1.0.1', integrity: 'sha512-b' } });
  expect(install()).toMatchObject({ status: 0, npmRan: true });
});

test('a package that left the lock file, or came to it, is installed again', () => {
  const { install, write } = project();
  install();

  write(LOCK, { '': {}, 'node_modules/a': PACKAGES['node_modules/a'] });
  expect(install()).toMatchObject({ npmRan: true });

  write(LOCK, PACKAGES);
  expect(install()).toMatchObject({ npmRan: true });
});

test('an install that died on its way is done again, although the old record was complete', () => {
  const { install, write, folder } = project();
  install();
  write(LOCK, { ...PACKAGES, 'node_modules/b': { version: '2.0.0' } });

  expect(install("process.kill(process.pid, 'SIGKILL')")).toMatchObject({ status: 1 });
  expect(existsSync(join(folder, RECORD))).toBe(false);
  expect(install()).toMatchObject({ status: 0, npmRan: true });
});

test('a record that was cut off counts as none', () => {
  const { install, folder } = project();
  install();
  writeFileSync(join(folder, RECORD), '{"packages": {');

  expect(install()).toMatchObject({ status: 0, npmRan: true });
});

test('without a network the message says so, and what to do', () => {
  const { install } = project();

  const { status, said } = install("console.error('npm error code ENOTFOUND'); process.exit(1)");

  expect(status).toBe(1);
  expect(said).toContain('The package registry cannot be reached');
  expect(said).not.toContain('at ');
});

test('an npm that left out the Node of this machine has not installed', () => {
  const { install } = project();

  const { status, said } = install(
    GOOD_NPM.replace("delete packages['']", `delete packages[''], delete packages['${NODE}']`),
  );

  expect(status).toBe(1);
  expect(said).toContain('npm left some packages out');
});

test('the tools of the tests come along whatever NODE_ENV says', () => {
  const { install, folder } = project();
  const words = join(folder, 'words');

  install(`fs.writeFileSync(${JSON.stringify(words)}, process.argv.join(' ')); ${GOOD_NPM}`);

  expect(readFileSync(words, 'utf8')).toContain(' ci --include=dev ');
});

test('a lock file that is gone is named', () => {
  const { install, folder } = project();
  rmSync(join(folder, LOCK));

  expect(install().said).toContain('package-lock.json is missing or damaged');
});
