import { expect, test } from 'vitest';
import { races } from './race/race.ts';
import { CALLERS, TIME } from './race/script.ts';

test('whatever callers do at once, every accepted message ends once, in its order, and every reader sees it', async () => {
  const mix = { ...CALLERS, ...TIME };

  expect(await races({ mix, keys: ['a', 'b', 'c'], actsMax: 14 }, 5_000, 1)).toBeGreaterThan(0);
}, 300_000);
