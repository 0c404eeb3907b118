// The agents of the story: OpenCode, Claude Code and a browser, all of them set up to ask the model server of this example.
// With models of your own only the variables and the model change: `openCode({ cwd })` is a whole agent.
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { existsSync, mkdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { claudeCode, openCode, type ReadyMadeOptions } from 'sojourn/agent/acp';
import { aiSdkAgent } from 'sojourn/agent/ai-sdk';
import { browserAgent } from 'sojourn/agent/browser';
import type { Story } from './story.ts';

/** Where `scripts/agents.mjs` puts them. */
const BIN = fileURLToPath(new URL('../../node_modules/.cache/agents/node_modules/.bin', import.meta.url));

/** What a million tokens cost: told to OpenCode as its model's price, and to the runtime for the browser's. */
export const PRICE = { input: 3, output: 15 };
export const MODEL = 'story-model';

export interface Places {
  /** The model server. */
  model: string;
  /** The page that the browser may open: `127.0.0.1:PORT`. */
  page: string;
  /** A scratch folder. */
  folder: string;
}

type Agents = Pick<Story, 'coder' | 'tester' | 'reader' | 'wishes'>;

export function realAgents(places: Places): Agents {
  const { model, page } = places;
  const work = workFolder(places);
  const own = join(BIN, 'chromium');
  const provider = createOpenAICompatible({
    name: 'story',
    baseURL: `${model}/v1`,
    apiKey: 'none',
    includeUsage: true,
  });
  return {
    coder: openCode(openCodeOptions(places)),
    tester: claudeCode(claudeOptions(places)),
    reader: aiSdkAgent(
      browserAgent({
        model: provider(MODEL),
        allow: [page],
        // Only ever without one on a machine that is a sandbox itself; here it opens a page of ours.
        sandbox: process.getuid?.() !== 0,
        ...(existsSync(own) ? { executablePath: own } : {}),
      }),
    ),
    wishes: {
      coder: [`Please write ${join(work, 'parser.ts')}`, `Please write ${join(work, 'faster-parser.ts')}`],
      tester: [`Please write ${join(work, 'parser.test.ts')}`, 'Please wait until I stop you'],
      reader: `Please read http://${page}/`,
    },
  };
}

export function openCodeOptions(places: Places): ReadyMadeOptions {
  return { cwd: workFolder(places), env: { ...environment(places), ...openCodeVariables(places.model) } };
}

export function claudeOptions(places: Places): ReadyMadeOptions {
  const env = environment(places);
  return { cwd: workFolder(places), env: { ...env, ...claudeVariables(places.model, env.HOME) } };
}

function environment({ folder }: Places): { PATH: string; HOME: string } {
  const home = join(folder, 'home');
  mkdirSync(home, { recursive: true });
  return { PATH: `${BIN}${delimiter}${process.env['PATH'] ?? ''}`, HOME: home };
}

function workFolder({ folder }: Places): string {
  const work = join(folder, 'work');
  mkdirSync(work, { recursive: true });
  return work;
}

function openCodeVariables(model: string): Record<string, string> {
  const price = { input: PRICE.input, output: PRICE.output };
  const limit = { context: 100_000, output: 8_000 };
  const models = { [MODEL]: { name: 'Story', tool_call: true, cost: price, limit } };
  const options = { baseURL: `${model}/v1`, apiKey: 'none' };
  const config = {
    model: `story/${MODEL}`,
    small_model: `story/${MODEL}`,
    provider: { story: { npm: '@ai-sdk/openai-compatible', name: 'Story', options, models } },
  };
  return {
    OPENCODE_CONFIG_CONTENT: JSON.stringify(config),
    OPENCODE_DISABLE_AUTOUPDATE: '1',
    OPENCODE_DISABLE_MODELS_FETCH: '1',
  };
}

function claudeVariables(model: string, home: string): Record<string, string> {
  return {
    ANTHROPIC_BASE_URL: model,
    ANTHROPIC_API_KEY: 'none',
    CLAUDE_CONFIG_DIR: home,
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    CLAUDE_CODE_ENABLE_PROMPT_SUGGESTION: '0',
    // It refuses to work for root otherwise.
    IS_SANDBOX: '1',
  };
}
