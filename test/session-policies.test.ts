// Policies: what a message does when it meets a busy session, and what its receipt says. Those that touch the running
// turn are in session-interrupting.test.ts, all their crashes in session-policies-crash.test.ts.
//
// Shown here, by what a user sees (A: traps of session routing; A.2, A.3: its checklist and tests; G: what users ask for):
//   A.2   'reject: a second message is refused while a turn runs, writes nothing, and is taken when the turn is over'
//   A-11  'ending a turn that has ended changes nothing, and says so'
//   A-11  'a message that is refused does not free the place of the one that runs'
//   A-18  'queue: what waits keeps the session in memory'
//   G     'queue: messages wait in order, each told its position, and at the bound the next one is refused'
import { describe, expect, test } from 'vitest';
import { hostCaller } from '../src/runtime/access.ts';
import { testRuntime } from '../src/testing/test-runtime.ts';
import { POLICIES } from '../src/wire/turn.ts';
import { textOf } from '../src/wire/message.ts';
import { bodies, gate, outcome, refusal, send, Stage } from './session-stage.ts';

const busy = async (options: ConstructorParameters<typeof Stage>[0] = {}) => {
  const stage = new Stage(options);
  const world = await testRuntime({ agents: { stage } });
  const receipt = await send(world, 'chat', 'first');
  const first = await stage.next();
  return { stage, world, first, receipt };
};

describe('an idle session', () => {
  test('starts at once whatever the policy', async () => {
    const stage = new Stage();
    await using world = await testRuntime({ agents: { stage } });

    for (const policy of POLICIES) {
      const receipt = await send(world, policy, { input: 'hello', policy });
      const { turn } = await stage.next();

      expect(receipt).toEqual({ session: turn.session.id, turn: turn.id, seq: 0, disposition: 'started' });
    }
  });

  test('hands over a cursor that the events of the message follow', async () => {
    const stage = new Stage();
    await using world = await testRuntime({ agents: { stage } });
    await send(world, 'chat', 'one');
    (await stage.next()).end();

    const { turn, seq } = await send(world, 'chat', 'two');
    const page = await world.runtime.events('chat', { after: seq, limit: 1 });

    expect(page.events.map((event) => [event.seq, event.kind, event.turn])).toEqual([
      [seq + 1, 'turn.accepted', turn],
    ]);
  });
});

describe('reject', () => {
  test('reject: a second message is refused while a turn runs, writes nothing, and is taken when the turn is over', async () => {
    const { stage, world, first, receipt } = await busy();
    await using _ = world;
    const before = await world.runtime.session('chat');

    const refused = await refusal(send(world, 'chat', { input: 'second', policy: 'reject' }));
    const after = await world.runtime.session('chat');
    first.end();
    await outcome(world, 'chat', receipt.turn);
    const second = await send(world, 'chat', { input: 'second', policy: 'reject' });
    (await stage.next()).end();

    expect(refused).toBe('session.busy');
    expect(after).toEqual(before);
    expect(second.disposition).toBe('started');
    expect(world.runtime.stats().refused.busy).toBe(1);
  });

  test('a message that is refused does not free the place of the one that runs', async () => {
    const { world, first, receipt } = await busy();
    await using _ = world;

    for (let index = 0; index < 3; index += 1) {
      expect(await refusal(send(world, 'chat', { input: 'again', policy: 'reject' }))).toBe('session.busy');
    }
    first.end();

    expect((await outcome(world, 'chat', receipt.turn)).outcome).toBe('completed');
    expect(await bodies(world, 'chat', 'turn.accepted')).toHaveLength(1);
  });

  test('reject: a session whose first message waits for its agent is busy, too', async () => {
    const open = gate();
    const stage = new Stage({ opening: () => open.opened });
    await using world = await testRuntime({ agents: { stage } });

    await send(world, 'chat', 'first');
    const refused = await refusal(send(world, 'chat', { input: 'second', policy: 'reject' }));
    open.open();

    expect(refused).toBe('session.busy');
    expect((await stage.next()).heard).toEqual(['first']);
  });

  test('reject: of ten messages at once one is taken', async () => {
    const stage = new Stage();
    await using world = await testRuntime({ agents: { stage } });

    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        refusal(send(world, 'chat', { input: `${index}`, policy: 'reject' })),
      ),
    );

    expect(answers.filter((answer) => answer === 'nothing')).toHaveLength(1);
    expect(answers.filter((answer) => answer === 'session.busy')).toHaveLength(9);
  });
});

