// Artifacts: what is too large for the log becomes a file, the log a reference, and the file can be read back.
import { createHash } from 'node:crypto';
import { readdir, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { functionAgent } from '../src/agent/function/function.ts';
import { hostCaller } from '../src/runtime/access.ts';
import { testRuntime } from '../src/testing/test-runtime.ts';
import { textOf } from '../src/wire/message.ts';
import { bodies, outcome, refusal, say, send, Stage } from './session-stage.ts';

const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');

test('a large result becomes a file that can be read back, whole and in part', async () => {
  await using world = await testRuntime();

  const view = await say(world, 'chat', '/big 100000');
  const [returned] = await bodies(world, 'chat', 'tool.returned');
  const [row] = await world.runtime.artifacts('chat');
  const id = returned?.artifact ?? '';
  const whole = await world.runtime.artifact('chat', id);
  const part = await world.runtime.artifact('chat', id, { start: 6, end: 13 });

  expect(view.outcome).toBe('completed');
  expect(returned).toMatchObject({ bytes: 100_000, mediaType: 'text/plain; charset=utf-8', isError: false });
  expect(returned?.output).toBeUndefined();
  expect(returned?.preview?.startsWith('line 1\nline 2\n')).toBe(true);
  expect(sha256(whole.bytes)).toBe(id);
  expect([whole.total, whole.bytes.byteLength]).toEqual([100_000, 100_000]);
  expect(Buffer.from(part.bytes).toString()).toBe('\nline 2');
  expect(row).toMatchObject({ id, bytes: 100_000 });
});

test('a range outside an artifact is refused, one that reaches over its end is cut', async () => {
  await using world = await testRuntime();
  await say(world, 'chat', '/big 100000');
  const id = (await world.runtime.artifacts('chat'))[0]?.id ?? '';

  expect(await refusal(world.runtime.artifact('chat', id, { start: 100_000 }))).toBe('artifact.range');
  expect(await refusal(world.runtime.artifact('chat', id, { start: 9, end: 8 }))).toBe('artifact.range');
  expect((await world.runtime.artifact('chat', id, { start: 99_990, end: 200_000 })).bytes).toHaveLength(10);
});

test('exactly what fits stays in the log', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage }, limits: { inlineBytesMax: 100 } });
  await send(world, 'chat', 'hello');
  const act = await stage.next();

  for (const [call, output] of [
    ['fits', 'x'.repeat(100)],
    ['over', 'x'.repeat(101)],
    ['euro', '\u20ac'.repeat(34)], // 34 characters, 102 bytes
  ] as const) {
    await act.say(
      { kind: 'tool.called', call, name: 'look', input: {} },
      { kind: 'tool.returned', call, output },
    );
  }
  act.end();
  await world.runtime.waitForIdle('chat');

  const returned = await bodies(world, 'chat', 'tool.returned');
  expect(returned.map(({ call, artifact, bytes }) => [call, artifact !== undefined, bytes])).toEqual([
    ['fits', false, undefined],
    ['over', true, 101],
    ['euro', true, 102],
  ]);
});

test('an agent hears a large message whole, now and in its history, also after a restart', async () => {
  const long = 'a long story. '.repeat(1_000);
  const stage = new Stage({ rerun: 'safe' });
  await using world = await testRuntime({ agents: { stage }, limits: { inlineTextBytesMax: 1_000 } });
  const { turn } = await send(world, 'chat', long);
  const first = await stage.next();

  await world.crash();
  const again = await stage.next();
  await again.say(long);
  again.end();
  const view = await outcome(world, 'chat', turn);
  await send(world, 'chat', { input: long, policy: 'queue' });
  const next = await stage.next();

  expect([first.heard, again.heard, next.heard]).toEqual([[long], [long], [long]]);
  expect(next.remembers).toEqual([`user: ${long}`, `assistant: ${long}`]);
  expect(view.ref).toMatchObject({ bytes: long.length, artifact: sha256(long) });
  expect(view.text.length).toBeLessThan(long.length);
  const [accepted] = await bodies(world, 'chat', 'turn.accepted');
  expect(textOf(accepted?.input.parts ?? []).length).toBeLessThan(long.length);
});

