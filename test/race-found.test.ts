// What the races found, each as the user met it, small enough to read.
import { expect, test } from 'vitest';
import type { Agent } from '../src/agent/agent.ts';
import { functionAgent } from '../src/agent/function/function.ts';
import { inProcessBus } from '../src/bus/in-process/in-process.ts';
import { SojournError } from '../src/kernel/errors.ts';
import { silentLogger } from '../src/kernel/logger.ts';
import { createRuntime } from '../src/runtime/create.ts';
import { textOf } from '../src/wire/message.ts';
import { ManualClock } from '../src/testing/manual-clock.ts';
import { MemoryDisk, MemoryStore } from '../src/testing/memory-store.ts';
import { scene } from './race-scene.ts';

test('a turn that is cancelled while its question is on the way to the disk leaves no rejection behind', async () => {
  const unhandled: unknown[] = [];
  const onUnhandled = (error: unknown): void => void unhandled.push(error);
  process.on('unhandledRejection', onUnhandled);
  const go = Promise.withResolvers<void>();
  const { runtime, hold, release, settle } = await scene(async function* (turn) {
    await go.promise;
    yield (await turn.ask('sure', { kind: 'question', text: 'Sure?' })).decision;
  });
  const { turn } = await runtime.send('key', { input: 'hello' });
  await settle();
  hold();
  go.resolve();
  await settle();
  const cancelled = runtime.cancelTurn('key', turn);
  await settle();
  release();

  expect(await cancelled).toEqual({ outcome: 'cancelled', changed: true });
  await settle();
  process.off('unhandledRejection', onUnhandled);
  expect(unhandled).toEqual([]);
});

test('a message goes on by itself when the disk was full for a moment', async () => {
  const go = Promise.withResolvers<void>();
  let runs = 0;
  const { runtime, clock, fail, settle } = await scene(
    async function* () {
      runs += 1;
      if (runs === 1) await go.promise;
      yield 'done';
    },
    { rerun: 'safe' },
  );
  const { turn } = await runtime.send('key', { input: 'hello' });
  await settle();
  fail();
  go.resolve();
  await settle();

  await clock.advance(1_000);

  const { state, outcome, attempt } = await runtime.turn('key', turn);
  expect({ state, outcome, attempt }).toEqual({ state: 'done', outcome: 'completed', attempt: 2 });
});

test('an agent is closed after it has let go, also when the disk fails under it', async () => {
  const seen: string[] = [];
  const cleaned = Promise.withResolvers<void>();
  const clock = new ManualClock();
  let failing = false;
  const store = new MemoryStore({
    clock,
    gate: async (step) => {
      if (step === 'commit' && failing) throw new SojournError('store.full', 'as told');
    },
  });
  const agent: Agent = {
    ...functionAgent(async function* () {
      yield 'unused';
    }),
    open: () => ({
      async *run(turn) {
        failing = true;
        yield 'this is lost';
        await new Promise<void>((resolve) => turn.signal.addEventListener('abort', () => resolve()));
        seen.push('told to stop');
        await cleaned.promise;
        seen.push('let go');
      },
      snapshot: () => undefined,
      close: (reason) => void seen.push(`closed: ${reason}`),
    }),
  };
  const runtime = await createRuntime({ store, bus: inProcessBus(silentLogger), agents: { agent }, clock });
  await runtime.send('key', { input: 'hello' });
  await clock.advance(0);
  failing = false;
  cleaned.resolve();
  await clock.advance(0);

  expect(seen).toEqual(['told to stop', 'let go', 'closed: error']);
});

test('a message that is accepted while a shutdown begins does not run on what is being closed', async () => {
  const said: string[] = [];
  const { runtime, store, hold, release, settle } = await scene(async function* (turn) {
    said.push(turn.inputs.length > 0 ? `ran with signal ${turn.signal.aborted}` : '');
    yield 'hello';
  });
  await runtime.send('key', { input: 'one' });
  await settle();
  hold();
  const sent = runtime.send('key', { input: 'two' });
  await settle();
  const down = runtime.shutdown(0);
  await settle();
  release();

  const { turn } = await sent;
  await down;
  expect(said).toEqual(['ran with signal false']);
  const [kept] = store.disk.sessions.values();
  expect(kept?.turns.get(turn)?.outcome).toBe('interrupted');
});

test('who cancels everything is not refused as busy because of a message that was offered', async () => {
  const { runtime, settle } = await scene(
    async function* (turn) {
      if (turn.inputs.length > 0) yield 'working';
      await new Promise((_, reject) =>
        turn.signal.addEventListener('abort', () => reject(turn.signal.reason)),
      );
    },
    { steers: true },
  );
  const { turn } = await runtime.send('key', { input: 'one' });
  await settle();
  const { disposition } = await runtime.send('key', { input: 'two', policy: 'steer' });

  const { cancelled } = await runtime.cancel('key');
  const next = await runtime.send('key', { input: 'three', policy: 'reject' });

  expect(disposition).toBe('steered');
  expect(cancelled[0]).toBe(turn);
  expect(cancelled.length).toBe(2);
  expect(next.disposition).toBe('started');
  await runtime.cancel('key');
});

