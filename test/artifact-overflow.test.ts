// What leaves a session's log because it is too large: what stays to be seen of it, what the log says, and what a model
// is shown.
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { shownOf } from '../src/context/excerpt.ts';
import { testRuntime, type TestRuntime } from '../src/testing/test-runtime.ts';
import type { ArtifactRef, Part } from '../src/wire/message.ts';
import { type Act, bodies, events, say, send, Stage } from './session-stage.ts';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

const numbered = (lines: number): string =>
  Array.from({ length: lines }, (_, index) => `line ${index + 1}`).join('\n');

async function onStage(): Promise<{ world: TestRuntime; stage: Stage }> {
  const stage = new Stage();
  return { world: await testRuntime({ agents: { stage } }), stage };
}

/** One call of a tool, from beginning to end. */
async function returns(act: Act, call: string, output: unknown, name = 'look'): Promise<void> {
  await act.say({ kind: 'tool.called', call, name, input: {} }, { kind: 'tool.returned', call, output });
}

/** What the next turn sees of a tool's result. */
function resultOf(act: Act, call: string): { output?: unknown; ref?: ArtifactRef } | undefined {
  const parts: readonly Part[] = act.turn.history.flatMap((message) => message.parts);
  return parts.find((part) => part.type === 'tool-result' && part.call === call) as never;
}

test('the next turn is shown the beginning and the end of a large result, how large it is, and how to read more', async () => {
  const { world, stage } = await onStage();
  await using _world = world;
  const text = numbered(5_000);
  await send(world, 'chat', 'hello');
  const act = await stage.next();
  await returns(act, 'c1', text);
  act.end();
  await send(world, 'chat', 'and now?');

  const next = await stage.next();

  const { output, ref } = resultOf(next, 'c1') ?? {};
  const shown = String(output);
  expect(ref).toMatchObject({ artifact: sha256(text), bytes: text.length, lines: 5_000 });
  expect(shown).toBe(shownOf(ref as ArtifactRef));
  expect(shown.startsWith('line 1\nline 2\n')).toBe(true);
  expect(shown).toContain('line 4999\nline 5000\n[This is part of 48,892 bytes in 5,000 lines');
  expect(shown).toContain(`read_back and its ref "artifact:${sha256(text)}"`);
  expect(shown.length).toBeLessThan(2_300);
  const left = /… ([\d,]+) bytes left out …/.exec(shown)?.[1]?.replaceAll(',', '');
  expect(Number(left)).toBe(text.length - (ref?.preview.length ?? 0) - (ref?.tail?.length ?? 0));
});

test('the log says what left it, ahead of what refers to it and in the same write', async () => {
  const stage = new Stage();
  const writes: string[][] = [];
  await using world = await testRuntime({
    agents: { stage },
    onWrite: ({ events: written }) => void writes.push(written.map(({ kind }) => kind)),
  });
  const data = Buffer.from('picture '.repeat(2_000)).toString('base64');
  await send(world, 'chat', { input: [{ type: 'file', mediaType: 'image/png', data }] });
  const act = await stage.next();
  const text = numbered(5_000);
  await returns(act, 'c1', text);
  act.end();
  await world.runtime.waitForIdle('chat');

  const all = await events(world, 'chat');
  const [ofFile, ofResult, ...more] = all.filter(({ kind }) => kind === 'context.offloaded');
  const carriers = [ofFile, ofResult].map((offloaded) => all[offloaded?.seq ?? 0]);

  expect(carriers.map((event) => [event?.kind, event?.turn])).toEqual([
    ['turn.accepted', ofFile?.turn],
    ['tool.returned', ofResult?.turn],
  ]);
  expect(ofFile?.body).toMatchObject({ from: 'turn.accepted', bytes: 16_000, mediaType: 'image/png' });
  expect(ofResult?.body).toMatchObject({
    artifact: sha256(text),
    ref: `artifact:${sha256(text)}`,
    from: 'tool.returned',
    call: 'c1',
    bytes: 48_892,
  });
  const { tokens, shownTokens } = (ofResult?.body ?? {}) as { tokens: number; shownTokens: number };
  expect([tokens > 10_000, shownTokens < 1_000]).toEqual([true, true]);
  expect(more).toEqual([]); // The message that repeats the result is no news.
  for (const kind of ['turn.accepted', 'tool.returned'])
    expect(writes.find((written) => written.includes(kind))).toContain('context.offloaded');
});

