// Recovery: what the next start does with what a crash left behind. The policies' crashes are in
// session-policies-crash.test.ts, those of questions in session-requests.test.ts, of children in session-children.test.ts.
//
// Shown here, by what a user sees (A: the notes after the traps of session routing; F: edge values; G: what users ask for):
//   A-12  'a process that died leaves no session busy for ever'
//   F     'a write that fails gives nothing away: the message is refused, and the session can be used again'
//   F     'a write that fails in the middle of a turn loses what was not yet durable, and nothing else'
//   G     'a turn that may run again does, at most three times after crashes'
//   G     'a turn that may not run again ends interrupted, with what it had said, and open calls sealed as unknown'
import { Buffer } from 'node:buffer';
import { expect, test } from 'vitest';
import { SojournError } from '../src/kernel/errors.ts';
import { testRuntime } from '../src/testing/test-runtime.ts';
import { bodies, events, kinds, outcome, refusal, say, seen, send, spoken, Stage } from './session-stage.ts';

test('a process that died leaves no session busy for ever', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  const { turn } = await send(world, 'chat', 'hello');
  await stage.next();

  await world.crash();
  await world.runtime.waitForIdle('chat');
  const next = await send(world, 'chat', { input: 'again', policy: 'reject' });

  expect(await outcome(world, 'chat', turn)).toMatchObject({
    outcome: 'interrupted',
    error: { code: 'turn.interrupted' },
  });
  expect(next.disposition).toBe('started');
});

test('what was said stays after a crash, and the next turn remembers it', async () => {
  await using world = await testRuntime();
  await say(world, 'chat', 'one');
  await say(world, 'chat', 'two');
  const before = await events(world, 'chat');

  await world.crash();
  const third = await say(world, 'chat', '/recall 2');

  expect(third.text).toBe('two');
  expect((await events(world, 'chat')).slice(0, before.length)).toEqual(before);
});

test('a turn that may run again does, at most three times after crashes', async () => {
  const stage = new Stage({ rerun: 'safe' });
  await using world = await testRuntime({ agents: { stage } });
  const { turn } = await send(world, 'chat', 'hello');
  const attempts = [];

  for (let crash = 0; crash < 4; crash += 1) {
    const act = await stage.next();
    attempts.push([act.turn.attempt, act.turn.afterCrash]);
    await act.say(`attempt ${act.turn.attempt}`);
    await seen(world, 'chat', 'text.delta', (await world.runtime.session('chat')).headSeq - 1);
    await world.crash();
  }
  const view = await outcome(world, 'chat', turn);

  expect(attempts).toEqual([
    [1, false],
    [2, true],
    [3, true],
    [4, true],
  ]);
  expect(view).toMatchObject({ outcome: 'interrupted', attempt: 4, text: 'attempt 4' });
});

test('a later attempt voids what earlier ones said', async () => {
  const stage = new Stage({ rerun: 'safe' });
  await using world = await testRuntime({ agents: { stage } });
  const { turn } = await send(world, 'chat', 'hello');
  const first = await stage.next();
  await first.say({ kind: 'message', role: 'assistant', parts: [{ type: 'text', text: 'Nonsense' }] });
  await first.say({ kind: 'tool.called', call: 'c1', name: 'look', input: {} });

  await world.crash();
  const second = await stage.next();
  await second.say('Sense');
  second.end();
  const view = await outcome(world, 'chat', turn);
  const said = spoken(await world.runtime.transcript('chat'));
  await send(world, 'chat', 'next');

  expect(view).toMatchObject({ outcome: 'completed', text: 'Sense', attempt: 2 });
  expect(said).toEqual(['user: hello', 'assistant: Sense']);
  expect((await stage.next()).remembers).toEqual(said);
  expect(await bodies(world, 'chat', 'turn.started')).toEqual([
    { attempt: 1 },
    { attempt: 2 },
    { attempt: 1 },
  ]);
});

