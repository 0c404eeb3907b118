// Round: one call of an AI SDK agent, from its messages to where it can go on only with an answer, or has ended.
//
// Owns the mapping of the SDK's stream to our events, and what the next round needs. Not: asking people, and beginning
// another round.
//
//   D1. A tool runs only after its `tool.called` was yielded and the round resumed (G2): the SDK's callback waits in
//       the lockstep. A call that the stream never shows is yielded when it wants to run.
//   D2. A step's messages are yielded before the next step begins; what was steered is taken between the two, so the
//       log tells the conversation in the order the model sees it.
//   D3. Texts carry the id of the message they become.
import type { ModelMessage, TextStreamPart, ToolApprovalRequestOutput, ToolModelMessage, ToolSet } from 'ai';
import { SojournError } from '../../kernel/errors.ts';
import type { Logger } from '../../kernel/logger.ts';
import type { Input } from '../../wire/message.ts';
import type { AgentEvent, AgentTurn } from '../agent.ts';
import { Lockstep } from './lockstep.ts';
import { toParts, toUserMessage } from './model-message.ts';
import type { Sdk, Step, StreamingAgent, ToolCall } from './sdk.ts';
import { usageEvent } from './usage.ts';

type StreamPart = TextStreamPart<ToolSet>;
type ToolContent = ToolModelMessage['content'];
type Announced = { step: Step } | { call: ToolCall };

export interface RoundOptions {
  agent: StreamingAgent;
  sdk: Sdk;
  turn: AgentTurn;
  logger: Logger;
  callOptions: undefined;
  signal: AbortSignal;
  messages: readonly ModelMessage[];
  /** Inputs the round before could not hand to the model. */
  steered: readonly Input[];
  /** Calls that the log has and that have not returned. Shared by the rounds of a turn. */
  calls: Set<string>;
  /** Counts the messages of a turn. Shared likewise. */
  nextMessage: () => string;
}

export class Round {
  /** What a person must allow or deny before the agent can go on. */
  readonly approvals: ToolApprovalRequestOutput<ToolSet>[] = [];
  /** Calls of tools that nobody here can run: their answer is a person's. */
  readonly questions = new Map<string, ToolCall>();
  /** Steered inputs that the model has not seen. */
  readonly undelivered = new Map<string, Input>();
  /** What the agent said and was told while it ran, for the next round. */
  said: readonly ModelMessage[] = [];

  readonly #options: RoundOptions;
  readonly #lockstep = new Lockstep<StreamPart, Announced>();
  readonly #steering: ReturnType<Sdk['experimental_createSteering']>;
  /** Results of calls that were approved: the SDK tells them before the first step, and in no step's messages. */
  #early: ToolContent | undefined = [];
  #message: string;
  readonly #steps: Step[] = [];
  #failed: { error: unknown } | undefined;

  constructor(options: RoundOptions) {
    this.#options = options;
    this.#steering = options.sdk.experimental_createSteering();
    this.#message = options.nextMessage();
  }

  async *events(): AsyncIterable<AgentEvent> {
    const { turn } = this.#options;
    for (const input of this.#options.steered) this.#steer(input);
    const result = await this.#call();
    this.#lockstep.follow(result.stream);
    for (;;) {
      const next = await this.#lockstep.next();
      turn.signal.throwIfAborted();
      if (next.kind === 'end') break;
      if (next.kind === 'part') yield* this.#part(next.part);
      else {
        if ('call' in next.thing) yield* this.#called(next.thing.call);
        else yield* this.#step(next.thing.step);
        next.pass();
      }
    }
    if (this.#failed !== undefined) throw this.#failed.error;
    const responses = await result.responseMessages;
    if (this.#steps.length === 0) yield* this.#messages(responses); // an agent that calls no callbacks
    this.said = this.#conversation(responses);
  }

  /** `responses` has the results of approved calls first, then those of all steps; not what was steered between them. */
  #conversation(responses: readonly ModelMessage[]): ModelMessage[] {
    const stepped = this.#steps.flatMap(({ response }) => response.messages);
    return [
      ...responses.slice(0, responses.length - stepped.length),
      ...this.#steps.flatMap(({ experimental_steeringMessages: steered = [], response }) => [
        ...steered,
        ...response.messages,
      ]),
    ];
  }

