// What the races found, each as the user met it, small enough to read.
import { expect, test } from 'vitest';
import type { Agent, AgentCapabilities, AgentFunction } from '../src/agent/agent.ts';
import { functionAgent } from '../src/agent/function/function.ts';
import { inProcessBus } from '../src/bus/in-process/in-process.ts';
import { SojournError } from '../src/kernel/errors.ts';
import { silentLogger } from '../src/kernel/logger.ts';
import { createRuntime, type RuntimeOptions } from '../src/runtime/create.ts';
import type { Runtime } from '../src/runtime/runtime.ts';
import { textOf } from '../src/wire/message.ts';
import type { Append, Store } from '../src/store/store.ts';
import { ManualClock } from '../src/testing/manual-clock.ts';
import { type Gate, type GroupStep, MemoryDisk, MemoryStore } from '../src/testing/memory-store.ts';

interface Scene {
  runtime: Runtime;
  store: MemoryStore;
  clock: ManualClock;
  /** From now on commits wait. */
  hold: () => void;
  /** The commits that wait go on, and no later ones wait. */
  release: () => void;
  /** The next commit fails: the disk is full for a moment. Or it is written, and nobody is told. */
  fail: (step?: GroupStep) => void;
  settle: () => Promise<void>;
}

interface SceneOptions {
  disk?: MemoryDisk;
  around?: Around;
  /** Its whole group is not written. */
  isRefused?: (append: Append) => boolean;
}

async function scene(
  run: AgentFunction,
  capabilities: Partial<AgentCapabilities> = {},
  more: Partial<RuntimeOptions> & SceneOptions = {},
): Promise<Scene> {
  const clock = new ManualClock();
  const { disk = new MemoryDisk(), around, isRefused = () => false, ...options } = more;
  let held: PromiseWithResolvers<void> | undefined;
  let failing: GroupStep | undefined;
  const gate: Gate = async (step, appends) => {
    if (step === 'commit') await held?.promise;
    if (step === 'commit' && appends.some(isRefused)) throw new SojournError('store.full', 'as told');
    if (step !== failing) return;
    failing = undefined;
    throw new SojournError('store.full', 'as told');
  };
  const store = new MemoryStore({ clock, disk, gate });
  const agents = { agent: functionAgent(run, capabilities) };
  const runtime = await createRuntime({
    store: around === undefined ? store : surrounded(store, around),
    bus: inProcessBus(silentLogger),
    agents,
    clock,
    ...options,
  });
  return {
    runtime,
    store,
    clock,
    hold: () => (held ??= Promise.withResolvers()),
    release: () => {
      held?.resolve();
      held = undefined;
    },
    fail: (step = 'commit') => (failing = step),
    settle: () => clock.advance(0),
  };
}

type Around = (call: string, run: () => Promise<unknown>) => Promise<unknown>;

/** The store, with something that happens around each call. */
function surrounded(store: MemoryStore, around: Around): Store {
  return new Proxy<Store>(store, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      return (...args: unknown[]): Promise<unknown> =>
        around(String(name), () => Reflect.apply(member, target, args) as Promise<unknown>);
    },
  });
}

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
  const { runtime, clock, settle } = await scene(
    async function* (turn) {
      seen.push(turn.history.length);
      yield 'hello';
    },
    {},
    { around, limits: { openMsMax: 20 } },
  );
  await runtime.send('key', { input: 'zero' });
  await settle();
  await runtime.evict('key');
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

  expect(seen).toEqual([0, 2, 4]);
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