test('what a turn said before it asked stays when it is cancelled instead of answered', async () => {
  const { runtime, settle } = await scene(
    async function* (turn) {
      yield 'I have looked at it.';
      await turn.ask('sure', { kind: 'question', text: 'Sure?' });
    },
    { rerun: 'safe' },
  );
  const { turn } = await runtime.send('key', { input: 'hello' });
  await settle();

  await runtime.cancelTurn('key', turn);

  const said = (await runtime.transcript('key')).map(({ role, partial }) => [role, partial]);
  expect(said).toEqual([
    ['user', undefined],
    ['assistant', true],
  ]);
  expect((await runtime.turn('key', turn)).text).toBe('I have looked at it.');
});

test('a session whose turns were all cancelled at once is idle', async () => {
  const { runtime, store, hold, release, settle } = await scene(async function* (turn) {
    if (turn.inputs.length > 0) yield 'working';
    await new Promise((_, reject) => turn.signal.addEventListener('abort', () => reject(turn.signal.reason)));
  });
  await runtime.send('key', { input: 'one' });
  await runtime.send('key', { input: 'two' });
  await settle();

  hold();
  const cancelled = runtime.cancel('key');
  await settle();
  release();
  await cancelled;

  const { state, queued } = (await store.byKey('default', 'key')) ?? {};
  expect({ state, queued }).toEqual({ state: 'idle', queued: 0 });
});

test('a session is closed for nobody before its end is on disk', async () => {
  const { runtime, store, hold, release, settle } = await scene(async function* () {
    yield 'hello';
  });
  await runtime.send('key', { input: 'one' });
  await settle();
  await runtime.evict('key');

  hold();
  const first = runtime.close('key');
  await settle();
  const states: unknown[] = [];
  const second = runtime
    .close('key')
    .then(async () => states.push((await store.byKey('default', 'key'))?.state));
  await settle();
  release();
  await Promise.all([first, second]);

  expect(states).toEqual(['closed']);
});

test('what a turn took while it ran is there again when it goes on after an answer', async () => {
  const go = Promise.withResolvers<void>();
  const { runtime, settle } = await scene(
    async function* (turn) {
      if (turn.attempt === 1) await go.promise;
      const taken = turn.inbox.take().flatMap(({ parts }) => parts);
      await turn.ask('sure', { kind: 'question', text: 'Sure?' });
      yield `and: ${textOf(taken)}`;
    },
    { rerun: 'safe', steers: true },
  );
  const { turn } = await runtime.send('key', { input: 'one' });
  await settle();
  await runtime.send('key', { input: 'two', policy: 'steer' });
  go.resolve();
  await settle();
  const [request] = await runtime.requests();

  await runtime.answer('key', request?.id ?? '', { decision: 'allow' });
  await settle();

  expect((await runtime.turn('key', turn)).text).toBe('and: two');
});

test('what was said before a crash stays when the turn is cancelled before it runs again', async () => {
  const disk = new MemoryDisk();
  const first = await scene(
    async function* () {
      yield 'so far';
      await new Promise(() => undefined);
    },
    { rerun: 'safe' },
    { disk },
  );
  const { turn } = await first.runtime.send('key', { input: 'one' });
  await first.settle();
  first.store.crash();
  const opening = new Promise<never>(() => undefined);
  const agent: Agent = { ...functionAgent(() => null as never, { rerun: 'safe' }), open: () => opening };

  const { runtime } = await scene(() => null as never, {}, { disk, agents: { agent } });
  await runtime.cancelTurn('key', turn);

  expect((await runtime.turn('key', turn)).text).toBe('so far');
  expect((await runtime.transcript('key')).map(({ parts }) => textOf(parts))).toEqual(['one', 'so far']);
});

test('a message meets its session also when another one was refused at the same moment', async () => {
  const refused: unknown[] = [];
  // Which moment it is depends on how many steps each call takes: all of the first few are tried.
  for (let steps = 0; steps < 40; steps++) {
    const { runtime } = await scene(
      async function* () {
        yield 'hello';
      },
      { rewinds: false },
    );
    const rollback = runtime.send('key', { input: 'one', policy: 'rollback' });
    for (let step = 0; step < steps; step++) await Promise.resolve();
    const second = runtime.send('key', { input: 'two' });
    await rollback.catch(() => undefined);
    const third = runtime.send('key', { input: 'three' });
    const ends = await Promise.allSettled([rollback, second, third]);
    refused.push(
      ...ends.flatMap((end) => (end.status === 'rejected' ? [(end.reason as SojournError).code] : [])),
    );
  }

  expect(new Set(refused)).toEqual(new Set(['agent.cannot_rewind']));
  expect(refused.length).toBe(40);
});

test('an agent may clean up when the disk fails under what it says', async () => {
  const seen: string[] = [];
  const go = Promise.withResolvers<void>();
  const { runtime, fail, settle } = await scene(async function* () {
    try {
      await go.promise;
      yield { kind: 'tool.called', call: '1', name: 'tool', input: {} };
      seen.push('the tool runs');
    } finally {
      seen.push('cleaned up');
    }
  });
  await runtime.send('key', { input: 'one' });
  await settle();
  fail();
  go.resolve();
  await settle();

  expect(seen).toEqual(['cleaned up']);
});
