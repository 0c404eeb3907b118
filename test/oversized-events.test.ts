// Oversized events: whatever an agent says, its size ends no turn, and the log says what was left out.
import { expect, test } from 'vitest';
import type { AgentEvent } from '../src/agent/agent.ts';
import { functionAgent } from '../src/agent/function/function.ts';
import type { Limits } from '../src/kernel/limits.ts';
import { testRuntime, type TestRuntime } from '../src/testing/test-runtime.ts';
import type { Part } from '../src/wire/message.ts';
import { bodies, events, say } from './session-stage.ts';

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

async function largest(world: TestRuntime): Promise<number> {
  return Math.max(...(await events(world, 'chat')).map(({ body }) => JSON.stringify(body).length));
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
    await using world = await whoSays(said);

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
