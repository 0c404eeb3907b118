// Memory (W4): what a live session costs, and what is left of it once it has been put away.
//
// Heap and external memory after full collections, in the server itself. The base is taken after the code is warm and
// everything that warmed it has been put away. Floors have no way to put a session away: what they hold, they keep.
import { RunningServer, type Contender } from './contender.ts';
import { deltasOf, inputOf } from './echo.ts';
import type { Load } from './load/driver.ts';

export interface MemoryFigures {
  contender: string;
  sessions: number;
  baseBytes: number;
  liveBytesPerSession: number;
  /** Of that, the words said: what any server that keeps its history in memory holds. */
  historyBytesPerSession: number;
  /** After all were put away, over the base; null where they cannot be. */
  afterOverBase: number | null;
}

const CONCURRENCY = 32;
const WARM_UP_SESSIONS = 2_000;

export async function measureMemory(
  contender: Contender,
  folder: string,
  load: Load,
  sessions: number,
): Promise<MemoryFigures> {
  const evicts = contender.script.startsWith('sojourn');
  const server = await RunningServer.start(contender, folder, ...(evicts ? ['--live-max=100000'] : []));
  try {
    const warm = keys('w', Math.min(WARM_UP_SESSIONS, sessions));
    await speak(load, server, warm);
    if (evicts) await evictAll(load, server, warm);
    const baseBytes = await server.heapBytes();

    const all = keys('m', sessions);
    await speak(load, server, all);
    const liveBytes = await server.heapBytes();
    if (evicts) await evictAll(load, server, all);
    const afterBytes = await server.heapBytes();

    const input = inputOf('m5000', 1, 0);
    return {
      contender: contender.name,
      sessions,
      baseBytes,
      liveBytesPerSession: (liveBytes - baseBytes) / sessions,
      historyBytesPerSession: input.length + deltasOf(input, 1).join('').length,
      afterOverBase: evicts ? afterBytes / baseBytes : null,
    };
  } finally {
    await server.stop();
  }
}

async function speak(load: Load, server: RunningServer, all: readonly string[]): Promise<void> {
  const lanes = { concurrency: CONCURRENCY, gapMs: 0 };
  await load.turns({ target: server.target, keys: all, before: 0, turnsEach: 1, ...lanes });
}

/** Throws when a session could not be put away. */
export async function evictAll(load: Load, server: RunningServer, all: readonly string[]): Promise<void> {
  const paths = all.map((key) => `/v1/sessions/${key}/evict`);
  const { statuses } = await load.calls({
    target: server.target,
    method: 'POST',
    paths,
    concurrency: CONCURRENCY,
  });
  const refused = Object.entries(statuses).filter(([status]) => !status.startsWith('2'));
  if (refused.length > 0) throw new Error(`Evicting was refused: ${JSON.stringify(statuses)}`);
}

const keys = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, at) => `${prefix}${at}`);
