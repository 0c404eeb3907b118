// One bill: a budget of a session bounds everything below it, and what a child is given is kept for it. Its time is in
// bill-time.test.ts, what a crash leaves of it in bill-crash.test.ts.
import { expect, test } from 'vitest';
import { testRuntime, type TestRuntime } from '../src/testing/test-runtime.ts';
import type { Budget } from '../src/wire/session.ts';
import { type Act, bodies, outcome, refusal, send, Stage } from './session-stage.ts';

const begin = async (budget: Budget, limits = {}) => {
  const boss = new Stage();
  const worker = new Stage();
  const world = await testRuntime({ agents: { boss, worker }, limits });
  await world.runtime.open('boss');
  await world.runtime.update('boss', { budget });
  const { turn } = await send(world, 'boss', 'hello');
  return { boss, worker, world, turn, act: await boss.next() };
};

const cost = (costUsd: number) => ({ kind: 'usage', usage: {}, costUsd }) as const;
const keyOf = (act: Act): string => act.turn.session.key;
const ended = (world: TestRuntime, act: Act) => outcome(world, keyOf(act), act.turn.id);

const refusedWith = async (call: Promise<unknown>): Promise<string> => {
  try {
    await call;
  } catch (error) {
    return (error as Error).message;
  }
  return '';
};

test('two children cannot spend the same dollar', async () => {
  const { worker, world, act } = await begin({ usd: 1 });
  await using _ = world;
  const children = [await act.turn.spawn('worker', 'one'), await act.turn.spawn('worker', 'two')];
  const [one, two] = [await worker.next(), await worker.next()];

  await one.say(cost(0.7));
  two.utter(cost(0.7));
  const { outcome: end, error } = await ended(world, two);
  one.end();

  expect([end, error?.code]).toEqual(['budget', 'turn.budget']);
  expect(error?.message).toBe('session boss has used up $1');
  expect((await children[0]?.result())?.outcome).toBe('completed');
  expect(await world.runtime.tree('boss')).toMatchObject({ costUsd: 1.4, left: { usd: 0 } });
});

test('a grandchild spends of the budget at the top, and the bill at the top has it while it runs', async () => {
  const { worker, world, act } = await begin({ usd: 1 });
  await using _ = world;
  await act.turn.spawn('worker', 'dig');
  const child = await worker.next();
  await child.turn.spawn('worker', 'dig deeper');
  const grandchild = await worker.next();

  await grandchild.say(cost(0.25), cost(0.5));
  const tree = await world.runtime.tree('boss');
  grandchild.utter(cost(0.5));
  const { outcome: end } = await ended(world, grandchild);
  const refused = await refusedWith(child.turn.spawn('worker', 'dig more'));

  expect(tree).toMatchObject({ costUsd: 0.75, left: { usd: 0.25 }, session: { costUsd: 0 } });
  expect(tree.children[0]).toMatchObject({ costUsd: 0.75, session: { costUsd: 0 } });
  expect(tree.children[0]?.children[0]).toMatchObject({ costUsd: 0.75, session: { costUsd: 0.75 } });
  expect(end).toBe('budget');
  expect(refused).toContain('budget.exceeded: session boss has used up $1');
});

test('what a child is given is kept for it, in the log of its parent, and the rest comes back', async () => {
  const { worker, world, act } = await begin({ usd: 1 });
  await using _ = world;

  const child = await act.turn.spawn('worker', 'dig', { budget: { usd: 0.8 } });
  const digging = await worker.next();
  const during = await world.runtime.tree('boss');
  const refused = await refusedWith(act.turn.spawn('worker', 'more', { budget: { usd: 0.3 } }));
  await digging.say(cost(0.1));
  digging.end();
  await child.result();
  await act.turn.spawn('worker', 'more', { budget: { usd: 0.9 } });
  const after = await world.runtime.tree('boss');

  expect(await bodies(world, 'boss', 'child.started')).toMatchObject([
    { budget: { usd: 0.8 } },
    { budget: { usd: 0.9 } },
  ]);
  expect(during).toMatchObject({
    left: { usd: 0.2 },
    children: [{ left: { usd: 0.8 }, reserved: { usd: 0.8 } }],
  });
  expect(refused).toContain('Asked for $0.3, and session boss has $0.2 left');
  expect(after.left).toEqual({ usd: 0 });
});

