// Children: sessions that a turn of another session starts. They are bounded, end with their parent's turn, and what they
// bring home arrives once, whatever dies in between.
//
// Shown here, by what a user sees (A: traps of session routing; G: what users ask for):
//   A-18  'a parent stays in memory while its child works'
//   G     'a child is started, works in its own session, and its result comes home once'
//   G     'a later attempt gets the same child, and the same result'
//   G     'cancelling a turn stops its children, and says so when they have unwound'
import { expect, test } from 'vitest';
import { testRuntime, type TestRuntime } from '../src/testing/test-runtime.ts';
import { type Act, bodies, events, kinds, outcome, refusal, seen, send, Stage } from './session-stage.ts';

const begin = async (options: ConstructorParameters<typeof Stage>[0] = {}, limits = {}) => {
  const boss = new Stage(options);
  const worker = new Stage({ rerun: options.rerun ?? 'never' });
  const world = await testRuntime({ agents: { boss, worker }, limits });
  const { turn } = await send(world, 'boss', 'hello');
  return { boss, worker, world, turn, act: await boss.next() };
};

const keyOf = (act: Act): string => act.turn.session.key;

const childIds = async (world: TestRuntime, key: string) =>
  (await world.runtime.tree(key)).children.map(({ session }) => session.id);

test('a child is started, works in its own session, and its result comes home once', async () => {
  const { worker, world, turn, act } = await begin();
  await using _ = world;

  const child = await act.turn.spawn('worker', 'dig', { title: 'Digging' });
  const result = child.result();
  const digging = await worker.next();
  await digging.say({ kind: 'usage', usage: { inputTokens: 10 }, costUsd: 0.1 }, 'A hole');
  digging.end();
  const brought = await result;
  act.end();
  await outcome(world, 'boss', turn);
  const tree = await world.runtime.tree('boss');

  expect(digging.heard).toEqual(['dig']);
  expect(digging.turn).toMatchObject({
    kind: 'child',
    session: { parent: act.turn.session.id, agent: 'worker' },
  });
  expect(brought).toMatchObject({ outcome: 'completed', text: 'A hole', isError: false, costUsd: 0.1 });
  expect(await bodies(world, 'boss', 'child.started')).toMatchObject([
    { session: child.session, agent: 'worker' },
  ]);
  expect(await bodies(world, 'boss', 'child.ended')).toMatchObject([
    { session: child.session, outcome: 'completed', text: 'A hole', costUsd: 0.1 },
  ]);
  expect(tree.children.map(({ session }) => [session.title, session.state])).toEqual([['Digging', 'idle']]);
  expect([tree.session.costUsd, tree.costUsd, tree.usage.inputTokens]).toEqual([0, 0.1, 10]);
});

test('a child has the project and the owner of its parent, and is listed under it', async () => {
  const boss = new Stage();
  await using world = await testRuntime({ agents: { boss, worker: new Stage() } });
  await world.runtime.open('boss', { owner: 'alice', channel: 'web' });
  await send(world, 'boss', 'hello');
  const act = await boss.next();

  await act.turn.spawn('worker', 'dig');
  const { sessions } = await world.runtime.sessions({ parent: 'boss' });

  expect(sessions).toMatchObject([{ owner: 'alice', project: 'default', agent: 'worker', channel: 'web' }]);
});

test('a child that fails brings its failure home, and its parent goes on', async () => {
  const { worker, world, turn, act } = await begin();
  await using _ = world;

  const child = await act.turn.spawn('worker', 'dig');
  (await worker.next()).fail(new Error('the spade broke'));
  const brought = await child.result();
  act.end();

  expect(brought).toMatchObject({
    outcome: 'failed',
    isError: true,
    error: { code: 'agent.failed', message: 'the spade broke' },
  });
  expect((await outcome(world, 'boss', turn)).outcome).toBe('completed');
});

test('a parent stays in memory while its child works', async () => {
  const { boss, worker, world, turn, act } = await begin({}, { idleMsMax: 1_000, sweepMs: 500 });
  await using _ = world;
  await act.turn.spawn('worker', 'dig');
  act.end();
  await outcome(world, 'boss', turn);
  const digging = await worker.next();

  await world.clock.advance(60_000);
  const during = boss.alive.length;
  digging.end();
  await seen(world, 'boss', 'child.ended');
  await world.runtime.waitForIdle(keyOf(digging));
  await world.clock.advance(60_000);
  await seen(world, 'boss', 'session.evicted');

  expect([during, boss.alive.length]).toEqual([1, 0]);
});

