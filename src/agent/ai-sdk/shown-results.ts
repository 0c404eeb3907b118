// ShownResults: what a model is shown of large results while their turn runs.
//
// Owns: what stands for which result, and putting the whole of it back where the log is told. Does not own: what is large,
// which is `turn.shown`'s to say, nor when a round begins anew.
//
//   SR1. The log gets all of it, the model the beginning, the end and how to read more: as it will be shown it in later turns.
//   SR2. What a provider ran itself stays word for word, and so does what was read back.
//   SR3. The SDK makes the next prompt of what its stream says. Two do not go that way, the results of approved calls and those of
//        tools that say themselves what a model is shown: then `isLate`, and the round must begin anew before its next prompt.
import type { TextStreamPart, ToolSet } from 'ai';
import type { Json } from '../../kernel/json.ts';
import type { Logger } from '../../kernel/logger.ts';
import type { Part } from '../../wire/message.ts';
import type { AgentTurn } from '../agent.ts';
import { ShownResult, toolOutput } from '../model-tool.ts';
import { READ_BACK } from '../read-back-tool.ts';
import { resultWith } from './model-message.ts';

type StreamPart = TextStreamPart<ToolSet>;
type Result = Extract<StreamPart, { type: 'tool-result' }>;
type Failure = Extract<StreamPart, { type: 'tool-error' }>;

/** Words that a tool itself gives to the model are large beyond this. */
const OWN_OUTPUT_CHARS_MAX = 8_192;

interface Moved {
  whole: unknown;
  shown: unknown;
}

/** Of one turn. */
export class ShownResults {
  readonly #turn: AgentTurn;
  readonly #tools: ToolSet | undefined;
  readonly #logger: Logger;
  /** By call. */
  readonly #moved = new Map<string, Moved>();
  #hasMoved = false;
  #isLate = false;

  constructor(turn: AgentTurn, tools: ToolSet | undefined, logger: Logger) {
    this.#turn = turn;
    this.#tools = tools;
    this.#logger = logger;
  }

  /** SR3. Since it was asked last. */
  takeLate(): boolean {
    const isLate = this.#isLate;
    this.#isLate = false;
    return isLate;
  }

  /** For whatever tools an agent has: its parts are told apart by their types alone. */
  readonly transform = <Tools extends ToolSet>(): TransformStream<
    TextStreamPart<Tools>,
    TextStreamPart<Tools>
  > => {
    let hasBegun = false;
    const stream = new TransformStream<StreamPart, StreamPart>({
      transform: async (part, controller) => {
        hasBegun ||= part.type === 'start-step';
        controller.enqueue(hasBegun ? await this.#seen(part) : part);
      },
    });
    return stream as unknown as TransformStream<TextStreamPart<Tools>, TextStreamPart<Tools>>;
  };

  /** Of an approved call, which is not in what the stream says of a step (SR3). */
  async early(part: Result | Failure): Promise<void> {
    if ((await this.#seen(part)) !== part) this.#isLate = true;
  }

  /** What the call gave, whatever the stream shows of it (SR1). */
  whole(call: string, shown: unknown): unknown {
    const moved = this.#moved.get(call);
    return moved === undefined ? shown : moved.whole;
  }

  /** Parts as the log is told them (SR1). */
  toldWhole(parts: readonly Part[]): readonly Part[] {
    return this.#each(parts, ({ whole }) => whole);
  }

  /** Parts as the model is shown them. */
  toldShort(parts: readonly Part[]): readonly Part[] {
    return this.#each(parts, ({ shown }) => shown);
  }

  #each(parts: readonly Part[], pick: (moved: Moved) => unknown): readonly Part[] {
    return parts.map((part) => {
      const moved = part.type === 'tool-result' ? this.#moved.get(part.call) : undefined;
      return part.type === 'tool-result' && moved !== undefined ? resultWith(part, pick(moved)) : part;
    });
  }

  async #seen(part: StreamPart): Promise<StreamPart> {
    if (part.type === 'tool-result') return part.preliminary === true ? part : this.#result(part);
    if (part.type !== 'tool-error' || part.providerExecuted === true) return part;
    this.#moved.delete(part.toolCallId);
    const whole = messageOf(part.error);
    const shown = await this.#shown(part, whole);
    return shown === whole ? part : { ...part, error: shown };
  }

  async #result(part: Result): Promise<StreamPart> {
    const { output, toolName, toolCallId, input } = part;
    if (part.providerExecuted === true) return part; // SR2
    this.#moved.delete(toolCallId); // Of a call before, where a provider uses an id again.
    if (toolName === READ_BACK) return part; // SR2
    const own = this.#tools?.[toolName]?.toModelOutput;
    const isOurs = own === undefined || (own as unknown) === toolOutput;
    if (!isOurs && isSmall(await own({ toolCallId, input, output }))) return part;
    const shown = await this.#shown(part, output);
    if (shown === output) return part;
    if (!isOurs) this.#isLate = true;
    if (!isOurs) return part;
    return {
      ...part,
      output: output instanceof ShownResult ? new ShownResult(shown as Json, output.files) : shown,
    };
  }

  async #shown({ toolCallId, toolName }: Result | Failure, whole: unknown): Promise<unknown> {
    const shown = await this.#turn.shown(whole);
    if (shown === whole) return shown;
    if (!this.#hasMoved && this.#tools?.[READ_BACK] === undefined)
      this.#logger.warn('ai-sdk.no_read_back', { turn: this.#turn.id, tool: toolName });
    this.#hasMoved = true;
    this.#moved.set(toolCallId, { whole, shown });
    return shown;
  }
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function isSmall(output: { type: string; value?: unknown }): boolean {
  const { value } = output;
  const words = Array.isArray(value)
    ? value.filter((item) => (item as { type?: unknown }).type === 'text')
    : value;
  return (JSON.stringify(words) ?? '').length <= OWN_OUTPUT_CHARS_MAX;
}
