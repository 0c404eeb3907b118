// That the races can fail: each of these bugs is found from each of three seeds, and without it the same schedules pass.
import { expect, test } from 'vitest';
import { BUGS } from './race/bugs.ts';
import { firstBroken } from './race/race.ts';

const SEEDS = [1, 2, 3];
/** Most bugs show within a hundred. */
const RUNS_MAX = 4_000;

for (const { name, mix, plant } of BUGS) {
  test(`it is noticed when ${name}`, async () => {
    const options = { mix, keys: ['a', 'b', 'c'], actsMax: 14 } as const;
    for (const seed of SEEDS) {
      const restore = plant();
      const found = await firstBroken(options, RUNS_MAX, seed).finally(restore);
      const sound = await firstBroken(options, found.runs, seed);

      expect(found.error).toBeInstanceOf(Error);
      expect(found.error).not.toBeInstanceOf(TypeError); // That would be the plant's own.
      expect(sound.error).toBe(undefined);
    }
  }, 120_000);
}