test('a parent whose child works can be remade', async () => {
  const { boss, worker, world, turn, act } = await begin();
  await using _ = world;
  await act.turn.spawn('worker', 'dig');
  act.end();
  await outcome(world, 'boss', turn);
  const digging = await worker.next();

  await world.runtime.dirty({ agent: 'boss', reason: 'config' });
  await send(world, 'boss', 'again');
  const next = await boss.next();
  digging.end();

  expect([act.instance.closed, next.instance.number]).toEqual(['remade', 2]);
});

test('cancelling a turn stops its children, and says so when they have unwound', async () => {
  const boss = new Stage();
  const worker = new Stage({ deaf: true });
  await using world = await testRuntime({ agents: { boss, worker } });
  const { turn } = await send(world, 'boss', 'hello');
  const act = await boss.next();
  const child = await act.turn.spawn('worker', 'dig');
  child.result().catch(() => undefined);
  const digging = await worker.next();
  let isOver = false;

  const cancelled = world.runtime.cancelTurn('boss', turn).then(() => (isOver = true));
  await act.left;
  await world.clock.advance(0);
  const before = isOver;
  digging.end();
  await cancelled;

  expect(before).toBe(false);
  expect(digging.turn.signal.aborted).toBe(true);
  expect((await bodies(world, 'boss', 'child.ended'))[0]).toMatchObject({ outcome: 'cancelled' });
  const log = await kinds(world, 'boss');
  expect(log.indexOf('child.ended')).toBeLessThan(log.indexOf('turn.ended'));
});

test('a child that is being started when its turn is cancelled is stopped, too', async () => {
  const { worker, world, turn, act } = await begin();
  await using _ = world;
  const accepting = world.whenWriting(({ events: all }) =>
    all.some(({ kind }) => kind === 'session.created'),
  );

  const spawning = act.turn.spawn('worker', 'dig').catch((error: unknown) => error);
  await accepting;
  await world.runtime.cancelTurn('boss', turn);
  const { sessions } = await world.runtime.sessions({ parent: 'boss' });

  expect(await spawning).toMatchObject({ name: 'AbortError' });
  expect(sessions.map(({ state }) => state)).toEqual(['idle']);
  expect(await bodies(world, 'boss', 'child.ended')).toMatchObject([{ outcome: 'cancelled' }]);
  expect(worker.opened.length).toBeLessThanOrEqual(1);
});

test('closing a session closes its children, and they may not start more', async () => {
  const { worker, world, act } = await begin();
  await using _ = world;
  const child = await act.turn.spawn('worker', 'dig');
  child.result().catch(() => undefined);
  const digging = await worker.next();

  await world.runtime.close('boss');

  expect(digging.turn.signal.aborted).toBe(true);
  expect((await world.runtime.session(keyOf(digging))).state).toBe('closed');
  await expect(act.turn.spawn('worker', 'again')).rejects.toMatchObject({ name: 'AbortError' });
  expect(await childIds(world, 'boss')).toEqual([child.session]);
});

test('a later attempt gets the same child, and the same result', async () => {
  const { boss, worker, world, turn, act } = await begin({ rerun: 'safe' });
  await using _ = world;
  const first = await act.turn.spawn('worker', 'dig');
  const digging = await worker.next();
  await digging.say('A h');

  await world.crash();
  const again = await boss.next();
  const second = await again.turn.spawn('worker', 'dig');
  const result = second.result();
  const goesOn = await worker.next();
  await goesOn.say('A hole');
  goesOn.end();
  const brought = await result;
  again.end();
  await outcome(world, 'boss', turn);

  expect(second.session).toBe(first.session);
  expect([again.turn.attempt, goesOn.turn.attempt]).toEqual([2, 2]);
  expect(brought).toMatchObject({ outcome: 'completed', text: 'A hole' });
  expect(await bodies(world, 'boss', 'child.started')).toHaveLength(1);
  expect(await bodies(world, 'boss', 'child.ended')).toHaveLength(1);
});

test('a result that came home before the crash is there for the next attempt', async () => {
  const { boss, worker, world, turn, act } = await begin({ rerun: 'safe' });
  await using _ = world;
  const child = await act.turn.spawn('worker', 'dig', { key: 'the hole' });
  const digging = await worker.next();
  await digging.say('A hole');
  digging.end();
  await child.result();

  await world.crash();
  const again = await boss.next();
  const brought = await (await again.turn.spawn('worker', 'dig', { key: 'the hole' })).result();
  again.end();

  expect(brought).toMatchObject({ outcome: 'completed', text: 'A hole' });
  expect((await outcome(world, 'boss', turn)).outcome).toBe('completed');
  expect(await bodies(world, 'boss', 'child.ended')).toHaveLength(1);
  expect(worker.opened).toHaveLength(1);
});

