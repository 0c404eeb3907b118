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
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const TRAPS = Array.from({ length: 17 }, (_each, index) => `C-${index + 1}`);
const LINES = Array.from({ length: 8 }, (_each, index) => `C.${index + 1}`);

interface Shown {
  file: string;
  name: string;
  title: string;
}

const folder = new URL('.', import.meta.url);
const files = readdirSync(folder).filter((name) => /^children-.*\.test\.ts$/.test(name));

/** The lines of a head that say `//   C-9   'a title', 'another'`. */
function shown(file: string): Shown[] {
  const text = readFileSync(new URL(file, folder), 'utf8');
  const lines = text.matchAll(/^\/\/ {3}(C[-.]\d+) +(['"].*['"])$/gm);
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
