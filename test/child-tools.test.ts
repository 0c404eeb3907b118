// Children as tools: what an agent's model is told of the verbs, what it gets back, and how it fails.
import { describe, expect, test } from 'vitest';
import { ToolLoopAgent } from 'ai';
import type { AgentTurn, ChildFacts, Children, ChildResult } from '../src/agent/agent.ts';
import { aiSdkAgent, childTools } from '../src/agent/ai-sdk/ai-sdk.ts';
import { CHILD_TOOL_ERRORS } from '../src/agent/ai-sdk/child-tools.ts';
import { ERRORS, SojournError } from '../src/kernel/errors.ts';
import { allOf, testContext, testTurn, textSaid } from '../src/testing/test-turn.ts';
import { noUsage } from '../src/wire/session.ts';
import { calling, finish, model, type Prompt, type Reply, text } from './model-stand-in.ts';

const AGENTS = { coder: 'writes and runs programs', web: 'reads web pages' };

const RESULT: ChildResult = {
  outcome: 'completed',
  text: 'done',
  isError: false,
  usage: { ...noUsage(), outputTokens: 7 },
  costUsd: 0.25,
  sessionCompleted: false,
  images: [],
};

/** A turn whose children are `verbs`, and a record of what they were asked. */
function staged(verbs: Partial<Children> = {}) {
  const stage = testTurn({ input: 'go' });
  const asked: unknown[][] = [];
  const noted =
    <Verb extends (...args: never[]) => unknown>(name: string, verb: Verb) =>
    (...args: Parameters<Verb>) => {
      asked.push([name, ...args]);
      return verb(...args) as ReturnType<Verb>;
    };
  const child = { session: 's1', turn: 't1', result: async () => RESULT };
  const children: Children = {
    spawn: noted('spawn', verbs.spawn ?? (async () => child)),
    continue: noted('continue', verbs.continue ?? (async () => child)),
    wait: noted('wait', verbs.wait ?? (async () => RESULT)),
    cancel: noted('cancel', verbs.cancel ?? (async () => ({ cancelled: ['t1'] }))),
    close: noted('close', verbs.close ?? (async () => undefined)),
    list: noted('list', verbs.list ?? (async () => [])),
  };
  const turn: AgentTurn = { ...stage.turn, children };
  return { stage, turn, asked };
}

/** Lets a model make these calls in one step, and answer in the next. */
async function played(turn: AgentTurn, ...calls: [name: string, input: unknown][]) {
  const step: Reply = calls.map(([name, input], index) => calling(`c${index + 1}`, name, input));
  const { mock, prompts } = model([...step, finish('tool-calls')], [...text('All done.'), finish('stop')]);
  const agent = aiSdkAgent(
    (now) =>
      new ToolLoopAgent({ model: mock, tools: childTools(now, { agents: AGENTS }), onError: () => {} }),
  );
  const instance = await agent.open(testContext());
  const events = await allOf(instance.run(turn));
  const returned = events.filter((event) => typeof event === 'object' && event.kind === 'tool.returned');
  return { events, returned, prompts };
}

const outputs = (prompt: Prompt | undefined): unknown[] =>
  (prompt ?? []).flatMap((message) =>
    message.role === 'tool' ? message.content.map((part) => 'output' in part && part.output) : [],
  );

describe('what a model is told of the tools', () => {
  const tools = childTools(testTurn().turn, { agents: AGENTS });

  test('says when to use each, when not, and every code it may answer', async () => {
    const told = Object.entries(tools).map(([name, { description, inputSchema }]) => {
      const takes = JSON.stringify(inputSchema['~standard'].jsonSchema.input(), null, 2);
      return `# ${name}\n\n${description}\n\n${takes}\n`;
    });

    await expect(told.join('\n')).toMatchFileSnapshot('child-tools.descriptions.txt');
  });

  test.each(Object.entries(tools))('%s says when not to use it', (_name, { description }) => {
    expect(description).toMatch(/\n\nUse it [^]*\n\nDo not use it /);
  });

  test.each(Object.entries(CHILD_TOOL_ERRORS))('%s tells the way out of each error', (name, codes) => {
    const { description } = tools[name as keyof typeof tools];

    for (const code of codes) expect(description).toContain(`- ${code}: ${ERRORS[code].fix}`);
  });
});

