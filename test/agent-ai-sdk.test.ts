import { describe, expect, test } from 'vitest';
import { isStepCount, simulateReadableStream, tool, ToolLoopAgent, type ModelMessage } from 'ai';
import { MockLanguageModelV4 } from 'ai/test';
import { z } from 'zod';
import type { Agent, AgentEvent } from '../src/agent/agent.ts';
import { aiSdkAgent } from '../src/agent/ai-sdk/ai-sdk.ts';
import { SojournError } from '../src/kernel/errors.ts';
import type { Message } from '../src/wire/message.ts';
import { agentConformance } from '../src/testing/agent-conformance.ts';
import {
  allOf,
  said,
  testContext,
  testTurn,
  textSaid,
  type TestTurnOptions,
} from '../src/testing/test-turn.ts';

type StreamPart =
  Awaited<ReturnType<MockLanguageModelV4['doStream']>>['stream'] extends ReadableStream<infer Part>
    ? Part
    : never;
type Reply = StreamPart[];
type Prompt = Parameters<MockLanguageModelV4['doStream']>[0]['prompt'];

const used = (input: number, output: number, cacheRead = 0, cacheWrite = 0) => ({
  inputTokens: { total: input, noCache: input - cacheRead - cacheWrite, cacheRead, cacheWrite },
  outputTokens: { total: output, text: output, reasoning: 0 },
});

const finish = (reason: 'stop' | 'tool-calls' | 'length', usage = used(10, 5)): StreamPart => ({
  type: 'finish',
  finishReason: { unified: reason, raw: reason },
  usage,
});

const text = (words: string, metadata?: Record<string, Record<string, string>>): Reply => [
  { type: 'text-start', id: 't' },
  ...words.split(/(?= )/).map((delta) => ({ type: 'text-delta' as const, id: 't', delta })),
  { type: 'text-end', id: 't', ...(metadata ? { providerMetadata: metadata } : {}) },
];

const calling = (id: string, name: string, input: unknown): StreamPart => ({
  type: 'tool-call',
  toolCallId: id,
  toolName: name,
  input: JSON.stringify(input),
});

/** A model that answers from a list, one reply a call, and keeps what it was asked. */
function model(...replies: (Reply | Error | ((prompt: Prompt) => Reply))[]) {
  const prompts: Prompt[] = [];
  const mock = new MockLanguageModelV4({
    modelId: 'mock-1',
    doStream: async ({ prompt }) => {
      prompts.push(structuredClone(prompt));
      const next = replies[Math.min(prompts.length, replies.length) - 1] ?? [];
      if (next instanceof Error) throw next;
      const chunks = typeof next === 'function' ? next(prompt) : next;
      return { stream: simulateReadableStream({ chunks, initialDelayInMs: null, chunkDelayInMs: null }) };
    },
  });
  return { mock, prompts };
}

const weather = (run: (city: string) => unknown = (city) => ({ city, celsius: 7 })) =>
  tool({
    description: 'The weather of a city',
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => run(city),
  });

async function play(agent: Agent, options: TestTurnOptions = {}) {
  const instance = await agent.open(testContext());
  const turn = testTurn(options);
  return { turn, events: await allOf(instance.run(turn.turn)) };
}

/** The history the next turn would have: what was asked, and the whole messages of what was said. */
function historyOf(input: string, events: readonly AgentEvent[]): Message[] {
  const messages = events.flatMap((event) =>
    typeof event === 'object' && event.kind === 'message' ? [said(event.role, event.parts)] : [],
  );
  // Through JSON, as a log would keep them.
  return JSON.parse(JSON.stringify([said('user', input), ...messages])) as Message[];
}

const kinds = (events: readonly AgentEvent[]): string[] =>
  events.map((event) => (typeof event === 'string' ? 'text' : event.kind));

const rolesOf = (prompt: Prompt | ModelMessage[] | undefined): string[] =>
  (prompt ?? []).map(({ role }) => role);

