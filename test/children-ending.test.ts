// The end of children: with their turn, with their parent, by hand, and what is never ended for somebody else's sake.
//
// Shown here, by what a user saw (C-n: traps of sub-agent sessions; C.n: lines of their checklist, see traps-c.test.ts):
//   C-6   'one child that cannot be stopped keeps no other from stopping'
//   C-7   'closing waits until what the children held is freed', 'a deaf grandchild does not keep its family waiting for long', 'a child whose freeing hangs keeps no cancel waiting, however deep it stands'
//   C-14  'a session that is being closed starts no children'
//   C.6   'a stop reaches all below at once, however deep'
import { expect, test } from 'vitest';
import { testRuntime } from '../src/testing/test-runtime.ts';
import { dig, family, keyOf, thrown } from './children-family.ts';
import { type Act, bodies, gate, kinds, outcome, seen, send, Stage } from './session-stage.ts';

/** A chain of sessions of one agent, each at work for the one above. */
async function chain(
  worker: Stage,
  world: Awaited<ReturnType<typeof testRuntime>>,
  depth: number,
): Promise<Act[]> {
  await send(world, 'boss', 'hello');
  const acts = [await worker.next()];
  for (let level = 0; level < depth; level += 1) {
    await acts[level]?.turn.spawn('worker', 'deeper');
    acts.push(await worker.next());
  }
  return acts;
}

/** Resolves when it hears that it should stop. */
const stopped = ({ turn: { signal } }: Act): Promise<unknown> =>
  signal.aborted
    ? Promise.resolve()
    : new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));

test('a stop reaches all below at once, however deep', async () => {
  const worker = new Stage({ deaf: true });
  await using world = await testRuntime({ agents: { worker } });
  const acts = await chain(worker, world, 3);

  const stopping = world.runtime.cancel('boss');
  await Promise.all(acts.map(stopped));
  const running = acts.length;
  for (const act of acts) act.end();
  await stopping;

  expect(running).toBe(4);
  for (const act of acts) expect((await world.runtime.session(keyOf(act))).state).toBe('idle');
});

test('a deaf grandchild does not keep its family waiting for long', async () => {
  const worker = new Stage({ deaf: true });
  await using world = await testRuntime({ agents: { worker } });
  const acts = await chain(worker, world, 2);
  const begun = world.clock.monotonic();
  let endedMs = Infinity;

  const boss = acts[0];
  const stopping = world.runtime.cancel('boss').then(() => (endedMs = world.clock.monotonic() - begun));
  await Promise.all(acts.map(stopped));
  boss?.end();
  await world.clock.advance(1_500);
  await seen(world, 'boss', 'turn.ended');
  await stopping;

  expect(endedMs).toBeLessThanOrEqual(2_000);
  expect(worker.alive.map(({ number }) => number)).toEqual([1]);
  expect((await bodies(world, 'boss', 'child.ended'))[0]).toMatchObject({ outcome: 'cancelled' });
});

test('one child that cannot be stopped keeps no other from stopping', async () => {
  const stuck = gate();
  const home = await family({
    worker: { deaf: true, closing: ({ number }) => (number === 1 ? stuck.opened : undefined) },
    limits: { closeMsMax: 60_000 },
  });
  await using world = home.world;
  const one = await dig(home, home.act.turn);
  const two = await dig(home, home.act.turn);

  const closing = world.runtime.close('boss');
  await seen(world, keyOf(two.digging), 'turn.started');
  two.digging.end();
  await seen(world, keyOf(two.digging), 'session.closed');
  await world.clock.advance(2_000);
  await closing;
  const states = [
    (await world.runtime.session('boss')).state,
    (await world.runtime.session(keyOf(two.digging))).state,
  ];
  stuck.open();
  await seen(world, keyOf(one.digging), 'session.closed');

  expect(states).toEqual(['closed', 'closed']);
  expect(world.logged.map(({ event }) => event)).toContain('children.still_unwinding');
});

test('a child whose freeing hangs keeps no cancel waiting, however deep it stands', async () => {
  const stuck = gate();
  const home = await family({ worker: { closing: () => stuck.opened }, limits: { closeMsMax: 60_000 } });
  await using world = home.world;
  const { child, digging } = await dig(home, home.act.turn);
  const { child: deep, digging: deeper } = await dig(home, digging.turn);
  const { child: deepest, digging: last } = await dig(home, deeper.turn);
  const begun = world.clock.monotonic();

  const cancelling = home.act.turn.children.cancel(child.session);
  await Promise.all([digging, deeper, last].map(stopped));
  await world.clock.advance(2_000);
  const { cancelled } = await cancelling;
  const tookMs = world.clock.monotonic() - begun;
  const leaving = world.runtime.stats().live;
  stuck.open();
  await world.runtime.waitForIdle(keyOf(digging));

  expect(tookMs).toBeLessThanOrEqual(2_000);
  expect(new Set(cancelled)).toEqual(new Set([child.turn, deep.turn, deepest.turn]));
  expect(leaving).toBeGreaterThan(1);
  expect(world.logged.map(({ event }) => event)).toContain('children.still_unwinding');
});

