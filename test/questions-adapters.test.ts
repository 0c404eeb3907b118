// Questions to a person, from every adapter: a function, an AI SDK agent, the scripted agent, a browser.
//
// Shown here, by what a user sees (A.5: the permission round trip; A.3: replay drops what was answered):
//   'is asked with the exact arguments and their hash, and runs once somebody allows it'
//   'is denied at once where nobody can answer, ...'
//   'what waits for a person ends with the process where the agent cannot run again, and goes on where it can'
import { beforeAll, describe, expect, test } from 'vitest';
import { tool, ToolLoopAgent } from 'ai';
import { z } from 'zod';
import type { Agent } from '../src/agent/agent.ts';
import { aiSdkAgent } from '../src/agent/ai-sdk/ai-sdk.ts';
import { functionAgent } from '../src/agent/function/function.ts';
import { scriptedAgent } from '../src/agent/scripted/scripted.ts';
import { toolHash } from '../src/session/questions.ts';
import { testRuntime, type TestRuntime } from '../src/testing/test-runtime.ts';
import { textOf } from '../src/wire/message.ts';
import { browsing, Pages } from './browser-stage.ts';
import { testChromium } from './chromium.ts';
import { calling, finish, model, text } from './model-stand-in.ts';
import { bodies, events, outcome, refusal, say, seen, send } from './session-stage.ts';

/** An adapter whose agent asks before it pays 5, and what it had paid in the end. */
interface Payer {
  agent: Agent;
  paid: unknown[];
}

function functionPayer(rerun: 'never' | 'safe' = 'never'): Payer {
  const paid: unknown[] = [];
  const agent = functionAgent(
    async function* (turn) {
      const input = { usd: Number(textOf(turn.inputs[0]?.parts ?? []).match(/\d+/)?.[0] ?? 5) };
      const asked = { call: 'c1', name: 'pay', input };
      const { decision, answer } = await turn.ask('pay', { kind: 'approval', text: 'Pay?', tool: asked });
      if (decision === 'allow') paid.push(input);
      yield decision === 'allow' ? 'Paid.' : `Not paid: ${answer ?? 'no'}.`;
    },
    { rerun },
  );
  return { agent, paid };
}

function sdkPayer(): Payer {
  const paid: unknown[] = [];
  const pay = tool({
    inputSchema: z.object({ usd: z.number() }),
    needsApproval: true,
    execute: async (input) => {
      paid.push(input);
      return 'paid';
    },
  });
  const { mock } = model((prompt) => {
    const last = prompt.at(-1);
    if (last?.role === 'tool') {
      const told = JSON.stringify(last.content);
      return [...text(told.includes('execution-denied') ? `Not paid: ${told}` : 'Paid.'), finish('stop')];
    }
    const usd = Number(JSON.stringify(last?.content).match(/\d+/)?.[0] ?? 5);
    return [calling(`c${prompt.length}`, 'pay', { usd }), finish('tool-calls')];
  });
  return { agent: aiSdkAgent(new ToolLoopAgent({ model: mock, tools: { pay }, onError: () => {} })), paid };
}

const begin = async (world: TestRuntime, call: string) => {
  const { turn, seq } = await send(world, 'chat', call);
  const { body } = await seen(world, 'chat', 'request.opened', seq);
  return { turn, body, request: body.request };
};

