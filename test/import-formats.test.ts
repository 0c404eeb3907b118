// Logs of other agents: what is read of them, told turn by turn.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { SojournError } from '../src/kernel/errors.ts';
import { type ForeignFormat, type Read, readForeign as readWith } from '../src/log/import/detect.ts';
import type { Step } from '../src/log/import/foreign.ts';
import { textOf } from '../src/wire/message.ts';

const text = (name: string): string => readFileSync(new URL(`data/${name}`, import.meta.url), 'utf8');

const readForeign = (given: string, format: ForeignFormat | 'auto'): Promise<Read> =>
  readWith(given, format, () => Promise.resolve());

const read = (name: string): Promise<Read> => readForeign(text(name), 'auto');

/** A step in a line. */
function told(step: Step): string {
  switch (step.kind) {
    case 'said':
      return `says ${step.parts.map((part) => (part.type === 'text' ? part.text : `[${part.type}]`)).join()}`;
    case 'called':
      return `calls ${step.name} ${step.call} ${JSON.stringify(step.input)}`;
    case 'returned':
      return `gets ${step.call} ${JSON.stringify(step.output)}${step.isError ? ' as an error' : ''}`;
    case 'steered':
      return `hears ${textOf(step.parts)}`;
    case 'usage':
      return `used ${step.usage.inputTokens} and ${step.usage.outputTokens}`;
    default:
      return step.kind;
  }
}

const story = ({ log }: Read): string[][] =>
  log.turns.map(({ inputs, steps, outcome }) => [
    ...inputs.map(
      (parts) => `asked ${parts.map((part) => (part.type === 'text' ? part.text : part.type)).join()}`,
    ),
    ...steps.map(told),
    outcome,
  ]);

async function refused(given: string, format: ForeignFormat | 'auto' = 'auto'): Promise<string> {
  try {
    await readForeign(given, format);
  } catch (error) {
    if (error instanceof SojournError) return `${error.code}: ${error.detail}`;
    throw error;
  }
  return 'nothing was refused';
}

describe('a log of Claude Code', () => {
  test('is the conversation that was had: without what was rewound, with the results of calls that ran at once', async () => {
    const log = await read('logs/claude-code.jsonl');

    expect(log.format).toBe('claude-code');
    expect(log.log.title).toBe('Mend the greeting');
    expect(story(log)).toEqual([
      [
        'asked The greeting in hello.txt is wrong: mend it.',
        'asked',
        'says [reasoning]',
        'says I read both files.',
        'calls Read toolu_1 {"file_path":"hello.txt"}',
        'calls Read toolu_2 {"file_path":"names.txt"}',
        'gets toolu_1 "Helo, world"',
        'gets toolu_2 "no such file" as an error',
        'asked',
        'says One letter is missing; it is mended now.',
        'used 10 and 60',
        'used 3 and 9',
        'completed',
      ],
      ['asked What is in this picture?,file', 'asked', 'calls Look toolu_3 {}', 'cancelled'],
      ['asked Never mind.', 'completed'],
    ]);
    expect(log.log.turns[0]?.at).toBe(Date.parse('2026-03-01T09:01:00Z'));
    const [, reasoning] = log.log.turns[0]?.steps ?? [];
    expect(reasoning).toMatchObject({ parts: [{ metadata: { anthropic: { signature: 'c2lnbmVk' } } }] });
  });

  test('says how much of it is no part of the conversation, and what could not be understood, the torn last line too', async () => {
    const { rest } = await read('logs/claude-code.jsonl');

    expect(rest.leftOut).toEqual({
      summary: 1,
      'file-history-snapshot': 1,
      meta: 1,
      rewound: 2,
      sidechain: 2,
      system: 1,
      'queue-operation': 1,
      interruption: 1,
    });
    expect(rest.notUnderstood.count).toBe(2);
    expect(rest.notUnderstood.samples.map(({ at }) => at)).toEqual(['line 23', 'line 21']);
    expect(rest.notUnderstood.samples.every(({ text: sample }) => sample.length <= 200)).toBe(true);
  });

  test('that was compacted goes on where it went on, and what came before comes first', async () => {
    const line = (entry: object): string =>
      JSON.stringify({ sessionId: 's', timestamp: '2026-01-01T00:00:00Z', ...entry });
    const user = (uuid: string, parentUuid: string | null, content: string, more = {}): string =>
      line({ type: 'user', uuid, parentUuid, message: { role: 'user', content }, ...more });
    const lines = [
      user('1', null, 'first'),
      line({
        type: 'assistant',
        uuid: '2',
        parentUuid: '1',
        message: { id: 'm', content: [{ type: 'text', text: 'one' }] },
      }),
      line({
        type: 'system',
        subtype: 'compact_boundary',
        uuid: '3',
        parentUuid: null,
        logicalParentUuid: '2',
      }),
      user('4', '3', 'This session is being continued', { isCompactSummary: true }),
      user('5', '4', 'second'),
      user('6', null, 'a new root'),
    ];

    expect(story(await readForeign(lines.join('\r\n'), 'auto')).map(([asked]) => asked)).toEqual([
      'asked first',
      'asked second',
    ]);
    expect(story(await readForeign(lines.join('\n'), 'auto')).at(-1)).toEqual([
      'asked second',
      'asked a new root',
      'completed',
    ]);
  });

  test('of many roots on one long way is read in a moment', async () => {
    const notes = Array.from({ length: 20_000 }, (_, index) => ({
      type: 'system',
      sessionId: 's',
      uuid: `n${index}`,
      parentUuid: `n${index - 1}`,
    }));
    const asked = Array.from({ length: 20_000 }, (_, index) => ({
      type: 'user',
      sessionId: 's',
      uuid: `u${index}`,
      parentUuid: 'n19999',
      message: { content: 'x' },
    }));
    const lines = [...notes, ...asked].map((entry) => JSON.stringify(entry)).join('\n');

    const log = await readForeign(lines, 'auto');

    expect(log.log.turns).toHaveLength(1);
    expect(log.rest.leftOut['rewound']).toBe(19_999);
  });
});

