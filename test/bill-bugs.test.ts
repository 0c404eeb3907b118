// That the simulation can fail: each of these bugs is found from each of two seeds, and without it the same runs pass.
import { expect, test } from 'vitest';
import { BUGS } from './bill/bugs.ts';
import { firstBroken } from './bill/simulation.ts';

/** Most show within thirty. */
const RUNS_MAX = 1_500;

for (const { name, size, plant } of BUGS) {
  test(`it is noticed when ${name}`, async () => {
    for (const seed of [1, 2]) {
      const restore = plant();
      const found = await firstBroken(size, RUNS_MAX, seed).finally(restore);
      const sound = await firstBroken(size, found.runs, seed);

      expect(found.error).toBeInstanceOf(Error);
      expect(found.error).not.toBeInstanceOf(TypeError); // That would be the plant's own.
      expect(sound.error).toBe(undefined);
    }
  }, 300_000);
}
