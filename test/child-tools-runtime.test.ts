// Children as tools, in a runtime: an agent's model starts real sessions, and what the runtime refuses comes back to it.
import { describe, expect, test } from 'vitest';
import { ToolLoopAgent } from 'ai';
import type { Agent } from '../src/agent/agent.ts';
import { aiSdkAgent, childTools } from '../src/agent/ai-sdk/ai-sdk.ts';
import { CHILD_TOOL_ERRORS } from '../src/agent/ai-sdk/child-tools.ts';
import { SojournError } from '../src/kernel/errors.ts';
import { scriptedAgent } from '../src/agent/scripted/scripted.ts';
import { testRuntime, type TestRuntime, type TestRuntimeOptions } from '../src/testing/test-runtime.ts';
import { obedient, type Step } from './model-stand-in.ts';
import { bodies, outcome, say, seen, send } from './session-stage.ts';

const AGENTS = {
  scripted: 'obeys commands',
  chief: 'has others work',
  deputy: 'has others work',
  nobody: 'is not there',
};

/** An agent whose model makes these calls in each of its turns. */
function chief(...steps: readonly Step[]): Agent {
  const { mock } = obedient(...steps);
  return aiSdkAgent(
    (turn) =>
      new ToolLoopAgent({ model: mock, tools: childTools(turn, { agents: AGENTS }), onError: () => {} }),
  );
}

async function house(steps: readonly Step[], options: TestRuntimeOptions = {}): Promise<TestRuntime> {
  return testRuntime({
    ...options,
    agents: { chief: chief(...steps), scripted: scriptedAgent({ wordMs: 0 }) },
  });
}

interface Answer {
  child: string;
  outcome: string;
  text: string;
  state: string;
  cancelled: string[];
  agents: { child: string; agent: string; state: string }[];
}

async function answersOf(world: TestRuntime, key: string): Promise<readonly (Answer & string)[]> {
  return (await bodies(world, key, 'tool.returned')).map(({ output }) => output as Answer & string);
}

/** The child that the last answer names. */
const child = (heard: string): string =>
  /"child":"([^"]+)"/.exec(heard.replaceAll('\\"', '"'))?.[1] ?? 'none';

describe("an agent's model", () => {
  test('starts a child, asks it again, sees it in its list, and closes it', async () => {
    await using world = await house([
      ['spawn_agent', { agent: 'scripted', input: 'first', title: 'the first' }],
      (heard) => ['continue_agent', { child: child(heard), input: '/count' }],
      ['list_agents', {}],
      (heard) => ['close_agent', { child: child(heard) }],
    ]);

    await say(world, 'chat', { input: 'go', agent: 'chief' });

    const [spawned, continued, listed, closed] = await answersOf(world, 'chat');
    expect(spawned).toMatchObject({ outcome: 'completed', text: 'You said: first' });
    expect(continued).toMatchObject({ child: spawned?.child, text: '2' });
    expect(listed?.agents).toMatchObject([
      { child: spawned?.child, agent: 'scripted', title: 'the first', state: 'idle' },
    ]);
    expect(closed).toMatchObject({ child: spawned?.child, state: 'closed' });
  });

  test('has one work in the background, goes on, and cancels it', async () => {
    await using world = await house([
      ['spawn_agent', { agent: 'scripted', input: '/ask Well?', mode: 'background' }],
      (heard) => ['cancel_agent', { child: child(heard) }],
      (heard) => ['wait_for_agent', { child: child(heard) }],
    ]);

    await say(world, 'chat', { input: 'go', agent: 'chief' });

    const [spawned, cancelled, waited] = await answersOf(world, 'chat');
    expect(spawned).toMatchObject({ state: 'running' });
    expect(cancelled?.cancelled).toHaveLength(1);
    expect(waited).toMatchObject({ child: spawned?.child, outcome: 'cancelled' });
  });

  test('gets the result of one that reports as a turn of its own', async () => {
    await using world = await house([['spawn_agent', { agent: 'scripted', input: 'later', mode: 'report' }]]);
    const { turn } = await send(world, 'chat', { input: 'go', agent: 'chief' });
    const { endSeq } = await outcome(world, 'chat', turn);

    const { body } = await seen(world, 'chat', 'turn.accepted', endSeq ?? 0);

    expect(body.kind).toBe('child');
    expect(JSON.stringify(body.input)).toContain('You said: later');
  });
});

