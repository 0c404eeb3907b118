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
//   D4. Before each call of the model its prompt is looked at. Where it would hold too much the call is not made: the round
//       ends there, and the next one begins with the same conversation in short. The SDK lets nobody but the agent's own
//       `prepareStep` change a prompt; for its agent this is another run, which counts its steps from 0.
import type { ModelMessage, TextStreamPart, ToolApprovalRequestOutput, ToolModelMessage, ToolSet } from 'ai';
import { SojournError } from '../../kernel/errors.ts';
import type { Logger } from '../../kernel/logger.ts';
import type { Input, Message, Part } from '../../wire/message.ts';
import type { AgentEvent, AgentTurn } from '../agent.ts';
import { Lockstep } from './lockstep.ts';
import { toParts, toUserMessage } from './model-message.ts';
import type { Sdk, Step, StreamingAgent, ToolCall } from './sdk.ts';
import { messageOf, type ShownResults } from './shown-results.ts';
import { usageEvent } from './usage.ts';

type StreamPart = TextStreamPart<ToolSet>;
type ToolContent = ToolModelMessage['content'];
type Announced = { step: Step } | { call: ToolCall } | { prompt: true };

export interface RoundOptions {
  agent: StreamingAgent;
  sdk: Sdk;
  turn: AgentTurn;
  logger: Logger;
  callOptions: undefined;
  signal: AbortSignal;
  messages: readonly ModelMessage[];
  /** The same as the model is shown it, as ours. The round adds what is said in it. */
  conversation: Message[];
  results: ShownResults;
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
  /** D4. What the next round begins with, where this one ended before a call of the model. */
  cut: readonly Message[] | undefined;

  readonly #options: RoundOptions;
  readonly #lockstep = new Lockstep<StreamPart, Announced>();
  readonly #steering: ReturnType<Sdk['experimental_createSteering']>;
  /** Results of calls that were approved: the SDK tells them before the first step, and in no step's messages. */
  #early: ToolContent | undefined = [];
  #message: string;
  readonly #steps: Step[] = [];
  readonly #cutting = new AbortController();
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
        else if ('step' in next.thing) yield* this.#step(next.thing.step);
        else {
          yield* this.#earlySaid();
          this.cut = await this.#fitted();
          if (this.cut !== undefined) return this.#cutting.abort();
        }
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

  /** D4. Undefined where the prompt is fine as it is. */
  async #fitted(): Promise<readonly Message[] | undefined> {
    const { turn, conversation, results } = this.#options;
    const fitted = await turn.fitted(conversation);
    return results.takeLate() || fitted !== conversation ? fitted : undefined;
  }

  #call() {
    const { agent, signal, messages, callOptions, calls, results } = this.#options;
    return agent.stream({
      messages: [...messages],
      abortSignal: AbortSignal.any([signal, this.#cutting.signal]),
      experimental_steering: this.#steering,
      experimental_transform: results.transform,
      ...(callOptions === undefined ? {} : { options: callOptions }),
      onToolExecutionStart: async ({ toolCall }) => {
        if (!calls.has(toolCall.toolCallId)) await this.#lockstep.announce({ call: toolCall }); // D1
      },
      onStepStart: async () => {
        await this.#lockstep.announce({ prompt: true }); // D4
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
      yield this.#told(message, message.role === 'assistant' ? this.#message : this.#options.nextMessage());
    }
  }

  /** All of it for the log; in short where the model is shown it in short. */
  #told(message: ModelMessage, id: string): AgentEvent {
    const { turn, conversation, results } = this.#options;
    const parts = toParts(message);
    conversation.push(messageIn(turn, message.role, results.toldShort(parts)));
    return { kind: 'message', role: message.role, parts: results.toldWhole(parts), message: id };
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
      case 'steering-message': {
        const input = this.undelivered.get(part.id);
        this.undelivered.delete(part.id);
        const { turn, conversation } = this.#options;
        if (input !== undefined) conversation.push(messageIn(turn, 'user', input.parts));
        return;
      }
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
    if (this.#early === undefined) this.#message = this.#options.nextMessage();
    yield* this.#earlySaid();
    this.#early = undefined;
    for (const warning of warnings) this.#options.logger.warn('ai-sdk.warning', { ...warning });
  }

  *#earlySaid(): Iterable<AgentEvent> {
    if (this.#early === undefined || this.#early.length === 0) return;
    yield this.#told({ role: 'tool', content: this.#early }, this.#message);
    this.#message = this.#options.nextMessage();
    this.#early = [];
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
        if (this.#early !== undefined) await this.#options.results.early(part);
        yield this.#returned(part.toolCallId, part.output, false);
        await this.#keepEarly(part, part.output);
        return;
      case 'tool-error': {
        if (this.#early !== undefined) await this.#options.results.early(part);
        const message = messageOf(part.error);
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

  #returned(call: string, shown: unknown, isError: boolean): AgentEvent {
    this.#options.calls.delete(call);
    this.questions.delete(call);
    const output = this.#options.results.whole(call, shown) ?? null;
    return { kind: 'tool.returned', call, output, ...(isError ? { isError } : {}) };
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

export function messageIn(turn: AgentTurn, role: Message['role'], parts: readonly Part[]): Message {
  return { role, parts, turn: turn.id, at: new Date(turn.clock.now()).toISOString() };
}
