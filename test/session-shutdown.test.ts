// Shutting down: no new work, time for what runs, nothing lost, everything freed.
//
// Shown here, by what a user sees (A: traps of session routing; A.4, E.9: shutting down; F: edge values):
//   A-22  'a shutdown lets running turns end, frees every agent, and tells its hooks'
//   A-22  'new messages are refused while it drains, with a code that says to come back'
//   A-22  'shutting down twice is shutting down once'
//   A-22  'turns that outlast the grace go on after the start, or say that they were interrupted'
//   A-22  'what waited at the shutdown runs after the start'
//   F     'an agent whose opening ends after the shutdown is closed'
import { expect, test } from 'vitest';
import type { Evicted } from '../src/runtime/hooks.ts';
import { testRuntime } from '../src/testing/test-runtime.ts';
import { bodies, gate, outcome, refusal, say, seen, send, Stage } from './session-stage.ts';

test('a shutdown lets running turns end, frees every agent, and tells its hooks', async () => {
  const evicted: Evicted[] = [];
  const stage = new Stage();
  await using world = await testRuntime({
    agents: { stage },
    hooks: { onSessionEvict: (one) => void evicted.push(one) },
  });
  await send(world, 'idle', 'hello');
  (await stage.next()).end();
  await world.runtime.waitForIdle('idle');
  const { turn } = await send(world, 'busy', 'hello');
  const act = await stage.next();

  const over = world.runtime.shutdown(60_000);
  const health = world.runtime.health;
  await act.say('just a moment');
  act.end();
  await over;

  expect(health).toBe('draining');
  expect(stage.opened.map(({ closed }) => closed)).toEqual(['shutdown', 'shutdown']);
  expect(evicted.map(({ key, reason }) => `${key} ${reason}`).toSorted()).toEqual([
    'busy shutdown',
    'idle shutdown',
  ]);
  await world.start();
  expect(await outcome(world, 'busy', turn)).toMatchObject({ outcome: 'completed', text: 'just a moment' });
});

test('new messages are refused while it drains, with a code that says to come back', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  await send(world, 'chat', 'hello');
  const act = await stage.next();

  const over = world.runtime.shutdown(60_000);
  const refused = [
    await refusal(send(world, 'chat', 'one more')),
    await refusal(send(world, 'new', 'hello')),
    await refusal(world.runtime.open('new')),
    await refusal(world.runtime.fork('chat', { key: 'fork' })),
  ];
  act.end();
  await over;
  await world.start();

  expect(refused).toEqual(Array.from({ length: 4 }, () => 'runtime.draining'));
  expect((await world.runtime.sessions()).sessions.map(({ key }) => key)).toEqual(['chat']);
  expect(await bodies(world, 'chat', 'turn.accepted')).toHaveLength(1);
});

test('shutting down twice is shutting down once', async () => {
  const evicted: Evicted[] = [];
  await using world = await testRuntime({ hooks: { onSessionEvict: (one) => void evicted.push(one) } });
  await say(world, 'chat', 'hello');

  const both = [world.runtime.shutdown(0), world.runtime.shutdown(60_000)];
  await Promise.all(both);
  await world.runtime.shutdown();

  expect(evicted).toHaveLength(1);
  expect(await refusal(send(world, 'chat', 'hello'))).toBe('runtime.draining');
});

test('an idle runtime shuts down at once, whatever the grace', async () => {
  await using world = await testRuntime();
  await world.runtime.open('chat');

  await world.runtime.shutdown(3_600_000);

  expect(world.clock.pending).toBe(0);
});

