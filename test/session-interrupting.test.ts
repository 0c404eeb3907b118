// Interrupting: the policies that touch the running turn: `interrupt`, `rollback` and `steer`. Their crashes are in
// session-policies-crash.test.ts.
import { describe, expect, test } from 'vitest';
import { testRuntime } from '../src/testing/test-runtime.ts';
import { textOf } from '../src/wire/message.ts';
import { bodies, events, gate, outcome, refusal, send, spoken, Stage } from './session-stage.ts';

const busy = async (options: ConstructorParameters<typeof Stage>[0] = {}) => {
  const stage = new Stage(options);
  const world = await testRuntime({ agents: { stage } });
  const receipt = await send(world, 'chat', 'first');
  const first = await stage.next();
  return { stage, world, first, receipt };
};

describe('interrupt', () => {
  test('interrupt: the running turn stops, what it said is kept, and the message runs before those that wait', async () => {
    const { stage, world, first, receipt } = await busy();
    await using _ = world;
    await first.say('I was just');
    const waiting = await send(world, 'chat', 'patient');

    const urgent = await send(world, 'chat', { input: 'urgent', policy: 'interrupt' });
    const second = await stage.next();
    second.end();
    const third = await stage.next();
    third.end();
    const stopped = await outcome(world, 'chat', receipt.turn);
    await outcome(world, 'chat', waiting.turn);

    expect(urgent).toMatchObject({ disposition: 'queued', position: 1, stopped: receipt.turn });
    expect([second.heard, third.heard]).toEqual([['urgent'], ['patient']]);
    expect([stopped.outcome, stopped.text]).toEqual(['cancelled', 'I was just']);
    expect(second.remembers).toEqual(['user: first', 'assistant: I was just']);
    const said = await world.runtime.transcript('chat');
    expect(said.find((message) => message.role === 'assistant')).toMatchObject({ partial: true });
  });

  test('interrupt: two at once stop the turn once, and the later one runs first', async () => {
    const { stage, world, receipt } = await busy();
    await using _ = world;

    const [one, two] = await Promise.all([
      send(world, 'chat', { input: 'one', policy: 'interrupt' }),
      send(world, 'chat', { input: 'two', policy: 'interrupt' }),
    ]);
    const acts = [await stage.next()];
    acts[0]?.end();
    acts.push(await stage.next());
    acts[1]?.end();

    expect([one.stopped, two.stopped]).toEqual([receipt.turn, undefined]);
    expect(acts.map(({ heard }) => heard)).toEqual([['two'], ['one']]);
    expect((await outcome(world, 'chat', receipt.turn)).outcome).toBe('cancelled');
  });

  test('interrupt: a turn that still waits for its agent is stopped before it began', async () => {
    const open = gate();
    const stage = new Stage({ opening: () => open.opened });
    await using world = await testRuntime({ agents: { stage } });
    const first = await send(world, 'chat', 'first');

    const second = await send(world, 'chat', { input: 'second', policy: 'interrupt' });
    const stopped = await outcome(world, 'chat', first.turn);
    open.open();
    const act = await stage.next();
    act.end();

    expect(second.stopped).toBe(first.turn);
    expect(stopped).toMatchObject({ outcome: 'cancelled', startedAt: null });
    expect(act.heard).toEqual(['second']);
  });
});

describe('rollback', () => {
  test('rollback: the running turn stops and is forgotten, but for the log', async () => {
    const { stage, world, first, receipt } = await busy();
    await using _ = world;
    await first.say('Nonsense');

    const better = await send(world, 'chat', { input: 'better', policy: 'rollback' });
    const second = await stage.next();
    await second.say('Sense');
    second.end();
    await outcome(world, 'chat', better.turn);

    expect(better).toMatchObject({ disposition: 'queued', position: 1, stopped: receipt.turn });
    expect(second.remembers).toEqual([]);
    expect(await bodies(world, 'chat', 'turn.dropped')).toEqual([{ turn: receipt.turn }]);
    expect((await outcome(world, 'chat', receipt.turn)).outcome).toBe('cancelled');
    const said = await world.runtime.transcript('chat');
    expect(said.map(({ dropped = false, parts }) => [dropped, textOf(parts)])).toEqual([
      [true, 'first'],
      [true, 'Nonsense'],
      [false, 'better'],
      [false, 'Sense'],
    ]);
  });

  test('rollback: a turn that is interrupted already can still be taken back, once', async () => {
    const { stage, world, first, receipt } = await busy({ deaf: true });
    await using _ = world;
    await first.say('Nonsense');
    const urgent = await send(world, 'chat', { input: 'urgent', policy: 'interrupt' });

    const back = await send(world, 'chat', { input: 'take it back', policy: 'rollback' });
    const again = await send(world, 'chat', { input: 'really', policy: 'rollback' });
    first.end();
    const next = await stage.next();

    expect([urgent, back, again].map(({ stopped }) => stopped)).toEqual([
      receipt.turn,
      receipt.turn,
      undefined,
    ]);
    expect(await bodies(world, 'chat', 'turn.dropped')).toEqual([{ turn: receipt.turn }]);
    expect([next.heard, next.remembers]).toEqual([['really'], []]);
  });

  test('rollback: what was dropped is in no fork, and no later turn counts it', async () => {
    await using world = await testRuntime();
    const turn = async (key: string, input: string) =>
      (await outcome(world, key, (await send(world, key, input)).turn)).text;
    await turn('chat', 'kept');
    const asked = await send(world, 'chat', '/ask sure?');
    const again = await send(world, 'chat', { input: '/count', policy: 'rollback' });
    const counted = await outcome(world, 'chat', again.turn);

    await world.runtime.fork('chat', { key: 'fork' });

    expect(again.stopped).toBe(asked.turn);
    expect(counted.text).toBe('2');
    expect(await turn('chat', '/recall 2')).toBe('/count');
    expect(spoken(await world.runtime.transcript('fork'))).toEqual([
      'user: kept',
      'assistant: You said: kept',
      'user: /count',
      'assistant: 2',
    ]);
  });

  test('rollback: an agent that cannot forget says so, and goes on', async () => {
    const { world, first, receipt } = await busy({ rewinds: false });
    await using _ = world;
    const head = (await world.runtime.session('chat')).headSeq;

    const refused = await refusal(send(world, 'chat', { input: 'better', policy: 'rollback' }));

    expect(refused).toBe('agent.cannot_rewind');
    expect((await world.runtime.session('chat')).headSeq).toBe(head);
    expect(first.turn.signal.aborted).toBe(false);
    first.end();
    expect((await outcome(world, 'chat', receipt.turn)).outcome).toBe('completed');
  });
});

