// Requests: a turn asks a person and waits, across evictions and restarts, until there is an answer or it is too late.
//
// Shown here, by what a user sees (A: traps of session routing; A.3, A.5: questions to a person; G: what users ask for):
//   A-18  'a question keeps the agent that cannot run again in memory, and frees the one that can'
//   A.3   'a question that has been answered is not asked again'
//   A.5   'a turn that ends leaves no question open'
//   A.5   'a turn that nobody can answer is denied at once'
//   G     'an answer across a restart: the turn goes on in its next attempt, and gets what was said'
import { describe, expect, test } from 'vitest';
import type { Question } from '../src/agent/agent.ts';
import { testRuntime, type TestRuntime } from '../src/testing/test-runtime.ts';
import { type Act, bodies, outcome, refusal, seen, send, Stage } from './session-stage.ts';

const SURE: Question = { kind: 'question', text: 'Sure?' };
const pay = (usd: number): Question => ({
  kind: 'approval',
  text: 'Pay?',
  tool: { call: 'c1', name: 'pay', input: { usd } },
});

/** Asks in a turn that may run again: its attempt ends there. */
const suspend = async (world: TestRuntime, act: Act, key: string, question = SURE): Promise<void> => {
  const { headSeq } = await world.runtime.session(act.turn.session.key);
  act.turn.ask(key, question).catch((error: unknown) => act.fail(error));
  await seen(world, act.turn.session.key, 'request.opened', headSeq);
  await act.left;
};

const open = async (world: TestRuntime): Promise<string> => (await world.runtime.requests())[0]?.id ?? '';

describe('an agent with rerun: never', () => {
  test('asks, waits, and goes on with the answer', async () => {
    const stage = new Stage();
    await using world = await testRuntime({ agents: { stage } });
    const { turn } = await send(world, 'chat', 'hello');
    const act = await stage.next();

    const answer = act.turn.ask('sure', SURE);
    await seen(world, 'chat', 'request.opened');
    const during = await world.runtime.session('chat');
    const [request] = await world.runtime.requests();
    await world.runtime.answer('chat', request?.id ?? '', { decision: 'allow', answer: 'quite' });
    const heard = await answer;
    act.end();

    expect(during).toMatchObject({ state: 'waiting', turn, live: true });
    expect(request).toMatchObject({ key: 'chat', turn, kind: 'question', text: 'Sure?' });
    expect(heard).toEqual({ decision: 'allow', answer: 'quite' });
    expect(await outcome(world, 'chat', turn)).toMatchObject({ outcome: 'completed', attempt: 1 });
    expect(await world.runtime.requests()).toEqual([]);
  });

  test('ends interrupted after a crash, and its question is void', async () => {
    const stage = new Stage();
    await using world = await testRuntime({ agents: { stage } });
    const { turn } = await send(world, 'chat', 'hello');
    const act = await stage.next();
    void act.turn.ask('sure', SURE); // Nobody ever answers it.
    await seen(world, 'chat', 'request.opened');
    const request = await open(world);

    await world.crash();

    expect((await outcome(world, 'chat', turn)).outcome).toBe('interrupted');
    expect(await bodies(world, 'chat', 'request.closed')).toEqual([{ request, decision: 'void', by: null }]);
    expect(await world.runtime.requests()).toEqual([]);
    expect(await refusal(world.runtime.answer('chat', request, { decision: 'allow' }))).toBe(
      'request.closed',
    );
  });

  test('is told when its question expires, and may go on without the answer', async () => {
    const stage = new Stage();
    await using world = await testRuntime({ agents: { stage } });
    const { turn } = await send(world, 'chat', 'hello');
    const act = await stage.next();

    const asked = refusal(act.turn.ask('sure', { ...SURE, expiresMs: 60_000 }));
    await seen(world, 'chat', 'request.opened');
    const request = await open(world);
    await world.clock.advance(60_001);
    const heard = await asked;
    const late = await refusal(world.runtime.answer('chat', request, { decision: 'allow' }));
    await act.say('Never mind.');
    act.end();

    expect([heard, late]).toEqual(['request.closed', 'request.closed']);
    expect(await outcome(world, 'chat', turn)).toMatchObject({ outcome: 'completed', text: 'Never mind.' });
    expect((await bodies(world, 'chat', 'request.closed'))[0]).toMatchObject({ decision: 'expired' });
  });

  test('does not pay with its own time for the person', async () => {
    const stage = new Stage();
    await using world = await testRuntime({ agents: { stage }, limits: { turnMs: 10_000 } });
    const { turn } = await send(world, 'chat', 'hello');
    const act = await stage.next();
    await world.clock.advance(4_000);

    const answer = act.turn.ask('sure', SURE);
    await seen(world, 'chat', 'request.opened');
    await world.clock.advance(3_600_000);
    await world.runtime.answer('chat', await open(world), { decision: 'allow' });
    await answer;
    const left = act.turn.leftMs();
    await world.clock.advance(6_000);

    expect(left).toBe(6_000);
    expect((await outcome(world, 'chat', turn)).outcome).toBe('expired');
  });

  test('gives the same answer again where a person said to remember it, for that very call', async () => {
    const stage = new Stage();
    await using world = await testRuntime({ agents: { stage } });
    await send(world, 'chat', 'hello');
    const act = await stage.next();
    const first = act.turn.ask('one', pay(5));
    await seen(world, 'chat', 'request.opened');
    await world.runtime.answer('chat', await open(world), { decision: 'allow', remember: true });

    const again = await act.turn.ask('two', pay(5));
    void act.turn.ask('three', pay(500)); // Another call: it has to be asked.
    await seen(world, 'chat', 'request.opened', (await world.runtime.session('chat')).headSeq);

    expect(await first).toMatchObject({ decision: 'allow' });
    expect(again).toMatchObject({ decision: 'allow' });
    expect(await world.runtime.requests()).toMatchObject([{ tool: { input: { usd: 500 } } }]);
  });
});

