// Keeper: what looking after live things costs, by how many there are.
//
// The clock is moved by hand, so that exactly as many are due as are meant to be. What is kept is nothing: making and
// putting away cost only what the keeper adds.
import { Keeper, type KeeperOptions } from '../../src/keeper/keeper.ts';
import type { Clock } from '../../src/kernel/clock.ts';
import { silentLogger } from '../../src/kernel/logger.ts';
import { DEFAULT_LIMITS } from '../../src/kernel/limits.ts';
import type { Line } from '../results.ts';
import { median } from '../sample.ts';

const FEW = 100;
const MANY = 100_000;
const IDLE_MS_MAX = 1_000_000;
const SWEEPS = 2_000;
const DUE_EACH = 10;
const USES = 200_000;

class HandClock implements Clock {
  ms = 1;
  now = (): number => this.ms;
  monotonic = (): number => this.ms;
  /** Nothing fires by itself: sweeps are called. */
  after(): { cancel(): void } {
    return { cancel: () => undefined };
  }
}

interface Filled {
  keeper: Keeper<string, object, null>;
  clock: HandClock;
  makeUs: number;
}

export async function keeperBench(): Promise<Line[]> {
  const few = await filled(FEW);
  const many = await filled(MANY);
  const idleFew = await idleSweepUs(few);
  const idleMany = await idleSweepUs(many);
  const line = (what: string, value: number, unit: string): Line => ({ bench: 'keeper', what, value, unit });
  const lines = [
    line('a sweep with nothing due, 100 live', idleFew, 'us'),
    line('a sweep with nothing due, 100,000 live', idleMany, 'us'),
    // Both are a few microseconds at most, so the machine's noise is a large part of them.
    {
      ...line('a sweep with nothing due, 100,000 live over 100', idleMany / idleFew, 'x'),
      goal: { sign: '<=' as const, value: 3 },
    },
    line('making one and putting it in its place, of 100,000', many.makeUs, 'us'),
    line('using a live one and giving it back, 100 live', useUs(few, FEW), 'us'),
    line('using a live one and giving it back, 100,000 live', useUs(many, MANY), 'us'),
    line(`a sweep that puts ${DUE_EACH} away, for each, 100 live`, await dueSweepUs(FEW), 'us'),
    line(`a sweep that puts ${DUE_EACH} away, for each, 100,000 live`, await dueSweepUs(MANY), 'us'),
  ];
  await few.keeper.shutdown(0);
  await many.keeper.shutdown(0);
  return lines;
}

/** A keeper with `count` idle things, made one after the other, a millisecond apart. */
async function filled(count: number): Promise<Filled> {
  const clock = new HandClock();
  const options: KeeperOptions<string, object, null> = {
    make: () => Promise.resolve({}),
    flush: () => Promise.resolve(),
    dispose: () => Promise.resolve(),
    project: () => 'default',
    owner: () => null,
    limits: { ...DEFAULT_LIMITS, liveMax: MANY * 2, idleMsMax: IDLE_MS_MAX, sweepMs: 0 },
    clock,
    logger: silentLogger,
  };
  const keeper = new Keeper(options);
  const start = performance.now();
  for (let at = 0; at < count; at += 1) {
    clock.ms += 1;
    (await keeper.use(`key-${at}`, null)).release();
  }
  return { keeper, clock, makeUs: ((performance.now() - start) / count) * 1_000 };
}

async function idleSweepUs({ keeper }: Filled): Promise<number> {
  const times: number[] = [];
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    const start = performance.now();
    const swept = await keeper.sweep();
    times.push((performance.now() - start) * 1_000);
    if (swept.length > 0) throw new Error(`${swept.length} were due, none should have been`);
  }
  return median(times);
}

/** Ten more become due before each sweep: they were made a millisecond apart. */
async function dueSweepUs(count: number): Promise<number> {
  const { keeper, clock } = await filled(count);
  const times: number[] = [];
  // Just before the first of them is due.
  clock.ms += IDLE_MS_MAX - count + 1;
  for (let swept = 0; swept + DUE_EACH <= FEW; swept += DUE_EACH) {
    clock.ms += DUE_EACH;
    const start = performance.now();
    const gone = await keeper.sweep();
    times.push(((performance.now() - start) * 1_000) / DUE_EACH);
    if (gone.length !== DUE_EACH)
      throw new Error(`${gone.length} were put away, ${DUE_EACH} should have been`);
  }
  await keeper.shutdown(0);
  return median(times);
}

function useUs({ keeper }: Filled, count: number): number {
  const start = performance.now();
  for (let use = 0; use < USES; use += 1) {
    const held = keeper.tryUse(`key-${(use * 7_919) % count}`);
    if (held === null) throw new Error('A live thing could not be used');
    held.release();
  }
  return ((performance.now() - start) / USES) * 1_000;
}
