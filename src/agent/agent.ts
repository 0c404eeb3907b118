// Agent: the contract between the runtime and whatever answers messages.
//
//   G1. One `run` at a time per instance; `close` is called once and never during `run`, unless the agent
//       ignored its signal for longer than `cancelMsMax`.
//   G2. The runtime pulls: after it yields `tool.called`, `run` is resumed only when that event is durable,
//       so a tool never runs that the log does not know. Other events are pipelined within `inFlightBytesMax`.
//   G3. Abort means: stop, clean up, return or throw. What was yielded before stays in the log.
//   G4. What `run` throws ends the turn as `failed`; the instance is used again for the next one.
import type { Clock, Millis } from '../kernel/clock.ts';
import type { Json, JsonObject } from '../kernel/json.ts';
import type { Logger } from '../kernel/logger.ts';
import type { ReadBack, ReadBackCall } from '../wire/context.ts';
import type { FilePart, Input, Message, Part, Role } from '../wire/message.ts';
import type { Budget, SessionState, Usage } from '../wire/session.ts';
import type { HandOff, Outcome, Progress, TurnError, TurnKind } from '../wire/turn.ts';

export { READ_BACK, readBackTool, type ReadBackTool } from './read-back-tool.ts';

export interface AgentCapabilities {
  /**
   * What becomes of a turn that has begun when its process ends. `never`: it ends `interrupted`. `safe`: it runs again from
   * the start, also after a person's answer. `waiting`: as `never`, but one that waits for a person goes on waiting, and
   * another attempt goes on with the answer: what `snapshot` gives while it asks is all that this attempt needs.
   */
  rerun: 'never' | 'waiting' | 'safe';
  /** It looks into `turn.inbox` while it runs. */
  steers: boolean;
  /** It can forget a turn: its memory is nothing but `turn.history`. */
  rewinds: boolean;
  /** It can start from a copied history. */
  forks: boolean;
  /** It keeps the conversation itself; `turn.history` is left empty. */
  ownsHistory: boolean;
}

export interface Agent {
  readonly capabilities: AgentCapabilities;
  /** Only one instance of a session may exist at a time (a port, a browser profile): it is closed before its replacement opens. */
  readonly exclusive?: boolean;
  /**
   * `open` only puts together what is there: a turn that wakes its session is written down as started together with its
   * message, while the instance is being made. Without it, a turn starts when its instance is there.
   *
   * @default false
   */
  readonly opensAtOnce?: boolean;
  /** What its working set is measured by; without it the runtime's own settings. */
  readonly context?: AgentContext;
  /**
   * Makes the instance of one session; bounded by `openMsMax`. `previous` is what the last instance's
   * `snapshot` gave, also after a restart; undefined the first time and when there was none.
   */
  open(context: OpenContext, previous?: Json): Promise<Instance> | Instance;
}

/** Of an agent that owns its history nothing is kept, and nothing measured. */
export interface AgentContext {
  /**
   * What its model reads at once, in tokens.
   *
   * @default the limit `contextTokens`
   */
  windowTokens?: number;
  /** Names the family that tokens are counted by, until a model's usage names its own. */
  model?: string;
  /**
   * Makes digests of what is old.
   *
   * @default the runtime's, and rules without a model where it has none
   */
  summariser?: Summariser;
}

/** Makes a stretch of conversation short. What fails or takes longer than `digestMsMax` is done by rules instead. */
export interface Summariser {
  /** For the log. */
  readonly name: string;
  summarise(stretch: Stretch, options: { tokensMax: number; signal: AbortSignal }): Promise<Summary>;
}

export interface Stretch {
  /** Of whole turns, oldest first. */
  messages: readonly Message[];
  /** What an earlier digest said of the time before, where this one takes its place. */
  earlier?: string;
}

export interface Summary {
  text: string;
  usage?: Partial<Usage>;
  costUsd?: number;
  model?: string;
}

export interface Instance {
  run(turn: AgentTurn): AsyncIterable<AgentEvent>;
  /**
   * What the next instance of this session needs besides the log; undefined for nothing. Called before `close`; with
   * `rerun: waiting` also before and behind each turn and each question, so it is quick and tells nobody anything.
   */
  snapshot(): Promise<Json | undefined> | Json | undefined;
  /** Frees everything; bounded by `closeMsMax`. */
  close(reason: string): Promise<void> | void;
}

/** What an agent knows about the session it serves. Frozen. */
export interface SessionFacts {
  id: string;
  key: string;
  project: string;
  agent: string;
  owner: string | null;
  parent: string | null;
  metadata: JsonObject;
}

