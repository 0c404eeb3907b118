// Tool: one thing that a model can do here. What it says of itself, and how its answer and its failure look.
//
//   TO1. Every code that a tool may answer is named in its description, and made from the table of errors.
//   TO2. A failure is an answer that the model can act on: the code, what happened, and the way out.
//   TO3. What a defect says of itself stays here; the model hears a request id.
import type { CallToolResult, Tool as ListedTool } from '@modelcontextprotocol/server';
import { ERRORS, SojournError, type ErrorCode } from '../../kernel/errors.ts';
import type { RuntimeCalls } from '../../runtime/runtime.ts';
import type { Caller, Scope } from '../../wire/access.ts';
import { checked, type Schema } from '../../wire/schema.ts';
import { jsonSchemaOf } from '../../wire/tool-call.ts';

/** What a call works with. */
export interface Work {
  readonly runtime: RuntimeCalls;
  readonly caller: Caller;
  /** Aborts when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  /** Asked after `signal` has aborted: the client took its request back, and did not merely lose its connection or its token. */
  readonly takenBack: () => boolean;
  /** Undefined where the client did not ask for it. Never rejects. */
  readonly progress: ((done: number, message: string) => void) | undefined;
  /** The client can be given a task instead of an answer. */
  readonly takesTasks: boolean;
}

/** An answer that is still to come: the client asks for it by this turn. */
export class Pending {
  readonly key: string;
  readonly turn: string;

  constructor(key: string, turn: string) {
    this.key = key;
    this.turn = turn;
  }
}

export interface Tool {
  readonly name: string;
  /** What its caller's token must have; undefined where any will do. */
  readonly scope: Scope | undefined;
  readonly codes: readonly ErrorCode[];
  readonly listed: ListedTool;
  run(args: unknown, work: Work): Promise<CallToolResult | Pending>;
}

export interface ToolDefinition<Args> {
  name: string;
  title: string;
  /** What it does, when to use it, when not. */
  text: string;
  scope?: Scope;
  /** Of its own; those of every call are added. */
  codes: readonly ErrorCode[];
  args: Schema<Args>;
  hints: { readOnly: boolean; destructive?: boolean; idempotent?: boolean };
  run(args: Args, work: Work): Promise<object | Pending>;
}

/** What any call may answer. */
export const COMMON_CODES: readonly ErrorCode[] = [
  'auth.scope',
  'input.invalid',
  'input.unknown_field',
  'runtime.draining',
  'store.failed',
  'store.damaged',
  'internal',
];

export function defineTool<Args>(definition: ToolDefinition<Args>): Tool {
  const { name, title, hints, args: schema } = definition;
  const codes = [...definition.codes, ...COMMON_CODES];
  return {
    name,
    scope: definition.scope,
    codes,
    listed: {
      name,
      title,
      description: `${definition.text}\n\n${codesText(codes)}`,
      inputSchema: jsonSchemaOf(schema),
      annotations: {
        title,
        readOnlyHint: hints.readOnly,
        destructiveHint: hints.destructive ?? false,
        idempotentHint: hints.idempotent ?? hints.readOnly,
        openWorldHint: !hints.readOnly,
      },
    },
    async run(args, work) {
      const result = await definition.run(checked(schema, args ?? {}), work);
      return result instanceof Pending ? result : answerOf(result);
    },
  };
}

/** TO1. */
function codesText(codes: readonly ErrorCode[]): string {
  const named = (next: 'stop' | 'retry'): string =>
    codes
      .filter((code) => ERRORS[code].next === next)
      .map((code) => `\`${code}\``)
      .join(', ');
  return `Errors come as {"error": {"code", "message", "fix"}}. The same call will not succeed after: ${named('stop')}. Try again in a while after: ${named('retry')}.`;
}

export function answerOf(value: object, isError = false): CallToolResult {
  return {
    content: [{ type: 'text', text: JSON.stringify(value) }],
    structuredContent: { ...value },
    ...(isError ? { isError } : {}),
  };
}

/** TO2, TO3. `requestId` finds the failure in the log. */
export function failureOf(error: SojournError, requestId: string): CallToolResult {
  const { next, fix } = ERRORS[error.code];
  const { code, detail: message, retryAfterMs } = error;
  return answerOf(
    {
      error: { code, message, next, fix, ...(retryAfterMs === undefined ? {} : { retryAfterMs }), requestId },
    },
    true,
  );
}