describe.each([
  ['a function', functionPayer],
  ['an AI SDK agent', sdkPayer],
] as const)('a tool of %s that needs a person', (_adapter, payer) => {
  test('is asked with the exact arguments and their hash, and runs once somebody allows it', async () => {
    const { agent, paid } = payer();
    await using world = await testRuntime({ agents: { agent } });
    const { turn, body, request } = await begin(world, 'pay 5');

    const before = paid.length;
    const listed = await world.runtime.requests();
    await world.runtime.answer('chat', request, { decision: 'allow' });
    const { text: said } = await outcome(world, 'chat', turn);

    const input = { usd: 5 };
    expect(body).toMatchObject({
      kind: 'approval',
      tool: { name: 'pay', input, inputHash: toolHash({ name: 'pay', input }) },
    });
    expect(listed).toMatchObject([{ id: request, tool: { name: 'pay', input } }]);
    expect([before, paid, said]).toEqual([0, [input], 'Paid.']);
  });

  test('does not run when somebody denies it, and the agent is told why', async () => {
    const { agent, paid } = payer();
    await using world = await testRuntime({ agents: { agent } });
    const { turn, request } = await begin(world, 'pay 5');

    await world.runtime.answer('chat', request, { decision: 'deny', answer: 'too dear' });

    expect((await outcome(world, 'chat', turn)).text).toMatch(/^Not paid: .*too dear/);
    expect(paid).toEqual([]);
  });

  test('is answered once: of two people one decides, and the other is told', async () => {
    const { agent, paid } = payer();
    await using world = await testRuntime({ agents: { agent } });
    const { turn, request } = await begin(world, 'pay 5');

    const answers = await Promise.all([
      refusal(world.runtime.answer('chat', request, { decision: 'allow' })),
      refusal(world.runtime.answer('chat', request, { decision: 'deny' })),
    ]);
    await outcome(world, 'chat', turn);

    expect(answers).toEqual(['nothing', 'request.closed']);
    expect(paid).toHaveLength(1);
  });

  test('is asked about once where a person said to remember it, and again with other arguments', async () => {
    const { agent, paid } = payer();
    await using world = await testRuntime({ agents: { agent } });
    const { turn, request } = await begin(world, 'pay 5');
    await world.runtime.answer('chat', request, { decision: 'allow', remember: true });
    await outcome(world, 'chat', turn);

    await world.crash();
    const again = await say(world, 'chat', 'pay 5');
    const { body } = await begin(world, 'pay 500');

    expect(again.text).toBe('Paid.');
    expect(paid).toEqual([{ usd: 5 }, { usd: 5 }]);
    expect(body.tool?.input).toEqual({ usd: 500 });
  });

  test('is denied at once where nobody can answer, and nothing is ever asked', async () => {
    const { agent, paid } = payer();
    await using world = await testRuntime({ agents: { agent } });

    const { text: said, outcome: how } = await say(world, 'chat', { input: 'pay 5', canAsk: false });

    expect([how, said.startsWith('Not paid'), paid]).toEqual(['completed', true, []]);
    expect(await bodies(world, 'chat', 'request.opened')).toEqual([]);
  });

  test('is not run when nobody answers in time', async () => {
    const { agent, paid } = payer();
    await using world = await testRuntime({ agents: { agent }, limits: { requestMs: 60_000 } });
    const { turn, request } = await begin(world, 'pay 5');

    await world.clock.advance(60_001);
    const { error } = await outcome(world, 'chat', turn);

    expect(error?.code).toBe('request.closed');
    expect(await refusal(world.runtime.answer('chat', request, { decision: 'allow' }))).toBe(
      'request.closed',
    );
    expect(paid).toEqual([]);
  });

  test('is not run after a crash: the turn ends, and its question with it', async () => {
    const { agent, paid } = payer();
    await using world = await testRuntime({ agents: { agent } });
    const { turn, request } = await begin(world, 'pay 5');

    await world.crash();

    expect((await outcome(world, 'chat', turn)).outcome).toBe('interrupted');
    expect(await refusal(world.runtime.answer('chat', request, { decision: 'allow' }))).toBe(
      'request.closed',
    );
    expect(await world.runtime.requests()).toEqual([]);
    expect(paid).toEqual([]);
  });

  test('is not run when the turn is cancelled while a person thinks', async () => {
    const { agent, paid } = payer();
    await using world = await testRuntime({ agents: { agent } });
    const { turn, request } = await begin(world, 'pay 5');

    await world.runtime.cancelTurn('chat', turn);

    expect(await refusal(world.runtime.answer('chat', request, { decision: 'allow' }))).toBe(
      'request.closed',
    );
    expect(paid).toEqual([]);
  });
});

