// Compaction that is cut short: by a kill at each of its steps, by leaving memory, by closing, by a disk that fails.
//
// Shown here, by what a user sees (B: traps of per-session working state):
//   B-2   'a session whose digest is being made is not put away for want of use'
//   B-2   'a session that is told to leave goes at once, and its digest is made another time'
//   B-13  'a digest that cannot be written costs the session nothing but a new start'
//   B-14  'a kill while a digest is being written by a model leaves the session as it was, and it is made again'
//   B-20  'what an agent sees is the same after a restart and after a crash'
import { expect, test } from 'vitest';
import { leftOf } from '../src/session/live.ts';
import type { Append } from '../src/store/store.ts';
import type { TestRuntime } from '../src/testing/test-runtime.ts';
import { type Message, textOf } from '../src/wire/message.ts';
import { bodies, gate, outcome, refusal, say, send } from './session-stage.ts';
import { compacted, compactions, fillUp, hands, page, reader, small, WINDOW } from './compaction-scene.ts';

const isDigest = ({ events }: Append): boolean => events.some(({ kind }) => kind === 'context.compacted');

const isCheckpoint = ({ snapshot }: Append): boolean => typeof snapshot === 'string';

/** What was said in all, by turn. */
async function saidIn(world: TestRuntime, key: string): Promise<readonly string[]> {
  const messages = await world.runtime.transcript(key);
  return messages.map(({ role, parts }) => `${role}: ${textOf(parts)}`);
}

/** Turns that some digest stands for, once for each digest that took them from the set. */
async function folded(world: TestRuntime, key: string): Promise<readonly string[]> {
  const all = await compactions(world, key);
  return all.flatMap(({ digests }) => digests.flatMap(({ kind, turns }) => (kind === 'turns' ? turns : [])));
}

/** Words as a model would read them. */
const shown = (messages: readonly Message[] = []): string =>
  JSON.stringify(messages.map(({ role, parts }) => ({ role, parts })));

test.each([
  { what: 'a digest', match: isDigest },
  { what: 'the set as it is after a digest', match: isCheckpoint },
])('a kill while $what is on its way to the disk loses nothing and doubles nothing', async ({ match }) => {
  const { agent, histories } = reader();
  await using world = await small(agent);
  const killed = world.killAtWrite(match);
  const filling = (async () => {
    for (let turn = 0; turn < 40; turn += 1) await say(world, 'chat', 'say 100');
  })();
  filling.catch(() => undefined); // Nobody hears of what was under way.
  await killed;
  await world.start();
  const before = await saidIn(world, 'chat');

  await say(world, 'chat', 'say 1');
  const turns = await folded(world, 'chat');

  expect(before.length).toBeGreaterThan(10);
  expect((await saidIn(world, 'chat')).slice(0, before.length)).toEqual(before);
  expect(turns.length).toBeGreaterThan(0);
  expect(new Set(turns).size).toBe(turns.length);
  expect(textOf(histories.at(-1)?.[0]?.parts ?? [])).toContain('A digest of what was said and done before');
});

test('a kill while a digest is being written by a model leaves the session as it was, and it is made again', async () => {
  const summariser = hands();
  const { agent, histories } = reader({ summariser });
  await using world = await small(agent);
  await fillUp(world, 'chat');
  await summariser.next();
  const before = await world.runtime.context('chat');

  await world.crash();
  const after = await world.runtime.context('chat');
  await say(world, 'chat', 'say 1');
  (await summariser.next()).answer({ text: 'At the second try.' });
  await compacted(world, 'chat');

  expect(after.entries).toEqual(before.entries);
  expect(shown(histories.at(-1))).not.toContain('digest');
  expect(await compactions(world, 'chat')).toHaveLength(1);
});

test('what an agent sees is the same after a restart and after a crash', async () => {
  const { agent, histories } = reader();
  await using world = await small(agent);
  for (let turn = 0; turn < 30; turn += 1) await say(world, 'chat', 'read 150\nsay 50');
  const seen = async (): Promise<string> => {
    const { entries, tokens, compactions: made } = await world.runtime.context('chat');
    return JSON.stringify({ entries, tokens: Math.round(tokens), made });
  };
  await world.runtime.evict('chat');
  const before = await seen();

  await world.restart();
  const restarted = await seen();
  await world.crash();
  const crashed = await seen();
  await say(world, 'chat', 'say 1');

  expect(restarted).toBe(before);
  expect(crashed).toBe(before);
  expect(shown(histories.at(-1))).toContain('A digest of what was said and done before');
});

test('after a crash what has left is not read again', async () => {
  const { agent } = reader();
  await using world = await small(agent);
  const kept = world.whenWriting(isCheckpoint);
  for (let turn = 0; turn < 24; turn += 1) await say(world, 'chat', 'say 100');
  await kept;
  const { num = 0 } = (await world.store.byKey('default', 'chat')) ?? {};
  await say(world, 'chat', 'say 1'); // What was handed over before is there now.
  const before = await world.runtime.context('chat');

  await world.crash();
  const { conversation } = leftOf((await world.store.snapshot(num)) ?? '{}');
  const after = await world.runtime.context('chat');

  const [body] = await compactions(world, 'chat');
  expect(conversation?.lastSeq).toBeGreaterThan(body?.digests[0]?.to ?? Infinity);
  expect(after.entries).toEqual(before.entries);
});

