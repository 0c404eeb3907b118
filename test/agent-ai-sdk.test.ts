import { describe, expect, test } from 'vitest';
import { isStepCount, tool, ToolLoopAgent } from 'ai';
import type { AgentEvent } from '../src/agent/agent.ts';
import { aiSdkAgent } from '../src/agent/ai-sdk/ai-sdk.ts';
import { agentConformance } from '../src/testing/agent-conformance.ts';
import { allOf, said, testContext, testTurn, textSaid } from '../src/testing/test-turn.ts';
import {
  calling,
  finish,
  historyOf,
  kinds,
  model,
  play,
  rolesOf,
  text,
  used,
  weather,
} from './model-stand-in.ts';

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

  test('each step tells what it used, in counts that do not overlap, and of which model', async () => {
    const { mock } = model([...text('hi'), finish('stop', used(100, 20, 60, 10))]);

    const { events } = await play(aiSdkAgent(new ToolLoopAgent({ model: mock })));

    expect(events).toContainEqual({
      kind: 'usage',
      usage: { inputTokens: 30, outputTokens: 20, cacheReadTokens: 60, cacheWriteTokens: 10 },
      model: 'mock-1',
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
});