test('a turn that may not run again ends interrupted, with what it had said, and open calls sealed as unknown', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  const { turn } = await send(world, 'chat', 'hello');
  const act = await stage.next();
  await act.say('Let me pay.');
  await act.say({ kind: 'tool.called', call: 'c1', name: 'quote', input: { item: 'book' } });
  await act.say({ kind: 'tool.returned', call: 'c1', output: { usd: 5 } });
  await act.say({ kind: 'tool.called', call: 'c2', name: 'pay', input: { usd: 5 } });

  await world.crash();
  const view = await outcome(world, 'chat', turn);
  await send(world, 'chat', 'did you pay?');
  const next = await stage.next();

  expect(view.outcome).toBe('interrupted');
  expect(await bodies(world, 'chat', 'tool.returned')).toEqual([
    { call: 'c1', isError: false, output: { usd: 5 } },
    { call: 'c2', isError: true, unknown: true },
  ]);
  const said = await world.runtime.transcript('chat');
  expect(said.map(({ role, partial = false }) => [role, partial])).toEqual([
    ['user', false],
    ['assistant', false],
    ['tool', false],
    ['assistant', true],
    ['tool', true],
    ['user', false],
  ]);
  expect(said.slice(1, 5).map(({ parts }) => parts)).toMatchObject([
    [
      { type: 'text', text: 'Let me pay.' },
      { type: 'tool-call', call: 'c1' },
    ],
    [{ type: 'tool-result', call: 'c1', output: { usd: 5 }, isError: false }],
    [{ type: 'tool-call', call: 'c2', input: { usd: 5 } }],
    [{ type: 'tool-result', call: 'c2', output: 'unknown', isError: true }],
  ]);
  expect(next.turn.history).toHaveLength(5);
});

test('a turn that had said more than an event holds ends after a crash, all of it is kept, and the session goes on', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  const { turn } = await send(world, 'chat', 'hello');
  const act = await stage.next();
  const pieces = Array.from({ length: 70 }, (_, index) => `${index}: ${'word '.repeat(4_000)}\n`);
  await act.say(...pieces);
  await act.say({ kind: 'tool.called', call: 'c1', name: 'read', input: {} });

  await world.crash();
  const view = await outcome(world, 'chat', turn);
  const [, said] = await world.runtime.transcript('chat');
  const next = await send(world, 'chat', 'and now?');
  (await stage.next()).end();

  const { ref } = view;
  const kept = await world.runtime.artifact('chat', ref?.artifact ?? '');
  expect(view.outcome).toBe('interrupted');
  expect(Buffer.from(kept.bytes).toString('utf8')).toBe(pieces.join(''));
  expect(said).toMatchObject({ partial: true, parts: [{ ref }, { type: 'tool-call', call: 'c1' }] });
  expect((await outcome(world, 'chat', next.turn)).outcome).toBe('completed');
});

test('a turn that waited for a person when the process died may have said more than an event holds, and can be cancelled', async () => {
  const stage = new Stage({ rerun: 'waiting' });
  await using world = await testRuntime({ agents: { stage } });
  const { turn } = await send(world, 'chat', 'hello');
  const act = await stage.next();
  const said = 'word '.repeat(280_000);
  await act.say(said);
  void act.turn.ask('k', { kind: 'question', text: 'Go on?' }).catch(() => undefined);
  await seen(world, 'chat', 'request.opened');

  await world.crash();
  await world.runtime.cancelTurn('chat', turn);
  const view = await outcome(world, 'chat', turn);

  expect(view).toMatchObject({ outcome: 'cancelled', ref: { bytes: said.length } });
  expect((await world.runtime.transcript('chat'))[1]).toMatchObject({
    partial: true,
    parts: [{ type: 'text', ref: { bytes: said.length } }],
  });
});

test('a large result that came before a crash can be read after it', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage }, limits: { inlineBytesMax: 100 } });
  const { turn } = await send(world, 'chat', 'hello');
  const act = await stage.next();
  await act.say({ kind: 'tool.called', call: 'c1', name: 'read', input: {} });
  await act.say({ kind: 'tool.returned', call: 'c1', output: 'x'.repeat(1_000) });
  await seen(world, 'chat', 'tool.returned');

  await world.crash();
  await outcome(world, 'chat', turn);
  const [, , results] = await world.runtime.transcript('chat');
  const [part] = results?.parts ?? [];

  const ref = { bytes: 1_000, tail: 'x'.repeat(25), lines: 1, tokens: expect.any(Number) };
  expect(part).toMatchObject({ type: 'tool-result', call: 'c1', isError: false, ref });
  const id = part?.type === 'tool-result' ? (part.ref?.artifact ?? '') : '';
  expect((await world.runtime.artifact('chat', id)).bytes).toHaveLength(1_000);
});