export interface OpenContext {
  session: SessionFacts;
  /** Aborts when nobody waits for the instance any more. */
  signal: AbortSignal;
  clock: Clock;
  logger: Logger;
}

export interface AgentTurn {
  readonly id: string;
  readonly session: SessionFacts;
  readonly kind: TurnKind;
  readonly author: string | null;
  readonly channel: string | null;
  /** 1 for the first; more after a crash or a person's answer (not with `rerun: never`). */
  readonly attempt: number;
  /** True when the attempt before this one ended with the process. */
  readonly afterCrash: boolean;
  readonly inputs: readonly Input[];
  /** What was said before this turn, without dropped turns; large results appear as references. */
  readonly history: readonly Message[];
  readonly metadata: JsonObject;
  readonly signal: AbortSignal;
  /** Running time left; waiting for a person does not count. */
  readonly leftMs: () => Millis;
  readonly clock: Clock;
  readonly inbox: Inbox;

  /**
   * Asks a person and waits. Recorded by turn and `key`: a later attempt that asks again with the same key gets the
   * recorded answer. Under `rerun: safe` the first ask rejects with `turn.suspended`, which must pass through: the
   * turn waits without an instance and runs again when the answer is there. Rejects with `request.closed`
   * when it expired.
   */
  ask(key: string, question: Question): Promise<Answer>;

  /** The sessions that turns of this session started. */
  readonly children: Children;
  /** The same as `children.spawn`. */
  spawn(agent: string, input: string | readonly Part[], options?: SpawnOptions): Promise<Child>;

  /**
   * Says how this turn is getting on. The parent of this session sees it as `child.progress`, at a bounded rate: the
   * newest replaces those that were not shown yet. Does nothing where there is no parent.
   */
  progress(progress: Progress): void;

  /** What the next one needs to know; goes with the turn's end, and to the parent. The last one counts. */
  handOff(handOff: HandOff): void;

  /** What lives as long as the live session: opened once by name, closed with it whatever the reason. */
  resource<Thing>(
    name: string,
    open: () => Promise<Thing>,
    close: (thing: Thing) => Promise<void>,
  ): Promise<Thing>;

  /**
   * Keeps one text under a name for as long as the session: the first that is given stays, whoever gives another. Answers
   * what is kept; undefined where nothing is and none is given. A name has at most 500 bytes, a text 65,536 characters.
   */
  pinned(name: string, value?: string): Promise<string | undefined>;

  /**
   * Reads what was moved out of this session's working set, whole or in part: what a reference in `history` names. Answers
   * `read-back.invalid` and `artifact.not_found`, which a model can act on.
   */
  readBack(call: ReadBackCall): Promise<ReadBack>;

  /**
   * What a model is shown of a tool's output: as it is, or, where it is larger than `inlineBytesMax`, the beginning, the end
   * and how to read it back. The same bytes yielded as `tool.returned` afterwards are not written twice.
   */
  shown(output: unknown): Promise<unknown>;

  /**
   * Asked before each call of a model, with all that its prompt is going to say, oldest first: `history`, the inputs, and what
   * this turn has said so far. Where that passes `contextEmergency` of the window, calls of tools are shown in short with how to
   * read back what they returned, the oldest first, down to `contextTarget`. The same list while all fits. To be asked with what
   * it answered the time before, and what came since. Rejects with `context.too_large` where nothing makes it fit.
   */
  fitted(messages: readonly Message[]): Promise<readonly Message[]>;

  /** Ends the session with this turn: it closes once the turn has completed. */
  completeSession(): void;
}

/** Inputs that arrived with policy `steer` while the turn runs. What is not taken becomes the next turn. */
export interface Inbox {
  /** Takes all that wait, oldest first; empty when there is none. */
  take(): readonly Input[];
}

export interface Question {
  kind: 'question' | 'approval';
  text: string;
  options?: readonly string[];
  /** For approvals: what exactly would run. */
  tool?: { call: string; name: string; input: unknown };
  /** Default and bound: `requestMs`. */
  expiresMs?: Millis;
}

export interface Answer {
  decision: 'allow' | 'deny';
  answer?: string;
  remember?: boolean;
}

/**
 * A child is an ordinary session with a parent. Children of other sessions answer `child.not_found`, as those that do
 * not exist. All verbs take the child's session id.
 */
