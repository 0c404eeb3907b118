// What erasing one session may do to the files of another: nothing.
import { expect, test } from 'vitest';
import { ArtifactGuard } from '../src/context/artifact-guard.ts';
import type { ArtifactStore } from '../src/store/store.ts';
import { ManualClock } from '../src/testing/manual-clock.ts';

/** Files that take as long as they are told to. */
function slowFiles(): { files: ArtifactStore; there: Set<string>; gate: { open: Promise<void> } } {
  const there = new Set<string>();
  const gate = { open: Promise.resolve() };
  const files: ArtifactStore = {
    async put(_project, bytes) {
      const digest = Buffer.from(bytes).toString();
      const found = there.has(digest);
      await gate.open;
      if (!found) there.add(digest);
      return digest;
    },
    read: async () => new Uint8Array(),
    async remove(_project, digest) {
      await gate.open;
      there.delete(digest);
    },
  };
  return { files, there, gate };
}

const BYTES = Buffer.from('same');

test('a file stays when a session is erased while another is about to refer to it', async () => {
  const { files, there } = slowFiles();
  const guard = new ArtifactGuard(files, new ManualClock());
  await guard.put('p', BYTES);

  await guard.remove('p', 'same');

  expect([...there]).toEqual(['same']);
});

test('a file goes with the last session that referred to it', async () => {
  const { files, there } = slowFiles();
  const guard = new ArtifactGuard(files, new ManualClock());
  await guard.put('p', BYTES);
  guard.settled('p', ['same']);

  await guard.remove('p', 'same');

  expect([...there]).toEqual([]);
});

test('a file that two are putting waits for both of them to refer to it', async () => {
  const { files, there } = slowFiles();
  const guard = new ArtifactGuard(files, new ManualClock());
  await Promise.all([guard.put('p', BYTES), guard.put('p', BYTES)]);
  guard.settled('p', ['same']);

  await guard.remove('p', 'same');

  expect([...there]).toEqual(['same']);
});

test('a file put while the same one is being removed is there afterwards', async () => {
  const { files, there, gate } = slowFiles();
  const guard = new ArtifactGuard(files, new ManualClock());
  there.add('same');
  const opened = Promise.withResolvers<void>();
  gate.open = opened.promise;

  const removing = guard.remove('p', 'same');
  const putting = guard.put('p', BYTES);
  opened.resolve();
  await Promise.all([removing, putting]);

  expect([...there]).toEqual(['same']);
});

test('what was put for a message that was refused keeps nobody from erasing for good', async () => {
  const { files, there } = slowFiles();
  const clock = new ManualClock();
  const guard = new ArtifactGuard(files, clock);
  await guard.put('p', BYTES);

  await clock.advance(10 * 60_000 + 1);
  await guard.remove('p', 'same');

  expect([...there]).toEqual([]);
});
