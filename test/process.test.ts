// Processes that are started for a session: what they see, how many there may be, and that none of them stays behind.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../src/kernel/clock.ts';
import { silentLogger } from '../src/kernel/logger.ts';
import { LastLines } from '../src/process/last-lines.ts';
import { type StartOptions, Supervisor, type SupervisorOptions } from '../src/process/supervisor.ts';
import { guardsOf, isRunning, lines, node, STUBBORN, until, withEnvironment } from './process-scene.ts';

const folder = mkdtempSync(join(tmpdir(), 'sojourn-process-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const open: Supervisor[] = [];
afterEach(async () => {
  vi.unstubAllEnvs();
  await Promise.all(open.splice(0).map((supervisor) => supervisor.close()));
});

function supervise(options: SupervisorOptions = {}): Supervisor {
  const supervisor = new Supervisor({ stopMs: 300, ...options });
  open.push(supervisor);
  return supervisor;
}

const given = (options: Partial<StartOptions> & { command: string }): StartOptions => ({
  cwd: folder,
  clock: systemClock,
  logger: silentLogger,
  ...options,
});

const stubborn = (tag: string): StartOptions =>
  given({ ...node(STUBBORN), env: { SCRIPT: STUBBORN, TAG: tag } });

/** Once it is the only one: a program that has just been started is not itself yet. */
async function theGuard(): Promise<number> {
  await until(() => guardsOf(process.pid).length === 1, 5_000);
  return guardsOf(process.pid)[0] ?? 0;
}

const codeOf = (thrown: unknown): unknown => (thrown as { code?: unknown }).code;

describe('nothing stays behind', () => {
  test('a program that ignores SIGTERM, its child and a grandchild that left the group go when it is stopped', async () => {
    const subprocess = await supervise().start(stubborn(randomUUID()));
    const pids = (await lines(subprocess.stdout, 3)).map(Number);
    expect(pids.map(isRunning)).toEqual([true, true, true]);

    const exit = await subprocess.stop();

    expect(pids.map(isRunning)).toEqual([false, false, false]);
    expect(exit).toEqual({ code: null, signal: 'SIGKILL' });
  });

  test('what a program leaves running when it ends by itself goes with it', async () => {
    const leaving = `${STUBBORN}; process.stdin.resume().on('end', () => process.exit(3))`;
    const subprocess = await supervise().start({ ...stubborn(randomUUID()), args: ['-e', leaving] });
    const pids = (await lines(subprocess.stdout, 3)).map(Number);

    subprocess.stdin.end();

    expect(await subprocess.gone).toEqual({ code: 3, signal: null });
    expect(pids.map(isRunning)).toEqual([false, false, false]);
  });

  test('kill -9 of whoever supervises leaves nothing within five seconds', async () => {
    const tag = randomUUID();
    const program = fileURLToPath(new URL('./process-server.ts', import.meta.url));
    const server = spawn(process.execPath, [program, folder, tag, '3'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const pids = (await lines(server.stdout, 9)).map(Number);
    expect(pids.filter(isRunning)).toHaveLength(9);

    server.kill('SIGKILL');

    expect(await until(() => !pids.some(isRunning), 5_000)).toBeLessThan(5_000);
    expect(withEnvironment(`TAG=${tag}`)).toEqual([]);
  });

  test('a guard that is killed is replaced, and the new one knows what there is to end', async () => {
    const guards = (): number[] => guardsOf(process.pid);
    const subprocess = await supervise().start(stubborn(randomUUID()));
    const pids = (await lines(subprocess.stdout, 3)).map(Number);
    const guard = await theGuard();

    process.kill(guard, 'SIGKILL');
    await until(() => guards().some((pid) => pid !== guard), 5_000);
    await subprocess.stop();

    expect(pids.map(isRunning)).toEqual([false, false, false]);
  });

  test('where no guard stays nothing runs, and the next start tries another one', async () => {
    const supervisor = supervise();
    const running = await supervisor.start(given(node('setInterval(() => {}, 1000)')));

    for (let guards = guardsOf(process.pid); running.isRunning; guards = guardsOf(process.pid)) {
      for (const guard of guards) process.kill(guard, 'SIGKILL');
      await new Promise(setImmediate);
    }
    await running.gone;

    expect(isRunning(running.pid)).toBe(false);
    expect((await supervisor.start(given(node('')))).pid).toBeGreaterThan(0);
  });

  test('the guard goes with the last process', async () => {
    const supervisor = supervise();
    const subprocess = await supervisor.start(given(node('setInterval(() => {}, 1000)')));
    const guard = await theGuard();

    await subprocess.stop();

    await until(() => !isRunning(guard), 5_000);
    expect(supervisor.size).toBe(0);
  });

  test('a program that ends when its input closes is not killed', async () => {
    const subprocess = await supervise({ stopMs: 20_000 }).start(
      given(node("process.stdin.resume().on('end', () => process.exit(7))")),
    );

    expect(await subprocess.stop()).toEqual({ code: 7, signal: null });
  });

  test('a supervisor that is closed has stopped all, and starts nothing more', async () => {
    const supervisor = supervise();
    const started = await Promise.all(
      [1, 2].map(() => supervisor.start(given(node('setInterval(() => {}, 1000)')))),
    );

    await supervisor.close();

    expect(started.map(({ pid }) => isRunning(pid))).toEqual([false, false]);
    await expect(supervisor.start(given(node('')))).rejects.toMatchObject({ code: 'process.failed' });
  });
});

describe('what may start', () => {
  test('past the limit a process is refused with a hint to wait, and after an end there is a place again', async () => {
    const supervisor = supervise({ processesMax: 2 });
    const [first] = await Promise.all(
      [1, 2].map(() => supervisor.start(given(node('setInterval(() => {}, 1000)')))),
    );

    const refused = await supervisor.start(given(node(''))).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'process.limit', retryAfterMs: 1_000 });

    await first?.stop();
    expect((await supervisor.start(given(node('')))).pid).toBeGreaterThan(0);
  });

  test('a missing program is named with the command that installs it', async () => {
    const starting = supervise().start(
      given({ command: 'sojourn-no-such-agent', install: 'npm install --global no-such-agent' }),
    );

    await expect(starting).rejects.toMatchObject({
      code: 'process.missing',
      detail: 'There is no program sojourn-no-such-agent here: npm install --global no-such-agent',
    });
  });

  test('a file that may not be run is refused as such', async () => {
    const file = join(folder, 'text');
    writeFileSync(file, 'no program', { mode: 0o600 });

    expect(
      codeOf(
        await supervise()
          .start(given({ command: file }))
          .catch((error: unknown) => error),
      ),
    ).toBe('process.failed');
  });

  test.each([
    ['relative/folder', 'an absolute path is meant'],
    ['/no/such/folder', 'where no folder is'],
  ])('the folder %s is refused', async (cwd, why) => {
    await expect(supervise().start(given({ ...node(''), cwd }))).rejects.toMatchObject({
      code: 'config.invalid',
      detail: expect.stringContaining(why),
    });
  });

  test('no shell reads the arguments', async () => {
    const words = ['$HOME', '; touch pwned', '`id`', 'a \'b\' "c"'];
    const subprocess = await supervise().start(
      given(node('console.log(JSON.stringify(process.argv.slice(1)))', ...words)),
    );

    expect(JSON.parse((await lines(subprocess.stdout, 1))[0] ?? '')).toEqual(words);
  });

  test.each([0, Number.NaN, -1])('a limit of %s is refused', (processesMax) => {
    expect(() => new Supervisor({ processesMax })).toThrow('processesMax');
  });
});

describe('what a process sees', () => {
  const seen = async (options: Partial<StartOptions>): Promise<Record<string, string>> => {
    const subprocess = await supervise().start(
      given({ ...node('console.log(JSON.stringify({ ...process.env, cwd: process.cwd() }))'), ...options }),
    );
    const { SOJOURN_PROCESS: _mark, ...rest } = JSON.parse((await lines(subprocess.stdout, 1))[0] ?? '');
    return rest as Record<string, string>;
  };

  test('four names of our environment, the folder it was given, and nothing else', async () => {
    vi.stubEnv('SECRET_OF_OURS', 'do not tell');
    vi.stubEnv('LANG', 'C.UTF-8');

    const { cwd, ...names } = await seen({});

    expect(cwd).toBe(folder);
    expect(['HOME', 'LANG', 'PATH', 'TMPDIR']).toEqual(expect.arrayContaining(Object.keys(names)));
    expect(names).toMatchObject({ LANG: 'C.UTF-8' });
  });

  test('a secret that was named, and a value of its own', async () => {
    vi.stubEnv('SECRET_OF_OURS', 'tell this one');

    expect(await seen({ inherit: ['SECRET_OF_OURS', 'NOT_SET'], env: { MODE: 'test' } })).toMatchObject({
      SECRET_OF_OURS: 'tell this one',
      MODE: 'test',
    });
  });

  test.each(['LD_PRELOAD', 'NODE_OPTIONS', 'BASH_ENV', 'DYLD_INSERT_LIBRARIES', 'not a name'])(
    '%s is refused by name',
    async (name) => {
      for (const options of [{ env: { [name]: 'x' } }, { inherit: [name] }]) {
        await expect(supervise().start(given({ ...node(''), ...options }))).rejects.toMatchObject({
          code: 'config.invalid',
          detail: expect.stringContaining(name),
        });
      }
    },
  );
});

describe('what it said last', () => {
  test('its last lines on stderr are there when it has ended', async () => {
    const subprocess = await supervise().start(
      given(node("console.error('first'); console.error('\\x1b[31mlast\\x1b[0m\\u0007'); process.exit(2)")),
    );

    await subprocess.gone;

    expect(subprocess.lastLines()).toEqual(['first', 'last']);
  });

  test('a flood keeps its last lines, each cut, in bounded memory', () => {
    const last = new LastLines({ linesMax: 3, charsMax: 10 });

    for (let line = 0; line < 10_000; line += 1) last.push(Buffer.from(`line ${line} and more\n`));
    last.push(Buffer.from('x'.repeat(100_000)));

    expect(last.lines()).toEqual(['line 9998', 'line 9999', 'xxxxxxxxxx']);
  });

  test('lines are whole however they arrive, and characters are not cut', () => {
    const last = new LastLines({ linesMax: 5, charsMax: 100 });

    for (const byte of Buffer.from('één\r\nzwei\n\ndrei')) last.push(Uint8Array.of(byte));

    expect(last.lines()).toEqual(['één', 'zwei', 'drei']);
  });

  test('nothing in it moves a cursor, colours a screen or turns text around', () => {
    const last = new LastLines({ linesMax: 5, charsMax: 100 });

    last.push(Buffer.from('a\u001b[2Jb\u001b]0;title\u0007c\u001b(Bd\u202ee\u009bf\bg\n'));

    expect(last.lines()).toEqual(['abc(Bdefg']);
  });
});
