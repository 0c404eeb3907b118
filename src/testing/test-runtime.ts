// TestRuntime: a whole runtime on a data folder of its own, with time moved by hand, to be stopped, killed and started again.
//
// Owns the folder, the store and the clock of each start. Owns no rules: what is tested is the real runtime on the real store.
//
//   P1. `crash` is a `kill -9` as the folder sees it: what a caller was told is there, what was on its way is there or
//       not, and nothing that the old runtime does afterwards reaches the store, the clock or a caller. Its agents are
//       left where they stand, and never hear of it.
//   P2. Every start has its own timers: those of a killed one never fire.
//   P3. `close` leaves nothing behind, whatever the test left running.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { scriptedAgent } from '../agent/scripted/scripted.ts';
import { inProcessBus } from '../bus/in-process/in-process.ts';
import type { Clock, Millis, Timer } from '../kernel/clock.ts';
import { SojournError } from '../kernel/errors.ts';
import type { Logger } from '../kernel/logger.ts';
import { createRuntime, type RuntimeOptions } from '../runtime/create.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { sqliteStore } from '../store/sqlite/sqlite.ts';
import type { Append, Store } from '../store/store.ts';
import { inProcessEncoder } from './in-process-encoder.ts';
import { ManualClock } from './manual-clock.ts';

export interface TestRuntimeOptions extends Partial<
  Omit<RuntimeOptions, 'store' | 'bus' | 'clock' | 'logger'>
> {
  /**
   * Sees each append at the moment it is handed to the writer. What it throws fails that append, as a full disk would.
   */
  onWrite?: (append: Append) => void;
}

export interface Logged {
  level: 'info' | 'warn' | 'error';
  event: string;
  fields: Record<string, unknown>;
}

/** Agents are `scripted`, saying everything at once, unless others are given. */
export async function testRuntime(options: TestRuntimeOptions = {}): Promise<TestRuntime> {
  const above = await mkdtemp(join(tmpdir(), 'sojourn-runtime-'));
  const world = new TestRuntime(above, options);
  try {
    await world.start();
    return world;
  } catch (error) {
    await world.close();
    throw error;
  }
}

export class TestRuntime {
  readonly clock = new ManualClock();
  readonly folder: string;
  /** What was logged, by all starts. */
  readonly logged: Logged[] = [];
  readonly #above: string;
  #options: TestRuntimeOptions;
  #life: Life | undefined;

  /** Use `testRuntime`. */
  constructor(above: string, options: TestRuntimeOptions) {
    this.#above = above;
    this.folder = join(above, 'data');
    this.#options = options;
  }

  get runtime(): Runtime {
    return this.#alive.runtime;
  }

  /** The store of the runtime, to look behind it. */
  get store(): Store {
    return this.#alive.store;
  }

  /** Stops it as a host would, and starts it again on the same folder. */
  async restart(change: TestRuntimeOptions & { graceMs?: Millis } = {}): Promise<Runtime> {
    const { graceMs = 0, ...options } = change;
    const over = this.runtime.shutdown(graceMs);
    await this.clock.advance(graceMs);
    await over;
    return this.start(options);
  }

  /** P1, then a start on the same folder. */
  async crash(change: TestRuntimeOptions = {}): Promise<Runtime> {
    await this.kill();
    return this.start(change);
  }

  /** P1. Nothing runs until the next `start`. */
  async kill(): Promise<void> {
    await this.#life?.kill();
  }

