// Waiting: turns of agents that may not run again, but whose questions outlive their process (`rerun: waiting`).
import { expect, test } from 'vitest';
import type { Question } from '../src/agent/agent.ts';
import type { Json } from '../src/kernel/json.ts';
import { testRuntime, type TestRuntime } from '../src/testing/test-runtime.ts';
import { bodies, outcome, refusal, seen, send, spoken, Stage } from './session-stage.ts';

const PAY: Question = {
  kind: 'approval',
  text: 'Pay?',
  tool: { call: 'c1', name: 'pay', input: { usd: 3 } },
};

/** An agent whose memory is what its snapshot says. */
function waiting(memory: { now: Json } = { now: 'first' }): Stage {
  return new Stage({
    rerun: 'waiting',
    steers: false,
    rewinds: false,
    forks: false,
    ownsHistory: true,
    exclusive: true,
    snapshot: () => memory.now,
  });
}

async function asked(stage: Stage, world: TestRuntime): Promise<{ turn: string; request: string }> {
  const { turn } = await send(world, 'chat', 'buy it');
  const act = await stage.next();
  await act.say('let me see: ');
  act.turn.ask('pay', PAY).catch(() => undefined); // The process ends first.
  const { body } = await seen(world, 'chat', 'request.opened');
  return { turn, request: body.request };
}

test('while the process lives, the turn keeps its instance and the answer reaches it', async () => {
  const stage = waiting();
  await using world = await testRuntime({ agents: { stage } });
  const { turn } = await send(world, 'chat', 'buy it');
  const act = await stage.next();

  const answer = act.turn.ask('pay', PAY);
  const { body } = await seen(world, 'chat', 'request.opened');
  await world.runtime.answer('chat', body.request, { decision: 'allow' });
  await answer;
  act.end();

  expect(await outcome(world, 'chat', turn)).toMatchObject({ outcome: 'completed', attempt: 1 });
  expect(stage.opened).toHaveLength(1);
});

test.each(['crash', 'restart'] as const)(
  'after a %s it goes on waiting without an instance, and on the answer another attempt goes on with it',
  async (how) => {
    const stage = waiting({ now: { session: 'a' } });
    await using world = await testRuntime({ agents: { stage } });
    const { turn, request } = await asked(stage, world);

    await world[how]();
    const between = await world.runtime.session('chat');
    await world.runtime.answer('chat', request, { decision: 'allow', answer: 'go' });
    const act = await stage.next();
    const heard = await act.turn.ask('pay', PAY);
    await act.say('paid.');
    act.end();

    expect(between).toMatchObject({ state: 'waiting', turn, live: false });
    expect(act.instance.previous).toEqual({ session: 'a' });
    expect(heard).toEqual({ decision: 'allow', answer: 'go' });
    expect(await outcome(world, 'chat', turn)).toMatchObject({ outcome: 'completed', attempt: 2 });
    expect(await bodies(world, 'chat', 'request.opened')).toHaveLength(1);
  },
);

test('what was said before the crash stays: the attempt after it goes on with the turn', async () => {
  const stage = waiting();
  await using world = await testRuntime({ agents: { stage } });
  const { turn, request } = await asked(stage, world);

  await world.crash();
  await world.runtime.answer('chat', request, { decision: 'allow' });
  const act = await stage.next();
  await act.say({ kind: 'text.delta', text: 'paid.', message: 'later' });
  act.end();
  await outcome(world, 'chat', turn);

  expect(await bodies(world, 'chat', 'turn.started')).toEqual([{ attempt: 1 }, { attempt: 2, goesOn: true }]);
  expect(spoken(await world.runtime.transcript('chat'))).toEqual([
    'user: buy it',
    'assistant: let me see: ',
    'assistant: paid.',
  ]);
});

test('a call that stood open at the crash has a result that nobody knows', async () => {
  const stage = waiting();
  await using world = await testRuntime({ agents: { stage } });
  const { turn } = await send(world, 'chat', 'buy it');
  const first = await stage.next();
  await first.say({ kind: 'tool.called', call: 'c1', name: 'pay', input: { usd: 3 } });
  first.turn.ask('pay', PAY).catch(() => undefined);
  const { body } = await seen(world, 'chat', 'request.opened');

  await world.crash();
  await world.runtime.answer('chat', body.request, { decision: 'allow' });
  (await stage.next()).end();
  await outcome(world, 'chat', turn);

  expect(await bodies(world, 'chat', 'tool.returned')).toEqual([
    { call: 'c1', isError: true, unknown: true },
  ]);
});

