// childTools: the verbs of `turn.children` as tools that an agent's model can call.
//
// Owns what the model is told of them: when to use each, when not, and every code it may answer. Not: the rules, which
// are the runtime's.
//
//   T1. The codes are those of src/kernel/errors.ts; what a description says of one is that table's own words.
//   T2. What a child said is cut at `TEXT_CHARS_MAX` for the model; the log of the child has all of it.
import type { ErrorCode } from '../../kernel/errors.ts';
import type { Json, JsonObject } from '../../kernel/json.ts';
import type { Progress } from '../../wire/turn.ts';
import type { AgentTurn, Child, ChildFacts, ChildResult, ContinueOptions } from '../agent.ts';
import { errorLines, modelTool, ShownResult, type Field, type ModelTool } from '../model-tool.ts';

export interface ChildToolsOptions {
  /**
   * Whom the model may start, by the name they are registered under, each with a line that says what it is good at.
   */
  agents: Readonly<Record<string, string>>;

  /** Hears how a child that is waited for is getting on. */
  onProgress?: (child: string, progress: Progress) => void;
}

export type ChildTools = Readonly<
  Record<
    'spawn_agent' | 'continue_agent' | 'wait_for_agent' | 'cancel_agent' | 'close_agent' | 'list_agents',
    ModelTool
  >
>;

const TEXT_CHARS_MAX = 20_000;
const WAIT_SECONDS_MAX = 3_600;

/** Where the log of a child cannot be read, or nothing can be written. */
const KEPT: readonly ErrorCode[] = ['session.damaged', 'store.full', 'store.failed'];

const STARTING: readonly ErrorCode[] = [
  'input.invalid',
  'child.limit',
  'budget.exceeded',
  'capacity',
  'mailbox.full',
  ...KEPT,
];

/**
 * T1: what each verb may answer, as the contract of `Children` says, and what the store may answer below it. Not
 * `runtime.draining`: what is asked during a shutdown begins after the next start.
 */
export const CHILD_TOOL_ERRORS = {
  spawn_agent: ['agent.unknown', 'child.depth', 'child.cycle', 'session.limit', ...STARTING],
  continue_agent: ['child.not_found', 'session.closed', ...STARTING],
  wait_for_agent: ['child.not_found', 'turn.not_found', 'session.damaged', 'store.failed'],
  cancel_agent: ['child.not_found', ...KEPT],
  close_agent: ['child.not_found', ...KEPT],
  list_agents: ['store.failed'],
} as const satisfies Record<keyof ChildTools, readonly ErrorCode[]>;

/** What a code means to who has these tools and nothing else. */
const HINTS: Readonly<Partial<Record<ErrorCode, string>>> = {
  'agent.unknown': 'Only the names above are there.',
  'child.not_found': 'list_agents shows their ids.',
  'child.limit': 'Wait for one, or cancel one you do not need.',
  'session.closed': 'Start another one with spawn_agent.',
  'budget.exceeded': 'Ask for less with budgetUsd, or finish with what you have.',
  'session.damaged': 'That agent is lost: start another one.',
  'turn.not_found': 'Leave `turn` out for the newest.',
};

const CHILD = { type: 'string', description: 'The id that spawn_agent answered as `child`.' } as const;
const MODES = ['wait', 'background', 'report'] as const;
const MODE = {
  type: 'string',
  oneOf: MODES,
  optional: true,
  description:
    'wait (default): answer with the result. background: go on at once, and collect the result with wait_for_agent. ' +
    'report: go on at once, and get the result as a message of its own when nothing else runs.',
} as const;
const BUDGET = {
  type: 'number',
  least: 0,
  optional: true,
  description: 'The most it may spend, in US dollars. It comes out of what you have left.',
} as const satisfies Field;

/** To be made anew in each turn. */
export function childTools(turn: AgentTurn, options: ChildToolsOptions): ChildTools {
  return {
    spawn_agent: spawnTool(turn, options),
    continue_agent: continueTool(turn, options),
    wait_for_agent: waitTool(turn),
    cancel_agent: cancelTool(turn),
    close_agent: closeTool(turn),
    list_agents: listTool(turn),
  };
}