test('a session whose digest is being made is not put away for want of use', async () => {
  const summariser = hands();
  const { agent } = reader({ summariser });
  await using world = await small(agent, { limits: { idleMsMax: 10_000, sweepMs: 1_000 } });
  await fillUp(world, 'chat');
  const asked = await summariser.next();

  await world.clock.advance(30_000);
  const during = await world.runtime.session('chat');
  const kept = world.whenWriting(isCheckpoint);
  asked.answer({ text: 'Slow and good.' });
  await kept;
  await say(world, 'other', 'say 1'); // The last that the job had to write is written by then.
  await world.clock.advance(30_000);
  const after = await world.runtime.session('chat');

  expect([during.live, after.live]).toEqual([true, false]);
});

test('a session that is told to leave goes at once, and its digest is made another time', async () => {
  const summariser = hands();
  const { agent } = reader({ summariser });
  await using world = await small(agent);
  await fillUp(world, 'chat');
  const asked = await summariser.next();

  const evicted = await world.runtime.evict('chat');
  asked.answer({ text: 'Too late.' });
  await say(world, 'chat', 'say 1');
  (await summariser.next()).answer({ text: 'In time.' });
  const body = await compacted(world, 'chat');

  expect([evicted, asked.signal.aborted]).toEqual([true, true]);
  expect(body.digests[0]?.text).toBe('In time.');
});

test('shutting down and closing do not wait for a model', async () => {
  const summariser = hands();
  const { agent } = reader({ summariser });
  await using world = await small(agent);
  await fillUp(world, 'chat');
  const first = await summariser.next();

  await world.restart();
  await say(world, 'chat', 'say 1');
  const second = await summariser.next();
  await world.runtime.close('chat');

  expect([first.signal.aborted, second.signal.aborted]).toEqual([true, true]);
  expect((await world.runtime.session('chat')).state).toBe('closed');
  expect(await compactions(world, 'chat')).toEqual([]);
});

test('a digest that cannot be written costs the session nothing but a new start', async () => {
  const { agent, histories } = reader();
  let isFull = true;
  await using world = await small(agent, {
    onWrite: (append) => {
      if (!isFull || !isDigest(append)) return;
      isFull = false;
      throw new Error('no space left');
    },
  });
  let lost = 0;
  for (let turn = 0; turn < 40 && isFull; turn += 1) {
    // One that came at this very moment is told to come again.
    lost += (await refusal(say(world, 'chat', 'say 100'))) === 'nothing' ? 0 : 1;
  }
  const before = await saidIn(world, 'chat');

  const turn = await say(world, 'chat', 'say 1');
  await compacted(world, 'chat');

  expect(isFull).toBe(false);
  expect(lost).toBeLessThan(2);
  expect(turn.outcome).toBe('completed');
  expect((await saidIn(world, 'chat')).slice(0, before.length)).toEqual(before);
  expect(await compactions(world, 'chat')).toHaveLength(1);
  expect(histories.length).toBeGreaterThan(5);
});

test('a turn that is rolled back while a digest is made is in none', async () => {
  const summariser = hands();
  const stuck = gate();
  const running = gate();
  const { agent, histories } = reader({ summariser }, async (turn) => {
    if (!textOf(turn.inputs[0]?.parts ?? []).startsWith('secret')) return;
    running.open();
    await Promise.race([
      stuck.opened,
      new Promise<void>((resolve) => turn.signal.addEventListener('abort', () => resolve(), { once: true })),
    ]);
  });
  await using world = await small(agent);
  await fillUp(world, 'chat');
  const asked = await summariser.next();
  const wrong = await send(world, 'chat', `secret ${page(4, 20)}`);
  await running.opened;

  const next = await send(world, 'chat', { input: 'say 1', policy: 'rollback' });
  await outcome(world, 'chat', next.turn);
  asked.answer({ text: 'Without it.' });
  const body = await compacted(world, 'chat');
  await say(world, 'chat', 'say 1');

  expect(asked.text).not.toContain('secret');
  expect(body.digests.flatMap(({ turns }) => turns)).not.toContain(wrong.turn);
  expect(shown(histories.at(-1))).not.toContain('secret');
  expect(await bodies(world, 'chat', 'turn.dropped')).toEqual([{ turn: wrong.turn }]);
});

test('a digest is thrown away when what it stands on was read anew meanwhile, and what it used is billed', async () => {
  const summariser = hands();
  const { agent } = reader({ summariser });
  await using world = await small({ ...agent, exclusive: true });
  await fillUp(world, 'chat');
  const asked = await summariser.next();
  const before = await world.runtime.session('chat');

  await world.runtime.dirty({ key: 'chat', reason: 'a new version' });
  await say(world, 'chat', 'say 1');
  asked.answer({ text: 'Of a set that is gone.', costUsd: 0.5 });
  (await summariser.next()).answer({ text: 'Of the set that is there.', costUsd: 0.25 });
  const body = await compacted(world, 'chat');

  expect(body.digests[0]?.text).toBe('Of the set that is there.');
  expect(body.costUsd).toBe(0.25);
  expect((await world.runtime.session('chat')).costUsd).toBe(before.costUsd + 0.75);
  expect(body.windowTokens).toBe(WINDOW);
});