test('a turn that was running, and not waiting, still ends interrupted', async () => {
  const stage = waiting();
  await using world = await testRuntime({ agents: { stage } });
  const { turn } = await send(world, 'chat', 'buy it');
  const act = await stage.next();
  const answered = act.turn.ask('pay', PAY);
  const { body } = await seen(world, 'chat', 'request.opened');
  await world.runtime.answer('chat', body.request, { decision: 'allow' });
  await answered;
  await act.say('paying');
  await seen(world, 'chat', 'text.delta');

  await world.crash();

  expect(await outcome(world, 'chat', turn)).toMatchObject({ outcome: 'interrupted', text: 'paying' });
});

test('a second question that was open goes on waiting in the attempt that got the first answer', async () => {
  const stage = waiting();
  await using world = await testRuntime({ agents: { stage } });
  const { turn } = await send(world, 'chat', 'buy it');
  const first = await stage.next();
  first.turn.ask('one', { kind: 'question', text: 'One?' }).catch(() => undefined);
  first.turn.ask('two', { kind: 'question', text: 'Two?' }).catch(() => undefined);
  const { seq } = await seen(world, 'chat', 'request.opened');
  await seen(world, 'chat', 'request.opened', seq);
  const requests = await bodies(world, 'chat', 'request.opened');

  await world.crash();
  await world.runtime.answer('chat', requests[0]?.request ?? '', { decision: 'allow' });
  const act = await stage.next();
  const [one, two] = [
    act.turn.ask('one', { kind: 'question', text: 'One?' }),
    act.turn.ask('two', { kind: 'question', text: 'Two?' }),
  ];
  await one;
  await world.runtime.answer('chat', requests[1]?.request ?? '', { decision: 'deny' });
  const heard = await two;
  act.end();

  expect(heard).toEqual({ decision: 'deny' });
  expect(await outcome(world, 'chat', turn)).toMatchObject({ outcome: 'completed', attempt: 2 });
  expect(await bodies(world, 'chat', 'request.opened')).toHaveLength(2);
});

test('one that waits after a crash can be cancelled, and its question is void', async () => {
  const stage = waiting();
  await using world = await testRuntime({ agents: { stage } });
  const { turn, request } = await asked(stage, world);

  await world.crash();
  await world.runtime.cancel('chat', turn);

  expect(await outcome(world, 'chat', turn)).toMatchObject({ outcome: 'cancelled', text: 'let me see: ' });
  expect(await refusal(world.runtime.answer('chat', request, { decision: 'allow' }))).toBe('request.closed');
});

test('a shutdown does not wait for the person', async () => {
  const stage = waiting();
  await using world = await testRuntime({ agents: { stage } });
  await asked(stage, world);

  await world.runtime.shutdown(3_600_000); // No clock moves here.
  await world.start();

  expect((await world.runtime.session('chat')).state).toBe('waiting');
});

test('what its next process needs survives a crash in the middle of its first turn', async () => {
  const memory = { now: 'first' as Json };
  const stage = waiting(memory);
  await using world = await testRuntime({ agents: { stage } });
  await send(world, 'chat', 'one');
  const act = await stage.next();
  await act.say('busy');

  await world.crash();
  await send(world, 'chat', 'two');

  expect((await stage.next()).instance.previous).toBe('first');
});

test('a bill is stored together with what the agent remembers of it, so a crash does not put it on twice', async () => {
  const memory = { now: { told: 0 } as Json };
  const stage = waiting(memory);
  await using world = await testRuntime({ agents: { stage } });
  await send(world, 'chat', 'one');
  const act = await stage.next();
  memory.now = { told: 5 };
  act.utter({ kind: 'usage', usage: {}, costUsd: 5 });

  await world.killAtWrite(({ snapshot }) => snapshot?.includes('5') === true);
  await world.start();
  await send(world, 'chat', 'two');

  expect((await stage.next()).instance.previous).toEqual({ told: 5 });
  expect((await world.runtime.session('chat')).costUsd).toBe(5);
});

test('it is stored when it has changed, and not for others', async () => {
  const memory = { now: 'first' as Json };
  const stage = waiting(memory);
  const plain = new Stage({ ownsHistory: true, snapshot: () => 'asked at the end' });
  const written: string[] = [];
  await using world = await testRuntime({
    agents: { stage, plain },
    onWrite: ({ snapshot }) => void (typeof snapshot === 'string' && written.push(snapshot)),
  });
  for (const now of ['first', 'first', 'second']) {
    const { turn } = await send(world, 'chat', 'hi');
    const act = await stage.next();
    memory.now = now;
    act.end();
    await outcome(world, 'chat', turn);
  }
  const { turn } = await send(world, 'other', { input: 'hi', agent: 'plain' });
  (await plain.next()).end();
  await outcome(world, 'other', turn);

  expect(written).toEqual(['{"instance":"first"}', '{"instance":"second"}']);
});