describe('an agent with rerun: safe', () => {
  const asked = async (options: ConstructorParameters<typeof Stage>[0] = {}, limits = {}) => {
    const stage = new Stage({ rerun: 'safe', ...options });
    const world = await testRuntime({ agents: { stage }, limits });
    const { turn } = await send(world, 'chat', 'hello');
    const act = await stage.next();
    await suspend(world, act, 'sure');
    return { stage, world, turn, act, request: await open(world) };
  };

  test('an answer across a restart: the turn goes on in its next attempt, and gets what was said', async () => {
    const { stage, world, turn, request } = await asked();
    await using _ = world;

    await world.crash();
    const before = await world.runtime.session('chat');
    await world.runtime.answer('chat', request, { decision: 'allow', answer: 'quite' });
    const act = await stage.next();
    const heard = await act.turn.ask('sure', SURE);
    act.end();

    expect(before).toMatchObject({ state: 'waiting', turn, live: false });
    expect([act.turn.attempt, act.turn.afterCrash]).toEqual([2, false]);
    expect(heard).toEqual({ decision: 'allow', answer: 'quite' });
    expect((await outcome(world, 'chat', turn)).outcome).toBe('completed');
    expect(await bodies(world, 'chat', 'request.opened')).toHaveLength(1);
  });

  test('a crash right after the answer loses neither the answer nor the turn', async () => {
    const { stage, world, turn, request } = await asked();
    await using _ = world;
    await world.runtime.answer('chat', request, { decision: 'deny' });

    await world.crash();
    const act = await stage.next();
    const heard = await act.turn.ask('sure', SURE);
    act.end();

    expect(heard).toEqual({ decision: 'deny' });
    expect((await outcome(world, 'chat', turn)).outcome).toBe('completed');
  });

  test('waiting for a person, it holds no place, and leaves memory like any other', async () => {
    const { stage, world, turn, act, request } = await asked({}, { idleMsMax: 1_000, sweepMs: 500 });
    await using _ = world;

    await world.clock.advance(60_000);
    await seen(world, 'chat', 'session.evicted');
    const { live } = await world.runtime.session('chat');
    await world.runtime.answer('chat', request, { decision: 'allow' });
    const next = await stage.next();
    next.end();

    expect([live, act.instance.closed, next.instance.number]).toEqual([false, 'idle', 2]);
    expect((await outcome(world, 'chat', turn)).outcome).toBe('completed');
  });

  test('asks twice at once: each answer is heard, and the turn waits until it has them', async () => {
    const stage = new Stage({ rerun: 'safe' });
    await using world = await testRuntime({ agents: { stage } });
    const { turn } = await send(world, 'chat', 'hello');
    const first = await stage.next();
    const asks = [first.turn.ask('left', SURE), first.turn.ask('right', SURE)];
    Promise.all(asks).catch((error: unknown) => first.fail(error));
    await Promise.allSettled(asks);
    await first.left;
    const [left, right] = await bodies(world, 'chat', 'request.opened');

    await world.runtime.answer('chat', left?.request ?? '', { decision: 'allow', answer: 'l' });
    const second = await stage.next();
    const heard = await second.turn.ask('left', SURE);
    const again = await refusal(second.turn.ask('right', SURE));
    second.end();
    await second.left;
    await world.runtime.answer('chat', right?.request ?? '', { decision: 'allow', answer: 'r' });
    const third = await stage.next();
    const both = [await third.turn.ask('left', SURE), await third.turn.ask('right', SURE)];
    third.end();

    expect([heard.answer, again]).toEqual(['l', 'turn.suspended']);
    expect(both.map(({ answer }) => answer)).toEqual(['l', 'r']);
    expect((await outcome(world, 'chat', turn)).outcome).toBe('completed');
    expect(await bodies(world, 'chat', 'request.opened')).toHaveLength(2);
  });

  test('is told in its next attempt that its question expired', async () => {
    const { stage, world, turn } = await asked({}, { requestMs: 60_000 });
    await using _ = world;

    await world.clock.advance(60_001);
    const act = await stage.next();
    const heard = await refusal(act.turn.ask('sure', SURE));
    act.end();

    expect(heard).toBe('request.closed');
    expect((await outcome(world, 'chat', turn)).outcome).toBe('completed');
  });

  test('a question that expired while the process was down is found expired', async () => {
    const { stage, world, request } = await asked({}, { requestMs: 60_000 });
    await using _ = world;

    await world.kill();
    world.clock.jumpWall(3_600_000);
    await world.start();
    await world.clock.advance(1);
    const act = await stage.next();

    expect(await refusal(act.turn.ask('sure', SURE))).toBe('request.closed');
    expect(await refusal(world.runtime.answer('chat', request, { decision: 'allow' }))).toBe(
      'request.closed',
    );
  });

  test('an answer that comes after its time is too late, although no timer has fired', async () => {
    const { stage, world, request } = await asked({}, { requestMs: 60_000 });
    await using _ = world;

    world.clock.jumpWall(60_001); // As after a night with the lid closed.
    const late = await refusal(world.runtime.answer('chat', request, { decision: 'allow' }));
    const heard = await refusal((await stage.next()).turn.ask('sure', SURE));

    expect([late, heard]).toEqual(['request.closed', 'request.closed']);
    expect(await bodies(world, 'chat', 'request.closed')).toMatchObject([{ decision: 'expired' }]);
  });

  test('gives the same answer again where a person said to remember it', async () => {
    const stage = new Stage({ rerun: 'safe' });
    await using world = await testRuntime({ agents: { stage } });
    await send(world, 'chat', 'hello');
    await suspend(world, await stage.next(), 'one', pay(5));
    await world.runtime.answer('chat', await open(world), { decision: 'allow', remember: true });

    const act = await stage.next();
    await act.turn.ask('one', pay(5));
    const again = await act.turn.ask('two', pay(5));

    expect(again).toMatchObject({ decision: 'allow' });
    expect(await bodies(world, 'chat', 'request.opened')).toHaveLength(1);
  });

  test('holds an approval for exactly what was shown: another call under the same name is asked about', async () => {
    const stage = new Stage({ rerun: 'safe' });
    await using world = await testRuntime({ agents: { stage } });
    await send(world, 'chat', 'hello');
    await suspend(world, await stage.next(), 'pay', pay(5));
    await world.runtime.answer('chat', await open(world), { decision: 'allow' });

    await suspend(world, await stage.next(), 'pay', pay(500));
    const [request] = await world.runtime.requests();
    await world.crash();
    await world.runtime.answer('chat', request?.id ?? '', { decision: 'deny' });
    const heard = await (await stage.next()).turn.ask('pay', pay(500));

    expect(request).toMatchObject({ tool: { input: { usd: 500 } } });
    expect(heard).toEqual({ decision: 'deny' });
  });

  test('cancelling a turn that waits for a person ends it at once, and its question', async () => {
    const { stage, world, turn, request } = await asked();
    await using _ = world;

    const result = await world.runtime.cancelTurn('chat', turn);
    const next = await send(world, 'chat', { input: 'next', policy: 'reject' });

    expect(result).toEqual({ outcome: 'cancelled', changed: true });
    expect(await bodies(world, 'chat', 'request.closed')).toEqual([{ request, decision: 'void', by: null }]);
    expect((await stage.next()).turn.id).toBe(next.turn);
  });

  test('the time it waits for a person is not its own', async () => {
    const { stage, world, turn, request } = await asked({}, { turnMs: 10_000 });
    await using _ = world;

    await world.clock.advance(3_600_000);
    await world.runtime.answer('chat', request, { decision: 'allow' });
    const act = await stage.next();
    const left = act.turn.leftMs();
    await world.clock.advance(10_000);

    expect(left).toBe(10_000);
    expect((await outcome(world, 'chat', turn)).outcome).toBe('expired');
  });
});