function spawnTool(turn: AgentTurn, { agents, onProgress }: ChildToolsOptions): ModelTool {
  const names = Object.keys(agents);
  const who = names.map((name) => `- ${name}: ${agents[name]}`).join('\n');
  return modelTool({
    description: described('spawn_agent', [
      `Starts another agent on a task of its own and gives you its result. Who there is:\n${who}`,
      'Use it for work that stands by itself, that another agent is better at, or that can go on beside yours: call it ' +
        'several times in one step to have several at work at once.',
      'Do not use it for what you can answer or do in a step or two yourself, nor to talk on with an agent that you ' +
        'started before: continue_agent does that, and keeps what was said.',
      'The agent sees nothing of your conversation: say in `input` all that it needs to know.',
    ]),
    input: {
      agent: { type: 'string', oneOf: names, description: 'Whom to start.' },
      input: { type: 'string', description: 'The task, complete in itself.' },
      title: { type: 'string', optional: true, description: 'A few words for people who watch.' },
      mode: MODE,
      budgetUsd: BUDGET,
    },
    async execute({ agent, input, title, mode, budgetUsd }, { abortSignal }) {
      const child: Child = await turn.children.spawn(agent, input, {
        ...(title === undefined ? {} : { title }),
        ...started(mode, budgetUsd, abortSignal),
        ...heard(onProgress),
      });
      return settled(child, mode);
    },
  });
}

function heard(tell: ChildToolsOptions['onProgress']): Pick<ContinueOptions, 'onProgress'> {
  return tell === undefined ? {} : { onProgress: (progress) => tell(progress.session, progress) };
}

function continueTool(turn: AgentTurn, { onProgress }: ChildToolsOptions): ModelTool {
  return modelTool({
    description: described('continue_agent', [
      'Sends another message to an agent that you started. It remembers what was said before.',
      'Use it to ask back, to correct, or to give the next step of the same work. One that still works takes the ' +
        'message up after that.',
      'Do not use it for a new task that has nothing to do with the old one: spawn_agent starts with a clear head. ' +
        'One that is closed cannot be continued.',
    ]),
    input: {
      child: CHILD,
      input: { type: 'string', description: 'The message.' },
      mode: MODE,
      budgetUsd: BUDGET,
    },
    async execute({ child: session, input, mode, budgetUsd }, { abortSignal }) {
      const child = await turn.children.continue(session, input, {
        ...started(mode, budgetUsd, abortSignal),
        ...heard(onProgress),
      });
      return settled(child, mode);
    },
  });
}

function waitTool(turn: AgentTurn): ModelTool {
  return modelTool({
    description: described('wait_for_agent', [
      'Gives you the result of an agent that works in the background, as soon as it has one.',
      'Use it when you cannot go on without that result. With `seconds` it comes back after that time at the latest ' +
        'and says `running`: the agent works on.',
      'Do not use it for one started with mode wait (you have its result) or report (its result comes by itself), nor ' +
        'again and again to see how it is getting on: list_agents shows that.',
    ]),
    input: {
      child: CHILD,
      turn: { type: 'string', optional: true, description: 'Which of its turns; default: the newest.' },
      seconds: {
        type: 'number',
        least: 1,
        most: WAIT_SECONDS_MAX,
        optional: true,
        description: 'The longest to wait. Default: until it has ended.',
      },
    },
    async execute({ child, turn: which, seconds }, { abortSignal }) {
      const enough = new AbortController();
      const timer =
        seconds === undefined ? undefined : turn.clock.after(seconds * 1_000, () => enough.abort());
      const signals = [turn.signal, enough.signal, ...(abortSignal === undefined ? [] : [abortSignal])];
      try {
        const options = { ...(which === undefined ? {} : { turn: which }), signal: AbortSignal.any(signals) };
        return answerOf(child, await turn.children.wait(child, options));
      } catch (error) {
        if (!enough.signal.aborted || turn.signal.aborted) throw error;
        return { child, state: 'running', waitedSeconds: seconds ?? 0 };
      } finally {
        timer?.cancel();
      }
    },
  });
}

