// Compaction before a turn: a prompt that would not fit is made to fit by rules, at once, or the turn says why not.
import { expect, test } from 'vitest';
import type { Encoder } from '../src/context/counted-texts.ts';
import { textOf } from '../src/wire/message.ts';
import { outcome, say, send } from './session-stage.ts';
import { compactions, fillUp, hands, page, reader, small, weigh, WINDOW } from './compaction-scene.ts';

/** So many words are asked at once. */
const long = (words: number): string => `say 1\n${page(3, words)}`;

test('a message that fits only once old turns have left makes room before it runs, and waits for no model', async () => {
  const summariser = hands();
  const { agent, histories, turns } = reader({ summariser });
  await using world = await small(agent);
  await fillUp(world, 'chat', 'mild');

  const turn = await say(world, 'chat', long(1_100));

  expect(turn.outcome).toBe('completed');
  expect(summariser.asked).toBe(0);
  const [body] = await compactions(world, 'chat');
  expect(body).toMatchObject({ by: 'rules', pressure: 'emergency' });
  const asked =
    turns.at(-1)?.inputs.map(({ parts }) => ({ parts, role: 'user' as const, turn: null, at: '' })) ?? [];
  const [prompt] = await weigh([[...(histories.at(-1) ?? []), ...asked]]);
  expect(prompt).toBeLessThan(WINDOW);
});

test('once the turn is over that room was made for, what has left is not read again after a crash', async () => {
  const { agent } = reader();
  await using world = await small(agent);
  await fillUp(world, 'chat', 'mild');
  const kept = world.whenWriting(({ snapshot }) => typeof snapshot === 'string');

  await say(world, 'chat', long(1_100));

  await expect(kept).resolves.toBeUndefined();
});

test('room that is made ends the job that was making a digest of the same turns', async () => {
  const summariser = hands();
  const { agent } = reader({ summariser });
  await using world = await small(agent);
  await fillUp(world, 'chat');
  const asked = await summariser.next();

  await say(world, 'chat', long(500));
  asked.answer({ text: 'Too late.' });
  await say(world, 'chat', 'say 1');

  const all = await compactions(world, 'chat');
  expect(asked.signal.aborted).toBe(true);
  expect(all.map(({ by }) => by)).toEqual(['rules']);
  expect(JSON.stringify(all)).not.toContain('Too late.');
});

test('a message that no window holds fails its turn with the reason, changes nothing else, and the next one runs', async () => {
  const { agent, histories } = reader();
  await using world = await small(agent);
  await fillUp(world, 'chat', 'mild');
  const before = histories.length;

  const turn = await say(world, 'chat', long(4_000));
  const next = await say(world, 'chat', 'say 1');

  expect(turn.outcome).toBe('failed');
  expect(turn.error?.code).toBe('context.too_large');
  expect(turn.error?.message).toMatch(
    /^A prompt of about \d+ tokens does not fit into a window of 8000; what came takes \d+$/,
  );
  expect(next.outcome).toBe('completed');
  expect(histories).toHaveLength(before + 1);
});

test('the first message of all may be too large as well', async () => {
  const { agent, histories } = reader();
  await using world = await small(agent);

  const turn = await say(world, 'chat', long(4_000));

  expect(turn.error?.code).toBe('context.too_large');
  expect(histories).toHaveLength(0);
});

test('one turn that read more than the window holds is made small before the next one', async () => {
  const { agent, histories } = reader();
  await using world = await small(agent);
  await say(world, 'chat', Array.from({ length: 12 }, () => 'read 300').join('\n'));

  const turn = await say(world, 'chat', 'say 1');

  expect(turn.outcome).toBe('completed');
  const [prompt] = await weigh(histories.slice(-1));
  expect(prompt).toBeLessThan(WINDOW);
  const results =
    histories.at(-1)?.flatMap(({ parts }) => parts.filter((part) => part.type === 'tool-result')) ?? [];
  expect(results).toHaveLength(12);
  expect(String(results[0]?.output)).toContain('read_back');
  expect(String(results.at(-1)?.output)).not.toContain('read_back');
});

test('where nothing can count, room is made as if all that was guessed took half as much again', async () => {
  const encoder: Encoder = {
    encode: () => Promise.reject(new Error('no thread')),
    close: () => Promise.resolve(),
  };
  const seen: number[] = [];
  for (const options of [{}, { encoder }]) {
    const { agent, histories } = reader();
    await using world = await small(agent, options);
    for (let turn = 0; turn < 3; turn += 1) await say(world, 'chat', long(400));

    const turn = await say(world, 'chat', long(600));

    expect(turn.outcome).toBe('completed');
    seen.push(histories.at(-1)?.length ?? 0);
  }

  expect(seen[0]).toBe(6);
  expect(seen[1]).toBeLessThan(6);
});

test('a turn that is stopped while room is made for it does not begin', async () => {
  const { agent, histories } = reader();
  await using world = await small(agent);
  await fillUp(world, 'chat', 'mild');
  const before = histories.length;
  const writing = world.whenWriting(({ events }) => events.some(({ kind }) => kind === 'context.compacted'));
  const { turn } = await send(world, 'chat', long(1_100));
  await writing;

  await world.runtime.cancelTurn('chat', turn);

  expect((await outcome(world, 'chat', turn)).outcome).toBe('cancelled');
  expect(histories).toHaveLength(before);
  expect((await say(world, 'chat', 'say 1')).outcome).toBe('completed');
});

test('what people said outlives what tools returned', async () => {
  const { agent, histories } = reader();
  await using world = await small(agent);
  for (let turn = 0; turn < 30; turn += 1)
    await say(world, 'chat', `read 300\nPlease remember number ${turn}.`);

  const shown =
    histories
      .at(-1)
      ?.map(({ parts }) => textOf(parts))
      .join('\n') ?? '';

  for (let turn = 0; turn < 29; turn += 1) expect(shown).toContain(`Please remember number ${turn}.`);
});
