// Supervisor: every process that we start, and the promise that none of them stays behind.
//
// Owns: how many there may be, how one starts, and the guard. Does not own: what they are for; what is said to them.
//
//   P1. No orphan: whatever becomes of us, `kill -9` included, everything a process started is gone within five seconds.
//   P2. At most `processesMax` at a time, those that are being started or are on their way out included.
//   P3. No shell reads what is started: the command is one program, the arguments are passed as they are.
//   P4. A process starts in a folder that was named, absolutely, and is there; it sees of our environment what
//       environment.ts lets through.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import type { Clock, Millis } from '../kernel/clock.ts';
import { SojournError } from '../kernel/errors.ts';
import { type Ids, systemIds } from '../kernel/ids.ts';
import type { Logger } from '../kernel/logger.ts';
import { type EnvironmentOptions, environment } from './environment.ts';
import { MARK } from './guard.ts';
import { GuardPipe } from './guard-pipe.ts';
import { Subprocess } from './subprocess.ts';

export interface SupervisorOptions {
  /**
   * Processes at a time; past it `process.limit`.
   *
   * @default 32
   */
  processesMax?: number;

  /**
   * From being asked to stop until being killed. A session that ends has 2 seconds for all of its processes.
   *
   * @default 700
   */
  stopMs?: Millis;

  ids?: Ids;
}

export interface StartOptions extends EnvironmentOptions {
  /** A program on the PATH, or its path. */
  command: string;
  args?: readonly string[];
  /** The folder it starts in. Absolute. */
  cwd: string;
  /** The command that installs the program, for people who do not have it. */
  install?: string;
  clock: Clock;
  logger: Logger;
}

const STOP_MS: Millis = 700;

type Leader = ChildProcessByStdio<Writable, Readable, Readable>;

export class Supervisor {
  readonly #processesMax: number;
  readonly #stopMs: Millis;
  readonly #name: string;
  readonly #live = new Set<Subprocess>();
  #starting = 0;
  #started = 0;
  #guard: GuardPipe | undefined;
  #isClosed = false;

  /** Throws `config.invalid` on bounds that are none. */
  constructor({ processesMax = 32, stopMs = STOP_MS, ids = systemIds }: SupervisorOptions = {}) {
    for (const [name, bound] of Object.entries({ processesMax, stopMs })) {
      if (!(Number.isFinite(bound) && bound > 0)) {
        throw new SojournError('config.invalid', `${name} is ${bound}; a number above 0 is meant`);
      }
    }
    this.#processesMax = processesMax;
    this.#stopMs = stopMs;
    this.#name = ids.id();
  }

  /** Those that are there, also on their way in or out. */
  get size(): number {
    return this.#live.size + this.#starting;
  }

  /**
   * Throws `process.limit`, `process.missing` when there is no such program, `process.failed` when it cannot be started,
   * and `config.invalid` for a folder or an environment that cannot be given.
   */
  async start(options: StartOptions): Promise<Subprocess> {
    if (this.#isClosed) throw new SojournError('process.failed', 'The supervisor is closed');
    if (this.size >= this.#processesMax) {
      throw new SojournError('process.limit', `${this.#processesMax} processes are running`, {
        retryAfterMs: 1_000,
      });
    }
    this.#starting += 1; // P2
    try {
      return await this.#start(options);
    } finally {
      this.#starting -= 1;
      this.#settle();
    }
  }

  /** Stops all of them. Resolves when nothing is left; nothing starts any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled([...this.#live].map((subprocess) => subprocess.stop()));
    this.#settle();
  }

  async #start(options: StartOptions): Promise<Subprocess> {
    const { command, args = [], cwd, clock, logger } = options;
    const env = environment(options);
    await checkFolder(cwd);
    if (process.platform === 'win32') {
      throw new SojournError('process.failed', 'Processes are supervised on Linux and macOS only');
    }
    this.#guard ??= new GuardPipe(logger, () => this.#unguarded());
    const guard = this.#guard;
    this.#started += 1;
    const mark = `${this.#name}.${this.#started}`;
    const leader = launched(options, () =>
      spawn(command, [...args], {
        cwd,
        env: { ...env, [MARK]: mark },
        detached: true, // It leads a group.
        shell: false, // P3
        stdio: ['pipe', 'pipe', 'pipe'],
      }),
    );
    const { pid } = leader;
    if (pid !== undefined) guard.watch(pid, mark); // P1: nothing is awaited between its start and this.
    await spawned(options, leader);
    if (pid === undefined) throw new SojournError('process.failed', `${command} has no process id`);
    const sweep = async (): Promise<void> => {
      try {
        await guard.end(pid);
      } finally {
        this.#live.delete(subprocess);
        this.#settle();
      }
    };
    const subprocess = new Subprocess({ leader, pid, clock, stopMs: this.#stopMs, sweep });
    this.#live.add(subprocess);
    if (this.#isClosed) await subprocess.stop();
    return subprocess;
  }

  /** P1: without a guard nothing may run. The next start tries another one. */
  #unguarded(): void {
    this.#guard = undefined;
    for (const subprocess of this.#live) subprocess.kill().catch(() => undefined); // Its group is gone, as far as we can tell.
  }

  /** A guard that watches nothing goes. */
  #settle(): void {
    if (this.size > 0) return;
    this.#guard?.close();
    this.#guard = undefined;
  }
}

/** P4. */
async function checkFolder(cwd: string): Promise<void> {
  if (!isAbsolute(cwd)) {
    throw new SojournError('config.invalid', `cwd is ${JSON.stringify(cwd)}; an absolute path is meant`);
  }
  const found = await stat(cwd).catch(() => undefined);
  if (found?.isDirectory() !== true) {
    throw new SojournError('config.invalid', `cwd is ${JSON.stringify(cwd)}, where no folder is`);
  }
}

/** An argument with a zero byte makes `spawn` throw. */
function launched({ command }: StartOptions, launch: () => Leader): Leader {
  try {
    return launch();
  } catch (cause) {
    throw new SojournError('process.failed', `${command} cannot be started`, { cause });
  }
}

async function spawned({ command, install }: StartOptions, leader: Leader): Promise<void> {
  const failed = Promise.withResolvers<never>();
  leader.once('error', (cause: NodeJS.ErrnoException) => {
    const how = install === undefined ? '' : `: ${install}`;
    failed.reject(
      cause.code === 'ENOENT'
        ? new SojournError('process.missing', `There is no program ${command} here${how}`, { cause })
        : new SojournError('process.failed', `${command} cannot be started (${cause.code})`, { cause }),
    );
  });
  failed.promise.catch(() => undefined); // A later error of the leader: its exit tells.
  const started = new Promise<void>((resolve) => leader.once('spawn', () => resolve()));
  await Promise.race([started, failed.promise]);
}
