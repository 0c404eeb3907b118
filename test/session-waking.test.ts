// Waking: how a message that finds nothing in memory gets its turn started, as whoever sent it sees it.
//
// Shown here:
//   I12  'of an agent that opens at once, a turn that wakes its session is written twice: with its message, and at its end'
//   I12  'of an agent that takes time to open, a turn starts when the instance is there'
//   I12  'of a session that is out of date, a turn starts when it has been remade, also where its agent opens at once'
//   I12  'a crash while an agent takes its time to open loses nothing: the message is answered after it'
//   I11  'an agent that opens at once hears nothing of a message before it is on disk'
//   I2   'a message that could not be written leaves no instance behind'
//   ...  'an opening that fails fails the turn that was written down as started, and the next message tries again'
//   ...  'a shutdown right after a message leaves one outcome, and none is given twice'
import { expect, test } from 'vitest';
import type { Agent } from '../src/agent/agent.ts';
import { functionAgent } from '../src/agent/function/function.ts';
import { MemoryDisk } from '../src/testing/memory-store.ts';
import { type Around, type Scene, scene } from './race-scene.ts';

const echo = functionAgent(async function* (turn) {
  yield `heard ${turn.history.length}`;
});

const slow = (until: Promise<unknown>): Agent => ({
  ...echo,
  opensAtOnce: false,
  open: async (context, previous) => {
    await until;
    return echo.open(context, previous);
  },
});

/** A session that has answered once and been put away. */
async function asleep(runtime: Scene['runtime'], settle: Scene['settle']): Promise<void> {
  await runtime.send('key', { input: 'one' });
  await settle();
  await runtime.evict('key');
}

const kindsOf = (events: readonly { kind: string }[]): string[] => events.map(({ kind }) => kind);

test('of an agent that opens at once, a turn that wakes its session is written twice: with its message, and at its end', async () => {
  let appends = 0;
  const around: Around = async (call, run) => {
    if (call === 'append') appends += 1;
    return run();
  };
  const { runtime, settle } = await scene(async function* () {}, {}, { around });
  await asleep(runtime, settle);
  appends = 0;

  await runtime.send('key', { input: 'two' });
  await settle();

  const { events } = await runtime.events('key', { after: 0 });
  expect(events.filter(({ kind }) => kind === 'turn.ended').length).toBe(2);
  expect(appends).toBe(2);
});

test('of an agent that takes time to open, a turn starts when the instance is there', async () => {
  const open = Promise.withResolvers<void>();
  const { runtime, settle } = await scene(() => null as never, {}, { agents: { agent: slow(open.promise) } });
  await runtime.send('key', { input: 'one' });
  await settle();
  const before = await runtime.events('key', { after: 0 });

  open.resolve();
  await settle();

  expect(kindsOf(before.events)).toEqual(['session.created', 'turn.accepted']);
  const { events } = await runtime.events('key', { after: 0 });
  expect(kindsOf(events)).toContain('turn.ended');
});

test('of a session that is out of date, a turn starts when it has been remade, also where its agent opens at once', async () => {
  const remade = Promise.withResolvers<void>();
  let opened = 0;
  const agent: Agent = {
    ...echo,
    open: async (context, previous) => {
      opened += 1;
      if (opened > 1) await remade.promise;
      return echo.open(context, previous);
    },
  };
  const { runtime, settle } = await scene(() => null as never, {}, { agents: { agent } });
  await runtime.send('key', { input: 'one' });
  await settle();
  await runtime.dirty({ key: 'key', reason: 'config' });

  const { turn } = await runtime.send('key', { input: 'two' });
  await settle();
  const before = (await runtime.events('key', { after: 0 })).events.at(-1);
  remade.resolve();
  const view = await runtime.finished('key', turn, { waitMs: 10_000 });

  expect(before).toMatchObject({ kind: 'turn.accepted', turn });
  expect(view?.outcome).toBe('completed');
});