test('whoever follows a turn from its receipt sees what was moved out of its message', async () => {
  const { world } = await onStage();
  await using _world = world;
  const data = Buffer.from('picture '.repeat(2_000)).toString('base64');

  const { seq } = await send(world, 'chat', { input: [{ type: 'file', mediaType: 'image/png', data }] });
  const { events: page } = await world.runtime.events('chat', { after: seq });

  expect(
    page
      .map(({ kind }) => kind)
      .filter((kind) => kind !== 'session.created')
      .slice(0, 2),
  ).toEqual(['context.offloaded', 'turn.accepted']);
});

test('a message that waits behind another one is found again as it was, with what left it', async () => {
  const stage = new Stage({ rerun: 'safe' });
  await using world = await testRuntime({ agents: { stage } });
  const data = Buffer.from('picture '.repeat(2_000)).toString('base64');
  await send(world, 'chat', 'first');
  await stage.next();
  const { turn } = await send(world, 'chat', { input: [{ type: 'file', mediaType: 'image/png', data }] });

  await world.crash();
  const again = await stage.next();
  again.end();
  const waited = await stage.next();

  expect([waited.turn.id, waited.turn.inputs[0]?.parts]).toEqual([
    turn,
    [{ type: 'file', mediaType: 'image/png', data }],
  ]);
});

test('a result leaves beyond 8 KiB, and what is said beyond 64 KiB', async () => {
  const { world, stage } = await onStage();
  await using _world = world;
  await send(world, 'chat', 'x'.repeat(65_536));
  const act = await stage.next();
  await returns(act, 'fits', 'x'.repeat(8_192));
  await returns(act, 'over', 'y'.repeat(8_193));
  await act.say({ kind: 'message', role: 'assistant', parts: [{ type: 'text', text: 'x'.repeat(65_536) }] });
  await act.say({ kind: 'message', role: 'assistant', parts: [{ type: 'text', text: 'z'.repeat(65_537) }] });
  act.end();
  await world.runtime.waitForIdle('chat');

  const left = await bodies(world, 'chat', 'context.offloaded');

  expect(left.map(({ from, bytes }) => [from, bytes])).toEqual([
    ['tool.returned', 8_193],
    ['message', 65_537],
  ]);
});

test('beginning and end are cut between characters, whatever the script', async () => {
  const { world, stage } = await onStage();
  await using _world = world;
  await send(world, 'chat', 'hello');
  const act = await stage.next();
  const texts = [1, 2, 3, 4].flatMap((shift) =>
    ['€', '𝄞', 'é', '汉'].map((sign) => `${'a'.repeat(shift)}${sign.repeat(9_000)}`),
  );
  for (const [index, text] of texts.entries()) await returns(act, `c${index}`, text);

  const returned = await bodies(world, 'chat', 'tool.returned');

  expect(returned).toHaveLength(texts.length);
  for (const [index, { preview = '', tail = '' }] of returned.entries()) {
    expect(texts[index]?.startsWith(preview) && texts[index]?.endsWith(tail)).toBe(true);
    expect(`${preview}${tail}`).not.toContain('\ufffd');
    expect([preview.length, tail.length].every((length) => length > 100)).toBe(true);
  }
});

