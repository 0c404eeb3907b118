// The working state of live sessions: each session's own, made from its log, the same whenever it comes back, or not at all.
//
// Shown here, by what a host sees (B: traps of the working state of sessions; see traps-b.test.ts):
//   B-2   'what a session had is the same after it was put away, for whatever reason, and after a crash'
//   B-2   'a job keeps its session from leaving for another, and is ended when it is sent away'
//   B-13  'an agent that cannot be opened is told as such, leaves nothing behind, and can be had later'
//   B-13  'a session whose log cannot be read is refused, and never shown as an empty one; others work'
//   B-14  'a kept state that is torn is reported and made again from the log'
//   B-14  'what an agent left and cannot be read any more is refused as damage, and never taken for nothing'
//   B-14  'two sessions of one agent have nothing in common, also when they work at the same moment'
//   B-16  'a message that is sent twenty times at once is one turn, and its call is counted once'
//   B-17  'calls whose ids differ by one character, or come again in another turn, are told apart'
//   B-18  'each session is made smaller by itself, whichever was active last'
//   B-19  'a session that is closed or shut down is gone at once, whoever holds it, and says so'
//   B-20  'what is kept of a session does not grow with its age'
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { AgentTurn, Summariser } from '../src/agent/agent.ts';
import { functionAgent } from '../src/agent/function/function.ts';
import type { SessionLease, WorkingState } from '../src/runtime/leases.ts';
import { testRuntime, type TestRuntime } from '../src/testing/test-runtime.ts';
import { bodies, gate, outcome, refusal, say, seen, send, Stage } from './session-stage.ts';

const resolve = (world: TestRuntime, key: string): Promise<SessionLease> =>
  world.runtime.registry.resolve({ key });

const stateOf = async (world: TestRuntime, key: string): Promise<WorkingState | null> => {
  using lease = await resolve(world, key);
  return lease.state;
};

/** Behind the back of the store, while nothing runs. */
const edit = (world: TestRuntime, sql: string): void => {
  const db = new DatabaseSync(join(world.folder, 'sojourn.db'));
  db.exec(sql);
  db.close();
};

/** Calls one tool in each turn, which returns so many words. */
const worker = (words: number) =>
  functionAgent(async function* (turn: AgentTurn) {
    const call = `call of ${turn.id}`;
    const output = Array.from({ length: words }, (_each, index) => `word${index}`).join(' ');
    yield { kind: 'tool.called', call, name: 'look', input: { at: turn.id } };
    yield { kind: 'tool.returned', call, output };
    yield { kind: 'text.delta', text: 'looked' };
  });

test('what a session had is the same after it was put away, for whatever reason, and after a crash', async () => {
  await using world = await testRuntime({ limits: { liveMax: 1, idleMsMax: 60_000 } });
  await say(world, 'chat', '/tool look {"at":1}');
  await say(world, 'chat', '/big 20000');
  await world.runtime.open('other');
  const before = await stateOf(world, 'chat');

  const again: (WorkingState | null)[] = [];
  await world.runtime.evict('chat');
  again.push(await stateOf(world, 'chat'));
  (await resolve(world, 'other')).release(); // Makes it leave for room.
  again.push(await stateOf(world, 'chat'));
  await world.clock.advance(60_001);
  again.push(await stateOf(world, 'chat'));
  await world.restart();
  again.push(await stateOf(world, 'chat'));
  await world.crash();
  again.push(await stateOf(world, 'chat'));

  expect(before?.calls).toMatchObject({ pending: [], returned: 2, digested: 0, offloaded: 1 });
  expect(before).toMatchObject({ tasks: 2, pressure: 'none', compacting: false });
  const same = ({ tokens, calls, tasks }: WorkingState) => ({ tokens, calls, tasks });
  for (const state of again) expect(state && same(state)).toEqual(before && same(before));
});

test('two sessions of one agent have nothing in common, also when they work at the same moment', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  const sent = [await send(world, 'one', 'work'), await send(world, 'other', 'work')];
  const acts = [await stage.next(), await stage.next()];

  await acts[0]?.say({ kind: 'tool.called', call: '1', name: 'look', input: {} });
  await acts[1]?.say({ kind: 'tool.called', call: '1', name: 'look', input: {} });
  await acts[1]?.say({ kind: 'tool.returned', call: '1', output: 'seen' });
  await seen(world, 'other', 'tool.returned');
  await world.clock.advance(0);
  const [one, other] = [await stateOf(world, 'one'), await stateOf(world, 'other')];
  for (const act of acts) act.end();
  await outcome(world, 'one', sent[0]?.turn ?? '');
  await outcome(world, 'other', sent[1]?.turn ?? '');

  expect(one?.calls).toMatchObject({
    pending: [{ turn: sent[0]?.turn, call: '1', name: 'look' }],
    returned: 0,
  });
  expect(other?.calls).toMatchObject({ pending: [], returned: 1 });
});

