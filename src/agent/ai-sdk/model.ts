// modelFromEnvironment: the agent that answers when a model is configured and nothing else is.
//
// Owns what the variables mean. It reads none: the caller passes them in. No endpoint is called before the first
// message needs it, so a server starts while its model is down.
//
//   E1. It has the tool `read_back` from the turn on for which something was moved out of its working set: not all models take
//       tools. One that refuses them is asked without.
import type { LanguageModel } from 'ai';
import { SojournError } from '../../kernel/errors.ts';
import { optionalPackage } from '../../kernel/optional-package.ts';
import type { Message } from '../../wire/message.ts';
import type { Agent, AgentContext } from '../agent.ts';
import { READ_BACK } from '../read-back-tool.ts';
import { aiSdkAgent } from './ai-sdk.ts';
import { withReadBack } from './given-tools.ts';
import { loadSdk, type Sdk } from './sdk.ts';
import { windowTokensOf } from './windows.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface EnvironmentModel {
  agent: Agent;
  /** One line for people: which model, and where. */
  description: string;
}

const ANTHROPIC_URL = 'https://api.anthropic.com/v1';
const ANTHROPIC_MODEL = 'claude-sonnet-5-5';
const OPENAI_URL = 'https://api.openai.com/v1';
const OPENAI_MODEL = 'gpt-5.1';
const OLLAMA_PORT = '11434';

/**
 * - `ANTHROPIC_API_KEY`: Anthropic, at `ANTHROPIC_BASE_URL` when that is set.
 * - `OPENAI_API_KEY`, `OPENAI_BASE_URL` or both: that endpoint, OpenAI's own without an address.
 * - `OLLAMA_HOST`: that Ollama.
 *
 * The first that is set counts, except that `SOJOURN_MODEL` with a name that is not Claude's passes Anthropic over where
 * another endpoint is set. `SOJOURN_MODEL` names the model; a compatible endpoint without one is asked for its first.
 * `OLLAMA_CONTEXT_LENGTH`, as Ollama itself reads it, is the window of its models. Undefined when nothing is set. Throws `agent.package_missing`, and `config.invalid` for an address that is none.
 */
export async function modelFromEnvironment(environment: Environment): Promise<EnvironmentModel | undefined> {
  const set = (name: string): string | undefined => environment[name]?.trim() || undefined;
  const model = set('SOJOURN_MODEL');
  const anthropicKey = set('ANTHROPIC_API_KEY');
  const endpoint = compatibleEndpoint(set);
  if (anthropicKey !== undefined && (endpoint === undefined || (model ?? 'claude').startsWith('claude'))) {
    const baseURL = set('ANTHROPIC_BASE_URL') ?? ANTHROPIC_URL;
    return anthropic(model ?? ANTHROPIC_MODEL, anthropicKey, baseURL);
  }
  return endpoint === undefined ? undefined : compatible(endpoint, model);
}

interface Endpoint {
  url: string;
  key: string | undefined;
  /** Undefined: whichever it names first. */
  model: string | undefined;
  /** Where it says so itself. */
  windowTokens?: number;
}

function compatibleEndpoint(set: (name: string) => string | undefined): Endpoint | undefined {
  const key = set('OPENAI_API_KEY');
  const url = set('OPENAI_BASE_URL');
  if (url !== undefined)
    return { url: address('OPENAI_BASE_URL', url).replace(/\/$/, ''), key, model: undefined };
  if (key !== undefined) return { url: OPENAI_URL, key, model: OPENAI_MODEL };
  const host = set('OLLAMA_HOST');
  if (host === undefined) return undefined;
  const windowTokens = Number(set('OLLAMA_CONTEXT_LENGTH'));
  const own = Number.isSafeInteger(windowTokens) && windowTokens > 0 ? { windowTokens } : {};
  return { url: ollamaUrl(host), key: undefined, model: undefined, ...own };
}

async function anthropic(model: string, apiKey: string, baseURL: string): Promise<EnvironmentModel> {
  const [{ createAnthropic }] = await Promise.all([
    optionalPackage('@ai-sdk/anthropic', () => import('@ai-sdk/anthropic')),
    loadSdk(),
  ]);
  const provider = createAnthropic({ apiKey, baseURL });
  const agent = lazily(contextOf(model), async () => provider(model));
  return { agent, description: `${model} at ${new URL(address('ANTHROPIC_BASE_URL', baseURL)).host}` };
}

async function compatible(endpoint: Endpoint, named: string | undefined): Promise<EnvironmentModel> {
  const [{ createOpenAICompatible }] = await Promise.all([
    optionalPackage('@ai-sdk/openai-compatible', () => import('@ai-sdk/openai-compatible')),
    loadSdk(),
  ]);
  const provider = createOpenAICompatible({
    name: 'compatible',
    baseURL: endpoint.url,
    includeUsage: true,
    ...(endpoint.key === undefined ? {} : { apiKey: endpoint.key }),
  });
  const model = named ?? endpoint.model;
  return {
    agent: lazily(contextOf(model, endpoint.windowTokens), async (signal) =>
      provider(model ?? (await firstModel(endpoint, signal))),
    ),
    description: `${model ?? 'the first model'} at ${endpoint.url}`,
  };
}

