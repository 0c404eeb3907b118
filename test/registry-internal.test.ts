// Internal sessions: those that a host keeps for its own work, declared by whoever makes them and by nothing else.
//
// Shown here, by what a host sees (B: traps of the working state of sessions; B.n: lines of its checklist, see traps-b.test.ts):
//   B-12  'a session whose name reads like an internal one is a session like any other'
//   B-12  'only who may operate declares a session internal, and it stays what it was made as'
//   B.4   'an internal session is left as it is: nothing is woken, nothing is written, no place is taken'
import { expect, test } from 'vitest';
import { functionAgent } from '../src/agent/function/function.ts';
import { hostCaller } from '../src/runtime/access.ts';
import { testRuntime, type TestRuntime } from '../src/testing/test-runtime.ts';
import type { Caller, Scope } from '../src/wire/access.ts';
import { serve } from './http-support.ts';
import { bodies, refusal, say, seen, Stage } from './session-stage.ts';

const caller = async (world: TestRuntime, ...scopes: readonly Scope[]): Promise<Caller> => {
  const { secret } = await world.runtime.addToken({ name: 'test', scopes });
  const found = await world.runtime.authenticate(secret);
  if (found === null) throw new Error('The token is not known');
  return found;
};

test('a session whose name reads like an internal one is a session like any other', async () => {
  await using world = await testRuntime();
  const names = [
    'agent:main:my-memory-notes-session-2',
    'internal',
    'internal:1',
    'memory-pipeline',
    '__internal__',
  ];
  for (const key of names) await world.runtime.open(key);

  for (const key of names) {
    using lease = await world.runtime.registry.resolveIfAllowed({ key });
    expect(lease?.session.key).toBe(key);
    expect((await world.runtime.session(key)).internal).toBe(undefined);
  }
});

test('an internal session is left as it is: nothing is woken, nothing is written, no place is taken', async () => {
  const writes: unknown[] = [];
  const stage = new Stage();
  await using world = await testRuntime({
    agents: { stage },
    limits: { liveMax: 1 },
    onWrite: (append) => void writes.push(append),
  });
  await world.runtime.open('chat');
  const { session } = await world.runtime.open('own', { internal: true });
  (await world.runtime.registry.resolve({ key: 'chat' })).release();
  const before = [writes.length, stage.opened.length, world.runtime.stats().registry];

  const asked = [
    await world.runtime.registry.resolveIfAllowed({ key: 'own' }),
    await world.runtime.registry.resolveIfAllowed({ id: session.id }),
  ];

  expect(asked).toEqual([null, null]);
  expect([writes.length, stage.opened.length, world.runtime.stats().registry]).toEqual(before);
  expect(world.runtime.registry.keys()).toMatchObject([{ key: 'chat' }]);
});

test('only who may operate declares a session internal, and it stays what it was made as', async () => {
  await using world = await testRuntime();
  const { runtime } = world;
  const [user, operator] = [await caller(world, 'send', 'read'), await caller(world, 'send', 'operate')];

  const byUser = await refusal(runtime.open('a', { internal: true }, user));
  const byOperator = await runtime.open('a', { internal: true }, operator);
  await runtime.open('plain');
  const later = await refusal(runtime.open('plain', { internal: true }));
  await world.restart();
  const again = await world.runtime.open('a', {}, hostCaller());

  expect([byUser, later]).toEqual(['auth.scope', 'session.mismatch']);
  expect([byOperator.session.internal, again.session.internal]).toEqual([true, true]);
  expect(await world.runtime.registry.resolveIfAllowed({ key: 'a' })).toBe(null);
  expect((await world.runtime.session('plain')).internal).toBe(undefined);
});

test('an internal session works as any other, and what it starts is internal, too', async () => {
  await using world = await testRuntime();
  await world.runtime.open('own', { internal: true });

  const turn = await say(world, 'own', '/spawn scripted hello');
  const { children } = await world.runtime.tree('own');

  expect(turn.outcome).toBe('completed');
  expect(children.map(({ session }) => session.internal)).toEqual([true]);
  expect(world.runtime.registry.keys().map(({ key }) => key)).toContain('own');
});

test('an internal session is never made smaller: its agent sees all of it, or a turn says that it cannot', async () => {
  const talker = functionAgent(async function* () {
    yield { kind: 'text.delta', text: 'many words '.repeat(300) };
  });
  const agents = { talker: { ...talker, context: { windowTokens: 2_000 } } };
  await using world = await testRuntime({ agents });
  await world.runtime.open('own', { internal: true });

  const ends = [];
  for (let turn = 0; turn < 4; turn += 1) {
    await say(world, 'chat', `talk ${turn}`);
    const { outcome, error } = await say(world, 'own', `talk ${turn}`);
    ends.push(error?.code ?? outcome);
  }
  await seen(world, 'chat', 'context.compacted');

  expect(ends).toEqual(['completed', 'completed', 'completed', 'context.too_large']);
  expect(await bodies(world, 'own', 'context.compacted')).toEqual([]);
});

test('an internal session posts nothing, whatever it was asked to post', async () => {
  await using world = await testRuntime();
  await world.runtime.open('own', { internal: true, posts: ['turn'] });
  await world.runtime.open('chat', { posts: ['turn'] });

  for (const key of ['own', 'chat']) await say(world, key, 'hello');
  const { id } = await world.runtime.session('chat');
  await world.restart(); // What was being posted is there.
  const { posts } = await world.runtime.timeline.page({});

  expect(posts.map(({ session }) => session)).toEqual([id]);
});

test('a caller over the network says it as any other field, with a token that may', async () => {
  const { call, newToken } = await serve();
  const { secret } = await newToken({ scopes: ['read', 'send'] });

  const refused = await call('PUT', '/v1/sessions/own', { body: { internal: true }, token: secret });
  const half = await call('PUT', '/v1/sessions/own', { body: { internal: false } });
  const made = await call('PUT', '/v1/sessions/own', { body: { internal: true } });
  const read = await call('GET', '/v1/sessions/own');

  expect([refused.status, half.status, made.status]).toEqual([403, 400, 201]);
  expect([made.json['internal'], read.json['internal']]).toEqual([true, true]);
});