test('a child whose end was not brought home when the process died brings it home after the start', async () => {
  const { boss, worker, world, turn, act } = await begin({ rerun: 'safe' });
  await using _ = world;
  await act.turn.spawn('worker', 'dig');
  const digging = await worker.next();
  const killed = world.killAtWrite(({ events: all }) => all.some(({ kind }) => kind === 'turn.ended'));
  digging.end();
  await killed;

  await world.start();
  const again = await boss.next();
  const brought = await (await again.turn.spawn('worker', 'dig')).result();
  again.end();

  expect(brought.outcome).toBe('completed');
  expect((await outcome(world, 'boss', turn)).outcome).toBe('completed');
  expect(await bodies(world, 'boss', 'child.ended')).toHaveLength(1);
});

test('a child that a crash interrupted tells its parent so', async () => {
  const boss = new Stage({ rerun: 'safe' });
  const worker = new Stage({ rerun: 'never' });
  await using world = await testRuntime({ agents: { boss, worker } });
  const { turn } = await send(world, 'boss', 'hello');
  await (await boss.next()).turn.spawn('worker', 'dig');
  await (await worker.next()).say('A h');

  await world.crash();
  const again = await boss.next();
  const brought = await (await again.turn.spawn('worker', 'dig')).result();
  again.end();

  expect(brought).toMatchObject({ outcome: 'interrupted', isError: true });
  expect((await outcome(world, 'boss', turn)).outcome).toBe('completed');
  expect(await bodies(world, 'boss', 'child.ended')).toMatchObject([{ outcome: 'interrupted' }]);
});

test('the children of a turn that a crash interrupted end with it', async () => {
  const boss = new Stage({ rerun: 'never' });
  const worker = new Stage({ rerun: 'safe' });
  await using world = await testRuntime({ agents: { boss, worker } });
  const { turn } = await send(world, 'boss', 'hello');
  await (await boss.next()).turn.spawn('worker', 'dig');
  const digging = await worker.next();

  await world.crash();
  const ended = await seen(world, 'boss', 'child.ended');

  expect((await outcome(world, 'boss', turn)).outcome).toBe('interrupted');
  expect(ended.body).toMatchObject({ outcome: 'cancelled' });
  await world.runtime.waitForIdle(keyOf(digging));
});

test('spawning never waits for a place, and leaves nothing behind when there is none', async () => {
  const { world, act } = await begin({}, { liveMax: 1 });
  await using _ = world;

  const refused = await refusal(act.turn.spawn('worker', 'dig'));

  expect(refused).toBe('capacity');
  expect(await childIds(world, 'boss')).toEqual([]);
  expect(await kinds(world, 'boss')).not.toContain('child.started');
  act.end();
});

test('children are bounded in number, also when they are started all at once', async () => {
  const { world, act } = await begin({}, { childrenMax: 2 });
  await using _ = world;

  const answers = await Promise.all(
    Array.from({ length: 5 }, (_each, index) => refusal(act.turn.spawn('worker', `dig ${index}`))),
  );

  expect(answers.toSorted()).toEqual(['child.limit', 'child.limit', 'child.limit', 'nothing', 'nothing']);
  expect(await childIds(world, 'boss')).toHaveLength(2);
});

test('a later attempt gets its child back although it has as many as it may', async () => {
  const { boss, worker, world, act } = await begin({ rerun: 'safe' }, { childrenMax: 1 });
  await using _ = world;
  const first = await act.turn.spawn('worker', 'dig');
  await worker.next();

  await world.crash();
  const again = await boss.next();

  expect((await again.turn.spawn('worker', 'dig')).session).toBe(first.session);
});

test('children of children end at a depth', async () => {
  const worker = new Stage();
  await using world = await testRuntime({ agents: { worker }, limits: { childDepthMax: 2 } });
  await send(world, 'boss', 'hello');
  const acts = [await worker.next()];

  for (let depth = 0; depth < 2; depth += 1) {
    await acts[depth]?.turn.spawn('worker', 'deeper');
    acts.push(await worker.next());
  }
  const refused = await refusal(async () => acts[2]?.turn.spawn('worker', 'too deep'));

  expect(refused).toBe('child.depth');
});

test('an agent that is not registered cannot be spawned', async () => {
  const { world, act } = await begin();
  await using _ = world;

  expect(await refusal(act.turn.spawn('nobody', 'dig'))).toBe('agent.unknown');
  expect((await events(world, 'boss')).map(({ kind }) => kind)).not.toContain('child.started');
});