function contextOf(model: string | undefined, own?: number): AgentContext {
  const windowTokens = own ?? (model === undefined ? undefined : windowTokensOf(model));
  return {
    ...(model === undefined ? {} : { model }),
    ...(windowTokens === undefined ? {} : { windowTokens }),
  };
}

type CallableModel = Exclude<LanguageModel, string>;

/** The model is chosen when a session opens: once, unless that fails. */
function lazily(context: AgentContext, choose: (signal: AbortSignal) => Promise<CallableModel>): Agent {
  let chosen: Promise<Agent> | undefined;
  const make = async (signal: AbortSignal): Promise<Agent> => {
    const sdk = await loadSdk();
    const model = toolsOptional(await choose(signal), sdk);
    return aiSdkAgent((turn) => {
      const tools = hasMovedOut(turn.history) ? withReadBack(turn, {}) : {}; // E1
      // Its errors fail the turn; the SDK would also print them.
      return new sdk.ToolLoopAgent({ model, tools, onError: () => {} });
    });
  };
  return {
    capabilities: { rerun: 'never', steers: true, rewinds: true, forks: true, ownsHistory: false },
    context,
    async open(opening, previous) {
      chosen ??= make(opening.signal).catch((error: unknown) => {
        chosen = undefined; // the next session asks again
        throw error;
      });
      return (await chosen).open(opening, previous);
    },
  };
}

/** What stands for something names the tool. */
function hasMovedOut(history: readonly Message[]): boolean {
  return history.some(({ parts }) =>
    parts.some((part) => {
      if (part.type === 'tool-result')
        return JSON.stringify(part.output ?? part.ref ?? '').includes(READ_BACK);
      return part.type === 'text' && part.text.includes(READ_BACK);
    }),
  );
}

/** E1. */
function toolsOptional(model: CallableModel, sdk: Sdk): CallableModel {
  let refuses = false;
  return sdk.wrapLanguageModel({
    model,
    middleware: {
      async wrapStream({ doStream, params, model: inner }) {
        const { tools, toolChoice: _none, ...bare } = params;
        if (tools === undefined || tools.length === 0) return doStream();
        if (refuses) return inner.doStream(bare);
        try {
          return await doStream();
        } catch (error) {
          if (!sdk.APICallError.isInstance(error) || error.statusCode !== 400 || !/tool/i.test(error.message))
            throw error;
          refuses = true;
          return inner.doStream(bare);
        }
      },
    },
  });
}

async function firstModel({ url, key }: Endpoint, signal: AbortSignal): Promise<string> {
  const headers: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${key}` };
  let answer: unknown;
  try {
    const response = await fetch(`${url}/models`, { headers, signal });
    if (!response.ok) {
      const code =
        response.status >= 500 || response.status === 429 ? 'agent.model_unavailable' : 'agent.model_refused';
      throw new SojournError(code, `${url}/models answered ${response.status}`);
    }
    answer = await response.json();
  } catch (cause) {
    if (cause instanceof SojournError) throw cause;
    throw new SojournError('agent.model_unavailable', `${url}/models did not answer`, { cause });
  }
  const first = firstId(answer);
  if (first === undefined) {
    throw new SojournError(
      'agent.model_refused',
      `${url} has no model: pull one, or name one in SOJOURN_MODEL`,
    );
  }
  return first;
}

function firstId(answer: unknown): string | undefined {
  const data: unknown =
    typeof answer === 'object' && answer !== null && 'data' in answer ? answer.data : undefined;
  const first: unknown = Array.isArray(data) ? data[0] : undefined;
  if (typeof first !== 'object' || first === null || !('id' in first)) return undefined;
  return typeof first.id === 'string' ? first.id : undefined;
}

/** As Ollama reads it: a scheme and a port are optional, and the address to listen on everywhere is this machine. */
function ollamaUrl(host: string): string {
  const url = new URL(address('OLLAMA_HOST', /^https?:\/\//.test(host) ? host : `http://${host}`));
  if (url.hostname === '0.0.0.0') url.hostname = '127.0.0.1';
  if (url.port === '' && !/^https?:\/\/[^/]*:\d+/.test(host) && url.protocol === 'http:')
    url.port = OLLAMA_PORT;
  return `${url.origin}/v1`;
}

function address(name: string, text: string): string {
  if (/^https?:\/\//.test(text) && URL.canParse(text)) return text;
  throw new SojournError(
    'config.invalid',
    `${name} is ${JSON.stringify(text)}; it must be an http or https address`,
  );
}
