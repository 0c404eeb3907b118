// The index of the traps of identities, sign-ins and what speaks with them: where each of them is shown. The heads of the
// test files say it, one line a trap, with the names of the tests in quotes; this test keeps them honest.
//
//   D-1 to D-5    test/identity-sign-ins.test.ts
//   D-3, D-4      test/identity-http.test.ts
//   D-3           test/identity-streams.test.ts
//   D-6 to D-8    test/identity-names.test.ts
//   D-9           test/identity-names.test.ts and test/identity-store.test.ts
//   D-10          test/identity-store.test.ts and test/identity-http.test.ts
//   D-11, D-12    test/identity-store.test.ts
//   D-13, D-14    test/identity-lifecycle.test.ts
//   D-15          test/identity-sign-ins.test.ts and test/identity-store.test.ts
//   D-16          test/identity-sign-ins.test.ts
//   D-17          test/identity-store.test.ts and test/identity-http.test.ts
//   D-18          test/identity-claims.test.ts
//   D-20          test/identity-names.test.ts
//   D-3           test/traps-d-timeline.test.ts
//   D-8 to D-10   test/traps-d-timeline.test.ts
//   D-15 to D-17  test/traps-d-timeline.test.ts
//   D-19, D-20    test/traps-d-timeline.test.ts
//
//   I1. Every trap in this list is named by the head of a file it is listed with.
//   I2. What a head quotes is the name of a test in the same file.
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

interface Shown {
  file: string;
  trap: string;
  title: string;
}

const folder = new URL('.', import.meta.url);
const files = readdirSync(folder).filter((name) =>
  /^(identity|timeline|mcp|traps-d)-.*\.test\.ts$/.test(name),
);
const textOf = (file: string): string => readFileSync(new URL(file, folder), 'utf8');

/** The lines of a head that say `//   D-9   'a title', 'another'`. */
function shown(file: string): Shown[] {
  const lines = textOf(file).matchAll(/^\/\/ {3}(D-\d+) +(['"].*['"])$/gm);
  return Array.from(lines).flatMap(([, trap = '', quoted = '']) =>
    quoted
      .slice(1, -1)
      .split(/['"], ['"]/)
      .map((title) => ({ file, trap, title })),
  );
}

/** The list above: each trap with the files that show it. */
function listed(): { trap: string; file: string }[] {
  const lines = textOf('traps-d.test.ts').matchAll(/^\/\/ {3}(D-[D\d, to-]*?\d) +(test\/.*)$/gm);
  return Array.from(lines).flatMap(([, traps = '', places = '']) => {
    const numbers = Array.from(traps.matchAll(/D-(\d+)/g), ([, number]) => Number(number));
    const [from = 0, to = from] = numbers;
    const all = traps.includes(' to ')
      ? Array.from({ length: to - from + 1 }, (_each, index) => from + index)
      : numbers;
    const named = Array.from(places.matchAll(/test\/([\w-]+\.test\.ts)/g), ([, file = '']) => file);
    return all.flatMap((number) => named.map((file) => ({ trap: `D-${number}`, file })));
  });
}

const all = files.flatMap(shown);

test('every trap is shown by a test that is named for what a user saw', () => {
  const missing = listed().filter(
    ({ trap, file }) => !all.some((one) => one.trap === trap && one.file === file),
  );

  expect(missing).toEqual([]);
  const traps = new Set(listed().map(({ trap }) => trap));
  expect([...traps].toSorted()).toEqual(Array.from({ length: 20 }, (_each, at) => `D-${at + 1}`).toSorted());
});

test('what the heads name is there', () => {
  const missing = all.filter(({ file, title }) => {
    const text = textOf(file).replaceAll('\\', '');
    return ![`test('${title}'`, `test("${title}"`].some((begun) => text.includes(begun));
  });

  expect(missing).toEqual([]);
  expect(all.length).toBeGreaterThan(19);
});
