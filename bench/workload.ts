// Workloads W1 to W3 and W5: what is done to every contender, round by round.
//
//   W1. All contenders are up at once; each workload goes round all of them before the next begins, and every other
//       round goes round backwards: what a drifting machine does to one, it does to its neighbours.
//   W2. A round starts from empty folders and new processes, which first answer turns that are not counted.
//   W3. The restart is counted on sessions that had no turn in the new process; others have warmed its code. A session's
//       second turn comes right after its first: what the process learns meanwhile helps both.
import { RunningServer, type Contender } from './contender.ts';
import { commitTime, type CommitTime } from './commit-time.ts';
import type { Load } from './load/driver.ts';
import type { TurnsFigures } from './load/load.ts';

export const WORKLOADS = ['w1', 'w2', 'w2-paced', 'first', 'w3'] as const;
export type WorkloadName = (typeof WORKLOADS)[number];

/** One workload on one contender in one round. */
export interface Visit {
  round: number;
  contender: string;
  workload: WorkloadName;
  figures: TurnsFigures;
  stallMs: number;
  /** Of the server, all its threads. */
  cpuUsPerTurn: number;
}

export interface Sizes {
  rounds: number;
  /** The 5 ms workload takes as long as its pauses, so it runs in the first rounds only. */
  pacedRounds: number;
  sessions: number;
  warmSessions: number;
  turnsEach: number;
  pacedTurnsEach: number;
  firstTurns: number;
}

export const FULL_SIZES: Sizes = {
  rounds: 3,
  pacedRounds: 1,
  sessions: 1_000,
  warmSessions: 200,
  turnsEach: 10,
  pacedTurnsEach: 10,
  firstTurns: 60,
};

export const QUICK_SIZES: Sizes = {
  rounds: 1,
  pacedRounds: 1,
  sessions: 150,
  warmSessions: 100,
  turnsEach: 4,
  pacedTurnsEach: 1,
  firstTurns: 20,
};

const CONCURRENCY = 32;
const WARM_UP_SESSIONS = 100;

/** A contender in one round. */
interface Seat {
  contender: Contender;
  folder: string;
  server: RunningServer;
}

export interface RoundsOptions {
  contenders: readonly Contender[];
  sizes: Sizes;
  folder: string;
  load: Load;
  wanted: ReadonlySet<string>;
  onVisit(visit: Visit): void;
}

export async function runRounds(options: RoundsOptions): Promise<CommitTime[]> {
  const commits: CommitTime[] = [];
  for (let round = 0; round < options.sizes.rounds; round += 1) {
    commits.push(await commitTime(`${options.folder}/commit-${round}`));
    await runRound(options, round);
  }
  return commits;
}

async function runRound(options: RoundsOptions, round: number): Promise<void> {
  const { sizes, wanted } = options;
  const seats: Seat[] = [];
  try {
    for (const [at, contender] of options.contenders.entries()) {
      const folder = `${options.folder}/round-${round}-${at}`;
      seats.push({ contender, folder, server: await RunningServer.start(contender, folder) });
    }
    if (round % 2 === 1) seats.reverse();
    const around = visiting(options, round, seats);
    const all = names('s', sizes.sessions);
    const warm = all.slice(0, sizes.warmSessions);
    const waiting = all.slice(sizes.warmSessions);
    let said = 1;

    for (const seat of seats) await warmUp(options.load, seat, names('w', WARM_UP_SESSIONS), 0, 3);
    await around('w1', { keys: all, before: 0, turnsEach: 1 });
    if (wanted.has('w2')) {
      await around('w2', { keys: warm, before: said, turnsEach: sizes.turnsEach });
      said += sizes.turnsEach;
      if (round < sizes.pacedRounds) {
        await around('w2-paced', { keys: warm, before: said, turnsEach: sizes.pacedTurnsEach, gapMs: 5 });
        said += sizes.pacedTurnsEach;
      }
      await around('first', {
        keys: waiting.slice(0, sizes.firstTurns),
        before: 1,
        turnsEach: 1,
        gapMs: 1,
        concurrency: 1,
      });
    }
    if (wanted.has('w3')) {
      const keeping = seats.filter((seat) => seat.contender.keeps);
      for (const seat of keeping) await restart(seat);
      for (const seat of keeping) await warmUp(options.load, seat, names('w', WARM_UP_SESSIONS), 3, 5);
      const again = visiting(options, round, keeping);
      await again('w3', { keys: warm, before: said, turnsEach: 2, concurrency: 1, inARow: true });
    }
  } finally {
    for (const seat of seats) await seat.server.stop();
  }
}

interface Turns {
  keys: readonly string[];
  before: number;
  turnsEach: number;
  gapMs?: number;
  concurrency?: number;
  inARow?: boolean;
}

/** Goes round all seats with one workload (W1). */
function visiting(options: RoundsOptions, round: number, seats: readonly Seat[]) {
  return async (workload: WorkloadName, turns: Turns): Promise<void> => {
    for (const { contender, server } of seats) {
      await server.reset();
      const figures = await options.load.turns({
        target: server.target,
        gapMs: 0,
        concurrency: CONCURRENCY,
        ...turns,
      });
      const { stallMs, cpuMs } = await server.since();
      const cpuUsPerTurn = (cpuMs / figures.turns) * 1_000;
      options.onVisit({ round, contender: contender.name, workload, figures, stallMs, cpuUsPerTurn });
    }
  };
}

async function restart(seat: Seat): Promise<void> {
  await seat.server.stop();
  seat.server = await RunningServer.start(seat.contender, seat.folder);
}

async function warmUp(
  load: Load,
  seat: Seat,
  keys: readonly string[],
  before: number,
  turnsEach: number,
): Promise<void> {
  await load.turns({ target: seat.server.target, keys, before, turnsEach, concurrency: 8, gapMs: 0 });
}

function names(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, at) => `${prefix}${at}`);
}
