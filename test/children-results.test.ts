// Results of children: what comes home, as what, and that it comes once, whatever sleeps, closes or dies in between.
//
// Shown here, by what a user saw (C-n: traps of sub-agent sessions; C.n: lines of their checklist, see traps-c.test.ts):
//   C-17  'what nothing was spent on costs nothing, each time anew'
//   C.1   'a result brings the images that were shown and what was handed off', 'a long result comes home whole'
import { expect, test } from 'vitest';
import type { FilePart } from '../src/wire/message.ts';
import { textOf } from '../src/wire/message.ts';
import { dig, family, keyOf } from './children-family.ts';
import { testRuntime } from '../src/testing/test-runtime.ts';
import { bodies, events, kinds, outcome, say, seen, send, Stage } from './session-stage.ts';

const image = (data: string, extra: Partial<FilePart> = {}): FilePart => ({
  type: 'file',
  mediaType: 'image/png',
  data,
  ...extra,
});

test('a result brings the images that were shown and what was handed off', async () => {
  const home = await family();
  await using world = home.world;
  const { child, digging } = await dig(home, home.act.turn);
  const large = Buffer.alloc(100_000, 7).toString('base64');
  await digging.say(
    {
      kind: 'message',
      role: 'assistant',
      parts: [{ type: 'text', text: 'Look' }, image('AAAA', { name: 'a.png' })],
    },
    {
      kind: 'message',
      role: 'assistant',
      parts: [image(large, { name: 'b.png' }), { type: 'file', mediaType: 'text/plain', data: 'AAAA' }],
    },
  );
  digging.turn.handOff({ summary: 'half done' });
  digging.turn.handOff({
    summary: 'done',
    changedFiles: ['hole.txt'],
    decisions: ['here'],
    blockers: [],
    followUps: ['fill it'],
  });
  digging.end();

  const result = await child.result();
  const [ended] = await bodies(world, 'boss', 'child.ended');
  const ref = ended?.images?.[1]?.ref;
  const kept = await world.runtime.artifact('boss', ref?.artifact ?? '');

  expect(result.images).toMatchObject([
    { name: 'a.png', data: 'AAAA' },
    { name: 'b.png', data: large },
  ]);
  expect(result.images[1]?.ref).toBe(undefined);
  expect(result.handOff).toEqual({
    summary: 'done',
    changedFiles: ['hole.txt'],
    decisions: ['here'],
    blockers: [],
    followUps: ['fill it'],
  });
  expect(ended).toMatchObject({
    images: [{ name: 'a.png', data: 'AAAA' }, { name: 'b.png' }],
    handOff: result.handOff,
  });
  expect([kept.total, kept.mediaType]).toEqual([100_000, 'image/png']);
});

test('large images come home whole up to a bound, and as references beyond it', async () => {
  const home = await family();
  await using _ = home.world;
  const { child, digging } = await dig(home, home.act.turn);
  const sizes = [3_000_000, 3_000_000, 1_000_000, 100_000, 100_000];
  for (const [index, size] of sizes.entries()) {
    const large = image(Buffer.alloc(size, index).toString('base64'));
    await digging.say({ kind: 'message', role: 'assistant', parts: [large] });
  }
  digging.end();

  const { images } = await child.result();

  expect(images.map(({ data, ref }) => [data?.length, ref?.bytes])).toEqual([
    [4_000_000, undefined],
    [undefined, 3_000_000],
    [1_333_336, undefined],
    [133_336, undefined],
    [undefined, 100_000],
  ]);
});

test('a hand-off is cut to what a log can carry', async () => {
  const home = await family();
  await using _ = home.world;
  const { child, digging } = await dig(home, home.act.turn);
  const many = Array.from({ length: 1_000 }, () => 'x'.repeat(10_000));

  digging.turn.handOff({
    summary: '💧'.repeat(1_000_000),
    changedFiles: many,
    decisions: [7 as unknown as string, 'yes'],
  });
  digging.end();
  const { outcome: how, handOff } = await child.result();

  expect(how).toBe('completed');
  expect(JSON.stringify(handOff).length).toBeLessThan(100_000);
  expect([handOff?.summary.isWellFormed(), handOff?.changedFiles?.length, handOff?.decisions]).toEqual([
    true,
    50,
    ['yes'],
  ]);
});

test('a turn of its own says what it hands off, too', async () => {
  const home = await family();
  await using world = home.world;

  home.act.turn.handOff({ summary: 'for tomorrow' });
  home.act.end();
  await outcome(world, 'boss', home.turn);

  expect(await bodies(world, 'boss', 'turn.ended')).toMatchObject([{ handOff: { summary: 'for tomorrow' } }]);
});

test('a long result comes home whole', async () => {
  const home = await family();
  await using world = home.world;
  const { child, digging } = await dig(home, home.act.turn);
  const text = 'earth '.repeat(20_000);
  for (let from = 0; from < text.length; from += 10_000) await digging.say(text.slice(from, from + 10_000));
  digging.end();

  const result = await child.result();
  const [ended] = await bodies(world, 'boss', 'child.ended');
  const kept = await world.runtime.artifact('boss', ended?.ref?.artifact ?? '');

  expect(result.text).toBe(text);
  expect([ended?.text, kept.total]).toEqual([text.slice(0, ended?.text.length), text.length]);
  expect(ended?.text.length).toBeLessThan(2_000);
});