describe('steer', () => {
  test('steer: the running turn takes the message at its next step, and the transcript shows where', async () => {
    const { world, first, receipt } = await busy();
    await using _ = world;
    await first.say({ kind: 'message', role: 'assistant', parts: [{ type: 'text', text: 'Looking.' }] });

    const steered = await send(world, 'chat', { input: 'look left', policy: 'steer' });
    const taken = first.turn.inbox.take();
    await first.say('Left it is.');
    first.end();
    const view = await outcome(world, 'chat', receipt.turn);

    expect(steered).toMatchObject({ disposition: 'steered', turn: receipt.turn });
    expect(taken.map(({ parts }) => textOf(parts))).toEqual(['look left']);
    expect(first.turn.inbox.take()).toEqual([]);
    expect(spoken(await world.runtime.transcript('chat'))).toEqual([
      'user: first',
      'assistant: Looking.',
      'user: look left',
      'assistant: Left it is.',
    ]);
    expect(view.input.map(({ parts }) => textOf(parts))).toEqual(['first', 'look left']);
  });

  test('steer: what the turn did not take becomes the next turn, before those that wait', async () => {
    const { stage, world, first, receipt } = await busy();
    await using _ = world;
    await send(world, 'chat', 'patient');
    await send(world, 'chat', { input: 'left', policy: 'steer' });
    await send(world, 'chat', { input: 'right', policy: 'steer' });

    first.end();
    const second = await stage.next();
    second.end();
    const third = await stage.next();
    third.end();
    await outcome(world, 'chat', third.turn.id);

    expect([second.heard, third.heard]).toEqual([['left', 'right'], ['patient']]);
    const requeued = await bodies(world, 'chat', 'turn.requeued');
    expect(requeued.map(({ turn }) => turn)).toEqual([second.turn.id, second.turn.id]);
    const all = await events(world, 'chat');
    const ended = all.find((event) => event.kind === 'turn.ended' && event.turn === receipt.turn);
    const requeuing = all.find((event) => event.kind === 'turn.requeued');
    expect(requeuing?.seq).toBeLessThan(ended?.seq ?? 0);
  });

  test('steer: an agent that does not look waits with it in the queue', async () => {
    const { world } = await busy({ steers: false });
    await using _ = world;

    const receipt = await send(world, 'chat', { input: 'left', policy: 'steer' });

    expect([receipt.disposition, receipt.position]).toEqual(['queued', 1]);
  });

  test('steer: offers are bounded like the queue', async () => {
    const stage = new Stage();
    await using world = await testRuntime({ agents: { stage }, limits: { queueMax: 1 } });
    await send(world, 'chat', 'first');
    await stage.next();

    await send(world, 'chat', { input: 'one', policy: 'steer' });

    expect(await refusal(send(world, 'chat', { input: 'two', policy: 'steer' }))).toBe('mailbox.full');
  });

  test('steer: a message offered to a turn that is being cancelled runs after it', async () => {
    const { stage, world, first, receipt } = await busy({ deaf: true });
    await using _ = world;
    const cancelled = world.runtime.cancelTurn('chat', receipt.turn);
    await Promise.resolve();

    const late = await send(world, 'chat', { input: 'late', policy: 'steer' });
    first.end();
    await cancelled;

    expect(late.disposition).toBe('queued');
    expect((await stage.next()).heard).toEqual(['late']);
  });
});
