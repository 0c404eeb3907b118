// Results: figures of a whole run, and the ratios they are there for.
//
//   R1. A ratio is taken within one round, of neighbours in time; what is reported is the median of the rounds' ratios.
//   R2. Absolute figures are reported beside the time of one commit on the same disk in the same run, never alone.
import type { CommitTime } from './commit-time.ts';
import { F0, F0_NORMAL, F1, F1_BARE, F2, SOJOURN, SOJOURN_EACH, type Contender } from './contender.ts';
import type { MemoryFigures } from './memory.ts';
import { median } from './sample.ts';
import type { TurnsFigures } from './load/load.ts';
import type { Visit, WorkloadName } from './workload.ts';

/** A figure of one of the separate benches. */
export interface Line {
  bench: string;
  what: string;
  value: number;
  unit: string;
  /** The most it may be (`<=`) or the least (`>=`); absent where it is only told. */
  goal?: { sign: '<=' | '>='; value: number };
}

export interface Results {
  at: string;
  machine: { cpus: number; model: string; node: string; platform: string };
  /** Processes that ran or wanted to, a minute's average, before the bench added its own. */
  loadBefore: number;
  quick: boolean;
  rounds: number;
  commitMs: number;
  /** A commit after a pause: what one user at a time waits for. */
  loneCommitMs: number;
  /** A commit after about as long a pause as W3 has between its turns. */
  pacedCommitMs: number;
  fdatasyncMs: number;
  visits: readonly Visit[];
  memory: readonly MemoryFigures[];
  lines: readonly Line[];
}

/** Something the issue of speed stands or falls with. */
export interface Goal {
  what: string;
  value: number;
  sign: '<=' | '>=';
  bound: number;
  unit: string;
  met: boolean;
}

export function commitMs(commits: readonly CommitTime[], which: keyof CommitTime): number {
  return median(commits.map((commit) => commit[which].p50));
}

/** The median over the rounds of one figure of one contender; NaN where it did not run. */
export function typical(
  results: Results,
  contender: Contender,
  workload: WorkloadName,
  pick: (figures: TurnsFigures) => number,
): number {
  return median(visitsOf(results, contender, workload).map((visit) => pick(visit.figures)));
}

/** R1. NaN where one of the two did not run. */
export function ratio(
  results: Results,
  [mine, other]: readonly [Contender, Contender],
  workload: WorkloadName,
  pick: (figures: TurnsFigures) => number,
): number {
  const others = visitsOf(results, other, workload);
  const ratios = visitsOf(results, mine, workload).flatMap((visit) => {
    const match = others.find((candidate) => candidate.round === visit.round);
    return match === undefined ? [] : [pick(visit.figures) / pick(match.figures)];
  });
  return median(ratios);
}

/** The median over the rounds of what a first turn after a restart takes longer than the next one. */
export function coldExtraMs(results: Results, contender: Contender): number {
  const extras = visitsOf(results, contender, 'w3').flatMap(({ figures }) => {
    const [first, next] = figures.turnMs;
    return first === undefined || next === undefined ? [] : [first.p50 - next.p50];
  });
  return median(extras);
}

/** W5: the median over the rounds of the largest stall in W1 to W3. */
export function stallMs(results: Results, contender: Contender): number {
  const worst = new Map<number, number>();
  for (const visit of results.visits) {
    if (visit.contender !== contender.name) continue;
    worst.set(visit.round, Math.max(worst.get(visit.round) ?? 0, visit.stallMs));
  }
  return median([...worst.values()]);
}

/** In W2: what a turn takes of the processor, whatever else the machine does. */
export function serverCpuUs(results: Results, contender: Contender): number {
  return median(visitsOf(results, contender, 'w2').map((visit) => visit.cpuUsPerTurn));
}

export const perSecond = (figures: TurnsFigures): number => figures.turnsPerSecond;
export const firstP50 = (figures: TurnsFigures): number => figures.firstMs.p50;

/** Only those whose figures were taken. */
export function goalsOf(results: Results): Goal[] {
  const goals: Goal[] = [];
  const goal = (what: string, value: number, sign: Goal['sign'], bound: number, unit: string): void => {
    if (Number.isNaN(value) || Number.isNaN(bound)) return;
    goals.push({ what, value, sign, bound, unit, met: sign === '<=' ? value <= bound : value >= bound });
  };
  goal('W2, each delta an event, over F2', ratio(results, [SOJOURN_EACH, F2], 'w2', perSecond), '>=', 5, 'x');
  goal(
    'W2, each delta an event, over F1',
    ratio(results, [SOJOURN_EACH, F1], 'w2', perSecond),
    '>=',
    0.75,
    'x',
  );
  goal('W2, defaults, over F1', ratio(results, [SOJOURN, F1], 'w2', perSecond), '>=', 1, 'x');
  const firstBound = 1.2 * typical(results, F1, 'first', firstP50) + 3 * results.loneCommitMs;
  goal(
    'First delta, one user at a time, p50',
    typical(results, SOJOURN, 'first', firstP50),
    '<=',
    firstBound,
    'ms',
  );
  const coldBound = 1.2 * coldExtraMs(results, F1) + results.pacedCommitMs;
  goal(
    'W3, first turn after a restart minus the next, p50',
    coldExtraMs(results, SOJOURN),
    '<=',
    coldBound,
    'ms',
  );
  goal('W5, largest stall of the event loop', stallMs(results, SOJOURN), '<=', 50, 'ms');
  for (const memory of results.memory) {
    if (memory.afterOverBase === null) continue;
    const beside = (memory.liveBytesPerSession - memory.historyBytesPerSession) / 1_024;
    goal('W4, a live session besides its history', beside, '<=', 10, 'KiB');
    goal('W4, heap after putting all away, over before', memory.afterOverBase, '<=', 1.05, 'x');
  }
  for (const line of results.lines) {
    if (line.goal !== undefined) goal(line.what, line.value, line.goal.sign, line.goal.value, line.unit);
  }
  return goals;
}

/** Told beside the goals: how far it is to the floors that promise less. */
export function distances(results: Results): { what: string; value: number }[] {
  const rows = [
    { what: "W2, defaults, over F0'", value: ratio(results, [SOJOURN, F0_NORMAL], 'w2', perSecond) },
    { what: 'W2, defaults, over F1 bare', value: ratio(results, [SOJOURN, F1_BARE], 'w2', perSecond) },
    { what: 'W2, defaults, over F0', value: ratio(results, [SOJOURN, F0], 'w2', perSecond) },
    {
      what: 'W2 with 5 ms between deltas, defaults, over F1',
      value: ratio(results, [SOJOURN, F1], 'w2-paced', perSecond),
    },
    {
      what: 'W2 with 5 ms between deltas, each delta an event, over F2',
      value: ratio(results, [SOJOURN_EACH, F2], 'w2-paced', perSecond),
    },
    { what: 'W1, defaults, over F1', value: ratio(results, [SOJOURN, F1], 'w1', perSecond) },
  ];
  return rows.filter((row) => !Number.isNaN(row.value));
}

function visitsOf(results: Results, contender: Contender, workload: WorkloadName): Visit[] {
  return results.visits.filter((visit) => visit.contender === contender.name && visit.workload === workload);
}