describe('an agent whose model may start others', () => {
  test('starts one, waits, and gives its model the result', async () => {
    const { turn, asked } = staged();

    const { events, returned, prompts } = await played(turn, [
      'spawn_agent',
      { agent: 'coder', input: 'write it', title: 'writing', budgetUsd: 2 },
    ]);

    expect(asked).toMatchObject([
      ['spawn', 'coder', 'write it', { title: 'writing', budget: { usd: 2 }, whenDone: 'event' }],
    ]);
    expect(returned).toMatchObject([
      { output: { value: { child: 's1', outcome: 'completed', text: 'done', costUsd: 0.25 } } },
    ]);
    expect(outputs(prompts[1])).toMatchObject([{ type: 'json', value: { child: 's1', text: 'done' } }]);
    expect(textSaid(events)).toBe('All done.');
  });

  test('starts two at once, which do not wait for each other', async () => {
    const both = Promise.withResolvers<void>();
    let begun = 0;
    const { turn } = staged({
      spawn: async (agent) => {
        begun += 1;
        if (begun === 2) both.resolve();
        await both.promise; // The first comes back only when the second was begun.
        return { session: agent, turn: 't', result: async () => ({ ...RESULT, text: agent }) };
      },
    });

    const { prompts } = await played(
      turn,
      ['spawn_agent', { agent: 'coder', input: 'a' }],
      ['spawn_agent', { agent: 'web', input: 'b' }],
    );

    expect(outputs(prompts[1])).toMatchObject([{ value: { text: 'coder' } }, { value: { text: 'web' } }]);
  });

  test.each([
    ['background', 'event'],
    ['report', 'turn'],
  ])('goes on at once in mode %s', async (mode, whenDone) => {
    const { turn, asked } = staged({
      spawn: async () => ({
        session: 's1',
        turn: 't1',
        result: () => Promise.reject(new Error('not asked')),
      }),
    });

    const { prompts } = await played(turn, ['spawn_agent', { agent: 'web', input: 'read', mode }]);

    expect(asked[0]?.[3]).toEqual({ whenDone });
    expect(outputs(prompts[1])).toEqual([
      { type: 'json', value: { child: 's1', turn: 't1', state: 'running' } },
    ]);
  });

  test('continues, cancels, closes and lists those it started', async () => {
    const facts: ChildFacts = {
      session: 's1',
      key: 'child:1',
      agent: 'web',
      title: 'reading',
      state: 'idle',
      turn: 't1',
      outcome: 'completed',
      usage: noUsage(),
      costUsd: 0.5,
      budget: { usd: 1 },
      owner: null,
      createdAt: '2026-01-01T00:00:00.000Z',
      lastActiveAt: '2026-01-01T00:00:00.000Z',
    };
    const { turn, asked } = staged({ list: async () => [facts] });

    const { prompts } = await played(
      turn,
      ['continue_agent', { child: 's1', input: 'and now?' }],
      ['cancel_agent', { child: 's1', reason: 'enough' }],
      ['close_agent', { child: 's1' }],
      ['list_agents', {}],
    );

    expect(asked.map(([name, ...rest]) => [name, ...rest.slice(0, 2)])).toEqual([
      ['continue', 's1', 'and now?'],
      ['cancel', 's1', 'enough'],
      ['close', 's1', undefined],
      ['list'],
    ]);
    expect(outputs(prompts[1])).toMatchObject([
      { value: { child: 's1', text: 'done' } },
      { value: { child: 's1', cancelled: ['t1'] } },
      { value: { child: 's1', state: 'closed' } },
      { value: { agents: [{ child: 's1', agent: 'web', title: 'reading', state: 'idle', costUsd: 0.5 }] } },
    ]);
  });

  test('waits no longer than its model wants to, and the child works on', async () => {
    const { turn, asked } = staged({
      wait: (_child, options) =>
        new Promise((_resolve, reject) => {
          options?.signal?.addEventListener('abort', () => reject(options.signal?.reason as Error));
        }),
    });

    const { prompts } = await played(turn, ['wait_for_agent', { child: 's1', seconds: 30 }]);

    expect(asked).toMatchObject([['wait', 's1', {}]]);
    expect(outputs(prompts[1])).toMatchObject([
      { value: { child: 's1', state: 'running', waitedSeconds: 30 } },
    ]);
  });

  test('shows its model the pictures that a child made, and keeps them out of the result in the log', async () => {
    const images = [{ type: 'file', mediaType: 'image/png', name: 'page.png', data: 'aW1hZ2U=' }] as const;
    const { turn } = staged({ wait: async () => ({ ...RESULT, images }) });

    const { returned, prompts } = await played(turn, ['wait_for_agent', { child: 's1' }]);

    expect(JSON.stringify(outputs(prompts[1]))).toContain('aW1hZ2U=');
    expect(JSON.stringify(returned)).not.toContain('aW1hZ2U=');
    expect(JSON.stringify(returned)).toContain('page.png');
  });

  test('gives its model the beginning of a very long answer, and says how much is missing', async () => {
    const { turn } = staged({ wait: async () => ({ ...RESULT, text: 'x'.repeat(30_000) }) });

    const { prompts } = await played(turn, ['wait_for_agent', { child: 's1' }]);

    const said = JSON.stringify(outputs(prompts[1]));
    expect(said).toContain('[10000 more characters]');
    expect(said.length).toBeLessThan(21_000);
  });
});

