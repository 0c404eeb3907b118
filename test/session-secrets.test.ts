// Our own secrets in what agents do with tools: a sign-in that an agent gets and uses is not for who reads the log.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { AgentEvent } from '../src/agent/agent.ts';
import { functionAgent } from '../src/agent/function/function.ts';
import { systemIds } from '../src/kernel/ids.ts';
import { mintSecret } from '../src/kernel/secret.ts';
import type { StoredEvent } from '../src/store/store.ts';
import { testRuntime, type TestRuntime } from '../src/testing/test-runtime.ts';

const signIn = mintSecret('soj_in_', systemIds);
const token = mintSecret('soj_', systemIds);

async function worldOf(events: readonly AgentEvent[]): Promise<TestRuntime> {
  const busy = functionAgent(async function* () {
    yield* events;
  });
  const world = await testRuntime({ agents: { busy } });
  onTestFinished(() => world.close());
  return world;
}

/** What is kept of one turn: its events, what they make of a conversation, and the bytes on the disk. */
async function kept(world: TestRuntime): Promise<{ events: Record<string, unknown>[]; all: string }> {
  const { runtime, folder } = world;
  await runtime.send('a', { input: 'go' });
  await runtime.waitForIdle('a');
  const { events } = await runtime.events('a', { after: 0 });
  const transcript = JSON.stringify(await runtime.transcript('a'));
  const bytes = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'));
  const shown = events.map(({ kind, body }: StoredEvent) => ({ kind, body: JSON.parse(body) as unknown }));
  return { events: shown, all: [JSON.stringify(events), transcript, ...bytes].join('\n') };
}

test('a sign-in that a tool gives to an agent, and that an agent gives to a tool, is kept by neither', async () => {
  const got = { type: 'text', text: JSON.stringify({ sign_in: signIn, name: 'Hal' }) };
  const given: AgentEvent[] = [
    { kind: 'tool.called', call: 'c1', name: 'sign_in', input: { name: 'Hal' } },
    { kind: 'tool.returned', call: 'c1', output: { content: [got] } },
    { kind: 'tool.called', call: 'c2', name: 'post_timeline', input: { sign_in: signIn, content: 'Begun' } },
    { kind: 'tool.returned', call: 'c2', output: `Posted by ${signIn}, with ${token}.` },
  ];

  const { events, all } = await kept(await worldOf(given));

  expect(events).toEqual(
    expect.arrayContaining([
      {
        kind: 'tool.called',
        body: { call: 'c2', name: 'post_timeline', input: { sign_in: 'soj_in_***', content: 'Begun' } },
      },
      {
        kind: 'tool.returned',
        body: { call: 'c2', isError: false, output: 'Posted by soj_in_***, with soj_***.' },
      },
    ]),
  );
  expect(all).toContain('Hal');
  expect(all).not.toContain(signIn);
  expect(all).not.toContain(token);
  // The agent's own are as they were.
  expect(got.text).toContain(signIn);
  expect(JSON.stringify(given[2])).toContain(signIn);
});

test('nor does a message keep it that the agent tells whole, or an output that is an artifact', async () => {
  const { all } = await kept(
    await worldOf([
      { kind: 'tool.called', call: 'c1', name: 'sign_in', input: {} },
      { kind: 'tool.returned', call: 'c1', output: `${signIn} ${'x'.repeat(500_000)}` },
      {
        kind: 'message',
        role: 'assistant',
        parts: [
          { type: 'text', text: 'Signed in' },
          { type: 'tool-call', call: 'c1', name: 'sign_in', input: { sign_in: signIn } },
        ],
      },
    ]),
  );

  expect(all).toContain('Signed in');
  expect(all).not.toContain(signIn);
});

test('what only looks like one is kept as it is', async () => {
  const output = { note: 'soj_in_ is how they begin, soj_short is none', place: '/srv/soj_data/2026' };

  const { events } = await kept(
    await worldOf([
      { kind: 'tool.called', call: 'c1', name: 'read', input: null },
      { kind: 'tool.returned', call: 'c1', output },
    ]),
  );

  expect(events).toContainEqual({ kind: 'tool.returned', body: { call: 'c1', isError: false, output } });
});
