// Turns: what one turn leaves in the log, in which order, and what an agent may rely on while it runs.
//
// Shown here, by what a user sees (A: the notes after the traps of session routing; A.3: its tests; G: what users ask for):
//   A.3   'every event of a turn carries its id, and a reader of one turn sees that turn only'
//   A.3   'a reader that comes in the middle gets the rest, without a gap and without a repeat'
//   A     'a tool is in the log before it runs'
//   A     'what cannot be said is the end of that turn only'
import { expect, test } from 'vitest';
import type { AgentEvent } from '../src/agent/agent.ts';
import { functionAgent } from '../src/agent/function/function.ts';
import { testRuntime } from '../src/testing/test-runtime.ts';
import { textOf } from '../src/wire/message.ts';
import { scene } from './race-scene.ts';
import { bodies, events, gate, kinds, outcome, refusal, say, send, spoken, Stage } from './session-stage.ts';

test('a turn is accepted, started, said, and ended, in this order', async () => {
  await using world = await testRuntime();

  const view = await say(world, 'chat', 'hello');
  const log = await events(world, 'chat');

  expect(log.map(({ kind }) => kind)).toEqual([
    'session.created',
    'turn.accepted',
    'turn.started',
    'text.delta',
    'message',
    'turn.ended',
  ]);
  expect(log.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(view).toMatchObject({
    state: 'done',
    outcome: 'completed',
    attempt: 1,
    text: 'You said: hello',
    startSeq: 3,
    endSeq: 6,
    error: null,
  });
  expect(world.runtime.stats().turns).toMatchObject({ completed: 1, failed: 0 });
});

test('a tool is in the log before it runs', async () => {
  const logged: (readonly string[])[] = [];
  const agent = functionAgent(async function* () {
    yield 'Let me see.';
    yield { kind: 'tool.called', call: 'c1', name: 'look', input: { at: 'it' } };
    logged.push(await kinds(world, 'chat')); // Here the tool would run.
    yield { kind: 'tool.returned', call: 'c1', output: 'nothing' };
    yield 'Nothing.';
  });
  await using world = await testRuntime({ agents: { agent } });

  await say(world, 'chat', 'look');

  expect(logged[0]?.slice(-2)).toEqual(['text.delta', 'tool.called']);
});

test('what an agent says becomes messages: its words and calls, the results, then its words again', async () => {
  const agent = functionAgent(async function* () {
    yield { kind: 'reasoning.delta', text: 'Hmm. ' };
    yield 'Let me';
    yield ' see.';
    yield { kind: 'tool.called', call: 'c1', name: 'look', input: {} };
    yield { kind: 'tool.progress', call: 'c1', message: 'half way', percent: 50 };
    yield { kind: 'tool.returned', call: 'c1', output: { found: 0 } };
    yield 'Nothing.';
    yield { kind: 'custom', name: 'mood', data: { sad: true } };
  });
  await using world = await testRuntime({ agents: { agent } });

  const view = await say(world, 'chat', 'look');
  const said = await world.runtime.transcript('chat');

  expect(view.text).toBe('Nothing.');
  expect(said.slice(1).map(({ role, parts }) => [role, parts])).toEqual([
    [
      'assistant',
      [
        { type: 'reasoning', text: 'Hmm. ' },
        { type: 'text', text: 'Let me see.' },
        { type: 'tool-call', call: 'c1', name: 'look', input: {} },
      ],
    ],
    ['tool', [{ type: 'tool-result', call: 'c1', name: 'look', output: { found: 0 }, isError: false }]],
    ['assistant', [{ type: 'text', text: 'Nothing.' }]],
  ]);
  expect(await bodies(world, 'chat', 'custom')).toEqual([{ name: 'mood', data: { sad: true } }]);
  expect(await bodies(world, 'chat', 'tool.progress')).toEqual([
    { call: 'c1', message: 'half way', percent: 50 },
  ]);
});

test("what a provider needs back word for word is in the next turn's history as it was said", async () => {
  const metadata = { anthropic: { signature: 'abc==', nested: [1, { two: null }] } };
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  await send(world, 'chat', 'hello');
  const act = await stage.next();
  const parts = [
    { type: 'reasoning', text: 'Hmm.', metadata },
    { type: 'custom', name: 'thinking', data: { opaque: true }, metadata },
    { type: 'text', text: 'Hi.', metadata },
  ] as const;
  await act.say({ kind: 'message', role: 'assistant', parts });
  act.end();

  await world.runtime.waitForIdle('chat');
  await world.restart();
  await send(world, 'chat', 'again');
  const { history } = (await stage.next()).turn;

  expect(history.at(-1)?.parts).toEqual(parts);
});

test('every event of a turn carries its id, and a reader of one turn sees that turn only', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  const first = await send(world, 'chat', 'first');
  const second = await send(world, 'chat', 'second');
  const tail = await world.runtime.tail('chat', { turn: first.turn });

  for (const words of ['one', 'two']) {
    const act = await stage.next();
    await act.say(words);
    act.end();
  }
  await outcome(world, 'chat', second.turn);
  const seen = [];
  for (let page = await tail.next(); page.length > 0; page = await tail.next()) seen.push(...page);

  expect(new Set(seen.map(({ turn }) => turn))).toEqual(new Set([first.turn]));
  expect(seen.at(-1)?.kind).toBe('turn.ended');
  const own = (await events(world, 'chat')).filter(({ turn }) => turn === first.turn);
  expect(seen.map(({ seq }) => seq)).toEqual(own.map(({ seq }) => seq));
});