test('what was spent before a crash is on the bill', async () => {
  const stage = new Stage({ rerun: 'safe' });
  await using world = await testRuntime({ agents: { stage } });
  const { turn } = await send(world, 'chat', 'hello');
  const first = await stage.next();
  await first.say({ kind: 'usage', usage: { inputTokens: 100, outputTokens: 10 }, costUsd: 0.5 });
  await first.say({ kind: 'tool.called', call: 'c1', name: 'look', input: {} });

  await world.crash();
  const second = await stage.next();
  await second.say({ kind: 'usage', usage: { inputTokens: 100, outputTokens: 20 }, costUsd: 0.5 });
  second.end();
  const view = await outcome(world, 'chat', turn);
  const session = await world.runtime.session('chat');

  expect(view).toMatchObject({ usage: { inputTokens: 200, outputTokens: 30 }, costUsd: 1 });
  expect(session).toMatchObject({ usage: { inputTokens: 200, outputTokens: 30 }, costUsd: 1 });
});

test('what an interrupted turn spent is on the bill', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  await send(world, 'chat', 'hello');
  const act = await stage.next();
  await act.say({ kind: 'usage', usage: { inputTokens: 100 }, costUsd: 0.5 });
  await act.say({ kind: 'tool.called', call: 'c1', name: 'look', input: {} });

  await world.crash();
  await world.runtime.waitForIdle('chat');
  const [end] = await bodies(world, 'chat', 'turn.ended');

  expect(end).toMatchObject({ outcome: 'interrupted', usage: { inputTokens: 100 }, costUsd: 0.5 });
  expect(await world.runtime.session('chat')).toMatchObject({ usage: { inputTokens: 100 }, costUsd: 0.5 });
});

test('what a running turn has spent is billed once, although another ended before the crash', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  await send(world, 'chat', 'hello');
  const act = await stage.next();
  await act.say({ kind: 'usage', usage: { inputTokens: 100 }, costUsd: 0.5 });
  await act.say({ kind: 'tool.called', call: 'c1', name: 'look', input: {} });
  const waiting = await send(world, 'chat', 'waiting');
  await world.runtime.cancelTurn('chat', waiting.turn);

  await world.crash();
  await world.runtime.waitForIdle('chat');

  expect(await world.runtime.session('chat')).toMatchObject({ usage: { inputTokens: 100 }, costUsd: 0.5 });
});

test('a crash between the commit of a message and its receipt loses nothing, and the retry with its key repeats nothing', async () => {
  await using world = await testRuntime();
  const killed = world.killAtWrite(({ events: [first] }) => first?.kind === 'session.created');
  void send(world, 'chat', 'hello', { idempotencyKey: 'k1' }); // Nobody ever answers it.
  await killed;

  await world.start();
  const retried = await send(world, 'chat', 'hello', { idempotencyKey: 'k1' });
  const view = await outcome(world, 'chat', retried.turn);

  expect(retried.disposition).toBe('replayed');
  expect(view).toMatchObject({ outcome: 'completed', text: 'You said: hello' });
  expect(await bodies(world, 'chat', 'turn.accepted')).toHaveLength(1);
});

test('a crash at the very end of a turn gives it one outcome', async () => {
  await using world = await testRuntime();
  const killed = world.killAtWrite(({ events: all }) => all.some(({ kind }) => kind === 'turn.ended'));
  const { turn } = await send(world, 'chat', 'hello');
  await killed;

  await world.start();
  const view = await outcome(world, 'chat', turn);

  expect(view).toMatchObject({ outcome: 'completed', attempt: 1, text: 'You said: hello' });
  expect(await bodies(world, 'chat', 'turn.ended')).toHaveLength(1);
});