test('a crash while an agent takes its time to open loses nothing: the message is answered after it', async () => {
  const disk = new MemoryDisk();
  const first = await scene(
    () => null as never,
    {},
    { agents: { agent: slow(new Promise(() => {})) }, disk },
  );
  await first.runtime.send('key', { input: 'one' });
  await first.settle();
  first.store.crash();

  const { runtime, clock } = await scene(() => null as never, {}, { agents: { agent: echo }, disk });
  await clock.advance(10_000);

  const { events } = await runtime.events('key', { after: 0 });
  expect(events.at(-1)).toMatchObject({ kind: 'turn.ended' });
  expect(events.at(-1)?.body).toContain('"completed"');
});

test('a message that could not be written leaves no instance behind', async () => {
  const { runtime, fail, settle } = await scene(() => null as never, {}, { agents: { agent: echo } });
  await asleep(runtime, settle);
  fail();

  await expect(runtime.send('key', { input: 'two' })).rejects.toThrow('as told');
  await settle();

  expect(runtime.registry.size).toBe(0);
});

test('an agent that opens at once hears nothing of a message before it is on disk', async () => {
  const heard: string[] = [];
  const agent = functionAgent(async function* (turn) {
    heard.push(turn.id);
    yield 'heard';
  });
  const { runtime, hold, release, settle } = await scene(() => null as never, {}, { agents: { agent } });
  await asleep(runtime, settle);
  hold();

  const sent = runtime.send('key', { input: 'two' });
  for (let breath = 0; breath < 5; breath += 1) await settle(); // Time enough to wake it.
  const early = heard.length;
  release();
  const { turn } = await sent;
  await settle();

  expect(early).toBe(1);
  expect(heard.at(-1)).toBe(turn);
});

test.each([true, false])(
  'a message that is cancelled while it is written leaves nothing in use (its agent opens at once: %s)',
  async (opensAtOnce) => {
    const agent = { ...echo, opensAtOnce };
    const { runtime, hold, release, settle } = await scene(() => null as never, {}, { agents: { agent } });
    await asleep(runtime, settle);
    hold();
    const sent = runtime.send('key', { input: 'two' });
    await settle();

    const cancelled = runtime.cancel('key');
    await settle();
    release();
    const { turn } = await sent;

    expect(await cancelled).toEqual({ cancelled: [turn] });
    await settle();
    await runtime.evict('key');
    expect(runtime.registry.size).toBe(0);
  },
);

test('an opening that fails fails the turn that was written down as started, and the next message tries again', async () => {
  let isBroken = true;
  const agent: Agent = {
    ...echo,
    open: (context, previous) => {
      if (isBroken) throw new Error('no such thing');
      return echo.open(context, previous);
    },
  };
  const { runtime, settle } = await scene(() => null as never, {}, { agents: { agent } });
  await runtime.send('key', { input: 'one' });
  await settle();
  isBroken = false;
  await runtime.send('key', { input: 'two' });
  await settle();

  const { events } = await runtime.events('key', { after: 0 });
  const outcomes = events
    .filter(({ kind }) => kind === 'turn.ended')
    .map(({ body }) => (JSON.parse(body) as { outcome: string }).outcome);
  expect(outcomes).toEqual(['failed', 'completed']);
});

test('a shutdown right after a message leaves one outcome, and none is given twice', async () => {
  const disk = new MemoryDisk();
  const first = await scene(() => null as never, {}, { agents: { agent: echo }, disk });
  const receipt = await first.runtime.send('key', { input: 'one' });
  await first.runtime.shutdown(0);

  const { runtime, clock } = await scene(() => null as never, {}, { agents: { agent: echo }, disk });
  await clock.advance(10_000);

  const { events } = await runtime.events('key', { after: 0 });
  const ends = events.filter(({ kind, turn }) => kind === 'turn.ended' && turn === receipt.turn);
  expect(ends.length).toBe(1);
});