describe('what goes wrong with a child', () => {
  test('is told to the model with its code and the way out, and the turn goes on', async () => {
    const { turn } = staged({
      spawn: () => Promise.reject(new SojournError('capacity', 'No place is free', { retryAfterMs: 1_500 })),
      continue: () => Promise.reject(new SojournError('session.closed', 'Session x is closed')),
    });

    const { events, returned } = await played(
      turn,
      ['spawn_agent', { agent: 'coder', input: 'a' }],
      ['continue_agent', { child: 'x', input: 'b' }],
    );

    expect(returned).toMatchObject([
      {
        isError: true,
        output: expect.stringMatching(/^capacity: No place is free\..*later\. Try again in 2 s/),
      },
      { isError: true, output: expect.stringMatching(/^session\.closed: Session x is closed\. Use another/) },
    ]);
    expect(textSaid(events)).toBe('All done.');
  });

  test('a result that is an error is a result: the model reads what went wrong', async () => {
    const error = { code: 'agent.failed', message: 'it broke' };
    const { turn } = staged({ wait: async () => ({ ...RESULT, outcome: 'failed', isError: true, error }) });

    const { prompts } = await played(turn, ['wait_for_agent', { child: 's1' }]);

    expect(outputs(prompts[1])).toMatchObject([{ value: { outcome: 'failed', error } }]);
  });

  test.each([
    [{ agent: 'nobody', input: 'x' }, /agent must be one of coder, web/],
    [{ agent: 'coder' }, /input is missing/],
    [{ agent: 'coder', input: 'x', budgetUsd: -1 }, /budgetUsd must be at least 0/],
    [{ agent: 'coder', input: 'x', mode: 'later' }, /mode must be one of wait, background, report/],
  ])('a call that makes no sense is refused before anybody is started: %j', async (input, message) => {
    const { turn, asked } = staged();

    const { returned } = await played(turn, ['spawn_agent', input]);

    expect(asked).toEqual([]);
    expect(returned).toMatchObject([{ isError: true, output: expect.stringMatching(message) }]);
  });

  test('a turn that is stopped while it waits for a child ends, and its model is asked nothing more', async () => {
    const { stage, turn } = staged({
      wait: (_child, options) => {
        queueMicrotask(() => stage.abort(new DOMException('Stop', 'AbortError')));
        return new Promise((_resolve, reject) => {
          options?.signal?.addEventListener('abort', () => reject(options.signal?.reason as Error));
        });
      },
    });
    const { mock, prompts } = model([calling('c1', 'wait_for_agent', { child: 's1' }), finish('tool-calls')]);
    const agent = aiSdkAgent(
      (now) =>
        new ToolLoopAgent({ model: mock, tools: childTools(now, { agents: AGENTS }), onError: () => {} }),
    );
    const instance = await agent.open(testContext());

    await expect(allOf(instance.run(turn))).rejects.toThrow('Stop');

    expect(prompts).toHaveLength(1);
  });
});
