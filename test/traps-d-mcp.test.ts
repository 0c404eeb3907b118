// The index of the traps of identity, sign-in and timeline that concern the MCP server: where each of them is shown. The
// heads of test/mcp-*.test.ts say it, one line a trap, with the names of the tests in quotes; this test keeps them honest.
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

/** Those that an agent on this face can fall into; the others are shown where identities and timelines are. */
const TRAPS = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '13', '15', '17', '18', '19'].map(
  (n) => `D-${n}`,
);

const folder = new URL('.', import.meta.url);
const files = readdirSync(folder).filter((name) => /^mcp-.*\.test\.ts$/.test(name));
const shown = files.flatMap((file) => {
  const text = readFileSync(new URL(file, folder), 'utf8');
  const lines = text.matchAll(/^\/\/ {3}(D-\d+) +'(.*)'$/gm);
  return Array.from(lines, ([, trap = '', title = '']) => ({ file, trap, title }));
});

test('every trap that concerns the server is shown somewhere', () => {
  expect(TRAPS.filter((trap) => !shown.some((line) => line.trap === trap))).toEqual([]);
});

test.each(shown.map(({ file, trap, title }) => [trap, file, title] as const))(
  '%s in %s is a test there',
  (_trap, file, title) => {
    const text = readFileSync(new URL(file, folder), 'utf8');

    expect(text).toMatch(`test('${title}'`);
  },
);
