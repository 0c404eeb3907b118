// aiSdkAgent: any agent of AI SDK 7 answers the messages of a session.
//
// Owns the turn: rounds of the SDK's agent, with the questions to people between them. The SDK keeps nothing from one
// turn to the next; the conversation is `turn.history`.
//
//   A1. When the turn ends, whatever the way, the model's HTTP call is over.
//   A2. What `turn.ask` rejects with passes through unchanged.
//   A3. What a model is shown stays within its window, also in a turn that calls tools for hours, and large results are shown in
//       short from their first prompt on. That needs an agent that tells when a step begins and takes transforms of its stream,
//       as `ToolLoopAgent` does.
import type { ModelMessage, ToolModelMessage } from 'ai';
import { SojournError } from '../../kernel/errors.ts';
import type { Logger } from '../../kernel/logger.ts';
import type { Input, Message } from '../../wire/message.ts';
import type { Agent, AgentContext, AgentEvent, AgentTurn } from '../agent.ts';
import { failureOf } from './failure.ts';
import { toModelMessages, toParts, toUserMessage } from './model-message.ts';
import { messageIn, Round } from './round.ts';
import { loadSdk, type Sdk, type StreamingAgent } from './sdk.ts';
import { ShownResults } from './shown-results.ts';

export { givenTools, withReadBack, type GivenTool } from './given-tools.ts';
export { modelSummariser, type SummariserOptions } from './summariser.ts';
export { childTools, type ChildTools, type ChildToolsOptions } from './child-tools.ts';

/** Makes the agent of one turn, where its tools or its instructions depend on the turn. */
export type AgentOfTurn<CallOptions = never> = (
  turn: AgentTurn,
) => StreamingAgent<CallOptions> | Promise<StreamingAgent<CallOptions>>;

export interface AiSdkOptions<CallOptions = never> {
  /**
   * For agents with a `callOptionsSchema`: the `options` of each call.
   */
  callOptions?: (turn: AgentTurn) => CallOptions;
  /**
   * What its model reads at once, and what makes digests.
   *
   * @default the runtime's limit `contextTokens`, and its summariser
   */
  context?: AgentContext;
}

/** A turn that needs a person more often than this is going in circles; it fails. */
const ROUNDS_MAX = 100;
/** As is one whose rounds end more often before a prompt (D4 of round.ts). */
const CUTS_MAX = 1_000;

/**
 * One agent for all turns, or one made for each: `aiSdkAgent((turn) => new ToolLoopAgent({ model, tools: childTools(turn, ...) }))`.
 * The agent's own `onError` decides what becomes of errors besides failing the turn; the SDK's default prints them.
 */
export function aiSdkAgent<CallOptions = never>(
  agent: StreamingAgent<CallOptions> | AgentOfTurn<CallOptions>,
  options: AiSdkOptions<CallOptions> = {},
): Agent {
  return {
    capabilities: { rerun: 'never', steers: true, rewinds: true, forks: true, ownsHistory: false },
    opensAtOnce: true, // Besides the SDK, which is loaded once.
    ...(options.context === undefined ? {} : { context: options.context }),
    async open({ logger }) {
      const sdk = await loadSdk();
      return {
        run: (turn) => answer(turn, { agent, sdk, logger, options } as unknown as Means), // its call options are its own
        snapshot: () => undefined,
        close: () => undefined,
      };
    },
  };
}

interface Means {
  agent: StreamingAgent | AgentOfTurn;
  sdk: Sdk;
  logger: Logger;
  options: AiSdkOptions;
}

async function* answer(turn: AgentTurn, means: Means): AsyncIterable<AgentEvent> {
  const stop = new AbortController();
  const signal = AbortSignal.any([turn.signal, stop.signal]);
  try {
    turn.signal.throwIfAborted();
    yield* rounds(turn, means, signal);
  } catch (error) {
    turn.signal.throwIfAborted();
    throw failureOf(error, means.sdk);
  } finally {
    stop.abort(); // A1
  }
}