test('a question keeps the agent that cannot run again in memory, and frees the one that can', async () => {
  const never = new Stage();
  const safe = new Stage({ rerun: 'safe' });
  await using world = await testRuntime({
    agents: { never, safe },
    limits: { idleMsMax: 1_000, sweepMs: 500 },
  });
  await send(world, 'never', { input: 'hello', agent: 'never' });
  const held = await never.next();
  void held.turn.ask('sure', SURE); // Nobody ever answers it.
  await seen(world, 'never', 'request.opened');
  await send(world, 'safe', { input: 'hello', agent: 'safe' });
  await suspend(world, await safe.next(), 'sure');

  await world.clock.advance(60_000);
  await seen(world, 'safe', 'session.evicted');

  expect(held.instance.closed).toBeUndefined();
  expect(safe.alive).toEqual([]);
});

test('a session whose turn only waits for a person can be put away, and goes on with the answer', async () => {
  const stage = new Stage({ rerun: 'safe' });
  await using world = await testRuntime({ agents: { stage } });
  const { turn } = await send(world, 'chat', 'hello');
  const act = await stage.next();
  await act.say('Well, ');
  await suspend(world, act, 'sure');
  await seen(world, 'chat', 'message'); // The attempt is over.
  await world.clock.advance(0);
  expect(await world.runtime.evict('chat')).toBe(true);
  expect(stage.alive).toEqual([]);

  await world.runtime.answer('chat', await open(world), { decision: 'allow' });
  (await stage.next()).end();
  expect(await outcome(world, 'chat', turn)).toMatchObject({ outcome: 'completed', attempt: 2 });
});

