// givenTools: tools from elsewhere, those of MCP servers among them, as tools that an agent's model can call.
//
//   GT1. Whoever offers a tool checks its input: the model is shown the schema, and here only an object is asked for.
//   GT2. What the tool calls an error is one to the model, which may try something else.
//   GT3. A result that is only words is just these: whoever reads it back has its lines.
import type { JsonObject } from '../../kernel/json.ts';
import type { Part } from '../../wire/message.ts';
import type { AgentTurn } from '../agent.ts';
import { ShownResult, type ModelTool, type ShownFile, type ToolInput, toolOf } from '../model-tool.ts';
import { READ_BACK, readBackTool } from '../read-back-tool.ts';

/** As `sojourn/tool` has it. */
export interface GivenTool {
  readonly name: string;
  readonly description: string;
  /** JSON Schema. */
  readonly inputSchema: JsonObject;
  call(
    input: JsonObject,
    options: { call: string; signal: AbortSignal },
  ): Promise<{ parts: readonly Part[]; structured?: unknown; isError: boolean }>;
}

/** By name; of two with one name the first. */
export function givenTools(tools: readonly GivenTool[]): Readonly<Record<string, ModelTool>> {
  return Object.fromEntries(tools.toReversed().map((tool) => [tool.name, shown(tool)]));
}

/**
 * These tools, and `read_back`: with it the model reads what was moved out of its working set. For agents that are made for
 * each turn: `aiSdkAgent((turn) => new ToolLoopAgent({ model, tools: withReadBack(turn, tools) }))`.
 */
export function withReadBack<Tools extends object>(
  turn: Pick<AgentTurn, 'readBack' | 'signal'>,
  tools: Tools,
): Tools & Readonly<Record<typeof READ_BACK, ModelTool>> {
  return { ...tools, [READ_BACK]: shown(readBackTool(turn)) };
}

function shown(tool: GivenTool): ModelTool {
  return toolOf({
    description: tool.description,
    inputSchema: anyObject(tool.inputSchema),
    async execute(input, { toolCallId, abortSignal = new AbortController().signal }) {
      const result = await tool.call(input as JsonObject, { call: toolCallId, signal: abortSignal }); // GT1
      if (result.isError) throw new Error(textOf(result.parts)); // GT2
      const files = result.parts.flatMap(fileOf);
      const text = textOf(result.parts);
      if (files.length === 0 && result.structured === undefined) return text; // GT3
      const value = {
        ...(text === '' ? {} : { text }),
        ...(result.structured === undefined ? {} : { data: result.structured as JsonObject }),
      };
      return files.length === 0 ? value : new ShownResult(value, files);
    },
  });
}

/** GT1. */
function anyObject(schema: JsonObject): ToolInput {
  return {
    '~standard': {
      version: 1,
      vendor: 'sojourn',
      validate: (value) =>
        typeof value === 'object' && value !== null && !Array.isArray(value)
          ? { value: value as JsonObject }
          : { issues: [{ message: 'an object is needed' }] },
      jsonSchema: { input: () => schema, output: () => schema },
    },
  };
}

/** Texts, and where a file that is not at hand can be had. */
function textOf(parts: readonly Part[]): string {
  return parts
    .flatMap((part) => {
      if (part.type === 'text') return [part.text];
      return part.type === 'file' && part.url !== undefined
        ? [`${part.name ?? part.mediaType}: ${part.url}`]
        : [];
    })
    .join('\n');
}

function fileOf(part: Part): ShownFile[] {
  if (part.type !== 'file' || part.data === undefined) return [];
  return [
    { mediaType: part.mediaType, data: part.data, ...(part.name === undefined ? {} : { name: part.name }) },
  ];
}
