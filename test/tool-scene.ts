// Tool scene: turns of a real runtime that use the tools of MCP servers, each test with a folder and toolboxes of its own.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach } from 'vitest';
import { systemClock } from '../src/kernel/clock.ts';
import { testRuntime, type TestRuntime } from '../src/testing/test-runtime.ts';
import type { Tool, Toolbox, ToolResult, ToolSet } from '../src/tool/tool.ts';
import { mcpTools, type McpToolsOptions } from '../src/tool/mcp/mcp.ts';
import { type Act, send, Stage } from './session-stage.ts';

const PROGRAM = fileURLToPath(new URL('mcp-tool-server.ts', import.meta.url));

/** Of this test: what lies there decides what its servers are. */
export let folder: string;
const boxes: Toolbox[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tools-'));
});

afterEach(async () => {
  await Promise.all(boxes.splice(0).map((box) => box.close()));
  rmSync(folder, { recursive: true, force: true });
});

export const program = (...env: string[]) => ({
  command: process.execPath,
  args: [PROGRAM, folder],
  cwd: folder,
  env: Object.fromEntries(env.map((name) => [name, 'set'])),
});

export function box(options: Partial<McpToolsOptions> = {}): Toolbox {
  const made = mcpTools({ servers: { fixture: program() }, clock: systemClock, ...options });
  boxes.push(made);
  return made;
}

export interface Scene extends AsyncDisposable {
  world: TestRuntime;
  stage: Stage;
  /** Begins a turn and gets its tools. */
  turn(key?: string): Promise<{ act: Act; id: string; set: ToolSet }>;
}

export async function scene(tools: Toolbox, limits = {}): Promise<Scene> {
  const stage = new Stage();
  const world = await testRuntime({ agents: { stage }, limits });
  return {
    world,
    stage,
    async turn(key = 'chat') {
      const { turn: id } = await send(world, key, 'go');
      const act = await stage.next();
      return { act, id, set: await tools.tools(act.turn) };
    },
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
}

export function tool({ tools }: ToolSet, name: string): Tool {
  const found = tools.find((each) => each.name === name);
  if (found === undefined) throw new Error(`no tool ${name} among ${tools.map((each) => each.name).join()}`);
  return found;
}

export const call = (
  set: ToolSet,
  name: string,
  input = {},
  signal = new AbortController().signal,
): Promise<ToolResult> => tool(set, name).call(input, { call: 'c1', signal });

export const said = ({ parts }: ToolResult): string =>
  parts.map((part) => (part.type === 'text' ? part.text : part.type)).join(' ');
