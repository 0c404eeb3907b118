// A process that ends in the middle of moving something out of a log: at each step, nothing is lost, nothing is there
// twice, and no half file stays.
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { SojournError } from '../src/kernel/errors.ts';
import { testRuntime, type TestRuntime } from '../src/testing/test-runtime.ts';
import { bodies, kinds, outcome, refusal, send, Stage } from './session-stage.ts';

const TEXT = Array.from({ length: 3_000 }, (_, index) => `line ${index + 1}`).join('\n');
const DIGEST = createHash('sha256').update(TEXT).digest('hex');

const called = { kind: 'tool.called', call: 'c1', name: 'look', input: {} } as const;
const returned = { kind: 'tool.returned', call: 'c1', output: TEXT } as const;
const picture = {
  input: [
    { type: 'file', mediaType: 'image/png', data: Buffer.from('picture '.repeat(2_000)).toString('base64') },
  ],
} as const;

function filesOf(world: TestRuntime): string[] {
  const folder = join(world.folder, 'artifacts');
  if (!existsSync(folder)) return [];
  const found = readdirSync(folder, { recursive: true, withFileTypes: true });
  return found.filter((entry) => entry.isFile()).map(({ name }) => name);
}

/** Says the same call and result again, to its end, and answers what the log has of the last attempt. */
async function again(world: TestRuntime, stage: Stage, turn: string): Promise<void> {
  const act = await stage.next();
  await act.say(called, returned);
  act.end();
  expect((await outcome(world, 'chat', turn)).outcome).toBe('completed');
  const last = (await kinds(world, 'chat')).lastIndexOf('turn.started');
  const rest = (await kinds(world, 'chat')).slice(last);
  expect(rest.filter((kind) => kind === 'context.offloaded' || kind === 'tool.returned')).toEqual([
    'context.offloaded',
    'tool.returned',
  ]);
  expect(await world.runtime.artifacts('chat')).toHaveLength(1);
  const { bytes } = await world.runtime.artifact('chat', DIGEST);
  expect(Buffer.from(bytes).toString()).toBe(TEXT);
  expect(filesOf(world)).toEqual([DIGEST.slice(2)]);
}

test('killed while a file is being written, it leaves no half of it', async () => {
  const stage = new Stage({ rerun: 'safe' });
  await using world = await testRuntime({ agents: { stage } });
  const { turn } = await send(world, 'chat', 'hello');
  await stage.next();
  await world.kill();
  writeFileSync(join(world.folder, 'artifacts', 'put-1.tmp'), TEXT.slice(0, 5_000));

  await world.start();

  expect(filesOf(world)).toEqual([]);
  await again(world, stage, turn);
});

test('killed when the file is there and the log does not know it yet, it is there once afterwards', async () => {
  const stage = new Stage({ rerun: 'safe' });
  await using world = await testRuntime({ agents: { stage } });
  const { turn } = await send(world, 'chat', 'hello');
  const act = await stage.next();
  await act.say(called);
  await act.turn.shown(TEXT);
  const before = [filesOf(world), await world.runtime.artifacts('chat')];

  await world.crash();

  expect(before).toEqual([[DIGEST.slice(2)], []]);
  expect(await bodies(world, 'chat', 'context.offloaded')).toEqual([]);
  await again(world, stage, turn);
});

test('killed when the reference is written and nobody has been told, it is there once afterwards', async () => {
  const stage = new Stage({ rerun: 'safe' });
  await using world = await testRuntime({ agents: { stage } });
  const { turn } = await send(world, 'chat', 'hello');
  const act = await stage.next();
  await act.say(called);
  const killed = world.killAtWrite(({ artifacts = [] }) => artifacts.length > 0);
  act.utter(returned);
  await killed;

  await world.start();

  expect(await bodies(world, 'chat', 'context.offloaded')).toHaveLength(1);
  expect(await bodies(world, 'chat', 'tool.returned')).toMatchObject([{ artifact: DIGEST }]);
  await again(world, stage, turn);
});

test('when the write that carries a reference fails, the log has neither it nor what announces it', async () => {
  const stage = new Stage({ rerun: 'safe' });
  let isFull = false;
  await using world = await testRuntime({
    agents: { stage },
    onWrite: ({ artifacts = [] }) => {
      if (isFull && artifacts.length > 0) throw new SojournError('store.full', 'No space is left');
    },
  });
  const { turn } = await send(world, 'chat', 'hello');
  const act = await stage.next();
  await act.say(called);
  isFull = true;
  act.utter(returned);
  await act.left;
  isFull = false;

  await world.crash();

  expect(await bodies(world, 'chat', 'context.offloaded')).toEqual([]);
  expect(await bodies(world, 'chat', 'tool.returned')).toEqual([]);
  await again(world, stage, turn);
});

test('a message whose file is kept and whose write fails is refused; sent again it is taken once', async () => {
  const stage = new Stage();
  let isFull = true;
  await using world = await testRuntime({
    agents: { stage },
    onWrite: () => {
      if (isFull) throw new SojournError('store.full', 'No space is left');
    },
  });

  const refused = await refusal(send(world, 'chat', picture, { idempotencyKey: 'one' }));
  isFull = false;
  const sent = [
    await send(world, 'chat', picture, { idempotencyKey: 'one' }),
    await send(world, 'chat', picture, { idempotencyKey: 'one' }),
  ];

  expect([refused, ...sent.map(({ disposition }) => disposition)]).toEqual([
    'store.full',
    'started',
    'replayed',
  ]);
  expect((await kinds(world, 'chat')).filter((kind) => kind === 'context.offloaded')).toHaveLength(1);
  expect(filesOf(world)).toHaveLength(1);
});

test('a message with a file that was taken right before a kill is heard whole after the start', async () => {
  const stage = new Stage({ rerun: 'safe' });
  await using world = await testRuntime({ agents: { stage } });
  const killed = world.killAtWrite(({ events }) => events.some(({ kind }) => kind === 'turn.accepted'));
  void send(world, 'chat', picture); // Nobody is told any more.
  await killed;

  await world.start();
  const act = await stage.next();

  expect(act.turn.inputs[0]?.parts).toEqual(picture.input);
  expect(await kinds(world, 'chat')).toEqual(expect.arrayContaining(['context.offloaded', 'turn.accepted']));
});
