// One bill: what a crash leaves of it. What was spent stays spent, and what was kept for a child is kept until the end of
// its turn has been told.
import { expect, test } from 'vitest';
import { testRuntime, type TestRuntime } from '../src/testing/test-runtime.ts';
import type { Budget } from '../src/wire/session.ts';
import { type Act, bodies, outcome, refusal, send, Stage } from './session-stage.ts';

const begin = async (budget: Budget) => {
  const boss = new Stage({ rerun: 'safe' });
  const worker = new Stage({ rerun: 'safe' });
  const world = await testRuntime({ agents: { boss, worker } });
  await world.runtime.open('boss');
  await world.runtime.update('boss', { budget });
  const { turn } = await send(world, 'boss', 'hello');
  return { boss, worker, world, turn, act: await boss.next() };
};

const cost = (costUsd: number) => ({ kind: 'usage', usage: { inputTokens: 1 }, costUsd }) as const;
const keyOf = (act: Act): string => act.turn.session.key;

/** Until its log has so many uses. */
const used = async (world: TestRuntime, key: string, times: number): Promise<void> => {
  const tail = await world.runtime.tail(key, { after: 0 });
  for (let seen = 0; seen < times;) seen += (await tail.next()).filter(({ kind }) => kind === 'usage').length;
  tail.close();
};

test('what attempts spent that a crash ended is on the bill of the tree, before anything is spent anew', async () => {
  const { boss, worker, world, act } = await begin({ usd: 1 });
  await using _ = world;
  await act.turn.spawn('worker', 'one', { key: 'one' });
  await act.turn.spawn('worker', 'two', { key: 'two' });
  const [one, two] = [await worker.next(), await worker.next()];
  await one.say(cost(0.4));
  await two.say(cost(0.4));
  await used(world, keyOf(one), 1);
  await used(world, keyOf(two), 1);

  await world.crash();
  const again = await worker.next();
  const tree = await world.runtime.tree('boss');
  again.utter(cost(0.3));

  expect(tree).toMatchObject({ costUsd: 0.8, left: { usd: 0.2 } });
  expect((await outcome(world, keyOf(again), again.turn.id)).error?.message).toBe(
    'session boss has used up $1',
  );
  expect(boss.opened.length).toBeGreaterThan(0);
});

test('what is kept for a child is kept over a crash, and the rest comes back when its end has been told', async () => {
  const { boss, worker, world, act } = await begin({ usd: 1 });
  await using _ = world;
  await act.turn.spawn('worker', 'dig', { key: 'dig', budget: { usd: 0.8 } });
  const first = await worker.next();
  await first.say(cost(0.1));
  await used(world, keyOf(first), 1);

  await world.crash();
  const [second, parent] = [await worker.next(), await boss.next()];
  const child = await parent.turn.spawn('worker', 'dig', { key: 'dig', budget: { usd: 0.8 } });
  const kept = await world.runtime.tree('boss');
  const refused = await refusal(parent.turn.spawn('worker', 'more', { key: 'more', budget: { usd: 0.3 } }));
  await second.say(cost(0.1));
  second.end();
  await child.result();
  const after = await world.runtime.tree('boss');

  expect(kept).toMatchObject({
    left: { usd: 0.2 },
    children: [{ reserved: { usd: 0.7 }, left: { usd: 0.7 } }],
  });
  expect(refused).toBe('budget.exceeded');
  expect(after).toMatchObject({ costUsd: 0.2, left: { usd: 0.8 } });
  expect(after.children[0]).not.toHaveProperty('reserved');
});

test('a child that died between its end and its delivery gives the rest back after the start', async () => {
  const { boss, worker, world, act } = await begin({ usd: 1 });
  await using _ = world;
  await act.turn.spawn('worker', 'dig', { key: 'dig', budget: { usd: 0.8 } });
  const digging = await worker.next();
  await digging.say(cost(0.1));
  const delivering = world.killAtWrite(({ events }) => events.some(({ kind }) => kind === 'child.ended'));
  digging.end();
  await delivering;

  await world.start();
  const parent = await boss.next();
  const child = await parent.turn.spawn('worker', 'dig', { key: 'dig', budget: { usd: 0.8 } });
  const result = await child.result();
  const tree = await world.runtime.tree('boss');

  expect(result).toMatchObject({ outcome: 'completed', costUsd: 0.1 });
  expect(await bodies(world, 'boss', 'child.ended')).toHaveLength(1);
  expect(tree).toMatchObject({ costUsd: 0.1, left: { usd: 0.9 } });
});

test('a child whose acceptance was on its way when the process died is started once, with what it was given', async () => {
  const { boss, worker, world, act } = await begin({ usd: 1 });
  await using _ = world;
  const dying = world.killAtWrite(({ events }) => events.some(({ kind }) => kind === 'child.started'));
  act.turn.spawn('worker', 'dig', { key: 'dig', budget: { usd: 0.8 } }).catch(() => undefined);
  await dying;

  await world.start();
  const parent = await boss.next();
  await parent.turn.spawn('worker', 'dig', { key: 'dig', budget: { usd: 0.8 } });
  await worker.next();
  const tree = await world.runtime.tree('boss');

  expect(tree.children).toHaveLength(1);
  expect(tree).toMatchObject({ left: { usd: 0.2 }, children: [{ session: { budget: { usd: 0.8 } } }] });
  expect(await bodies(world, 'boss', 'child.started')).toMatchObject([{ budget: { usd: 0.8 } }]);
});

test('time that a crashed attempt took is spent', async () => {
  const { boss, world, act } = await begin({ ms: 10_000 });
  await using _ = world;
  await world.clock.advance(4_000);
  await act.say(cost(0));
  await used(world, 'boss', 1);

  await world.kill();
  await world.clock.advance(60_000);
  await world.start();
  const again = await boss.next();

  expect(again.turn.leftMs()).toBe(6_000);
});

test('an evicted tree comes back with the bill it had', async () => {
  const { boss, worker, world, turn, act } = await begin({ usd: 1 });
  await using _ = world;
  const child = await act.turn.spawn('worker', 'dig', { budget: { usd: 0.5 } });
  const digging = await worker.next();
  await digging.say(cost(0.3));
  digging.end();
  await child.result();
  act.end();
  await outcome(world, 'boss', turn);
  await world.runtime.evict(keyOf(digging));
  await world.runtime.evict('boss');

  await send(world, 'boss', 'again');
  const next = await boss.next();
  const left = await world.runtime.tree('boss');
  const refused = await refusal(next.turn.spawn('worker', 'more', { budget: { usd: 0.8 } }));

  expect(left).toMatchObject({ costUsd: 0.3, left: { usd: 0.7 } });
  expect(refused).toBe('budget.exceeded');
});
