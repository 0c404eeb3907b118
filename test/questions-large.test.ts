// Questions about calls whose input is too large for the log: a person sees the exact input, and answers for that one only.
// And answers that are.
import { Buffer } from 'node:buffer';
import { expect, test } from 'vitest';
import type { Agent } from '../src/agent/agent.ts';
import { functionAgent } from '../src/agent/function/function.ts';
import { toolHash } from '../src/session/questions.ts';
import { testRuntime, type TestRuntime } from '../src/testing/test-runtime.ts';
import { textOf } from '../src/wire/message.ts';
import { bodies, outcome, refusal, say, seen, send } from './session-stage.ts';

const LONG = 'x'.repeat(5_000);

/** Asks before it writes a long text that ends with what it was told. */
function writer(): Agent {
  return functionAgent(
    async function* (turn) {
      const input = { text: LONG + textOf(turn.inputs[0]?.parts ?? []) };
      const asked = { call: 'c1', name: 'write', input };
      const { decision } = await turn.ask('write', { kind: 'approval', text: 'Write?', tool: asked });
      yield decision;
    },
    { rerun: 'safe' },
  );
}

const begin = (): Promise<TestRuntime> =>
  testRuntime({ agents: { writer: writer() }, limits: { inlineBytesMax: 1_000 } });

async function asked(world: TestRuntime, input: string) {
  const { turn, seq } = await send(world, 'chat', input);
  const { body } = await seen(world, 'chat', 'request.opened', seq);
  return { turn, request: body.request };
}

test('the exact input is an artifact of the session, and the question has its hash and its beginning', async () => {
  await using world = await begin();
  const { request } = await asked(world, 'one');

  const [view] = await world.runtime.requests();
  const artifact = view?.tool?.ref?.artifact ?? '';
  const { bytes } = await world.runtime.artifact('chat', artifact);

  const input = { text: `${LONG}one` };
  expect(view).toMatchObject({
    id: request,
    tool: { input: JSON.stringify(input).slice(0, 600), inputHash: toolHash({ name: 'write', input }) },
  });
  expect(JSON.parse(Buffer.from(bytes).toString('utf8'))).toEqual(input);
});

test('its answer is found after a restart, also by a later turn where it is to be remembered', async () => {
  await using world = await begin();
  const { turn, request } = await asked(world, 'one');

  await world.restart();
  await world.runtime.answer('chat', request, { decision: 'allow', remember: true });

  expect(await outcome(world, 'chat', turn)).toMatchObject({ outcome: 'completed', text: 'allow' });
  expect((await say(world, 'chat', 'one')).text).toBe('allow');
  expect(await bodies(world, 'chat', 'request.opened')).toHaveLength(1);
});

test('another input with the same beginning is asked for by itself', async () => {
  await using world = await begin();
  const one = await asked(world, 'one');
  await world.runtime.answer('chat', one.request, { decision: 'allow', remember: true });
  await outcome(world, 'chat', one.turn);

  const two = await asked(world, 'two');
  await world.runtime.answer('chat', two.request, { decision: 'deny' });

  expect((await outcome(world, 'chat', two.turn)).text).toBe('deny');
});

test('an answer that is too large is refused, and the turn goes on with the next one', async () => {
  await using world = await begin();
  const { turn, request } = await asked(world, 'one');
  const answer = 'x'.repeat(1_100_000);

  const refused = await refusal(world.runtime.answer('chat', request, { decision: 'allow', answer }));
  const { state } = await world.runtime.session('chat');
  await world.runtime.answer('chat', request, { decision: 'allow', answer: 'x'.repeat(65_536) });

  expect(refused).toBe('input.too_large');
  expect(state).toBe('waiting');
  expect(await outcome(world, 'chat', turn)).toMatchObject({ outcome: 'completed', text: 'allow' });
});

test('where events are small, an answer that none holds is refused, and the question stays open', async () => {
  await using world = await testRuntime({
    agents: { writer: writer() },
    limits: { inlineBytesMax: 1_000, eventBytesMax: 16_384 },
  });
  const { turn, request } = await asked(world, 'one');
  const answer = '\u001b'.repeat(4_000);

  const refused = await refusal(world.runtime.answer('chat', request, { decision: 'allow', answer }));
  await world.runtime.answer('chat', request, { decision: 'deny' });

  expect(refused).toBe('input.too_large');
  expect((await outcome(world, 'chat', turn)).text).toBe('deny');
});
