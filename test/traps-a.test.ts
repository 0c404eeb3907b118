// The index of the traps of session routing: where each of them is shown. The heads of test/session-*.test.ts say it, one
// line a trap, with the names of the tests in quotes; this test keeps them honest.
//
//   I1. Every trap, A-1 to A-28, is named by at least one head.
//   I2. What a head quotes is the name of a test in the same file.
import { expect, test } from 'vitest';
import { headsOf, unshown, untrue } from './trap-heads.ts';

const TRAPS = Array.from({ length: 28 }, (_each, index) => `A-${index + 1}`);

const heads = headsOf(/^session-.*\.test\.ts$/, /[A-Z](?:[-.]\d+)?/);

test('every trap is shown by a test that is named for what a user saw', () => {
  expect(unshown(TRAPS, heads)).toEqual([]);
});

test('what the heads name is there', () => {
  expect(untrue(heads)).toEqual([]);
  expect(heads.length).toBeGreaterThan(TRAPS.length);
});
