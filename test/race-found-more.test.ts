// What the races found later, each as the user met it, small enough to read.
import { expect, test } from 'vitest';
import type { Agent, AgentFunction } from '../src/agent/agent.ts';
import { functionAgent } from '../src/agent/function/function.ts';
import { SojournError } from '../src/kernel/errors.ts';
import type { Append } from '../src/store/store.ts';
import { MemoryDisk } from '../src/testing/memory-store.ts';
import { scene, type Around } from './race-scene.ts';

test('an agent remembers, although an earlier opening that was given up ends later', async () => {
  const seen: number[] = [];
  const slow = Promise.withResolvers<void>();
  let isSlow = false;
  const around: Around = async (call, run) => {
    const mayWait = call === 'read' && isSlow;
    const answer = await run();
    if (mayWait && (answer as unknown[]).length === 0) await slow.promise; // There was nothing more, when it was asked.
    return answer;
  };
  const agent: AgentFunction = async function* (turn) {
    seen.push(turn.history.length);
    yield 'hello';
  };
  const disk = new MemoryDisk();
  const first = await scene(agent, {}, { disk });
  await first.runtime.send('key', { input: 'zero' });
  await first.settle();
  first.store.crash(); // So that the conversation has to be read from the log.
  const { runtime, clock, settle } = await scene(agent, {}, { disk, around, limits: { openMsMax: 20 } });
  isSlow = true;
  await runtime.send('key', { input: 'one' });
  await runtime.send('key', { input: 'two' });
  await clock.advance(20);
  isSlow = false;
  await clock.advance(10_000);
  slow.resolve();
  await settle();
  await runtime.send('key', { input: 'three' });
  await settle();

  expect(seen).toEqual([0, 3, 5]); // With what was said to the opening that was given up.
});

test('what a crash left goes on by itself, although the disk is full at the start', async () => {
  const disk = new MemoryDisk();
  const first = await scene(
    async function* () {
      yield 'so far';
      await new Promise(() => undefined);
    },
    {},
    { disk },
  );
  const { turn } = await first.runtime.send('key', { input: 'one' });
  await first.settle();
  first.store.crash();
  let failures = 1;
  const around: Around = async (call, run) => {
    if (call === 'append' && (failures -= 1) >= 0) throw new SojournError('store.full', 'as told');
    return run();
  };
  const { runtime, clock } = await scene(() => null as never, {}, { disk, around });
  await clock.advance(1_000);

  expect((await runtime.turn('key', turn)).outcome).toBe('interrupted');
});

test('a turn that a message was said to stop is cancelled, even if it was just ending', async () => {
  const wrong: unknown[] = [];
  // Which moment it is depends on how many steps a turn takes to end: all of the first few are tried.
  for (let steps = 0; steps < 40; steps++) {
    const go = Promise.withResolvers<void>();
    const { runtime, settle } = await scene(async function* (turn) {
      if (turn.inputs.length > 0) yield 'working';
      await go.promise;
    });
    const { turn } = await runtime.send('key', { input: 'one' });
    await settle();
    const sent = runtime.send('key', { input: 'two', policy: 'interrupt' });
    for (let step = 0; step < steps; step++) await Promise.resolve();
    go.resolve();
    const { stopped } = await sent;
    await settle();
    const { outcome } = await runtime.turn('key', turn);
    if ((stopped === turn) !== (outcome === 'cancelled')) wrong.push({ steps, stopped, outcome });
  }

  expect(wrong).toEqual([]);
});

test('a reader sees what was written when nobody was told that it was', async () => {
  const { runtime, fail, settle } = await scene(async function* () {
    yield 'hello';
  });
  await runtime.send('key', { input: 'one' });
  await settle();
  await runtime.evict('key');
  const { headSeq } = await runtime.session('key');
  const tail = await runtime.tail('key', { after: headSeq });
  const seen = tail.next();

  fail('answer');
  await expect(runtime.close('key')).rejects.toThrow('as told');

  expect((await seen).map(({ kind }) => kind)).toEqual(['session.closed']);
});

