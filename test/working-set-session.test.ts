// Sessions with their working sets: how they wake, how they are copied, and what becomes of them under another agent.
//
// Shown here (see traps-b.test.ts):
//   B-20  'a session with digests sees the same when it wakes, and reads of its log only what came after it slept'
import { ToolLoopAgent } from 'ai';
import { expect, test } from 'vitest';
import type { Agent } from '../src/agent/agent.ts';
import { aiSdkAgent } from '../src/agent/ai-sdk/ai-sdk.ts';
import { leftOf } from '../src/session/live.ts';
import type { TestRuntime } from '../src/testing/test-runtime.ts';
import { compacted, reader, small, WINDOW } from './compaction-scene.ts';
import { calling, finish, model, text, used, weather } from './model-stand-in.ts';
import { outcome, say, send, spoken, Stage } from './session-stage.ts';

/** Turns that read much, until there is a digest. */
async function fillUp(world: TestRuntime, key: string): Promise<void> {
  for (let turn = 0; turn < 12; turn += 1) await say(world, key, 'read 500\nsay 200');
  await compacted(world, key);
}

async function* given(lines: readonly string[]): AsyncGenerator<string> {
  yield* lines;
}

async function numOf(world: TestRuntime, key: string): Promise<number> {
  const { id } = await world.runtime.session(key);
  return (await world.store.byId(id))?.num ?? 0;
}

test('a session with digests sees the same when it wakes, and reads of its log only what came after it slept', async () => {
  const { agent, histories } = reader();
  await using world = await small(agent);
  await fillUp(world, 'book');
  await say(world, 'book', 'say 1');
  await world.runtime.evict('book');
  const asleep = await world.runtime.context('book');
  let read = 0;
  const { store } = world;
  const real = store.read.bind(store);
  store.read = async (...asked) => {
    const events = await real(...asked);
    read += events.length;
    return events;
  };

  await say(world, 'book', 'say 1');
  store.read = real;

  const seen = histories.at(-1) ?? [];
  expect(asleep.compactions.count).toBeGreaterThan(0);
  expect(spoken(seen)[0]).toContain('A digest of what was said and done before');
  expect(seen).toHaveLength(asleep.entries.reduce((sum, { messages }) => sum + messages, 0));
  expect(read).toBeLessThan(5);
});

test('a long conversation leaves a checkpoint that holds what it sees, not all that it said', async () => {
  const { agent } = reader();
  await using world = await small(agent, { limits: { inlineBytesMax: 64 * 1_024 } });
  for (let turn = 0; turn < 40; turn += 1) await say(world, 'book', 'read 1000\nsay 100');
  await world.runtime.evict('book');

  const text = (await world.store.snapshot(await numOf(world, 'book'))) ?? '';
  const { headSeq } = await world.runtime.session('book');

  expect(leftOf(text).conversation?.lastSeq).toBe(headSeq - 1);
  expect(text.length).toBeLessThan(100_000);
});

test('a fork begins with every word, and makes digests of its own', async () => {
  const { agent, histories } = reader();
  await using world = await small(agent);
  await fillUp(world, 'book');
  await world.runtime.fork('book', { key: 'copy' });

  const before = (await world.runtime.context('copy')).entries.map(({ digested }) => digested);
  await say(world, 'copy', 'say 1');
  const { compactions, tokens } = await world.runtime.context('copy');

  expect(before).toHaveLength(12);
  expect(new Set(before)).toEqual(new Set([0]));
  expect(compactions.count).toBeGreaterThan(0);
  expect(tokens).toBeLessThan(WINDOW);
  expect(spoken(histories.at(-1) ?? []).join('\n')).not.toBe('');
});

test('an imported session has the digests it had', async () => {
  const { agent } = reader();
  await using world = await small(agent);
  await fillUp(world, 'book');
  await world.runtime.evict('book');

  const lines: string[] = [];
  for await (const text of await world.runtime.export('book'))
    lines.push(...text.split('\n').filter(Boolean));
  await world.runtime.import('copy', given(lines));

  const { session: _id, seq: _seq, ...book } = await world.runtime.context('book');
  const { session: _other, seq: _last, ...copy } = await world.runtime.context('copy');
  expect(copy).toEqual(book);
});

function windowed(stage: Stage, windowTokens: number): Agent {
  const { capabilities } = stage;
  return { capabilities, context: { windowTokens }, open: (...opened) => stage.open(...opened) };
}

test('a larger window counts from the next turn on, for sessions that are live, too', async () => {
  const stage = new Stage();
  const wide = new Stage();
  await using world = await small(windowed(stage, 2_000));
  const play = async (on: Stage): Promise<void> => {
    const { turn } = await send(world, 'chat', 'word '.repeat(1_000));
    (await on.next()).end();
    await outcome(world, 'chat', turn);
  };
  await play(stage);
  expect((await world.runtime.context('chat')).windowTokens).toBe(2_000);

  world.runtime.replaceAgents({ reader: windowed(wide, 90_000) });
  await world.runtime.dirty({ reason: 'config' });
  await play(wide);

  expect((await world.runtime.context('chat')).windowTokens).toBe(90_000);
  expect(wide.opened).toHaveLength(1);
});

test('an agent that keeps the conversation itself is shown nothing of it', async () => {
  const stage = new Stage({ ownsHistory: true });
  await using world = await small(stage);
  for (const words of ['one', 'two']) {
    const { turn } = await send(world, 'chat', words);
    const act = await stage.next();
    expect(act.turn.history).toEqual([]);
    act.end();
    await outcome(world, 'chat', turn);
  }
});

test('what a model’s provider counted is known of the session, also of turns that call tools first', async () => {
  const { mock } = model((prompt) => {
    const isAnswered = prompt.at(-1)?.role === 'tool';
    const asks = JSON.stringify(prompt).includes('weather in');
    // As if instructions and tools took 7,000 tokens of each prompt.
    const usage = used(7_000 + Math.round(JSON.stringify(prompt).length / 4), 5);
    return asks && !isAnswered
      ? [calling('c1', 'weather', { city: 'Oslo' }), finish('tool-calls', usage)]
      : [...text('fine'), finish('stop', usage)];
  });
  const tools = { weather: weather() };
  await using world = await small(aiSdkAgent(new ToolLoopAgent({ model: mock, tools })));

  await say(world, 'plain', 'hello');
  await say(world, 'tools', 'the weather in Oslo');

  for (const key of ['plain', 'tools']) {
    const { overheadTokens } = await world.runtime.context(key);
    expect(overheadTokens).toBeGreaterThan(6_900);
    expect(overheadTokens).toBeLessThan(7_200);
  }
});
