// Compaction: what is old leaves a working set before its window is full, and nobody waits for it.
//
// Shown here, by what a user sees (B: traps of per-session working state):
//   B-13  'a summariser that fails hurts no turn: after three tries rules do it, and the log says why'
//   B-16  'however fast turns come, one digest is made at a time, and no call is digested twice'
//   B-18  'each session has its own digests'
//   B-20  'a session of hundreds of turns never sends a prompt past its window'
import { expect, test } from 'vitest';
import type { Summariser } from '../src/agent/agent.ts';
import type { ReadBack, ReadBackCall } from '../src/wire/context.ts';
import { textOf } from '../src/wire/message.ts';
import { outcome, refusal, say, send } from './session-stage.ts';
import {
  compacted,
  compactions,
  fillUp,
  firstCompaction,
  hands,
  page,
  reader,
  small,
  weigh,
  WINDOW,
} from './compaction-scene.ts';

test('a session of hundreds of turns never sends a prompt past its window', async () => {
  const { agent, histories } = reader();
  await using world = await small(agent);

  for (let turn = 0; turn < 200; turn += 1)
    await say(world, 'days', `read ${100 + ((turn * 37) % 300)}\nsay 40`);

  const prompts = await weigh(histories);
  const all = await compactions(world, 'days');
  expect(prompts).toHaveLength(200);
  expect(Math.max(...prompts)).toBeLessThan(WINDOW);
  expect(all.length).toBeGreaterThan(3);
  for (const { tokensBefore, tokensAfter } of all) expect(tokensAfter).toBeLessThan(tokensBefore);
});

test('what a tool returned leaves first, and is read back word for word', async () => {
  const read: string[] = [];
  const { agent } = reader({}, async (turn) => {
    if (textOf(turn.inputs[0]?.parts ?? []) !== 'look') return;
    const result = turn.history.flatMap(({ parts }) => parts).find((part) => part.type === 'tool-result');
    const ref = /"ref":"(log:\d+)"/.exec(String(result?.output))?.[1] ?? '';
    read.push((await turn.readBack({ ref })).text);
  });
  await using world = await small(agent);
  for (let turn = 0; turn < 6; turn += 1) await say(world, 'tools', 'read 300');
  const { by, pressure, digests } = await compacted(world, 'tools');

  await say(world, 'tools', 'look');

  expect([by, pressure, digests.map(({ kind }) => kind)]).toEqual(['rules', 'mild', ['calls']]);
  expect(read).toEqual([page(100, 300)]);
});

test('turns that left as one digest are read back from the reference it shows, every word', async () => {
  const read: string[] = [];
  const { agent } = reader({}, async (turn) => {
    if (textOf(turn.inputs[0]?.parts ?? []) !== 'look') return;
    const ref = /\{"ref":"(log:\d+-\d+)"\}/.exec(textOf(turn.history[0]?.parts ?? []))?.[1] ?? '';
    for (let call: ReadBackCall | undefined = { ref }; call !== undefined;) {
      const { text, next }: ReadBack = await turn.readBack(call);
      read.push(text);
      call = next;
    }
  });
  await using world = await small(agent);
  for (let turn = 0; turn < 24; turn += 1) await say(world, 'chat', 'say 100');
  const { digests } = await compacted(world, 'chat');

  await say(world, 'chat', 'look');

  const whole = read.join('');
  const folded = digests.flatMap(({ turns }) => turns).length;
  expect(folded).toBeGreaterThan(3);
  for (let turn = 1; turn <= folded; turn += 1)
    expect(whole).toContain(JSON.stringify(page(turn * 100, 100)).slice(1, -1));
});