describe('queue', () => {
  test('queue: messages wait in order, each told its position, and at the bound the next one is refused', async () => {
    const stage = new Stage();
    await using world = await testRuntime({ agents: { stage }, limits: { queueMax: 3 } });
    await send(world, 'chat', 'running');

    const waiting = [];
    for (const input of ['a', 'b', 'c']) waiting.push(await send(world, 'chat', input));
    const head = (await world.runtime.session('chat')).headSeq;
    const refused = await refusal(send(world, 'chat', 'd'));

    expect(waiting.map(({ disposition, position }) => [disposition, position])).toEqual([
      ['queued', 1],
      ['queued', 2],
      ['queued', 3],
    ]);
    expect(refused).toBe('mailbox.full');
    expect(await world.runtime.session('chat')).toMatchObject({ headSeq: head, queued: 3, state: 'running' });
    const heard = [];
    for (let turn = 0; turn < 4; turn += 1) {
      const act = await stage.next();
      heard.push(...act.heard);
      act.end();
    }
    expect(heard).toEqual(['running', 'a', 'b', 'c']);
  });

  test('queue: what waits keeps the session in memory', async () => {
    const stage = new Stage();
    await using world = await testRuntime({ agents: { stage }, limits: { idleMsMax: 1_000, sweepMs: 500 } });
    await send(world, 'chat', 'one');
    await send(world, 'chat', 'two');
    const first = await stage.next();

    await world.clock.advance(10_000);
    const evicted = await refusal(world.runtime.evict('chat'));
    first.end();
    const second = await stage.next();

    expect(evicted).toBe('session.busy');
    expect(second.instance).toBe(first.instance);
    expect(second.instance.closed).toBeUndefined();
  });

  test('queue: the next turn sees the whole of the one before', async () => {
    const { stage, world, first } = await busy();
    await using _ = world;
    await send(world, 'chat', 'second');

    await first.say('Hello', ' there');
    first.end();
    const second = await stage.next();

    expect(second.remembers).toEqual(['user: first', 'assistant: Hello there']);
  });

  test('queue: with room for none, a session takes one message at a time', async () => {
    const stage = new Stage();
    await using world = await testRuntime({ agents: { stage }, limits: { queueMax: 0 } });

    await send(world, 'chat', 'one');
    const refused = await refusal(send(world, 'chat', 'two'));
    const act = await stage.next();
    act.end();
    await outcome(world, 'chat', act.turn.id);

    expect(refused).toBe('mailbox.full');
    expect((await send(world, 'chat', 'two')).disposition).toBe('started');
  });
});

describe('collect', () => {
  test('collect: messages that wait become one turn', async () => {
    const { stage, world, first } = await busy();
    await using _ = world;

    const a = await send(world, 'chat', { input: 'a', policy: 'collect' });
    const b = await send(world, 'chat', { input: 'b', policy: 'collect' });
    const c = await send(world, 'chat', { input: 'c', policy: 'collect' });
    first.end();
    const act = await stage.next();
    act.end();
    const view = await outcome(world, 'chat', a.turn);

    expect([a, b, c].map(({ disposition, position }) => [disposition, position])).toEqual([
      ['queued', 1],
      ['collected', undefined],
      ['collected', undefined],
    ]);
    expect([b.turn, c.turn]).toEqual([a.turn, a.turn]);
    expect(act.heard).toEqual(['a', 'b', 'c']);
    expect(view.input.map(({ parts }) => textOf(parts))).toEqual(['a', 'b', 'c']);
  });

  test('collect: a message joins what waits last, not what runs', async () => {
    const { stage, world, first } = await busy();
    await using _ = world;
    const queued = await send(world, 'chat', 'alone');

    const joined = await send(world, 'chat', { input: 'with it', policy: 'collect' });
    first.end();
    const act = await stage.next();

    expect([joined.disposition, joined.turn]).toEqual(['collected', queued.turn]);
    expect(act.heard).toEqual(['alone', 'with it']);
  });

  test('collect: a message of the clock does not slip into what a person said', async () => {
    const { world } = await busy();
    await using _ = world;
    const person = await send(world, 'chat', { input: 'mine', policy: 'collect' });

    const clock = await send(world, 'chat', { input: 'tick', policy: 'collect', kind: 'schedule' });

    expect([clock.disposition, clock.position]).toEqual(['queued', 2]);
    expect(clock.turn).not.toBe(person.turn);
  });

  test('collect: what two people say stays two messages, each in its own name', async () => {
    const { world } = await busy();
    await using _ = world;
    const say = (owner: string) =>
      world.runtime.send('chat', { input: 'mine', policy: 'collect' }, {}, { ...hostCaller(), owner });

    const receipts = [await say('ann'), await say('ben'), await say('ben')];

    expect(receipts.map(({ disposition }) => disposition)).toEqual(['queued', 'queued', 'collected']);
    expect((await bodies(world, 'chat', 'turn.accepted')).map(({ author }) => author)).toEqual([
      null,
      'ann',
      'ben',
      'ben',
    ]);
  });

  test('collect: what joins counts, so that collecting is bounded too', async () => {
    const stage = new Stage();
    await using world = await testRuntime({ agents: { stage }, limits: { queueMax: 2 } });
    await send(world, 'chat', 'running');

    await send(world, 'chat', { input: 'a', policy: 'collect' });
    await send(world, 'chat', { input: 'b', policy: 'collect' });

    expect(await refusal(send(world, 'chat', { input: 'c', policy: 'collect' }))).toBe('mailbox.full');
  });

  test('collect: a message that comes while what it would join is being cancelled is not lost with it', async () => {
    const { stage, world, first } = await busy();
    await using _ = world;
    const waiting = await send(world, 'chat', 'never mind');

    const cancelled = world.runtime.cancelTurn('chat', waiting.turn);
    await Promise.resolve();
    const collected = await send(world, 'chat', { input: 'but this', policy: 'collect' });
    await cancelled;
    first.end();
    const act = await stage.next();
    act.end();

    expect(act.heard).toEqual(['but this']);
    expect((await outcome(world, 'chat', collected.turn)).outcome).toBe('completed');
    expect((await outcome(world, 'chat', waiting.turn)).outcome).toBe('cancelled');
  });
});

test('ending a turn that has ended changes nothing, and says so', async () => {
  const { world, first, receipt } = await busy();
  await using _ = world;
  first.end();
  await outcome(world, 'chat', receipt.turn);
  const head = (await world.runtime.session('chat')).headSeq;

  const answers = [
    await world.runtime.cancelTurn('chat', receipt.turn),
    await world.runtime.cancelTurn('chat', receipt.turn),
  ];

  expect(answers).toEqual([
    { outcome: 'completed', changed: false },
    { outcome: 'completed', changed: false },
  ]);
  expect((await world.runtime.session('chat')).headSeq).toBe(head);
});
