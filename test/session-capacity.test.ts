// Capacity: how many sessions may be in memory, who leaves for another, and who is told to come back later.
//
// Shown here, by what a user sees (A: traps of session routing; E.7: capacity):
//   A-21  'when all places are taken by running turns a message is refused, and nothing is written'
//   A-21  'the session used longest ago leaves for another, and comes back when it is needed'
//   A-21  'a project, or an owner, that has all its places keeps nobody else out'
//   E.7   'a message that was accepted waits for a place, and never fails for want of one'
//   E.7   'after a restart everything that waited is taken up, whatever the number of places'
import { expect, test } from 'vitest';
import { SojournError } from '../src/kernel/errors.ts';
import { hostCaller } from '../src/runtime/access.ts';
import type { Evicted } from '../src/runtime/hooks.ts';
import { testRuntime } from '../src/testing/test-runtime.ts';
import { outcome, refusal, say, seen, send, Stage } from './session-stage.ts';

test('when all places are taken by running turns a message is refused, and nothing is written', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage }, limits: { liveMax: 2 } });
  for (const key of ['a', 'b']) {
    await send(world, key, 'hello');
    await stage.next();
  }
  await world.runtime.open('known');
  const known = await world.runtime.session('known');

  const error = await send(world, 'new', 'hello').catch((thrown: unknown) => thrown);
  const again = await refusal(send(world, 'known', 'hello'));
  const queued = await send(world, 'a', 'waits, because its session has a place');

  expect(error).toBeInstanceOf(SojournError);
  expect(error).toMatchObject({ code: 'capacity', retryAfterMs: 1_000 });
  expect(again).toBe('capacity');
  expect(await refusal(world.runtime.session('new'))).toBe('session.not_found');
  expect(await world.runtime.session('known')).toEqual(known);
  expect(queued.disposition).toBe('queued');
  expect(world.runtime.stats()).toMatchObject({ live: 2, refused: { capacity: 2 } });
});

test('a refused message may be sent again as soon as somebody has finished', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage }, limits: { liveMax: 1 } });
  const first = await send(world, 'a', 'hello');
  const act = await stage.next();
  const refused = await refusal(send(world, 'b', 'hello'));

  act.end();
  await outcome(world, 'a', first.turn);
  const receipt = await send(world, 'b', 'hello');

  expect(refused).toBe('capacity');
  expect(receipt.disposition).toBe('started');
  expect((await stage.next()).turn.session.key).toBe('b');
});

test('the session used longest ago leaves for another, and comes back when it is needed', async () => {
  const evicted: Evicted[] = [];
  await using world = await testRuntime({
    limits: { liveMax: 2 },
    hooks: { onSessionEvict: (one) => void evicted.push(one) },
  });
  await say(world, 'old', 'hello');
  await world.clock.advance(1);
  await say(world, 'young', 'hello');
  await world.clock.advance(1);

  await say(world, 'third', 'hello');
  const live = await Promise.all(['old', 'young', 'third'].map((key) => world.runtime.session(key)));
  const back = await say(world, 'old', '/count');

  expect(live.map((session) => session.live)).toEqual([false, true, true]);
  expect(evicted.map(({ key, reason }) => [key, reason])).toEqual([
    ['old', 'capacity'],
    ['young', 'capacity'],
  ]);
  expect(back.text).toBe('2');
});

test('many more sessions may be known than may be in memory', async () => {
  await using world = await testRuntime({ limits: { liveMax: 10 } });

  for (let index = 0; index < 40; index += 1) await say(world, `chat ${index}`, 'hello');

  expect(world.runtime.stats()).toMatchObject({ live: 10, evictions: { capacity: 30 } });
  expect((await say(world, 'chat 0', '/count')).text).toBe('2');
});

