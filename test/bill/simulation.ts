// Simulation: trees by the thousand, each with its own plan and its own order of everything that waits.
//
//   SI1. A run is given by its seed and its number: BILL_SEED=... BILL_RUN=... plays it again. BILL_RUNS says how many.
import fc from 'fast-check';
import { Grove } from './grove.ts';
import { plans, type Plan, type Size } from './plan.ts';

const befalls = { cancel: 3, advance: 3, evict: 1, crash: 1 };
export const SMALL: Size = { nodes: 10, befalls, befallsMax: 6, stepsMax: 40, topLeast: 0 };
export const LARGE: Size = { nodes: 200, befalls, befallsMax: 12, stepsMax: 120, topLeast: 0.2 };
/** Processes die often. */
export const CRASHING: Size = { ...SMALL, befalls: { cancel: 1, advance: 1, evict: 1, crash: 4 } };

const property = (size: Size): fc.IAsyncProperty<[fc.Scheduler, Plan]> =>
  fc.asyncProperty(fc.scheduler(), plans(size), async (scheduler, plan) => {
    await new Grove(scheduler, plan).grow();
  }) as unknown as fc.IAsyncProperty<[fc.Scheduler, Plan]>;

/** How many passed. Throws what the first broken rule was, and how to meet it again (SI1). */
export async function simulated(size: Size, runs: number, seed: number): Promise<number> {
  const { BILL_RUNS, BILL_SEED, BILL_RUN } = process.env;
  const result = await fc.check(property(size), {
    numRuns: Number(BILL_RUNS ?? runs),
    seed: Number(BILL_SEED ?? seed),
    endOnFailure: size.nodes > SMALL.nodes,
    ...(BILL_RUN === undefined ? {} : { path: BILL_RUN }),
  });
  if (!result.failed) return result.numRuns;
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
