// Model tool: a tool that a language model calls, in the shape that AI SDK 7 takes, made without importing it.
//
// Owns how such a tool says what it takes, and how it fails. Not: what it does.
//
//   W1. An input that does not fit is refused before the tool runs, and the refusal names the member.
//   W2. What fails is told to the model with its code and the way out, so that it can act on it. What stops the turn is
//       not: an abort and `turn.suspended` pass through.
//   W3. The log keeps of a result what its JSON is; files travel beside it, to the model and into the message.
import { ERRORS, type ErrorCode, SojournError } from '../kernel/errors.ts';
import type { Json, JsonObject } from '../kernel/json.ts';

export interface Field {
  type: 'string' | 'number' | 'boolean';
  description: string;
  optional?: true;
  oneOf?: readonly string[];
  least?: number;
  most?: number;
}

type Fields = Readonly<Record<string, Field>>;
type Value<Each extends Field> = { string: string; number: number; boolean: boolean }[Each['type']];
type Needed<Of extends Fields> = {
  [Name in keyof Of]: Of[Name]['optional'] extends true ? never : Name;
}[keyof Of];
type InputOf<Of extends Fields> = { [Name in Needed<Of>]: Value<Of[Name]> } & {
  [Name in Exclude<keyof Of, Needed<Of>>]?: Value<Of[Name]>;
};

/** A Standard Schema that also says itself as JSON Schema. */
export interface ToolInput {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    validate(value: unknown): Validated;
    readonly jsonSchema: { input(): JsonObject; output(): JsonObject };
  };
}

export interface ToolCallOptions {
  toolCallId: string;
  abortSignal?: AbortSignal | undefined;
}

type Validated = { value: JsonObject } | { issues: readonly { message: string }[] };

export interface ModelTool {
  readonly description: string;
  readonly inputSchema: ToolInput;
  /** `input` is what the schema let through. */
  execute(input: unknown, options: ToolCallOptions): Promise<unknown>;
  toModelOutput(given: { output: unknown }): ModelOutput;
}

type ModelOutput =
  | { type: 'text'; value: string }
  | { type: 'json'; value: Json }
  | {
      type: 'content';
      value: (
        | { type: 'text'; text: string }
        | { type: 'file'; mediaType: string; data: { type: 'data'; data: string }; filename?: string }
      )[];
    };

export interface ShownFile {
  mediaType: string;
  /** Base64. */
  data: string;
  name?: string;
}

/** W3. */
export class ShownResult {
  readonly value: Json;
  readonly files: readonly ShownFile[];

  constructor(value: Json, files: readonly ShownFile[]) {
    this.value = value;
    this.files = files;
  }

  toJSON(): Json {
    return this.value;
  }
}

export function modelTool<const Of extends Fields>(definition: {
  description: string;
  input: Of;
  execute(input: InputOf<Of>, options: ToolCallOptions): Promise<unknown>;
}): ModelTool {
  const { description, input } = definition;
  return toolOf({
    description,
    inputSchema: toolInput(input),
    execute: (given, options) => definition.execute(given as InputOf<Of>, options), // W1
  });
}

/** One whose input somebody else describes. */
export function toolOf(definition: Omit<ModelTool, 'toModelOutput'>): ModelTool {
  return {
    ...definition,
    async execute(given, options) {
      try {
        return await definition.execute(given, options);
      } catch (error) {
        options.abortSignal?.throwIfAborted();
        throw told(error); // W2
      }
    },
    toModelOutput: toolOutput,
  };
}

/** Of every tool made here, whatever stands for its output. */
export function toolOutput({ output }: { output: unknown }): ModelOutput {
  const value = JSON.parse(JSON.stringify(output) ?? 'null') as Json;
  const isText = typeof value === 'string';
  if (!(output instanceof ShownResult) || output.files.length === 0)
    return isText ? { type: 'text', value } : { type: 'json', value };
  const files = output.files.map(({ mediaType, data, name }) => ({
    type: 'file' as const,
    mediaType,
    data: { type: 'data' as const, data },
    ...(name === undefined ? {} : { filename: name }),
  }));
  const text = isText ? value : JSON.stringify(value);
  return { type: 'content', value: [{ type: 'text', text }, ...files] };
}

/** One line for each code: what it says to the caller, whether the same call may work later, and what to do with these tools. */
export function errorLines(
  codes: readonly ErrorCode[],
  hints: Readonly<Partial<Record<ErrorCode, string>>> = {},
): string {
  return codes
    .map((code) => `- ${[`${code}:`, wayOut(code), hints[code] ?? ''].join(' ').trimEnd()}`)
    .join('\n');
}

const wayOut = (code: ErrorCode): string =>
  `${ERRORS[code].fix}${ERRORS[code].next === 'retry' ? ' The same call may work later.' : ''}`;

function told(error: unknown): unknown {
  if (!(error instanceof SojournError) || error.code === 'turn.suspended') return error;
  const { code, detail, retryAfterMs } = error;
  const when = retryAfterMs === undefined ? '' : ` Try again in ${Math.ceil(retryAfterMs / 1_000)} s.`;
  return new Error(`${code}: ${detail}. ${wayOut(code)}${when}`, { cause: error });
}

function toolInput(fields: Fields): ToolInput {
  const schema = (): JsonObject => ({
    type: 'object',
    properties: Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, jsonOf(field)])),
    required: Object.keys(fields).filter((name) => fields[name]?.optional !== true),
    additionalProperties: false,
  });
  return {
    '~standard': {
      version: 1,
      vendor: 'sojourn',
      validate: (value) => validated(fields, value),
      jsonSchema: { input: schema, output: schema },
    },
  };
}

function jsonOf({ type, description, oneOf, least, most }: Field): JsonObject {
  return {
    type,
    description,
    ...(oneOf === undefined ? {} : { enum: [...oneOf] }),
    ...(least === undefined ? {} : { minimum: least }),
    ...(most === undefined ? {} : { maximum: most }),
  };
}

/** W1. Members that nobody asked for are left out; null stands for nothing, as some providers send it. */
function validated(fields: Fields, value: unknown): Validated {
  if (typeof value !== 'object' || value === null) return { issues: [{ message: 'an object is needed' }] };
  const given = new Map<string, Json>(Object.entries(value));
  const issues: { message: string }[] = [];
  const taken: Record<string, Json> = {};
  for (const [name, field] of Object.entries(fields)) {
    const member = given.get(name) ?? undefined;
    const wrong = member === undefined ? (field.optional ? undefined : 'is missing') : misfit(field, member);
    if (wrong !== undefined) issues.push({ message: `${name} ${wrong}` });
    else if (member !== undefined) taken[name] = member;
  }
  return issues.length > 0 ? { issues } : { value: taken };
}

function misfit({ type, oneOf, least, most }: Field, member: Json): string | undefined {
  if (typeof member !== type) return `must be a ${type}`;
  if (oneOf !== undefined && !oneOf.some((each) => each === member)) {
    return `must be one of ${oneOf.join(', ')}`;
  }
  if (typeof member !== 'number') return undefined;
  if (least !== undefined && member < least) return `must be at least ${least}`;
  return most !== undefined && member > most ? `must be at most ${most}` : undefined;
}
