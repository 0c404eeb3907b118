// Budgets: what a turn or a session may spend, and how it ends when that is used up. Its time is in
// session-cancelling.test.ts.
import { expect, test } from 'vitest';
import { testRuntime } from '../src/testing/test-runtime.ts';
import type { Budget } from '../src/wire/session.ts';
import { bodies, outcome, refusal, send, Stage } from './session-stage.ts';

const begin = async (budget: Budget | undefined, limits = {}) => {
  const stage = new Stage();
  const world = await testRuntime({ agents: { stage }, limits });
  const { turn } = await send(world, 'chat', { input: 'hello', ...(budget === undefined ? {} : { budget }) });
  return { stage, world, turn, act: await stage.next() };
};

const call = (number: number) =>
  ({ kind: 'tool.called', call: `c${number}`, name: 'look', input: {} }) as const;
const back = (number: number) => ({ kind: 'tool.returned', call: `c${number}`, output: 'seen' }) as const;

test('a turn that calls more tools than it may ends with outcome budget, and the call too many never runs', async () => {
  const { world, turn, act } = await begin(undefined, { toolCallsMax: 2 });
  await using _ = world;
  let ran = 0;

  for (const number of [1, 2]) {
    await act.say(call(number));
    ran += 1;
    await act.say(back(number));
  }
  act.utter(call(3));
  await act.left;
  const view = await outcome(world, 'chat', turn);

  expect(view).toMatchObject({ outcome: 'budget', error: { code: 'turn.budget' } });
  expect(view.error?.message).toContain('2 tool calls');
  expect(ran).toBe(2);
  expect((await bodies(world, 'chat', 'tool.called')).map((body) => body.call)).toEqual(['c1', 'c2']);
});

test('a turn ends with outcome budget at what its message allowed: tool calls, tokens, dollars, or time', async () => {
  const spend = { kind: 'usage', usage: { inputTokens: 60, outputTokens: 50 }, costUsd: 1.5 } as const;

  for (const [budget, events] of [
    [{ toolCalls: 1 }, [call(1), back(1), call(2)]],
    [{ tokens: 100 }, [spend]],
    [{ usd: 1 }, [spend]],
  ] as const) {
    const { world, turn, act } = await begin(budget);
    await using _ = world;
    for (const event of events) act.utter(event);

    expect((await outcome(world, 'chat', turn)).outcome).toBe('budget');
  }
  const { world, turn } = await begin({ ms: 5_000 });
  await using _ = world;
  await world.clock.advance(5_000);
  expect((await outcome(world, 'chat', turn)).outcome).toBe('budget');
});

test('exactly what is allowed may be spent', async () => {
  const { world, turn, act } = await begin({ tokens: 100, usd: 1, toolCalls: 1, ms: 5_000 });
  await using _ = world;

  await act.say(
    { kind: 'usage', usage: { inputTokens: 60, outputTokens: 40 }, costUsd: 1 },
    call(1),
    back(1),
  );
  await world.clock.advance(4_999);
  act.end();

  expect((await outcome(world, 'chat', turn)).outcome).toBe('completed');
});

test('a session that has spent its budget takes no message until it is raised', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  await world.runtime.open('chat');
  await world.runtime.update('chat', { budget: { turns: 2, usd: 10 } });
  for (let round = 0; round < 2; round += 1) {
    const { turn } = await send(world, 'chat', 'hello');
    (await stage.next()).end();
    await outcome(world, 'chat', turn);
  }
  const head = (await world.runtime.session('chat')).headSeq;

  const refused = await refusal(send(world, 'chat', 'one more'));
  await world.restart();
  const still = await refusal(send(world, 'chat', 'one more'));
  const after = (await world.runtime.session('chat')).headSeq;
  await world.runtime.update('chat', { budget: { turns: 3 } });
  const raised = await send(world, 'chat', 'one more');

  expect([refused, still]).toEqual(['budget.exceeded', 'budget.exceeded']);
  expect(after - head).toBeLessThanOrEqual(1); // Nothing but that it was put away.
  expect(raised.disposition).toBe('started');
});

test('a message that would join another is refused, too, when the budget is spent', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  await world.runtime.open('chat');
  await world.runtime.update('chat', { budget: { tokens: 100 } });
  await send(world, 'chat', 'hello');
  const act = await stage.next();
  await send(world, 'chat', 'waits');
  await act.say({ kind: 'usage', usage: { inputTokens: 60, outputTokens: 40 } });

  const collected = await refusal(send(world, 'chat', { input: 'joins', policy: 'collect' }));
  const steered = await refusal(send(world, 'chat', { input: 'steers', policy: 'steer' }));
  act.end();

  expect([collected, steered]).toEqual(['budget.exceeded', 'budget.exceeded']);
});

test("a session's budget ends the turn that uses it up, and counts what all its turns spent", async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  await world.runtime.open('chat');
  await world.runtime.update('chat', { budget: { usd: 1 } });
  const ends = [];

  for (const costUsd of [0.6, 0.6]) {
    const { turn } = await send(world, 'chat', 'hello');
    const act = await stage.next();
    act.utter({ kind: 'usage', usage: {}, costUsd });
    act.end();
    ends.push((await outcome(world, 'chat', turn)).outcome);
  }

  expect(ends).toEqual(['completed', 'budget']);
  expect((await world.runtime.session('chat')).costUsd).toBeCloseTo(1.2);
  expect(await refusal(send(world, 'chat', 'more'))).toBe('budget.exceeded');
});

test('what was spent is on the session and on the turn, also after it was put away', async () => {
  const { world, turn, act } = await begin(undefined);
  await using _ = world;
  const usage = { inputTokens: 10, outputTokens: 5, cacheReadTokens: 3, cacheWriteTokens: 1 };

  await act.say(
    { kind: 'usage', usage, costUsd: 0.25, model: 'm1' },
    { kind: 'usage', usage, costUsd: 0.25 },
  );
  act.end();
  const view = await outcome(world, 'chat', turn);
  await world.restart();

  const doubled = { inputTokens: 20, outputTokens: 10, cacheReadTokens: 6, cacheWriteTokens: 2 };
  expect(view).toMatchObject({ usage: doubled, costUsd: 0.5 });
  expect(await world.runtime.session('chat')).toMatchObject({ usage: doubled, costUsd: 0.5 });
});