async function* rounds(turn: AgentTurn, means: Means, signal: AbortSignal): AsyncIterable<AgentEvent> {
  const { sdk, logger, options } = means;
  const agent = typeof means.agent === 'function' ? await means.agent(turn) : means.agent;
  let messages: ModelMessage[] = toModelMessages(turn.history, turn.inputs);
  const inputs = turn.inputs.map(({ parts }) => messageIn(turn, 'user', parts));
  let conversation: Message[] = [...turn.history, ...inputs];
  const results = new ShownResults(turn, agent.tools, logger);
  const calls = new Set<string>();
  let counted = 0;
  const nextMessage = (): string => `${turn.id}-${(counted += 1)}`;
  let steered: readonly Input[] = [];

  for (let [count, cuts] = [0, 0]; count < ROUNDS_MAX && cuts < CUTS_MAX;) {
    const round: Round = new Round({
      agent,
      sdk,
      turn,
      logger,
      callOptions: options.callOptions?.(turn),
      signal,
      messages,
      conversation,
      results,
      steered,
      calls,
      nextMessage,
    });
    yield* round.events();
    const undelivered = [...round.undelivered.values()];
    if (round.cut !== undefined) {
      conversation = [...round.cut];
      messages = toModelMessages(conversation, []);
      steered = undelivered;
      cuts += 1;
      continue;
    }
    messages.push(...round.said);
    count += 1;

    const replies = await repliesTo(round, turn);
    if (replies.length > 0) {
      yield* returnedTo(replies, calls);
      const reply: ToolModelMessage = { role: 'tool', content: replies };
      messages.push(reply);
      const parts = toParts(reply);
      conversation.push(messageIn(turn, 'tool', parts));
      yield { kind: 'message', role: 'tool', parts, message: nextMessage() };
      steered = undelivered; // behind the results, which must come first
    } else if (undelivered.length > 0) {
      for (const { parts } of undelivered) {
        messages.push(toUserMessage(parts));
        conversation.push(messageIn(turn, 'user', parts));
      }
      steered = [];
    } else return;
  }
  throw new SojournError('agent.failed', `It asked for more than ${ROUNDS_MAX} rounds of answers in a turn`);
}

/** All questions at once; the first rejection passes (A2). */
async function repliesTo(round: Round, turn: AgentTurn): Promise<ToolModelMessage['content']> {
  const approvals = round.approvals.map(async ({ approvalId, toolCall, reason }) => {
    const { toolCallId: call, toolName: name, input, providerExecuted } = toolCall;
    const text = reason ?? `May ${name} run?`;
    const { decision, answer } = await turn.ask(`approval-${call}`, {
      kind: 'approval',
      text,
      tool: { call, name, input },
    });
    return {
      type: 'tool-approval-response' as const,
      approvalId,
      approved: decision === 'allow',
      ...(answer === undefined ? {} : { reason: answer }),
      ...(providerExecuted === true ? { providerExecuted } : {}),
    };
  });
  const questions = [...round.questions.values()].map(async ({ toolCallId, toolName, input }) => {
    const text = `${toolName} ${JSON.stringify(input)}`;
    const { decision, answer } = await turn.ask(`tool-${toolCallId}`, { kind: 'question', text });
    const output =
      decision === 'allow'
        ? { type: 'text' as const, value: answer ?? '' }
        : { type: 'execution-denied' as const, ...(answer === undefined ? {} : { reason: answer }) };
    return { type: 'tool-result' as const, toolCallId, toolName, output };
  });
  return Promise.all([...approvals, ...questions]);
}

/** A person's answer is the result of the call it answers. */
function* returnedTo(replies: ToolModelMessage['content'], calls: Set<string>): Iterable<AgentEvent> {
  for (const reply of replies) {
    if (reply.type !== 'tool-result') continue;
    calls.delete(reply.toolCallId);
    yield reply.output.type === 'text'
      ? { kind: 'tool.returned', call: reply.toolCallId, output: reply.output.value }
      : { kind: 'tool.returned', call: reply.toolCallId, output: 'It was denied.', isError: true };
  }
}
