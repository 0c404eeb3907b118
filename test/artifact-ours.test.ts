// A reference opens what this session moved out, and nothing that another session of its project did, whoever names it.
import { Buffer } from 'node:buffer';
import { expect, test } from 'vitest';
import { testRuntime, type TestRuntime } from '../src/testing/test-runtime.ts';
import type { ArtifactRef, Part } from '../src/wire/message.ts';
import { bodies, outcome, refusal, send, Stage } from './session-stage.ts';

const SECRET = Array.from({ length: 3_000 }, (_, index) => `secret ${index}`).join('\n');
const LAST = 'secret 2999';

/** A turn of this session reads the secret; answers what its log has instead. */
async function moved(world: TestRuntime, stage: Stage, key: string): Promise<ArtifactRef> {
  const { turn } = await send(world, key, 'read it');
  const act = await stage.next();
  await act.say(
    { kind: 'tool.called', call: 'c1', name: 'look', input: {} },
    { kind: 'tool.returned', call: 'c1', output: SECRET },
  );
  act.end();
  await outcome(world, key, turn);
  const [returned] = await bodies(world, key, 'tool.returned');
  const { artifact = '', bytes = 0, mediaType = '' } = returned ?? {};
  return { artifact, bytes, mediaType, preview: 'guess' };
}

/** What the agent of this session is shown, once it has said these parts itself. */
async function shownAfter(
  world: TestRuntime,
  stage: Stage,
  key: string,
  parts: readonly Part[],
): Promise<readonly Part[]> {
  const { turn } = await send(world, key, 'go');
  const act = await stage.next();
  await act.say({ kind: 'message', role: 'assistant', parts });
  act.end();
  await outcome(world, key, turn);
  await send(world, key, 'and now?');
  const next = await stage.next();
  return next.turn.history.filter(({ role }) => role === 'assistant').flatMap((message) => message.parts);
}

test('an agent that names what another session moved out is shown nothing of it, and neither is its log', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  const ref = await moved(world, stage, 'theirs');

  const shown = await shownAfter(world, stage, 'mine', [
    { type: 'text', text: 'my own words', ref },
    { type: 'file', mediaType: 'image/png', name: 'a.png', ref },
    { type: 'tool-result', call: 'c9', name: 'look', ref, isError: false },
  ]);

  const log = JSON.stringify(await bodies(world, 'mine', 'message'));
  expect(shown[0]).toEqual({ type: 'text', text: 'my own words' });
  expect(JSON.stringify(shown)).not.toContain(LAST);
  expect(JSON.stringify(shown)).not.toContain(Buffer.from(SECRET).toString('base64').slice(100, 200));
  expect(log).not.toContain('"ref"');
  expect(JSON.stringify(shown.slice(1))).toContain('artifact.not_found');
  expect(await world.runtime.artifacts('mine')).toEqual([]);
  expect(await refusal(world.runtime.readBack('mine', { ref: `artifact:${ref.artifact}` }))).toBe(
    'artifact.not_found',
  );
});

test('an agent that names what its own session moved out is shown all of it', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  const ref = await moved(world, stage, 'mine');

  const shown = await shownAfter(world, stage, 'mine', [{ type: 'text', text: 'as I read', ref }]);

  expect(shown.at(-1)).toEqual({ type: 'text', text: SECRET });
});

test('a message that names what another session moved out is refused, and begins no turn', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  const ref = await moved(world, stage, 'theirs');

  const refused = await refusal(send(world, 'mine', { input: [{ type: 'text', text: 'look', ref }] }));
  const made = await refusal(world.runtime.session('mine'));

  expect([refused, made]).toEqual(['artifact.not_found', 'session.not_found']);
});

test('a child that names what another session moved out brings its parent nothing of it', async () => {
  const stage = new Stage();
  const inner = new Stage();
  await using world = await testRuntime({ agents: { stage, inner } });
  const ref = await moved(world, stage, 'theirs');
  await send(world, 'parent', 'ask your child');
  const act = await stage.next();
  const child = await act.turn.spawn('inner', 'show me');
  const below = await inner.next();
  await below.say({
    kind: 'message',
    role: 'assistant',
    parts: [{ type: 'file', mediaType: 'image/png', ref }],
  });
  below.end();

  const { images } = await child.result();

  expect(images).toEqual([]);
  expect(await world.runtime.artifacts('parent')).toEqual([]);
});

test('a parent hands its child what it moved out itself, whole, and nothing that another session did', async () => {
  const stage = new Stage();
  const inner = new Stage();
  await using world = await testRuntime({ agents: { stage, inner } });
  const ref = await moved(world, stage, 'parent');
  await send(world, 'parent', 'ask your child');
  await send(world, 'other', 'ask yours');
  const [act, other] = [await stage.next(), await stage.next()];

  const refused = await refusal(other.turn.spawn('inner', [{ type: 'text', text: 'this', ref }]));
  await act.turn.spawn('inner', [{ type: 'text', text: 'this', ref }]);
  const below = await inner.next();

  expect(refused).toBe('artifact.not_found');
  expect(below.turn.inputs[0]?.parts).toEqual([{ type: 'text', text: SECRET }]);
  expect(below.turn.session.parent).toBe(act.turn.session.id);
});
