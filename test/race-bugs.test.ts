// That the races can fail: each of these bugs is found from each of three seeds, and without it the same schedules pass.
import { expect, test } from 'vitest';
import { BUGS } from './race/bugs.ts';
import { firstBroken } from './race/race.ts';

const SEEDS = [1, 2, 3];
/** Most bugs show within a hundred. */
const RUNS_MAX = 2_000;

for (const { name, mix, shows, plant } of BUGS) {
  test(`it is noticed when ${name}`, async () => {
    const options = { mix, keys: ['a', 'b', 'c'], actsMax: 14 } as const;
    for (const seed of SEEDS) {
      const restore = plant();
      const found = await firstBroken(options, RUNS_MAX, seed).finally(restore);
      const sound = await firstBroken(options, found.runs, seed);

      expect(found.what).toMatch(shows);
      expect(sound.what).toBe(undefined);
    }
  }, 120_000);
}
