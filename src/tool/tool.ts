// Tool: the contract between what offers tools and the agents whose models call them.
//
//   T1. What a toolbox needs of a turn is in `ToolTurn`; every turn of the runtime is one.
//   T2. What a model can act on is a result with `isError`. Thrown is only what ends the turn: its own abort.
//   T3. The names of one set are different from each other and fit every provider: letters, digits, `_` and `-`, at most 64.
import type { JsonObject } from '../kernel/json.ts';
import type { Part } from '../wire/message.ts';

export interface Tool {
  readonly name: string;
  readonly description: string;
  /** JSON Schema of the input: an object. */
  readonly inputSchema: JsonObject;
  call(input: JsonObject, options: ToolCallOptions): Promise<ToolResult>;
}

export interface ToolCallOptions {
  /** The call's id in the turn: questions about it name it. */
  call: string;
  signal: AbortSignal;
  onProgress?: (progress: { message?: string; percent?: number }) => void;
}

export interface ToolResult {
  /** Texts and files. */
  parts: readonly Part[];
  /** The same as data, where the tool gives it. */
  structured?: unknown;
  isError: boolean;
}

export interface ToolSet {
  tools: readonly Tool[];
  /** What could not be had this time, for people and models: the turn goes on without it. */
  missing: readonly { source: string; code: string; message: string }[];
}

/** Offers tools to turns. What it opens lives as long as the turn's live session. */
export interface Toolbox {
  tools(turn: ToolTurn): Promise<ToolSet>;
  /** Frees what is left, for good. */
  close(): Promise<void>;
}

/** What a toolbox needs of the turn that uses its tools. */
export interface ToolTurn {
  readonly session: { readonly id: string; readonly key: string; readonly agent: string };
  readonly signal: AbortSignal;
  ask(
    key: string,
    question: { kind: 'approval'; text: string; tool: { call: string; name: string; input: unknown } },
  ): Promise<{ decision: 'allow' | 'deny'; remember?: boolean }>;
  pinned(name: string, value?: string): Promise<string | undefined>;
  resource<Thing>(
    name: string,
    open: () => Promise<Thing>,
    close: (thing: Thing) => Promise<void>,
  ): Promise<Thing>;
}
