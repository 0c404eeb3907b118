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
// What else is asked of names, sign-ins, posts and messages, and the test that shows it:
//
//   D.2 sign in   test/identity-sign-ins.test.ts 'is made at its first sign-in and found again by the next'
//   D.2 sign in   test/identity-names.test.ts 'lengths are counted in characters a person would count as code points, after trimming'
//   D.2 validate  test/identity-sign-ins.test.ts 'exactly at thirty minutes it lives, a moment later it does not'
//   D.2 validate  test/identity-store.test.ts 'a store that cannot answer is unavailable, never a sign-in that does not count'
//   D.2 sign out  test/identity-sign-ins.test.ts 'signed out is signed out: at once, after a restart, and for good'
//   D.2 sweep     test/identity-lifecycle.test.ts 'started twice it sweeps once, and a failing sweep is logged and followed by the next'
//   D.2 count     test/identity-sign-ins.test.ts 'live sign-ins of one identity are bounded, and those that are over do not count'
//   D.2 post      test/traps-d-timeline.test.ts 'a post is trimmed; a blank, 281 characters, no text and no sign-in are refused'
//   H-TXT 120     test/timeline-text.test.ts 'markup, script links and remote images come back as the text they are, in an answer no browser runs'
//   H-TXT 122     test/timeline-text.test.ts 'bidi overrides, zero width, tags and piles of marks are kept as they are, and bounded'
//   H-TXT 122     test/timeline-text.test.ts 'what cannot be seen is marked where a person reads it'
//   H-TXT 122     test/identity-names.test.ts 'a tower of marks is refused, and a book is not even looked at'
//   H-TXT 125     test/timeline-text.test.ts 'a post that says "user approved" approves nothing'
//   H-TXT 126     test/timeline-text.test.ts 'what somebody posts by mistake is in no line of the log, and nobody reads it without the scope'
//   H-TXT 127     test/timeline-text.test.ts 'what a child says is quoted as its words, in one line, and cut, however much it is'
//   H-RPC 69      test/mcp-wire.test.ts '(%s) is refused, and nothing is repeated of it'
//   H-RPC 71      test/mcp-links.test.ts 'drops a response that nobody waits for, and goes on'
//   H-RPC 71      test/mcp-wire.test.ts 'cannot be a response: nobody here has asked anything'
//   H-RPC 72      test/mcp-links.test.ts 'that is guessed, of another token, or of another project is not there, and says no more'
//   H-RPC 73      test/mcp-wire.test.ts 'whose headers say another thing than its body is refused'
//   H-RPC 74      test/mcp-wire.test.ts 'of a revision that is not spoken is told which are'
//   H-RPC 75      test/mcp-wire.test.ts 'has taken its request back'
//   H-RPC 75      test/mcp-links.test.ts 'that breaks in the middle loses nothing: the client comes back and has its answer'
//
//   I1. Every trap in this list is named by the head of a file it is listed with.
//   I2. What a head quotes is the name of a test in the same file.
//   I3. What this list quotes is the name of a test in the file before it.
import { expect, test } from 'vitest';
import { headsOf, listOf, textOf, untrue } from './trap-heads.ts';

const heads = headsOf(/^(?:identity|timeline|mcp|traps-d)-.*\.test\.ts$/, /D-\d+/);

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

test('every trap is shown by a test that is named for what a user saw', () => {
  const missing = listed().filter(
    ({ trap, file }) => !heads.some((one) => one.name === trap && one.file === file),
  );

  expect(missing).toEqual([]);
  const traps = new Set(listed().map(({ trap }) => trap));
  expect([...traps].toSorted()).toEqual(Array.from({ length: 20 }, (_each, at) => `D-${at + 1}`).toSorted());
});

test('what the heads name is there', () => {
  expect(untrue(heads)).toEqual([]);
  expect(heads.length).toBeGreaterThan(19);
});

test('what this list quotes is there', () => {
  const list = listOf('traps-d.test.ts', /(?:D\.2|H-TXT|H-RPC) [\w ]+?/);

  expect(untrue(list)).toEqual([]);
  expect(new Set(list.map(({ name }) => name)).size).toBe(17);
});
