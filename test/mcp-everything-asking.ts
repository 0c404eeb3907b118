// Asking: the tools and prompts of the suite's server that need something from the client before they can answer.
// Written once: what the newer era carries in a result, the older one asks by a request of its own.
import {
  acceptedContent,
  createRequestStateCodec,
  inputRequired,
  type ElicitRequestFormParams,
  type InputRequests,
  type McpServer,
  type ServerContext,
} from '@modelcontextprotocol/server';
import * as z from 'zod';
import { say } from './mcp-everything.ts';

type Form = ElicitRequestFormParams['requestedSchema'];

export const state = createRequestStateCodec<string>({ key: 'thirty-two bytes of no secret here' });

const description = 'Asks before it answers.';
const form = (properties: Form['properties'], required: string[] = Object.keys(properties)): Form => ({
  type: 'object',
  properties,
  required,
});
const ask = (message: string, requestedSchema: Form) => inputRequired.elicit({ message, requestedSchema });
const sample = (text: string, maxTokens: number) =>
  inputRequired.createMessage({ messages: [{ role: 'user', content: { type: 'text', text } }], maxTokens });
const given = (ctx: ServerContext, key: string): unknown => ctx.mcpReq.inputResponses?.[key];

const askName = (message = 'What is your name?') => ask(message, form({ name: { type: 'string' } }));
const nameOf = (ctx: ServerContext, key: string): string | undefined => {
  const content = acceptedContent(ctx.mcpReq.inputResponses, key);
  return typeof content?.['name'] === 'string' ? content['name'] : undefined;
};

export function addAsking(server: McpServer): void {
  addOnce(server);
  addStateful(server);
  addForms(server);
  const argsSchema = z.object({});
  server.registerPrompt(
    'test_input_required_result_prompt',
    { description, argsSchema },
    async (_args, ctx) => {
      const content = acceptedContent(ctx.mcpReq.inputResponses, 'user_context');
      if (content === undefined) {
        const asked = ask('What context should the prompt use?', form({ context: { type: 'string' } }));
        return inputRequired({ inputRequests: { user_context: asked } });
      }
      const text = `Context: ${String(content['context'])}`;
      return { messages: [{ role: 'user', content: { type: 'text', text } }] };
    },
  );
}

function addOnce(server: McpServer): void {
  const tool = (
    name: string,
    key: string,
    request: InputRequests[string],
    answer: (value: unknown) => string,
  ): void => {
    server.registerTool(name, { description }, async (ctx) => {
      const value = given(ctx, key);
      return value === undefined ? inputRequired({ inputRequests: { [key]: request } }) : say(answer(value));
    });
  };
  server.registerTool('test_input_required_result_elicitation', { description }, async (ctx) => {
    const name = nameOf(ctx, 'user_name');
    return name === undefined
      ? inputRequired({ inputRequests: { user_name: askName() } })
      : say(`Hello, ${name}!`);
  });
  server.registerTool('test_streaming_elicitation', { description }, async (ctx) => {
    const name = nameOf(ctx, 'user_name');
    return name === undefined
      ? inputRequired({ inputRequests: { user_name: askName() } })
      : say(`Hello, ${name}!`);
  });
  // From a client that has not said that it samples, this cannot even be asked.
  tool('test_missing_capability', 'sampled', sample('Say something', 10), () => 'done');
  const france = sample('What is the capital of France?', 100);
  tool('test_input_required_result_sampling', 'capital_question', france, (value) => JSON.stringify(value));
  const roots = inputRequired.listRoots();
  tool('test_input_required_result_list_roots', 'client_roots', roots, (value) => JSON.stringify(value));
  server.registerTool(
    'test_sampling',
    { description, inputSchema: z.object({ prompt: z.string() }) },
    async ({ prompt }, ctx) => {
      const value = given(ctx, 'answer') as { content?: { text?: string } } | undefined;
      if (value === undefined) return inputRequired({ inputRequests: { answer: sample(prompt, 100) } });
      return say(`LLM response: ${value.content?.text ?? ''}`);
    },
  );
  server.registerTool('test_input_required_result_capabilities', { description }, async (ctx) => {
    const envelope: Record<string, unknown> = { ...ctx.mcpReq.envelope };
    const declared = { ...(envelope['io.modelcontextprotocol/clientCapabilities'] as object | undefined) };
    const inputRequests: InputRequests = {
      ...('sampling' in declared ? { sampled: sample('Say something', 10) } : {}),
      ...('elicitation' in declared ? { asked: askName() } : {}),
    };
    return given(ctx, 'sampled') === undefined ? inputRequired({ inputRequests }) : say('done');
  });
}