describe('an agent that may run again', () => {
  test('a function that waits for a person goes on after a restart with what was said', async () => {
    const { agent, paid } = functionPayer('safe');
    await using world = await testRuntime({ agents: { agent } });
    const { turn, request } = await begin(world, 'pay 5');

    await world.crash();
    await world.runtime.answer('chat', request, { decision: 'allow' });

    expect(await outcome(world, 'chat', turn)).toMatchObject({ outcome: 'completed', text: 'Paid.' });
    expect(paid).toEqual([{ usd: 5 }]);
  });

  test('the scripted agent does so too, and is told at once where nobody can answer', async () => {
    await using world = await testRuntime({ agents: { scripted: scriptedAgent({ wordMs: 0 }) } });
    const { turn, request } = await begin(world, '/ask Which colour?');

    await world.crash();
    await world.runtime.answer('chat', request, { decision: 'allow', answer: 'blue' });
    const asked = await outcome(world, 'chat', turn);
    const unasked = await say(world, 'chat', { input: '/ask Which colour?', canAsk: false });

    expect(asked.text).toBe('blue');
    expect(unasked.outcome).toBe('completed');
    expect(await bodies(world, 'chat', 'request.opened')).toHaveLength(1);
  });
});

describe('a child of a turn that nobody can answer', () => {
  test('is denied at once what it asks, however deep it stands', async () => {
    const { agent: payer } = functionPayer();
    const parent = functionAgent(async function* (turn) {
      const input = textOf(turn.inputs[0]?.parts ?? []);
      const child = await turn.spawn(input === 'deep' ? 'parent' : 'payer', 'pay 5');
      yield (await child.result()).text;
    });
    await using world = await testRuntime({ agents: { parent, payer } });

    const near = await say(world, 'near', { input: 'near', agent: 'parent', canAsk: false });
    const deep = await say(world, 'deep', { input: 'deep', agent: 'parent', canAsk: false });

    expect([near.text, deep.text].every((said) => said.startsWith('Not paid'))).toBe(true);
    expect(await world.runtime.requests()).toEqual([]);
  });

  test('gives its result to a turn that nobody can answer either', async () => {
    const { agent: payer, paid } = functionPayer();
    const echo = functionAgent(async function* () {
      yield 'pay 7';
    });
    const parent = functionAgent(async function* (turn) {
      if (turn.kind === 'child') {
        const { decision } = await turn.ask('sure', { kind: 'question', text: 'Sure?' });
        yield decision;
        return;
      }
      await turn.children.spawn('echo', 'go', { whenDone: 'turn' });
    });
    await using world = await testRuntime({ agents: { parent, payer, echo } });

    const { turn } = await send(world, 'chat', { input: 'go', agent: 'parent', canAsk: false });
    const next = await seen(world, 'chat', 'turn.ended', (await outcome(world, 'chat', turn)).endSeq ?? 0);

    expect(next.body.text).toBe('deny');
    expect(paid).toEqual([]);
  });

  test('asks where somebody can answer, under its own key', async () => {
    const { agent: payer } = functionPayer();
    const parent = functionAgent(async function* (turn) {
      const child = await turn.spawn('payer', 'pay 5');
      yield (await child.result()).text;
    });
    await using world = await testRuntime({ agents: { parent, payer } });
    const { turn } = await send(world, 'chat', { input: 'go', agent: 'parent' });
    const { body } = await seen(world, 'chat', 'child.started');
    await seen(world, body.key, 'request.opened');
    const [request] = await world.runtime.requests();

    await world.runtime.answer(body.key, request?.id ?? '', { decision: 'allow' });

    expect((await outcome(world, 'chat', turn)).text).toBe('Paid.');
  });
});

describe('a browser that asks before it opens an address', () => {
  beforeAll(() => testChromium(), 120_000); // Unpacked once.

  test.each([
    ['allow', 1],
    ['deny', 0],
  ] as const)(
    'is asked about that very address, and after %s it was there %d times',
    async (decision, visits) => {
      await using pages = await Pages.serve({ '/': '<title>Home</title>' });
      const url = pages.at('/');
      const { agent } = await browsing([['open', { url }]], { allow: [pages.host], askBefore: ['open'] });
      await using world = await testRuntime({ agents: { agent } });
      const { turn, body, request } = await begin(world, 'go');

      await world.runtime.answer('chat', request, { decision });
      const { text: said } = await outcome(world, 'chat', turn);
      await world.runtime.evict('chat');

      expect(body).toMatchObject({ kind: 'approval', tool: { name: 'open', input: { url } } });
      expect([pages.visits.length, said]).toEqual([visits, 'done']);
      expect((await events(world, 'chat')).some(({ kind }) => kind === 'tool.returned')).toBe(true);
    },
  );
});
