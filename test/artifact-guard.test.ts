// What erasing one session, or collecting what nobody needs, may do to the files of another: nothing.
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { ArtifactGuard } from '../src/context/artifact-guard.ts';
import type { ArtifactStore } from '../src/store/store.ts';
import { ManualClock } from '../src/testing/manual-clock.ts';

const BYTES = Buffer.from('same');
const SAME = createHash('sha256').update(BYTES).digest('hex');

/** Files that take as long as they are told to, and what logs refer to. */
function slowFiles(): {
  guard: ArtifactGuard;
  clock: ManualClock;
  there: Set<string>;
  referred: Set<string>;
  gate: { open: Promise<void>; begun?: () => void };
} {
  const there = new Set<string>();
  const referred = new Set<string>();
  const gate: { open: Promise<void>; begun?: () => void } = { open: Promise.resolve() };
  const files: ArtifactStore = {
    async put(_project, bytes) {
      const digest = createHash('sha256').update(bytes).digest('hex');
      const found = there.has(digest);
      await gate.open;
      if (!found) there.add(digest);
      return digest;
    },
    read: async () => new Uint8Array(),
    async remove(_project, digest) {
      gate.begun?.();
      await gate.open;
      there.delete(digest);
      return true;
    },
    list: async () => [],
    removeStrangers: async () => 0,
  };
  const rows = {
    referred: async (_project: string, digests: readonly string[]) =>
      digests.filter((digest) => referred.has(digest)),
  };
  const clock = new ManualClock();
  return { guard: new ArtifactGuard(files, rows, clock), clock, there, referred, gate };
}

test('a file stays when a session is erased while another is about to refer to it', async () => {
  const { guard, there } = slowFiles();
  await guard.put('p', BYTES);

  const removed = await guard.remove('p', SAME);

  expect([removed, ...there]).toEqual([false, SAME]);
});

test('a file stays that another session has come to refer to since the first one was erased', async () => {
  const { guard, there, referred } = slowFiles();
  await guard.put('p', BYTES);
  referred.add(SAME);
  guard.settled('p', [SAME]);

  const removed = await guard.remove('p', SAME);

  expect([removed, ...there]).toEqual([false, SAME]);
});

test('a file goes with the last session that referred to it', async () => {
  const { guard, there } = slowFiles();
  await guard.put('p', BYTES);
  guard.settled('p', [SAME]);

  const removed = await guard.remove('p', SAME);

  expect([removed, ...there]).toEqual([true]);
});

test('a file that two are putting waits for both of them to refer to it', async () => {
  const { guard, there } = slowFiles();
  await Promise.all([guard.put('p', BYTES), guard.put('p', BYTES)]);
  guard.settled('p', [SAME]);

  await guard.remove('p', SAME);

  expect([...there]).toEqual([SAME]);
});

test('a file that was shown to a model stays until its result is in the log, without being written again', async () => {
  const { guard, there } = slowFiles();
  await guard.put('p', BYTES);

  const kept = guard.keep('p', SAME);
  guard.settled('p', [SAME]);
  await guard.remove('p', SAME);

  expect([kept, guard.keep('p', 'other'), ...there]).toEqual([true, false, SAME]);
});

test('a file put while the same one is being removed is there afterwards', async () => {
  const { guard, there, gate } = slowFiles();
  there.add(SAME);
  const opened = Promise.withResolvers<void>();
  gate.open = opened.promise;

  const removing = guard.remove('p', SAME);
  const putting = guard.put('p', BYTES);
  opened.resolve();
  await Promise.all([removing, putting]);

  expect([...there]).toEqual([SAME]);
});

test('a file is put while another one is being removed, without waiting for that', async () => {
  const { guard, there, gate } = slowFiles();
  there.add('0'.repeat(64));
  const opened = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  [gate.open, gate.begun] = [opened.promise, begun.resolve];
  const removing = guard.remove('p', '0'.repeat(64));
  await begun.promise;
  gate.open = Promise.resolve();

  await guard.put('p', BYTES);
  const before = there.has(SAME);
  opened.resolve();
  await removing;

  expect(before).toBe(true);
});

test('what was put for a message that was refused keeps nobody from erasing for good', async () => {
  const { guard, clock, there } = slowFiles();
  await guard.put('p', BYTES);

  await clock.advance(10 * 60_000 + 1);
  await guard.remove('p', SAME);

  expect([...there]).toEqual([]);
});
