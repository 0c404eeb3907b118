// Idle and busy: what a host asks before it starts background work, or waits for.
//
// Shown here, by what a user sees (A: traps of session routing; A.2 to A.4: its checklists and tests):
//   A-13  'a person's turn counts from its receipt on: while the agent opens, waits in line, or waits for a person'
//   A-13  'a person's turn counts when its session was put away before, closed behind it, or crashed'
//   A-14  'what a turn is for is said with it: no key makes it look like something else'
//   A-28  'asking whether anything runs changes nothing'
//   A.3   'waiting until a session is idle ends when all of it is over, and not before'
//   A.3   'a wait that is given up leaves the turn alone'
import { expect, test } from 'vitest';
import { hostCaller } from '../src/runtime/access.ts';
import { testRuntime } from '../src/testing/test-runtime.ts';
import { gate, outcome, refusal, say, seen, send, Stage } from './session-stage.ts';

test('waiting until a session is idle ends when all of it is over, and not before', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  const first = await send(world, 'chat', 'first');
  const waiting = await send(world, 'chat', 'waiting');
  let isIdle = false;

  const idle = world.runtime.waitForIdle('chat').then(() => (isIdle = true));
  (await stage.next()).end();
  await outcome(world, 'chat', first.turn);
  const next = await stage.next();
  const between = isIdle;
  next.end();
  await idle;

  expect(between).toBe(false);
  expect(await world.runtime.session('chat')).toMatchObject({ state: 'idle', queued: 0 });
  expect((await outcome(world, 'chat', waiting.turn)).outcome).toBe('completed');
});

test('waiting for one turn is not ended by another', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  await send(world, 'chat', 'first');
  const second = await send(world, 'chat', 'second');
  let ended: string | undefined;

  const waiting = outcome(world, 'chat', second.turn).then((view) => (ended = view.id));
  (await stage.next()).end();
  const act = await stage.next();
  const between = ended;
  act.end();
  await waiting;

  expect([between, ended]).toEqual([undefined, second.turn]);
});

test('a wait that is given up leaves the turn alone', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  await send(world, 'chat', 'hello');
  const act = await stage.next();
  const patience = new AbortController();

  const given = world.runtime.waitForIdle('chat', { signal: patience.signal });
  const early = world.runtime.waitForIdle('chat', { signal: AbortSignal.abort() });
  patience.abort();

  await expect(given).rejects.toMatchObject({ name: 'AbortError' });
  await expect(early).rejects.toMatchObject({ name: 'AbortError' });
  expect(await world.runtime.hasActiveTurn('chat')).toBe(true);
  expect(act.turn.signal.aborted).toBe(false);
});

test('an idle session is waited for in no time, and an unknown one not at all', async () => {
  await using world = await testRuntime();
  await world.runtime.open('chat');

  await world.runtime.waitForIdle('chat');

  expect(await world.runtime.hasActiveTurn('chat')).toBe(false);
  expect(await refusal(world.runtime.waitForIdle('nobody'))).toBe('session.not_found');
  expect(await refusal(world.runtime.hasActiveTurn('nobody'))).toBe('session.not_found');
});

test("a person's turn counts from its receipt on: while the agent opens, waits in line, or waits for a person", async () => {
  const open = gate();
  const stage = new Stage({ rerun: 'safe', opening: () => open.opened });
  await using world = await testRuntime({ agents: { stage } });
  const active = () => world.runtime.hasActiveUserTurn('default');
  const states = [active()];

  const { turn } = await send(world, 'chat', 'hello');
  states.push(active());
  open.open();
  const act = await stage.next();
  states.push(active());
  act.turn.ask('sure', { kind: 'question', text: 'Sure?' }).catch(() => act.end());
  await seen(world, 'chat', 'request.opened');
  await act.left;
  states.push(active());
  await world.runtime.cancelTurn('chat', turn);
  states.push(active());
  await send(world, 'job', { input: 'tick', kind: 'schedule' });
  await stage.next();
  await send(world, 'job', 'a person waits behind the clock');
  states.push(active());

  expect(states).toEqual([false, true, true, true, false, true]);
});