describe('an AI SDK agent', () => {
  let begun = 0;
  agentConformance(
    { describe, test, expect },
    {
      agent: () =>
        aiSdkAgent(
          new ToolLoopAgent({
            model: model((prompt) => {
              const asked = JSON.stringify(prompt.findLast(({ role }) => role === 'user')?.content);
              const answered = prompt.at(-1)?.role === 'tool';
              if (asked.includes('fail')) throw new Error('on purpose');
              if (asked.includes('call') && !answered) {
                return [calling('c1', 'weather', { city: 'Oslo' }), finish('tool-calls')];
              }
              if (asked.includes('ask') && !answered) {
                return [calling('c2', 'guarded', { city: 'Oslo' }), finish('tool-calls')];
              }
              const words = asked.includes('long') ? 'word '.repeat(20_000) : 'hello';
              return [...text(words), finish('stop')];
            }).mock,
            tools: {
              weather: weather(() => (begun += 1)),
              guarded: tool({ ...weather(), needsApproval: true }),
            },
            onError: () => {},
          }),
        ),
      says: { input: 'hi', text: 'hello' },
      long: 'long',
      fails: 'fail',
      calls: 'call',
      begun: () => begun,
      asks: 'ask',
    },
  );

  test('its words arrive as it says them, and once more as a whole message', async () => {
    const { mock } = model([...text('hello there, you'), finish('stop')]);

    const { events } = await play(aiSdkAgent(new ToolLoopAgent({ model: mock })));

    expect(kinds(events)).toEqual(['text.delta', 'text.delta', 'text.delta', 'usage', 'message']);
    expect(textSaid(events)).toBe('hello there, you');
    expect(events[0]).toEqual({ kind: 'text.delta', text: 'hello', message: 'turn-1-1' });
    expect(events.at(-1)).toEqual({
      kind: 'message',
      role: 'assistant',
      parts: [{ type: 'text', text: 'hello there, you' }],
      message: 'turn-1-1',
    });
  });

  test('its reasoning is told apart, and goes back to the provider with its signature word for word', async () => {
    const signature = { anthropic: { signature: 'c2lnbmVk' } };
    const { mock, prompts } = model(
      [
        { type: 'reasoning-start', id: 'r' },
        { type: 'reasoning-delta', id: 'r', delta: 'Let me think.' },
        { type: 'reasoning-end', id: 'r', providerMetadata: signature },
        ...text('Done.'),
        finish('stop'),
      ],
      [...text('Again.'), finish('stop')],
    );
    const agent = aiSdkAgent(new ToolLoopAgent({ model: mock }));

    const first = await play(agent, { input: 'think' });
    await play(agent, { input: 'and now?', history: historyOf('think', first.events) });

    expect(first.events[0]).toEqual({ kind: 'reasoning.delta', text: 'Let me think.', message: 'turn-1-1' });
    expect(prompts[1]?.[1]).toMatchObject({
      role: 'assistant',
      content: [
        { type: 'reasoning', text: 'Let me think.', providerOptions: signature },
        { type: 'text', text: 'Done.' },
      ],
    });
  });

  test('a tool runs only after its call was resumed, and never when the turn stops there', async () => {
    const ran: string[] = [];
    const { mock } = model(
      [calling('c1', 'weather', { city: 'Oslo' }), finish('tool-calls')],
      [...text('7'), finish('stop')],
    );
    const agent = aiSdkAgent(
      new ToolLoopAgent({ model: mock, tools: { weather: weather((city) => ran.push(city)) } }),
    );
    const instance = await agent.open(testContext());
    const { turn, abort } = testTurn();

    for await (const event of instance.run(turn)) {
      if (typeof event !== 'object' || event.kind !== 'tool.called') continue;
      for (let turns = 0; turns < 20; turns += 1) await new Promise(setImmediate);
      expect(ran).toEqual([]);
      abort();
      break;
    }

    for (let turns = 0; turns < 20; turns += 1) await new Promise(setImmediate);
    expect(ran).toEqual([]);
  });

  test('calls, results and the messages of each step are told in the order of the conversation', async () => {
    const { mock, prompts } = model(
      [
        ...text('Looking.'),
        calling('c1', 'weather', { city: 'Oslo' }),
        calling('c2', 'weather', { city: 'Rome' }),
        finish('tool-calls'),
      ],
      [...text('Cold and warm.'), finish('stop')],
    );
    const agent = aiSdkAgent(
      new ToolLoopAgent({
        model: mock,
        tools: {
          weather: weather((city) => {
            if (city === 'Rome') throw new Error('no data for Rome');
            return { celsius: 7 };
          }),
        },
      }),
    );

    const { events } = await play(agent, { input: 'weather?' });

    expect(kinds(events)).toEqual([
      'text.delta',
      'tool.called',
      'tool.called',
      'tool.returned',
      'tool.returned',
      'usage',
      'message',
      'message',
      'text.delta',
      'text.delta',
      'text.delta',
      'usage',
      'message',
    ]);
    expect(events.filter((event) => typeof event === 'object' && event.kind === 'tool.returned')).toEqual([
      { kind: 'tool.returned', call: 'c1', output: { celsius: 7 } },
      { kind: 'tool.returned', call: 'c2', output: 'no data for Rome', isError: true },
    ]);

    await play(agent, { input: 'thanks', history: historyOf('weather?', events) });
    expect(rolesOf(prompts[2])).toEqual(['user', 'assistant', 'tool', 'assistant', 'user']);
    expect(prompts[2]?.slice(0, 3)).toEqual(prompts[1]); // as it stood when the model said it
  });

  test('what an allowed tool returned, and a denied one did not, goes on to the model', async () => {
    const ran: string[] = [];
    const { mock, prompts } = model(
      [calling('c1', 'pay', { city: 'Oslo' }), calling('c2', 'pay', { city: 'Rome' }), finish('tool-calls')],
      [...text('Paid one.'), finish('stop')],
    );
    const pay = weather((city) => {
      ran.push(city);
      return 'paid';
    });
    const agent = aiSdkAgent(
      new ToolLoopAgent({ model: mock, tools: { pay }, toolApproval: { pay: 'user-approval' } }),
    );

    const { events, turn } = await play(agent, {
      input: 'pay both',
      answer: (_key, { tool: asked }) =>
        JSON.stringify(asked?.input).includes('Oslo')
          ? { decision: 'allow' }
          : { decision: 'deny', answer: 'too dear' },
    });

    expect(turn.asks).toMatchObject([
      {
        key: 'approval-c1',
        question: { kind: 'approval', tool: { call: 'c1', name: 'pay', input: { city: 'Oslo' } } },
      },
      {
        key: 'approval-c2',
        question: { kind: 'approval', tool: { call: 'c2', name: 'pay', input: { city: 'Rome' } } },
      },
    ]);
    expect(ran).toEqual(['Oslo']);
    expect(events.filter((event) => typeof event === 'object' && event.kind === 'tool.returned')).toEqual([
      { kind: 'tool.returned', call: 'c2', output: 'It was denied.', isError: true },
      { kind: 'tool.returned', call: 'c1', output: 'paid' },
    ]);
    expect(JSON.stringify(prompts[1])).toContain('too dear');

    await play(agent, { input: 'and then?', history: historyOf('pay both', events) });
    const results = prompts[2]?.flatMap((message) => (message.role === 'tool' ? message.content : []));
    expect(rolesOf(prompts[2])).toEqual(['user', 'assistant', 'tool', 'assistant', 'user']);
    expect(results).toMatchObject([
      { toolCallId: 'c1', output: { type: 'text', value: 'paid' } },
      { toolCallId: 'c2', output: { type: 'execution-denied' } },
    ]);
  });

  test('a tool that nobody here can run is answered by a person', async () => {
    const { mock, prompts } = model(
      [calling('c1', 'colour', { of: 'door' }), finish('tool-calls')],
      [...text('Blue it is.'), finish('stop')],
    );
    const colour = tool({ description: 'Asks for a colour', inputSchema: z.object({ of: z.string() }) });
    const agent = aiSdkAgent(new ToolLoopAgent({ model: mock, tools: { colour } }));

    const { events, turn } = await play(agent, { answer: () => ({ decision: 'allow', answer: 'blue' }) });

    expect(turn.asks).toEqual([
      { key: 'tool-c1', question: { kind: 'question', text: 'colour {"of":"door"}' } },
    ]);
    expect(events).toContainEqual({ kind: 'tool.returned', call: 'c1', output: 'blue' });
    expect(prompts[1]?.at(-1)).toMatchObject({
      role: 'tool',
      content: [{ toolCallId: 'c1', output: { type: 'text', value: 'blue' } }],
    });
  });

  test('what is steered to it reaches the model at its next step, and the next turn remembers it', async () => {
    const { mock, prompts } = model(
      [calling('c1', 'weather', { city: 'Oslo' }), finish('tool-calls')],
      [...text('In Fahrenheit: 45.'), finish('stop')],
    );
    const turn = testTurn({ input: 'weather?' });
    const agent = aiSdkAgent(
      new ToolLoopAgent({
        model: mock,
        tools: {
          weather: weather(() => {
            turn.steer('in Fahrenheit please');
            return 7;
          }),
        },
      }),
    );
    const instance = await agent.open(testContext());

    await allOf(instance.run(turn.turn));

    expect(turn.untaken()).toBe(0);
    expect(rolesOf(prompts[1])).toEqual(['user', 'assistant', 'tool', 'user']);
    expect(JSON.stringify(prompts[1]?.at(-1))).toContain('in Fahrenheit please');
  });

  test('what is steered to its last step still gets an answer in this turn', async () => {
    const turn = testTurn({ input: 'hello' });
    const { mock, prompts } = model(() => {
      turn.steer('one more thing');
      return [...text('Hello.'), finish('stop')];
    }, [...text('And that.'), finish('stop')]);
    // It may take one step only, so the SDK itself would not go on.
    const agent = aiSdkAgent(new ToolLoopAgent({ model: mock, stopWhen: isStepCount(1) }));
    const instance = await agent.open(testContext());

    const events = await allOf(instance.run(turn.turn));

    expect(textSaid(events)).toBe('Hello.And that.');
    expect(rolesOf(prompts[1])).toEqual(['user', 'assistant', 'user']);
  });

  test('a person is asked after a steered message was taken, and the model still knows both', async () => {
    const turn = testTurn({ input: 'weather?' });
    const { mock, prompts } = model(
      [calling('c1', 'weather', { city: 'Oslo' }), finish('tool-calls')],
      [calling('c2', 'pay', { city: 'Oslo' }), finish('tool-calls')],
      [...text('Paid.'), finish('stop')],
    );
    const agent = aiSdkAgent(
      new ToolLoopAgent({
        model: mock,
        tools: {
          weather: weather(() => {
            turn.steer('then pay');
            return 7;
          }),
          pay: weather(() => 'paid'),
        },
        toolApproval: { pay: 'user-approval' },
      }),
    );
    const instance = await agent.open(testContext());

    await allOf(instance.run(turn.turn));

    expect(rolesOf(prompts[2])).toEqual(['user', 'assistant', 'tool', 'user', 'assistant', 'tool']);
    expect(JSON.stringify(prompts[2]?.[3])).toContain('then pay');
  });

  test('a signed approval of a tool that changes its input is accepted', async () => {
    const { mock } = model(
      [calling('c1', 'pay', { amount: '12' }), finish('tool-calls')],
      [...text('Paid.'), finish('stop')],
    );
    const paid: number[] = [];
    const pay = tool({
      inputSchema: z.object({ amount: z.string().transform(Number) }),
      execute: async ({ amount }) => paid.push(amount),
    });
    const agent = aiSdkAgent(
      new ToolLoopAgent({
        model: mock,
        tools: { pay },
        toolApproval: { pay: 'user-approval' },
        experimental_toolApprovalSecret: 'a secret of thirty-two characters',
      }),
    );

    const { events } = await play(agent, { input: 'pay' });

    expect(paid).toEqual([12]);
    expect(events).toContainEqual({ kind: 'tool.returned', call: 'c1', output: 1 });
  });

  test('a policy that denies by itself asks nobody', async () => {
    const { mock } = model(
      [calling('c1', 'pay', { city: 'Oslo' }), finish('tool-calls')],
      [...text('Not allowed.'), finish('stop')],
    );
    const agent = aiSdkAgent(
      new ToolLoopAgent({
        model: mock,
        tools: { pay: weather() },
        toolApproval: { pay: { type: 'denied', reason: 'never' } },
      }),
    );

    const { events, turn } = await play(agent);

    expect(turn.asks).toEqual([]);
    expect(events).toContainEqual({
      kind: 'tool.returned',
      call: 'c1',
      output: 'It was denied.',
      isError: true,
    });
    expect(textSaid(events)).toBe('Not allowed.');
  });

  test('a tool that reports while it works is heard', async () => {
    const { mock } = model(
      [calling('c1', 'dig', {}), finish('tool-calls')],
      [...text('Dug.'), finish('stop')],
    );
    const dig = tool({
      inputSchema: z.object({}),
      async *execute() {
        yield 'half';
        yield 'all';
      },
    });

    const { events } = await play(aiSdkAgent(new ToolLoopAgent({ model: mock, tools: { dig } })));

    expect(events.filter((event) => typeof event === 'object' && 'call' in event).slice(1)).toEqual([
      { kind: 'tool.progress', call: 'c1', data: 'half' },
      { kind: 'tool.progress', call: 'c1', data: 'all' },
      { kind: 'tool.returned', call: 'c1', output: 'all' },
    ]);
  });

  test('a call of a tool that does not exist is told and answered, and the model may go on', async () => {
    const { mock } = model(
      [calling('c1', 'nothing', {}), finish('tool-calls')],
      [...text('Sorry.'), finish('stop')],
    );

    const { events } = await play(
      aiSdkAgent(new ToolLoopAgent({ model: mock, tools: { weather: weather() } })),
    );

    expect(kinds(events).slice(0, 2)).toEqual(['tool.called', 'tool.returned']);
    expect(events[1]).toMatchObject({ call: 'c1', isError: true });
    expect(textSaid(events)).toBe('Sorry.');
  });

  test('a tool that the provider runs keeps its place beside what the model said', async () => {
    const { mock, prompts } = model(
      [
        {
          type: 'tool-call',
          toolCallId: 's1',
          toolName: 'search',
          input: '{"q":"x"}',
          providerExecuted: true,
          dynamic: true,
        },
        { type: 'tool-result', toolCallId: 's1', toolName: 'search', result: { hits: 1 }, dynamic: true },
        { type: 'source', sourceType: 'url', id: 'u1', url: 'https://example.org/' },
        ...text('Found.'),
        finish('stop'),
      ],
      [...text('Yes.'), finish('stop')],
    );
    const agent = aiSdkAgent(new ToolLoopAgent({ model: mock }));

    const { events } = await play(agent, { input: 'find' });
    await play(agent, { input: 'sure?', history: historyOf('find', events) });

    expect(kinds(events).slice(0, 3)).toEqual(['tool.called', 'tool.returned', 'custom']);
    expect(events[2]).toMatchObject({ name: 'source', data: { url: 'https://example.org/' } });
    expect(prompts[1]?.[1]).toMatchObject({
      role: 'assistant',
      content: [
        { type: 'tool-call', toolCallId: 's1', providerExecuted: true },
        { type: 'tool-result', toolCallId: 's1' },
        { type: 'text', text: 'Found.' },
      ],
    });
    expect(rolesOf(prompts[1])).toEqual(['user', 'assistant', 'user']);
  });

  test('an agent of another make, which hides its calls and reports no steps, works as well', async () => {
    const ran: string[] = [];
    const { mock } = model(
      [calling('c1', 'weather', { city: 'Oslo' }), finish('tool-calls')],
      [...text('Seven.'), finish('stop')],
    );
    const inner = new ToolLoopAgent({ model: mock, tools: { weather: weather((city) => ran.push(city)) } });
    const agent = aiSdkAgent({
      version: 'agent-v1',
      id: 'other',
      tools: {},
      async stream({ onStepEnd: _onStepEnd, ...call }) {
        const result = await inner.stream(call);
        const shown = (async function* () {
          for await (const part of result.stream) if (part.type !== 'tool-call') yield part;
        })();
        return { stream: shown, responseMessages: result.responseMessages };
      },
    });

    const { events } = await play(agent);

    expect(ran).toEqual(['Oslo']);
    expect(kinds(events)).toEqual([
      'tool.called',
      'tool.returned',
      'usage',
      'text.delta',
      'usage',
      'message',
      'message',
      'message',
    ]);
  });

  test('each step tells what it used, in counts that do not overlap, and what it cost', async () => {
    const { mock } = model([...text('hi'), finish('stop', used(100, 20, 60, 10))]);
    const agent = aiSdkAgent(new ToolLoopAgent({ model: mock }), {
      price: (usage, name) => (name === 'mock-1' ? usage.inputTokens + usage.outputTokens * 2 : 0),
    });

    const { events } = await play(agent);

    expect(events).toContainEqual({
      kind: 'usage',
      usage: { inputTokens: 30, outputTokens: 20, cacheReadTokens: 60, cacheWriteTokens: 10 },
      model: 'mock-1',
      costUsd: 70,
    });
  });

  test('files and images of a message reach the model, by address and by content', async () => {
    const { mock, prompts } = model([...text('seen'), finish('stop')]);

    await play(aiSdkAgent(new ToolLoopAgent({ model: mock })), {
      input: [
        [
          { type: 'text', text: 'look' },
          { type: 'file', mediaType: 'image/png', data: 'iVBORw0KGgo=', name: 'a.png' },
        ],
      ],
    });

    expect(prompts[0]?.[0]).toMatchObject({
      role: 'user',
      content: [
        { type: 'text', text: 'look' },
        { type: 'file', mediaType: 'image/png', filename: 'a.png' },
      ],
    });
    expect(JSON.stringify(prompts[0])).toContain('iVBORw0KGgo=');
  });

  test('an answer that was cut off says why', async () => {
    const { mock } = model([...text('so it goe'), finish('length')]);

    const { events } = await play(aiSdkAgent(new ToolLoopAgent({ model: mock })));

    expect(events).toContainEqual({
      kind: 'custom',
      name: 'finish',
      data: { reason: 'length', raw: 'length' },
    });
  });

  test('an error in the middle of an answer fails the turn with what was said kept', async () => {
    const { mock } = model([
      { type: 'text-start', id: 't' },
      { type: 'text-delta', id: 't', delta: 'half an' },
      { type: 'error', error: new Error('the line broke') },
    ]);
    const instance = await aiSdkAgent(new ToolLoopAgent({ model: mock, onError: () => {} })).open(
      testContext(),
    );
    const events: AgentEvent[] = [];

    const running = (async () => {
      for await (const event of instance.run(testTurn().turn)) events.push(event);
    })();

    await expect(running).rejects.toThrow('the line broke');
    expect(textSaid(events)).toBe('half an');
  });

  test('a call that was interrupted before it returned does not spoil the history', async () => {
    const { mock, prompts } = model([...text('ok'), finish('stop')]);
    const history = [
      said('user', 'go'),
      said('assistant', [{ type: 'tool-call', call: 'lost', name: 'weather', input: { city: 'Oslo' } }]),
    ];

    await play(aiSdkAgent(new ToolLoopAgent({ model: mock })), { input: 'still there?', history });

    expect(prompts[0]?.[2]).toMatchObject({
      role: 'tool',
      content: [{ toolCallId: 'lost', output: { type: 'error-text' } }],
    });
  });

  test('a question that was closed ends the turn with that very error', async () => {
    const { mock } = model([calling('c1', 'pay', { city: 'Oslo' }), finish('tool-calls')]);
    const agent = aiSdkAgent(
      new ToolLoopAgent({ model: mock, tools: { pay: weather() }, toolApproval: { pay: 'user-approval' } }),
    );
    const closed = new SojournError('request.closed', 'It expired');

    await expect(play(agent, { answer: () => Promise.reject(closed) })).rejects.toBe(closed);
  });
});