test('stopping a session from outside waits no longer for what hangs below it', async () => {
  const stuck = gate();
  const home = await family({ worker: { closing: () => stuck.opened }, limits: { closeMsMax: 60_000 } });
  await using world = home.world;
  const { digging } = await dig(home, home.act.turn);
  const { digging: deeper } = await dig(home, digging.turn);
  const begun = world.clock.monotonic();

  const cancelling = world.runtime.cancel('boss');
  await Promise.all([digging, deeper].map(stopped));
  await world.clock.advance(2_000);
  await cancelling;
  const tookMs = world.clock.monotonic() - begun;
  stuck.open();
  await world.runtime.waitForIdle(keyOf(digging));

  expect(tookMs).toBeLessThanOrEqual(2_000);
});

test('closing waits until what the children held is freed', async () => {
  const freed: number[] = [];
  const home = await family({ worker: { closing: ({ number }) => void freed.push(number) } });
  await using world = home.world;
  const one = await dig(home, home.act.turn);
  await dig(home, one.digging.turn);
  const idle = await dig(home, home.act.turn);
  idle.digging.end();
  await idle.child.result();

  await world.runtime.close('boss');

  expect(new Set(freed)).toEqual(new Set([1, 2, 3]));
  expect(world.runtime.stats().live).toBe(0);
  const tree = await world.runtime.tree('boss');
  expect(tree.children.map(({ session }) => session.state)).toEqual(['closed', 'closed']);
  expect(tree.children.flatMap(({ children }) => children.map(({ session }) => session.state))).toEqual([
    'closed',
  ]);
});

test('a session that is being closed starts no children', async () => {
  const home = await family({ boss: { deaf: true } });
  await using world = home.world;

  const closing = world.runtime.close('boss');
  await stopped(home.act);
  const refused = await thrown(home.act.turn.spawn('worker', 'dig'));
  home.act.end();
  await closing;

  expect(refused).toMatchObject({ name: 'AbortError' });
  expect((await world.runtime.tree('boss')).children).toEqual([]);
});

test('what was stopped from above frees what it held, and is woken by whoever goes on with it', async () => {
  const home = await family();
  await using world = home.world;
  const { child, digging } = await dig(home, home.act.turn);
  await dig(home, digging.turn);

  await home.act.turn.children.cancel(child.session);
  const alive = home.worker.alive.length;
  await home.act.turn.children.continue(child.session, 'again');
  const again = await home.worker.next();
  await world.runtime.cancelTurn('boss', home.turn);

  expect([alive, again.instance.number, home.worker.alive.length]).toEqual([0, 3, 0]);
  expect(home.boss.alive).toHaveLength(1);
});

test('background work goes on when the turn that began it is done, and ends with the session', async () => {
  const home = await family();
  await using world = home.world;
  const { digging } = await dig(home, home.act.turn);
  home.act.end();
  await outcome(world, 'boss', home.turn);
  const before = digging.turn.signal.aborted;

  await world.runtime.close('boss');

  expect([before, digging.turn.signal.aborted]).toEqual([false, true]);
  expect((await world.runtime.session(keyOf(digging))).state).toBe('closed');
  expect(await bodies(world, 'boss', 'child.ended')).toMatchObject([{ outcome: 'cancelled' }]);
});

test('stopping a session stops what its earlier turns began, too', async () => {
  const home = await family();
  await using world = home.world;
  const { digging } = await dig(home, home.act.turn);
  const { digging: deeper } = await dig(home, digging.turn);
  home.act.end();
  await outcome(world, 'boss', home.turn);

  await world.runtime.cancel('boss');

  expect([digging.turn.signal.aborted, deeper.turn.signal.aborted]).toEqual([true, true]);
  expect((await world.runtime.session(keyOf(digging))).state).toBe('idle');
});

test('cancelling one turn leaves alone what another one asked for', async () => {
  const home = await family();
  await using world = home.world;
  const { child, digging } = await dig(home, home.act.turn);
  home.act.end();
  await outcome(world, 'boss', home.turn);
  const { turn } = await send(world, 'boss', 'another');
  const later = await home.boss.next();
  await later.turn.children.continue(child.session, 'deeper');

  await world.runtime.cancelTurn('boss', turn);
  digging.end();
  await world.runtime.waitForIdle(keyOf(digging));

  expect(digging.turn.signal.aborted).toBe(false);
  expect((await bodies(world, 'boss', 'child.ended')).map((body) => body.outcome).toSorted()).toEqual([
    'cancelled',
    'completed',
  ]);
});

