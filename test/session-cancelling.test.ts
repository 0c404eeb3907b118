// Cancelling: stop means stop, and when it says so the turn has unwound.
//
// Shown here, by what a user sees (A: traps of session routing; A.3: its tests; F: edge values):
//   A-8   'a message is cancelled while its agent is still being opened, and never runs'
//   A-8   'cancelling names the turn it means: another one goes on'
//   A-8   'a cancel resolves after the agent has cleaned up, and a new message is not refused as busy'
//   A-8   'an agent that throws at its signal ends its turn like any other'
//   A-12  'an agent that hears no signal is given up after a while, and the next turn runs on a new one'
//   A-12  'a turn that takes too long ends expired, and its agent is given up when it does not stop'
//   A.3   'a reader that leaves stops nothing'
//   F     'cancelling before the start, twice, after the end, or by a name nobody has'
import { describe, expect, test } from 'vitest';
import { testRuntime } from '../src/testing/test-runtime.ts';
import { bodies, events, gate, kinds, outcome, refusal, seen, send, Stage } from './session-stage.ts';

const running = async (options: ConstructorParameters<typeof Stage>[0] = {}, limits = {}) => {
  const stage = new Stage(options);
  const world = await testRuntime({ agents: { stage }, limits });
  const { turn } = await send(world, 'chat', 'hello');
  const act = await stage.next();
  return { stage, world, turn, act };
};

test('a cancel stops the turn, and what it had said is kept', async () => {
  const { world, turn, act } = await running();
  await using _ = world;
  await act.say('As I was sa');

  const result = await world.runtime.cancelTurn('chat', turn, 'changed my mind');

  expect(result).toEqual({ outcome: 'cancelled', changed: true });
  expect(act.turn.signal.aborted).toBe(true);
  expect((act.turn.signal.reason as Error).name).toBe('AbortError');
  expect(await outcome(world, 'chat', turn)).toMatchObject({
    state: 'done',
    outcome: 'cancelled',
    text: 'As I was sa',
    error: { code: 'turn.cancelled', message: 'changed my mind' },
  });
});

test('a cancel resolves after the agent has cleaned up, and a new message is not refused as busy', async () => {
  const { stage, world, turn, act } = await running({ deaf: true });
  await using _ = world;
  let isOver = false;

  const cancelled = world.runtime.cancelTurn('chat', turn).then(() => (isOver = true));
  await world.clock.advance(0);
  const before = isOver;
  act.end(); // It has cleaned up.
  await cancelled;
  const next = await send(world, 'chat', { input: 'again', policy: 'reject' });

  expect(before).toBe(false);
  expect(next.disposition).toBe('started');
  expect((await stage.next()).instance).toBe(act.instance);
});

test('cancelling and sending again, a hundred times over, is never refused as busy', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  const dispositions = new Set<string>();

  for (let round = 0; round < 100; round += 1) {
    const { turn, disposition } = await send(world, 'chat', { input: `${round}`, policy: 'reject' });
    dispositions.add(disposition);
    await world.runtime.cancelTurn('chat', turn);
  }

  expect([...dispositions]).toEqual(['started']);
  expect(stage.alive.length).toBeLessThanOrEqual(1); // Those that came too late were closed.
});

test('a message is cancelled while its agent is still being opened, and never runs', async () => {
  const open = gate();
  const stage = new Stage({ opening: () => open.opened });
  await using world = await testRuntime({ agents: { stage } });
  const { turn } = await send(world, 'chat', 'hello');

  const result = await world.runtime.cancelTurn('chat', turn);
  open.open();
  const next = await send(world, 'chat', 'next');

  expect(result).toEqual({ outcome: 'cancelled', changed: true });
  expect((await stage.next()).turn.id).toBe(next.turn);
  expect(await kinds(world, 'chat')).not.toContain('text.delta');
  expect((await outcome(world, 'chat', turn)).startedAt).toBeNull();
});

test('cancelling names the turn it means: another one goes on', async () => {
  const { stage, world, turn, act } = await running();
  await using _ = world;
  const waiting = await send(world, 'chat', 'waiting');
  const last = await send(world, 'chat', 'last');

  const result = await world.runtime.cancelTurn('chat', waiting.turn);
  act.end();
  const next = await stage.next();

  expect(result).toEqual({ outcome: 'cancelled', changed: true });
  expect(act.turn.signal.aborted).toBe(false);
  expect(next.turn.id).toBe(last.turn);
  expect((await outcome(world, 'chat', turn)).outcome).toBe('completed');
});

test('cancelling a session stops what runs and all that waits, and nothing of it starts', async () => {
  const { stage, world, turn } = await running();
  await using _ = world;
  const waiting = [await send(world, 'chat', 'a'), await send(world, 'chat', 'b')].map((one) => one.turn);

  const { cancelled } = await world.runtime.cancel('chat');
  const next = await send(world, 'chat', { input: 'next', policy: 'reject' });

  expect(cancelled).toEqual([turn, ...waiting]);
  expect((await stage.next()).turn.id).toBe(next.turn);
  const started = (await events(world, 'chat')).filter(({ kind }) => kind === 'turn.started');
  expect(started.map((event) => event.turn)).toEqual([turn, next.turn]);
});

