// Agent choice: which agents a server starts with, when nobody has said and when somebody has.
import type { Agent } from '../agent/agent.ts';
import { modelFromEnvironment } from '../agent/ai-sdk/model.ts';
import { scriptedAgent } from '../agent/scripted/scripted.ts';
import { SojournError } from '../kernel/errors.ts';
import type { LoadedConfig } from './config.ts';
import type { World } from './world.ts';

export interface AgentChoice {
  agents: Readonly<Record<string, Agent>>;
  defaultAgent: string;
  /** One line for people about where the default agent comes from. */
  description: string;
  /** Something that was asked for and cannot be had. */
  warning?: string;
}

/**
 * A config's own agents, and none besides: nobody wants a stranger's there. Else a model that the environment names, with the
 * scripted agent beside it. Else the scripted agent.
 */
export async function chooseAgents(
  env: World['env'],
  config: LoadedConfig | undefined,
): Promise<AgentChoice> {
  if (config !== undefined) return choiceOf(config);
  const scripted = scriptedAgent({ wordMs: wordMs(env), crash: crashNow });
  const plain = {
    agents: { scripted },
    defaultAgent: 'scripted',
    description: 'no model, no key; try /words 50 100, /ask Who?, /tool clock {} or /crash',
  };
  try {
    const model = await modelFromEnvironment(env);
    if (model === undefined) return plain;
    return {
      agents: { model: model.agent, scripted },
      defaultAgent: 'model',
      description: model.description,
    };
  } catch (error) {
    // A key that is set for other programs must not keep this one from starting.
    if (!SojournError.is(error, 'agent.package_missing')) throw error;
    return { ...plain, warning: `A model is configured, but cannot be used: ${error.detail}` };
  }
}

export function choiceOf(config: LoadedConfig): AgentChoice {
  const { agents, defaultAgent } = config;
  return {
    agents,
    defaultAgent: defaultAgent ?? Object.keys(agents)[0] ?? '',
    description: 'from the config',
  };
}

function wordMs(env: World['env']): number {
  const text = env.SOJOURN_SCRIPTED_MS || '30';
  const value = Number(text);
  if (value >= 0 && value <= 60_000) return value;
  throw new SojournError(
    'config.invalid',
    `SOJOURN_SCRIPTED_MS is ${JSON.stringify(text)}; 0 to 60000 is meant`,
  );
}

/** As a power cut would: nothing is flushed, nobody is told. */
function crashNow(): never {
  process.kill(process.pid, 'SIGKILL');
  for (;;); // The signal is on its way.
}
