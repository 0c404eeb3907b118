// One bill, whatever happens: trees of children that fail, are cancelled or closed, run out of their budgets and lose their
// process. `npm run test:simulation` goes through thousands of the large ones.
import { expect, test } from 'vitest';
import { CRASHING, LARGE, simulated, SMALL } from './bill/simulation.ts';

test('no tree spends more than it may, loses a result, tells one twice or leaves an orphan', async () => {
  expect((await simulated(SMALL, 400, 1)).runs).toBeGreaterThan(0);
}, 600_000);

test('nor does one whose processes die', async () => {
  expect((await simulated(CRASHING, 150, 3)).runs).toBeGreaterThan(0);
}, 600_000);

test('nor does one of two hundred children', async () => {
  const { runs, children } = await simulated(LARGE, 15, 2);

  expect(children / runs).toBeGreaterThan(190);
}, 600_000);
