// One bill: time. Turns that run at once spend a budget of time together.
import { expect, test } from 'vitest';
import { testRuntime } from '../src/testing/test-runtime.ts';
import type { Budget } from '../src/wire/session.ts';
import { type Act, outcome, refusal, seen, send, Stage } from './session-stage.ts';

const begin = async (budget: Budget) => {
  const boss = new Stage();
  const worker = new Stage();
  const world = await testRuntime({ agents: { boss, worker } });
  await world.runtime.open('boss');
  await world.runtime.update('boss', { budget });
  const { turn } = await send(world, 'boss', 'hello');
  return { boss, worker, world, turn, act: await boss.next() };
};

const keyOf = (act: Act): string => act.turn.session.key;

test('four turns that run at once use up a budget of time four times as soon', async () => {
  const { worker, world, turn, act } = await begin({ ms: 8_000 });
  await using _ = world;
  const acts = [];
  for (const name of ['one', 'two', 'three']) {
    await act.turn.spawn('worker', name);
    acts.push(await worker.next());
  }

  await world.clock.advance(1_999);
  const before = await world.runtime.tree('boss');
  const isRunning = acts.every(({ turn: each }) => !each.signal.aborted);
  await world.clock.advance(1);
  const ends = [];
  for (const each of acts) ends.push((await outcome(world, keyOf(each), each.turn.id)).outcome);
  const { outcome: end, error } = await outcome(world, 'boss', turn);

  expect(before.left).toEqual({ ms: 4 });
  expect(isRunning).toBe(true);
  expect([end, ends]).toEqual(['budget', ['budget', 'budget', 'budget']]);
  expect(error?.message).toBe('session boss has used up 8000 ms');
  expect(await refusal(send(world, 'boss', 'more'))).toBe('budget.exceeded');
});

test('time that is kept for a child is there for it, however long its parent takes', async () => {
  const { worker, world, turn, act } = await begin({ ms: 10_000 });
  await using _ = world;
  const child = await act.turn.spawn('worker', 'dig', { budget: { ms: 7_000 }, whenDone: 'turn' });
  child.result().catch(() => undefined);
  const digging = await worker.next();

  await world.clock.advance(2_999);
  act.end();
  await outcome(world, 'boss', turn);
  await world.clock.advance(4_000);
  const isRunning = !digging.turn.signal.aborted;
  await world.clock.advance(1);
  const { outcome: end, error } = await outcome(world, keyOf(digging), digging.turn.id);

  expect(isRunning).toBe(true);
  expect(end).toBe('budget');
  expect(error?.message).toContain('7000 ms');
});

test('time of a turn that waits for a person is not spent', async () => {
  const { world, turn, act } = await begin({ ms: 5_000 });
  await using _ = world;
  await world.clock.advance(1_000);
  const asked = act.turn.ask('sure', { kind: 'question', text: 'Sure?' });
  const { body } = await seen(world, 'boss', 'request.opened');
  await world.clock.advance(60_000);

  await world.runtime.answer('boss', body.request, { decision: 'allow' });
  await asked;
  const left = act.turn.leftMs();
  await world.clock.advance(3_999);
  act.end();

  expect(left).toBe(4_000);
  expect((await outcome(world, 'boss', turn)).outcome).toBe('completed');
  expect((await world.runtime.tree('boss')).left).toEqual({ ms: 1 });
});

test('a budget of time that is given to a session while its children run stops them when it is up', async () => {
  const { worker, world, act } = await begin({});
  await using _ = world;
  await act.turn.spawn('worker', 'dig');
  const digging = await worker.next();
  await world.clock.advance(1_000);

  await world.runtime.update('boss', { budget: { ms: 4_000 } });
  await world.clock.advance(999);
  const isRunning = !digging.turn.signal.aborted;
  await world.clock.advance(1);

  expect(isRunning).toBe(true);
  expect((await outcome(world, keyOf(digging), digging.turn.id)).outcome).toBe('budget');
});

test('nothing keeps ringing once all that ran has been stopped', async () => {
  const deaf = new Stage({ deaf: true });
  await using world = await testRuntime({ agents: { deaf } });
  await world.runtime.open('deaf');
  await world.runtime.update('deaf', { budget: { ms: 1_000 } });
  const { turn } = await send(world, 'deaf', 'hello');
  await deaf.next();

  await world.clock.advance(1_000);
  await world.clock.advance(60_000);

  expect((await outcome(world, 'deaf', turn)).outcome).toBe('budget');
});
