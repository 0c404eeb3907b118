// Bounds on children: how many, how deep, for whom, and how long an idle one stays.
//
// Shown here, by what a user saw (C-n: traps of sub-agent sessions; C.n: lines of their checklist, see traps-c.test.ts):
//   C-1   'an idle child leaves sooner than other sessions'
//   C-2   'a running child is never closed to make room for another'
//   C-3   'a child that ended its session leaves at once, before any idle one'
//   C-4   'a child that goes on takes no further place'
//   C-9   'an idle child that is due is gone for every reader, swept or not'
//   C-10  'a limit that is no limit is refused when the runtime is made'
//   C-13  'one owner cannot fill all places with children'
//   C-15  'whoever watches is told why a child left'
//   C-16  'the clock on the wall ends no child'
//   C.4   'a limit that is no limit is refused when the runtime is made', 'an idle child leaves sooner than other sessions'
//   C.5   'for a new child the one that was idle longest makes room'
//   C.8   'at work for one owner, a child of another may still begin'
import { expect, test } from 'vitest';
import { SojournError } from '../src/kernel/errors.ts';
import { DEFAULT_LIMITS, validLimits } from '../src/kernel/limits.ts';
import { testRuntime } from '../src/testing/test-runtime.ts';
import { dig, family, keyOf, thrown } from './children-family.ts';
import { outcome, refusal, seen, send, Stage } from './session-stage.ts';

test('an idle child leaves sooner than other sessions', async () => {
  const home = await family({ limits: { idleMsMax: 60_000, childIdleMsMax: 10_000, sweepMs: 1_000 } });
  await using world = home.world;
  const { child, digging } = await dig(home, home.act.turn);
  digging.end();
  await child.result();
  home.act.end();
  await outcome(world, 'boss', home.turn);

  await world.clock.advance(10_000);
  const atLimit = world.runtime.stats().live;
  await world.clock.advance(1_000);
  await seen(world, keyOf(digging), 'session.evicted');
  const after = (await world.runtime.session('boss')).live;
  await world.clock.advance(50_000);
  await seen(world, 'boss', 'session.evicted');

  expect([atLimit, after, world.runtime.stats().live]).toEqual([2, true, 0]);
});

test('whoever watches is told why a child left', async () => {
  const evicted: string[] = [];
  const home = await family({
    limits: { childIdleMsMax: 10_000, sweepMs: 1_000 },
    hooks: {
      onSessionEvict: ({ key, reason }) => void evicted.push(`${key === 'boss' ? key : 'child'} ${reason}`),
    },
  });
  await using world = home.world;
  const one = await dig(home, home.act.turn);
  one.digging.end();
  await one.child.result();
  const two = await dig(home, home.act.turn);

  await home.act.turn.children.close(two.child.session);
  await world.clock.advance(12_000);
  home.act.end();
  await outcome(world, 'boss', home.turn);

  expect(evicted).toEqual(['child closed', 'child idle']);
  expect(world.runtime.stats().evictions).toMatchObject({ closed: 1, idle: 1 });
});

test('an idle child that is due is gone for every reader, swept or not', async () => {
  const home = await family({ limits: { childIdleMsMax: 10_000, sweepMs: 0 } });
  await using world = home.world;
  const { child, digging } = await dig(home, home.act.turn);
  digging.end();
  await child.result();
  await world.runtime.waitForIdle(keyOf(digging));

  await world.clock.advance(10_000);
  const atLimit = [world.runtime.stats().live, (await world.runtime.session(keyOf(digging))).live];
  await world.clock.advance(1);
  const after = [world.runtime.stats().live, (await world.runtime.session(keyOf(digging))).live];

  expect([atLimit, after]).toEqual([
    [2, true],
    [1, false],
  ]);
});

test('the clock on the wall ends no child', async () => {
  const home = await family({ limits: { childIdleMsMax: 10_000, sweepMs: 1_000 } });
  await using world = home.world;
  const { child, digging } = await dig(home, home.act.turn);
  digging.end();
  await child.result();

  world.clock.jumpWall(24 * 60 * 60_000);
  await world.clock.advance(5_000);

  expect(home.worker.alive).toHaveLength(1);
});

test('a limit that is no limit is refused when the runtime is made', () => {
  const codes = (name: string, values: readonly unknown[]) =>
    values.map((value) => {
      try {
        validLimits({ [name]: value });
        return 'fine';
      } catch (error) {
        return error instanceof SojournError ? error.code : error;
      }
    });

  expect(codes('childIdleMsMax', [Number.NaN, -1, 0, 9_999, '10000', 10_000, Infinity])).toEqual([
    ...Array.from({ length: 5 }, () => 'config.invalid'),
    'fine',
    'fine',
  ]);
  for (const name of ['childrenMax', 'childDepthMax', 'childrenPerOwnerMax', 'progressMs'])
    expect(codes(name, [Number.NaN, -1])).toEqual(['config.invalid', 'config.invalid']);
  expect(DEFAULT_LIMITS).toMatchObject({ childIdleMsMax: 5 * 60_000, sweepMs: 60_000, childrenMax: 16 });
});

test('a running child is never closed to make room for another', async () => {
  const home = await family({ limits: { liveMax: 2 } });
  await using _ = home.world;
  const { digging } = await dig(home, home.act.turn);

  const refused = await thrown(home.act.turn.spawn('worker', 'dig'));

  expect(refused).toMatchObject({ code: 'capacity', retryAfterMs: 1_000 });
  expect(digging.turn.signal.aborted).toBe(false);
  expect(await home.act.turn.children.list()).toHaveLength(1);
});

