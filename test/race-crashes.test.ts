import { expect, test } from 'vitest';
import { races } from './race/race.ts';
import { BAD_LUCK, CALLERS, OPERATORS, TIME } from './race/script.ts';

test('whatever crashes, is overtaken or fails to be written, nothing accepted is lost or done twice', async () => {
  const mix = { ...CALLERS, ...TIME, ...OPERATORS, ...BAD_LUCK };

  expect(await races({ mix, keys: ['a', 'b', 'c'], actsMax: 14 }, 9_000, 3)).toBeGreaterThan(0);
}, 300_000);
