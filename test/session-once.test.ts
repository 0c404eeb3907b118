// Once: a message that is sent again with its key is not taken twice.
import { expect, test } from 'vitest';
import { testRuntime } from '../src/testing/test-runtime.ts';
import { bodies, outcome, refusal, say, send, Stage } from './session-stage.ts';

const DAY = 24 * 3_600_000;
const KEY = { idempotencyKey: 'k1' };

test('the same key and message give the same receipt, and one turn', async () => {
  await using world = await testRuntime();

  const first = await send(world, 'chat', 'hello', KEY);
  const second = await send(world, 'chat', 'hello', KEY);
  await outcome(world, 'chat', first.turn);
  const third = await send(world, 'chat', 'hello', KEY);

  const replayed = { ...first, disposition: 'replayed' };
  expect([second, third]).toEqual([replayed, replayed]);
  expect(await bodies(world, 'chat', 'turn.accepted')).toHaveLength(1);
});

test('a replayed receipt reads from where the turn begins', async () => {
  await using world = await testRuntime();
  await say(world, 'chat', 'before');
  await say(world, 'chat', 'hello', KEY);

  const { seq, turn } = await send(world, 'chat', 'hello', KEY);
  const page = await world.runtime.events('chat', { after: seq, limit: 1 });

  expect(page.events[0]).toMatchObject({ kind: 'turn.accepted', turn });
});

test('ten at once with one key are one turn, and all get its receipt', async () => {
  await using world = await testRuntime();

  const receipts = await Promise.all(Array.from({ length: 10 }, () => send(world, 'chat', 'hello', KEY)));

  expect(new Set(receipts.map(({ turn }) => turn)).size).toBe(1);
  expect(receipts.filter(({ disposition }) => disposition === 'started')).toHaveLength(1);
  expect(receipts.filter(({ disposition }) => disposition === 'replayed')).toHaveLength(9);
  expect(await bodies(world, 'chat', 'turn.accepted')).toHaveLength(1);
});

test('the same key with another message is a conflict, also at the same moment and after a restart', async () => {
  await using world = await testRuntime();

  const answers = await Promise.all([
    refusal(send(world, 'chat', 'hello', KEY)),
    refusal(send(world, 'chat', 'goodbye', KEY)),
  ]);
  await world.restart();
  const later = await refusal(send(world, 'chat', { input: 'hello', policy: 'interrupt' }, KEY));

  expect(answers).toEqual(['nothing', 'idempotency.conflict']);
  expect(later).toBe('idempotency.conflict');
});

test('what means the same is the same message, however it is written', async () => {
  await using world = await testRuntime();
  await send(world, 'chat', { input: 'hello', metadata: { a: 1, b: 2 } }, KEY);

  const again = await send(world, 'chat', { metadata: { b: 2, a: 1 }, input: 'hello' }, KEY);

  expect(again.disposition).toBe('replayed');
});

test('a key counts for its session only', async () => {
  await using world = await testRuntime();

  const receipts = [await send(world, 'a', 'hello', KEY), await send(world, 'b', 'hello', KEY)];

  expect(receipts.map(({ disposition }) => disposition)).toEqual(['started', 'started']);
});

test('a refusal is not remembered: the same message may be sent again', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  await send(world, 'chat', 'first');
  const act = await stage.next();

  const refused = await refusal(send(world, 'chat', { input: 'second', policy: 'reject' }, KEY));
  act.end();
  await world.runtime.waitForIdle('chat');
  const taken = await send(world, 'chat', { input: 'second', policy: 'reject' }, KEY);

  expect([refused, taken.disposition]).toEqual(['session.busy', 'started']);
});

test('a key survives a restart and a crash, and is forgotten after seven days', async () => {
  await using world = await testRuntime();
  const first = await send(world, 'chat', 'hello', KEY);
  await outcome(world, 'chat', first.turn);

  await world.restart();
  const afterRestart = await send(world, 'chat', 'hello', KEY);
  await world.crash();
  await world.clock.advance(7 * DAY - 1);
  const inTime = await send(world, 'chat', 'hello', KEY);
  await world.clock.advance(2);
  const tooLate = await send(world, 'chat', 'hello', KEY);

  expect([afterRestart, inTime].map(({ turn }) => turn)).toEqual([first.turn, first.turn]);
  expect(tooLate).toMatchObject({ disposition: 'started' });
  expect(tooLate.turn).not.toBe(first.turn);
});

test('a key is forgotten with its session', async () => {
  await using world = await testRuntime();
  const first = await send(world, 'chat', 'hello', KEY);
  await outcome(world, 'chat', first.turn);
  await world.runtime.close('chat', { erase: true });

  const again = await send(world, 'chat', 'hello', KEY);

  expect(again.disposition).toBe('started');
  expect(again.session).not.toBe(first.session);
});

test('a queued, a collected and a steered message are taken once, too', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  await send(world, 'chat', 'running');
  await stage.next();

  for (const policy of ['queue', 'collect', 'steer', 'interrupt'] as const) {
    const key = { idempotencyKey: policy };
    const first = await send(world, 'chat', { input: policy, policy }, key);
    const again = await send(world, 'chat', { input: policy, policy }, key);

    expect(again).toMatchObject({ turn: first.turn, seq: first.seq, disposition: 'replayed' });
  }
  expect(await bodies(world, 'chat', 'turn.accepted')).toHaveLength(5);
});

test('a key must be one that can be kept', async () => {
  await using world = await testRuntime();

  for (const idempotencyKey of ['', 'x'.repeat(256), 'a\nb', '\u0000']) {
    expect(await refusal(send(world, 'chat', 'hello', { idempotencyKey }))).toBe('input.invalid');
  }
  expect(await refusal(send(world, 'chat', 'hello', { idempotencyKey: 'x'.repeat(255) }))).toBe('nothing');
});
