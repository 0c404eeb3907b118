// Sdk: the part of the AI SDK this adapter leans on, loaded when the first session opens.
import type { experimental_createSteering, ModelMessage, TextStreamPart, ToolSet } from 'ai';
import { optionalPackage } from '../../kernel/optional-package.ts';

export type Sdk = typeof import('ai');

/** What is used of an `Agent` of AI SDK 7. A `ToolLoopAgent` is one, whatever its tools and output. */
export interface StreamingAgent<CallOptions = never> {
  readonly version: 'agent-v1';
  readonly id: string | undefined;
  readonly tools: ToolSet;
  stream(call: StreamCall & WithOptions<CallOptions>): PromiseLike<{
    readonly stream: AsyncIterable<TextStreamPart<ToolSet>>;
    readonly responseMessages: PromiseLike<readonly ModelMessage[]>;
  }>;
}

export interface StreamCall {
  messages: ModelMessage[];
  abortSignal: AbortSignal;
  experimental_steering: ReturnType<typeof experimental_createSteering>;
  onToolExecutionStart: (event: { toolCall: ToolCall }) => Promise<void>;
  /** Agents of another make may leave out these two: then nothing is shown in short while their turn runs. */
  onStepStart: () => Promise<void>;
  experimental_transform: <Tools extends ToolSet>() => TransformStream<
    TextStreamPart<Tools>,
    TextStreamPart<Tools>
  >;
  onStepEnd: (step: Step) => Promise<void>;
}

type WithOptions<CallOptions> = [CallOptions] extends [never]
  ? { options?: never }
  : { options: CallOptions };

export interface ToolCall {
  toolCallId: string;
  toolName: string;
  input: unknown;
}

export interface Step {
  readonly experimental_steeringMessages?: readonly ModelMessage[];
  readonly response: { readonly messages: readonly ModelMessage[] };
}

export const loadSdk = (): Promise<Sdk> => optionalPackage('ai', () => import('ai'));
