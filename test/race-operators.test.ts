import { expect, test } from 'vitest';
import { races } from './race/race.ts';
import { CALLERS, OPERATORS, TIME } from './race/script.ts';

test('whatever operators do meanwhile, nothing that works is put away, and no mark is lost', async () => {
  const mix = { ...CALLERS, ...TIME, ...OPERATORS };

  expect(await races({ mix, keys: ['a', 'b', 'c'], actsMax: 14 }, 6_000, 2)).toBeGreaterThan(0);
}, 300_000);
