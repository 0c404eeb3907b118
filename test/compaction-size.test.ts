// Compaction and the size of events: however much is to leave a working set, the log takes what says so.
import { expect, test } from 'vitest';
import { functionAgent } from '../src/agent/function/function.ts';
import type { Agent } from '../src/agent/agent.ts';
import { fittedText } from '../src/context/planned.ts';
import { parseEvent } from '../src/log/event.ts';
import type { TestRuntime } from '../src/testing/test-runtime.ts';
import type { Compacted } from '../src/wire/context.ts';
import { page, small, WINDOW } from './compaction-scene.ts';
import { say } from './session-stage.ts';

const EVENT_BYTES = 16_384;

const agent: Agent = {
  ...functionAgent(
    async function* () {
      yield 'ok';
    },
    { rerun: 'safe' },
  ),
  context: { windowTokens: WINDOW },
};

/** A log of another agent with so many turns. */
async function* turns(count: number): AsyncGenerator<string> {
  const messages = [];
  for (let index = 0; index < count; index += 1) {
    messages.push({ role: 'user', content: `Question ${index}, please?` });
    messages.push({ role: 'assistant', content: `The answer to ${index} is ${index * 13}.` });
  }
  yield JSON.stringify(messages);
}

/** A log of another agent that called a tool so often in one turn, with ids as long as these. */
async function* calls(count: number, idChars: number): AsyncGenerator<string> {
  const messages: object[] = [{ role: 'user', content: 'Read all of it.' }];
  for (let index = 0; index < count; index += 1) {
    const id = `${index}-`.padEnd(idChars, 'c');
    const read = { name: 'read', arguments: JSON.stringify({ path: `${index}.txt` }) };
    messages.push({ role: 'assistant', tool_calls: [{ id, type: 'function', function: read }] });
    messages.push({ role: 'tool', tool_call_id: id, content: page(index, 100) });
  }
  yield JSON.stringify(messages);
}

/** What left, read through to the end of the log, and how large the largest event is that says so. */
async function left(world: TestRuntime): Promise<{ all: readonly Compacted[]; bytesMost: number }> {
  const all: Compacted[] = [];
  let bytesMost = 0;
  const { headSeq } = await world.runtime.session('chat');
  for (let after = 0; after < headSeq;) {
    const { events } = await world.runtime.events('chat', { after });
    for (const event of events.map(parseEvent)) {
      after = event.seq;
      if (event.kind !== 'context.compacted') continue;
      all.push(event.body);
      bytesMost = Math.max(bytesMost, JSON.stringify(event.body).length);
    }
  }
  return { all, bytesMost };
}

test('a session with more turns than one event can name goes on, and all of them leave', async () => {
  await using world = await small(agent, { limits: { eventBytesMax: EVENT_BYTES } });
  await world.runtime.import('chat', turns(1_000), { format: 'openai' });

  const turn = await say(world, 'chat', 'go on');

  const { all, bytesMost } = await left(world);
  const named = all.flatMap(({ digests }) => digests.flatMap((digest) => digest.turns));
  expect(turn.outcome).toBe('completed');
  expect(all.length).toBeGreaterThan(1);
  expect(bytesMost).toBeLessThan(EVENT_BYTES);
  expect(new Set(named).size).toBe(named.length);
  expect(named.length).toBeGreaterThan(700);
});

test('calls whose ids take more than one event leave in several', async () => {
  await using world = await small(agent, { limits: { eventBytesMax: EVENT_BYTES } });
  await world.runtime.import('chat', calls(40, 2_000), { format: 'openai' });

  const turn = await say(world, 'chat', 'go on');

  const { all, bytesMost } = await left(world);
  expect(turn.outcome).toBe('completed');
  expect(all.length).toBeGreaterThan(1);
  expect(bytesMost).toBeLessThan(EVENT_BYTES);
});

test('what stands for turns is cut to what an event holds beside their names, whatever signs it is made of', () => {
  const kept = fittedText(`All is well.${'\u001b'.repeat(50_000)}`, EVENT_BYTES);

  expect(kept.slice(0, 12)).toBe('All is well.');
  expect(JSON.stringify(kept).length).toBeLessThan(EVENT_BYTES / 2);
  expect(fittedText('All is well.', EVENT_BYTES)).toBe('All is well.');
});
