// The tree of a session: how each of its children fares, and what all of them may still spend.
import { expect, test } from 'vitest';
import { testRuntime } from '../src/testing/test-runtime.ts';
import type { Store } from '../src/store/store.ts';
import { dig, family } from './children-family.ts';
import { gate, outcome, seen, send, Stage } from './session-stage.ts';

test('a tree says how each child ended, and of one that runs nothing yet', async () => {
  const boss = new Stage();
  const worker = new Stage();
  await using world = await testRuntime({ agents: { boss, worker } });
  const { turn } = await send(world, 'boss', 'hello');
  const act = await boss.next();
  const [one, two] = [
    await act.turn.spawn('worker', 'dig', { title: 'one' }),
    await act.turn.spawn('worker', 'dig', { title: 'two' }),
    await act.turn.spawn('worker', 'dig', { title: 'three' }),
  ];
  const acts = [await worker.next(), await worker.next(), await worker.next()];

  acts[0]?.end();
  acts[1]?.fail(new Error('the spade broke'));
  await Promise.all([one.result(), two.result()]);
  const tree = await world.runtime.tree('boss');
  acts[2]?.end();
  act.end();
  await outcome(world, 'boss', turn);

  const seen = tree.children.map(({ session, outcome }) => [session.title, outcome]);
  expect(new Map(seen as [string, string][])).toEqual(
    new Map<string, string | null>([
      ['one', 'completed'],
      ['two', 'failed'],
      ['three', null],
    ]),
  );
  expect(tree.outcome).toBe(null);
});

test('what is left below a session is the least of its own budget and those above it', async () => {
  const boss = new Stage();
  const worker = new Stage();
  await using world = await testRuntime({ agents: { boss, worker } });
  await world.runtime.open('boss', {});
  await world.runtime.update('boss', { budget: { usd: 1, toolCalls: 5 } });
  const { turn } = await send(world, 'boss', 'hello');
  const act = await boss.next();
  await act.say({ kind: 'usage', usage: { inputTokens: 10 }, costUsd: 0.25 });
  const child = await act.turn.spawn('worker', 'dig', { budget: { usd: 0.5, tokens: 100 } });
  const digging = await worker.next();
  await digging.say({ kind: 'usage', usage: { inputTokens: 40 }, costUsd: 0.125 });
  digging.end();
  await child.result();

  act.end();
  await outcome(world, 'boss', turn);
  const tree = await world.runtime.tree('boss');

  expect(tree).toMatchObject({ costUsd: 0.375, left: { usd: 0.625, toolCalls: 5 } });
  expect(tree.left).not.toHaveProperty('tokens');
  expect(tree.children[0]?.left).toEqual({ usd: 0.375, tokens: 60, toolCalls: 5 });
});

test('a tree shows the newest of what a child at work does, and nothing of it once it has ended', async () => {
  const boss = new Stage();
  const worker = new Stage();
  await using world = await testRuntime({ agents: { boss, worker } });
  const { turn } = await send(world, 'boss', 'hello');
  const act = await boss.next();
  const child = await act.turn.spawn('worker', 'dig');
  const digging = await worker.next();
  const { seq } = await seen(world, 'boss', 'child.progress');

  await digging.say({ kind: 'tool.called', call: 'c', name: 'shovel', input: {} });
  await digging.say({ kind: 'tool.returned', call: 'c', output: 'a hole' }, 'Next');
  await digging.say({ kind: 'message', role: 'tool', parts: [{ type: 'text', text: 'a hole' }] });
  await seen(world, digging.turn.session.key, 'message');
  await world.clock.advance(1_000);
  await seen(world, 'boss', 'child.progress', seq);
  const during = await world.runtime.tree('boss');
  digging.end();
  await child.result();
  const after = await world.runtime.tree('boss');
  act.end();
  await outcome(world, 'boss', turn);

  expect(during.children[0]?.progress).toMatchObject({ kind: 'tool', summary: 'shovel', turnNumber: 1 });
  expect([during.progress, after.children[0]?.progress]).toEqual([null, null]);
});

