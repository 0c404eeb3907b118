import type { ModelMessage, ToolResultPart } from 'ai';
import { describe, expect, test } from 'vitest';
import { toModelMessages, toParts } from '../src/agent/ai-sdk/model-message.ts';
import type { Message, Part } from '../src/wire/message.ts';
import { said } from '../src/testing/test-turn.ts';

type ToolOutput = ToolResultPart['output'];

/** What a log makes of what the SDK said, given back to the SDK. */
function returned(...messages: ModelMessage[]): ModelMessage[] {
  const history = messages.map((message) => said(message.role, toParts(message)));
  return toModelMessages(JSON.parse(JSON.stringify(history)) as Message[], []);
}

const call = (id: string, input: unknown = {}): Part => ({
  type: 'tool-call',
  call: id,
  name: 'look',
  input,
});
const result = (id: string, output: unknown): Part => ({
  type: 'tool-result',
  call: id,
  name: 'look',
  output,
  isError: false,
});

describe('what a model said goes back to it as it was', () => {
  const options = { some: { cache: { type: 'ephemeral' }, id: 'x' } };

  test('texts, reasoning and files keep what the provider attached', () => {
    const message: ModelMessage = {
      role: 'assistant',
      content: [
        { type: 'reasoning', text: 'hm', providerOptions: options },
        { type: 'text', text: 'look', providerOptions: options },
        { type: 'file', mediaType: 'image/png', filename: 'a.png', data: { type: 'data', data: 'AAAA' } },
        { type: 'reasoning-file', mediaType: 'image/png', data: 'AAAA', providerOptions: options },
        { type: 'custom', kind: 'some.thing', providerOptions: options },
      ],
    };

    expect(returned(message)).toEqual([message]);
  });

  test('files among the words of a result are files of the session, and stand in their places again', () => {
    const picture = { type: 'data', data: 'AAAA' } as const;
    const output = {
      type: 'content',
      value: [
        { type: 'text', text: 'before' },
        { type: 'file', mediaType: 'image/png', filename: 'a.png', data: picture, providerOptions: options },
        { type: 'text', text: 'after' },
        {
          type: 'file',
          mediaType: 'text/css',
          data: { type: 'url', url: new URL('https://example.org/a.css') },
        },
      ],
    } as const satisfies ToolOutput;
    const asked: ModelMessage = {
      role: 'assistant',
      content: [{ type: 'tool-call', toolCallId: 'c1', toolName: 'look', input: {} }],
    };
    const answered: ModelMessage = {
      role: 'tool',
      content: [
        {
          type: 'tool-result',
          toolCallId: 'c1',
          toolName: 'look',
          output: { ...output, value: [...output.value] },
        },
      ],
    };

    const [told, ...files] = toParts(answered);

    expect(JSON.stringify(told)).not.toContain('AAAA');
    expect(files).toMatchObject([
      { type: 'file', mediaType: 'image/png', name: 'a.png', data: 'AAAA' },
      { type: 'file', mediaType: 'text/css', url: 'https://example.org/a.css' },
    ]);
    expect(returned(asked, answered)).toEqual([asked, answered]);
  });

  test('a file of a result that is gone is said to be', () => {
    const answered: ModelMessage = {
      role: 'tool',
      content: [
        {
          type: 'tool-result',
          toolCallId: 'c1',
          toolName: 'look',
          output: {
            type: 'content',
            value: [{ type: 'file', mediaType: 'image/png', data: { type: 'data', data: 'AAAA' } }],
          },
        },
      ],
    };
    const [told] = toParts(answered);

    const messages = toModelMessages(
      [said('assistant', [call('c1')]), said('tool', told === undefined ? [] : [told])],
      [],
    );

    expect(JSON.stringify(messages[1])).toContain('[A file that is not at hand]');
  });

  test.each([
    { type: 'text', value: 'seven' },
    { type: 'json', value: { celsius: 7 } },
    { type: 'json', value: 'text that was JSON' },
    { type: 'json', value: null },
    { type: 'error-text', value: 'no data' },
    { type: 'error-json', value: { code: 7 } },
    { type: 'error-json', value: 'no' },
    { type: 'execution-denied', reason: 'too dear' },
    { type: 'execution-denied' },
    { type: 'content', value: [{ type: 'text', text: 'seen' }] },
    { type: 'text', value: 'cached', providerOptions: options },
  ] as const)('a result of $type is a result of $type again: $value', (output) => {
    const asked: ModelMessage = {
      role: 'assistant',
      content: [
        { type: 'tool-call', toolCallId: 'c1', toolName: 'look', input: { at: 1 }, providerOptions: options },
      ],
    };
    const answered = {
      role: 'tool',
      content: [
        { type: 'tool-result', toolCallId: 'c1', toolName: 'look', output, providerOptions: options },
      ],
    } as unknown as ModelMessage;

    expect(returned(asked, answered)).toEqual([asked, answered]);
  });
});

