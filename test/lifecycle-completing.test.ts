// Lifecycle of a session whose agent says that it is over: whatever happens until that is in the log, it stays over.
//
// Shown here:
//   Y9  'a session that its agent ended is closed after a crash, and what waited in it is cancelled'
//   Y9  'a session that its agent ended is closed when the disk that was full takes it'
//   Z2  'a session that its agent ended is at work until it is closed'
import { expect, test } from 'vitest';
import type { Agent } from '../src/agent/agent.ts';
import { functionAgent } from '../src/agent/function/function.ts';
import type { Append } from '../src/store/store.ts';
import { MemoryDisk } from '../src/testing/memory-store.ts';
import { type Scene, scene } from './race-scene.ts';

const ending = functionAgent(async function* (turn) {
  yield 'that was all';
  turn.completeSession();
});

/** What it holds takes for ever to close. */
const stubborn: Agent = {
  ...ending,
  open: async (context, previous) => ({
    ...(await ending.open(context, previous)),
    close: () => new Promise<void>(() => {}),
  }),
};

const world = (disk: MemoryDisk, agent: Agent, isRefused?: (append: Append) => boolean): Promise<Scene> =>
  scene(() => null as never, {}, { agents: { agent }, disk, ...(isRefused && { isRefused }) });

const outcomes = async ({ runtime }: Scene): Promise<string[]> => {
  const { events } = await runtime.events('key', { after: 0 });
  const ends = events.filter(({ kind }) => kind === 'turn.ended');
  return ends.map(({ body }) => (JSON.parse(body) as { outcome: string }).outcome);
};

test('a session that its agent ended is closed after a crash, and what waited in it is cancelled', async () => {
  const disk = new MemoryDisk();
  const first = await world(disk, stubborn);
  await Promise.all([
    first.runtime.send('key', { input: 'one' }),
    first.runtime.send('key', { input: 'two', policy: 'queue' }),
  ]);
  await first.settle();
  first.store.crash();

  const second = await world(disk, ending);
  await second.clock.advance(10_000);

  expect(await second.runtime.session('key')).toMatchObject({ state: 'closed', turn: null, queued: 0 });
  await expect(second.runtime.send('key', { input: 'three' })).rejects.toMatchObject({
    code: 'session.closed',
  });
  expect(await outcomes(second)).toEqual(['completed', 'cancelled']);
});

test('a session that its agent ended is closed when the disk that was full takes it', async () => {
  let isFull = true;
  const isClosing = ({ events }: Append): boolean => events.some(({ kind }) => kind === 'session.closed');
  const { runtime, clock } = await world(new MemoryDisk(), ending, (append) => isFull && isClosing(append));
  await runtime.send('key', { input: 'one' });
  await clock.advance(0);
  isFull = false;
  await clock.advance(10_000);

  expect(await runtime.session('key')).toMatchObject({ state: 'closed' });
});

test('a session that its agent ended is at work until it is closed', async () => {
  const { runtime, settle, clock } = await world(new MemoryDisk(), stubborn);
  const { turn } = await runtime.send('key', { input: 'one' });
  await settle();
  const before = await runtime.session('key');
  await clock.advance(20_000);

  expect(before).toMatchObject({ state: 'running', turn, queued: 0 });
  expect(await runtime.session('key')).toMatchObject({ state: 'closed', turn: null });
});
