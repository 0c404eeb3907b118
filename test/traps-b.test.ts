// The index of the traps of the working state of sessions: where each of them is shown. The heads of the test files say it,
// one line a trap or a line of the checklist, with the names of the tests in quotes; this test keeps them honest.
//
//   I1. Every trap, B-1 to B-20, and every line of the checklist, B.1 to B.7, is named by at least one head.
//   I2. What a head quotes is the name of a test in the same file.
//
// The checklist, as it reads here (where a trap says otherwise, the trap holds):
//   B.1  one registry has one data folder; what is in memory can be told apart: each instance has a number of its own
//   B.2  what one has of a session says whose it is, and what its next turn has
//   B.3  asking for a session gives the live one, or wakes it with all it had, whatever it is named by
//   B.4  of an internal session nothing is given: no instance, no read beyond its row, no place
//   B.5  asking for a live one never makes it, and is a use; how many there are and which can be listed
//   B.6  who was used longest ago leaves when there are too many
//   B.7  ids that a host brings along, and a key of "..", stay inside the data folder
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const TRAPS = Array.from({ length: 20 }, (_each, index) => `B-${index + 1}`);
const LINES = Array.from({ length: 7 }, (_each, index) => `B.${index + 1}`);

interface Shown {
  file: string;
  name: string;
  title: string;
}

const folder = new URL('.', import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith('.test.ts') && !name.startsWith('traps-'));

/** The lines of a head that say `//   B-9   'a title', 'another'`. */
function shown(file: string): Shown[] {
  const text = readFileSync(new URL(file, folder), 'utf8');
  const lines = text.matchAll(/^\/\/ {3}(B[-.]\d+) +(['"].*['"])$/gm);
  return Array.from(lines).flatMap(([, name = '', quoted = '']) =>
    quoted
      .slice(1, -1)
      .split(/['"], ['"]/)
      .map((title) => ({ file, name, title })),
  );
}

const all = files.flatMap(shown);

test('every trap, and every line of the checklist, is shown by a test that is named for what a user saw', () => {
  const known = new Set(all.map(({ name }) => name));

  expect([...TRAPS, ...LINES].filter((name) => !known.has(name))).toEqual([]);
});

test('what the heads name is there', () => {
  const missing = all.filter(({ file, title }) => {
    const text = readFileSync(new URL(file, folder), 'utf8').replaceAll('\\', '');
    return ![`test('${title}'`, `test("${title}"`].some((begun) => text.includes(begun));
  });

  expect(missing).toEqual([]);
  expect(all.length).toBeGreaterThan(TRAPS.length);
});