describe('what the runtime refuses comes back to the model with its code', () => {
  const spawn: Step = ['spawn_agent', { agent: 'scripted', input: 'hi' }];
  const asking: Step = ['spawn_agent', { agent: 'scripted', input: '/ask Well?', mode: 'background' }];
  const again: Step = (heard) => [
    'continue_agent',
    { child: child(heard), input: 'more', mode: 'background' },
  ];
  const other: Step = ['spawn_agent', { agent: 'nobody', input: 'hi' }];

  test.each<[code: string, steps: readonly Step[], options?: TestRuntimeOptions]>([
    ['agent.unknown', [other]],
    ['child.depth', [spawn], { limits: { childDepthMax: 0 } }],
    ['child.limit', [spawn], { limits: { childrenMax: 0 } }],
    ['capacity', [asking, spawn], { limits: { childrenPerOwnerMax: 1 } }],
    ['session.limit', [spawn], { limits: { createBurst: 1 } }],
    ['mailbox.full', [asking, again, again], { limits: { queueMax: 1 } }],
    ['child.not_found', [['continue_agent', { child: 'someone', input: 'hi' }]]],
    ['child.not_found', [['wait_for_agent', { child: 'someone' }]]],
    ['child.not_found', [['cancel_agent', { child: 'someone' }]]],
    ['child.not_found', [['close_agent', { child: 'someone' }]]],
    ['input.invalid', [['spawn_agent', { agent: 'scripted', input: '\ud800' }]]],
    ['turn.not_found', [spawn, (heard) => ['wait_for_agent', { child: child(heard), turn: 'never' }]]],
    [
      'session.closed',
      [
        spawn,
        (heard) => ['close_agent', { child: child(heard) }],
        (heard) => ['continue_agent', { child: child(heard), input: 'hi' }],
      ],
    ],
  ])('%s', async (code, steps, options) => {
    await using world = await house(steps, options);

    const { outcome: how } = await say(world, 'chat', { input: 'go', agent: 'chief' });

    const returned = await bodies(world, 'chat', 'tool.returned');
    const calls = await bodies(world, 'chat', 'tool.called');
    const name = calls.at(-1)?.name as keyof typeof CHILD_TOOL_ERRORS;
    expect(returned.at(-1)).toMatchObject({ isError: true, output: expect.stringMatching(`^${code}: `) });
    expect(CHILD_TOOL_ERRORS[name]).toContain(code); // The description says so.
    expect(how).toBe('completed');
  });

  test('child.cycle, where two ask each other in a circle', async () => {
    const ask = (agent: string) => chief(['spawn_agent', { agent, input: 'go on' }]);
    await using world = await testRuntime({ agents: { chief: ask('deputy'), deputy: ask('chief') } });

    await say(world, 'chat', 'go');

    const tree = await world.runtime.tree('chat');
    const deepest = tree.children[0]?.children[0]?.session.key ?? 'none';
    expect(await bodies(world, deepest, 'tool.returned')).toMatchObject([
      { isError: true, output: expect.stringMatching(/^child\.cycle: /) },
    ]);
    expect(CHILD_TOOL_ERRORS.spawn_agent).toContain('child.cycle');
  });

  test.each(['store.full', 'store.failed', 'session.damaged'] as const)(
    '%s, where nothing can be written of a child',
    async (code) => {
      await using world = await house([spawn, again], {
        onWrite: ({ events }) => {
          const isAgain = events.some(({ kind, body }) => kind === 'turn.accepted' && body.includes('more'));
          if (isAgain) throw new SojournError(code, 'as told');
        },
      });

      await say(world, 'chat', { input: 'go', agent: 'chief' });

      expect((await bodies(world, 'chat', 'tool.returned')).at(-1)).toMatchObject({
        isError: true,
        output: expect.stringMatching(`^${code}: `),
      });
      expect(CHILD_TOOL_ERRORS.continue_agent).toContain(code);
    },
  );

  test('but a server that shuts down refuses none: what is asked then begins after the next start', async () => {
    await using world = await house([
      ['spawn_agent', { agent: 'scripted', input: 'hi', mode: 'background' }],
    ]);
    const called = world.whenWriting(({ events }) => events.some(({ kind }) => kind === 'tool.called'));
    const { turn } = await send(world, 'chat', { input: 'go', agent: 'chief' });
    await called;
    const over = world.runtime.shutdown(60_000);
    await outcome(world, 'chat', turn);

    const [spawned] = await answersOf(world, 'chat');
    await over;
    await world.restart();

    expect(spawned).toMatchObject({ state: 'running' });
    expect(await seen(world, 'chat', 'child.ended')).toMatchObject({ body: { outcome: 'completed' } });
  });

  test('budget.exceeded, where a child is to have more than is left', async () => {
    await using world = await house([['spawn_agent', { agent: 'scripted', input: 'hi', budgetUsd: 5 }]]);
    await world.runtime.open('chat', { agent: 'chief' });
    await world.runtime.update('chat', { budget: { usd: 1 } });

    await say(world, 'chat', 'go');

    expect(await bodies(world, 'chat', 'tool.returned')).toMatchObject([
      { isError: true, output: expect.stringMatching(/^budget\.exceeded: /) },
    ]);
  });
});