test('what nothing was spent on costs nothing, each time anew', async () => {
  const home = await family();
  await using _ = home.world;
  const one = await dig(home, home.act.turn);
  one.digging.end();
  const first = await one.child.result();
  first.usage.outputTokens += 5;

  const two = await dig(home, home.act.turn);
  two.digging.end();

  expect((await two.child.result()).usage.outputTokens).toBe(0);
  expect((await one.child.result()).usage.outputTokens).toBe(0);
});

test('a result becomes a turn of the parent when it is idle', async () => {
  const home = await family();
  await using world = home.world;
  const { child, digging } = await dig(home, home.act.turn, { whenDone: 'turn', title: 'The hole' });
  home.act.end();
  await outcome(world, 'boss', home.turn);

  await digging.say({
    kind: 'message',
    role: 'assistant',
    parts: [{ type: 'text', text: 'A hole' }, image('AAAA')],
  });
  digging.turn.handOff({ summary: 'dug', followUps: ['fill it'] });
  digging.end();
  const woken = await home.boss.next();
  woken.end();
  await world.runtime.waitForIdle('boss');

  expect(woken.turn).toMatchObject({
    kind: 'child',
    author: null,
    metadata: { child: { session: child.session, turn: child.turn, outcome: 'completed' } },
  });
  const [text] = woken.heard;
  for (const part of ['worker', 'The hole', child.session, 'completed', 'A hole', 'dug', 'fill it'])
    expect(text).toContain(part);
  expect(woken.turn.inputs[0]?.parts[1]).toMatchObject({
    type: 'file',
    mediaType: 'image/png',
    data: 'AAAA',
  });
  expect((await kinds(world, 'boss')).filter((kind) => kind === 'child.ended')).toHaveLength(1);
});

test('a result that becomes a turn waits until nothing else runs', async () => {
  const home = await family();
  await using world = home.world;
  const { digging } = await dig(home, home.act.turn, { whenDone: 'turn' });
  await send(world, 'boss', 'before it');
  await digging.say('A hole');
  digging.end();
  await seen(world, 'boss', 'child.ended');
  await world.runtime.waitForIdle(keyOf(digging));

  home.act.end();
  const [first, second] = [await home.boss.next(), home.boss.next()];
  first.end();
  const woken = await second;
  woken.end();

  expect(first.heard).toEqual(['before it']);
  expect(woken.turn.kind).toBe('child');
});

test('a parent that sleeps is woken for a result, although every place is taken', async () => {
  const home = await family({ limits: { liveMax: 2 }, worker: { rerun: 'safe' } });
  await using world = home.world;
  await dig(home, home.act.turn, { whenDone: 'turn' });
  home.act.end();
  await outcome(world, 'boss', home.turn);
  await world.restart();
  const digging = await home.worker.next();
  await send(world, 'other', { input: 'hello', agent: 'boss' });
  const other = await home.boss.next();
  const asleep = (await world.runtime.session('boss')).live;

  await digging.say('A hole');
  digging.end();
  const woken = await home.boss.next();
  woken.end();
  other.end();
  await world.runtime.waitForIdle('boss');

  expect([asleep, woken.turn.kind, woken.remembers]).toEqual([false, 'child', ['user: hello']]);
  expect(woken.heard[0]).toContain('A hole');
  expect((await bodies(world, 'boss', 'turn.accepted')).map(({ kind }) => kind)).toEqual(['user', 'child']);
});

test('a result wakes its parent once, wherever the process died on the way', async () => {
  for (const dying of ['turn.ended', 'child.ended', 'turn.accepted'] as const) {
    const home = await family({ boss: { rerun: 'safe' }, worker: { rerun: 'safe' } });
    await using world = home.world;
    const { digging } = await dig(home, home.act.turn, { whenDone: 'turn' });
    home.act.end();
    await outcome(world, 'boss', home.turn);
    const killed = world.killAtWrite(({ events: all }) => all.some(({ kind }) => kind === dying));
    await digging.say('A hole');
    digging.end();
    await killed;

    await world.start();
    const woken = await home.boss.next();
    woken.end();
    await world.runtime.waitForIdle('boss');
    await world.crash();
    await world.runtime.waitForIdle('boss');

    const log = await events(world, 'boss');
    const told = log.filter(({ kind }) => kind === 'child.ended');
    const accepted = await bodies(world, 'boss', 'turn.accepted');
    expect([dying, told.length, accepted.filter(({ kind }) => kind === 'child').length]).toEqual([
      dying,
      1,
      1,
    ]);
    expect(textOf(accepted.at(-1)?.input.parts ?? [])).toContain('A hole');
  }
});