test('a reader that comes in the middle gets the rest, without a gap and without a repeat', async () => {
  const stage = new Stage();
  await using world = await testRuntime({
    agents: { stage },
    coalesceDeltas: false,
    limits: { tailEventsMax: 3 },
  });
  await send(world, 'chat', 'count');
  const act = await stage.next();
  const seen: number[] = [];
  const read = async (): Promise<void> => {
    const tail = await world.runtime.tail('chat', { after: seen.at(-1) ?? 0 });
    for (const { seq } of await tail.next()) seen.push(seq);
    tail.close();
  };

  for (let number = 0; number < 40; number += 1) {
    await act.say(`${number} `);
    if (number % 7 === 0) await read();
  }
  act.end();
  await world.runtime.waitForIdle('chat');
  const head = (await world.runtime.session('chat')).headSeq;
  while ((seen.at(-1) ?? 0) < head) await read();

  expect(seen).toEqual(Array.from({ length: head }, (_, index) => index + 1));
});

test('readers until idle end when all of it is over, with all of it seen', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  await send(world, 'chat', 'one');
  await send(world, 'chat', 'two');
  const tail = await world.runtime.tail('chat', { untilIdle: true });
  const reading = (async () => {
    const seen = [];
    for (let page = await tail.next(); page.length > 0; page = await tail.next()) seen.push(...page);
    return seen;
  })();

  (await stage.next()).end();
  (await stage.next()).end();
  const seen = await reading;

  expect(seen.filter(({ kind }) => kind === 'turn.ended')).toHaveLength(2);
  expect(seen.at(-1)?.seq).toBe((await world.runtime.session('chat')).headSeq);
});

test('a cursor that this log has not given is refused', async () => {
  await using world = await testRuntime();
  await say(world, 'chat', 'hello');
  const { id, headSeq } = await world.runtime.session('chat');

  expect(await refusal(world.runtime.events('chat', { after: headSeq + 1 }))).toBe('cursor.ahead');
  expect(await refusal(world.runtime.events('chat', { after: -1 }))).toBe('cursor.invalid');
  expect(await refusal(world.runtime.events('chat', { after: 1.5 }))).toBe('cursor.invalid');
  expect(await refusal(world.runtime.events('chat', { after: Number.NaN }))).toBe('cursor.invalid');
  expect(await refusal(world.runtime.tail('chat', { after: headSeq + 1 }))).toBe('cursor.ahead');
  expect(await refusal(world.runtime.tail('chat', { session: 'another' }))).toBe('cursor.foreign');
  const tail = await world.runtime.tail('chat', { session: id, after: headSeq });
  tail.close();
  expect(await tail.next()).toEqual([]);
});

test('what cannot be said is the end of that turn only', async () => {
  const circle: Record<string, unknown> = {};
  circle['self'] = circle;
  const events: AgentEvent[] = [
    { kind: 'nonsense' } as unknown as AgentEvent,
    { kind: 'custom', name: 'circle', data: circle },
    { kind: 'custom', name: 'number', data: 10n },
    { kind: 'tool.called', call: 'c1', name: 'count', input: { from: 10n } },
  ];
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });

  for (const event of events) {
    const { turn } = await send(world, 'chat', 'hello');
    const act = await stage.next();
    await act.say('So: ');
    act.utter(event);
    expect(await outcome(world, 'chat', turn)).toMatchObject({ outcome: 'failed', text: 'So: ' });
  }
  const { turn } = await send(world, 'chat', 'still there?');
  (await stage.next()).end();

  expect((await outcome(world, 'chat', turn)).outcome).toBe('completed');
  expect(stage.opened).toHaveLength(1);
});

test('a turn whose last message no event can hold completes, and the session goes on', async () => {
  const agent = functionAgent(async function* ({ inputs }) {
    if (textOf(inputs[0]?.parts ?? []) === 'short') return yield 'short';
    for (let piece = 0; piece < 12; piece += 1) yield { kind: 'reasoning.delta', text: 'x'.repeat(100_000) };
  });
  await using world = await testRuntime({ agents: { agent } });

  const long = await say(world, 'chat', 'long');
  const short = await say(world, 'chat', 'short');

  expect(long).toMatchObject({ outcome: 'completed' });
  expect(short).toMatchObject({ outcome: 'completed', text: 'short' });
});

