import { describe, expect, test } from 'vitest';
import type { AgentFunction } from '../src/agent/agent.ts';
import { functionAgent } from '../src/agent/function/function.ts';
import { textOf } from '../src/wire/message.ts';
import { agentConformance } from '../src/testing/agent-conformance.ts';
import { allOf, said, testContext, testTurn, textSaid } from '../src/testing/test-turn.ts';

const echo: AgentFunction = async function* (turn) {
  for (const input of turn.inputs) yield textOf(input.parts);
};

describe('a function as an agent', () => {
  agentConformance(
    { describe, test, expect },
    {
      agent: () =>
        functionAgent(async function* (turn) {
          for (const input of turn.inputs) {
            const text = textOf(input.parts);
            turn.signal.throwIfAborted();
            yield text;
            if (text === 'fail') throw new Error('on purpose');
            if (text === 'ask')
              yield (await turn.ask('colour', { kind: 'question', text: 'which?' })).decision;
            if (text === 'call') yield { kind: 'tool.called', call: 'c1', name: 'look', input: {} };
            if (text === 'call') yield { kind: 'tool.returned', call: 'c1', output: 'seen' };
            for (let more = 0; text === 'long' && more < 1_000_000; more += 1) {
              turn.signal.throwIfAborted();
              yield 'more';
            }
          }
        }),
      says: { input: 'hello', text: 'hello' },
      long: 'long',
      fails: 'fail',
      calls: 'call',
      begun: { skipped: 'its tools are plain lines of the same generator' },
      asks: 'ask',
    },
  );

  test('an async generator answers a message with what it yields', async () => {
    const instance = await functionAgent(echo).open(testContext());

    const events = await allOf(instance.run(testTurn({ input: 'hello there' }).turn));

    expect(textSaid(events)).toBe('hello there');
  });

  test('it is never run twice for one turn unless it says that it may be', () => {
    expect(functionAgent(echo).capabilities).toEqual({
      rerun: 'never',
      steers: false,
      rewinds: true,
      forks: true,
      ownsHistory: false,
    });
    expect(functionAgent(echo, { rerun: 'safe', steers: true }).capabilities).toEqual({
      rerun: 'safe',
      steers: true,
      rewinds: true,
      forks: true,
      ownsHistory: false,
    });
  });

  test('its memory is the history it is given', async () => {
    const instance = await functionAgent(async function* (turn) {
      yield `${turn.history.length} before`;
    }).open(testContext());

    const { turn } = testTurn({ history: [said('user', 'one'), said('assistant', 'two')] });

    expect(textSaid(await allOf(instance.run(turn)))).toBe('2 before');
  });

  test('a plain async function is refused with a hint, not with a crash of its own', async () => {
    const instance = await functionAgent((async () => 'hi') as unknown as AgentFunction).open(testContext());

    expect(() => instance.run(testTurn().turn)).toThrow(/async function\*/);
    expect(() => functionAgent('hi' as unknown as AgentFunction)).toThrow(/config\.invalid/);
  });
});
