// Progress of children: what a parent sees while its children work, how often, and that it hurts nobody.
//
// Shown here, by what a user saw (C-n: traps of sub-agent sessions; C.n: lines of their checklist, see traps-c.test.ts):
//   C-1   'a child that works for long is not put away under its work, and its progress keeps its parent awake'
//   C-15  'a parent sees its children come, work and go'
//   C.2   'progress says what, how far, which turn and for how long', 'whoever started the child hears all that the log is told, from the start'
import { expect, test } from 'vitest';
import type { Progress } from '../src/wire/turn.ts';
import { dig, family, progressed } from './children-family.ts';
import { bodies, kinds, outcome, seen, send } from './session-stage.ts';

test('a parent sees its children come, work and go', async () => {
  const home = await family();
  await using world = home.world;

  const { child, digging } = await dig(home, home.act.turn);
  await seen(world, 'boss', 'child.progress');
  digging.end();
  await child.result();

  const log = (await kinds(world, 'boss')).filter((kind) => kind.startsWith('child.'));
  expect(log).toEqual(['child.started', 'child.progress', 'child.ended']);
  expect(await bodies(world, 'boss', 'child.progress')).toEqual([
    { kind: 'started', session: child.session, turnNumber: 1, elapsedMs: 0 },
  ]);
});

test('progress says what, how far, which turn and for how long', async () => {
  const home = await family();
  await using world = home.world;
  const { child, digging } = await dig(home, home.act.turn);
  digging.end();
  await child.result();
  await world.clock.advance(5_000);
  await home.act.turn.children.continue(child.session, 'deeper');
  const deeper = await home.worker.next();

  await world.clock.advance(3_000);
  deeper.turn.progress({
    kind: 'digging',
    summary: 'Half of it',
    message: 'hard ground',
    percent: 50,
    filePath: '/tmp/hole',
    metadata: { depth: 2 },
  });
  await progressed(world, 'digging');

  const told = await bodies(world, 'boss', 'child.progress');
  expect(told.at(-1)).toEqual({
    session: child.session,
    turnNumber: 2,
    elapsedMs: 3_000,
    kind: 'digging',
    summary: 'Half of it',
    message: 'hard ground',
    percent: 50,
    filePath: '/tmp/hole',
    metadata: { depth: 2 },
  });
});

test('a thousand reports in a second are one, and it is the newest', async () => {
  const home = await family({ limits: { progressMs: 1_000 } });
  await using world = home.world;
  const { digging } = await dig(home, home.act.turn);
  await seen(world, 'boss', 'child.progress');

  for (let percent = 0; percent < 1_000; percent += 1)
    digging.turn.progress({ kind: 'digging', percent: percent / 10 });
  await world.clock.advance(1_000);
  await progressed(world, 'digging');
  await world.clock.advance(10_000);

  const told = await bodies(world, 'boss', 'child.progress');
  expect(told.map(({ kind, percent }) => [kind, percent])).toEqual([
    ['started', undefined],
    ['digging', 99.9],
  ]);
});

test('each child has its own pace', async () => {
  const home = await family();
  await using world = home.world;
  const one = await dig(home, home.act.turn);
  const two = await dig(home, home.act.turn);
  await progressed(world, 'started', 2);
  await world.clock.advance(5_000);

  one.digging.turn.progress({ kind: 'one' });
  two.digging.turn.progress({ kind: 'two' });
  await progressed(world, 'one');
  await progressed(world, 'two');

  const told = (await bodies(world, 'boss', 'child.progress')).map(({ kind }) => kind);
  expect(told).toEqual(['started', 'started', 'one', 'two']);
});