describe('chat messages of OpenAI', () => {
  const wanted = [
    [
      'asked What is the weather in Bern and in Basel?,file',
      'noted',
      'asked',
      'calls weather call_1 {"city":"Bern"}',
      'calls weather call_2 "{\\"city\\":"',
      'gets call_1 "12 degrees"',
      'gets call_2 "city is missing"',
      'asked',
      'says Bern has 12 degrees; Basel I could not ask for.',
      'completed',
    ],
    ['asked Thanks.', 'asked And Chur?', 'asked', 'calls weather call_1 {"city":"Chur"}', 'completed'],
  ];

  test('are turns with their calls and results, whether they stand in a list, in an object or line by line', async () => {
    const log = await read('logs/openai.json');
    const { messages } = JSON.parse(text('logs/openai.json')) as { messages: unknown[] };

    expect(log.format).toBe('openai');
    expect(story(log)).toEqual(wanted);
    expect(log.rest.notUnderstood.samples.map(({ at }) => at)).toEqual([
      '/messages/1/content/2',
      '/messages/9',
      '/messages/10',
    ]);
    for (const same of [
      JSON.stringify(messages),
      messages.map((message) => JSON.stringify(message)).join('\n'),
      `${JSON.stringify({ messages })}\n`,
    ]) {
      expect(story(await readForeign(same, 'auto'))).toEqual(wanted);
    }
  });

  test('of two conversations are not one session', async () => {
    const one = JSON.stringify({ messages: [{ role: 'user', content: 'hello' }] });

    expect(await refused(`${one}\n${one}`)).toBe(
      'input.invalid: line 2 begins another conversation: a session holds one',
    );
  });

  test('of the old kind, with functions, are understood', async () => {
    const log = await readForeign(
      JSON.stringify([
        { role: 'user', content: 'Roll.' },
        { role: 'assistant', content: null, function_call: { name: 'dice', arguments: '{}' } },
        { role: 'function', name: 'dice', content: '4' },
      ]),
      'auto',
    );

    expect(story(log)).toEqual([
      ['asked Roll.', 'asked', 'calls dice dice-1 {}', 'gets dice-1 "4"', 'completed'],
    ]);
  });
});

describe('UI messages of the AI SDK', () => {
  test('are turns with the calls as they ended, what a provider said of a part, and what was said in between', async () => {
    const log = await read('logs/ai-sdk.json');

    expect(log.format).toBe('ai-sdk');
    expect(story(log)).toEqual([
      [
        'asked Book a table for two.,file',
        'asked',
        'says [reasoning]',
        'says I look for one.',
        'calls findTable c1 {"guests":2}',
        'gets c1 {"table":7}',
        'calls sendMail c2 {}',
        'gets c2 "no address" as an error',
        'asked',
        'calls pay c3 {"usd":20}',
        'gets c3 "denied: too much" as an error',
        'calls confirm c4 {}',
        'noted',
        'hears Make it three guests.',
        'says Table 7 is yours.',
        'completed',
      ],
    ]);
    const [first] = log.log.turns;
    expect(first?.at).toBe(Date.parse('2026-04-01T08:00:00Z'));
    expect(first?.inputs[0]?.[1]).toEqual({
      type: 'file',
      mediaType: 'text/plain',
      name: 'wishes.txt',
      data: Buffer.from('by the window').toString('base64'),
    });
    expect(first?.steps[1]).toMatchObject({ parts: [{ metadata: { acme: { seal: 'abc' } } }] });
    expect(log.rest.leftOut).toEqual({ 'source-url': 1 });
    expect(log.rest.notUnderstood).toMatchObject({ count: 1, samples: [{ at: '/1/parts/12' }] });
  });
});

