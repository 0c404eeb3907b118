// Simulation: trees by the thousand, each with its own plan and its own order of everything that waits.
//
//   SI1. A run is given by its seed and its number: BILL_SEED=... BILL_RUN=... plays it again. BILL_RUNS says how many.
import fc from 'fast-check';
import { Grove } from './grove.ts';
import { plans, type Plan, type Size } from './plan.ts';

const befalls = { cancel: 3, close: 1, advance: 3, evict: 1, crash: 1 };
export const SMALL: Size = {
  nodes: 10,
  befalls,
  befallsMax: 6,
  stepsMax: 40,
  topLeast: 0,
  unbounded: 2,
  sound: 12,
};
/** Not all that are planned begin: about two hundred do. */
export const LARGE: Size = {
  nodes: 280,
  befalls,
  befallsMax: 12,
  stepsMax: 400,
  topLeast: 0.6,
  unbounded: 12,
  sound: 100,
};
/** Processes die often. */
export const CRASHING: Size = { ...SMALL, befalls: { cancel: 1, close: 1, advance: 1, evict: 1, crash: 4 } };

export interface Simulated {
  /** That passed. */
  runs: number;
  /** In all of them. */
  children: number;
}

const property = (size: Size, grown: (grove: Grove) => void = () => {}) =>
  fc.asyncProperty(fc.scheduler(), plans(size), async (scheduler, plan) => {
    const grove = new Grove(scheduler, plan);
    await grove.grow();
    grown(grove);
  }) as unknown as fc.IAsyncProperty<[fc.Scheduler, Plan]>;

/** Throws what the first broken rule was, and how to meet it again (SI1). */
export async function simulated(size: Size, runs: number, seed: number): Promise<Simulated> {
  const { BILL_RUNS, BILL_SEED, BILL_RUN } = process.env;
  let children = 0;
  const grown = ({ tally }: Grove): void => void (children += tally.sessions.size - 1);
  const result = await fc.check(property(size, grown), {
    numRuns: Number(BILL_RUNS ?? runs),
    seed: Number(BILL_SEED ?? seed),
    endOnFailure: size.nodes > SMALL.nodes,
    ...(BILL_RUN === undefined ? {} : { path: BILL_RUN }),
  });
  if (!result.failed) return { runs: result.numRuns, children };
  const { errorInstance: error, counterexample, counterexamplePath: path } = result;
  const run = path?.split(':', 1)[0] ?? '';
  const story = [
    String(error instanceof Error ? error.message : error),
    `BILL_SEED=${result.seed} BILL_RUN=${run} plays it again (path ${path})`,
    JSON.stringify(counterexample?.[1]).slice(0, 4_000),
  ];
  throw new Error(story.join('\n'), { cause: error });
}

/** The first rule that breaks within so many runs, and in which; `error` is undefined where none does. */
export async function firstBroken(
  size: Size,
  runs: number,
  seed: number,
): Promise<{ error: unknown; runs: number }> {
  const result = await fc.check(property(size), { numRuns: runs, seed, endOnFailure: true });
  return result.failed ? { error: result.errorInstance, runs: result.numRuns } : { error: undefined, runs };
}