test('what a child does is progress, too: its tools, what it says, what it asks', async () => {
  const home = await family({ worker: { rerun: 'safe' } });
  await using world = home.world;
  const { digging } = await dig(home, home.act.turn);
  const pace = async (kind: string, times = 1) => {
    await progressed(world, kind, times);
    await world.clock.advance(1_000);
  };

  await pace('started');
  await digging.say({ kind: 'tool.called', call: '1', name: 'shovel', input: {} });
  await pace('tool');
  await digging.say({ kind: 'tool.progress', call: '1', message: 'lifting', percent: 30 });
  await pace('tool', 2);
  await digging.say({ kind: 'tool.returned', call: '1', output: 'earth' });
  await digging.say({
    kind: 'message',
    role: 'assistant',
    parts: [{ type: 'text', text: 'There is a stone' }],
  });
  await pace('message');
  digging.turn.ask('stone', { kind: 'question', text: 'Break it?' }).catch(() => undefined);
  await pace('request');

  const told = (await bodies(world, 'boss', 'child.progress')).map((body) => [
    body.kind,
    body.summary ?? body.message,
  ]);
  expect(told).toEqual([
    ['started', undefined],
    ['tool', 'shovel'],
    ['tool', 'lifting'],
    ['message', 'There is a stone'],
    ['request', 'Break it?'],
  ]);
});

test('whoever started the child hears all that the log is told, from the start', async () => {
  const home = await family({ worker: { rerun: 'safe' } });
  await using world = home.world;
  const heard: unknown[] = [];
  const { child, digging } = await dig(home, home.act.turn, {
    onProgress: (progress) => heard.push(progress),
  });
  const pace = async (kind: string) => {
    await progressed(world, kind);
    await world.clock.advance(1_000);
  };

  await pace('started');
  await digging.say({ kind: 'tool.called', call: '1', name: 'shovel', input: {} });
  await pace('tool');
  await digging.say({ kind: 'tool.returned', call: '1', output: 'earth' });
  await digging.say({ kind: 'message', role: 'assistant', parts: [{ type: 'text', text: 'A stone' }] });
  await pace('message');
  digging.turn.progress({ kind: 'digging', percent: 10, filePath: '/tmp/hole' });
  await pace('digging');
  digging.turn.ask('stone', { kind: 'question', text: 'Break it?' }).catch(() => undefined);
  await pace('request');

  expect(heard).toEqual(await bodies(world, 'boss', 'child.progress'));
  expect(heard).toMatchObject([
    { kind: 'started', session: child.session, turnNumber: 1, elapsedMs: 0 },
    { kind: 'tool', summary: 'shovel', turnNumber: 1, elapsedMs: 1_000 },
    { kind: 'message', summary: 'A stone', turnNumber: 1, elapsedMs: 2_000 },
    { kind: 'digging', percent: 10, filePath: '/tmp/hole', turnNumber: 1, elapsedMs: 3_000 },
    { kind: 'request', summary: 'Break it?', turnNumber: 1, elapsedMs: 4_000 },
  ]);
});

test('a child that is started twice as one tells both who asked, and neither hears of it after its end', async () => {
  const home = await family();
  await using world = home.world;
  const heard: string[][] = [[], []];
  const asked = heard.map((kinds) =>
    home.act.turn.spawn('worker', 'dig', { key: 'hole', onProgress: ({ kind }) => kinds.push(kind) }),
  );
  const [child] = await Promise.all(asked);
  const digging = await home.worker.next();

  await progressed(world, 'started');
  await world.clock.advance(1_000);
  digging.turn.progress({ kind: 'digging' });
  await progressed(world, 'digging');
  digging.turn.progress({ kind: 'too late' });
  digging.end();
  await child?.result();
  await world.clock.advance(10_000);

  expect(heard.map((kinds) => kinds.filter((kind) => kind !== 'started'))).toEqual([
    ['digging'],
    ['digging'],
  ]);
});