test('an agent that throws at its signal ends its turn like any other', async () => {
  const { world, turn, act } = await running({ deaf: true });
  await using _ = world;

  const cancelled = world.runtime.cancelTurn('chat', turn);
  act.fail(new Error('I was in the middle of something'));

  expect(await cancelled).toEqual({ outcome: 'cancelled', changed: true });
  expect((await outcome(world, 'chat', turn)).error?.code).toBe('turn.cancelled');
});

test('an agent that fails ends its turn as failed, and answers the next message', async () => {
  const { stage, world, turn, act } = await running();
  await using _ = world;

  act.fail(new Error('division by zero'));
  const failed = await outcome(world, 'chat', turn);
  await send(world, 'chat', 'next');
  const next = await stage.next();

  expect(failed).toMatchObject({
    outcome: 'failed',
    error: { code: 'agent.failed', message: 'division by zero' },
  });
  expect(next.instance).toBe(act.instance);
});

test('an agent that hears no signal is given up after a while, and the next turn runs on a new one', async () => {
  const { stage, world, turn, act } = await running({ deaf: true }, { cancelMsMax: 5_000 });
  await using _ = world;
  await act.say('la la la');

  const cancelled = world.runtime.cancelTurn('chat', turn);
  await world.clock.advance(4_999);
  const before = act.instance.closed;
  await world.clock.advance(1);
  const result = await cancelled;
  const next = await send(world, 'chat', { input: 'anybody?', policy: 'reject' });
  const second = await stage.next();
  act.utter('I am still singing'); // Nobody listens to it any more.
  second.end();
  await outcome(world, 'chat', next.turn);

  expect(before).toBeUndefined();
  expect(result).toEqual({ outcome: 'cancelled', changed: true });
  expect(act.instance.closed).toBe('deadline');
  expect(second.instance.number).toBe(2);
  const said = await bodies(world, 'chat', 'text.delta');
  expect(said.map(({ text }) => text)).toEqual(['la la la']);
});

test('a turn that takes too long ends expired, and its agent is given up when it does not stop', async () => {
  const { stage, world, turn, act } = await running({ deaf: true }, { turnMs: 60_000, cancelMsMax: 5_000 });
  await using _ = world;

  await world.clock.advance(59_999);
  const before = act.turn.signal.aborted;
  await world.clock.advance(1);
  const after = act.turn.signal.aborted;
  await world.clock.advance(5_000);
  const view = await outcome(world, 'chat', turn);
  await send(world, 'chat', 'next');

  expect([before, after]).toEqual([false, true]);
  expect(view).toMatchObject({ outcome: 'expired', error: { code: 'turn.expired' } });
  expect((await stage.next()).instance.number).toBe(2);
});

test('a turn ends within the time its message named, and one that stops in time keeps its agent', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  const { turn } = await send(world, 'chat', { input: 'quick', deadlineMs: 1_000 });
  const act = await stage.next();
  const left = act.turn.leftMs();

  await world.clock.advance(1_000);
  const view = await outcome(world, 'chat', turn);
  await send(world, 'chat', 'next');

  expect(left).toBe(1_000);
  expect(view.outcome).toBe('expired');
  expect((await stage.next()).instance).toBe(act.instance);
});

describe('the time a message names', () => {
  test('must be one that can be kept', async () => {
    await using world = await testRuntime({ limits: { turnMsMax: 10_000 } });

    for (const deadlineMs of [0, -1, Number.NaN, Infinity, 10_001]) {
      expect(await refusal(send(world, 'chat', { input: 'hello', deadlineMs }))).toBe('input.invalid');
    }
    expect(await refusal(send(world, 'chat', { input: 'hello', deadlineMs: 10_000 }))).toBe('nothing');
  });
});

test('what a turn ran before it asked a person counts to its time, and the waiting does not', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  const { turn } = await send(world, 'chat', { input: 'hello', deadlineMs: 1_000 });
  const act = await stage.next();
  await world.clock.advance(600);
  const answered = act.turn.ask('sure', { kind: 'question', text: 'Sure?' });
  const { request } = (await seen(world, 'chat', 'request.opened')).body;
  await world.clock.advance(60_000);

  await world.runtime.answer('chat', request, { decision: 'allow', answer: 'yes' });
  await answered;
  const left = act.turn.leftMs();
  await world.clock.advance(399);
  const before = act.turn.signal.aborted;
  await world.clock.advance(1);

  expect([left, before]).toEqual([400, false]);
  expect((await outcome(world, 'chat', turn)).outcome).toBe('expired');
});