test('a child that is handed on belongs to the one above when its parent ends', async () => {
  const home = await family();
  await using world = home.world;
  const { child: middle, digging } = await dig(home, home.act.turn);
  const { child, digging: deeper } = await dig(home, digging.turn, { whenParentEnds: 'handOn' });

  await home.act.turn.children.close(middle.session);
  const waiting = home.act.turn.children.wait(child.session);
  const listed = (await home.act.turn.children.list()).map(({ session }) => session);
  const aborted = deeper.turn.signal.aborted;
  await deeper.say('deep');
  deeper.end();

  expect([aborted, listed.toSorted()]).toEqual([false, [middle.session, child.session].toSorted()]);
  expect(await waiting).toMatchObject({ outcome: 'completed', text: 'deep' });
  expect((await world.runtime.session(keyOf(deeper))).parent).toBe(home.act.turn.session.id);
  expect((await bodies(world, 'boss', 'child.started')).map(({ session }) => session)).toEqual([
    middle.session,
    child.session,
  ]);
  expect(
    (await bodies(world, 'boss', 'child.ended')).filter(({ session }) => session === child.session),
  ).toHaveLength(1);
});

test('a child that is handed on goes on alone where nobody is above, and over a crash', async () => {
  const home = await family({ worker: { rerun: 'safe' } });
  await using world = home.world;
  const { digging } = await dig(home, home.act.turn, { whenParentEnds: 'handOn' });

  await world.runtime.close('boss');
  const before = digging.turn.signal.aborted;
  const state = (await world.runtime.session('boss')).state;
  await world.crash();
  const again = await home.worker.next();
  again.end();
  await world.runtime.waitForIdle(keyOf(digging));

  const alone = await world.runtime.session(keyOf(digging));
  expect([before, state, alone.parent, alone.state]).toEqual([false, 'closed', null, 'idle']);
  expect(await kinds(world, 'boss')).not.toContain('child.ended');
  expect((await bodies(world, keyOf(digging), 'turn.ended')).map((body) => body.outcome)).toEqual([
    'completed',
  ]);
});

test('when a whole tree is closed, what was to be handed on goes on alone', async () => {
  const home = await family();
  await using world = home.world;
  const { digging } = await dig(home, home.act.turn);
  const { digging: deeper } = await dig(home, digging.turn, { whenParentEnds: 'handOn' });

  await world.runtime.close('boss');

  expect(deeper.turn.signal.aborted).toBe(false);
  expect((await world.runtime.session(keyOf(deeper))).parent).toBe(null);
  deeper.end();
  await world.runtime.waitForIdle(keyOf(deeper));
});

test('a stop that a crash overtook is not forgotten: the child does not begin again', async () => {
  const home = await family({ worker: { rerun: 'safe', deaf: true } });
  await using world = home.world;
  const { digging } = await dig(home, home.act.turn);

  const cancelled = world.runtime.cancelTurn('boss', home.turn);
  await home.act.left;
  await seen(world, 'boss', 'child.started');
  await world.clock.advance(1_400);
  await world.clock.advance(50);
  const killed = world.killAtWrite(({ events: all }) => all.some(({ kind }) => kind === 'turn.ended'));
  await world.clock.advance(100);
  await killed;
  cancelled.catch(() => undefined);
  await world.start();
  const ended = await seen(world, 'boss', 'child.ended');
  await world.runtime.waitForIdle(keyOf(digging));

  expect(ended.body).toMatchObject({ outcome: 'cancelled' });
  expect((await outcome(world, 'boss', home.turn)).outcome).toBe('interrupted');
  expect(home.worker.opened).toHaveLength(1);
});

test('putting an idle parent away does not end its children', async () => {
  const home = await family({ worker: { rerun: 'safe' } });
  await using world = home.world;
  await dig(home, home.act.turn);
  home.act.end();
  await outcome(world, 'boss', home.turn);
  await world.restart();
  const again = await home.worker.next();

  await send(world, 'boss', 'hello');
  (await home.boss.next()).end();
  await world.runtime.waitForIdle('boss');
  await world.runtime.evict('boss');
  const aborted = again.turn.signal.aborted;
  again.end();
  await seen(world, 'boss', 'child.ended');

  expect(aborted).toBe(false);
  expect(await bodies(world, 'boss', 'child.ended')).toMatchObject([{ outcome: 'completed' }]);
});