function addStateful(server: McpServer): void {
  const confirm = ask('Please confirm', form({ ok: { type: 'boolean' } }));
  for (const name of [
    'test_input_required_result_request_state',
    'test_input_required_result_tampered_state',
  ]) {
    server.registerTool(name, { description }, async (ctx) => {
      const kept = ctx.mcpReq.requestState<string>();
      if (kept === 'first') return say('state-ok');
      return inputRequired({ inputRequests: { confirm }, requestState: await state.mint('first') });
    });
  }
  server.registerTool('test_input_required_result_multiple_inputs', { description }, async (ctx) => {
    const keys = ['user_name', 'greeting', 'client_roots'];
    if (keys.every((key) => given(ctx, key) !== undefined)) return say('all there');
    return inputRequired({
      inputRequests: {
        user_name: askName(),
        greeting: sample('Generate a greeting', 50),
        client_roots: inputRequired.listRoots(),
      },
      requestState: await state.mint('all'),
    });
  });
  server.registerTool('test_input_required_result_multi_round', { description }, async (ctx) => {
    const round = ctx.mcpReq.requestState<string>();
    if (round === 'two') return say('done after two rounds');
    const second = round === 'one';
    const asked: InputRequests = second
      ? { step2: ask('Step 2: What is your favorite color?', form({ color: { type: 'string' } })) }
      : { step1: askName('Step 1: What is your name?') };
    return inputRequired({ inputRequests: asked, requestState: await state.mint(second ? 'two' : 'one') });
  });
}

const CHOICES = ['option1', 'option2', 'option3'];
const FORMS: Readonly<Record<string, Form>> = {
  test_elicitation_sep1034_defaults: form(
    {
      name: { type: 'string', default: 'John Doe' },
      age: { type: 'integer', default: 30 },
      score: { type: 'number', default: 95.5 },
      status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
      verified: { type: 'boolean', default: true },
    },
    [],
  ),
  test_elicitation_sep1330_enums: form(
    {
      untitledSingle: { type: 'string', enum: CHOICES },
      titledSingle: {
        type: 'string',
        oneOf: [
          { const: 'value1', title: 'First Option' },
          { const: 'value2', title: 'Second Option' },
        ],
      },
      legacyEnum: {
        type: 'string',
        enum: ['opt1', 'opt2', 'opt3'],
        enumNames: ['Option One', 'Option Two', 'Option Three'],
      },
      untitledMulti: { type: 'array', items: { type: 'string', enum: CHOICES } },
      titledMulti: {
        type: 'array',
        items: {
          anyOf: [
            { const: 'value1', title: 'First Choice' },
            { const: 'value2', title: 'Second Choice' },
          ],
        },
      },
    },
    [],
  ),
};

function addForms(server: McpServer): void {
  for (const [name, requestedSchema] of Object.entries(FORMS)) {
    server.registerTool(name, { description }, async (ctx) => {
      const value = given(ctx, 'asked') as { action?: string; content?: unknown } | undefined;
      if (value === undefined)
        return inputRequired({ inputRequests: { asked: ask('Please fill in', requestedSchema) } });
      return say(`Elicitation completed: action=${value.action}, content=${JSON.stringify(value.content)}`);
    });
  }
  const inputSchema = z.object({ message: z.string() });
  server.registerTool('test_elicitation', { description, inputSchema }, async ({ message }, ctx) => {
    const value = given(ctx, 'asked');
    const person = form({
      username: { type: 'string', description: "User's response" },
      email: { type: 'string', description: "User's email address" },
    });
    if (value === undefined) return inputRequired({ inputRequests: { asked: ask(message, person) } });
    return say(`User response: ${JSON.stringify(value)}`);
  });
}
