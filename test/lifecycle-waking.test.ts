// Lifecycle of a waking session: what may happen to it between the append of its message and its instance.
//
// Shown here:
//   Z2   'a session whose turn has started is shown as running, also when another message comes before its instance is there'
//   Z2   'a live session that gets two messages at once is shown as running'
import { expect, test } from 'vitest';
import type { Agent } from '../src/agent/agent.ts';
import { functionAgent } from '../src/agent/function/function.ts';
import { scene } from './race-scene.ts';

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
