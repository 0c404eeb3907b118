// The index of the traps of session routing: where each of them is shown. The heads of test/session-*.test.ts say it, one
// line a trap, with the names of the tests in quotes; this test keeps them honest.
//
//   I1. Every trap, A-1 to A-28, is named by at least one head.
//   I2. What a head quotes is the name of a test in the same file.
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const TRAPS = Array.from({ length: 28 }, (_each, index) => `A-${index + 1}`);

interface Shown {
  file: string;
  trap: string;
  title: string;
}

const folder = new URL('.', import.meta.url);
const files = readdirSync(folder).filter((name) => /^session-.*\.test\.ts$/.test(name));

/** The lines of a head that say `//   A-9   'a title', 'another'`. */
function shown(file: string): Shown[] {
  const text = readFileSync(new URL(file, folder), 'utf8');
  const lines = text.matchAll(/^\/\/ {3}([A-Z](?:[-.]\d+)?) +(['"].*['"])$/gm);
  return Array.from(lines).flatMap(([, trap = '', quoted = '']) =>
    quoted
      .slice(1, -1)
      .split(/['"], ['"]/)
      .map((title) => ({ file, trap, title })),
  );
}

const all = files.flatMap(shown);

test('every trap is shown by a test that is named for what a user saw', () => {
  const known = new Set(all.map(({ trap }) => trap));

  expect(TRAPS.filter((trap) => !known.has(trap))).toEqual([]);
});

test('what the heads name is there', () => {
  const missing = all.filter(({ file, title }) => {
    const text = readFileSync(new URL(file, folder), 'utf8').replaceAll('\\', '');
    return ![`test('${title}'`, `test("${title}"`].some((begun) => text.includes(begun));
  });

  expect(missing).toEqual([]);
  expect(all.length).toBeGreaterThan(TRAPS.length);
});
