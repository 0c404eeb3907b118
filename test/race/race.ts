// Race: schedules by the thousand, each with its own setting, its own script, and its own order of everything that waits.
//
//   W1. A run is given by its seed and its number: RACE_SEED=... RACE_RUN=... plays it again. What is printed besides is
//       the shortest script found that still fails, and the order in which things happened.
import fc from 'fast-check';
import type { Op } from './agents.ts';
import { type Mix, play, scripts, type Step } from './script.ts';
import { type Key, type Setting, settings } from './setting.ts';
import { World } from './world.ts';

export interface RaceOptions {
  mix: Mix;
  keys: readonly Key[];
  /** Acts in a script. */
  actsMax: number;
  /** What messages ask for; all that sessions without children do, and the first of what they do with them. */
  ops?: readonly Op[];
  /** Shown each world before it plays. */
  onWorld?: (world: World) => void;
}

type Race = fc.IAsyncProperty<[fc.Scheduler, Setting, readonly Step[]]>;

export function race({ mix, keys, actsMax, ops, onWorld }: RaceOptions): Race {
  return fc.asyncProperty(
    fc.scheduler(),
    settings(keys),
    scripts(mix, actsMax, ops),
    async (scheduler, setting, script) => {
      const world = new World(scheduler, setting);
      onWorld?.(world);
      await play(world, setting, script);
      await world.end();
    },
  ) as unknown as Race;
}

/** How many passed. Throws what the first broken rule was, and how to meet it again. */
export async function races(options: RaceOptions, runs: number, seed: number): Promise<number> {
  const { RACE_RUNS, RACE_SEED, RACE_RUN } = process.env;
  const result = await fc.check(race(options), {
    numRuns: Number(RACE_RUNS ?? runs),
    seed: Number(RACE_SEED ?? seed),
    ...(RACE_RUN === undefined ? {} : { path: RACE_RUN }),
  });
  if (result.failed) throw new Error(storyOf(result as Failure), { cause: result.errorInstance });
  return result.numRuns;
}

/** The first rule that breaks within so many runs, and in which; `error` is undefined where none does. */
export async function firstBroken(
  options: RaceOptions,
  runs: number,
  seed: number,
): Promise<{ error: unknown; runs: number }> {
  const result = await fc.check(race(options), { numRuns: runs, seed, endOnFailure: true });
  return result.failed ? { error: result.errorInstance, runs: result.numRuns } : { error: undefined, runs };
}

type Failure = fc.RunDetailsFailureProperty<[fc.Scheduler, Setting, readonly Step[]]>;

/** W1. */
function storyOf(result: Failure): string {
  const [scheduler, setting, script] = result.counterexample;
  const run = result.counterexamplePath.split(':', 1)[0] ?? '';
  const { errorInstance } = result;
  return [
    String(errorInstance instanceof Error ? errorInstance.message : errorInstance),
    `RACE_SEED=${result.seed} RACE_RUN=${run} plays it again (path ${result.counterexamplePath})`,
    JSON.stringify(setting),
    ...script.map((step) => `  ${JSON.stringify(step)}`),
    fc.stringify(scheduler),
  ].join('\n');
}