describe('a history that a provider would refuse is mended', () => {
  test('results that stand too late follow their calls', () => {
    const history = [
      said('user', 'go'),
      said('assistant', [call('c1'), call('c2')]),
      said('user', 'meanwhile'),
      said('tool', [result('c2', 'two')]),
      said('tool', [result('c1', 'one')]),
    ];

    const messages = toModelMessages(history, []);

    expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool', 'user']);
    expect(messages[2]?.content).toMatchObject([
      { toolCallId: 'c1', output: { value: 'one' } },
      { toolCallId: 'c2', output: { value: 'two' } },
    ]);
  });

  test('an id that a provider used twice has each its own result', () => {
    const history = [
      said('assistant', [call('c1', 1)]),
      said('tool', [result('c1', 'first')]),
      said('assistant', [call('c1', 2)]),
      said('tool', [result('c1', 'second')]),
      said('assistant', [call('c1', 3)]),
    ];

    const messages = toModelMessages(history, []);

    expect(messages.filter(({ role }) => role === 'tool').map(({ content }) => content)).toMatchObject([
      [{ output: { value: 'first' } }],
      [{ output: { value: 'second' } }],
      [{ output: { type: 'error-text' } }],
    ]);
  });

  test('a result that was too large is told by how it begins, and where it is', () => {
    const ref = { artifact: 'abc', bytes: 70_000, mediaType: 'text/plain', preview: 'line 1' };
    const history = [
      said('assistant', [call('c1')]),
      said('tool', [{ type: 'tool-result', call: 'c1', name: 'look', ref, isError: false }]),
    ];

    expect(toModelMessages(history, [])[1]?.content).toMatchObject([
      { output: { type: 'text', value: 'line 1\n[70000 bytes of text/plain in all, kept as artifact abc]' } },
    ]);
  });

  test('what another agent left in the history is passed over', () => {
    const history = [
      said('assistant', [{ type: 'custom', name: 'plan', data: { steps: 3 } }]),
      said('system', 'The user likes brevity.'),
      said('user', [{ type: 'file', mediaType: 'text/plain', url: 'https://example.org/a.txt' }]),
    ];

    expect(toModelMessages(history, [])).toEqual([
      { role: 'user', content: [{ type: 'text', text: 'The user likes brevity.' }] },
      {
        role: 'user',
        content: [
          {
            type: 'file',
            mediaType: 'text/plain',
            data: { type: 'url', url: new URL('https://example.org/a.txt') },
          },
        ],
      },
    ]);
  });
});

describe('what was moved out is told in its place', () => {
  const ref = { artifact: 'abc', bytes: 70_000, mediaType: 'text/plain', preview: 'line 1' };
  const moved = (more: object = {}): Message[] => [
    said('assistant', [call('c1')]),
    said('tool', [{ ...result('c1', 'line 1 ... read_back artifact:abc'), ...more } as Part]),
  ];

  test('a large result by what stands beside its reference, a failed one as a failure', () => {
    const [fine, failed] = [{ ref }, { ref, isError: true }].map(
      (more) => toModelMessages(moved(more), [])[1]?.content,
    );

    const value = 'line 1 ... read_back artifact:abc';
    expect(fine).toMatchObject([{ output: { type: 'text', value } }]);
    expect(failed).toMatchObject([{ output: { type: 'error-text', value } }]);
  });

  test('a result of words and pictures by its digest, whatever it was, with the picture behind it', () => {
    const long = 'a long report '.repeat(1_000);
    const [told, picture] = toParts({
      role: 'tool',
      content: [
        {
          type: 'tool-result',
          toolCallId: 'c1',
          toolName: 'look',
          output: {
            type: 'content',
            value: [
              { type: 'text', text: long },
              { type: 'file', mediaType: 'image/png', data: { type: 'data', data: 'AAAA' } },
            ],
          },
        },
      ],
    });
    if (told === undefined || picture === undefined) throw new Error('nothing was told');
    const digested = { ...told, output: '[Moved out]' } as Part;

    const messages = toModelMessages(
      [said('assistant', [call('c1')]), said('tool', [digested, picture])],
      [],
    );

    expect(JSON.stringify(told).length).toBeLessThan(1.2 * long.length); // It is in the log once.
    expect(messages[1]?.content).toMatchObject([
      {
        output: {
          type: 'content',
          value: [
            { type: 'text', text: '[Moved out]' },
            { type: 'file', mediaType: 'image/png' },
          ],
        },
      },
    ]);
  });

  test('what a provider ran itself as words: it takes back what it gave, or nothing', () => {
    const search: ModelMessage = {
      role: 'assistant',
      content: [
        { type: 'text', text: 'Let me look.' },
        {
          type: 'tool-call',
          toolCallId: 's1',
          toolName: 'web',
          input: { q: 'fjords' },
          providerExecuted: true,
        },
        {
          type: 'tool-result',
          toolCallId: 's1',
          toolName: 'web',
          output: { type: 'json', value: [{ title: 'Fjord', secret: 'x'.repeat(9_000) }] },
        },
        { type: 'text', text: 'Found.' },
      ],
    };
    const parts = toParts(search);
    const short = parts.map((part) =>
      part.type === 'tool-result' ? { ...part, output: '[Moved out: log:7]' } : part,
    );

    expect(returned(search)).toEqual([search]);
    expect(toModelMessages([said('assistant', short)], [])).toEqual([
      {
        role: 'assistant',
        content: [
          { type: 'text', text: 'Let me look.' },
          { type: 'text', text: '[web {"q":"fjords"}]\n[Moved out: log:7]' },
          { type: 'text', text: 'Found.' },
        ],
      },
    ]);
  });
});
