// Calls: what faces, hosts and children may ask of a runtime.
//
//   F1. In every call the caller comes last; without one the host itself calls: project `default`, all scopes.
import type { StoredEvent } from '../store/store.ts';
import type { Caller, TokenView } from '../wire/access.ts';
import type {
  AgentView,
  AnswerCall,
  CancelResult,
  DirtyCall,
  ForkCall,
  ImportCall,
  ImportedSession,
  OpenCall,
  SendOptions,
  SessionQuery,
  StatsView,
  TailCall,
  TokenCall,
  TurnCall,
  UpdateCall,
} from '../wire/calls.ts';
import type { ContextView, ReadBack, ReadBackCall } from '../wire/context.ts';
import type { TranscriptMessage } from '../wire/message.ts';
import type { RequestView, SessionView, TreeNode } from '../wire/session.ts';
import type { Receipt, TurnView } from '../wire/turn.ts';
import type { SignInCalls } from './sign-in-calls.ts';
import type { TimelineCalls } from './timeline-calls.ts';

/** Follows a log. Ends by itself when what it was asked for is over. */
export interface Tail {
  /** The session it follows and its head when the tail began. */
  readonly session: string;
  readonly headSeq: number;
  /** The next events, at least one, in order, without gap or repeat; empty when the tail has ended. */
  next(): Promise<readonly StoredEvent[]>;
  /** Idempotent; a waiting `next` resolves empty. */
  close(): void;
}

/** An artifact's bytes or a range of them. */
export interface ArtifactSlice {
  bytes: Uint8Array;
  start: number;
  total: number;
  mediaType: string;
  name: string | null;
}

/** In every call the caller comes last and defaults to the host itself: project `default`, all scopes. */
export interface RuntimeCalls {
  open(key: string, call?: OpenCall, caller?: Caller): Promise<{ created: boolean; session: SessionView }>;
  session(key: string, caller?: Caller): Promise<SessionView>;
  sessions(
    query?: SessionQuery,
    caller?: Caller,
  ): Promise<{ sessions: readonly SessionView[]; nextCursor: string | null }>;
  update(key: string, call: UpdateCall, caller?: Caller): Promise<SessionView>;
  /** Cancels, waits, puts away, for good. With `erase` (scope admin) the log goes too and null is answered. */
  close(
    key: string,
    options?: { reason?: string; erase?: boolean },
    caller?: Caller,
  ): Promise<SessionView | null>;
  /** `session.busy` while a turn runs. False: it was not live. */
  evict(key: string, caller?: Caller): Promise<boolean>;
  fork(key: string, call: ForkCall, caller?: Caller): Promise<SessionView>;
  /** JSON lines. */
  export(key: string, caller?: Caller): Promise<AsyncIterable<string>>;
  /** Of an export, or of a log of another agent. Throws `session.exists`, `input.invalid` with the place, `artifact.quota`. */
  import(
    key: string,
    lines: AsyncIterable<string>,
    call?: ImportCall,
    caller?: Caller,
  ): Promise<ImportedSession>;
  transcript(key: string, caller?: Caller): Promise<readonly TranscriptMessage[]>;
  tree(key: string, caller?: Caller): Promise<TreeNode>;
  /** What its next turn would see, and what that takes. Wakes nothing. */
  context(key: string, caller?: Caller): Promise<ContextView>;
  /** What was moved out of it, by reference. Throws `read-back.invalid`, `artifact.not_found`. Wakes nothing. */
  readBack(
    key: string,
    call: ReadBackCall,
    options?: { signal?: AbortSignal },
    caller?: Caller,
  ): Promise<ReadBack>;
  addAlias(key: string, alias: string, caller?: Caller): Promise<void>;

  send(key: string, call: TurnCall, options?: SendOptions, caller?: Caller): Promise<Receipt>;
  turns(
    key: string,
    options?: { limit?: number; before?: number },
    caller?: Caller,
  ): Promise<readonly TurnView[]>;
  turn(key: string, turn: string, caller?: Caller): Promise<TurnView>;
  /** The finished turn, or null when `waitMs` was not enough. */
  finished(
    key: string,
    turn: string,
    options: { waitMs: number; signal?: AbortSignal },
    caller?: Caller,
  ): Promise<TurnView | null>;
  cancelTurn(key: string, turn: string, reason?: string, caller?: Caller): Promise<CancelResult>;
  /** The running turn and all that wait. */
  cancel(key: string, reason?: string, caller?: Caller): Promise<{ cancelled: readonly string[] }>;

  events(
    key: string,
    options: { after: number; limit?: number },
    caller?: Caller,
  ): Promise<{ session: string; events: readonly StoredEvent[]; headSeq: number }>;
  tail(key: string, call?: TailCall, caller?: Caller): Promise<Tail>;
  artifacts(
    key: string,
    caller?: Caller,
  ): Promise<readonly { id: string; bytes: number; mediaType: string; name: string | null; at: string }[]>;
  artifact(
    key: string,
    id: string,
    range?: { start: number; end?: number },
    caller?: Caller,
  ): Promise<ArtifactSlice>;

  requests(caller?: Caller): Promise<readonly RequestView[]>;
  answer(key: string, request: string, call: AnswerCall, caller?: Caller): Promise<{ decision: string }>;

  dirty(call: DirtyCall, caller?: Caller): Promise<{ marked: number }>;
  agents(caller?: Caller): readonly AgentView[];
  stats(caller?: Caller): StatsView;

  projects(caller?: Caller): Promise<readonly { name: string; createdAt: string }[]>;
  addProject(name: string, caller?: Caller): Promise<{ name: string; createdAt: string }>;
  removeProject(name: string, caller?: Caller): Promise<void>;
  tokens(caller?: Caller): Promise<readonly TokenView[]>;
  /** `secret` is shown this once. */
  addToken(call: TokenCall, caller?: Caller): Promise<TokenView & { secret: string }>;
  removeToken(id: string, caller?: Caller): Promise<void>;
  /** Identities, and sign-ins that speak for them. */
  readonly signIns: SignInCalls;
  /** What identities and sessions of a project post. */
  readonly timeline: Pick<TimelineCalls, 'post' | 'page' | 'follow'>;
  /**
   * Of a token or of a sign-in. Null: unknown, revoked or expired. Throws `sign-in.expired` or `sign-in.ended` for a
   * sign-in that is over. A store that cannot answer throws; it never counts as "no".
   */
  authenticate(secret: string): Promise<Caller | null>;
  /** Calls `ended` once when the token behind `caller` is revoked or expires; returns the call that stops watching. */
  watchToken(caller: Caller, ended: () => void): () => void;

  /** `starting`, `ready`, `draining` or `failed`. */
  readonly health: 'starting' | 'ready' | 'draining' | 'failed';
  /** Refuse new work, wait up to `graceMs` for turns, abort the rest, put away all, flush, close. Idempotent. */
  shutdown(graceMs?: number): Promise<void>;
}