describe('a trajectory of SWE-agent', () => {
  test.each([
    ['ctf__forensics__flash.traj', 4, 'bash'],
    ['ctf__rev__rock.traj', 12, 'bash'],
    ['function_calling__install-1__marshmallow-1867.traj', 11, 'create'],
    ['function_calling_replace_from_source__marshmallow-1867.traj', 13, 'bash'],
  ])('%s is one turn with each of its steps', async (name, steps, tool) => {
    const log = await read(`trajectories/${name}`);
    const document = JSON.parse(text(`trajectories/${name}`)) as { trajectory: { observation: string }[] };

    expect(log.format).toBe('swe-agent');
    expect(log.log.turns).toHaveLength(1);
    const all = log.log.turns[0]?.steps ?? [];
    const calls = all.filter((step) => step.kind === 'called');
    expect(calls).toHaveLength(steps);
    expect(calls[0]?.name).toBe(tool);
    const outputs = all.flatMap((step) => (step.kind === 'returned' ? [String(step.output)] : []));
    expect(outputs).toHaveLength(steps);
    for (const [index, { observation }] of document.trajectory.entries())
      expect(outputs[index]).toContain(observation);
    expect(log.rest.notUnderstood.count).toBe(0);
  });

  test('without its history is still told by its steps', async () => {
    const step = { action: 'ls', observation: 'a.txt', response: 'I look.', thought: 'I look.', state: '{}' };
    const info = {
      exit_status: 'exit_cost',
      model_stats: { tokens_sent: 7, tokens_received: 3, instance_cost: 0.5 },
    };

    const log = await readForeign(
      JSON.stringify({ environment: 'x', trajectory: [step, { ...step, action: '' }], info }),
      'auto',
    );

    expect(story(log)).toEqual([
      [
        'asked',
        'says I look.',
        'calls bash step-1 {"command":"ls"}',
        'gets step-1 "a.txt"',
        'asked',
        'says I look.',
        'hears a.txt',
        'used 7 and 3',
        'failed',
      ],
    ]);
    expect(log.rest.leftOut).toEqual({ environment: 1 });
  });
});

describe('what cannot be read', () => {
  test('is refused with the place, and nothing is guessed', async () => {
    const deep = `${'['.repeat(5_000)}${']'.repeat(5_000)}`;

    expect(await refused('')).toBe('input.invalid: There is nothing in it');
    expect(await refused(' \n\r\n ')).toBe('input.invalid: There is nothing in it');
    expect(await refused('hello')).toMatch(/^input\.invalid: It is not JSON \(/);
    expect(await refused('{"a":"\0')).toMatch(/NUL characters: it was not written to its end$/);
    expect(await refused('[],'.repeat(8_000_001))).toBe(
      'input.too_large: It has over 8000000 lists and objects',
    );
    expect(await refused('42')).toMatch(/none of what can be imported/);
    expect(await refused('{"hello":"world"}\n{"hello":"world"}')).toMatch(/none of what can be imported/);
    expect(await refused('[]', 'openai')).toBe('input.invalid: There is no turn in it that openai knows of');
    expect(await refused('[{"role":"user"}]', 'openai')).toMatch(
      /1 could not be understood, first \/0|2 could not be understood, first \/0/,
    );
    expect(await refused('[]', 'swe-agent')).toMatch(/is no trajectory/);
    expect(await refused(deep)).toBe('input.too_deep: It has over 256 levels');
    expect(await refused(`{"role":"user","content":"x"}\n{"role":"user","content":${deep}}`)).toBe(
      'input.too_deep: Line 2 has over 256 levels',
    );
    expect(
      await refused(`{"role":"user","content":"x"}\n{"role":"user","content":"${'x'.repeat(8_400_000)}"}`),
    ).toMatch(/^input\.too_large: Line 2 is over/);
  });

  test('in the middle is counted, and the rest is read', async () => {
    const lines = [
      '{"role":"user","content":"one"}',
      '\0\0\0',
      '',
      '[1]',
      '{"role":"user","content":"two"}',
      '{"role":"us',
    ];

    const log = await readForeign(lines.join('\n'), 'auto');

    expect(story(log)).toEqual([['asked one', 'asked two', 'completed']]);
    expect(log.rest.notUnderstood.samples.map(({ at }) => at)).toEqual(['line 2', 'line 6', 'line 4']);
  });

  test('is never more than a few samples of it, however much there is', async () => {
    const lines = Array.from({ length: 5_000 }, () => '{"role":"nobody","content":"x"}');

    const { rest } = await readForeign(['{"role":"user","content":"one"}', ...lines].join('\n'), 'openai');

    expect(rest.notUnderstood.count).toBe(5_000);
    expect(rest.notUnderstood.samples).toHaveLength(10);
  });

  test('names that would change an object change nothing', async () => {
    const log = await readForeign(
      '[{"role":"user","content":"x","__proto__":{"role":"system"}},{"role":"assistant","tool_calls":[{"id":"__proto__","function":{"name":"constructor","arguments":"{\\"__proto__\\":{\\"a\\":1}}"}}]}]',
      'auto',
    );

    expect(story(log)).toEqual([
      ['asked x', 'asked', 'calls constructor __proto__ {"__proto__":{"a":1}}', 'completed'],
    ]);
    expect(({} as { a?: number }).a).toBe(undefined);
  });
});
