// Ready-made: agents that many people have, by their names. None is a dependency of ours: whoever wants one installs it.
import type { Agent } from '../agent.ts';
import { acpAgent, type AcpOptions } from './acp-agent.ts';

/** As `acpAgent` takes them; `command` and `args` where the program lies elsewhere. */
export type ReadyMadeOptions = Omit<AcpOptions, 'command'> & { command?: string };

const global = (name: string): string => `npm install --global ${name}`;

/** Signs in as `claude` does in this user's home; or pass its key on: `inherit: ['ANTHROPIC_API_KEY']`. */
export function claudeCode(options: ReadyMadeOptions): Agent {
  return acpAgent({
    command: 'claude-agent-acp',
    name: 'Claude Code',
    install: global('@agentclientprotocol/claude-agent-acp'),
    ...options,
  });
}

/** Signs in as `codex` does in this user's home; or pass its key on: `inherit: ['OPENAI_API_KEY']`. */
export function codex(options: ReadyMadeOptions): Agent {
  return acpAgent({
    command: 'codex-acp',
    name: 'Codex',
    install: global('@agentclientprotocol/codex-acp'),
    ...options,
  });
}

/** Uses the models that `opencode` is set up with in this user's home; `inherit` passes keys on. */
export function openCode(options: ReadyMadeOptions): Agent {
  return acpAgent({
    command: 'opencode',
    args: ['acp'],
    name: 'OpenCode',
    install: global('opencode-ai'),
    ...options,
  });
}

/** It forgets its session with its process: a turn that waits for a person ends with it. */
export function gemini(options: ReadyMadeOptions): Agent {
  return acpAgent({
    command: 'gemini',
    args: ['--acp'],
    name: 'Gemini',
    install: global('@google/gemini-cli'),
    resumes: false,
    ...options,
  });
}
