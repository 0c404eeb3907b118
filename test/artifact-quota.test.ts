// How much a session, and a project, may have moved out: what is refused at the bound, and what goes on.
import { Buffer } from 'node:buffer';
import { expect, test } from 'vitest';
import { hostCaller } from '../src/runtime/access.ts';
import { testRuntime, type TestRuntime } from '../src/testing/test-runtime.ts';
import type { TurnCall } from '../src/wire/calls.ts';
import { textOf } from '../src/wire/message.ts';
import { bodies, events, refusal, say, send, Stage } from './session-stage.ts';

/** Bytes of their own for each letter. */
const file = (letter: string, bytes: number): TurnCall => ({
  input: [
    { type: 'file', mediaType: 'text/plain', data: Buffer.from(letter.repeat(bytes)).toString('base64') },
  ],
});

const put = (world: TestRuntime, key: string, letter: string, bytes: number): Promise<string> =>
  refusal(say(world, key, file(letter, bytes)));

test('a file a session has no room for is refused before it is accepted, and the session goes on', async () => {
  await using world = await testRuntime({ limits: { artifactBytesPerSessionMax: 100_000 } });
  await put(world, 'chat', 'a', 60_000);
  const before = await events(world, 'chat');

  const refused = await put(world, 'chat', 'b', 60_000);
  const after = await events(world, 'chat');
  const others = [await put(world, 'other', 'b', 60_000), await put(world, 'chat', 'c', 40_000)];

  expect([refused, after.length]).toEqual(['artifact.quota', before.length]);
  expect(others).toEqual(['nothing', 'nothing']);
  expect(await put(world, 'chat', 'd', 10_000)).toBe('artifact.quota');
});

test('a session that is refused for want of room was never made', async () => {
  await using world = await testRuntime({ limits: { artifactBytesPerSessionMax: 10_000 } });

  expect(await put(world, 'chat', 'a', 20_000)).toBe('artifact.quota');
  expect(await refusal(world.runtime.session('chat'))).toBe('session.not_found');
});

test('the same file again costs nothing, in its session and in its project', async () => {
  await using world = await testRuntime({
    limits: { artifactBytesPerSessionMax: 100_000, artifactBytesPerProjectMax: 120_000 },
  });

  const answers = [
    await put(world, 'a', 'x', 60_000),
    await put(world, 'a', 'x', 60_000),
    await put(world, 'b', 'x', 60_000),
    await put(world, 'c', 'x', 60_000),
    await put(world, 'c', 'y', 60_000), // More than its session may have.
    await put(world, 'd', 'y', 60_000),
    await put(world, 'd', 'z', 9_000), // More than the project may have.
  ];

  expect(answers).toEqual([
    ...Array<string>(4).fill('nothing'),
    'artifact.quota',
    'nothing',
    'artifact.quota',
  ]);
});

test('each project has room of its own', async () => {
  await using world = await testRuntime({ limits: { artifactBytesPerProjectMax: 50_000 } });
  await world.runtime.addProject('other');
  await put(world, 'a', 'x', 50_000);

  const there = world.runtime.send('a', file('x', 50_000), {}, hostCaller('other'));

  expect([await refusal(there), await put(world, 'b', 'y', 9_000)]).toEqual(['nothing', 'artifact.quota']);
});

test('of many files that come at once, no more are taken than there is room for', async () => {
  const stage = new Stage();
  await using world = await testRuntime({
    agents: { stage },
    limits: { artifactBytesPerProjectMax: 100_000 },
  });
  const letters = 'abcdefghij'.split('');

  const answers = await Promise.all(
    letters.map((letter, index) => refusal(send(world, `s${index % 3}`, file(letter, 30_000)))),
  );

  expect(answers.filter((answer) => answer === 'nothing')).toHaveLength(3);
  expect(answers.filter((answer) => answer === 'artifact.quota')).toHaveLength(7);
});

test('a session is as full after a restart as it was before, and has room again in a project that erased another', async () => {
  await using world = await testRuntime({
    limits: { artifactBytesPerSessionMax: 90_000, artifactBytesPerProjectMax: 100_000 },
  });
  await put(world, 'a', 'x', 60_000);
  await put(world, 'b', 'y', 40_000);

  await world.crash();
  const full = [await put(world, 'a', 'z', 40_000), await put(world, 'b', 'z', 20_000)];
  await world.runtime.close('b', { erase: true });
  const freed = await put(world, 'c', 'z', 40_000);

  expect([...full, freed]).toEqual(['artifact.quota', 'artifact.quota', 'nothing']);
});