test('what a tool gave as JSON is kept as JSON, and what has no UTF-8 loses nothing', async () => {
  const { world, stage } = await onStage();
  await using _world = world;
  await send(world, 'chat', 'hello');
  const act = await stage.next();
  const rows = Array.from({ length: 1_000 }, (_, id) => ({ id, name: `row ${id}` }));
  const broken = `${'x'.repeat(9_000)}\ud800`;
  await returns(act, 'json', rows);
  await returns(act, 'broken', broken);

  const returned = await bodies(world, 'chat', 'tool.returned');
  const texts = await Promise.all(
    returned.map(async ({ artifact }) =>
      Buffer.from((await world.runtime.artifact('chat', artifact ?? '')).bytes).toString(),
    ),
  );

  expect(returned.map(({ mediaType }) => mediaType)).toEqual(['application/json', 'application/json']);
  expect(texts.map((text) => JSON.parse(text) as unknown)).toEqual([rows, broken]);
});

test('what was read back stays in the log: it is never moved out again', async () => {
  const { world, stage } = await onStage();
  await using _world = world;
  await send(world, 'chat', 'hello');
  const act = await stage.next();
  const found = { ref: 'artifact:00', text: '\u0001"\n'.repeat(2_700) };
  await returns(act, 'c1', found, 'read_back');
  await returns(act, 'c2', found, 'look');

  const returned = await bodies(world, 'chat', 'tool.returned');

  expect(returned.map(({ artifact }) => artifact !== undefined)).toEqual([false, true]);
  expect(returned[0]?.output).toEqual(found);
});

test('a tool’s result that a model was shown in its turn is in the log as it was shown, and written once', async () => {
  const { world, stage } = await onStage();
  await using _world = world;
  await send(world, 'chat', 'hello');
  const act = await stage.next();
  const text = numbered(5_000);

  const shown = await act.turn.shown(text);
  const before = await filesOf(world);
  await returns(act, 'c1', text);
  await returns(act, 'c2', text);
  act.end();
  await send(world, 'chat', 'and now?');
  const next = await stage.next();

  expect([resultOf(next, 'c1')?.output, resultOf(next, 'c2')?.output]).toEqual([shown, shown]);
  expect(before).toHaveLength(1);
  expect(await filesOf(world)).toEqual(before);
  expect(await world.runtime.artifacts('chat')).toHaveLength(1);
});

test('a small result is shown as it is, and a large one without the server’s own secrets', async () => {
  const { world, stage } = await onStage();
  await using _world = world;
  await send(world, 'chat', 'hello');
  const act = await stage.next();
  const secret = `soj_${'a1'.repeat(20)}`;
  const small = { token: secret };

  expect(await act.turn.shown(small)).toBe(small);
  expect(await act.turn.shown(undefined)).toBe(undefined);
  const large = String(await act.turn.shown(`${secret} ${'x'.repeat(9_000)}`));
  expect([large.startsWith('soj_***'), large.includes(secret)]).toEqual([true, false]);
});

test('a picture that is gone from the disk is told of where it stood, and the session goes on', async () => {
  const { world, stage } = await onStage();
  await using _world = world;
  const data = Buffer.from('picture '.repeat(2_000)).toString('base64');
  await send(world, 'chat', { input: [{ type: 'file', mediaType: 'image/png', name: 'a.png', data }] });
  (await stage.next()).end();
  await world.runtime.waitForIdle('chat');
  const [artifact] = await world.runtime.artifacts('chat');

  await world.store.files.remove('default', artifact?.id ?? '');
  await send(world, 'chat', 'what was it?');
  const next = await stage.next();

  expect(next.remembers[0]).toBe('user: [a.png]\n… 16,000 bytes could not be read: artifact.not_found …');
});

