// Tools from elsewhere, in the hands of an AI SDK agent's model.
import { ToolLoopAgent } from 'ai';
import { expect, test } from 'vitest';
import { aiSdkAgent, givenTools, type GivenTool } from '../src/agent/ai-sdk/ai-sdk.ts';
import { calling, finish, model, play, text } from './model-stand-in.ts';

const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==';

function given(name: string, call: GivenTool['call']): GivenTool {
  const inputSchema = { type: 'object', properties: { of: { type: 'string' } } };
  return { name, description: `About ${name}.`, inputSchema, call };
}

const TOOLS: readonly GivenTool[] = [
  given('draw', async ({ of }) => ({
    parts: [
      { type: 'text', text: `a ${of as string}` },
      { type: 'file', mediaType: 'image/png', data: PNG },
    ],
    structured: { of },
    isError: false,
  })),
  given('fail', async () => ({ parts: [{ type: 'text', text: 'the pen is dry' }], isError: true })),
  given('draw', async () => ({ parts: [], isError: false })),
];

test('the model sees the schema that was given, and the tool its input and the id of the call', async () => {
  const heard: unknown[] = [];
  const { mock } = model(
    [calling('c1', 'see', { of: 'dot' }), finish('tool-calls')],
    [...text('ok'), finish('stop')],
  );
  const see = given('see', async (input, { call }) => {
    heard.push(input, call);
    return { parts: [{ type: 'text', text: 'seen' }], isError: false };
  });

  await play(aiSdkAgent(() => new ToolLoopAgent({ model: mock, tools: givenTools([see]) })));

  expect(heard).toEqual([{ of: 'dot' }, 'c1']);
  expect(mock.doStreamCalls[0]?.tools).toMatchObject([
    { name: 'see', description: 'About see.', inputSchema: { properties: { of: { type: 'string' } } } },
  ]);
});

test('a picture reaches the model beside the words, and of two tools with one name the first counts', async () => {
  const { mock, prompts } = model(
    [calling('c1', 'draw', { of: 'dot' }), finish('tool-calls')],
    [...text('Nice.'), finish('stop')],
  );

  await play(aiSdkAgent(() => new ToolLoopAgent({ model: mock, tools: givenTools(TOOLS) })));

  expect(prompts[1]?.at(-1)).toMatchObject({
    role: 'tool',
    content: [{ output: { type: 'content', value: [{ type: 'text' }, { mediaType: 'image/png' }] } }],
  });
  expect(JSON.stringify(prompts[1]?.at(-1))).toContain('a dot');
});

test('what a tool calls an error is one to the model, with its words', async () => {
  const { mock, prompts } = model(
    [calling('c1', 'fail', {}), finish('tool-calls')],
    [...text('Oh.'), finish('stop')],
  );

  const { events } = await play(
    aiSdkAgent(() => new ToolLoopAgent({ model: mock, tools: givenTools(TOOLS) })),
  );

  expect(events).toContainEqual(
    expect.objectContaining({ kind: 'tool.returned', call: 'c1', isError: true }),
  );
  expect(JSON.stringify(prompts[1]?.at(-1))).toContain('the pen is dry');
});
