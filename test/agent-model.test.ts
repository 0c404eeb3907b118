import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { LLMock } from '@copilotkit/aimock';
import { tool, ToolLoopAgent } from 'ai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { AgentEvent } from '../src/agent/agent.ts';
import { aiSdkAgent } from '../src/agent/ai-sdk/ai-sdk.ts';
import { modelFromEnvironment } from '../src/agent/ai-sdk/model.ts';
import { optionalPackage } from '../src/kernel/optional-package.ts';
import {
  allOf,
  said,
  testContext,
  testTurn,
  textSaid,
  type TestTurnOptions,
} from '../src/testing/test-turn.ts';

// Real HTTP on loopback: a stand-in that speaks the providers' protocols.
const provider = new LLMock({ port: 0 });
beforeAll(() => provider.start());
afterAll(() => provider.stop());
afterEach(() => void provider.reset());

async function ask(
  environment: Record<string, string>,
  options: TestTurnOptions = {},
): Promise<AgentEvent[]> {
  const model = await modelFromEnvironment(environment);
  if (model === undefined) throw new Error('no model');
  const instance = await model.agent.open(testContext());
  return allOf(instance.run(testTurn(options).turn));
}

const openai = (): Record<string, string> => ({
  OPENAI_BASE_URL: `${provider.url}/v1`,
  OPENAI_API_KEY: 'test',
  SOJOURN_MODEL: 'gpt-5.1',
});

/** A server of one answer, for what the stand-in cannot do. */
async function serving(
  answer: (request: IncomingMessage, response: ServerResponse) => void | Promise<void>,
  use: (url: string) => Promise<void>,
): Promise<void> {
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

/** An answer that begins and never ends. */
function endless() {
  const { promise: hungUp, resolve } = Promise.withResolvers<string>();
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    request.resume();
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('data: {"id":"1","choices":[{"index":0,"delta":{"content":"word"}}]}\n\n');
    response.on('close', () => resolve('hung up'));
  };
  return { hungUp, answer };
}