export interface Children {
  /**
   * Starts a session of `agent` as a child of this one. Recorded by turn and `options.key` (default: its ordinal in
   * the turn): a later attempt gets the same child. Answers `capacity` at once when there is no place, `child.limit`,
   * `child.depth`, `child.cycle`, `agent.unknown`, and `budget.exceeded` where less is left than was asked for.
   * An agent may ask itself, as deep as children may stand; a cycle is the same step from one agent to another, twice
   * in one line of sessions.
   */
  spawn(agent: string, input: string | readonly Part[], options?: SpawnOptions): Promise<Child>;
  /** Another turn of a child, after those it has. Recorded by turn and `options.key`. Also `session.closed`, `capacity`. */
  continue(child: string, input: string | readonly Part[], options?: ContinueOptions): Promise<Child>;
  /** The result of the child's newest turn, or of the one named. Rejects when this turn is aborted. */
  wait(child: string, options?: WaitOptions): Promise<ChildResult>;
  /** Stops what the child and all below it run, and what waits there; resolves when it has unwound. */
  cancel(child: string, reason?: string): Promise<{ cancelled: readonly string[] }>;
  /** Ends the child and all below it for good, running work included. Idempotent. */
  close(child: string, reason?: string): Promise<void>;
  /** Newest first, closed ones included, at most 100. */
  list(): Promise<readonly ChildFacts[]>;
}

export interface ContinueOptions {
  key?: string;
  /**
   * What this child may spend from now on: reserved from what this session has left, and given back when its turn is over.
   *
   * @default what its own budget and those above it leave
   */
  budget?: Budget;
  /**
   * `event`: the result is `child.ended` in this session's log. `turn`: it also becomes a turn of this session, of kind
   * `child`, when nothing else runs.
   *
   * @default 'event'
   */
  whenDone?: 'event' | 'turn';
  /** Called for this turn's progress, at a bounded rate, from its start on: perhaps before the call that asked has answered. */
  onProgress?: (progress: Progress & { session: string; turnNumber: number; elapsedMs: number }) => void;
  /** Stops waiting for the result, and the child's turn. */
  signal?: AbortSignal;
}

export interface SpawnOptions extends ContinueOptions {
  title?: string;
  /**
   * When this session ends: `close` ends the child too; `handOn` gives it to this session's parent, or lets it go on
   * alone where there is none.
   *
   * @default 'close'
   */
  whenParentEnds?: 'close' | 'handOn';
}

export interface WaitOptions {
  turn?: string;
  signal?: AbortSignal;
}

export interface Child {
  /** The child's session id. */
  readonly session: string;
  /** The turn that was started. */
  readonly turn: string;
  /** Waits for that turn. Rejects only when this turn, or the signal in the options, is aborted. */
  result(): Promise<ChildResult>;
}

export interface ChildResult {
  outcome: Outcome;
  text: string;
  isError: boolean;
  error?: TurnError;
  usage: Usage;
  costUsd: number;
  /** The child ended its session with this turn: it cannot be continued. */
  sessionCompleted: boolean;
  /** What the child's turn showed: the first four, up to 4 MiB, with their `data`; a large one beyond that is a `ref`. */
  images: readonly FilePart[];
  handOff?: HandOff;
}

export interface ChildFacts {
  session: string;
  key: string;
  agent: string;
  title: string | null;
  state: SessionState;
  /** The running or the newest turn, and how it ended. */
  turn: string | null;
  outcome: Outcome | null;
  /** Of the child and everything below it. */
  usage: Usage;
  costUsd: number;
  budget: Budget;
  /** Its parent's, always. */
  owner: string | null;
  createdAt: string;
  lastActiveAt: string;
}

/** What `run` yields. A plain string is a text delta. */
export type AgentEvent =
  | string
  | { kind: 'text.delta'; text: string; message?: string }
  | { kind: 'reasoning.delta'; text: string; message?: string }
  /** A whole message; without one the runtime makes it from the deltas when the turn ends. */
  | { kind: 'message'; role: Role; parts: readonly Part[]; message?: string }
  | { kind: 'tool.called'; call: string; name: string; input: unknown }
  | { kind: 'tool.progress'; call: string; message?: string; percent?: number; data?: unknown }
  | { kind: 'tool.returned'; call: string; output: unknown; isError?: boolean }
  | { kind: 'usage'; usage: Partial<Usage>; costUsd?: number; model?: string }
  | { kind: 'custom'; name: string; data: unknown };

/** The plainest agent: an async generator. `rerun: never`, and its memory is its history. */
export type AgentFunction = (turn: AgentTurn) => AsyncIterable<AgentEvent>;
