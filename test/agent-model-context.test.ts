// A model from the environment and its working set: nothing has to be set for it. Real HTTP on loopback.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { LLMock } from '@copilotkit/aimock';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { modelFromEnvironment } from '../src/agent/ai-sdk/model.ts';
import { windowTokensOf } from '../src/agent/ai-sdk/windows.ts';
import { shownDigest } from '../src/context/digest.ts';
import { allOf, said, testContext, testTurn, textSaid } from '../src/testing/test-turn.ts';

const provider = new LLMock({ port: 0 });
beforeAll(() => provider.start());
afterAll(() => provider.stop());
afterEach(() => void provider.reset());

const environment = (url: string): Record<string, string> => ({
  OPENAI_BASE_URL: `${url}/v1`,
  OPENAI_API_KEY: 'test',
  SOJOURN_MODEL: 'gpt-4o',
});

const DIGEST = said('user', shownDigest('- log:1-9 asked: the code', 'log:1-9'));

async function ask(url: string, history = [DIGEST], input = 'what was the code?') {
  const model = await modelFromEnvironment(environment(url));
  const instance = await model?.agent.open(testContext());
  const made = testTurn({
    input,
    history,
    readBack: () => ({ ref: 'log:1-9', mediaType: 'text/plain', bytes: null, text: 'the code is 4711' }),
  });
  return { events: instance === undefined ? [] : await allOf(instance.run(made.turn)), made };
}

const tools = (): unknown => (provider.getLastRequest()?.body as { tools?: unknown } | undefined)?.tools;

test('the working set of a model is measured by its own window where that is smaller than usual', async () => {
  const context = async (env: Record<string, string>) => (await modelFromEnvironment(env))?.agent.context;

  expect(await context({ ANTHROPIC_API_KEY: 'k' })).toEqual({
    model: 'claude-sonnet-5-5',
    windowTokens: 136_000,
  });
  expect(await context({ OPENAI_API_KEY: 'k' })).toEqual({ model: 'gpt-5.1' });
  expect(await context({ OPENAI_API_KEY: 'k', SOJOURN_MODEL: 'gpt-4o-mini' })).toEqual({
    model: 'gpt-4o-mini',
    windowTokens: 111_616,
  });
  expect(await context({ OLLAMA_HOST: 'gpu', OLLAMA_CONTEXT_LENGTH: '8192' })).toEqual({
    windowTokens: 8_192,
  });
  expect(await context({ OLLAMA_HOST: 'gpu', OLLAMA_CONTEXT_LENGTH: 'much' })).toEqual({});
});

test.each([
  ['gpt-4', 6_144],
  ['gpt-4-0613', 6_144],
  ['openai/o3-mini', 100_000],
  ['gpt-5-chat-latest', 111_616],
  ['gpt-4.1', undefined],
  ['llama3.2', undefined],
])('%s reads %s tokens at once', (model, windowTokens) => {
  expect(windowTokensOf(model)).toBe(windowTokens);
});

test('what was moved out is read back by the model itself', async () => {
  provider.on(
    { userMessage: 'code', hasToolResult: false },
    { toolCalls: [{ id: 'call_1', name: 'read_back', arguments: { ref: 'log:1-9' } }] },
  );
  provider.on({ userMessage: 'code', hasToolResult: true }, { content: 'It is 4711.' });

  const { events, made } = await ask(provider.url);

  expect(textSaid(events)).toBe('It is 4711.');
  expect(made.reads).toEqual([{ ref: 'log:1-9' }]);
  expect(tools()).toMatchObject([{ function: { name: 'read_back' } }]);
  expect(JSON.stringify(provider.getLastRequest()?.body)).toContain('the code is 4711');
});

test('where nothing was moved out the model is offered no tool: not all take any', async () => {
  provider.onMessage('code', { content: 'Which?' });

  await ask(provider.url, [said('user', 'hi'), said('assistant', 'hello')]);

  expect(tools()).toBeUndefined();
});

test('a model that takes no tools answers all the same', async () => {
  const asked: boolean[] = [];
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const { tools: given } = JSON.parse(body) as { tools?: unknown };
    asked.push(given !== undefined);
    if (given !== undefined) {
      response.writeHead(400, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ error: { message: 'gemma does not support tools', type: 'api_error' } }));
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('data: {"id":"1","choices":[{"index":0,"delta":{"content":"I forgot."}}]}\n\n');
    response.write('data: {"id":"1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n');
    response.end('data: [DONE]\n\n');
  };
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const { events } = await ask(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);

    expect(textSaid(events)).toBe('I forgot.');
    expect(asked).toEqual([true, false]);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});
