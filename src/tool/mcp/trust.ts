// Trust: a tool is what the session first saw, or a person has looked at it.
//
// A server may change what its tools say of themselves, and what a tool says is read by a model. So the first list a session
// sees is pinned by its hashes, for as long as the session; whatever differs from it later, new tools included, is shown to
// models without its own words, and runs only after a person has seen them and allowed it.
//
//   R1. A hash covers the name, the description and the schemas: everything a model reads.
//   R2. An approval is for exactly that hash. With `remember` it is kept with the session, else it is for this turn.
import { hash } from 'node:crypto';
import { canonicalJson, type JsonObject } from '../../kernel/json.ts';
import type { Tool, ToolCallOptions, ToolResult, ToolTurn } from '../tool.ts';
import { bare } from './bare.ts';
import type { Link } from './link.ts';
import type { Listed } from './listing.ts';

/** The tools of one server as an agent of this session may call them. */
export async function guarded(
  turn: ToolTurn,
  server: string,
  listed: readonly Listed[],
  link: Link,
  named: (server: string, tool: string) => string,
): Promise<readonly Tool[]> {
  const hashes = new Map(listed.map((tool) => [tool.name, hashOf(tool)]));
  const seen = await turn.pinned(`mcp:${server}`, JSON.stringify([...hashes.values()])); // R1: a hash tells the name too.
  const first = new Set(Object.values(JSON.parse(seen ?? '[]') as Record<string, string>));
  return Promise.all(
    listed.map(async (tool): Promise<Tool> => {
      const now = hashes.get(tool.name) ?? '';
      const name = named(server, tool.name);
      const own = {
        name,
        call: (input: JsonObject, options: ToolCallOptions) => link.call(tool.name, input, options),
      };
      const isKnown = first.has(now) || (await turn.pinned(pinOf(server, tool.name, now))) === 'allowed';
      if (isKnown) return { ...own, description: tool.description, inputSchema: tool.inputSchema };
      return {
        name,
        description: `This tool has changed since the session first saw its server. A person is asked before it runs.`,
        inputSchema: bare(tool.inputSchema),
        async call(input, options) {
          const refusal = await refused(turn, server, tool, now, name, options);
          return refusal ?? own.call(input, options);
        },
      };
    }),
  );
}

/** R2. Undefined where a person allows it. */
async function refused(
  turn: ToolTurn,
  server: string,
  tool: Listed,
  now: string,
  name: string,
  { call }: ToolCallOptions,
): Promise<ToolResult | undefined> {
  const { decision, remember } = await turn.ask(`mcp:${server}:${tool.name}:${now}`, {
    kind: 'approval',
    text: `Tool ${tool.name} of MCP server ${server} is not what this session first saw. May it be used as it is now?`,
    tool: { call, name, input: { description: tool.description, inputSchema: tool.inputSchema } },
  });
  if (decision === 'allow') {
    if (remember === true) await turn.pinned(pinOf(server, tool.name, now), 'allowed');
    return undefined;
  }
  const text = `A person did not allow ${name}: it has changed since the session first saw it.`;
  return { parts: [{ type: 'text', text }], isError: true };
}

const pinOf = (server: string, tool: string, now: string): string => `mcp:${server}:${tool}:${now}`;

/** R1. */
function hashOf({ name, description, inputSchema, outputSchema }: Listed): string {
  return hash('sha256', canonicalJson([name, description, inputSchema, outputSchema ?? null]));
}
