import { describe, expect, test } from 'vitest';
import { tool, ToolLoopAgent } from 'ai';
import { z } from 'zod';
import { aiSdkAgent } from '../src/agent/ai-sdk/ai-sdk.ts';
import { SojournError } from '../src/kernel/errors.ts';
import { allOf, testContext, testTurn, textSaid } from '../src/testing/test-turn.ts';
import { calling, finish, historyOf, kinds, model, play, rolesOf, text, weather } from './model-stand-in.ts';

describe('the tools of an AI SDK agent', () => {
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

  test('a question that was closed ends the turn with that very error', async () => {
    const { mock } = model([calling('c1', 'pay', { city: 'Oslo' }), finish('tool-calls')]);
    const agent = aiSdkAgent(
      new ToolLoopAgent({ model: mock, tools: { pay: weather() }, toolApproval: { pay: 'user-approval' } }),
    );
    const closed = new SojournError('request.closed', 'It expired');

    await expect(play(agent, { answer: () => Promise.reject(closed) })).rejects.toBe(closed);
  });
});
