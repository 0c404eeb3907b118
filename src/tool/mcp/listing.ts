// Listing: what we take of what a server says its tools are. Nothing of it is compiled, fetched or followed.
//
//   G1. At most `TOOLS_MAX` tools, each name once; a description ends at `DESCRIPTION_BYTES_MAX`.
//   G2. A tool whose schema is too large or too deep, or points out of itself, is left out, and said to be.
import type { JsonSchemaValidator, jsonSchemaValidator } from '@modelcontextprotocol/client';
import type { Json, JsonObject } from '../../kernel/json.ts';

/** A tool as its server describes it. */
export interface Listed {
  name: string;
  description: string;
  inputSchema: JsonObject;
  outputSchema?: Json;
}

export interface Listing {
  tools: readonly Listed[];
  /** What was left out, and why, fit to be shown; at most `REASONS_MAX` and a count. */
  leftOut: readonly string[];
}

interface Said {
  name: string;
  description?: string | undefined;
  inputSchema: object;
  outputSchema?: unknown;
}

const TOOLS_MAX = 256;
const NAME_CHARS_MAX = 128;
const DESCRIPTION_BYTES_MAX = 8 * 1_024;
const SCHEMA_CHARS_MAX = 32 * 1_024;
const SCHEMA_DEPTH_MAX = 64;
const REASONS_MAX = 8;
const POINTERS = new Set(['$ref', '$dynamicRef', '$recursiveRef']);

/** A server's patterns may take for ever to match, and its schemas to compile: whoever runs a tool checks its input. */
export const acceptsAll: jsonSchemaValidator = {
  getValidator<Value>(): JsonSchemaValidator<Value> {
    return (input) => ({ valid: true, data: input as Value, errorMessage: undefined });
  },
};

export function listingOf(said: readonly Said[]): Listing {
  const tools = new Map<string, Listed>();
  const leftOut: string[] = [];
  for (const { name, description = '', inputSchema, outputSchema } of said) {
    const reason =
      tools.size >= TOOLS_MAX
        ? `there are more than ${TOOLS_MAX}`
        : tools.has(name)
          ? 'its name is taken'
          : (wrongName(name) ??
            wrongSchema(inputSchema as Json) ??
            wrongSchema((outputSchema ?? null) as Json));
    if (reason !== undefined) {
      leftOut.push(`${JSON.stringify(name.slice(0, NAME_CHARS_MAX))}: ${reason}`);
      continue;
    }
    tools.set(name, {
      name,
      description: cut(description),
      inputSchema: inputSchema as JsonObject,
      ...(outputSchema === undefined ? {} : { outputSchema: outputSchema as Json }),
    });
  }
  const more = leftOut.length - REASONS_MAX;
  return {
    tools: [...tools.values()],
    leftOut: more > 0 ? [...leftOut.slice(0, REASONS_MAX), `${more} more`] : leftOut,
  };
}

function wrongName(name: string): string | undefined {
  return name.length > NAME_CHARS_MAX ? `its name has more than ${NAME_CHARS_MAX} characters` : undefined;
}

/** G2. The depth is looked at first, so that nothing here goes deeper. */
function wrongSchema(schema: Json): string | undefined {
  const wrong = wrongWithin(schema, 0);
  if (wrong !== undefined) return wrong;
  return JSON.stringify(schema).length > SCHEMA_CHARS_MAX
    ? `its schema has more than ${SCHEMA_CHARS_MAX} characters`
    : undefined;
}

function wrongWithin(schema: Json, depth: number): string | undefined {
  if (schema === null || typeof schema !== 'object') return undefined;
  if (depth > SCHEMA_DEPTH_MAX) return `its schema is deeper than ${SCHEMA_DEPTH_MAX}`;
  for (const [keyword, value] of Object.entries(schema)) {
    if (POINTERS.has(keyword) && typeof value === 'string' && !value.startsWith('#'))
      return 'its schema points out of itself';
    const wrong = wrongWithin(value as Json, depth + 1);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

/** G1. Whole characters. */
function cut(text: string): string {
  const bytes = Buffer.from(text.slice(0, DESCRIPTION_BYTES_MAX));
  if (bytes.length <= DESCRIPTION_BYTES_MAX) return bytes.toString();
  return new TextDecoder().decode(bytes.subarray(0, DESCRIPTION_BYTES_MAX), { stream: true });
}
