// The index of the traps of identity, sign-in and timeline that concern the MCP server: where each of them is shown. The
// heads of test/mcp-*.test.ts say it, one line a trap, with the names of the tests in quotes; this test keeps them honest.
import { expect, test } from 'vitest';
import { headsOf, unshown, untrue } from './trap-heads.ts';

/** Those that an agent on this face can fall into; the others are shown where identities and timelines are. */
const TRAPS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 15, 17, 18, 19].map((number) => `D-${number}`);

const heads = headsOf(/^mcp-.*\.test\.ts$/, /D-\d+/);

test('every trap that concerns the server is shown somewhere', () => {
  expect(unshown(TRAPS, heads)).toEqual([]);
});

test('what the heads name is there', () => {
  expect(untrue(heads)).toEqual([]);
});
