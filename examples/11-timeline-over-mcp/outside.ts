// OpenCode by itself, as its own users have it: started by nobody but them, with Sojourn as an MCP server in its opencode.json.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { openCodeOptions } from '../10-sub-agents/agents.ts';

export interface Outside {
  /** A scratch folder. */
  folder: string;
  /** The model server. */
  model: string;
  /** Our own, and a token for it. */
  url: string;
  token: string;
  signal: AbortSignal;
}

/** `opencode run WISH`: what it says in the end. */
export async function runOpenCode(outside: Outside, wish: string): Promise<string> {
  const { folder, model, url, token, signal } = outside;
  const { cwd, env } = openCodeOptions({ model, page: '', folder });
  const work = typeof cwd === 'string' ? cwd : folder;
  const sojourn = {
    type: 'remote',
    url: `${url}/mcp`,
    headers: { Authorization: 'Bearer {env:SOJOURN_TOKEN}' },
  };
  writeFileSync(join(work, 'opencode.json'), JSON.stringify({ mcp: { sojourn } }, null, 2));
  const child = spawn('opencode', ['run', wish], {
    cwd: work,
    env: { ...env, SOJOURN_TOKEN: token },
    stdio: ['ignore', 'pipe', 'pipe'],
    signal,
  });
  const [said, remarks, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ]);
  if (code !== 0) throw new Error(`OpenCode ended with ${code}: ${remarks}`);
  return said.trim();
}