test('turns that outlast the grace go on after the start, or say that they were interrupted', async () => {
  const safe = new Stage({ rerun: 'safe' });
  const never = new Stage();
  await using world = await testRuntime({ agents: { safe, never } });
  const a = await send(world, 'safe', { input: 'hello', agent: 'safe' });
  const first = await safe.next();
  const b = await send(world, 'never', { input: 'hello', agent: 'never' });
  const only = await never.next();
  await only.say('I had just');

  await world.restart({ graceMs: 5_000 });
  const again = await safe.next();
  again.end();

  expect([first.turn.signal.aborted, only.turn.signal.aborted]).toEqual([true, true]);
  expect([again.turn.id, again.turn.attempt]).toEqual([a.turn, 2]);
  expect((await outcome(world, 'safe', a.turn)).outcome).toBe('completed');
  expect(await outcome(world, 'never', b.turn)).toMatchObject({ outcome: 'interrupted', text: 'I had just' });
});

test('an agent that hears no signal does not keep the runtime from shutting down', async () => {
  const stage = new Stage({ deaf: true });
  await using world = await testRuntime({ agents: { stage }, limits: { cancelMsMax: 5_000 } });
  const { turn } = await send(world, 'chat', 'hello');
  const act = await stage.next();

  const over = world.runtime.shutdown(1_000);
  await world.clock.advance(1_000);
  await world.clock.advance(5_000);
  await over;
  await world.start();

  expect(act.instance.closed).toBe('deadline');
  expect((await outcome(world, 'chat', turn)).outcome).toBe('interrupted');
});

test('what waited at the shutdown runs after the start', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  const first = await send(world, 'chat', 'first');
  const waiting = [await send(world, 'chat', 'a'), await send(world, 'chat', 'b')];
  const act = await stage.next();

  const over = world.runtime.shutdown(60_000);
  act.end();
  await over;
  await world.start();
  const acts = [await stage.next()];
  acts[0]?.end();
  acts.push(await stage.next());
  acts[1]?.end();

  expect(acts.map(({ turn }) => turn.id)).toEqual(waiting.map(({ turn }) => turn));
  expect((await outcome(world, 'chat', first.turn)).outcome).toBe('completed');
});

test('callers that wait when the runtime shuts down are told, and not left waiting', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  await send(world, 'chat', 'first');
  const act = await stage.next();
  const waiting = await send(world, 'chat', 'second');
  const idle = refusal(world.runtime.waitForIdle('chat'));
  const finished = world.runtime.finished('chat', waiting.turn, { waitMs: 3_600_000 });

  const over = world.runtime.shutdown(60_000);
  act.end();
  await over;

  expect(await idle).toBe('runtime.draining');
  expect(await finished).toBeNull();
});

test('a question that waits for a person at the shutdown is answered after the start', async () => {
  await using world = await testRuntime();
  const { turn } = await send(world, 'chat', '/ask sure?');
  await seen(world, 'chat', 'request.opened');

  await world.restart();
  const [request] = await world.runtime.requests();
  await world.runtime.answer('chat', request?.id ?? '', { decision: 'allow', answer: 'quite' });

  expect(request).toMatchObject({ key: 'chat', turn, text: 'sure?' });
  expect(await outcome(world, 'chat', turn)).toMatchObject({
    outcome: 'completed',
    text: 'quite',
    attempt: 2,
  });
});

test('an agent whose opening ends after the shutdown is closed', async () => {
  const open = gate();
  const opening = gate();
  const closed = gate();
  const stage = new Stage({
    opening() {
      opening.open();
      return open.opened;
    },
    closing: () => closed.open(),
  });
  await using world = await testRuntime({ agents: { stage }, limits: { closeMsMax: 1_000 } });
  const { turn } = await send(world, 'chat', 'hello');
  await opening.opened;

  const over = world.runtime.shutdown(0);
  await world.clock.advance(1_000);
  await over;
  open.open();
  await closed.opened;
  await world.start();

  expect(stage.opened[0]?.closed).toBe('shutdown');
  const act = await stage.next();
  act.end();
  expect(act.turn.id).toBe(turn);
  expect((await outcome(world, 'chat', turn)).outcome).toBe('completed');
});
