// A model of the AI SDK in a whole runtime: what it is really sent when tools return much, in one turn and in the next.
import { tool, ToolLoopAgent, isStepCount } from 'ai';
import { afterEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { aiSdkAgent, givenTools, withReadBack } from '../src/agent/ai-sdk/ai-sdk.ts';
import type { Agent, AgentTurn } from '../src/agent/agent.ts';
import type { ModelTool } from '../src/agent/model-tool.ts';
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { SojournError } from '../src/kernel/errors.ts';
import { testRuntime, type TestRuntime, type TestRuntimeOptions } from '../src/testing/test-runtime.ts';
import { page } from './compaction-scene.ts';
import { calling, finish, model, play, type Prompt, type Reply, seenIn, text } from './model-stand-in.ts';
import { events, gate, say, seen, send, outcome } from './session-stage.ts';

const worlds: TestRuntime[] = [];
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.close();
});

async function world(agent: Agent, options: Partial<TestRuntimeOptions> = {}): Promise<TestRuntime> {
  const made = await testRuntime({ agents: { model: agent }, ...options });
  worlds.push(made);
  return made;
}

const NEEDLE = 'the code is 4711';
/** A megabyte of lines, with one fact in the middle. */
const LONG = Array.from({ length: 16_000 }, (_, at) =>
  at === 8_000 ? NEEDLE : `line ${at} of a long report, nothing here`,
).join('\n');

const report = (output: unknown = LONG) =>
  tool({ description: 'A report', inputSchema: z.object({}), execute: async () => output });

/** One model for all turns, and an agent with these tools for each. */
function agentWith(mock: ReturnType<typeof model>['mock'], tools: object, windowTokens = 200_000): Agent {
  return aiSdkAgent(
    (turn: AgentTurn) =>
      new ToolLoopAgent({
        model: mock,
        tools: withReadBack(turn, tools as Readonly<Record<string, ModelTool>>),
        stopWhen: isStepCount(200),
        onError: () => {},
      }),
    { context: { windowTokens } },
  );
}

const refIn = (prompt: Prompt): string => /artifact:[0-9a-f]{64}/.exec(JSON.stringify(prompt))?.[0] ?? '';
/** Of what is said in it, by the encoding itself: not by what this runtime counts. */
function tokensIn(prompt: Prompt): number {
  const said = prompt.flatMap(({ content }) =>
    typeof content === 'string' ? [content] : content.map(wordsIn),
  );
  return said.reduce((sum, words) => sum + countTokens(words), 0);
}

function wordsIn(part: object): string {
  if ('text' in part) return String(part.text);
  if ('output' in part) return String((part.output as { value?: unknown }).value);
  return 'input' in part ? JSON.stringify(part.input) : '';
}

const sizeOf = (prompt: Prompt | undefined): number => JSON.stringify(prompt).length;

