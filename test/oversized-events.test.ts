// Oversized events: whatever an agent says, its size ends no turn, and the log says what was left out.
import { expect, test } from 'vitest';
import type { AgentEvent } from '../src/agent/agent.ts';
import { functionAgent } from '../src/agent/function/function.ts';
import type { Limits } from '../src/kernel/limits.ts';
import { mentionsOf } from '../src/log/mentions.ts';
import { testRuntime, type TestRuntime } from '../src/testing/test-runtime.ts';
import type { Part } from '../src/wire/message.ts';
import { bodies, say, send, Stage } from './session-stage.ts';

const MB = 1_100_000;

const large = (bytes = MB): string => 'lorem ipsum '.repeat(Math.ceil(bytes / 12)).slice(0, bytes);

function whoSays(said: readonly AgentEvent[], limits: Partial<Limits> = {}): Promise<TestRuntime> {
  const agent = functionAgent(async function* () {
    yield* said;
    yield 'Done.';
  });
  return testRuntime({ agents: { agent }, limits });
}

const message = (...parts: Part[]): AgentEvent => ({ kind: 'message', role: 'assistant', parts });

/** Of all events, in characters. */
async function largest(world: TestRuntime): Promise<number> {
  let most = 0;
  for (let after = 0; ;) {
    const page = (await world.runtime.events('chat', { after })).events;
    for (const { body } of page) most = Math.max(most, body.length);
    const last = page.at(-1);
    if (last === undefined) return most;
    after = last.seq;
  }
}

const CALL: AgentEvent = { kind: 'tool.called', call: 'c1', name: 'look', input: {} };

test.each<[string, readonly AgentEvent[]]>([
  [
    'a message with what a tool is given',
    [message({ type: 'tool-call', call: 'z', name: 'w', input: { x: large() } })],
  ],
  [
    'reasoning in many pieces',
    Array.from({ length: 12 }, () => ({ kind: 'reasoning.delta', text: large(100_000) })),
  ],
  ['a message with its reasoning', [message({ type: 'reasoning', text: large() })]],
  ['a custom event', [{ kind: 'custom', name: 'x', data: large() }]],
  ['a custom part', [message({ type: 'custom', name: 'x', data: large() })]],
  ['the progress of a tool', [CALL, { kind: 'tool.progress', call: 'c1', data: large() }]],
  ['metadata', [message({ type: 'text', text: 'x', metadata: { m: large() } })]],
  [
    'three texts of control characters',
    [message(...[1, 2, 3].map(() => ({ type: 'text' as const, text: '\u001b'.repeat(60_000) })))],
  ],
  [
    'a hundred thousand small parts',
    [message(...Array.from({ length: 100_000 }, () => ({ type: 'text' as const, text: 'x' })))],
  ],
])(
  '%s of more than an event may have goes into the log in short, and the turn goes on',
  async (_what, said) => {
    await using world = await whoSays(said, { contextTokens: 10_000_000 });

    const turn = await say(world, 'chat', 'hello');
    const next = await say(world, 'chat', 'still there?');

    expect([turn.error, turn.outcome, turn.text, next.outcome]).toEqual([
      null,
      'completed',
      'Done.',
      'completed',
    ]);
    expect(await largest(world)).toBeLessThan(1_048_576);
  },
);

test('what no event can hold says in the log how much was left out', async () => {
  const parts = Array.from({ length: 100_000 }, () => ({ type: 'text' as const, text: 'x' }));
  await using world = await whoSays([message(...parts)]);

  await say(world, 'chat', 'hello');

  const [first] = await bodies(world, 'chat', 'message');
  expect(first?.parts.at(-1)).toEqual({
    type: 'text',
    text: expect.stringMatching(/^\[[\d,]+ characters were left out: log\.event_too_large\]$/),
  });
});

test.each<[string, AgentEvent]>([
  ['call', { ...CALL, call: 'c'.repeat(501) }],
  ['tool', { ...CALL, name: 'n'.repeat(501) }],
  ['message', { kind: 'text.delta', text: 'x', message: 'm'.repeat(501) }],
  ['call', message({ type: 'tool-call', call: 'c'.repeat(501), name: 'n', input: {} })],
])('a name of a %s of more than 500 bytes fails the turn, which says so', async (what, said) => {
  await using world = await whoSays([said]);

  const turn = await say(world, 'chat', 'hello');

  expect(turn).toMatchObject({ outcome: 'failed', error: { code: 'agent.failed' } });
  expect(turn.error?.message).toMatch(
    new RegExp(`^The agent's name of a ${what} has 501 bytes, 500 are allowed`),
  );
});