test('a message whose picture is gone before its turn begins fails that turn, and no other', async () => {
  const { world, stage } = await onStage();
  await using _world = world;
  const data = Buffer.from('picture '.repeat(2_000)).toString('base64');
  await send(world, 'chat', 'first');
  const first = await stage.next();
  const { turn } = await send(world, 'chat', { input: [{ type: 'file', mediaType: 'image/png', data }] });
  const [artifact] = await world.runtime.artifacts('chat');

  await world.store.files.remove('default', artifact?.id ?? '');
  first.end();
  const view = await world.runtime.finished('chat', turn, { waitMs: Infinity });
  const after = send(world, 'chat', 'and now?');
  (await stage.next()).end();

  expect(view).toMatchObject({ outcome: 'failed', error: { code: 'artifact.not_found' } });
  const ended = await world.runtime.finished('chat', (await after).turn, { waitMs: Infinity });
  expect(ended?.outcome).toBe('completed');
});

test('what a child says at length is in its parent’s log by reference, and the log says so', async () => {
  await using world = await testRuntime({ limits: { inlineTextBytesMax: 1_000 } });

  const view = await say(world, 'chat', `/spawn scripted ${'a long story. '.repeat(100)}`);
  const [ended] = await bodies(world, 'chat', 'child.ended');
  const left = (await bodies(world, 'chat', 'context.offloaded')).filter(
    ({ from }) => from === 'child.ended',
  );

  expect(view.outcome).toBe('completed');
  expect(left.map(({ artifact }) => artifact)).toEqual([ended?.ref?.artifact]);
  expect((await world.runtime.artifact('chat', ended?.ref?.artifact ?? '')).total).toBe(ended?.ref?.bytes);
});

/** Each with the number the disk knows it by, which is another one once it is written again. */
async function filesOf(world: TestRuntime): Promise<string[]> {
  const folder = join(world.folder, 'artifacts');
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = found.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Promise.all(files.map(async (file) => `${file} ${(await stat(file)).ino}`));
}

test('two hundred results at once fit into the log, each with as much as there is place for', async () => {
  const { world, stage } = await onStage();
  await using _world = world;
  await send(world, 'chat', 'hello');
  const act = await stage.next();
  const calls = Array.from({ length: 200 }, (_, index) => `c${index}`);
  for (const call of calls) await act.say({ kind: 'tool.called', call, name: 'look', input: {} });
  for (const call of calls)
    await act.say({ kind: 'tool.returned', call, output: `${call} ${'x'.repeat(8_000)}` });
  act.end();
  await send(world, 'chat', 'and now?');
  const next = await stage.next();

  const [, first] = await world.runtime.turns('chat');
  const shown = calls.map((call) => resultOf(next, call)?.output);

  expect(first?.outcome).toBe('completed');
  expect(shown[0]).toBe(`c0 ${'x'.repeat(8_000)}`);
  expect(shown[199]).toMatch(/^c199 x+\n… [\d,]+ bytes left out …\nx+\n\[This is part of/);
  const { bytes } = await world.runtime.artifact('chat', resultOf(next, 'c199')?.ref?.artifact ?? '');
  expect(Buffer.from(bytes).toString()).toBe(`c199 ${'x'.repeat(8_000)}`);
});

test('a message of many long parts is taken, and heard whole', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage }, limits: { contextTokens: 10_000_000 } });
  const input = Array.from({ length: 40 }, (_, index) => ({
    type: 'text' as const,
    text: `${index} ${'y'.repeat(60_000)}`,
  }));

  await send(world, 'chat', { input });
  const act = await stage.next();

  expect(act.turn.inputs[0]?.parts).toEqual(input);
});

test('a file that was lost is there again once it is sent again', async () => {
  const { world, stage } = await onStage();
  await using _world = world;
  const data = Buffer.from('picture '.repeat(2_000)).toString('base64');
  const picture = { input: [{ type: 'file', mediaType: 'image/png', data }] } as const;
  await send(world, 'chat', picture);
  (await stage.next()).end();
  await world.runtime.waitForIdle('chat');
  const [artifact] = await world.runtime.artifacts('chat');
  await world.store.files.remove('default', artifact?.id ?? '');

  await send(world, 'chat', picture);
  const act = await stage.next();

  expect(act.turn.inputs[0]?.parts).toEqual(picture.input);
  expect(act.turn.history[0]?.parts).toEqual(picture.input);
});