describe('a tool that returns a megabyte', () => {
  test('reaches the model small, which reads back the one fact that it needs', async () => {
    const { mock, prompts } = model(
      [calling('c1', 'report', {}), finish('tool-calls')],
      (prompt) => [calling('c2', 'read_back', { ref: refIn(prompt), search: 'code' }), finish('tool-calls')],
      (prompt) => [...text(/the code is \d+/.exec(seenIn(prompt))?.[0] ?? 'nothing'), finish('stop')],
    );
    const agent = aiSdkAgent(
      (turn) => new ToolLoopAgent({ model: mock, tools: withReadBack(turn, { report: report() }) }),
    );
    const made = await world(agent);

    const turn = await say(made, 'k', { input: 'what is the code?', agent: 'model' });

    expect(turn.text).toBe(NEEDLE);
    expect(LONG.length).toBeGreaterThan(600_000);
    expect(sizeOf(prompts[1])).toBeLessThan(6_000);
    expect(JSON.stringify(prompts[1])).toContain('line 0 of a long report');
    expect(JSON.stringify(prompts[1])).toContain('line 15999 of a long report');
  });

  test('is in the log whole, once, and the next turn sees it as this one did, also after a restart', async () => {
    const { mock, prompts } = model(
      [calling('c1', 'report', {}), finish('tool-calls')],
      [...text('Read.'), finish('stop')],
    );
    const made = await world(agentWith(mock, { report: report() }));

    await say(made, 'k', { input: 'read it', agent: 'model' });
    const runtime = await made.restart();
    await say(made, 'k', 'and now?');

    const told = await events(made, 'k');
    const artifacts = told.flatMap(({ kind, body }) => (kind === 'context.offloaded' ? [body] : []));
    expect(artifacts).toMatchObject([{ bytes: Buffer.byteLength(LONG), from: 'tool.returned', call: 'c1' }]);
    const [first, second] = [prompts[1] ?? [], prompts[2] ?? []];
    expect(second.slice(0, first.length)).toEqual(first);
    const { artifact } = artifacts[0] as { artifact: string };
    let whole = '';
    let call: Parameters<typeof runtime.readBack>[1] | undefined = { ref: `artifact:${artifact}` };
    while (call !== undefined) {
      const read: Awaited<ReturnType<typeof runtime.readBack>> = await runtime.readBack('k', call);
      whole += read.text;
      call = read.next;
    }
    expect(whole === LONG).toBe(true);
  });

  test('may be one of an MCP server: its words are lines to whoever reads them back', async () => {
    const given = {
      name: 'report',
      description: 'A report.',
      inputSchema: { type: 'object' },
      call: async () => ({ parts: [{ type: 'text', text: LONG } as const], isError: false }),
    };
    const { mock, prompts } = model(
      [calling('c1', 'report', {}), finish('tool-calls')],
      (prompt) => [
        calling('c2', 'read_back', { ref: refIn(prompt), from_line: 8_001, to_line: 8_001 }),
        finish('tool-calls'),
      ],
      (prompt) => [...text(seenIn(prompt)), finish('stop')],
    );
    const made = await world(agentWith(mock, givenTools([given])));

    const turn = await say(made, 'k', { input: 'what is the code?', agent: 'model' });

    expect(turn.text).toContain(NEEDLE);
    expect(sizeOf(prompts[1])).toBeLessThan(6_000);
  });

  test('may fail with as much, and is told small as well', async () => {
    const failing = tool({
      inputSchema: z.object({}),
      execute: async (): Promise<string> => {
        throw new Error(LONG);
      },
    });
    const { mock, prompts } = model(
      [calling('c1', 'failing', {}), finish('tool-calls')],
      [...text('Oh.'), finish('stop')],
    );
    const made = await world(agentWith(mock, { failing }));

    await say(made, 'k', { input: 'go', agent: 'model' });

    expect(sizeOf(prompts[1])).toBeLessThan(6_000);
    expect(prompts[1]?.at(-1)).toMatchObject({ content: [{ output: { type: 'error-text' } }] });
    const told = await events(made, 'k');
    expect(told.filter(({ kind }) => kind === 'context.offloaded')).toHaveLength(1);
  });

  test('may say itself what the model is shown: that is shown small, too, and a small one as it is', async () => {
    const spoken = (words: string) =>
      tool({
        inputSchema: z.object({}),
        execute: async () => ({ rows: LONG }),
        toModelOutput: () => ({ type: 'content' as const, value: [{ type: 'text' as const, text: words }] }),
      });
    const { mock, prompts } = model(
      [calling('c1', 'brief', {}), finish('tool-calls')],
      [calling('c2', 'long', {}), finish('tool-calls')],
      [...text('Seen.'), finish('stop')],
    );
    const made = await world(agentWith(mock, { brief: spoken('16,000 rows'), long: spoken(LONG) }));

    const turn = await say(made, 'k', { input: 'go', agent: 'model' });

    expect(turn.text).toBe('Seen.');
    expect(JSON.stringify(prompts[1]?.at(-1))).toContain('16,000 rows');
    expect(JSON.stringify(prompts[1]?.at(-1))).not.toContain('artifact:');
    expect(sizeOf(prompts[2])).toBeLessThan(6_000);
    expect(prompts).toHaveLength(3);
    const told = await events(made, 'k');
    expect(told.filter(({ kind }) => kind === 'tool.called')).toHaveLength(2);
  });

  test('may need a person first: once it was allowed the model is shown it small', async () => {
    const asking = tool({
      inputSchema: z.object({}),
      needsApproval: true,
      execute: async () => LONG,
    });
    const { mock, prompts } = model(
      [calling('c1', 'asking', {}), finish('tool-calls')],
      [...text('Seen.'), finish('stop')],
    );
    const made = await world(agentWith(mock, { asking }));

    const { turn: running } = await send(made, 'k', { input: 'go', agent: 'model' });
    const { body } = await seen(made, 'k', 'request.opened');
    await made.runtime.answer('k', body.request, { decision: 'allow' });
    const turn = await outcome(made, 'k', running);

    expect(turn.text).toBe('Seen.');
    expect(prompts).toHaveLength(2);
    expect(sizeOf(prompts[1])).toBeLessThan(6_000);
    const told = await events(made, 'k');
    expect(told.filter(({ kind }) => kind === 'tool.returned')).toHaveLength(1);
    await say(made, 'k', 'again');
    expect(prompts[2]?.slice(0, prompts[1]?.length)).toEqual(prompts[1]);
  });
});