async function wholeOf(world: TestRuntime, artifact: string | undefined): Promise<unknown> {
  const { bytes } = await world.runtime.artifact('chat', artifact ?? '');
  return JSON.parse(Buffer.from(bytes).toString()) as unknown;
}

test('an agent gets back word for word what it reasoned and what its framework keeps, and what it gave a tool in short', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage }, limits: { contextTokens: 10_000_000 } });
  const input = { path: 'src/a.txt', text: large(70_000) };
  const parts: Part[] = [
    { type: 'reasoning', text: large(70_000), metadata: { anthropic: { signature: 's1' } } },
    { type: 'custom', name: 'approval', data: { id: 'a1', what: large(70_000) } },
    { type: 'tool-call', call: 'c1', name: 'write_file', input },
  ];
  await send(world, 'chat', 'hello');
  const act = await stage.next();
  await act.say(message(...parts));
  act.end();
  await send(world, 'chat', 'and now?');
  const next = await stage.next();

  const [reasoning, custom, call] = next.turn.history[1]?.parts ?? [];
  expect([reasoning, custom]).toEqual(parts.slice(0, 2));
  expect(call).toMatchObject({ type: 'tool-call', call: 'c1', input: { path: 'src/a.txt' } });
  expect(await wholeOf(world, call?.ref?.artifact)).toEqual(input);
  expect(await largest(world)).toBeLessThan(20_000);
});

test('a large custom event is told in short, and its file goes wherever the session goes', async () => {
  const data = { page: 'a.html', text: large(70_000) };
  await using world = await whoSays([{ kind: 'custom', name: 'source', data }]);

  await say(world, 'chat', 'hello');

  const [custom] = await bodies(world, 'chat', 'custom');
  expect(custom).toMatchObject({ name: 'source', data: { page: 'a.html' } });
  expect(await wholeOf(world, custom?.ref?.artifact)).toEqual(data);
  expect(mentionsOf('custom', custom)).toEqual([custom?.ref?.artifact]);
  const [offloaded] = await bodies(world, 'chat', 'context.offloaded');
  expect(offloaded).toMatchObject({ from: 'custom', artifact: custom?.ref?.artifact });
});

test('metadata that no provider can want is left out, and the part says so', async () => {
  await using world = await whoSays([
    message({ type: 'text', text: 'kept', metadata: { m: 'x'.repeat(60_000) } }),
    message({ type: 'text', text: 'x', metadata: { m: 'x'.repeat(70_000) } }),
  ]);

  await say(world, 'chat', 'hello');

  const [kept, cut] = await bodies(world, 'chat', 'message');
  expect(kept?.parts[0]?.metadata).toEqual({ m: 'x'.repeat(60_000) });
  expect(cut?.parts[0]?.metadata).toEqual({ sojourn: { leftOut: '70008 characters of metadata' } });
});

test('what an agent refers to of another session is left out of any part of what it says', async () => {
  const ref = { artifact: 'a'.repeat(64), bytes: 9, mediaType: 'text/plain', preview: '' };
  await using world = await whoSays([
    message(
      { type: 'reasoning', text: 'so', ref },
      { type: 'custom', name: 'x', data: 1, ref },
      { type: 'tool-call', call: 'c1', name: 'look', input: {}, ref },
    ),
  ]);

  const turn = await say(world, 'chat', 'hello');

  expect(turn.outcome).toBe('completed');
  expect((await bodies(world, 'chat', 'message'))[0]?.parts).toEqual([
    { type: 'reasoning', text: 'so' },
    { type: 'custom', name: 'x', data: 1 },
    { type: 'tool-call', call: 'c1', name: 'look', input: {} },
  ]);
});

test('thirty calls of a tool in one answer, each with a long text, stay in the log, each with its own', async () => {
  const calls = Array.from({ length: 30 }, (_, index) => `c${index}`);
  await using world = await whoSays(
    calls.map((call) => ({
      kind: 'tool.called',
      call,
      name: 'write',
      input: { path: call, text: large(60_000) },
    })),
  );

  await say(world, 'chat', 'hello');

  const parts = (await world.runtime.transcript('chat')).flatMap((said) => said.parts);
  const told = parts.filter((part) => part.type === 'tool-call');
  expect(told.map(({ call, input }) => [call, (input as { path: string }).path])).toEqual(
    calls.map((call) => [call, call]),
  );
});