test('a tool call that nobody answered is sealed as unknown when the turn is cancelled', async () => {
  const { world, turn, act } = await running();
  await using _ = world;
  await act.say({ kind: 'tool.called', call: 'c1', name: 'pay', input: { usd: 5 } });

  await world.runtime.cancelTurn('chat', turn);

  expect(await bodies(world, 'chat', 'tool.returned')).toEqual([
    { call: 'c1', isError: true, unknown: true },
  ]);
  const said = await world.runtime.transcript('chat');
  expect(said.at(-1)).toMatchObject({
    role: 'tool',
    parts: [{ type: 'tool-result', call: 'c1', name: 'pay', output: 'unknown', isError: true }],
  });
});

test('a result that comes with the signal is kept, and nothing else that is said after it', async () => {
  const { world, turn, act } = await running({ deaf: true });
  await using _ = world;
  await act.say({ kind: 'tool.called', call: 'c1', name: 'pay', input: { usd: 5 } });

  const cancelled = world.runtime.cancelTurn('chat', turn);
  act.utter({ kind: 'tool.returned', call: 'c1', output: 'paid' });
  act.utter('And another thing');
  await cancelled;

  expect(await bodies(world, 'chat', 'tool.returned')).toEqual([
    { call: 'c1', isError: false, output: 'paid' },
  ]);
  expect(await bodies(world, 'chat', 'text.delta')).toEqual([]);
});

test('a word that comes after the stop is not kept, and the agent that says it ends there', async () => {
  const { world, turn, act } = await running({ deaf: true });
  await using _ = world;
  await act.say('one');

  const cancelled = world.runtime.cancelTurn('chat', turn);
  act.utter('two');
  await cancelled;
  await act.left; // What it has to clean up it cleans up.

  expect((await outcome(world, 'chat', turn)).text).toBe('one');
  expect((await bodies(world, 'chat', 'text.delta')).map(({ text }) => text)).toEqual(['one']);
});

test('cancelling before the start, twice, after the end, or by a name nobody has', async () => {
  const { stage, world, turn, act } = await running({ deaf: true });
  await using _ = world;
  const waiting = await send(world, 'chat', 'waiting');

  const early = await world.runtime.cancelTurn('chat', waiting.turn);
  const twice = [world.runtime.cancelTurn('chat', turn), world.runtime.cancelTurn('chat', turn)];
  act.end();
  const answers = await Promise.all(twice);
  const late = await world.runtime.cancelTurn('chat', turn);
  const nobody = await refusal(world.runtime.cancelTurn('chat', 'nobody'));
  const nowhere = await refusal(world.runtime.cancelTurn('elsewhere', turn));

  expect(early).toEqual({ outcome: 'cancelled', changed: true });
  expect(answers).toEqual([
    { outcome: 'cancelled', changed: true },
    { outcome: 'cancelled', changed: false },
  ]);
  expect(late).toEqual({ outcome: 'cancelled', changed: false });
  expect([nobody, nowhere]).toEqual(['turn.not_found', 'session.not_found']);
  expect((await bodies(world, 'chat', 'turn.ended')).map((end) => end.outcome)).toEqual([
    'cancelled',
    'cancelled',
  ]);
  expect(stage.opened).toHaveLength(1);
});

test('cancelling in a session that does nothing cancels nothing', async () => {
  await using world = await testRuntime();
  await world.runtime.open('chat');

  expect(await world.runtime.cancel('chat')).toEqual({ cancelled: [] });
  expect(await refusal(world.runtime.cancel('nobody'))).toBe('session.not_found');
});

test('a reader that leaves stops nothing', async () => {
  const { world, turn, act } = await running();
  await using _ = world;
  const tail = await world.runtime.tail('chat', { turn });

  await act.say('half');
  await tail.next();
  tail.close();
  const later = await tail.next();
  await act.say(' and half');
  act.end();

  expect(later).toEqual([]);
  expect(await outcome(world, 'chat', turn)).toMatchObject({ outcome: 'completed', text: 'half and half' });
  expect(world.runtime.stats().tails).toBe(0);
});

test('a caller that stops waiting for a turn does not stop it', async () => {
  const { world, turn, act } = await running();
  await using _ = world;
  const patience = new AbortController();

  const left = world.runtime.finished('chat', turn, { waitMs: 60_000, signal: patience.signal });
  patience.abort();
  const short = world.runtime.finished('chat', turn, { waitMs: 1_000 });
  await world.clock.advance(1_000);

  expect([await left, await short]).toEqual([null, null]);
  expect(act.turn.signal.aborted).toBe(false);
  act.end();
  expect((await outcome(world, 'chat', turn)).outcome).toBe('completed');
});

test('a turn has ended in the log before anybody is told that it has', async () => {
  const { world, turn, act } = await running();
  await using _ = world;
  const waiting = outcome(world, 'chat', turn);

  act.end();
  await waiting;
  const ended = await seen(world, 'chat', 'turn.ended');

  expect(ended.turn).toBe(turn);
  expect(await world.runtime.session('chat')).toMatchObject({ state: 'idle', turn: null, queued: 0 });
});