test('calls whose ids differ by one character, or come again in another turn, are told apart', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  const ids = ['a_b', 'ab', 'A_B', 'a-b', ' ab'];
  const first = await send(world, 'chat', 'work');
  const act = await stage.next();
  for (const call of ids) await act.say({ kind: 'tool.called', call, name: 'look', input: {} });

  const pending = (await stateOf(world, 'chat'))?.calls.pending.map(({ call }) => call);
  await act.say({ kind: 'tool.returned', call: 'ab', output: 'seen' });
  await seen(world, 'chat', 'tool.returned');
  await world.clock.advance(0);
  const left = (await stateOf(world, 'chat'))?.calls.pending.map(({ call }) => call);
  for (const call of ids) if (call !== 'ab') await act.say({ kind: 'tool.returned', call, output: 'seen' });
  act.end();
  await outcome(world, 'chat', first.turn);
  const second = await send(world, 'chat', 'again');
  const next = await stage.next();
  await next.say({ kind: 'tool.called', call: 'ab', name: 'look', input: {} });
  await next.say({ kind: 'tool.returned', call: 'ab', output: 'seen' });
  next.end();
  await outcome(world, 'chat', second.turn);
  await world.crash();

  expect(pending).toEqual(ids);
  expect(left).toEqual(ids.filter((call) => call !== 'ab'));
  expect((await stateOf(world, 'chat'))?.calls).toMatchObject({ pending: [], returned: 6 });
});

test('a message that is sent twenty times at once is one turn, and its call is counted once', async () => {
  await using world = await testRuntime();
  const call = { input: '/tool look {"at":1}' };

  const receipts = await Promise.all(
    Array.from({ length: 20 }, () => send(world, 'chat', call, { idempotencyKey: 'once' })),
  );
  await outcome(world, 'chat', receipts[0]?.turn ?? '');
  await world.crash();

  expect(new Set(receipts.map(({ turn }) => turn)).size).toBe(1);
  expect((await bodies(world, 'chat', 'tool.returned')).length).toBe(1);
  expect((await stateOf(world, 'chat'))?.calls.returned).toBe(1);
});