test('a result that finds no room on the disk ends the turn with that very error', async () => {
  const { mock, prompts } = model([calling('c1', 'report', {}), finish('tool-calls')]);
  const agent = aiSdkAgent(
    new ToolLoopAgent({ model: mock, tools: { report: report() }, onError: () => {} }),
  );
  const shown = (): Promise<never> => Promise.reject(new SojournError('store.full', 'No space is left'));

  await expect(play(agent, { shown })).rejects.toMatchObject({ code: 'store.full' });

  expect(prompts).toHaveLength(1);
});

test('the log of the server says whose model is shown references that it cannot follow', async () => {
  const { mock } = model(
    [calling('c1', 'report', {}), finish('tool-calls')],
    [...text('Read.'), finish('stop')],
  );
  const made = await world(
    aiSdkAgent(new ToolLoopAgent({ model: mock, tools: { report: report() }, onError: () => {} })),
  );

  await say(made, 'k', { input: 'read it', agent: 'model' });

  const warned = made.logged.filter(({ event }) => event === 'ai-sdk.no_read_back');
  expect(warned).toMatchObject([{ level: 'warn', fields: { tool: 'report' } }]);
});

describe('a turn that calls tools sixty times', () => {
  const WINDOW = 20_000;
  const pages = tool({
    inputSchema: z.object({ page: z.number() }),
    execute: async ({ page: at }) => page(at, 1_000),
  });
  const reading =
    (last: number) =>
    (prompt: Prompt): Reply => {
      const asked = prompt.findLastIndex(({ role }) => role === 'user');
      const done = prompt.slice(asked + 1).filter(({ role }) => role === 'tool').length;
      if (done >= last || JSON.stringify(prompt[asked]).includes('and now?'))
        return [...text('All read.'), finish('stop')];
      return [calling(`p${prompt.length}`, 'pages', { page: done }), finish('tool-calls')];
    };

  test('never sends more than its window, nor does the next one after a restart, and forgets nothing', async () => {
    const { mock, prompts } = model(reading(60));
    const made = await world(agentWith(mock, { pages }, WINDOW));

    const turn = await say(made, 'k', { input: 'read all', agent: 'model' });

    expect(turn).toMatchObject({ outcome: 'completed', text: 'All read.' });
    expect(prompts).toHaveLength(61);
    const changes = prompts.filter((prompt, at) => {
      const before = prompts[at - 1] ?? [];
      return JSON.stringify(prompt.slice(0, before.length)) !== JSON.stringify(before);
    });
    expect(changes.length).toBeGreaterThan(1);
    expect(changes.length).toBeLessThan(20); // A provider keeps the beginning of a prompt as long as it stays.
    await made.restart();
    await say(made, 'k', 'and now?');
    for (const prompt of prompts) expect(tokensIn(prompt)).toBeLessThan(WINDOW);
    expect(Math.max(...prompts.map(tokensIn))).toBeGreaterThan(0.75 * WINDOW);
    const last = JSON.stringify(prompts[60]);
    const seq = /Moved out: pages[^\]]*?log:(\d+)/.exec(last)?.[1];
    const read = await made.runtime.readBack('k', { ref: `log:${seq}`, head: 1 });
    expect(read.text.trim()).toBe(page(0, 1_000).split('\n')[0]);
  });

  test('and what is steered to it in between reaches the model, once and in its place', async () => {
    const at25 = gate();
    const sent = gate();
    const steered = tool({
      inputSchema: z.object({ page: z.number() }),
      execute: async ({ page: at }) => {
        if (at === 25) at25.open();
        if (at === 25) await sent.opened;
        return page(at, 1_000);
      },
    });
    const { mock, prompts } = model(reading(30));
    const made = await world(agentWith(mock, { pages: steered }, WINDOW));
    const { turn } = await send(made, 'k', { input: 'read all', agent: 'model' });
    await at25.opened;

    await send(made, 'k', { input: 'mind the gap', policy: 'steer' });
    sent.open();
    await outcome(made, 'k', turn);

    const said = prompts.map((prompt) => JSON.stringify(prompt).split('mind the gap').length - 1);
    expect(said.slice(0, 26)).toEqual(Array.from({ length: 26 }, () => 0));
    expect(said.length).toBeGreaterThan(30);
    expect(said.slice(26)).toEqual(Array.from({ length: said.length - 26 }, () => 1));
  });
});