test('a tree shows nothing of what a child did in the turn before', async () => {
  const boss = new Stage();
  const ready = gate();
  const worker = new Stage({ opening: ({ number }) => (number === 2 ? ready.opened : undefined) });
  await using world = await testRuntime({ agents: { boss, worker } });
  const { turn } = await send(world, 'boss', 'hello');
  const act = await boss.next();
  const child = await act.turn.spawn('worker', 'dig');
  const digging = await worker.next();
  const { key } = digging.turn.session;
  const { seq } = await seen(world, 'boss', 'child.progress');
  await world.clock.advance(1_000);
  digging.turn.progress({ kind: 'digging' });
  await seen(world, 'boss', 'child.progress', seq);
  digging.end();
  await child.result();
  await world.runtime.evict(key);

  const again = await act.turn.children.continue(child.session, 'deeper');
  const tree = await world.runtime.tree('boss');
  ready.open();
  (await worker.next()).end();
  await again.result();
  act.end();
  await outcome(world, 'boss', turn);

  expect(tree.children.map(({ progress, outcome }) => [progress, outcome])).toEqual([[null, null]]);
});

/** Sessions that were at work once, and spent a cent and a token each. */
async function grow(store: Store, parent: string, count: number, at: number): Promise<void> {
  const named = { project: 'default', agent: 'worker', owner: null, maker: null, channel: null, parent };
  const text = { title: null, summary: null, labels: [], metadata: '{}', budget: '{}' };
  const row = { costUsd: 0.01, inputTokens: 1 };
  const grown = Array.from({ length: count }, (_each, number) => {
    const session = { ...named, ...text, id: `grown-${number}`, key: `grown-${number}`, at: at + number };
    return store.append(() => ({ session, epoch: 0, events: [], row }));
  });
  await Promise.all(grown);
}

test('of too many sessions a tree shows those at work and the newest, says how many it leaves out, and bills them all', async () => {
  const home = await family({ boss: { rerun: 'safe' }, worker: { rerun: 'safe' } });
  await using world = home.world;
  const { child: oldest } = await dig(home, home.act.turn);
  await grow(world.store, home.act.turn.session.id, 1_010, world.clock.now() + 1);
  await world.crash(); // What was made behind its back it finds in the store.
  const [act] = await Promise.all([home.boss.next(), home.worker.next()]);
  await world.clock.advance(2_000);
  const { child: newest, digging } = await dig(home, act.turn, { key: 'newest' });
  const { child: deep } = await dig(home, digging.turn);

  const tree = await world.runtime.tree('boss');

  const shown = new Set(tree.children.map(({ session }) => session.id));
  const below = tree.children.flatMap(({ children }) => children.map(({ session }) => session.id));
  expect([tree.costUsd, tree.usage.inputTokens]).toEqual([10.1, 1_010]);
  expect([shown.size, below, tree.omitted]).toEqual([999, [deep.session], 13]);
  expect([...shown]).toEqual(expect.arrayContaining([oldest.session, newest.session, 'grown-1009']));
  expect(['grown-0', 'grown-12', 'grown-13'].map((id) => shown.has(id))).toEqual([false, false, true]);
});

test('a list of children has what all below each of them spent, and those at work before the newest', async () => {
  const home = await family();
  await using world = home.world;
  const { child } = await dig(home, home.act.turn);
  await grow(world.store, child.session, 1_010, world.clock.now() + 1);
  const before = await home.act.turn.children.list();
  for (let number = 0; number < 100; number += 1) {
    const { child: other, digging } = await dig(home, home.act.turn);
    digging.end();
    await other.result();
  }

  const after = await home.act.turn.children.list();

  expect(before.map(({ costUsd, usage }) => [costUsd, usage.inputTokens])).toEqual([[10.1, 1_010]]);
  expect([after.length, after.at(-1)?.session]).toEqual([100, child.session]);
});