test('a result that cannot be kept leaves its call answered, as unknown', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  const { turn } = await send(world, 'chat', 'hello');
  const act = await stage.next();
  await act.say({ kind: 'tool.called', call: 'c1', name: 'count', input: {} });

  act.utter({ kind: 'tool.returned', call: 'c1', output: 10n });

  expect((await outcome(world, 'chat', turn)).outcome).toBe('failed');
  expect(await bodies(world, 'chat', 'tool.returned')).toEqual([
    { call: 'c1', isError: true, unknown: true },
  ]);
});

test('an agent that gives nothing to iterate fails its turn, and is asked again', async () => {
  const agent = functionAgent(() => undefined as unknown as AsyncIterable<AgentEvent>);
  await using world = await testRuntime({ agents: { agent } });

  const views = [await say(world, 'chat', 'hello'), await say(world, 'chat', 'hello')];

  expect(views.map((view) => [view.outcome, view.error?.code])).toEqual([
    ['failed', 'agent.failed'],
    ['failed', 'agent.failed'],
  ]);
});

test('a long word is cut into events between two characters, and is whole again in the end', async () => {
  const word = '\ud83d\ude00'.repeat(40_000);
  const agent = functionAgent(async function* () {
    yield word;
  });
  await using world = await testRuntime({
    agents: { agent },
    coalesceDeltas: false,
    limits: { inlineTextBytesMax: 10_000_000 },
  });

  const view = await say(world, 'chat', 'hello');
  const deltas = await bodies(world, 'chat', 'text.delta');

  expect(deltas.length).toBeGreaterThan(1);
  expect(deltas.every(({ text }) => text.isWellFormed())).toBe(true);
  expect(deltas.map(({ text }) => text).join('')).toBe(word);
  expect(view.text).toBe(word);
});

test('a message may be text or parts, and must be something', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  const url = 'https://example.com/a.png';

  const receipt = await send(world, 'chat', {
    input: [
      { type: 'text', text: 'Look:' },
      { type: 'file', mediaType: 'image/png', url },
    ],
  });
  const act = await stage.next();
  act.end();

  expect(act.turn.inputs[0]?.parts).toEqual([
    { type: 'text', text: 'Look:' },
    { type: 'file', mediaType: 'image/png', url },
  ]);
  expect((await outcome(world, 'chat', receipt.turn)).input.map(({ parts }) => textOf(parts))).toEqual([
    'Look:',
  ]);
  for (const input of [[], '\ud800', undefined as unknown as string, null as unknown as string]) {
    expect(await refusal(send(world, 'chat', { input }))).toBe('input.invalid');
  }
  expect(await refusal(send(world, 'chat', { input: 'x', policy: 'nicely' as 'queue' }))).toBe(
    'input.invalid',
  );
});

test('turns are listed newest first, page by page', async () => {
  await using world = await testRuntime();
  for (const input of ['one', 'two', 'three']) await say(world, 'chat', input);

  const page = await world.runtime.turns('chat', { limit: 2 });
  const rest = await world.runtime.turns('chat', { limit: 2, before: page[1]?.startSeq ?? 0 });

  const asked = (views: typeof page) => views.map(({ input }) => textOf(input[0]?.parts ?? []));
  expect(asked(page)).toEqual(['three', 'two']);
  expect(asked(rest).at(-1)).toBe('one');
  expect(await refusal(world.runtime.turn('chat', 'nobody'))).toBe('turn.not_found');
});

test('an agent that keeps its own history gets none, and its session is remembered all the same', async () => {
  const stage = new Stage({ ownsHistory: true });
  await using world = await testRuntime({ agents: { stage } });
  for (const words of ['one', 'two']) {
    const { turn } = await send(world, 'chat', words);
    const act = await stage.next();
    expect(act.turn.history).toEqual([]);
    act.end();
    await outcome(world, 'chat', turn);
  }

  expect(spoken(await world.runtime.transcript('chat'))).toEqual(['user: one', 'user: two']);
});

test('an agent that talks faster than the disk writes is made to wait, and loses no word', async () => {
  const begin = gate();
  let said = 0;
  const { runtime, hold, release, settle } = await scene(
    async function* () {
      await begin.opened;
      for (; said < 200; said += 1) yield `${said} `.padEnd(1_024, '.');
    },
    {},
    { limits: { inFlightBytesMax: 16_384 } },
  );
  const { turn } = await runtime.send('chat', { input: 'talk' });
  await settle();
  hold();

  begin.open();
  await settle();
  const early = said;
  release();
  const view = await runtime.finished('chat', turn, { waitMs: 10_000 });
  const words = (await runtime.events('chat', { after: 0 })).events
    .filter(({ kind }) => kind === 'text.delta')
    .flatMap(({ body }) => (JSON.parse(body) as { text: string }).text.match(/\d+/g) ?? []);

  expect(early).toBeLessThan(20);
  expect(view?.outcome).toBe('completed');
  expect(words).toEqual(Array.from({ length: 200 }, (_, word) => `${word}`));
});
