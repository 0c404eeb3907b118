// Calls: what a caller may send. Faces parse into these; the client and hosts write them by hand.
import type { JsonObject } from '../kernel/json.ts';
import type { InputPart } from './message.ts';
import type { Milestone } from './post.ts';
import type { Budget, SessionState, SessionView } from './session.ts';
import type { Scope } from './access.ts';
import type { Policy, TurnKind } from './turn.ts';

/** `PUT /v1/sessions/{key}`. What is left out is not compared with what the session has. */
export interface OpenCall {
  agent?: string;
  title?: string;
  owner?: string;
  channel?: string;
  labels?: readonly string[];
  metadata?: JsonObject;
  /** What it posts on the project's timeline by itself. Default: nothing. */
  posts?: readonly Milestone[];
  /** One of the host's own, for good: nothing of it is digested or posted. Needs scope `operate`. */
  internal?: true;
}

/** `PATCH /v1/sessions/{key}`. `null` empties a field. */
export interface UpdateCall {
  title?: string | null;
  labels?: readonly string[] | null;
  metadata?: JsonObject | null;
  budget?: Budget | null;
  posts?: readonly Milestone[] | null;
}

/** `POST /v1/sessions/{key}/turns`. */
export interface TurnCall {
  input: string | readonly InputPart[];
  /** Only used when this message makes the session; another than it has is `session.mismatch`. */
  agent?: string;
  /** Default `queue`. */
  policy?: Policy;
  /** Running time the turn may take; 1 to `turnMsMax`, default `turnMs`. */
  deadlineMs?: number;
  budget?: Budget;
  channel?: string;
  /** Default `user`; the others need scope `operate`. */
  kind?: TurnKind;
  metadata?: JsonObject;
  /** False: nobody can answer, so what it asks a person is denied at once. Default true. */
  canAsk?: boolean;
}

export interface SendOptions {
  /** Remembered for `onceMs`: the same key and call give the same receipt, another call `idempotency.conflict`. */
  idempotencyKey?: string;
}

export interface SessionQuery {
  state?: SessionState;
  agent?: string;
  owner?: string;
  /** The key or the id of a session; its children are listed. */
  parent?: string;
  label?: string;
  q?: string;
  /** Default 50, 1 to 200. */
  limit?: number;
  cursor?: string;
}

export interface AnswerCall {
  decision: 'allow' | 'deny';
  answer?: string;
  /** Give the same answer to this session's later asks about the same tool and input, until it is put away. */
  remember?: boolean;
}

export interface ForkCall {
  key: string;
  /** The last turn whose history is taken along; default all. */
  afterTurn?: string;
}

export const IMPORT_FORMATS = ['sojourn', 'claude-code', 'openai', 'ai-sdk', 'swe-agent'] as const;
/** `sojourn`: an export of ours. The others are logs of other agents. */
export type ImportFormat = (typeof IMPORT_FORMATS)[number];

/** `POST /v1/sessions/{key}/import`. */
export interface ImportCall {
  /** Default `auto`: told by what is in it. */
  format?: ImportFormat | 'auto';
  /** Who goes on with the session. Default: the agent of the export; for logs of other agents the default one. */
  agent?: string;
  /** Each call of the model becomes a turn of its own: to replay a log of another agent. */
  turnPerStep?: boolean;
}

export interface ImportSummary {
  format: ImportFormat;
  turns: number;
  /** Of tools. */
  calls: number;
  events: number;
  artifacts: number;
  /** In artifacts. */
  offloadedBytes: number;
  /** What was understood and is no part of the conversation, by kind: how often. */
  leftOut: Readonly<Record<string, number>>;
  /** How many lines or members could not be understood, and the beginnings of the first of them. */
  notUnderstood: { count: number; samples: readonly { at: string; text: string }[] };
}

export type ImportedSession = SessionView & { imported: ImportSummary };

export interface DirtyCall {
  project?: string;
  agent?: string;
  key?: string;
  reason: string;
}

export interface TailCall {
  /** Events with a larger seq follow. Default 0. */
  after?: number;
  /** The session this cursor belongs to; another under the key is `cursor.foreign`. */
  session?: string;
  /** Only this turn's events, ending after its `turn.ended`. */
  turn?: string;
  /** End when nothing runs or waits. */
  untilIdle?: boolean;
}

export interface TokenCall {
  name: string;
  scopes: readonly Scope[];
  /** Default: the one the caller acts in. */
  project?: string;
  owner?: string;
  expiresAt?: string;
}

export interface CancelResult {
  /** Of the turn; null when it had none to be cancelled. */
  outcome: string;
  /** False: it was over already, and nothing changed. */
  changed: boolean;
}

export interface StatsView {
  live: number;
  running: number;
  queued: number;
  waiting: number;
  evictions: Record<string, number>;
  /** Uses that found their session live, and uses that had to wait for its instance. */
  registry: { hits: number; misses: number };
  made: number;
  remade: number;
  remakeFailed: number;
  refused: { busy: number; capacity: number; full: number };
  turns: Record<string, number>;
  tails: number;
  /**
   * What left working sets. `byRules`: digests that rules made because a summariser failed. `collected…`: files of artifacts
   * that no log referred to any more.
   */
  context: {
    offloads: number;
    offloadedBytes: number;
    compactions: number;
    tokensSaved: number;
    byRules: number;
    collectedFiles: number;
    collectedBytes: number;
  };
  log: { inFlightBytes: number; appends: number; events: number };
  store: {
    commits: number;
    appends: number;
    events: number;
    commitMsP50: number;
    commitMsP99: number;
    pending: number;
    fileBytes: number;
  };
  uptimeMs: number;
}

export interface AgentView {
  name: string;
  default: boolean;
  capabilities: {
    rerun: 'never' | 'waiting' | 'safe';
    steers: boolean;
    rewinds: boolean;
    forks: boolean;
    ownsHistory: boolean;
  };
}
