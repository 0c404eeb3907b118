import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Behaviour, type Key, KEYS } from './keeper-thing.ts';
import { World } from './keeper-world.ts';

const RUNS = Number(process.env['KEEPER_RUNS'] ?? 600);

type Act = (world: World, key: Key, n: number) => void | Promise<void>;

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const ACTS: Record<string, [weight: number, act: Act]> = {
  use: [8, (world, key) => world.use(key)],
  useOrLeave: [
    3,
    (world, key) => {
      const leaver = new AbortController();
      world.leavers.push(leaver);
      world.use(key, undefined, leaver.signal);
    },
  ],
  abandon: [3, (world, _, n) => world.leavers[n % (world.leavers.length || 1)]?.abort()],
  tryUse: [2, (world, key) => world.tryUse(key)],
  release: [10, (world, _, n) => world.release(n)],
  reserve: [3, (world, key) => world.reserve(key)],
  usePlace: [
    2,
    (world, _, n) => {
      const place = world.takePlace(n);
      if (place) world.use(place.place.key as Key, place);
    },
  ],
  giveBack: [
    2,
    (world, _, n) => {
      const place = world.takePlace(n);
      if (place) world.giveBack(place);
    },
  ],
  stay: [2, (world, key) => world.stay(key)],
  leave: [3, (world, _, n) => world.leave(n)],
  mark: [
    6,
    async (world, key, n) => {
      const keys = KEYS.filter((other, i) => other === key || (n >> i) % 2 === 1);
      if (n % 3 === 0) return world.mark(keys);
      await settle();
      world.markWhenSettled(keys);
    },
  ],
  evict: [3, (world, key) => world.watch(world.keeper.evict(key, 'memory'))],
  close: [3, (world, key) => world.watch(world.keeper.close(key))],
  retire: [2, (world, key) => world.watch(world.keeper.retire(key, 'deadline'))],
  sweep: [2, (world) => world.watch(world.keeper.sweep())],
  advance: [8, (world, _, n) => world.clock.advance(n % 24)],
  thaw: [2, (world, _, n) => world.thaw(1 + (n % 2))],
  settle: [5, settle],
};

const acts = fc.array(
  fc.record({
    act: fc.oneof(
      ...Object.entries(ACTS).map(([name, [weight]]) => ({ weight, arbitrary: fc.constant(name) })),
    ),
    key: fc.constantFrom(...KEYS),
    n: fc.nat(1_000),
    /** How many hooks end before the next act. */
    steps: fc.nat(3),
  }),
  { maxLength: 60, size: 'max' },
);

const behaviours = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: fc.constant<Behaviour>('ok') },
    { weight: 2, arbitrary: fc.constantFrom<Behaviour>('throws', 'rejects', 'hangs', 're-enters') },
  ),
  { minLength: 1, maxLength: 40, size: 'max' },
);

const limits = fc.record({
  liveMax: fc.integer({ min: 1, max: 4 }),
  livePerProjectMax: fc.constantFrom(1, 2, Infinity),
  livePerOwnerMax: fc.constantFrom(1, 2, Infinity),
  liveBytesMax: fc.constantFrom(30, 70, Infinity),
});

async function step(scheduler: fc.Scheduler, count: number): Promise<void> {
  for (let i = 0; i < count && scheduler.count() > 0; i++) {
    await scheduler.waitNext(1);
    await settle();
  }
}

/** Lets go of everything and lets every hook end well: whoever waits must be served or refused. */
async function calm(world: World, scheduler: fc.Scheduler): Promise<void> {
  world.calm();
  for (const leaver of world.leavers) leaver.abort();
  for (let round = 0; round < 400; round++) {
    for (let place = world.takePlace(0); place; place = world.takePlace(0)) world.giveBack(place);
    while (world.uses.length > 0) world.release(0);
    while (world.stays.length > 0) world.leave(0);
    await settle();
    await step(scheduler, Infinity);
    world.verify();
    if (world.pending.size === 0) return;
    await world.clock.advance(1);
  }
  throw new Error(`${world.pending.size} calls wait for ever: ${JSON.stringify(world.keeper.stats())}`);
}

test('in whatever order things happen, one thing a key, none lost, none left, nothing held put away', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      acts,
      behaviours,
      limits,
      fc.nat(40),
      async (scheduler, script, how, bounds, graceMs) => {
        const world = new World(scheduler, how, bounds);
        const [play, encore] = [script.slice(0, -8), script.slice(-8)];
        const perform = async (part: typeof script): Promise<void> => {
          for (const { act, key, n, steps } of part) {
            await ACTS[act]?.[1](world, key, n);
            world.verify();
            await step(scheduler, steps);
            world.verify();
          }
        };

        await perform(play);
        let down = false;
        if (graceMs % 2 === 0) {
          await calm(world, scheduler);
          await checkFresh(world, scheduler);
        }
        world.shutdown(graceMs).then(
          () => (down = true),
          (error: unknown) => world.fail(error),
        );
        await perform(encore);
        for (let ms = 0; ms < graceMs + 100 && !down; ms++) {
          await step(scheduler, Infinity);
          await world.clock.advance(1);
        }
        expect(down).toBe(true);
        await calm(world, scheduler);
        await world.clock.advance(100);

        world.verifyEnd();
      },
    ),
    { numRuns: RUNS },
  );
});

/** No mark is lost: in the end, each key gives a thing that was begun after the last mark. */
async function checkFresh(world: World, scheduler: fc.Scheduler): Promise<void> {
  for (const key of KEYS) {
    world.use(key); // Alone with the key, so the world checks what it is given.
    await calm(world, scheduler);
  }
}