  #call() {
    const { agent, signal, messages, callOptions, calls } = this.#options;
    return agent.stream({
      messages: [...messages],
      abortSignal: signal,
      experimental_steering: this.#steering,
      ...(callOptions === undefined ? {} : { options: callOptions }),
      onToolExecutionStart: async ({ toolCall }) => {
        if (!calls.has(toolCall.toolCallId)) await this.#lockstep.announce({ call: toolCall }); // D1
      },
      onStepEnd: async (step) => {
        await this.#lockstep.announce({ step }); // D2
      },
    });
  }

  #steer(input: Input): void {
    this.undelivered.set(input.id, input);
    // The outcome is read from the stream, where it stands in order; the promise never rejects.
    void this.#steering.steer(toUserMessage(input.parts), { id: input.id });
  }

  *#step(step: Step): Iterable<AgentEvent> {
    this.#steps.push(step);
    yield* this.#messages(step.response.messages);
    for (const input of this.#options.turn.inbox.take()) this.#steer(input);
  }

  *#messages(messages: readonly ModelMessage[]): Iterable<AgentEvent> {
    for (const message of messages) {
      const id = message.role === 'assistant' ? this.#message : this.#options.nextMessage();
      yield messageEvent(message, id);
    }
  }

  *#called(call: ToolCall): Iterable<AgentEvent> {
    const { toolCallId, toolName: name, input } = call;
    if (this.#options.calls.has(toolCallId)) return;
    yield { kind: 'tool.called', call: toolCallId, name, input };
    this.#options.calls.add(toolCallId); // resumed: it is in the log
  }

  async *#part(part: StreamPart): AsyncIterable<AgentEvent> {
    switch (part.type) {
      case 'text-delta':
        if (part.text !== '') yield { kind: 'text.delta', text: part.text, message: this.#message };
        return;
      case 'reasoning-delta':
        if (part.text !== '') yield { kind: 'reasoning.delta', text: part.text, message: this.#message };
        return;
      case 'source':
        yield { kind: 'custom', name: 'source', data: part };
        return;
      case 'start-step':
        yield* this.#startStep(part);
        return;
      case 'finish-step':
        yield usageEvent(part.usage, part.response.modelId);
        return;
      case 'finish':
        if (part.finishReason !== 'stop' && part.finishReason !== 'tool-calls') {
          yield {
            kind: 'custom',
            name: 'finish',
            data: { reason: part.finishReason, raw: part.rawFinishReason },
          };
        }
        return;
      case 'steering-message':
        this.undelivered.delete(part.id);
        return;
      case 'error':
        this.#failed ??= { error: part.error }; // thrown at the end: what the stream still tells is kept
        return;
      case 'abort':
        this.#failed ??= { error: new SojournError('agent.model_unavailable', `It gave up: ${part.reason}`) };
        return;
      default:
        yield* this.#toolPart(part);
    }
  }

  *#startStep({ warnings }: Extract<StreamPart, { type: 'start-step' }>): Iterable<AgentEvent> {
    if (this.#early !== undefined && this.#early.length > 0) {
      yield messageEvent({ role: 'tool', content: this.#early }, this.#message);
      this.#message = this.#options.nextMessage();
    } else if (this.#early === undefined) this.#message = this.#options.nextMessage();
    this.#early = undefined;
    for (const warning of warnings) this.#options.logger.warn('ai-sdk.warning', { ...warning });
  }

  async *#toolPart(part: StreamPart): AsyncIterable<AgentEvent> {
    switch (part.type) {
      case 'tool-call':
        yield* this.#called(part);
        if (this.#isPersons(part)) this.questions.set(part.toolCallId, part);
        return;
      case 'tool-result':
        if (part.preliminary === true) {
          yield { kind: 'tool.progress', call: part.toolCallId, data: part.output };
          return;
        }
        yield this.#returned(part.toolCallId, part.output, false);
        await this.#keepEarly(part, part.output);
        return;
      case 'tool-error': {
        const message = part.error instanceof Error ? part.error.message : String(part.error);
        yield this.#returned(part.toolCallId, message, true);
        await this.#keepEarly(part, message, 'error-text');
        return;
      }
      case 'tool-output-denied':
        yield this.#returned(part.toolCallId, 'It was denied.', true);
        this.#early?.push({
          type: 'tool-result',
          toolCallId: part.toolCallId,
          toolName: part.toolName,
          output: { type: 'execution-denied' },
        });
        return;
      case 'tool-approval-request':
        this.questions.delete(part.toolCall.toolCallId);
        if (part.isAutomatic !== true) this.approvals.push(part);
        return;
      default:
        return; // starts, ends and input deltas: the whole part follows
    }
  }

  #returned(call: string, output: unknown, isError: boolean): AgentEvent {
    this.#options.calls.delete(call);
    this.questions.delete(call);
    return { kind: 'tool.returned', call, output: output ?? null, ...(isError ? { isError } : {}) };
  }

  async #keepEarly(call: ToolCall, output: unknown, type?: 'error-text'): Promise<void> {
    if (this.#early === undefined) return;
    const { toolCallId, toolName, input } = call;
    const toModelOutput =
      type === undefined ? this.#options.agent.tools?.[toolName]?.toModelOutput : undefined;
    const text = typeof output === 'string' ? output : undefined;
    this.#early.push({
      type: 'tool-result',
      toolCallId,
      toolName,
      output:
        (await toModelOutput?.({ toolCallId, input, output })) ??
        (text === undefined
          ? { type: 'json', value: JSON.parse(JSON.stringify(output) ?? 'null') }
          : { type: type ?? 'text', value: text }),
    });
  }

  #isPersons(call: Extract<StreamPart, { type: 'tool-call' }>): boolean {
    const tool = this.#options.agent.tools?.[call.toolName];
    const runs = call.providerExecuted === true || (call.dynamic === true && call.invalid === true);
    return !runs && tool !== undefined && tool.execute === undefined;
  }
}

export function messageEvent(message: ModelMessage, id: string): AgentEvent {
  return { kind: 'message', role: message.role, parts: toParts(message), message: id };
}