test("a person's turn counts when its session was put away before, closed behind it, or crashed", async () => {
  const stage = new Stage({ rerun: 'safe', deaf: true });
  await using world = await testRuntime({ agents: { stage } });
  const active = () => world.runtime.hasActiveUserTurn('default');
  const begun = await send(world, 'chat', 'hello');
  (await stage.next()).end();
  await outcome(world, 'chat', begun.turn);
  await world.runtime.evict('chat');
  const states = [active()];

  await send(world, 'chat', 'again');
  await stage.next();
  states.push(active());
  await world.crash();
  states.push(active());
  const act = await stage.next();
  const closing = world.runtime.close('chat');
  await world.clock.advance(0);
  states.push(active());
  act.end();
  await closing;
  states.push(active());

  expect(states).toEqual([false, true, true, true, false]);
});

test('what a turn is for is said with it: no key makes it look like something else', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  const active = () => world.runtime.hasActiveUserTurn('default');

  await send(world, 'chat', { input: 'tick', kind: 'schedule' });
  await send(world, 'web', { input: 'tock', kind: 'always_on' });
  const acts = [await stage.next(), await stage.next()];
  const background = active();
  await send(world, 'cron:nightly', 'I am a person');
  acts.push(await stage.next());
  const person = active();

  expect(acts.map(({ turn }) => turn.kind)).toEqual(['schedule', 'always_on', 'user']);
  expect([background, person]).toEqual([false, true]);
  expect(await refusal(send(world, 'chat', { input: 'x', kind: 'cron' as 'user' }))).toBe('input.invalid');
});

test("another project's people are not ours", async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  await world.runtime.addProject('other');

  await world.runtime.send('chat', { input: 'hello' }, {}, hostCaller('other'));
  await stage.next();

  expect(['other', 'default', 'othe', ''].map((name) => world.runtime.hasActiveUserTurn(name))).toEqual([
    true,
    false,
    false,
    false,
  ]);
});

test('asking whether anything runs changes nothing', async () => {
  await using world = await testRuntime({ limits: { idleMsMax: 1_000, sweepMs: 0 } });
  await say(world, 'chat', 'hello');
  await world.clock.advance(1_001);
  const { headSeq } = await world.runtime.session('chat');

  await world.runtime.hasActiveTurn('chat');
  world.runtime.hasActiveUserTurn('default');
  await world.runtime.waitForIdle('chat');
  world.runtime.stats();

  expect((await world.runtime.session('chat')).headSeq).toBe(headSeq);
  expect(world.runtime.stats().evictions).toMatchObject({ idle: 0 });
});

test('what is shown of a session is a copy', async () => {
  await using world = await testRuntime();
  const view = await say(world, 'chat', 'hello');
  const session = await world.runtime.session('chat');
  const said = await world.runtime.transcript('chat');

  Object.assign(session, { title: 'stolen', state: 'closed' });
  Object.assign(view, { outcome: 'failed' });
  for (const message of said) Object.assign(message, { role: 'system', parts: [] });
  Object.assign(world.runtime.stats().evictions, { idle: 99 });
  Object.assign(world.runtime.agents()[0]?.capabilities ?? {}, { rerun: 'never' });

  expect(await world.runtime.session('chat')).toMatchObject({ title: null, state: 'idle' });
  expect((await world.runtime.turn('chat', view.id)).outcome).toBe('completed');
  expect((await world.runtime.transcript('chat')).map(({ role }) => role)).toEqual(['user', 'assistant']);
  expect(world.runtime.stats().evictions).toMatchObject({ idle: 0 });
  expect(world.runtime.agents()).toMatchObject([{ name: 'scripted', capabilities: { rerun: 'safe' } }]);
});
