// ACP stage: the echo agent as an agent of ours, with a folder of its own.
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { acpAgent, type AcpOptions } from '../src/agent/acp/acp.ts';
import type { Agent } from '../src/agent/agent.ts';

export const ECHO = fileURLToPath(new URL('./acp-echo-agent.ts', import.meta.url));

export function scratch(): { folder: string; remove: () => void } {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'sojourn-acp-')));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

export interface EchoOptions extends Partial<AcpOptions> {
  /** Where it works, and keeps its sessions unless it is told not to. */
  folder: string;
  /** `name=value`, as acp-echo-agent.ts says. */
  words?: readonly string[];
  forgets?: boolean;
}

export function echo({ folder, words = [], forgets = false, ...options }: EchoOptions): Agent {
  const memory = forgets ? [] : [`memory=${folder}`];
  return acpAgent({
    command: process.execPath,
    args: [ECHO, ...memory, ...words],
    cwd: folder,
    name: 'Echo',
    ...options,
    inherit: ['NODE_COMPILE_CACHE', ...(options.inherit ?? [])], // It starts in half the time.
  });
}