test('a parent may not spend what is kept for its child, and the child may', async () => {
  const { worker, world, turn, act } = await begin({ usd: 1 });
  await using _ = world;
  const child = await act.turn.spawn('worker', 'dig', { budget: { usd: 0.8 } });
  const result = child.result();
  const digging = await worker.next();

  await digging.say(cost(0.5), cost(0.3));
  digging.end();
  const { outcome: end } = await result;
  const again = await act.turn.spawn('worker', 'dig', { budget: { usd: 0.2 } });
  again.result().catch(() => undefined);
  act.utter(cost(0.01));

  expect(end).toBe('completed');
  expect((await outcome(world, 'boss', turn)).error?.message).toBe('session boss has used up $1');
});

test('a child ends at what it was given, although its parent has more', async () => {
  const { worker, world, act } = await begin({ usd: 10 });
  await using _ = world;
  const child = await act.turn.spawn('worker', 'dig', { budget: { usd: 0.5 } });
  const digging = await worker.next();

  digging.utter(cost(0.6));
  const result = await child.result();

  expect(result).toMatchObject({ outcome: 'budget', costUsd: 0.6 });
  expect(result.error?.message).toBe(`session ${keyOf(digging)} has used up $0.5`);
});

test('a child that is continued is given what it has spent and more, or goes on with what it has', async () => {
  const { worker, world, act } = await begin({ usd: 10 });
  await using _ = world;
  const { session, ...first } = await act.turn.spawn('worker', 'dig', { budget: { usd: 0.5 } });
  const digging = await worker.next();
  digging.utter(cost(0.6));
  await first.result();

  const refused = await refusal(act.turn.children.continue(session, 'go on'));
  const second = await act.turn.children.continue(session, 'go on', { budget: { usd: 1 } });
  const again = await worker.next();
  await again.say(cost(1));
  again.end();

  expect(refused).toBe('budget.exceeded');
  expect((await second.result()).outcome).toBe('completed');
  expect((await world.runtime.session(keyOf(digging))).budget).toEqual({ usd: 1.6 });
  expect((await world.runtime.tree('boss')).left).toEqual({ usd: 8.4 });
});

test('tool calls of children are counted where the budget is, and the one too many never runs', async () => {
  const { worker, world, act } = await begin({ toolCalls: 3 });
  await using _ = world;
  await act.turn.spawn('worker', 'one');
  await act.turn.spawn('worker', 'two');
  const acts = [await worker.next(), await worker.next()];
  const call = (id: number) => ({ kind: 'tool.called', call: `c${id}`, name: 'look', input: {} }) as const;

  for (const [id, digging] of [...acts, ...acts].entries()) {
    if (id === 3) digging.utter(call(id));
    else await digging.say(call(id), { kind: 'tool.returned', call: `c${id}`, output: '' });
  }
  const [, two] = acts;
  if (two === undefined) throw new Error('there are two');

  expect((await ended(world, two)).error?.message).toBe('session boss has used up 3 tool calls');
  expect(await bodies(world, keyOf(two), 'tool.called')).toHaveLength(1);
});

test('a child counts as a turn from the moment it is accepted', async () => {
  const { world, act } = await begin({ turns: 3 });
  await using _ = world;

  await act.turn.spawn('worker', 'one');
  await act.turn.spawn('worker', 'two');
  const refused = await refusal(act.turn.spawn('worker', 'three'));

  expect(refused).toBe('budget.exceeded');
  expect((await world.runtime.tree('boss')).children).toHaveLength(2);
});

test('tokens of children count for their parents', async () => {
  const { worker, world, act } = await begin({ tokens: 100 });
  await using _ = world;
  await act.turn.spawn('worker', 'dig');
  const digging = await worker.next();

  await digging.say({ kind: 'usage', usage: { inputTokens: 60, outputTokens: 40, cacheReadTokens: 1_000 } });
  digging.utter({ kind: 'usage', usage: { outputTokens: 1 } });

  expect((await ended(world, digging)).error?.message).toBe('session boss has used up 100 tokens');
});