test('an agent is closed after it has let go, also in a shutdown that comes right after the disk failed', async () => {
  const seen: string[] = [];
  const go = Promise.withResolvers<void>();
  const clean = Promise.withResolvers<void>();
  const agent: Agent = {
    ...functionAgent(() => null as never, { rerun: 'safe' }),
    open: () => ({
      async *run(turn) {
        await go.promise;
        yield turn.inputs.length > 0 ? 'this is lost' : '';
        await new Promise<void>((resolve) => turn.signal.addEventListener('abort', () => resolve()));
        await clean.promise;
        seen.push('let go');
      },
      snapshot: () => undefined,
      close: (reason) => void seen.push(`closed: ${reason}`),
    }),
  };
  const { runtime, fail, settle } = await scene(() => null as never, {}, { agents: { agent } });
  await runtime.send('key', { input: 'one' });
  await settle();
  fail();
  go.resolve();
  await settle();

  const down = runtime.shutdown(0);
  await settle();
  clean.resolve();
  await down;

  expect(seen).toEqual(['let go', 'closed: error']);
});

test('a session whose disk fails while it waits for its child lets it end, and ends', async () => {
  const late = Promise.withResolvers<void>();
  const { runtime, clock, settle } = await scene(
    async function* (turn) {
      if (turn.session.parent === null) await turn.spawn('agent', 'child');
      yield 'working';
      await new Promise<void>((resolve) => turn.signal.addEventListener('abort', () => resolve()));
      if (turn.session.parent !== null) await late.promise;
    },
    {},
    { isRefused: ({ row }) => row?.title !== undefined },
  );
  const { turn } = await runtime.send('key', { input: 'one' });
  await settle();

  await settle(); // The child works.
  const cancelled = runtime.cancelTurn('key', turn).catch((error: SojournError) => error.code);
  await settle();
  await expect(runtime.update('key', { title: 'x' })).rejects.toThrow('as told');
  late.resolve();
  await clock.advance(60_000);

  expect(await cancelled).toBe('store.full');
  const { sessions } = await runtime.sessions();
  expect(sessions.map(({ state }) => state)).toEqual(['idle', 'idle']);
  const { events } = await runtime.events('key', { after: 0 });
  expect(events.filter(({ kind }) => kind === 'child.ended').length).toBe(1);
});

test('a shutdown ends while a turn waits for a child that has not begun', async () => {
  const go = Promise.withResolvers<void>();
  const { runtime, store, hold, release, settle } = await scene(async function* (turn) {
    await go.promise;
    if (turn.session.parent !== null) yield 'child';
    else yield (await (await turn.spawn('agent', 'child')).result()).text;
  });
  await runtime.send('key', { input: 'one' });
  await settle();
  hold();
  go.resolve();
  await settle();

  const down = runtime.shutdown(0);
  await settle();
  release();
  await down;

  const [parent] = store.disk.sessions.values();
  expect([...(parent?.turns.values() ?? [])].map(({ outcome }) => outcome)).toEqual(['interrupted']);
});

test('the end of a child reaches its parent by itself, although the disk was full when it was recovered', async () => {
  const disk = new MemoryDisk();
  const first = await scene(
    async function* (turn) {
      if (turn.session.parent === null) yield (await turn.spawn('agent', 'child')).session;
      else await new Promise(() => undefined);
    },
    {},
    { disk },
  );
  await first.runtime.send('key', { input: 'one' });
  await first.settle();
  first.store.crash();
  let refusals = 1;
  const isRefused = ({ events }: Append): boolean =>
    events.some(({ kind }) => kind === 'child.ended') && (refusals -= 1) >= 0;

  const { runtime, clock } = await scene(() => null as never, {}, { disk, isRefused });
  await clock.advance(10_000);

  const { sessions } = await runtime.sessions();
  expect(sessions.map(({ state }) => state)).toEqual(['idle', 'idle']);
  const { events } = await runtime.events('key', { after: 0 });
  expect(events.filter(({ kind }) => kind === 'child.ended').length).toBe(1);
});