function cancelTool(turn: AgentTurn): ModelTool {
  return modelTool({
    description: described('cancel_agent', [
      'Stops what an agent that you started is doing, and all that works for it.',
      'Use it when its work is not needed any more or has gone wrong. What it has done and said stays, and it can be ' +
        'continued with another message.',
      'Do not use it to end an agent for good (close_agent does), nor on one that does not work: that changes nothing.',
    ]),
    input: {
      child: CHILD,
      reason: { type: 'string', optional: true, description: 'Why, for people who watch.' },
    },
    execute: async ({ child, reason }) => {
      const { cancelled } = await turn.children.cancel(child, reason);
      return { child, cancelled: [...cancelled] };
    },
  });
}

function closeTool(turn: AgentTurn): ModelTool {
  return modelTool({
    description: described('close_agent', [
      'Ends an agent that you started, and all that works for it, for good: running work is stopped, and what it holds ' +
        'is freed.',
      'Use it when you are done with an agent and others wait for a place. Closing it twice does no harm.',
      'Do not use it when you may want to go on with it: it cannot be continued. One that is idle costs nothing.',
    ]),
    input: {
      child: CHILD,
      reason: { type: 'string', optional: true, description: 'Why, for people who watch.' },
    },
    execute: async ({ child, reason }) => {
      await turn.children.close(child, reason);
      return { child, state: 'closed' };
    },
  });
}

function listTool(turn: AgentTurn): ModelTool {
  return modelTool({
    description: described('list_agents', [
      'Shows the agents that you started, the newest first: what each is doing, how its last turn ended, and what it ' +
        'has cost.',
      'Use it to find an id again, or to see who is still at work.',
      'Do not use it to wait: it answers at once, and wait_for_agent tells you when one has ended.',
    ]),
    input: {},
    execute: async () => ({ agents: (await turn.children.list()).map(factsOf) }),
  });
}

function described(tool: keyof ChildTools, sentences: readonly string[]): string {
  const codes = CHILD_TOOL_ERRORS[tool];
  const errors = codes.length === 0 ? [] : [`Errors it may answer:\n${errorLines(codes, HINTS)}`];
  return [...sentences, ...errors].join('\n\n');
}

function started(mode: string | undefined, budgetUsd: number | undefined, signal: AbortSignal | undefined) {
  return {
    whenDone: mode === 'report' ? ('turn' as const) : ('event' as const),
    ...(budgetUsd === undefined ? {} : { budget: { usd: budgetUsd } }),
    // Who does not wait lets it go on when this call is over.
    ...(signal === undefined || (mode ?? 'wait') !== 'wait' ? {} : { signal }),
  };
}

async function settled(child: Child, mode: string | undefined): Promise<ShownResult | JsonObject> {
  if ((mode ?? 'wait') === 'wait') return answerOf(child.session, await child.result());
  return { child: child.session, turn: child.turn, state: 'running' };
}

function answerOf(child: string, result: ChildResult): ShownResult {
  const { outcome, text, error, usage, costUsd, sessionCompleted, images, handOff } = result;
  const value = {
    child,
    outcome,
    text: cut(text),
    ...(error === undefined ? {} : { error: { ...error } }),
    ...(handOff === undefined ? {} : { handOff: { ...handOff } }),
    ...(sessionCompleted ? { sessionCompleted } : {}),
    ...(images.length === 0 ? {} : { images: images.map(({ name, mediaType }) => name ?? mediaType) }),
    costUsd,
    usage: { ...usage },
  } satisfies Record<string, Json>;
  const files = images.flatMap(({ mediaType, data, name }) =>
    data === undefined ? [] : [{ mediaType, data, ...(name === undefined ? {} : { name }) }],
  );
  return new ShownResult(value, files);
}

function factsOf(facts: ChildFacts): JsonObject {
  const { session, agent, title, state, outcome, costUsd, budget, lastActiveAt } = facts;
  return { child: session, agent, title, state, outcome, costUsd, budget: { ...budget }, lastActiveAt };
}

/** T2. */
function cut(text: string): string {
  if (text.length <= TEXT_CHARS_MAX) return text;
  const kept = text.slice(0, TEXT_CHARS_MAX);
  return `${kept.isWellFormed() ? kept : kept.slice(0, -1)}\n[${text.length - TEXT_CHARS_MAX} more characters]`;
}
