// The verbs of a parent: what its turn may do with its children, and what it is told where it may not.
//
// Shown here, by what a user saw (C-n: traps of sub-agent sessions; C.n: lines of their checklist, see traps-c.test.ts):
//   C-5   'starting the same child twice is starting it once'
//   C-8   'a closed child says that it is closed, not that it is unknown', 'a cancelled turn leaves the child ready for the next one'
//   C-11  'a child that slept is woken by whoever goes on with it'
//   C-12  'a child of another session looks like one that does not exist', 'the id of a child cannot be guessed'
//   C.1   "a result says all there is to say, and is the caller's own copy"
//   C.3   'a parent lists its children, the newest first, with what each of them does and spent'
//   C.6   'a closed child says that it is closed, not that it is unknown'
//   C.7   'the id of a child cannot be guessed'
//   C.8   'a child that ended its session cannot be continued', 'a child of another session looks like one that does not exist', 'work that was handed to a child while it is busy waits its turn', 'a turn that is aborted surfaces as such to whoever waits'
import { expect, test } from 'vitest';
import { dig, family, keyOf, thrown } from './children-family.ts';
import { bodies, outcome, refusal, say, send } from './session-stage.ts';
import { testRuntime } from '../src/testing/test-runtime.ts';

test('a child is continued: it remembers, and its second result comes home as well', async () => {
  const home = await family();
  await using world = home.world;
  const { child, digging } = await dig(home, home.act.turn);
  await digging.say('A hole');
  digging.end();
  await child.result();

  const again = await home.act.turn.children.continue(child.session, 'deeper');
  const second = await home.worker.next();
  await second.say('A deep hole');
  second.end();
  const result = await again.result();

  expect(second.remembers).toEqual(['user: dig', 'assistant: A hole']);
  expect([again.session, again.turn === child.turn]).toEqual([child.session, false]);
  expect(result).toMatchObject({ outcome: 'completed', text: 'A deep hole' });
  expect(await bodies(world, 'boss', 'child.started')).toMatchObject([
    { turn: child.turn, spawn: '1' },
    { turn: again.turn, spawn: '2' },
  ]);
  expect(await bodies(world, 'boss', 'child.ended')).toMatchObject([
    { turn: child.turn, text: 'A hole' },
    { turn: again.turn, text: 'A deep hole' },
  ]);
});

test('work that was handed to a child while it is busy waits its turn', async () => {
  const home = await family();
  await using _ = home.world;
  const { child, digging } = await dig(home, home.act.turn);

  const next = await home.act.turn.children.continue(child.session, 'then fill it');
  digging.end();
  const filling = await home.worker.next();
  filling.end();

  expect((await child.result()).outcome).toBe('completed');
  expect((await next.result()).outcome).toBe('completed');
  expect(filling.heard).toEqual(['then fill it']);
});

test('a later turn of the parent waits for a child that an earlier one started', async () => {
  const home = await family();
  await using world = home.world;
  const { child, digging } = await dig(home, home.act.turn);
  home.act.end();
  await outcome(world, 'boss', home.turn);
  await send(world, 'boss', 'how is it?');
  const later = await home.boss.next();

  const waiting = later.turn.children.wait(child.session);
  await digging.say('A hole');
  digging.end();

  expect(await waiting).toMatchObject({ outcome: 'completed', text: 'A hole' });
  expect(await later.turn.children.wait(child.session, { turn: child.turn })).toMatchObject({
    text: 'A hole',
  });
  later.end();
});

test('a parent also waits for what somebody else asked of its child', async () => {
  const home = await family();
  await using world = home.world;
  const { child, digging } = await dig(home, home.act.turn);
  digging.end();
  await child.result();
  const { turn } = await send(world, keyOf(digging), 'and you?');
  const asked = await home.worker.next();

  const waiting = home.act.turn.children.wait(child.session);
  await asked.say('fine');
  asked.end();

  expect(await waiting).toMatchObject({ outcome: 'completed', text: 'fine' });
  expect(await home.act.turn.children.wait(child.session, { turn })).toMatchObject({ text: 'fine' });
  expect(await bodies(world, 'boss', 'child.ended')).toHaveLength(1);
});

test('who stops waiting stops waiting, and the child works on', async () => {
  const home = await family();
  await using _ = home.world;
  const { child, digging } = await dig(home, home.act.turn);
  const leaving = new AbortController();

  const waiting = thrown(home.act.turn.children.wait(child.session, { signal: leaving.signal }));
  leaving.abort(new Error('enough'));

  expect(await waiting).toMatchObject({ message: 'enough' });
  expect(digging.turn.signal.aborted).toBe(false);
  digging.end();
  expect((await child.result()).outcome).toBe('completed');
});

test('a signal that was given with the work stops the work', async () => {
  const home = await family();
  await using world = home.world;
  const leaving = new AbortController();
  const { child, digging } = await dig(home, home.act.turn, { signal: leaving.signal });

  const waiting = thrown(child.result());
  leaving.abort(new Error('enough'));

  expect(await waiting).toMatchObject({ message: 'enough' });
  await digging.left;
  await world.runtime.waitForIdle(keyOf(digging));
  expect(await bodies(world, 'boss', 'child.ended')).toMatchObject([{ outcome: 'cancelled' }]);
  expect(await thrown(home.act.turn.spawn('worker', 'dig', { signal: leaving.signal }))).toMatchObject({
    message: 'enough',
  });
});