test('an agent that cannot be opened is told as such, leaves nothing behind, and can be had later', async () => {
  let isBroken = true;
  const stage = new Stage({
    opening: () => {
      if (isBroken) throw new Error('no model today');
    },
  });
  await using world = await testRuntime({ agents: { stage }, limits: { liveMax: 1 } });
  await world.runtime.open('chat');
  await world.runtime.open('other');

  const asked = await Promise.allSettled([resolve(world, 'chat'), resolve(world, 'chat')]);
  const after = world.runtime.registry.size;
  isBroken = false;
  (await resolve(world, 'other')).release();
  const later = await stateOf(world, 'chat');

  expect(asked.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(after).toBe(0);
  expect(later).not.toBe(null);
});

test('a session whose log cannot be read is refused, and never shown as an empty one; others work', async () => {
  await using world = await testRuntime();
  await say(world, 'chat', '/tool look {"at":1}');
  await say(world, 'other', '/tool look {"at":1}');
  const { headSeq } = await world.runtime.session('chat');

  await world.kill();
  edit(
    world,
    `UPDATE chunks SET bodies = replace(bodies, 'look', 'book') WHERE session =
       (SELECT session FROM names WHERE name = 'chat'); DELETE FROM snapshots`,
  );
  await world.start();
  const { registry } = world.runtime;
  const asked = [await refusal(resolve(world, 'chat')), await refusal(resolve(world, 'chat'))];

  expect(asked).toEqual(['session.damaged', 'session.damaged']);
  expect(await registry.get({ key: 'chat' })).toBe(null);
  expect((await stateOf(world, 'other'))?.calls.returned).toBe(1);
  expect((await world.runtime.session('chat')).headSeq).toBe(headSeq);
});

test('a kept state that is torn is reported and made again from the log', async () => {
  await using world = await testRuntime();
  await say(world, 'chat', '/tool look {"at":1}');
  await world.runtime.evict('chat');
  const before = await stateOf(world, 'chat');
  await world.kill();
  edit(world, 'UPDATE snapshots SET snapshot = substr(snapshot, 1, length(snapshot) - 9)');

  await world.start();
  const after = await stateOf(world, 'chat');

  expect(after).toEqual(before);
  expect(world.logged.map(({ event }) => event)).toContain('session.checkpoint_torn');
  expect((await say(world, 'chat', '/count')).text).toContain('2');
});

test('what an agent left and cannot be read any more is refused as damage, and never taken for nothing', async () => {
  const stage = new Stage({ snapshot: () => ({ what: 'only the agent knows' }) });
  await using world = await testRuntime({ agents: { stage } });
  await world.runtime.open('chat');
  (await resolve(world, 'chat')).release();
  await world.runtime.evict('chat');
  await world.kill();
  edit(world, 'UPDATE snapshots SET snapshot = substr(snapshot, 1, 9)');

  await world.start();
  const asked = await refusal(resolve(world, 'chat'));

  expect(asked).toBe('session.damaged');
  expect(stage.opened.length).toBe(1);
});

test('each session is made smaller by itself, whichever was active last', async () => {
  const agents = { worker: { ...worker(300), context: { windowTokens: 2_000 } } };
  await using world = await testRuntime({ agents });
  const keys = ['one', 'other', 'third'];

  for (let turn = 0; turn < 4; turn += 1) for (const key of keys) await say(world, key, `look ${turn}`);
  for (const key of keys) await seen(world, key, 'context.compacted');

  for (const key of keys) expect((await stateOf(world, key))?.calls.digested).toBeGreaterThan(0);
});

test('a job keeps its session from leaving for another, and is ended when it is sent away', async () => {
  const [asked, never] = [gate(), gate()];
  let isEnded = false;
  const summariser: Summariser = {
    name: 'slow',
    summarise: async (_stretch, { signal }) => {
      asked.open();
      signal.addEventListener('abort', () => (isEnded = true));
      await never.opened;
      return { text: 'too late' };
    },
  };
  const talker = functionAgent(async function* () {
    yield { kind: 'text.delta', text: 'many words '.repeat(300) };
  });
  const agents = { talker: { ...talker, context: { windowTokens: 2_000, summariser } } };
  await using world = await testRuntime({ agents, limits: { liveMax: 1 } });
  for (let turn = 0; turn < 3; turn += 1) await say(world, 'chat', `talk ${turn}`);
  await world.runtime.open('other');

  await asked.opened;
  const atWork = (await world.runtime.registry.peek({ key: 'chat' }))?.state?.compacting;
  const other = await refusal(resolve(world, 'other'));
  await world.runtime.evict('chat');
  const { headSeq } = await world.runtime.session('chat');
  never.open();
  await world.clock.advance(0);

  expect([atWork, other, isEnded]).toEqual([true, 'capacity', true]);
  expect((await bodies(world, 'chat', 'context.compacted')).map(({ by }) => by)).not.toContain('slow');
  expect((await world.runtime.session('chat')).headSeq).toBe(headSeq);
  expect(world.runtime.registry.size).toBe(0);
});

test('what is kept of a session does not grow with its age', async () => {
  const agents = { worker: { ...worker(100), context: { windowTokens: 4_000 } } };
  await using world = await testRuntime({ agents });
  const keptAfter = async (turns: number): Promise<number> => {
    for (let turn = 0; turn < turns; turn += 1) await say(world, 'chat', 'look again');
    await world.restart({ graceMs: 0 }); // Puts it away, whatever is at work on it.
    const num = (await world.store.byKey('default', 'chat'))?.num ?? 0;
    return (await world.store.snapshot(num))?.length ?? 0;
  };

  const young = await keptAfter(110); // As many tasks as are listed.
  const old = await keptAfter(140);
  const state = await stateOf(world, 'chat');

  expect(young).toBeGreaterThan(0);
  expect(old).toBeLessThan(1.25 * young);
  expect(state?.calls.returned).toBe(250);
  expect(state?.tokens).toBeLessThan(4_000);
});

test('what fills a large window is kept, too, and need not be made again from the log', async () => {
  const talker = functionAgent(async function* () {
    yield { kind: 'text.delta', text: 'many words '.repeat(5_000) };
  });
  const agents = { talker: { ...talker, context: { windowTokens: 1_000_000 } } };
  await using world = await testRuntime({ agents });
  for (let turn = 0; turn < 24; turn += 1) await say(world, 'chat', 'talk');

  await world.runtime.evict('chat');

  const num = (await world.store.byKey('default', 'chat'))?.num ?? 0;
  expect((await world.store.snapshot(num))?.length).toBeGreaterThan(24 * 55_000);
});

test('a session that is closed or shut down is gone at once, whoever holds it, and says so', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  for (const key of ['closed', 'erased', 'left']) await world.runtime.open(key);
  const leases = await Promise.all(['closed', 'erased', 'left'].map((key) => resolve(world, key)));

  await world.runtime.close('closed');
  await world.runtime.close('erased', { erase: true });
  const alive = stage.alive.map(({ context }) => context.session.key);
  const asked = [await refusal(resolve(world, 'closed')), await refusal(resolve(world, 'erased'))];
  const { runtime } = world;
  await runtime.shutdown(0);
  const afterwards = await refusal(runtime.registry.resolve({ key: 'left' }));

  expect(alive).toEqual(['left']);
  expect(asked).toEqual(['session.closed', 'session.not_found']);
  expect(stage.alive).toEqual([]);
  for (const lease of leases) expect(await refusal(() => lease.state)).toBe('keeper.gone');
  expect(afterwards).toBe('runtime.draining');
  expect([runtime.registry.size, runtime.registry.keys()]).toEqual([0, []]);
});
