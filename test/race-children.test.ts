import { expect, test } from 'vitest';
import { FAMILY_OPS } from './race/family.ts';
import { races } from './race/race.ts';
import { BAD_LUCK, CALLERS, OPERATORS, TIME } from './race/script.ts';

test('whatever turns do with their children while things go wrong, every result reaches its parent once', async () => {
  const mix = { ...CALLERS, ...TIME, ...OPERATORS, ...BAD_LUCK, send: 24, run: 8 };
  const ops = [...FAMILY_OPS, ...FAMILY_OPS, 'kid', 'kids', 'say', 'end', 'ask', 'deaf', 'fail'] as const;

  expect(await races({ mix, keys: ['a', 'b'], actsMax: 24, ops }, 600, 5)).toBeGreaterThan(0);
}, 300_000);