test('old turns leave as one digest that a summariser wrote, and what it used is on the bill', async () => {
  const summariser = hands();
  const { agent, histories } = reader({ summariser });
  await using world = await small(agent);
  await fillUp(world, 'chat');
  const before = await world.runtime.session('chat');

  const asked = await summariser.next();
  asked.answer({
    text: 'He had many pages said.',
    usage: { inputTokens: 6_000, outputTokens: 40 },
    costUsd: 0.02,
    model: 'mini',
  });
  const body = await compacted(world, 'chat');
  await say(world, 'chat', 'say 1');

  expect(asked.text).toContain('Read so far: 1.');
  expect(asked.earlier).toBeUndefined();
  expect(body).toMatchObject({ by: 'hands', pressure: 'aggressive', costUsd: 0.02, model: 'mini' });
  expect(body.usage).toMatchObject({ inputTokens: 6_000, outputTokens: 40 });
  const [first] = histories.at(-1) ?? [];
  expect(textOf(first?.parts ?? [])).toContain('He had many pages said.');
  const after = await world.runtime.session('chat');
  expect(after.costUsd).toBe(before.costUsd + 0.02);
  expect(after.usage.inputTokens).toBe(before.usage.inputTokens + 6_000);
  expect((await world.runtime.tree('chat')).costUsd).toBe(after.costUsd);
});

test('a summariser that writes into what it is given changes nothing of the conversation', async () => {
  const summariser: Summariser = {
    name: 'careless',
    summarise: ({ messages }) => {
      for (const { parts } of messages) for (const part of parts) Object.assign(part, { text: 'changed' });
      return Promise.reject(new Error('and it failed'));
    },
  };
  const { agent, histories } = reader({ summariser });
  await using world = await small(agent, { limits: { digestTriesMax: 1 } });

  await fillUp(world, 'chat');
  const { instead, digests } = await compacted(world, 'chat');
  await say(world, 'chat', 'say 1');

  expect(instead).toContain('and it failed');
  expect(JSON.stringify([digests, histories.at(-1)])).not.toContain('changed');
});

test('a summariser’s model is priced as any other, and a crash forgets nothing of it', async () => {
  const summariser = hands();
  const { agent } = reader({ summariser });
  await using world = await small(agent, { prices: { mini: { input: 1, output: 5 } } });
  await fillUp(world, 'chat');
  const asked = await summariser.next();
  asked.answer({ text: 'Short.', usage: { inputTokens: 100_000, outputTokens: 20_000 }, model: 'mini' });
  const body = await compacted(world, 'chat');

  await world.crash();
  const after = await world.runtime.session('chat');

  expect([body.costUsd, after.costUsd]).toEqual([0.2, 0.2]);
});

test('the digest after next stands for the one before it, and its writer is told what that said', async () => {
  const summariser = hands();
  const { agent, histories } = reader({ summariser });
  await using world = await small(agent);
  await fillUp(world, 'chat');
  (await summariser.next()).answer({ text: 'The first part of it.' });
  const { seq } = await firstCompaction(world, 'chat');
  await fillUp(world, 'chat');

  const asked = await summariser.next();
  asked.answer({ text: 'Both parts of it.' });
  const second = await compacted(world, 'chat', seq);
  await say(world, 'chat', 'say 1');

  expect(asked.earlier).toBe('The first part of it.');
  expect(second.digests[0]).toMatchObject({ kind: 'turns', from: 2, text: 'Both parts of it.' });
  const said = (histories.at(-1) ?? []).map(({ parts }) => textOf(parts)).join('\n');
  expect(said).toContain('Both parts of it.');
  expect(said).not.toContain('The first part of it.');
});

test('a summariser that fails hurts no turn: after three tries rules do it, and the log says why', async () => {
  const summariser = hands();
  const { agent } = reader({ summariser });
  await using world = await small(agent);
  await fillUp(world, 'chat');

  (await summariser.next()).answer(new Error('overloaded'));
  expect((await say(world, 'chat', 'say 1')).outcome).toBe('completed');
  await world.clock.advance(1_000);
  (await summariser.next()).answer({ text: '   ' });
  await world.clock.advance(2_000);
  (await summariser.next()).answer({ text: page(1, 20_000), usage: { outputTokens: 20_000 } });
  const body = await compacted(world, 'chat');

  expect(body.by).toBe('rules');
  expect(body.instead).toMatch(/^hands: It took \d+ tokens and made \d+ of them$/);
  expect(body.usage?.outputTokens).toBe(20_000);
  expect(body.digests[0]?.text).toContain('asked: say');
  expect(summariser.asked).toBe(3);
});

