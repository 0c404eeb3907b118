import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
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

async function started(...words: string[]): Promise<Program & { url: string; port: string }> {
  const server = sojourn(words[0] ?? 'start', '--json', ...words.slice(1));
  await Promise.race([server.out.says('\n'), server.ended]);
  const { url } = JSON.parse(server.out.text || '{"url": "http://nowhere"}') as { url: string };
  return { ...server, url, port: new URL(url).port };
}

const stored = (): string => join(folder, '.sojourn');

describe('start', () => {
  test('says where it is and what to try, and never shows the token', async () => {
    const server = sojourn('start', '--port', '0');
    await server.out.says('/docs');

    const token = readFileSync(join(stored(), 'token'), 'utf8').trim();
    expect(server.out.text).toMatch(/listens on http:\/\/127\.0\.0\.1:\d+\n/);
    expect(server.out.text).toContain('chat');
    expect(server.out.text).toContain('$(cat .sojourn/token)');
    expect(token).toMatch(/^soj_/);
    expect(server.out.text + server.err.text).not.toContain(token);
    expect(statSync(join(stored(), 'token')).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(stored(), 'sojourn.log'), 'utf8')).not.toContain(token);
  });

  test('is found by the commands beside it, on whatever port it is', async () => {
    await started('start', '--port', '0');

    expect((await cli(stored(), ['send', 'a', 'Hello'])).out).toBe('You said: Hello\n');
  });

  test('lets a running turn end when it is told to stop', async () => {
    const server = await started('start', '--port', '0');
    const sending = begin(stored(), ['send', 'a', '/words 30 10']);
    await sending.err.says('started');

    server.child.kill('SIGTERM');

    expect(await sending.ended).toBe(0);
    expect(sending.out.text).toContain('w30');
    expect(await server.ended).toBe(0);
  });

  test('ends at once when it is told twice', async () => {
    const server = await started('start', '--port', '0');
    const sending = begin(stored(), ['send', 'a', '/words 100000 5', '--json']);
    await sending.out.says('text.delta');

    const again = setInterval(() => server.child.kill('SIGINT'), 50);
    const code = await server.ended;
    clearInterval(again);
    sending.interrupt();

    expect(code).toBe(130);
    expect(await sending.ended).toBe(130);
  });

  test('refuses a data folder that another one uses, and says where that is', async () => {
    const server = await started('start', '--port', '0');
    const second = sojourn('start', '--port', '0');

    expect(await second.ended).toBe(4);
    expect(second.err.text).toContain('store.in_use');
    expect(second.err.text).toContain(server.url);
  });

  test('says what to do when its port is taken', async () => {
    const server = await started('start', '--port', '0');
    const second = sojourn('start', '--port', server.port, '--data', 'elsewhere');

    expect(await second.ended).toBe(1);
    expect(second.err.text).toContain(`Port ${server.port} is taken`);
    expect(second.err.text).toContain('--port');
  });

  test.each([
    [{ PORT: 'many' }, 'PORT'],
    [{ SOJOURN_SCRIPTED_MS: 'slow', PORT: '0' }, 'SOJOURN_SCRIPTED_MS'],
    [{ HOST: '0.0.0.0', PORT: '0' }, 'proxy'],
  ])('names the setting that is wrong: %j', async (env, name) => {
    const server = program(process.execPath, [MAIN, 'start'], env);

    expect(await server.ended).toBe(1);
    expect(server.err.text).toContain('config.invalid');
    expect(server.err.text).toContain(name);
  });
});

test('a chat survives kill -9 of the server in the middle of a turn, and shows all of the answer', async () => {
  const first = await started('start', '--port', '0');
  const talking = begin(stored(), ['chat', 'survivor']);
  talking.stdin.write('/words 40 20\n');
  await talking.out.says('w5');

  first.child.kill('SIGKILL');
  await first.ended;
  await started('start', '--port', first.port);
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
    await server.err.says('not taken up');
    expect((await cli(stored(), ['send', 'a', 'x'])).out).toBe('two!\n');

    writeFileSync(join(folder, 'sojourn.config.ts'), config('three'));
    await server.err.says(/not taken up[^]*The config changed: 1 live/);
    writeFileSync(join(folder, 'part.ts'), `export const punctuation: string = '?';`);
    await server.err.says(/not taken up[^]*The config changed: 1 live[^]*The config changed: 1 live/);
    expect((await cli(stored(), ['send', 'a', 'x'])).out).toBe('three?\n');
  });

  test('without a config says how to get one', async () => {
    const { code, err } = await cli(folder, ['dev', '--port', '0']);

    expect(code).toBe(1);
    expect(err).toContain('sojourn init');
  });
});

describe('init', () => {
  test('writes a config that dev can serve, and keeps the data out of git', async () => {
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

test('a backup taken while the server runs can be started from', async () => {
  await started('start', '--port', '0');
  await cli(stored(), ['send', 'a', 'Hello']);

  const { code, out } = await cli(stored(), ['backup', join(folder, 'copy')]);
  const again = await cli(stored(), ['backup', join(folder, 'copy')]);
  await started('start', '--port', '0', '--data', 'copy');

  expect(code).toBe(0);
  expect(out).toContain('copied to');
  expect(again.code).toBe(1);
  expect((await cli(join(folder, 'copy'), ['send', 'a', '/count'])).out).toBe('2\n');
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
    const server = await started('start', '--port', '0');
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