test('a large message that is steered into a turn is heard whole, also by the attempt after a crash', async () => {
  const long = 'a long story. '.repeat(1_000);
  const stage = new Stage({ rerun: 'safe' });
  await using world = await testRuntime({ agents: { stage }, limits: { inlineTextBytesMax: 1_000 } });
  await send(world, 'chat', 'hello');
  const first = await stage.next();
  await send(world, 'chat', { input: long, policy: 'steer' });
  const heard = first.turn.inbox.take().map(({ parts }) => textOf(parts));
  await first.say({ kind: 'tool.called', call: 'c1', name: 'look', input: {} });
  await send(world, 'chat', { input: long, policy: 'steer' });

  await world.crash();
  const again = await stage.next();
  const heardAgain = again.turn.inbox.take().map(({ parts }) => textOf(parts));

  expect(heard).toEqual([long]);
  expect(heardAgain.map((text) => text.length)).toEqual([long.length, long.length]);
});

test('an attachment travels as a file, and the agent gets it back as it was', async () => {
  const data = Buffer.from('picture '.repeat(20_000)).toString('base64');
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });

  await send(world, 'chat', { input: [{ type: 'file', mediaType: 'image/png', name: 'a.png', data }] });
  const act = await stage.next();
  const [artifact] = await world.runtime.artifacts('chat');

  expect(act.turn.inputs[0]?.parts).toEqual([{ type: 'file', mediaType: 'image/png', name: 'a.png', data }]);
  expect(artifact).toMatchObject({ mediaType: 'image/png', name: 'a.png', bytes: 160_000 });
  const { bytes } = await world.runtime.artifact('chat', artifact?.id ?? '');
  expect(Buffer.from(bytes).toString('base64')).toBe(data);
});

test('a result too large for an artifact fails its turn, and nothing else', async () => {
  const agent = functionAgent(async function* ({ inputs }) {
    if (textOf(inputs[0]?.parts ?? []) !== 'big') return yield 'small';
    yield { kind: 'tool.called', call: 'c1', name: 'read', input: {} };
    yield { kind: 'tool.returned', call: 'c1', output: 'x'.repeat(64 * 1_024 * 1_024 + 1) };
  });
  await using world = await testRuntime({ agents: { agent } });

  const big = await say(world, 'chat', 'big');
  const small = await say(world, 'chat', 'small');

  expect(big).toMatchObject({ outcome: 'failed', error: { code: 'artifact.too_large' } });
  expect(await bodies(world, 'chat', 'tool.returned')).toEqual([
    { call: 'c1', isError: true, unknown: true },
  ]);
  expect(small.outcome).toBe('completed');
});

test('an artifact is read through a session that refers to it, and through no other', async () => {
  await using world = await testRuntime();
  await world.runtime.addProject('other');
  await say(world, 'mine', '/big 100000');
  await say(world, 'yours', 'hello');
  await world.runtime.open('mine', {}, hostCaller('other'));
  const id = (await world.runtime.artifacts('mine'))[0]?.id ?? '';

  expect(await refusal(world.runtime.artifact('yours', id))).toBe('artifact.not_found');
  expect(await refusal(world.runtime.artifact('mine', id, undefined, hostCaller('other')))).toBe(
    'artifact.not_found',
  );
  for (const bad of ['', '../../../etc/passwd', 'x'.repeat(64), id.toUpperCase(), `${id}0`]) {
    expect(await refusal(world.runtime.artifact('mine', bad))).toBe('artifact.not_found');
  }
});

test('an artifact that was damaged on disk is never given out as if it were whole', async () => {
  await using world = await testRuntime();
  await say(world, 'chat', '/big 100000');
  const id = (await world.runtime.artifacts('chat'))[0]?.id ?? '';
  const folder = join(world.folder, 'artifacts');
  const name = (await readdir(folder, { recursive: true })).find((path) => path.endsWith(id.slice(2))) ?? '';

  await truncate(join(folder, name), 1_000);

  expect(await refusal(world.runtime.artifact('chat', id))).toBe('store.damaged');
});