test('a project, or an owner, that has all its places keeps nobody else out', async () => {
  const stage = new Stage();
  const limits = { liveMax: 10, livePerProjectMax: 2, livePerOwnerMax: 1 };
  await using world = await testRuntime({ agents: { stage }, limits });
  await world.runtime.addProject('other');
  const begin = async (key: string, owner: string, project = 'default') => {
    await world.runtime.open(key, { owner }, hostCaller(project));
    return refusal(world.runtime.send(key, { input: 'hello' }, {}, hostCaller(project)));
  };

  const answers = [
    await begin('a1', 'alice'),
    await begin('a2', 'alice'),
    await begin('b1', 'bob'),
    await begin('c1', 'carol'),
    await begin('c1', 'carol', 'other'),
  ];

  expect(answers).toEqual(['nothing', 'capacity', 'nothing', 'capacity', 'nothing']);
});

test('an owner with all places taken by idle sessions gets one of their own back', async () => {
  const evicted: string[] = [];
  await using world = await testRuntime({
    limits: { livePerOwnerMax: 1 },
    hooks: { onSessionEvict: ({ key }) => void evicted.push(key) },
  });
  await world.runtime.open('a1', { owner: 'alice' });
  await world.runtime.open('a2', { owner: 'alice' });
  await world.runtime.open('b1', { owner: 'bob' });

  for (const key of ['a1', 'b1', 'a2']) await say(world, key, 'hello');

  expect(evicted).toEqual(['a1']);
});

test('a message that was accepted waits for a place, and never fails for want of one', async () => {
  const stage = new Stage({ rerun: 'safe' });
  await using world = await testRuntime({ agents: { stage }, limits: { liveMax: 1 } });
  const asked = await send(world, 'asks', 'hello');
  const asking = await stage.next();
  asking.turn.ask('sure', { kind: 'question', text: 'Sure?' }).catch(() => asking.end());
  await seen(world, 'asks', 'request.opened');
  await asking.left;
  await send(world, 'busy', 'hello'); // What waits for a person holds no place.
  const busy = await stage.next();

  const [request] = await world.runtime.requests();
  await world.runtime.answer('asks', request?.id ?? '', { decision: 'allow' });
  const during = await world.runtime.turn('asks', asked.turn);
  busy.end();
  const again = await stage.next();
  again.end();

  expect(during.state).toBe('waiting');
  expect([again.turn.id, again.turn.attempt]).toEqual([asked.turn, 2]);
  expect((await outcome(world, 'asks', asked.turn)).outcome).toBe('completed');
});

test('after a restart everything that waited is taken up, whatever the number of places', async () => {
  const stage = new Stage({ rerun: 'safe' });
  await using world = await testRuntime({ agents: { stage } });
  const keys = ['a', 'b', 'c', 'd', 'e'];
  const turns: string[] = [];
  for (const key of keys) turns.push((await send(world, key, 'hello')).turn);
  for (const _ of keys) await stage.next();

  await world.crash({ limits: { liveMax: 1 } });
  const served = [];
  for (const _ of keys) {
    const act = await stage.next();
    served.push(act.turn.session.key);
    act.end();
  }
  const ends = await Promise.all(keys.map((key, index) => outcome(world, key, turns[index] ?? '')));

  expect(served.toSorted()).toEqual(keys);
  expect(ends.map((view) => view.outcome)).toEqual(keys.map(() => 'completed'));
});

test('new sessions come at a bounded rate, and old ones are not refused', async () => {
  await using world = await testRuntime({ limits: { createBurst: 3, createPerMinute: 60 } });
  for (const key of ['a', 'b', 'c']) await world.runtime.open(key);

  const error = await world.runtime.open('d').catch((thrown: unknown) => thrown);
  const known = await say(world, 'a', 'hello');
  await world.clock.advance(1_000);
  const later = await world.runtime.open('d');

  expect(error).toMatchObject({ code: 'session.limit', retryAfterMs: 1_000 });
  expect(known.outcome).toBe('completed');
  expect(later.created).toBe(true);
});