test('a turn that is aborted surfaces as such to whoever waits', async () => {
  const home = await family();
  await using world = home.world;
  const { child } = await dig(home, home.act.turn);
  const waiting = thrown(child.result());

  await world.runtime.cancelTurn('boss', home.turn);

  expect(await waiting).toMatchObject({ name: 'AbortError' });
  expect(await thrown(home.act.turn.children.wait(child.session))).toMatchObject({ name: 'AbortError' });
});

test('a cancelled turn leaves the child ready for the next one', async () => {
  const home = await family();
  await using _ = home.world;
  const { child, digging } = await dig(home, home.act.turn);
  const { children } = home.act.turn;
  const queued = await children.continue(child.session, 'deeper');

  const { cancelled } = await children.cancel(child.session);
  const next = await children.continue(child.session, 'never mind');
  const resting = await home.worker.next();
  resting.end();

  expect(digging.turn.signal.aborted).toBe(true);
  expect(cancelled.toSorted()).toEqual([child.turn, queued.turn].toSorted());
  expect(await child.result()).toMatchObject({ outcome: 'cancelled', isError: true });
  expect(await queued.result()).toMatchObject({ outcome: 'cancelled' });
  expect(await next.result()).toMatchObject({ outcome: 'completed', isError: false });
});

test('an error ends the turn of a child, and not the child', async () => {
  const home = await family();
  await using _ = home.world;
  const { child, digging } = await dig(home, home.act.turn);
  digging.fail(new Error('aborted: the spade was cancelled'));

  const first = await child.result();
  const again = await home.act.turn.children.continue(child.session, 'try again');
  (await home.worker.next()).end();

  expect(first).toMatchObject({ outcome: 'failed', error: { code: 'agent.failed' } });
  expect((await again.result()).outcome).toBe('completed');
});

test('a closed child says that it is closed, not that it is unknown', async () => {
  const home = await family();
  await using world = home.world;
  const { child, digging } = await dig(home, home.act.turn);
  const { children } = home.act.turn;

  await children.close(child.session);
  await children.close(child.session);

  expect(digging.turn.signal.aborted).toBe(true);
  expect(home.worker.alive).toEqual([]);
  expect(world.runtime.stats().live).toBe(1);
  expect(await refusal(children.continue(child.session, 'more'))).toBe('session.closed');
  expect(await children.cancel(child.session)).toEqual({ cancelled: [] });
  expect(await children.wait(child.session)).toMatchObject({ outcome: 'cancelled' });
  expect(await children.list()).toMatchObject([{ session: child.session, state: 'closed' }]);
});

test('a child that ended its session cannot be continued', async () => {
  const home = await family();
  await using world = home.world;
  const { child, digging } = await dig(home, home.act.turn);
  digging.turn.completeSession();
  digging.end();

  const result = await child.result();
  await world.runtime.waitForIdle(keyOf(digging));

  expect(result).toMatchObject({ outcome: 'completed', sessionCompleted: true });
  expect(await refusal(home.act.turn.children.continue(child.session, 'more'))).toBe('session.closed');
  expect(home.worker.alive).toEqual([]);
});

test('a child of another session looks like one that does not exist', async () => {
  const home = await family();
  await using world = home.world;
  const { child, digging } = await dig(home, home.act.turn);
  const { child: grandchild } = await dig(home, digging.turn);
  await send(world, 'other', 'hello');
  const other = await home.boss.next();

  for (const [{ children }, id] of [
    [other.turn, child.session],
    [other.turn, other.turn.session.id],
    [home.act.turn, 'no such session'],
    [home.act.turn, home.act.turn.session.id],
    [home.act.turn, grandchild.session],
    [home.act.turn, undefined as unknown as string],
  ] as const) {
    const answers = [
      await refusal(children.continue(id, 'mine')),
      await refusal(children.wait(id)),
      await refusal(children.cancel(id)),
      await refusal(children.close(id)),
    ];
    expect(answers).toEqual(Array.from(answers, () => 'child.not_found'));
  }
  expect(await other.turn.children.list()).toEqual([]);
  expect(digging.turn.signal.aborted).toBe(false);
});

test('the id of a child cannot be guessed', async () => {
  const home = await family();
  await using _ = home.world;

  const one = await home.act.turn.spawn('worker', 'dig');
  const two = await home.act.turn.spawn('worker', 'dig');

  const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
  expect([one.session, two.session].every((id) => uuid.test(id))).toBe(true);
  expect(one.session.slice(-12)).not.toBe(two.session.slice(-12));
});

