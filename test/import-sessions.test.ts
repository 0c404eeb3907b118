// Logs of other agents as sessions: they have the turns, calls and results, what is large is moved out, and they go on.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { testRuntime, type TestRuntime } from '../src/testing/test-runtime.ts';
import type { ImportCall, ImportedSession } from '../src/wire/calls.ts';
import type { ReadBack, ReadBackCall } from '../src/wire/context.ts';
import { textOf } from '../src/wire/message.ts';
import { exported, left, NOTHING, said, taken } from './export-scene.ts';
import { bodies, events, kinds, refusal, say, spoken } from './session-stage.ts';

const text = (name: string): string => readFileSync(new URL(`data/${name}`, import.meta.url), 'utf8');

async function* lines(given: string): AsyncGenerator<string> {
  yield* given.split('\n');
}

const brought = (
  world: TestRuntime,
  key: string,
  given: string,
  call: ImportCall = {},
): Promise<ImportedSession> => world.runtime.import(key, lines(given), call);

/** What each call of the session returned, whole: from the log, or from the artifact it refers to. */
async function results(world: TestRuntime, key: string): Promise<string[]> {
  const returned = await bodies(world, key, 'tool.returned');
  return Promise.all(
    returned.map(async ({ output, artifact }) =>
      artifact === undefined
        ? String(output)
        : Buffer.from((await world.runtime.artifact(key, artifact)).bytes).toString(),
    ),
  );
}

/** Read back page by page. */
async function wholeOf(world: TestRuntime, key: string, ref: string): Promise<string> {
  let text = '';
  for (let next: ReadBackCall | undefined = { ref }; next !== undefined;) {
    const page: ReadBack = await world.runtime.readBack(key, next);
    text += page.text;
    next = page.next;
  }
  return text;
}

const BIG = 'function_calling_replace_from_source__marshmallow-1867.traj';