test('a result comes home although more work waits behind it when the process dies', async () => {
  const home = await family({ worker: { rerun: 'safe' } });
  await using world = home.world;
  const { child, digging } = await dig(home, home.act.turn);
  const next = await home.act.turn.children.continue(child.session, 'fill it');
  home.act.end();
  await outcome(world, 'boss', home.turn);
  const killed = world.killAtWrite(({ events: all }) => all.some(({ kind }) => kind === 'turn.ended'));
  await digging.say('A hole');
  digging.end();
  await killed;

  await world.start();
  const filling = await home.worker.next();
  await filling.say('Filled');
  filling.end();
  await world.runtime.waitForIdle(keyOf(digging));

  expect(await bodies(world, 'boss', 'child.ended')).toMatchObject([
    { turn: child.turn, text: 'A hole', outcome: 'completed' },
    { turn: next.turn, text: 'Filled', outcome: 'completed' },
  ]);
});

test('a child that its parent stopped does not wake it, and one that somebody else stopped does', async () => {
  const home = await family();
  await using world = home.world;
  const { children } = home.act.turn;
  const one = await dig(home, home.act.turn, { whenDone: 'turn' });
  const two = await dig(home, home.act.turn, { whenDone: 'turn' });

  await children.cancel(one.child.session);
  await world.runtime.cancel(keyOf(two.digging));
  home.act.end();
  const woken = await home.boss.next();
  woken.end();
  await world.runtime.waitForIdle('boss');

  expect(woken.turn.metadata).toMatchObject({ child: { session: two.child.session, outcome: 'cancelled' } });
  expect((await bodies(world, 'boss', 'turn.accepted')).filter(({ kind }) => kind === 'child')).toHaveLength(
    1,
  );
  expect(await bodies(world, 'boss', 'child.ended')).toHaveLength(2);
});

test('a result for a parent that has spent its budget is in its log, and the child is free', async () => {
  const home = await family();
  await using world = home.world;
  const { child, digging } = await dig(home, home.act.turn, { whenDone: 'turn' });
  home.act.end();
  await outcome(world, 'boss', home.turn);
  await world.runtime.update('boss', { budget: { turns: 1 } });

  digging.end();
  await world.runtime.waitForIdle(keyOf(digging));

  expect(await bodies(world, 'boss', 'child.ended')).toMatchObject([{ turn: child.turn }]);
  expect((await bodies(world, 'boss', 'turn.accepted')).map(({ kind }) => kind)).toEqual(['user']);
  expect((await world.runtime.session(keyOf(digging))).state).toBe('idle');
});

test("what somebody else asks of a child is no business of its parent's log", async () => {
  const home = await family();
  await using world = home.world;
  const { child, digging } = await dig(home, home.act.turn);
  digging.end();
  await child.result();

  const asking = say(world, keyOf(digging), 'and you?');
  (await home.worker.next()).end();
  await asking;
  await world.crash();
  await world.runtime.waitForIdle(keyOf(digging));

  expect(await bodies(world, 'boss', 'child.ended')).toMatchObject([{ turn: child.turn }]);
});

test('a grandchild that wakes its parent owes nothing to the one above', async () => {
  const home = await family();
  await using world = home.world;
  const { child, digging } = await dig(home, home.act.turn);
  const { digging: deeper } = await dig(home, digging.turn, { whenDone: 'turn' });
  digging.end();
  await child.result();

  deeper.end();
  const woken = await home.worker.next();
  woken.end();
  await world.runtime.waitForIdle(keyOf(digging));

  expect(woken.turn).toMatchObject({ kind: 'child', session: { id: child.session } });
  expect(await bodies(world, 'boss', 'child.ended')).toMatchObject([{ turn: child.turn }]);
});

test('after a kill every child has an outcome, and each result reached its parent once', async () => {
  const safe = new Stage({ rerun: 'safe' });
  const never = new Stage({ rerun: 'never' });
  await using world = await testRuntime({ agents: { boss: safe, worker: never } });
  await send(world, 'boss', 'hello');
  const act = await safe.next();
  const spawned = [
    await act.turn.spawn('worker', 'one', { whenDone: 'turn' }),
    await act.turn.spawn('worker', 'two'),
    await act.turn.spawn('boss', 'three'),
  ];
  for (const digging of [await never.next(), await never.next()]) {
    await digging.say('half of it');
    await seen(world, keyOf(digging), 'text.delta');
  }
  await safe.next();

  await world.crash();
  const acts = [await safe.next(), await safe.next()];
  const again = acts.find(({ heard }) => heard[0] === 'hello');
  const third = acts.find(({ heard }) => heard[0] === 'three');
  third?.end();
  const results = await Promise.all(spawned.map(async ({ session }) => again?.turn.children.wait(session)));
  again?.end();
  const woken = await safe.next();
  woken.end();
  await world.runtime.waitForIdle('boss');

  expect(results.map((result) => result?.outcome)).toEqual(['interrupted', 'interrupted', 'completed']);
  expect(woken.heard[0]).toContain('half of it');
  const ended = (await bodies(world, 'boss', 'child.ended')).map(({ session }) => session);
  expect(ended.toSorted()).toEqual(spawned.map(({ session }) => session).toSorted());
  expect((await world.runtime.tree('boss')).children.map(({ session }) => session.state)).toEqual([
    'idle',
    'idle',
    'idle',
  ]);
});