test('a message that is sent again at once does not stop its own turn', async () => {
  const slow = Promise.withResolvers<void>();
  let lookups = -Infinity;
  const around: Around = async (call, run) => {
    const isLate = call === 'once' && (lookups += 1) === 1;
    const answer = await run();
    if (isLate) await slow.promise;
    return answer;
  };
  const { runtime, settle } = await scene(
    async function* (turn) {
      if (turn.inputs.length > 0) yield 'working';
      await new Promise((_, reject) =>
        turn.signal.addEventListener('abort', () => reject(turn.signal.reason)),
      );
    },
    {},
    { around },
  );
  const { turn: first } = await runtime.send('key', { input: 'one' });
  await settle();
  lookups = 0;
  const again = () =>
    runtime.send('key', { input: 'two', policy: 'interrupt' }, { idempotencyKey: 'the same' });

  const both = [again(), again()];
  await settle();
  slow.resolve();
  const receipts = await Promise.all(both);
  await settle();

  expect(new Set(receipts.map(({ turn }) => turn)).size).toBe(1);
  expect((await runtime.turn('key', first)).outcome).toBe('cancelled');
  expect((await runtime.turn('key', receipts[0]?.turn ?? '')).outcome).toBe(null);
  await runtime.cancel('key');
});

test('a reader misses nothing that was written while it was let in', async () => {
  const slow = Promise.withResolvers<void>();
  let isSlow = false;
  const around: Around = async (call, run) => {
    const mayWait = call === 'byKey' && isSlow;
    isSlow = false;
    const answer = await run();
    if (mayWait) await slow.promise;
    return answer;
  };
  const { runtime, settle } = await scene(
    async function* () {
      yield 'hello';
    },
    {},
    { around },
  );
  await runtime.open('key');
  const { headSeq } = await runtime.session('key');

  isSlow = true;
  const tail = runtime.tail('key', { after: headSeq });
  await settle();
  await runtime.send('key', { input: 'one' });
  await settle();
  slow.resolve();
  const seen = await (await tail).next();

  expect(seen[0]?.seq).toBe(headSeq + 1);
});

test('a reader misses nothing that was written while it read', async () => {
  const slow = Promise.withResolvers<void>();
  let isSlow = false;
  const around: Around = async (call, run) => {
    const mayWait = call === 'read' && isSlow;
    if (mayWait) isSlow = false;
    const answer = await run();
    if (mayWait) await slow.promise;
    return answer;
  };
  const { runtime, settle } = await scene(
    async function* () {
      yield 'hello';
    },
    {},
    { around },
  );
  await runtime.send('key', { input: 'one' });
  await settle();
  await runtime.evict('key');
  const { headSeq } = await runtime.session('key');
  const tail = await runtime.tail('key', { after: headSeq });

  isSlow = true;
  const seen = tail.next();
  await settle();
  await runtime.close('key');
  slow.resolve();

  expect((await seen).map(({ kind }) => kind)).toEqual(['session.closed']);
});

test('a reader may come back with what it saw before the writer had heard that it was written', async () => {
  const answered = Promise.withResolvers<void>();
  let isSlow = false;
  const around: Around = async (call, run) => {
    const answer = await run();
    if (call === 'append' && isSlow) await answered.promise;
    return answer;
  };
  const { runtime, settle } = await scene(
    async function* () {
      yield 'hello';
    },
    {},
    { around },
  );
  await runtime.send('key', { input: 'one' });
  await settle();
  const { headSeq } = await runtime.session('key');

  isSlow = true;
  const sent = runtime.send('key', { input: 'two' });
  await settle();
  const { events } = await runtime.events('key', { after: headSeq });
  const tail = await runtime.tail('key', { after: events.at(-1)?.seq ?? 0 });
  isSlow = false;
  answered.resolve();
  await sent;

  expect((await tail.next())[0]?.seq).toBe((events.at(-1)?.seq ?? 0) + 1);
});
