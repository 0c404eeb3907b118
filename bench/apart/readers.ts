// Readers and waking: two figures of a running server that no floor has.
//
// A thousand people follow one session while it answers; and sessions that were put away are woken by their next turn.
import { RunningServer, SOJOURN } from '../contender.ts';
import type { Load } from '../load/driver.ts';
import { evictAll } from '../memory.ts';
import type { Line } from '../results.ts';

const WAKING_SESSIONS = 200;
const WARM_UP_TURNS = 5;

export async function readersBench(folder: string, load: Load, quick: boolean): Promise<Line[]> {
  const server = await RunningServer.start(SOJOURN, folder);
  try {
    return [...(await manyReaders(server, load, quick)), ...(await waking(server, load))];
  } finally {
    await server.stop();
  }
}

async function manyReaders(server: RunningServer, load: Load, quick: boolean): Promise<Line[]> {
  const target = server.target;
  const readers = quick ? 200 : 1_000;
  const key = 'watched';
  await load.turns({ target, keys: [key], before: 0, turnsEach: WARM_UP_TURNS, concurrency: 1, gapMs: 0 });
  await server.reset();
  const figures = await load.readers({ target, key, before: WARM_UP_TURNS, readers, turns: quick ? 5 : 20 });
  const { stallMs } = await server.since();
  const line = (what: string, value: number, unit: string): Line => ({
    bench: 'readers',
    what: `${readers.toLocaleString('en-US')} readers of one session: ${what}`,
    value,
    unit,
  });
  return [
    line('events delivered', figures.deliveredPerSecond, 'events/s'),
    line('a reader has the turn, p50', figures.endMs.p50, 'ms'),
    line('a reader has the turn, p99', figures.endMs.p99, 'ms'),
    line('the last reader behind the sender, p50', figures.lagMs.p50, 'ms'),
    line('largest stall, while they come and after', stallMs, 'ms'),
  ];
}

/** The same sessions, one user at a time: put away, then warm. The sessions have `turns` turns of history. */
async function waking(server: RunningServer, load: Load): Promise<Line[]> {
  const target = server.target;
  const turns = 10;
  const keys = Array.from({ length: WAKING_SESSIONS }, (_, at) => `sleeper${at}`);
  const one = { target, keys, turnsEach: 1, concurrency: 1, gapMs: 0 };
  await load.turns({ ...one, before: 0, turnsEach: turns, concurrency: 16 });
  await evictAll(load, server, keys);
  const woken = await load.turns({ ...one, before: turns });
  const warm = await load.turns({ ...one, before: turns + 1 });
  const line = (what: string, value: number): Line => ({ bench: 'waking', what, value, unit: 'ms' });
  return [
    line('a turn on a sleeping session, p50', woken.totalMs.p50),
    line('a turn on a live session, p50', warm.totalMs.p50),
    line('waking one with ten turns of history, p50', woken.totalMs.p50 - warm.totalMs.p50),
    line('a turn on a sleeping session, p99', woken.totalMs.p99),
  ];
}