test('for a new child the one that was idle longest makes room', async () => {
  const home = await family({ limits: { liveMax: 3 } });
  await using world = home.world;
  const old = await dig(home, home.act.turn);
  old.digging.end();
  await old.child.result();
  await world.clock.advance(10);
  const young = await dig(home, home.act.turn);
  young.digging.end();
  await young.child.result();
  await world.runtime.waitForIdle(keyOf(young.digging));

  await dig(home, home.act.turn);

  expect([old.digging.instance.closed, young.digging.instance.closed]).toEqual(['capacity', undefined]);
});

test('a child that ended its session leaves at once, before any idle one', async () => {
  const home = await family({ limits: { liveMax: 3 } });
  await using world = home.world;
  const idle = await dig(home, home.act.turn);
  idle.digging.end();
  await idle.child.result();
  const ended = await dig(home, home.act.turn);
  ended.digging.turn.completeSession();
  ended.digging.end();
  await ended.child.result();
  await world.runtime.waitForIdle(keyOf(ended.digging));

  await dig(home, home.act.turn);

  expect([idle.digging.instance.closed, ended.digging.instance.closed]).toEqual([undefined, 'closed']);
});

test('a child that goes on takes no further place', async () => {
  const home = await family({ limits: { childrenMax: 1, childrenPerOwnerMax: 1 } });
  await using _ = home.world;
  const { child, digging } = await dig(home, home.act.turn);

  const more = await home.act.turn.children.continue(child.session, 'deeper');
  const refused = await refusal(home.act.turn.spawn('worker', 'dig'));
  digging.end();
  (await home.worker.next()).end();
  await more.result();
  const again = await refusal(home.act.turn.children.continue(child.session, 'and deeper'));

  expect([refused, again]).toEqual(['child.limit', 'nothing']);
});

test('who has heard a result may start the next child at once', async () => {
  const home = await family({ limits: { childrenMax: 1 } });
  await using _ = home.world;

  for (let round = 0; round < 5; round += 1) {
    const { child, digging } = await dig(home, home.act.turn);
    digging.end();
    await child.result();
  }

  expect(await home.act.turn.children.list()).toHaveLength(5);
});

test('one owner cannot fill all places with children', async () => {
  const home = await family({ owner: 'alice', limits: { childrenPerOwnerMax: 2 } });
  await using world = home.world;
  await world.runtime.open('other', { owner: 'alice', agent: 'boss' });
  await send(world, 'other', 'hello');
  const other = await home.boss.next();
  await dig(home, home.act.turn);
  const { digging } = await dig(home, other.turn);

  const refused = await thrown(home.act.turn.spawn('worker', 'dig'));
  const deeper = await refusal(digging.turn.spawn('worker', 'dig'));
  digging.end();
  await world.runtime.waitForIdle(keyOf(digging));
  const now = await refusal(home.act.turn.spawn('worker', 'dig'));

  expect(refused).toMatchObject({ code: 'capacity', retryAfterMs: 1_000 });
  expect(String(refused)).toContain('alice');
  expect([deeper, now]).toEqual(['capacity', 'nothing']);
});

test('at work for one owner, a child of another may still begin', async () => {
  const home = await family({ owner: 'alice', limits: { childrenPerOwnerMax: 1 } });
  await using world = home.world;
  await world.runtime.open('bob', { owner: 'bob', agent: 'boss' });
  await send(world, 'bob', 'hello');
  const bob = await home.boss.next();
  await dig(home, home.act.turn);

  expect(await refusal(bob.turn.spawn('worker', 'dig'))).toBe('nothing');
});

test('one place is taken once, however many ask at the same moment', async () => {
  const home = await family({ owner: 'alice', limits: { childrenPerOwnerMax: 1 } });
  await using world = home.world;
  await world.runtime.open('other', { owner: 'alice', agent: 'boss' });
  await send(world, 'other', 'hello');
  const other = await home.boss.next();

  const answers = await Promise.all([
    refusal(home.act.turn.spawn('worker', 'dig')),
    refusal(other.turn.spawn('worker', 'dig')),
  ]);

  expect(answers.toSorted()).toEqual(['capacity', 'nothing']);
});

test('an agent may ask itself, as deep as children may stand', async () => {
  const worker = new Stage();
  await using world = await testRuntime({ agents: { worker } });
  await send(world, 'boss', 'hello');
  let act = await worker.next();

  for (let depth = 0; depth < DEFAULT_LIMITS.childDepthMax; depth += 1) {
    await act.turn.spawn('worker', 'deeper');
    act = await worker.next();
  }

  expect(await refusal(act.turn.spawn('worker', 'too deep'))).toBe('child.depth');
});

test('agents that hand work round in a circle are stopped where the circle closes', async () => {
  const home = await family();
  await using _ = home.world;
  const { digging } = await dig(home, home.act.turn);
  await digging.turn.spawn('boss', 'you do it');
  const below = await home.boss.next();

  const circle = await thrown(below.turn.spawn('worker', 'no, you'));
  const itself = await refusal(below.turn.spawn('boss', 'or me'));

  expect(circle).toMatchObject({ code: 'child.cycle' });
  expect(String(circle)).toContain('boss, worker, boss');
  expect(itself).toBe('nothing');
});

test('where no children are allowed none is started', async () => {
  const none = await family({ limits: { childrenMax: 0 } });
  await using _ = none.world;
  const flat = await family({ limits: { childDepthMax: 0 } });
  await using __ = flat.world;

  expect(await refusal(none.act.turn.spawn('worker', 'dig'))).toBe('child.limit');
  expect(await refusal(flat.act.turn.spawn('worker', 'dig'))).toBe('child.depth');
});
