// Process: one run of the program over the disk: a real runtime, whose store, clock, bus and agents it holds in its hand.
//
//   P1. A dead process is silent: its timers never fire, its store writes and answers nothing, its agents never go on.
//   P2. A late one was paused while another took over. It goes on; what it writes reaches the disk only where its session
//       has been claimed since, so that the fence decides about it.
import type { Bus } from '../../src/bus/bus.ts';
import { inProcessBus } from '../../src/bus/in-process/in-process.ts';
import type { Clock, Timer } from '../../src/kernel/clock.ts';
import { SojournError } from '../../src/kernel/errors.ts';
import type { Limits } from '../../src/kernel/limits.ts';
import type { Logger } from '../../src/kernel/logger.ts';
import { createRuntime } from '../../src/runtime/create.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import type { Append, Store } from '../../src/store/store.ts';
import { MemoryStore, type GroupStep } from '../../src/testing/memory-store.ts';
import { agentsOf, type Living } from './agents.ts';
import { check } from './check.ts';
import type { World } from './world.ts';

export type ProcessState = 'starting' | 'up' | 'stopping' | 'down' | 'late' | 'dead';

/** Reads that a slow store would answer late. */
const READS = new Set<string | symbol>([
  'read',
  'byKey',
  'byId',
  'children',
  'unfinished',
  'turn',
  'turns',
  'openTurns',
  'request',
  'openRequests',
  'once',
  'snapshot',
]);

export class Process {
  readonly number: number;
  readonly world: World;
  readonly store: MemoryStore;
  state: ProcessState = 'starting';
  runtime: Runtime | undefined;
  /** Something of its disk failed: it may have lost a session from memory. */
  faults = 0;
  readonly livings: Living[] = [];
  /** Calls that must come to an end while it lives. */
  readonly pending = new Map<Promise<unknown>, string>();
  readonly #timers = new Map<Timer, string>();
  #published = 0;

  constructor(world: World, number: number) {
    this.world = world;
    this.number = number;
    this.store = new MemoryStore({
      clock: world.clock,
      disk: world.disk,
      gate: (step, appends) => this.#group(step, appends),
    });
  }

  async start(limits: Partial<Limits>): Promise<void> {
    const { world } = this;
    const runtime = await createRuntime({
      store: this.#slowStore(),
      bus: this.#bus(),
      agents: agentsOf(this),
      limits,
      clock: this.#clock(),
      ids: { id: () => world.nextId(), secret: () => world.nextId() },
      logger: this.#logger(),
      coalesceDeltas: world.setting.coalesce,
    });
    this.runtime = runtime;
    if (this.state === 'starting') this.state = 'up';
  }

  get isGone(): boolean {
    return this.state === 'dead' || this.state === 'late';
  }

  /** P1. */
  kill(): void {
    this.state = 'dead';
    this.store.crash();
    for (const timer of this.#timers.keys()) timer.cancel();
    this.#timers.clear();
    this.pending.clear();
  }

  /** P2. */
  overtake(): void {
    this.state = 'late';
    this.pending.clear();
  }

  get timersLeft(): number {
    return this.#timers.size;
  }

  /** Waits for its turn in the schedule. */
  async gate(label: string): Promise<void> {
    await this.world.scheduler.schedule(Promise.resolve(), `${this.number} ${label}`);
    if (this.state === 'dead') await never();
  }

  /** A call that has to end, and in no way its rules forbid. */
  watch(what: string, call: Promise<unknown>): void {
    const watched = call.then(
      () => undefined,
      (error: unknown) => {
        if (!this.isGone) this.world.fail(error);
      },
    );
    this.pending.set(watched, what);
    void watched.then(() => this.pending.delete(watched));
  }

  async #group(step: GroupStep, appends: readonly Append[]): Promise<void> {
    const { setting } = this.world;
    if (step === 'commit' || setting.gated.includes(step)) await this.gate(step);
    if (this.state === 'late' && step === 'commit') {
      const { sessions } = this.world.disk;
      const isClaimed = appends.every(
        ({ session, epoch }) =>
          typeof session === 'number' && (sessions.get(session)?.row.epoch ?? 0) > epoch,
      );
      if (!isClaimed) await never();
    }
    if (appends.length > 0 && this.world.takeFault(step)) {
      this.faults += 1;
      throw new SojournError('store.full', `as told, at ${step}`);
    }
  }

  #slowStore(): Store {
    const { reads } = this.world.setting;
    if (reads === 'at once') return this.store;
    return new Proxy<Store>(this.store, {
      get: (store, name) => {
        const method: unknown = Reflect.get(store, name, store);
        if (typeof method !== 'function') return method;
        if (!READS.has(name)) return method.bind(store) as unknown;
        return async (...args: unknown[]): Promise<unknown> => {
          if (reads === 'asked late') await this.gate(String(name));
          const answer = await (method.apply(store, args) as Promise<unknown>);
          if (reads === 'answered late') await this.gate(String(name));
          return answer;
        };
      },
    });
  }

  #bus(): Bus {
    const bus = inProcessBus(this.#logger());
    const { lossy } = this.world.setting;
    if (!lossy) return bus;
    return {
      publish: (topic, message) => {
        this.#published += 1;
        if (this.#published % 3 === 0 && !this.world.isCalm) return;
        bus.publish(topic, message);
        if (this.#published % 4 === 0) bus.publish(topic, message);
      },
      subscribe: (topic, receive) => bus.subscribe(topic, receive),
    };
  }

  #clock(): Clock {
    const { clock } = this.world;
    return {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      after: (delay, run) => {
        const timer = clock.after(delay, () => {
          this.#timers.delete(own);
          run();
        });
        const own: Timer = {
          cancel: () => {
            timer.cancel();
            this.#timers.delete(own);
          },
        };
        this.#timers.set(own, `one of ${delay} ms`);
        return own;
      },
    };
  }

  /** What is logged as a defect is one. */
  #logger(): Logger {
    const look = (event: string, fields: Record<string, unknown> = {}): void => {
      if (this.isGone) return;
      const { error } = fields;
      const isDefect =
        error instanceof TypeError || error instanceof RangeError || SojournError.is(error, 'internal');
      if (isDefect) this.world.fail(new Error(`${event}: ${String(error)}`, { cause: error }));
    };
    return { info: look, warn: look, error: look };
  }

  /** After a shutdown: nothing of it is left, but what came or ended too late to be waited for. */
  checkLeft(): void {
    const nowMs = this.world.clock.monotonic();
    const isLate = this.livings.some(({ excusedMs }) => nowMs >= excusedMs);
    for (const { stage, excusedMs, name } of this.livings) {
      const isGone = stage === 'closed' || stage === 'failed' || nowMs >= excusedMs;
      check(isGone, () => `instance ${name} is ${stage} after shutdown`);
    }
    const left = [...this.#timers.values()];
    check(left.length === 0 || isLate, () => `timers are left after shutdown: ${left.join()}`);
  }
}

export function never(): Promise<never> {
  return new Promise(() => undefined);
}
