// Aliases: other names for one session.
import { expect, test } from 'vitest';
import { hostCaller } from '../src/runtime/access.ts';
import { testRuntime } from '../src/testing/test-runtime.ts';
import { outcome, refusal, say, send, Stage } from './session-stage.ts';

test('a session is found under each of its names, in memory and after a restart', async () => {
  await using world = await testRuntime();
  await say(world, 'chat', 'hello');
  await world.runtime.addAlias('chat', 'slack:C123');

  const byAlias = await say(world, 'slack:C123', '/count');
  await world.restart();
  const again = await say(world, 'slack:C123', '/count');
  const session = await world.runtime.session('slack:C123');

  expect([byAlias.text, again.text]).toEqual(['2', '3']);
  expect(session).toMatchObject({ id: (await world.runtime.session('chat')).id, key: 'chat' });
  expect((await world.runtime.sessions()).sessions).toHaveLength(1);
});

test('two names at once are one session, one agent, one turn at a time', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  await world.runtime.open('chat');
  await world.runtime.addAlias('chat', 'alias');
  await world.restart();

  const receipts = await Promise.all([send(world, 'chat', 'one'), send(world, 'alias', 'two')]);
  const first = await stage.next();
  const busy = await refusal(send(world, 'alias', { input: 'three', policy: 'reject' }));
  first.end();
  (await stage.next()).end();
  await outcome(world, 'alias', receipts[0]?.turn ?? '');

  expect(new Set(receipts.map(({ session }) => session)).size).toBe(1);
  expect(receipts.map(({ disposition }) => disposition).toSorted()).toEqual(['queued', 'started']);
  expect(busy).toBe('session.busy');
  expect(stage.opened).toHaveLength(1);
});

test('a name that a session or an alias has is refused, and so is one that cannot be kept', async () => {
  await using world = await testRuntime();
  await world.runtime.addProject('other');
  await world.runtime.open('a');
  await world.runtime.open('b');
  await world.runtime.addAlias('a', 'alias');

  expect(await refusal(world.runtime.addAlias('a', 'b'))).toBe('session.exists');
  expect(await refusal(world.runtime.addAlias('b', 'alias'))).toBe('session.exists');
  expect(await refusal(world.runtime.addAlias('b', '..'))).toBe('key.invalid');
  expect(await refusal(world.runtime.addAlias('nobody', 'x'))).toBe('session.not_found');
  expect(await refusal(world.runtime.fork('a', { key: 'alias' }))).toBe('session.exists');
  expect(await refusal(world.runtime.session('alias', hostCaller('other')))).toBe('session.not_found');
});

test('making a session under an alias gets the session it names', async () => {
  await using world = await testRuntime();
  const { session } = await world.runtime.open('chat');
  await world.runtime.addAlias('chat', 'alias');

  expect(await world.runtime.open('alias')).toMatchObject({ created: false, session: { id: session.id } });
});

test('closing by one name closes for all, and erasing frees them all', async () => {
  await using world = await testRuntime();
  await say(world, 'chat', 'hello');
  await world.runtime.addAlias('chat', 'alias');
  await say(world, 'alias', 'hello again');

  await world.runtime.close('alias');
  const closed = await refusal(send(world, 'chat', 'hello'));
  await world.runtime.close('chat', { erase: true });
  const counts = [await say(world, 'alias', '/count'), await say(world, 'chat', '/count')];

  expect(closed).toBe('session.closed');
  expect(counts.map(({ text }) => text)).toEqual(['1', '1']);
});
