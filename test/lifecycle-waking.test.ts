// Lifecycle of a waking session: what may happen to it between the append of its message and its instance.
//
// Shown here:
//   I12  'a message that is still being taken in when shutting down begins is answered after the restart'
//   I12  'a crash while what was put away is still closing loses nothing: the message is answered after it'
//   Z2   'a session whose turn has started is shown as running, also when another message comes before its instance is there'
//   Z2   'a live session that gets two messages at once is shown as running'
import { expect, test } from 'vitest';
import type { Agent } from '../src/agent/agent.ts';
import { functionAgent } from '../src/agent/function/function.ts';
import { MemoryDisk } from '../src/testing/memory-store.ts';
import { type Around, scene } from './race-scene.ts';

const echo = functionAgent(async function* (turn) {
  yield `heard ${turn.history.length}`;
});

test('a message that is still being taken in when shutting down begins is answered after the restart', async () => {
  const disk = new MemoryDisk();
  const held = Promise.withResolvers<void>();
  const looked = Promise.withResolvers<void>();
  let isHeld = false;
  const around: Around = async (call, run) => {
    if (call === 'once' && isHeld) {
      looked.resolve();
      await held.promise;
    }
    return run();
  };
  const first = await scene(() => null as never, {}, { agents: { agent: echo }, disk, around });
  await first.runtime.send('key', { input: 'one' });
  await first.settle();
  await first.runtime.evict('key');
  isHeld = true;
  const sending = first.runtime.send('key', { input: 'two' }, { idempotencyKey: 'k' });
  await looked.promise;
  const over = first.runtime.shutdown(0);
  held.resolve();
  const receipt = await sending;
  await first.settle();
  await over;
  const { runtime, clock } = await scene(() => null as never, {}, { agents: { agent: echo }, disk });
  await clock.advance(10_000);
  expect(await runtime.turn('key', receipt.turn)).toMatchObject({ outcome: 'completed', text: 'heard 2' });
});

test('a session whose turn has started is shown as running, also when another message comes before its instance is there', async () => {
  const open = Promise.withResolvers<void>();
  const end = Promise.withResolvers<void>();
  const agent = functionAgent(async function* () {
    await end.promise;
    yield 'done';
  });
  const slow: Agent = {
    ...agent,
    open: async (context, previous) => {
      await open.promise;
      return agent.open(context, previous);
    },
  };
  const { runtime, settle } = await scene(() => null as never, {}, { agents: { agent: slow } });
  const { turn } = await runtime.send('key', { input: 'one' });
  await runtime.send('key', { input: 'two', policy: 'queue' });
  open.resolve();
  await settle();
  expect(await runtime.session('key')).toMatchObject({ state: 'running', turn, queued: 1 });
  end.resolve();
  await settle();
  expect(await runtime.session('key')).toMatchObject({ state: 'idle', turn: null, queued: 0 });
});

test('a live session that gets two messages at once is shown as running', async () => {
  const end = Promise.withResolvers<void>();
  let turns = 0;
  const agent = functionAgent(async function* () {
    turns += 1;
    if (turns > 1) await end.promise;
    yield 'done';
  });
  const { runtime, settle } = await scene(() => null as never, {}, { agents: { agent } });
  await runtime.send('key', { input: 'zero' });
  await settle();
  const [{ turn }] = await Promise.all([
    runtime.send('key', { input: 'one' }),
    runtime.send('key', { input: 'two', policy: 'queue' }),
  ]);
  await settle();
  expect(await runtime.session('key')).toMatchObject({ state: 'running', turn, queued: 1 });
  end.resolve();
  await settle();
});

test('a crash while what was put away is still closing loses nothing: the message is answered after it', async () => {
  const disk = new MemoryDisk();
  const closing = functionAgent(async function* (turn) {
    await turn.resource(
      'browser',
      async () => 'browser',
      () => new Promise<void>(() => {}),
    );
    yield `heard ${turn.history.length}`;
  });
  const first = await scene(() => null as never, {}, { agents: { agent: closing }, disk });
  await first.runtime.send('key', { input: 'one' });
  await first.settle();
  void first.runtime.evict('key');
  await first.settle();
  const { turn } = await first.runtime.send('key', { input: 'two' });
  await first.settle();
  first.store.crash();
  const { runtime, clock } = await scene(() => null as never, {}, { agents: { agent: echo }, disk });
  await clock.advance(10_000);
  expect(await runtime.turn('key', turn)).toMatchObject({ outcome: 'completed' });
});
