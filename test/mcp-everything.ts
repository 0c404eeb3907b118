// Everything: the server that the protocol's own suite asks its questions of, by the names that it prescribes. None of
// it is Sojourn's; what carries it is.
import {
  McpServer,
  ResourceTemplate,
  type CallToolResult,
  type GetPromptResult,
  type ServerContext,
} from '@modelcontextprotocol/server';
import * as z from 'zod';
import { addAsking, state } from './mcp-everything-asking.ts';

const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==';
const WAV = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEARKwAAIhYAQACABAAZGF0YQAAAAA=';

export const say = (text: string): CallToolResult => ({ content: [{ type: 'text', text }] });

/** `changed` tells those who listen that the list of tools, or of prompts, is another. */
export function everything(changed: (what: 'tools' | 'prompts') => void = () => undefined): McpServer {
  const server = new McpServer(
    { name: 'everything', version: '1' },
    {
      capabilities: { logging: {}, completions: {}, resources: { subscribe: true } },
      requestState: { verify: (text, ctx) => state.verify(text, ctx) },
    },
  );
  addContent(server);
  addBehaviour(server, changed);
  addAsking(server);
  addResources(server);
  addPrompts(server);
  for (const method of ['resources/subscribe', 'resources/unsubscribe'] as const) {
    server.server.setRequestHandler(method, () => ({}));
  }
  server.server.setRequestHandler('completion/complete', ({ params }) => {
    const values = ['paris', 'park', 'party'].filter((word) => word.startsWith(params.argument.value));
    return { completion: { values, total: values.length, hasMore: false } };
  });
  return server;
}

function addContent(server: McpServer): void {
  const tool = (name: string, content: CallToolResult['content']): void => {
    server.registerTool(name, { description: 'Answers with content of one kind.' }, async () => ({
      content,
    }));
  };
  const image = { type: 'image', data: PNG, mimeType: 'image/png' } as const;
  tool('test_simple_text', [{ type: 'text', text: 'This is a simple text response for testing.' }]);
  tool('test_image_content', [image]);
  tool('test_audio_content', [{ type: 'audio', data: WAV, mimeType: 'audio/wav' }]);
  const embedded = (uri: string, mimeType: string, text: string) =>
    ({ type: 'resource', resource: { uri, mimeType, text } }) as const;
  tool('test_embedded_resource', [
    embedded('test://embedded-resource', 'text/plain', 'This is an embedded resource content.'),
  ]);
  tool('test_multiple_content_types', [
    { type: 'text', text: 'Multiple content types test:' },
    image,
    embedded('test://mixed-content-resource', 'application/json', '{"test":"data","value":123}'),
  ]);
}

function addBehaviour(server: McpServer, changed: (what: 'tools' | 'prompts') => void): void {
  const description = 'Behaves in one way.';
  server.registerTool('test_error_handling', { description }, async () => {
    throw new Error('This tool intentionally returns an error for testing');
  });
  server.registerTool('test_tool_with_progress', { description }, async (ctx) => {
    const { _meta, notify } = ctx.mcpReq;
    const progressToken = _meta?.progressToken;
    if (progressToken === undefined) return say('done');
    for (const progress of [0, 50, 100]) {
      await notify({ method: 'notifications/progress', params: { progressToken, progress, total: 100 } });
    }
    return say('done');
  });
  server.registerTool('test_tool_with_logging', { description }, (ctx) => logged(ctx));
  server.registerTool('test_logging_tool', { description }, (ctx) => logged(ctx));
  server.registerTool('test_trigger_tool_change', { description }, async () => {
    changed('tools');
    return say('changed');
  });
  server.registerTool('test_trigger_prompt_change', { description }, async () => {
    changed('prompts');
    return say('changed');
  });
}

async function logged(ctx: ServerContext): Promise<CallToolResult> {
  for (const what of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
    await ctx.mcpReq.log('info', what);
  }
  return say('done');
}

function addResources(server: McpServer): void {
  const description = 'A resource.';
  server.registerResource(
    'text',
    'test://static-text',
    { description, mimeType: 'text/plain' },
    async ({ href: uri }) => ({
      contents: [{ uri, mimeType: 'text/plain', text: 'This is the content of the static text resource.' }],
    }),
  );
  server.registerResource(
    'binary',
    'test://static-binary',
    { description, mimeType: 'image/png' },
    async ({ href: uri }) => ({ contents: [{ uri, mimeType: 'image/png', blob: PNG }] }),
  );
  server.registerResource(
    'watched',
    'test://watched-resource',
    { description, mimeType: 'text/plain' },
    async ({ href: uri }) => ({ contents: [{ uri, mimeType: 'text/plain', text: 'as it was' }] }),
  );
  server.registerResource(
    'template',
    new ResourceTemplate('test://template/{id}/data', { list: undefined }),
    { description, mimeType: 'application/json' },
    async ({ href: uri }, { id }) => {
      const text = JSON.stringify({ id, templateTest: true, data: `Data for ID: ${String(id)}` });
      return { contents: [{ uri, mimeType: 'application/json', text }] };
    },
  );
}

type Spoken = GetPromptResult['messages'][number]['content'];

const spoken = (...contents: Spoken[]): GetPromptResult => ({
  messages: contents.map((content) => ({ role: 'user', content })),
});

function addPrompts(server: McpServer): void {
  const description = 'A prompt.';
  server.registerPrompt('test_simple_prompt', { description }, async () =>
    spoken({ type: 'text', text: 'This is a simple prompt for testing.' }),
  );
  const two = z.object({ arg1: z.string(), arg2: z.string() });
  server.registerPrompt(
    'test_prompt_with_arguments',
    { description, argsSchema: two },
    async ({ arg1, arg2 }) =>
      spoken({ type: 'text', text: `Prompt with arguments: arg1='${arg1}', arg2='${arg2}'` }),
  );
  const one = z.object({ resourceUri: z.string() });
  server.registerPrompt(
    'test_prompt_with_embedded_resource',
    { description, argsSchema: one },
    async ({ resourceUri: uri }) =>
      spoken(
        {
          type: 'resource',
          resource: { uri, mimeType: 'text/plain', text: 'Embedded resource content for testing.' },
        },
        { type: 'text', text: 'Please process the embedded resource above.' },
      ),
  );
  server.registerPrompt('test_prompt_with_image', { description }, async () =>
    spoken(
      { type: 'image', data: PNG, mimeType: 'image/png' },
      { type: 'text', text: 'Please analyze the image above.' },
    ),
  );
}