  /** Resolves when the next append that matches is handed to the writer, before anybody knows that it is there. */
  whenWriting(match: (append: Append) => boolean): Promise<void> {
    return new Promise((resolve) => this.#alive.watch(match, resolve));
  }

  /** Kills it at the moment an append that matches is handed to the writer: it is written, and nobody is told. */
  killAtWrite(match: (append: Append) => boolean): Promise<void> {
    const life = this.#alive;
    return new Promise((resolve, reject) => {
      life.watch(match, () => {
        queueMicrotask(() => void life.kill().then(resolve, reject)); // The append has been taken by then.
      });
    });
  }

  /** After `kill`, or once the runtime has been shut down. */
  async start(change: TestRuntimeOptions = {}): Promise<Runtime> {
    this.#options = { ...this.#options, ...change };
    const life = await Life.begin(this.folder, this.clock, this.#logger(), this.#options);
    this.#life = life;
    return life.runtime;
  }

  /** P3. */
  async close(): Promise<void> {
    await this.#life?.kill();
    await rm(this.#above, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  get #alive(): Life {
    if (this.#life === undefined) throw new SojournError('internal', 'The test runtime has not been started');
    return this.#life;
  }

  #logger(): Logger {
    const log =
      (level: Logged['level']) =>
      (event: string, fields: Record<string, unknown> = {}): void =>
        void this.logged.push({ level, event, fields });
    return { info: log('info'), warn: log('warn'), error: log('error') };
  }
}

/** One start: what a process would own. */
class Life {
  readonly store: Store;
  runtime: Runtime = undefined as never;
  readonly #clock: LifeClock;
  readonly #onWrite: (append: Append) => void;
  readonly #watches = new Set<(append: Append) => void>();
  readonly #real: Store;
  #isOver = false;

  private constructor(real: Store, clock: LifeClock, onWrite: (append: Append) => void) {
    this.#real = real;
    this.#clock = clock;
    this.#onWrite = onWrite;
    this.store = this.#mortal(real);
  }

  static async begin(
    folder: string,
    hands: ManualClock,
    logger: Logger,
    { onWrite, ...options }: TestRuntimeOptions,
  ): Promise<Life> {
    const clock = new LifeClock(hands);
    // No test pulls the plug, and none fills the disk: neither fsync nor ballast is needed.
    const limits = { ballastBytes: 0, freeBytesMin: 0 };
    const store = await sqliteStore({ folder, clock, logger, limits, durability: 'process-crash' });
    const life = new Life(store, clock, (append) => onWrite?.(append));
    const agents = options.agents ?? { scripted: scriptedAgent({ wordMs: 0 }) };
    try {
      const parts = { store: life.store, bus: inProcessBus(logger), clock, logger };
      life.runtime = await createRuntime({ encoder: inProcessEncoder(), ...options, ...parts, agents });
    } catch (error) {
      await life.kill();
      throw error;
    }
    return life;
  }

  /** Calls `seen` once. */
  watch(match: (append: Append) => boolean, seen: () => void): void {
    const watch = (append: Append): void => {
      if (!match(append)) return;
      this.#watches.delete(watch);
      seen();
    };
    this.#watches.add(watch);
  }

  async kill(): Promise<void> {
    this.#isOver = true;
    this.#clock.stop();
    await this.#real.close();
  }

  /** The part as the runtime sees it: after the end it answers nothing, and takes nothing (P1). */
  #mortal<Part extends object>(part: Part): Part {
    return new Proxy(part, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name, target);
        if (typeof member !== 'function') {
          const isPart = typeof name === 'string' && PARTS.has(name); // A part may have a call of that name.
          return isPart ? this.#mortal(member as object) : member;
        }
        return (...args: unknown[]): unknown => {
          if (this.#isOver && name !== 'close') return unanswered;
          const given = name === 'append' ? [this.#seen(args[0] as () => Append)] : args;
          const answer: unknown = Reflect.apply(member, target, given);
          return answer instanceof Promise ? this.#told(answer) : answer;
        };
      },
    });
  }

  #seen(take: () => Append): () => Append {
    return () => {
      if (this.#isOver) throw new SojournError('store.failed', 'The process is gone');
      const append = take();
      this.#onWrite(append);
      for (const watch of this.#watches) watch(append);
      return append;
    };
  }

  #told<Answer>(answer: Promise<Answer>): Promise<Answer> {
    return new Promise((resolve, reject) => {
      answer.then(
        (value) => this.#isOver || resolve(value),
        (error: unknown) => this.#isOver || reject(error as Error),
      );
    });
  }
}

/** Of a store. */
const PARTS = new Set(['files', 'identities', 'timelines']);

const unanswered = new Promise<never>(() => undefined);

/** The manual clock, seen from one start (P2). */
class LifeClock implements Clock {
  readonly #hands: ManualClock;
  readonly #timers = new Set<Timer>();
  #isStopped = false;

  constructor(hands: ManualClock) {
    this.#hands = hands;
  }

  now(): Millis {
    return this.#hands.now();
  }

  monotonic(): Millis {
    return this.#hands.monotonic();
  }

  after(delay: Millis, run: () => void): Timer {
    if (this.#isStopped) return { cancel: () => undefined };
    const timer = this.#hands.after(delay, () => {
      this.#timers.delete(own);
      run();
    });
    const own: Timer = {
      cancel: () => {
        this.#timers.delete(own);
        timer.cancel();
      },
    };
    this.#timers.add(own);
    return own;
  }

  stop(): void {
    this.#isStopped = true;
    for (const timer of this.#timers) timer.cancel();
  }
}