test('a listener that throws, and progress that makes no sense, hurt nobody', async () => {
  const home = await family();
  await using world = home.world;
  const { child, digging } = await dig(home, home.act.turn, {
    onProgress: () => {
      throw new Error('not interested');
    },
  });
  await progressed(world, 'started');
  const circle: Record<string, unknown> = {};
  circle['itself'] = circle;

  for (const nonsense of [
    undefined,
    null,
    7,
    {},
    { kind: 5 },
    { kind: '' },
    { kind: 'x', metadata: circle },
  ]) {
    await world.clock.advance(1_000);
    digging.turn.progress(nonsense as Progress);
    await world.clock.advance(0);
  }
  await world.clock.advance(1_000);
  const large = '💧'.repeat(10_000);
  digging.turn.progress({
    kind: 'k',
    summary: large,
    message: large,
    filePath: large,
    metadata: { large },
    percent: 400,
  });
  await progressed(world, 'k');
  digging.end();
  const result = await child.result();

  const told = await bodies(world, 'boss', 'child.progress');
  const last = told.at(-1);
  expect(result.outcome).toBe('completed');
  expect(told.map(({ kind }) => kind)).toEqual(['started', 'k']);
  expect([Array.from(last?.summary ?? '').length, last?.percent]).toEqual([200, 100]);
  expect(JSON.stringify(last).length).toBeLessThan(10_000);
  expect(JSON.stringify(last).isWellFormed()).toBe(true);
});

test('nothing of a child is shown after its end', async () => {
  const home = await family();
  await using world = home.world;
  const { child, digging } = await dig(home, home.act.turn);
  digging.turn.progress({ kind: 'digging' });
  digging.end();
  await child.result();

  digging.turn.progress({ kind: 'still digging' });
  await world.clock.advance(60_000);

  expect((await kinds(world, 'boss')).filter((kind) => kind.startsWith('child.')).at(-1)).toBe('child.ended');
});

test('a session without a parent may say how it gets on, and nothing comes of it', async () => {
  const home = await family();
  await using world = home.world;

  home.act.turn.progress({ kind: 'thinking' });
  await world.clock.advance(5_000);
  home.act.end();
  await outcome(world, 'boss', home.turn);

  expect(await kinds(world, 'boss')).toEqual([
    'session.created',
    'turn.accepted',
    'turn.started',
    'turn.ended',
  ]);
});

test('a child that works for long is not put away under its work, and its progress keeps its parent awake', async () => {
  const home = await family({ limits: { idleMsMax: 20_000, childIdleMsMax: 10_000, sweepMs: 1_000 } });
  await using world = home.world;
  const { digging } = await dig(home, home.act.turn);
  await progressed(world, 'started');
  home.act.end();
  await outcome(world, 'boss', home.turn);
  const before = (await world.runtime.session('boss')).lastActiveAt;

  await world.clock.advance(30 * 60_000 - 1_000);
  digging.turn.progress({ kind: 'digging' });
  await progressed(world, 'digging');
  const [boss, worker] = [home.boss.alive.length, home.worker.alive.length];
  const after = (await world.runtime.session('boss')).lastActiveAt;
  digging.end();
  await seen(world, 'boss', 'child.ended');

  expect([boss, worker]).toEqual([1, 1]);
  expect(Date.parse(after) - Date.parse(before)).toBe(30 * 60_000 - 1_000);
});

test('progress that cannot be written stops neither the child nor its result', async () => {
  const home = await family();
  await using world = home.world;
  const { child, digging } = await dig(home, home.act.turn);
  await seen(world, 'boss', 'child.progress');

  await world.runtime.close('boss');
  digging.turn.progress({ kind: 'digging' });
  await world.clock.advance(5_000);

  expect((await bodies(world, 'boss', 'child.progress')).map(({ kind }) => kind)).toEqual(['started']);
  expect(await bodies(world, 'boss', 'child.ended')).toMatchObject([
    { turn: child.turn, outcome: 'cancelled' },
  ]);
});

test('progress also arrives from a child that was taken up after a crash', async () => {
  const home = await family({ worker: { rerun: 'safe' } });
  await using world = home.world;
  await dig(home, home.act.turn);
  home.act.end();
  await outcome(world, 'boss', home.turn);

  await world.crash();
  const again = await home.worker.next();
  await world.clock.advance(1_000);
  again.turn.progress({ kind: 'digging again' });
  await progressed(world, 'digging again');
  again.end();
  await seen(world, 'boss', 'child.ended');
  await send(world, 'boss', 'thanks');

  expect((await bodies(world, 'boss', 'child.progress')).at(-1)?.kind).toBe('digging again');
  expect(await bodies(world, 'boss', 'child.started')).toHaveLength(1);
});