test('starting the same child twice is starting it once', async () => {
  const home = await family();
  await using world = home.world;

  const [one, two] = await Promise.all([
    home.act.turn.spawn('worker', 'dig', { key: 'hole' }),
    home.act.turn.spawn('worker', 'dig', { key: 'hole' }),
  ]);
  const digging = await home.worker.next();
  const [three, four] = await Promise.all([
    home.act.turn.children.continue(one.session, 'deeper', { key: 'deeper' }),
    home.act.turn.children.continue(one.session, 'deeper', { key: 'deeper' }),
  ]);
  digging.end();
  (await home.worker.next()).end();

  expect([two.session, two.turn]).toEqual([one.session, one.turn]);
  expect(four.turn).toBe(three.turn);
  expect([await one.result(), await four.result()]).toMatchObject([{ isError: false }, { isError: false }]);
  expect(await bodies(world, 'boss', 'child.started')).toHaveLength(2);
  expect(await home.act.turn.children.list()).toHaveLength(1);
});

test('a child that slept is woken by whoever goes on with it', async () => {
  const home = await family();
  await using world = home.world;
  const { child, digging } = await dig(home, home.act.turn);
  await digging.say('A hole');
  digging.end();
  await child.result();
  await world.runtime.evict(keyOf(digging));

  const again = await home.act.turn.children.continue(child.session, 'deeper');
  const second = await home.worker.next();
  second.end();

  expect(second.instance.number).toBe(2);
  expect(second.remembers).toEqual(['user: dig', 'assistant: A hole']);
  expect((await again.result()).outcome).toBe('completed');
});

test('a parent lists its children, the newest first, with what each of them does and spent', async () => {
  const home = await family({ owner: 'ada' });
  await using world = home.world;
  const { child: first, digging } = await dig(home, home.act.turn, { title: 'First', budget: { usd: 5 } });
  const { digging: deeper } = await dig(home, digging.turn);
  await deeper.say({ kind: 'usage', usage: { inputTokens: 7 }, costUsd: 0.25 });
  deeper.end();
  await digging.say({ kind: 'usage', usage: { inputTokens: 1 }, costUsd: 0.5 });
  digging.end();
  await first.result();
  const { createdAt } = await world.runtime.session(keyOf(digging));
  await world.clock.advance(1_000);
  const { child: second } = await dig(home, home.act.turn, { title: 'Second' });

  const list = await home.act.turn.children.list();

  expect(list).toMatchObject([
    {
      session: second.session,
      title: 'Second',
      agent: 'worker',
      state: 'running',
      turn: second.turn,
      outcome: null,
    },
    { session: first.session, title: 'First', state: 'idle', turn: first.turn, outcome: 'completed' },
  ]);
  expect(list[1]).toMatchObject({ key: keyOf(digging), budget: { usd: 5 }, costUsd: 0.75, createdAt });
  expect(list.map(({ owner }) => owner)).toEqual(['ada', 'ada']);
  expect(list[1]?.usage.inputTokens).toBe(8);
});

test("a result says all there is to say, and is the caller's own copy", async () => {
  const home = await family();
  await using _ = home.world;
  const { child, digging } = await dig(home, home.act.turn);
  digging.end();

  const one = await child.result();
  one.usage.inputTokens = 99;
  const two = await child.result();

  expect(two).toEqual({
    outcome: 'completed',
    text: '',
    isError: false,
    usage: { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 },
    costUsd: 0,
    sessionCompleted: false,
    images: [],
  });
});

test('a turn that a child never had is not waited for', async () => {
  const home = await family();
  await using _ = home.world;
  const { child } = await dig(home, home.act.turn);
  const { children } = home.act.turn;

  for (const turn of ['never', home.turn, 7 as unknown as string])
    expect(await refusal(children.wait(child.session, { turn }))).toBe('turn.not_found');
  expect(await refusal(children.continue(child.session, 'dig', { key: 'k'.repeat(600) }))).toBe(
    'key.too_long',
  );
});

test('a turn that is over begins nothing with its children', async () => {
  const home = await family();
  await using world = home.world;
  const { child, digging } = await dig(home, home.act.turn);
  home.act.end();
  await outcome(world, 'boss', home.turn);

  const { children } = home.act.turn;
  for (const call of [
    children.spawn('worker', 'dig'),
    children.continue(child.session, 'dig'),
    children.wait(child.session),
    children.cancel(child.session),
    children.close(child.session),
    children.list(),
  ])
    expect(await thrown(call)).toMatchObject({ name: 'AbortError' });
  expect(digging.turn.signal.aborted).toBe(false);
});

test('a child is asked with words, or with something to look at', async () => {
  const home = await family();
  await using _ = home.world;

  expect(await refusal(home.act.turn.spawn('worker', ''))).toBe('input.invalid');
  expect(await refusal(home.act.turn.spawn('worker', '\ud800'))).toBe('input.invalid');
  expect(await refusal(home.act.turn.spawn('worker', []))).toBe('input.invalid');
  expect(await home.act.turn.children.list()).toEqual([]);
});

test('the scripted agent starts a child that it waits for, and one that it does not', async () => {
  await using world = await testRuntime();

  const waited = await say(world, 'a', '/spawn scripted hello there');
  const left = await say(world, 'a', '/spawn& scripted hello there');

  expect(waited.text).toBe('You said: hello there');
  expect(left.text).toMatch(/^Started [0-9a-f-]{36}\.$/);
});