test('a message that waited while everything was spent ends with outcome budget, and its agent never hears of it', async () => {
  const { boss, world, turn, act } = await begin({ usd: 1 });
  await using _ = world;
  const { turn: waiting } = await send(world, 'boss', 'and this');

  await act.say(cost(1));
  act.end();
  await outcome(world, 'boss', turn);

  expect((await outcome(world, 'boss', waiting)).outcome).toBe('budget');
  expect(boss.opened).toHaveLength(1);
  expect(await bodies(world, 'boss', 'turn.started')).toHaveLength(1);
});

test('children that were put away long ago are on the bill of a budget that comes later', async () => {
  const boss = new Stage();
  const worker = new Stage();
  await using world = await testRuntime({ agents: { boss, worker } });
  const { turn } = await send(world, 'boss', 'hello');
  const act = await boss.next();
  const child = await act.turn.spawn('worker', 'dig');
  const digging = await worker.next();
  await digging.say(cost(0.75));
  digging.end();
  await child.result();
  act.end();
  await outcome(world, 'boss', turn);
  await world.restart();

  await world.runtime.update('boss', { budget: { usd: 0.75 } });
  const refused = await refusal(send(world, 'boss', 'again'));
  await world.runtime.update('boss', { budget: { usd: 1 } });
  await send(world, 'boss', 'again');
  const second = await boss.next();
  second.utter(cost(0.3));

  expect(refused).toBe('budget.exceeded');
  expect((await ended(world, second)).outcome).toBe('budget');
});

test('a budget that is lowered stops what runs below it at its next step', async () => {
  const { worker, world, act } = await begin({ usd: 10 });
  await using _ = world;
  await act.turn.spawn('worker', 'dig', { budget: { usd: 5 } });
  const digging = await worker.next();
  await digging.say(cost(1));

  await world.runtime.update('boss', { budget: { usd: 0.5 } });
  digging.utter(cost(0.1));

  expect((await ended(world, digging)).error?.message).toBe('session boss has used up $0.5');
});

test('the budget of a child cannot be raised beyond what its parent has left', async () => {
  const { worker, world, act } = await begin({ usd: 1 });
  await using _ = world;
  await act.turn.spawn('worker', 'dig', { budget: { usd: 0.5 } });
  const digging = await worker.next();

  const refused = await refusal(world.runtime.update(keyOf(digging), { budget: { usd: 2 } }));
  await world.runtime.update(keyOf(digging), { budget: { usd: 0.9 } });

  expect(refused).toBe('budget.exceeded');
  expect((await world.runtime.tree('boss')).left).toEqual({ usd: 0.1 });
});

test('a child that is handed on spends of what its heir has, and no longer of what its parent had', async () => {
  const { worker, world, act } = await begin({ usd: 2 });
  await using _ = world;
  const parent = await act.turn.spawn('worker', 'dig', { budget: { usd: 0.5 } });
  const digging = await worker.next();
  await digging.turn.spawn('worker', 'dig deeper', { whenParentEnds: 'handOn' });
  const deeper = await worker.next();
  await deeper.say(cost(0.4));

  await act.turn.children.close(parent.session);
  const handed = await world.runtime.tree('boss');
  await deeper.say(cost(1.6));
  deeper.utter(cost(0.1));
  const { outcome: end, error } = await ended(world, deeper);

  expect(handed).toMatchObject({ costUsd: 0.4, left: { usd: 1.6 } });
  expect(handed.children.map(({ costUsd }) => costUsd).toSorted((a, b) => a - b)).toEqual([0, 0.4]);
  expect([end, error?.message]).toEqual(['budget', 'session boss has used up $2']);
});

test('a child that could not be started has cost nothing and keeps nothing', async () => {
  const { world, act } = await begin({ usd: 1 }, { liveMax: 1 });
  await using _ = world;

  const refused = await refusal(act.turn.spawn('worker', 'dig', { budget: { usd: 1 } }));
  const { left, children } = await world.runtime.tree('boss');

  expect(refused).toBe('capacity');
  expect([left, children]).toEqual([{ usd: 1 }, []]);
});

test('a budget that is no amount is refused', async () => {
  const { world, act } = await begin({});
  await using _ = world;

  for (const usd of [-1, Number.NaN]) {
    expect(await refusal(act.turn.spawn('worker', 'dig', { budget: { usd } }))).toBe('input.invalid');
  }
});