describe('a model from the environment', () => {
  test('without any variable there is none', async () => {
    expect(await modelFromEnvironment({})).toBeUndefined();
    expect(await modelFromEnvironment({ SOJOURN_MODEL: 'x', OPENAI_API_KEY: ' ' })).toBeUndefined();
  });

  test('the start banner names the model and where it is', async () => {
    const described = async (environment: Record<string, string>) =>
      (await modelFromEnvironment(environment))?.description;

    expect(await described({ ANTHROPIC_API_KEY: 'k' })).toBe('claude-sonnet-5-5 at api.anthropic.com');
    expect(await described({ OPENAI_API_KEY: 'k' })).toBe('gpt-5.1 at https://api.openai.com/v1');
    expect(await described({ OPENAI_BASE_URL: 'http://localhost:8000/v1/' })).toBe(
      'the first model at http://localhost:8000/v1',
    );
    expect(await described({ OLLAMA_HOST: '0.0.0.0', SOJOURN_MODEL: 'llama4' })).toBe(
      'llama4 at http://127.0.0.1:11434/v1',
    );
    expect(await described({ OLLAMA_HOST: 'gpu:8080' })).toBe('the first model at http://gpu:8080/v1');
    expect(await described({ OLLAMA_HOST: 'https://ollama.example.org' })).toBe(
      'the first model at https://ollama.example.org/v1',
    );
  });

  test('a model named by its maker is asked where it lives', async () => {
    const both = { ANTHROPIC_API_KEY: 'k', OPENAI_API_KEY: 'k' };

    expect((await modelFromEnvironment(both))?.description).toContain('api.anthropic.com');
    expect((await modelFromEnvironment({ ...both, SOJOURN_MODEL: 'claude-x' }))?.description).toContain(
      'anthropic',
    );
    expect((await modelFromEnvironment({ ...both, SOJOURN_MODEL: 'gpt-x' }))?.description).toContain(
      'openai',
    );
  });

  test('an address that is none is refused by name', async () => {
    await expect(modelFromEnvironment({ OPENAI_BASE_URL: 'localhost' })).rejects.toMatchObject({
      code: 'config.invalid',
      detail: expect.stringContaining('OPENAI_BASE_URL'),
    });
  });

  test('an OpenAI-compatible endpoint answers, and says what it used', async () => {
    provider.onMessage('hello', {
      content: 'Hi from afar.',
      usage: { prompt_tokens: 12, completion_tokens: 4 },
    });

    const events = await ask(openai(), { input: 'hello' });

    expect(textSaid(events)).toBe('Hi from afar.');
    expect(events).toContainEqual(
      expect.objectContaining({
        kind: 'usage',
        usage: { inputTokens: 12, outputTokens: 4, cacheReadTokens: 0, cacheWriteTokens: 0 },
      }),
    );
    expect(provider.getLastRequest()?.body).toMatchObject({ model: 'gpt-5.1', stream: true });
  });

  test('Anthropic answers, and its thinking returns to it signed', async () => {
    provider.onMessage('hello', { content: 'Hi.', reasoning: 'A greeting.', reasoningSignature: 'c2ln' });
    provider.onMessage('again', { content: 'Hi again.' });

    const bodies: string[] = [];
    const passOn = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
      const body = await new Response(Readable.toWeb(request) as ReadableStream).text();
      bodies.push(body);
      const headers = {
        'content-type': 'application/json',
        'x-api-key': 'test',
        'anthropic-version': '2023-06-01',
      };
      const answer = await fetch(`${provider.url}${request.url}`, { method: 'POST', headers, body });
      response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' });
      response.end(await answer.text());
    };

    await serving(passOn, async (url) => {
      const anthropic = { ANTHROPIC_API_KEY: 'test', ANTHROPIC_BASE_URL: `${url}/v1` };
      const events = await ask(anthropic, { input: 'hello' });
      const whole = events.find((event) => typeof event === 'object' && event.kind === 'message');
      const parts = typeof whole === 'object' && whole.kind === 'message' ? whole.parts : [];
      await ask(anthropic, { input: 'again', history: [said('user', 'hello'), said('assistant', parts)] });

      expect(textSaid(events)).toBe('Hi.');
      expect(events).toContainEqual(expect.objectContaining({ kind: 'reasoning.delta' }));
      expect(JSON.parse(bodies[1] ?? '')).toMatchObject({
        messages: [
          { role: 'user' },
          {
            role: 'assistant',
            content: [
              { type: 'thinking', thinking: 'A greeting.', signature: 'c2ln' },
              { type: 'text', text: 'Hi.' },
            ],
          },
          { role: 'user' },
        ],
      });
    });
  });

  test('several turns with a tool between them reach the endpoint in its own order', async () => {
    provider.on(
      { userMessage: 'weather', hasToolResult: false },
      {
        toolCalls: [{ id: 'call_1', name: 'weather', arguments: { city: 'Oslo' } }],
      },
    );
    provider.on({ userMessage: 'weather', hasToolResult: true }, { content: 'Seven degrees.' });
    provider.onMessage('thanks', { content: 'Welcome.' });
    const endpoint = createOpenAICompatible({ name: 'test', baseURL: `${provider.url}/v1`, apiKey: 'test' });
    const agent = aiSdkAgent(
      new ToolLoopAgent({
        model: endpoint('gpt-5.1'),
        tools: {
          weather: tool({
            inputSchema: z.object({ city: z.string() }),
            execute: async () => ({ celsius: 7 }),
          }),
        },
      }),
    );
    const instance = await agent.open(testContext());

    const first = await allOf(instance.run(testTurn({ input: 'weather?' }).turn));
    const history = first.flatMap((event) =>
      typeof event === 'object' && event.kind === 'message' ? [said(event.role, event.parts)] : [],
    );
    const second = await allOf(
      instance.run(testTurn({ input: 'thanks', history: [said('user', 'weather?'), ...history] }).turn),
    );

    expect([textSaid(first), textSaid(second)]).toEqual(['Seven degrees.', 'Welcome.']);
    expect(provider.getLastRequest()?.body).toMatchObject({
      messages: [
        { role: 'user' },
        { role: 'assistant', tool_calls: [{ id: 'call_1' }] },
        { role: 'tool', tool_call_id: 'call_1', content: '{"celsius":7}' },
        { role: 'assistant', content: 'Seven degrees.' },
        { role: 'user' },
      ],
    });
  });

  test('an abort hangs up on the model', async () => {
    const { hungUp, answer } = endless();

    await serving(answer, async (url) => {
      const model = await modelFromEnvironment({ OPENAI_BASE_URL: url, SOJOURN_MODEL: 'm' });
      const instance = await model?.agent.open(testContext());
      const { turn, abort } = testTurn();
      const events: AgentEvent[] = [];

      const running = (async () => {
        for await (const event of instance?.run(turn) ?? []) {
          events.push(event);
          abort(new Error('stopped'));
        }
      })();

      await expect(running).rejects.toThrow('stopped');
      await hungUp;
      expect(textSaid(events)).toBe('word');
    });
  });

  test('who stops reading hangs up on the model too', async () => {
    const { hungUp, answer } = endless();

    await serving(answer, async (url) => {
      const model = await modelFromEnvironment({ OPENAI_BASE_URL: url, SOJOURN_MODEL: 'm' });
      const instance = await model?.agent.open(testContext());

      for await (const event of instance?.run(testTurn().turn) ?? []) if (event) break;

      await expect(hungUp).resolves.toBe('hung up');
    });
  });

  test('an answer about a bad key tells neither the key nor what the provider said of it', async () => {
    provider.onMessage('hello', { error: { message: 'Incorrect API key provided: sk-test' }, status: 401 });

    const failed = ask(openai(), { input: 'hello' });

    await expect(failed).rejects.toMatchObject({
      code: 'agent.model_refused',
      detail: 'The model answered 401',
    });
  });

  test('a model that is busy says when to come back', async () => {
    provider.onMessage('hello', { error: { message: 'slow down' }, status: 429, retryAfter: 7 });
    const endpoint = createOpenAICompatible({ name: 'test', baseURL: `${provider.url}/v1`, apiKey: 'test' });
    const agent = new ToolLoopAgent({ model: endpoint('gpt-5.1'), maxRetries: 0, onError: () => {} });
    const instance = await aiSdkAgent(agent).open(testContext());

    await expect(allOf(instance.run(testTurn().turn))).rejects.toMatchObject({
      code: 'agent.model_unavailable',
      detail: 'The model answered 429',
      retryAfterMs: 7_000,
    });
  });

  test('a package that is not there is named with the command that installs it', async () => {
    const missing = Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' });
    const broken = new SyntaxError('broken');

    await expect(optionalPackage('@some/provider', () => Promise.reject(missing))).rejects.toMatchObject({
      code: 'agent.package_missing',
      detail: expect.stringContaining('npm install @some/provider'),
    });
    await expect(optionalPackage('@some/provider', () => Promise.reject(broken))).rejects.toBe(broken);
  });

  test('a request the model turns down says why', async () => {
    provider.onMessage('hello', { error: { message: 'The model gpt-0 does not exist.' }, status: 404 });

    await expect(ask(openai(), { input: 'hello' })).rejects.toMatchObject({
      code: 'agent.model_refused',
      detail: 'The model answered 404: The model gpt-0 does not exist',
    });
  });

  test('an endpoint without a named model is asked for its first one, once', async () => {
    const asked: string[] = [];
    const endpoint = (request: IncomingMessage, response: ServerResponse): void => {
      asked.push(request.url ?? '');
      request.resume();
      if (request.url === '/v1/models') {
        response.end('{"object":"list","data":[{"id":"llama4:8b"},{"id":"other"}]}');
        return;
      }
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: {"id":"1","choices":[{"index":0,"delta":{"content":"hi"}}]}\n\n');
      response.write('data: {"id":"1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n');
      response.end('data: [DONE]\n\n');
    };

    await serving(endpoint, async (url) => {
      const model = await modelFromEnvironment({ OLLAMA_HOST: url });
      const [one, two] = await Promise.all([
        model?.agent.open(testContext()),
        model?.agent.open(testContext()),
      ]);

      const said = [];
      for (const instance of [one, two]) {
        if (instance) said.push(textSaid(await allOf(instance.run(testTurn().turn))));
      }

      expect(said).toEqual(['hi', 'hi']);
      expect(asked).toEqual(['/v1/models', '/v1/chat/completions', '/v1/chat/completions']);
    });
  });

  test('an endpoint that is down fails the message and not the start, and is asked again', async () => {
    let up = false;
    const endpoint = (_request: IncomingMessage, response: ServerResponse): void => {
      if (!up) response.writeHead(503);
      response.end(up ? '{"data":[]}' : '');
    };

    await serving(endpoint, async (url) => {
      const model = await modelFromEnvironment({ OPENAI_BASE_URL: url });
      const open = async () => model?.agent.open(testContext());

      await expect(open()).rejects.toMatchObject({ code: 'agent.model_unavailable' });
      up = true;
      await expect(open()).rejects.toMatchObject({
        code: 'agent.model_refused',
        detail: expect.stringContaining('has no model'),
      });
    });
  });
});
