import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { begin, cli, Heard } from './cli-server.ts';

const MAIN = join(import.meta.dirname, '../src/cli/main.ts');
const BIN = join(import.meta.dirname, '../bin/sojourn.mjs');

let folder: string;
let processes: ChildProcess[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sojourn-process-'));
  processes = [];
});
afterEach(async () => {
  for (const child of processes) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
  rmSync(folder, { recursive: true, force: true });
});

interface Program {
  child: ChildProcess;
  out: Heard;
  err: Heard;
  /** The exit code, or the signal that ended it. */
  ended: Promise<number | string>;
}

function program(file: string, words: readonly string[], env: Record<string, string> = {}): Program {
  const child = spawn(file, words, {
    cwd: folder,
    env: { PATH: process.env.PATH ?? '', SOJOURN_SCRIPTED_MS: '0', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  processes.push(child);
  const out = new Heard();
  const err = new Heard();
  child.stdout?.pipe(out);
  child.stderr?.pipe(err);
  const ended = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string);
  return { child, out, err, ended };
}

const sojourn = (...words: string[]): Program => program(process.execPath, [MAIN, ...words]);

async function started(...options: string[]): Promise<Program> {
  const server = sojourn('start', '--json', ...options);
  await Promise.race([server.out.says('\n'), server.ended]);
  if (server.out.text === '') throw new Error(`The server did not start: ${server.err.text}`);
  return server;
}

const stored = (): string => join(folder, '.sojourn');

describe('a server that runs', () => {
  test('says where it is and what to try, is found from beside it, and keeps its place', async () => {
    const server = sojourn('start', '--port', '0');
    await server.out.says('/docs');

    const [, url = '', port = ''] = /listens on (http:\/\/127\.0\.0\.1:(\d+))\n/.exec(server.out.text) ?? [];
    const token = readFileSync(join(stored(), 'token'), 'utf8').trim();
    expect(server.out.text).toContain('npm run sojourn -- chat\n');
    expect(server.out.text).toContain('$(cat .sojourn/token)');
    expect(token).toMatch(/^soj_/);
    expect(server.out.text + server.err.text).not.toContain(token);
    expect(statSync(join(stored(), 'token')).mode & 0o777).toBe(0o600);

    expect((await cli(stored(), ['send', 'a', 'Hello'])).out).toBe('You said: Hello\n');

    const sameFolder = await cli(stored(), ['start', '--port', '0']);
    expect(sameFolder.code).toBe(4);
    expect(sameFolder.err).toContain('store.in_use');
    expect(sameFolder.err).toContain(url);

    const samePort = await cli(join(folder, 'other'), ['start', '--port', port]);
    expect(samePort.code).toBe(1);
    expect(samePort.err).toContain(`Port ${port} is taken`);
  });

  test('lets a running turn end when it is told to stop', async () => {
    const server = await started('--port', '0');
    const sending = begin(stored(), ['send', 'a', '/words 30 20', '--json']);
    await sending.out.says('text.delta');

    server.child.kill('SIGTERM');

    expect(await sending.ended).toBe(0);
    expect(sending.out.text).toContain('"outcome":"completed"');
    expect(await server.ended).toBe(0);
  });

  test('ends at once when it is told twice', async () => {
    const server = await started('--port', '0');
    const sending = begin(stored(), ['send', 'a', '/words 100000 5', '--json']);
    await sending.out.says('text.delta');

    const again = setInterval(() => server.child.kill('SIGINT'), 50);
    const code = await server.ended;
    clearInterval(again);
    sending.interrupt();

    expect(code).toBe(130);
    expect(await sending.ended).toBe(130);
  });
});

test.each([
  [{ PORT: 'many' }, 'PORT'],
  [{ PORT: '0', SOJOURN_SCRIPTED_MS: 'slow' }, 'SOJOURN_SCRIPTED_MS'],
  [{ PORT: '0', HOST: '0.0.0.0' }, 'proxy'],
])('start names the setting that is wrong: %j', async (env, name) => {
  const { code, err } = await cli(folder, ['start'], { env });

  expect(code).toBe(1);
  expect(err).toContain('config.invalid');
  expect(err).toContain(name);
});

test.each([['start'], ['init'], ['backup']])(
  'a place that cannot be used is said by %s, and is no defect',
  async (word) => {
    const file = join(folder, 'file');
    writeFileSync(file, 'not a folder');
    const words = word === 'start' ? ['start', '--data', join(file, 'data')] : [word, join(file, 'new')];
    mkdirSync(stored());
    writeFileSync(join(stored(), 'sojourn.db'), '');

    const { code, err } = await cli(stored(), words, { env: { PORT: '0' } });

    expect(code).toBe(1);
    expect(err).toMatch(/^config\.invalid: \S+ \(ENOTDIR\): a file is in the way/);
  },
);

test('a folder with other things in it is not taken for a data folder, and they stay as they are', async () => {
  const script = join(folder, 'run.sh');
  writeFileSync(script, 'exit', { mode: 0o755 });

  const server = sojourn('start', '--port', '0', '--data', '.');

  expect(await server.ended).toBe(1);
  expect(server.err.text).toContain(`config.invalid: The data folder ${folder} holds other things`);
  expect(statSync(script).mode & 0o777).toBe(0o755);
  expect(readdirSync(folder)).toEqual(['run.sh']);
});

test('a message whose server died while it was answered is said to be kept', async () => {
  const server = await started('--port', '0');
  const sending = begin(stored(), ['send', 'kept', '/words 100000 5']);
  await sending.err.says('started');

  server.child.kill('SIGKILL');

  expect(await sending.ended).toBe(4);
  expect(sending.err.text).toMatch(
    /The message is kept\. When the server is back: \S+ run sojourn -- show kept/,
  );
});

test('a chat survives kill -9 of the server in the middle of a turn, and shows all of the answer', async () => {
  // Below the ports that connections are given: nobody takes it while the server is away.
  const port = String(15_000 + (process.pid % 10_000));
  const first = await started('--port', port);
  const talking = begin(stored(), ['chat', 'survivor']);
  talking.stdin.write('/words 40 20\n');
  await talking.out.says('w5');

  first.child.kill('SIGKILL');
  await first.ended;
  await started('--port', port);
  await talking.out.says('w40');
  talking.stdin.end();

  expect(await talking.ended).toBe(0);
  expect(talking.err.text).toMatch(/connection lost[^]*connected again/);
  expect(talking.err.text).toContain('attempt 2');
  expect(talking.out.text).toContain(Array.from({ length: 40 }, (_, index) => `w${index + 1}`).join(' '));
});

describe('dev', () => {
  const config = (answer: string): string => `
    import { defineConfig } from 'sojourn';
    import { punctuation } from './part.ts';
    export default defineConfig({ agents: { mine: async function* () { yield '${answer}' + punctuation; } } });
  `;

  test('takes up a changed config for the next turn, in sessions that are alive too', async () => {
    writeFileSync(join(folder, 'part.ts'), `export const punctuation: string = '!';`);
    writeFileSync(join(folder, 'sojourn.config.ts'), config('one'));
    const server = sojourn('dev', '--port', '0');
    await server.out.says('/docs');
    expect((await cli(stored(), ['send', 'a', 'x'])).out).toBe('one!\n');

    writeFileSync(join(folder, 'sojourn.config.ts'), config('two'));
    await server.err.says('The config changed: 1 live session is remade');
    expect((await cli(stored(), ['send', 'a', 'x'])).out).toBe('two!\n');

    writeFileSync(join(folder, 'sojourn.config.ts'), 'export default { agents: 1 ');
    await server.err.says(/not taken up: \S+sojourn\.config\.ts:1: /);
    expect((await cli(stored(), ['send', 'a', 'x'])).out).toBe('two!\n');

    writeFileSync(join(folder, 'sojourn.config.ts'), config('three'));
    await server.err.says(/not taken up[^]*The config changed: 1 live/);
    writeFileSync(join(folder, 'part.ts'), `export const punctuation: string = '?';`);
    await server.err.says(/not taken up[^]*The config changed: 1 live[^]*The config changed: 1 live/);
    expect((await cli(stored(), ['send', 'a', 'x'])).out).toBe('three?\n');
  });

  test.each([
    ['absent.config.ts', undefined, /There is no file \S+absent\.config\.ts\n/],
    [
      'typo.config.ts',
      `export default { agents: { async *a() {} }, defaultAgnt: 'a' };`,
      /there is no setting defaultAgnt; there are agents, defaultAgent/,
    ],
  ])('a mistake in %s is named', async (name, text, said) => {
    if (text !== undefined) writeFileSync(join(folder, name), text);

    const { code, err } = await cli(folder, ['start', '--port', '0', '--config', name]);

    expect([code, err]).toEqual([1, expect.stringMatching(said)]);
  });

  test('without a config says how to get one', async () => {
    const { code, err } = await cli(folder, ['dev', '--port', '0']);

    expect(code).toBe(1);
    expect(err).toContain('npm run sojourn -- init');
  });
});

describe('init', () => {
  test('writes a config that dev can serve in a package as npm makes it, and keeps the data out of git', async () => {
    writeFileSync(join(folder, 'package.json'), '{ "type": "commonjs" }');
    const { code } = await cli(folder, ['init']);
    const server = sojourn('dev', '--port', '0');
    await server.out.says('/docs');

    expect(code).toBe(0);
    expect((await cli(stored(), ['send', 'a', 'me'])).out).toMatch(
      /^Hello! You said: me\nBefore that, 0 messages/,
    );
    expect(readFileSync(join(folder, '.gitignore'), 'utf8')).toBe('.sojourn/\n');
  });

  test('changes nothing that is there', async () => {
    writeFileSync(join(folder, 'sojourn.config.js'), 'mine');
    writeFileSync(join(folder, '.gitignore'), 'node_modules\n.sojourn\n');

    const { code, out } = await cli(folder, ['init']);

    expect(code).toBe(0);
    expect(out).toContain('stays as it is');
    expect(readFileSync(join(folder, 'sojourn.config.js'), 'utf8')).toBe('mine');
    expect(readFileSync(join(folder, '.gitignore'), 'utf8')).toBe('node_modules\n.sojourn\n');
  });
});

test('an old Node is told what is needed', () => {
  const old = `data:text/javascript,Object.defineProperty(process, 'versions', { value: { node: '20.9.0' } })`;
  const { status, stderr } = spawnSync(process.execPath, ['--import', old, BIN, 'ls'], { encoding: 'utf8' });

  expect(status).toBe(1);
  expect(stderr).toContain('needs Node 24.15');
});

const hasScript = spawnSync('script', ['--version']).status === 0;

// Needs script(1), which not every machine has.
test.skipIf(!hasScript)(
  'a chat on a real terminal: a word within 300 ms, Ctrl-C for the turn, Ctrl-D to leave',
  async () => {
    const server = await started('--port', '0');
    const command = `${process.execPath} ${MAIN} chat tty`;
    const talking = program('script', ['-qfec', command, '/dev/null'], { TERM: 'xterm', NO_COLOR: '1' });
    const type = (keys: string): void => void talking.child.stdin?.write(keys);
    await talking.out.says('» ');

    type('/words 100000 5\r');
    await talking.out.says('w1');
    const shownMs = Date.now();
    type('\u0003');
    await talking.out.says('cancelled');
    const { out } = await cli(stored(), ['tail', 'tty', '--no-follow', '--json']);
    type('\u0004');

    const [said] = out.split('\n').filter((line) => line.includes('"text.delta"'));
    const { at } = JSON.parse(said ?? '{}') as { at: string };
    expect(shownMs - Date.parse(at)).toBeLessThan(300);
    expect(await talking.ended).toBe(0);
    expect(server.child.exitCode).toBeNull();
  },
);