test('a crash while a session is being closed leaves it open, with its turn ended', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  const { turn } = await send(world, 'chat', 'hello');
  await stage.next();
  const killed = world.killAtWrite(({ events: all }) => all.some(({ kind }) => kind === 'session.evicted'));
  void world.runtime.close('chat'); // Nobody ever answers it.
  await killed;

  await world.start();

  expect((await outcome(world, 'chat', turn)).outcome).toBe('cancelled');
  expect((await world.runtime.session('chat')).state).toBe('idle');
  expect((await world.runtime.close('chat'))?.state).toBe('closed');
});

test('a write that fails gives nothing away: the message is refused, and the session can be used again', async () => {
  let isFull = false;
  await using world = await testRuntime({
    onWrite() {
      if (isFull) throw new SojournError('store.full', 'No space is left');
    },
  });
  await say(world, 'chat', 'before');
  const head = (await world.runtime.session('chat')).headSeq;

  isFull = true;
  const refused = [await refusal(send(world, 'chat', 'lost')), await refusal(send(world, 'new', 'lost'))];
  isFull = false;
  const after = await say(world, 'chat', '/count');

  expect(refused).toEqual(['store.full', 'store.full']);
  expect(await refusal(world.runtime.session('new'))).toBe('session.not_found');
  expect(after.text).toBe('2');
  const log = await events(world, 'chat');
  expect(log.map(({ seq }) => seq)).toEqual(log.map((_event, index) => index + 1));
  expect(log[head]?.kind).not.toBe('text.delta');
});

test('a write that fails in the middle of a turn loses what was not yet durable, and nothing else', async () => {
  let isFull = false;
  const stage = new Stage({ rerun: 'safe' });
  await using world = await testRuntime({
    agents: { stage },
    onWrite({ events: all }) {
      if (isFull && all.some(({ kind }) => kind === 'text.delta')) {
        throw new SojournError('store.full', 'No space is left');
      }
    },
  });
  const { turn } = await send(world, 'chat', 'hello');
  const first = await stage.next();
  await first.say({ kind: 'tool.called', call: 'c1', name: 'look', input: {} });

  isFull = true;
  first.utter('lost');
  await first.left;
  isFull = false;
  await world.runtime.open('chat'); // Whoever asks next begins from the store.
  const second = await stage.next();
  await second.say('said');
  second.end();
  const view = await outcome(world, 'chat', turn);

  expect(first.instance.closed).toBe('error');
  expect(second.instance.number).toBe(2);
  expect(view).toMatchObject({ outcome: 'completed', text: 'said', attempt: 2 });
  expect(await kinds(world, 'chat')).toContain('tool.called');
});

test('a message that comes while a session is being recovered stands behind those that waited', async () => {
  let isFull = false;
  const stage = new Stage();
  await using world = await testRuntime({
    agents: { stage },
    onWrite({ events: all }) {
      if (isFull && all.length > 0) throw new SojournError('store.full', 'No space is left');
    },
  });
  await send(world, 'chat', 'running');
  const first = await stage.next();
  await send(world, 'chat', 'waiting');
  isFull = true;
  first.utter('lost');
  await first.left;
  isFull = false;

  const ending = world.whenWriting(({ events: all }) => all.some(({ kind }) => kind === 'turn.ended'));
  const opening = world.runtime.open('chat'); // Whoever comes first recovers it.
  await ending;
  const late = await send(world, 'chat', 'late');
  await opening;
  const acts = [await stage.next()];
  acts[0]?.end();
  acts.push(await stage.next());

  expect(late.disposition).toBe('queued');
  expect(acts.map(({ heard }) => heard)).toEqual([['waiting'], ['late']]);
});

test('an agent that is gone after a restart ends its turns as interrupted, and others go on', async () => {
  const gone = new Stage({ rerun: 'safe' });
  const stage = new Stage({ rerun: 'safe' });
  await using world = await testRuntime({ agents: { stage, gone } });
  const a = await send(world, 'a', { input: 'hello', agent: 'gone' });
  await gone.next();
  const b = await send(world, 'b', 'hello');
  await stage.next();

  await world.crash({ agents: { stage } });
  (await stage.next()).end();

  expect((await outcome(world, 'b', b.turn)).outcome).toBe('completed');
  expect((await outcome(world, 'a', a.turn)).outcome).toBe('interrupted');
});