test('a question that has been answered is not asked again', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  await send(world, 'chat', 'hello');
  const act = await stage.next();
  const first = act.turn.ask('sure', SURE);
  await seen(world, 'chat', 'request.opened');
  const request = await open(world);
  const answers = await Promise.all([
    refusal(world.runtime.answer('chat', request, { decision: 'allow', answer: 'one' })),
    refusal(world.runtime.answer('chat', request, { decision: 'deny', answer: 'two' })),
  ]);

  expect(await first).toEqual({ decision: 'allow', answer: 'one' });
  expect(await act.turn.ask('sure', SURE)).toEqual({ decision: 'allow', answer: 'one' });
  expect(answers).toEqual(['nothing', 'request.closed']);
  expect(await bodies(world, 'chat', 'request.closed')).toHaveLength(1);
  expect(await refusal(world.runtime.answer('chat', 'nobody', { decision: 'allow' }))).toBe(
    'request.not_found',
  );
});

test('a turn that ends leaves no question open', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  const { turn } = await send(world, 'chat', 'hello');
  const act = await stage.next();
  act.turn.ask('sure', SURE).catch(() => undefined);
  await seen(world, 'chat', 'request.opened');

  act.end(); // It did not wait for the answer.
  await outcome(world, 'chat', turn);

  expect(await world.runtime.requests()).toEqual([]);
  expect((await bodies(world, 'chat', 'request.closed'))[0]).toMatchObject({ decision: 'void' });
});

test('a turn that nobody can answer is denied at once', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  await send(world, 'chat', { input: 'tick', kind: 'schedule', canAsk: false });
  const act = await stage.next();

  const heard = await act.turn.ask('sure', SURE);

  expect(heard).toEqual({ decision: 'deny', answer: 'nobody can be asked in this turn' });
  expect(await bodies(world, 'chat', 'request.opened')).toEqual([]);
});
