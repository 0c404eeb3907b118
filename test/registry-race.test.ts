// Registry race: whatever hosts do at once with sessions, in whatever order, each has one instance, and what is held stays.
//
//   R1. Every run is told by its seed: it does the same each time, as far as one process can.
//   R2. While things happen, no session has two instances, except while one replaces the other.
//   R3. When all is quiet, what is leased is live, and at most `liveMax` are.
//   R4. After the shutdown every instance that was opened has been closed, once.
import { expect, test } from 'vitest';
import type { Agent } from '../src/agent/agent.ts';
import { SojournError } from '../src/kernel/errors.ts';
import type { SessionLease } from '../src/runtime/leases.ts';
import { testRuntime, type TestRuntime } from '../src/testing/test-runtime.ts';

const KEYS = ['a', 'b', 'c', 'd', 'e', 'f'];
const LIVE_MAX = 3;
/** What a caller may be told when others do things at the same moment. */
const MAY_BE_TOLD = new Set([
  'capacity',
  'keeper.gone',
  'session.busy',
  'session.closed',
  'session.not_found',
  'session.exists',
]);

/** Counts the instances of each session. */
class Counting implements Agent {
  readonly capabilities = {
    rerun: 'safe',
    steers: false,
    rewinds: false,
    forks: false,
    ownsHistory: false,
  } as const;
  readonly alive = new Map<string, number>();
  readonly wrong: string[] = [];
  opened = 0;
  closed = 0;
  #next = 0;

  async open({ session: { id } }: { session: { id: string } }) {
    const number = (this.#next += 1);
    await this.#aMoment(number);
    this.opened += 1;
    this.#count(id, 1);
    let isClosed = false;
    return {
      run: async function* () {
        yield { kind: 'text.delta', text: 'done' } as const;
      },
      snapshot: () => undefined,
      close: async () => {
        if (isClosed) this.wrong.push(`${number} was closed twice`);
        isClosed = true;
        await this.#aMoment(number);
        this.closed += 1;
        this.#count(id, -1);
      },
    };
  }

  #count(id: string, change: number): void {
    const count = (this.alive.get(id) ?? 0) + change;
    this.alive.set(id, count);
    if (count > 2 || count < 0) this.wrong.push(`${id} has ${count} instances`); // R2
  }

  /** Some take a turn of the event loop, some do not. */
  async #aMoment(number: number): Promise<void> {
    if (number % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

function numbers(seed: number): (max: number) => number {
  let state = seed;
  return (max) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return (state >>> 8) % max;
  };
}

class Run {
  readonly #world: TestRuntime;
  readonly #below: (max: number) => number;
  readonly #leases: SessionLease[] = [];
  readonly #under = new Set<Promise<void>>();
  readonly told: string[] = [];

  constructor(world: TestRuntime, seed: number) {
    this.#world = world;
    this.#below = numbers(seed);
  }

  /** One thing that somebody does; it is not waited for. */
  step(): void {
    const { runtime } = this.#world;
    const key = KEYS[this.#below(KEYS.length)] ?? 'a';
    const acts: readonly (() => Promise<unknown>)[] = [
      async () => this.#leases.push(await runtime.registry.resolve({ key })),
      async () => this.#leases.push(await runtime.registry.resolve({ key })),
      async () => (await runtime.registry.get({ key }))?.release(),
      async () => this.#leases.splice(this.#below(this.#leases.length + 1), 1)[0]?.release(),
      async () => this.#leases.splice(this.#below(this.#leases.length + 1), 1)[0]?.release(),
      () => runtime.evict(key),
      () => runtime.dirty({ key, reason: 'changed' }),
      () => runtime.send(key, { input: 'hello' }),
      async () => {
        await runtime.close(key, { erase: true });
        await runtime.open(key);
      },
    ];
    const act = acts[this.#below(acts.length)];
    if (act === undefined) return;
    const doing: Promise<void> = act().then(
      () => undefined,
      (error: unknown) => {
        const code = error instanceof SojournError ? error.code : String(error);
        if (!MAY_BE_TOLD.has(code)) this.told.push(code);
      },
    );
    this.#under.add(doing);
    void doing.then(() => this.#under.delete(doing)); // Never rejects.
  }

  /** Waits until nobody does anything; answers what is not as it should be (R3). */
  async quiet(): Promise<readonly string[]> {
    while (this.#under.size > 0) await Promise.all(this.#under);
    const { runtime } = this.#world;
    for (const { key } of (await runtime.sessions()).sessions) await runtime.waitForIdle(key);
    await this.#world.clock.advance(this.#below(3) * 1_000);
    const wrong: string[] = [];
    if (runtime.registry.size > LIVE_MAX) wrong.push(`${runtime.registry.size} are live`);
    for (const { session, state } of this.#held()) {
      const live = await runtime.registry.peek({ id: session.id });
      if (live?.held !== true || state === null) wrong.push(`${session.key} is leased and not held`);
    }
    for (const lease of this.#leases.splice(this.#below(2))) lease.release();
    return wrong;
  }

  /** Those that no closing has ended. */
  #held(): readonly SessionLease[] {
    return this.#leases.filter((lease) => {
      try {
        return lease.state !== undefined;
      } catch (error) {
        if (SojournError.is(error, 'keeper.gone')) return false;
        throw error;
      }
    });
  }
}

test.each([1, 2, 3, 4, 5, 6, 7, 8])(
  'whatever is done at once, each session has one instance, and what is held stays (seed %i)',
  async (seed) => {
    const agent = new Counting();
    await using world = await testRuntime({
      agents: { agent },
      limits: { liveMax: LIVE_MAX, idleMsMax: 1_500, createPerMinute: 1_000_000 },
    });
    for (const key of KEYS) await world.runtime.open(key);
    const run = new Run(world, seed);

    for (let round = 0; round < 30; round += 1) {
      for (let step = 0; step < 9; step += 1) {
        run.step();
        if ((seed + step) % 3 === 0) await world.clock.advance(0); // Some of it goes on a little.
      }
      expect(await run.quiet()).toEqual([]);
    }
    await world.runtime.shutdown(0);

    expect(run.told).toEqual([]);
    expect(agent.wrong).toEqual([]);
    expect([...agent.alive.values()].every((count) => count === 0)).toBe(true); // R4
    expect([agent.opened > 30, agent.opened - agent.closed]).toEqual([true, 0]);
  },
);