test('a summariser that hangs is given up after its time, and turns run meanwhile', async () => {
  const summariser = hands();
  const { agent } = reader({ summariser });
  await using world = await small(agent, { limits: { digestMsMax: 60_000, digestTriesMax: 1 } });
  await fillUp(world, 'chat');
  const asked = await summariser.next();

  const meanwhile = await say(world, 'chat', 'say 1');
  await world.clock.advance(60_000);
  const body = await compacted(world, 'chat');

  expect(meanwhile.outcome).toBe('completed');
  expect(asked.signal.aborted).toBe(true);
  expect(body).toMatchObject({ by: 'rules', instead: 'hands: It took longer than 60000 ms' });
});

test('a session whose budget is used up asks no model', async () => {
  const summariser = hands();
  const { agent } = reader({ summariser });
  await using world = await small(agent);
  await fillUp(world, 'chat', 'mild');
  await world.runtime.update('chat', { budget: { toolCalls: 1 } });

  await say(world, 'chat', `read 1\nsay 900`);
  const body = await compacted(world, 'chat');

  expect(summariser.asked).toBe(0);
  expect(body).toMatchObject({ by: 'rules', instead: 'the budget is used up' });
});

test('the runtime’s summariser serves agents that bring none', async () => {
  const summariser = hands();
  const { agent } = reader();
  await using world = await small(agent, { summariser });
  await fillUp(world, 'chat');

  (await summariser.next()).answer({ text: 'Told by the runtime’s.' });

  expect((await compacted(world, 'chat')).digests[0]?.text).toBe('Told by the runtime’s.');
});

test('what is written is cut to what a digest may take', async () => {
  const summariser = hands();
  const { agent } = reader({ summariser });
  await using world = await small(agent);
  await fillUp(world, 'chat');

  const asked = await summariser.next();
  asked.answer({ text: page(1, 500) });
  const [digest] = (await compacted(world, 'chat')).digests;

  expect(asked.tokensMax).toBeLessThan(0.1 * WINDOW);
  expect(digest?.tokensAfter).toBeLessThanOrEqual(0.1 * WINDOW);
  expect(page(1, 500).startsWith(digest?.text ?? 'nothing')).toBe(true);
});

test('however fast turns come, one digest is made at a time, and no call is digested twice', async () => {
  const summariser = hands();
  const { agent } = reader({ summariser });
  await using world = await small(agent);
  const answering = (async () => {
    for (;;) (await summariser.next()).answer({ text: 'Short.' });
  })();
  answering.catch(() => undefined); // It waits for the next for good.

  const receipts = [];
  for (let turn = 0; turn < 60; turn += 1) receipts.push(await send(world, 'busy', `read 120\nsay 60`));
  for (const { turn } of receipts) await outcome(world, 'busy', turn);

  const all = await compactions(world, 'busy');
  const calls = all.flatMap(({ digests }) => digests.flatMap((digest) => digest.calls ?? []));
  const turns = all.flatMap(({ digests }) =>
    digests.flatMap((digest) => (digest.kind === 'turns' ? digest.turns : [])),
  );
  expect(summariser.atOnce).toBe(1);
  expect(calls.length).toBeGreaterThan(5);
  expect(new Set(calls.map(({ turn, call }) => `${turn} ${call}`)).size).toBe(calls.length);
  expect(new Set(turns).size).toBe(turns.length);
});

test('each session has its own digests', async () => {
  const { agent, histories, turns } = reader();
  await using world = await small(agent);
  for (let turn = 0; turn < 12; turn += 1) await say(world, 'a', `read 200\nsay 1`);
  await compacted(world, 'a');

  await say(world, 'a:b', 'say 1');
  await say(world, 'a:b', 'say 1');

  expect(turns.at(-1)?.session.key).toBe('a:b');
  expect(histories.at(-1)).toHaveLength(2);
  expect(await compactions(world, 'a:b')).toEqual([]);
});

test('an agent that keeps the conversation itself is left alone', async () => {
  const { agent } = reader();
  const own = {
    ...agent,
    capabilities: { ...agent.capabilities, ownsHistory: true, rewinds: false, forks: false },
  };
  await using world = await small(own);
  for (let turn = 0; turn < 12; turn += 1) await say(world, 'own', 'read 300');

  expect(await compactions(world, 'own')).toEqual([]);
  expect(await refusal(world.runtime.evict('own'))).toBe('nothing');
});
