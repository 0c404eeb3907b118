// The index of the traps of sub-agent sessions: where each of them is shown. The heads of test/children-*.test.ts say it,
// one line a trap or a line of the checklist, with the names of the tests in quotes; this test keeps them honest.
//
//   I1. Every trap, C-1 to C-17, and every line of the checklist, C.1 to C.8, is named by at least one head.
//   I2. What a head quotes is the name of a test in the same file.
//
// The checklist, as it reads here:
//   C.1  a result carries text, cost, images, error, usage and whether the session ended; a zero is nobody's but the reader's
//   C.2  progress carries what, how far, which turn, how long; work takes a signal and a listener
//   C.3  a child tells its id, agent, owner, last activity and state; what it runs can be stopped, and it can be closed
//   C.4  idle limit (5 minutes, at least 10 seconds), number of children, sweep: settings that are checked
//   C.5  starting one that is there is no second one; for a new one the idle one that was idle longest makes room
//   C.6  naming, stopping, closing and listing answer the same of one child; closing all closes all
//   C.7  ids are random
//   C.8  who may: ended sessions take no more, foreign ones are unknown, work for others waits its turn
import { expect, test } from 'vitest';
import { headsOf, unshown, untrue } from './trap-heads.ts';

const TRAPS = Array.from({ length: 17 }, (_each, index) => `C-${index + 1}`);
const LINES = Array.from({ length: 8 }, (_each, index) => `C.${index + 1}`);

const heads = headsOf(/^children-.*\.test\.ts$/, /C[-.]\d+/);

test('every trap, and every line of the checklist, is shown by a test that is named for what a user saw', () => {
  expect(unshown([...TRAPS, ...LINES], heads)).toEqual([]);
});

test('what the heads name is there', () => {
  expect(untrue(heads)).toEqual([]);
  expect(heads.length).toBeGreaterThan(TRAPS.length);
});