describe('a log of another agent', () => {
  test('is a session like those that were had here: turns, calls, results, and messages that hold them', async () => {
    await using world = await testRuntime();

    const view = await brought(world, 'chat', text('logs/openai.json'));

    expect(view).toMatchObject({
      key: 'chat',
      agent: 'scripted',
      state: 'idle',
      summary: 'What is the weather in Bern and in Basel?',
    });
    expect((await kinds(world, 'chat')).join(' ')).toBe(
      'session.created ' +
        'turn.accepted turn.started custom tool.called tool.called tool.returned tool.returned message message message turn.ended ' +
        'turn.accepted turn.accepted turn.started tool.called tool.returned message message turn.ended',
    );
    expect(spoken(await world.runtime.transcript('chat'))).toEqual([
      'user: What is the weather in Bern and in Basel?',
      'assistant: ',
      'tool: ',
      'assistant: Bern has 12 degrees; Basel I could not ask for.',
      'user: Thanks.',
      'user: And Chur?',
      'assistant: ',
      'tool: ',
    ]);
    expect((await bodies(world, 'chat', 'tool.returned')).at(-1)).toMatchObject({
      call: 'call_1',
      unknown: true,
    });
    expect((await bodies(world, 'chat', 'session.created'))[0]).toMatchObject({
      importedFrom: { format: 'openai' },
    });
    expect(view.imported).toMatchObject({
      format: 'openai',
      turns: 2,
      calls: 3,
      notUnderstood: { count: 3 },
    });
    expect((await world.runtime.turns('chat')).map(({ state, outcome }) => `${state} ${outcome}`)).toEqual([
      'done completed',
      'done completed',
    ]);
  });

  test('goes on where it stopped, also after a restart', async () => {
    await using world = await testRuntime();
    await brought(world, 'chat', text('logs/claude-code.jsonl'));

    const count = await say(world, 'chat', '/count');
    await world.restart();
    const recalled = await say(world, 'chat', '/recall 1');

    expect(count.text).toBe('4');
    expect(recalled.text).toBe('The greeting in hello.txt is wrong: mend it.');
  });

  test('keeps its times, title, outcomes and what was used, and nothing of it is on our bill', async () => {
    await using world = await testRuntime();
    const view = await brought(world, 'chat', text('logs/claude-code.jsonl'));

    const turns = (await world.runtime.turns('chat')).toReversed();

    expect(view.title).toBe('Mend the greeting');
    expect(turns.map(({ outcome }) => outcome)).toEqual(['completed', 'cancelled', 'completed']);
    expect(turns[0]).toMatchObject({
      startedAt: '2026-03-01T09:01:00.000Z',
      endedAt: '2026-03-01T09:01:11.000Z',
      usage: { inputTokens: 13, outputTokens: 69, cacheReadTokens: 1_000, cacheWriteTokens: 100 },
      text: 'One letter is missing; it is mended now.',
    });
    const times = (await events(world, 'chat')).map(({ at }) => at);
    expect(times).toEqual(times.toSorted());
    expect(view.usage.inputTokens).toBe(0);
    expect(await kinds(world, 'chat')).not.toContain('usage');
  });

  test('of any kind can be exported, taken elsewhere, and exported again as the same bytes', async () => {
    await using here = await testRuntime();
    await using there = await testRuntime();
    for (const name of [
      'logs/claude-code.jsonl',
      'logs/openai.json',
      'logs/ai-sdk.json',
      `trajectories/${BIG}`,
    ]) {
      await brought(here, name, text(name));

      const out = await exported(here, name);
      await taken(there, name, out);

      expect(await exported(there, name)).toBe(out);
    }
  });

  test.each([
    ['ctf__forensics__flash.traj', 4],
    ['ctf__rev__rock.traj', 12],
    ['function_calling__install-1__marshmallow-1867.traj', 11],
    [BIG, 13],
  ])('such as %s has every byte that its tools returned', async (name, steps) => {
    await using world = await testRuntime({ limits: { inlineBytesMax: 2_048 } });
    const document = JSON.parse(text(`trajectories/${name}`)) as { trajectory: { observation: string }[] };

    const { imported } = await brought(world, 'run', text(`trajectories/${name}`));
    const returned = await results(world, 'run');

    expect(returned).toHaveLength(steps);
    for (const [index, { observation }] of document.trajectory.entries())
      expect(returned[index]).toContain(observation);
    expect(imported).toMatchObject({
      format: 'swe-agent',
      turns: 1,
      calls: steps,
      notUnderstood: { count: 0 },
    });
    expect(imported.artifacts).toBeGreaterThan(0);
    expect(await kinds(world, 'run')).toContain('context.offloaded');
    const calls = (await bodies(world, 'run', 'tool.called')).map(({ call }) => call);
    expect(new Set(calls).size).toBe(steps);
    expect((await bodies(world, 'run', 'tool.returned')).map(({ call }) => call)).toEqual(calls);
  });

  test('can have a turn for each call of its model, to be replayed', async () => {
    await using world = await testRuntime();

    const { imported } = await brought(world, 'run', text(`trajectories/${BIG}`), { turnPerStep: true });
    const turns = (await world.runtime.turns('run', { limit: 50 })).toReversed();

    expect(imported.turns).toBe(13);
    expect(turns).toHaveLength(13);
    expect(textOf(turns[0]?.input[0]?.parts ?? [])).toContain('TimeDelta serialization precision');
    expect(turns.slice(1).every(({ input }) => textOf(input[0]?.parts ?? []) === 'Go on.')).toBe(true);
    expect(await bodies(world, 'run', 'tool.returned')).toHaveLength(13);
  });

  test('that asks for what is not there is refused, and leaves nothing', async () => {
    await using world = await testRuntime();
    const chat = text('logs/openai.json');

    expect(await refusal(brought(world, 'a', chat, { agent: 'nobody' }))).toBe('agent.unknown');
    expect(await refusal(brought(world, 'a', chat, { format: 'word' as 'openai' }))).toBe('input.invalid');
    expect(await said(brought(world, 'a', chat, { format: 'sojourn' }))).toMatch(
      /^input\.invalid: Line 1 is not/,
    );
    expect(await said(brought(world, 'a', chat, { format: 'claude-code' }))).toMatch(
      /no turn in it that claude-code knows/,
    );
    expect(await said(brought(world, 'a', ''))).toBe('input.invalid: There is nothing in it');
    expect(await left(world)).toEqual(NOTHING);
    await brought(world, 'a', chat);
    expect(await refusal(brought(world, 'a', chat))).toBe('session.exists');
  });

  test('that is larger than can be read at once is refused before it fills the memory', async () => {
    await using world = await testRuntime();
    let given = 0;
    async function* endless(): AsyncGenerator<string> {
      for (;;) {
        given += 1;
        yield `{"role":"user","content":"${'x'.repeat(1_000_000)}"}`;
      }
    }

    expect(await said(world.runtime.import('a', endless()))).toMatch(/^input\.too_large: Line \d+ is past/);
    expect(given).toBeLessThan(70);
    expect(await left(world)).toEqual(NOTHING);
  });

  test('over the quota of artifacts is refused, and leaves nothing', async () => {
    await using world = await testRuntime({
      limits: { inlineBytesMax: 1_000, artifactBytesPerSessionMax: 5_000 },
    });

    expect(await refusal(brought(world, 'a', text(`trajectories/${BIG}`)))).toBe('artifact.quota');
    expect(await left(world)).toEqual(NOTHING);
  });

  test('with inputs, thoughts and notes that no event could hold loses none of them', async () => {
    await using world = await testRuntime();
    const large = 'ä'.repeat(600_000);
    const log = [
      { role: 'system', content: large },
      { role: 'user', content: large },
      {
        role: 'assistant',
        reasoning_content: large,
        content: 'I write.',
        tool_calls: Array.from({ length: 12 }, (_, index) => ({
          id: `c${index}`,
          function: { name: 'write', arguments: JSON.stringify({ text: `${index}${'x'.repeat(200_000)}` }) },
        })),
      },
      { role: 'tool', tool_call_id: 'c0', content: large },
    ];
    log[2]?.tool_calls?.push({
      id: 'huge',
      function: { name: 'write', arguments: JSON.stringify({ text: large }) },
    });

    const { imported } = await brought(world, 'a', JSON.stringify(log));

    const artifacts = await world.runtime.artifacts('a');
    const sizes = artifacts.map(({ bytes }) => bytes).toSorted((a, b) => a - b);
    expect(sizes.slice(-3)).toEqual([1_200_000, 1_200_011, 1_200_030]);
    expect([sizes.length, imported.artifacts]).toEqual([15, 15]);
    const all = await events(world, 'a');
    expect(Math.max(...all.map(({ body }) => JSON.stringify(body).length))).toBeLessThan(100_000);
    const called = all.filter(({ kind }) => kind === 'tool.called');
    const whole = await Promise.all(called.map(({ seq }) => wholeOf(world, 'a', `log:${seq}`)));
    expect(whole.map((input) => (JSON.parse(input) as { text: string }).text)).toEqual(
      log[2]?.tool_calls?.map(
        ({ function: { arguments: given } }) => (JSON.parse(given) as { text: string }).text,
      ),
    );
    const asked = artifacts.find(({ bytes }) => bytes === 1_200_000);
    const { bytes } = await world.runtime.artifact('a', asked?.id ?? '');
    expect(Buffer.from(bytes).toString()).toBe(large);
  });
});
