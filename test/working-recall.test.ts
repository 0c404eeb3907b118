// What an agent was told hundreds of turns ago and cannot see any more, it looks up: after a restart as its host makes it, and
// after kill -9 of a server that is spoken to over HTTP.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { functionAgent } from '../src/agent/function/function.ts';
import { readBackTool } from '../src/agent/read-back-tool.ts';
import { testRuntime } from '../src/testing/test-runtime.ts';
import type { Message } from '../src/wire/message.ts';
import { textOf } from '../src/wire/message.ts';
import { ContractServer } from './contract-server.ts';
import { say } from './session-stage.ts';

const TURNS = 500;
/** Sent together: they wait for each other in their session. */
const AT_ONCE = 50;
const WINDOW = 3_000;

/** A report of 60 KB, with one line in its middle that matters. */
const REPORT = Array.from({ length: 1_200 }, (_, line) =>
  line === 700 ? 'The code of the gate is 4711.' : `Line ${line}: nothing to report from the harbour today.`,
).join('\n');

const shownTo = (messages: readonly Message[]): string => JSON.stringify(messages.map(({ parts }) => parts));

test('an agent that was shown a report 500 turns ago knows where to look for what it said, after a restart', async () => {
  const shown: string[] = [];
  const watchman = functionAgent(async function* (turn) {
    shown.push(shownTo(turn.history));
    const asked = turn.inputs.map(({ parts }) => textOf(parts)).join('\n');
    if (asked === 'Read the report.') {
      yield { kind: 'tool.called', call: 'c1', name: 'report', input: {} };
      yield { kind: 'tool.returned', call: 'c1', output: REPORT };
      yield 'I have read it.';
    } else if (asked === 'What is the code of the gate?') {
      const tool = readBackTool(turn);
      const input = { search: 'code of the gate is \\d+' };
      yield { kind: 'tool.called', call: 'c1', name: tool.name, input };
      const { parts } = await tool.call(input);
      yield { kind: 'tool.returned', call: 'c1', output: textOf(parts) };
      yield /gate is (\d+)/.exec(textOf(parts))?.[1] ?? 'I do not know.';
    } else yield 'All quiet.';
  });
  const agents = { watchman: { ...watchman, context: { windowTokens: WINDOW } } };
  await using world = await testRuntime({ agents });
  await say(world, 'night', 'Read the report.');
  for (let turn = 0; turn < TURNS; turn += 1) await say(world, 'night', `Anything new at ${turn}?`);
  await world.restart();

  const { text } = await say(world, 'night', 'What is the code of the gate?');

  expect(text).toBe('4711');
  expect(shown.at(-1)).not.toContain('4711');
  expect(shown.at(-1)).toContain('Read the report.'); // A digest says that it was read, and how to get at it.
  expect(shown.at(-1)).toMatch(/log:\d+/);
  const { tokens, compactions } = await world.runtime.context('night');
  expect(tokens).toBeLessThan(WINDOW);
  expect(compactions.count).toBeGreaterThan(0);
});

const CONFIG = `
  import { defineConfig } from 'sojourn';
  import { scriptedAgent } from 'sojourn/agent/scripted';
  export default defineConfig({ agents: { scripted: scriptedAgent({ wordMs: 0 }) }, limits: { contextTokens: ${WINDOW} } });
`;

let server: ContractServer;

beforeAll(async () => {
  server = await ContractServer.start(CONFIG);
});
afterAll(() => server.close());

test('a scripted agent finds in a file of 500 turns ago what it needs, after kill -9 of its server', async () => {
  await server.say('old', '/big 100000');
  await server.say('old', '/tool note {"where":"the key lies under the blue mat"}');
  for (let turn = 0; turn < TURNS; turn += AT_ONCE) {
    const batch = Array.from({ length: AT_ONCE }, (_, at) => `turn ${turn + at}: and so on`);
    await Promise.all(batch.map((input) => server.send('old', input, { policy: 'queue' })));
    await server.idle('old');
  }
  const turns = (await server.events('old')).filter(({ kind }) => kind === 'turn.ended').length;
  await server.kill();
  await server.start();

  const line = await server.say('old', '/find ^line 9876$');
  const found = await server.say('old', '/find the key lies [a-z ]+');
  const { body: context } = await server.get('/v1/sessions/old/context');

  expect(turns).toBe(2 + TURNS);
  expect(line.text).toMatch(/^artifact:[0-9a-f]{64}\n9876: line 9876\n$/);
  expect(found.text.match(/^1: .*the key lies under the blue mat.*$/gm)).toHaveLength(3); // Asked, called and returned.
  expect(context.tokens).toBeLessThan(WINDOW);
  expect(context.entries[0]).toMatchObject({ kind: 'digest' });
});