test('a result there is no room for keeps its beginning and its end and says so, and the turn goes on', async () => {
  const stage = new Stage();
  await using world = await testRuntime({
    agents: { stage },
    limits: { artifactBytesPerSessionMax: 10_000 },
  });
  await send(world, 'chat', 'hello');
  const act = await stage.next();
  const text = `the beginning ${'x'.repeat(50_000)} the end`;
  const shown = await act.turn.shown(text);
  await act.say(
    { kind: 'tool.called', call: 'c1', name: 'look', input: {} },
    { kind: 'tool.returned', call: 'c1', output: text },
    'done',
  );
  act.end();
  await world.runtime.waitForIdle('chat');

  const [returned] = await bodies(world, 'chat', 'tool.returned');
  const messages = await bodies(world, 'chat', 'message');

  expect(returned).toEqual({ call: 'c1', isError: false, output: shown });
  expect(shown).toMatch(
    /^the beginning x+\n… 48,\d\d\d bytes could not be kept: artifact\.quota …\nx+ the end$/,
  );
  expect(messages.find(({ role }) => role === 'tool')?.parts).toMatchObject([{ output: shown }]);
  expect(await bodies(world, 'chat', 'context.offloaded')).toEqual([]);
  expect((await bodies(world, 'chat', 'turn.ended')).map(({ outcome }) => outcome)).toEqual(['completed']);
});

test('what an agent says at length, and shows, stays in the log as far as it can when there is no room', async () => {
  const stage = new Stage();
  await using world = await testRuntime({
    agents: { stage },
    limits: { artifactBytesPerSessionMax: 10_000 },
  });
  await send(world, 'chat', 'hello');
  const act = await stage.next();
  const long = 'a'.repeat(100_000);
  const huge = `${'b'.repeat(1_500_000)} the end`;
  const data = Buffer.from('picture '.repeat(2_000)).toString('base64');
  for (const text of [long, huge])
    await act.say({ kind: 'message', role: 'assistant', parts: [{ type: 'text', text }] });
  await act.say({
    kind: 'message',
    role: 'assistant',
    parts: [{ type: 'file', mediaType: 'image/png', name: 'a.png', data }],
  });
  act.end();
  await world.runtime.waitForIdle('chat');

  const texts = (await bodies(world, 'chat', 'message')).map(({ parts }) => textOf(parts));
  const [ended] = await bodies(world, 'chat', 'turn.ended');

  expect(texts[0]).toBe(long);
  expect(texts[1]).toMatch(/^b+\n… 1,49\d,\d\d\d bytes could not be kept: artifact\.quota …\nb+ the end$/);
  expect(texts[2]).toBe('[a.png]\n… 16,000 bytes could not be kept: artifact.quota …');
  expect(ended?.outcome).toBe('completed');
});

test('a call that a person has to see exactly is not asked about where it finds no room', async () => {
  const stage = new Stage();
  await using world = await testRuntime({
    agents: { stage },
    limits: { artifactBytesPerSessionMax: 10_000 },
  });
  await send(world, 'chat', 'hello');
  const act = await stage.next();
  const tool = { call: 'c1', name: 'write', input: { text: 'x'.repeat(20_000) } };

  const asked = act.turn.ask('write', { kind: 'approval', text: 'May I?', tool });

  expect(await refusal(asked)).toBe('artifact.quota');
  expect(await world.runtime.requests()).toEqual([]);
});

test('what was put for messages that were refused takes no room for long', async () => {
  const stage = new Stage();
  await using world = await testRuntime({
    agents: { stage },
    limits: { artifactBytesPerProjectMax: 100_000, queueMax: 0 },
  });
  await send(world, 'chat', 'hello');
  await stage.next();
  const refused = await refusal(send(world, 'chat', file('a', 90_000)));
  const full = await refusal(send(world, 'other', file('b', 90_000)));

  await world.clock.advance(10 * 60_000 + 1);
  const later = await refusal(send(world, 'other', file('b', 90_000)));

  expect([refused, full, later]).toEqual(['mailbox.full', 'artifact.quota', 'nothing']);
});
