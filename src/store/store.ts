// Store: where truth is kept. What any backend must do; `testing/store-conformance.ts` says it in tests.
//
//   S1. `append` is one transaction and is fenced: it applies only where the session's epoch still is the one given.
//       When its promise resolves the events are on disk; no read ever shows one that is not.
//   S2. `seq` is given by the store, from 1, without gaps, in the order the jobs of a session were handed over.
//   S3. Poison: after one failed append of a (session, epoch) every later one of the same pair is refused
//       (`log.poisoned`) until a claim moves the epoch, so a gapless log never misses its middle.
//   S4. Appends that wait while the store is writing share the next commit. A job that is fenced or refused
//       fails alone; a failed commit fails all jobs of its group.
//   S5. A store never opens a `body`. What lists and recovery need arrives as patches of typed rows.
//   S6. Every event carries a checksum. A mismatch marks its session as damaged (`session.damaged`); others work.
//   S7. Reads see every append that was acknowledged before they began. Rows and events they return are copies.
import type { Millis } from '../kernel/clock.ts';
import type { IdentityStore } from './identities.ts';
import type { TimelineStore } from './timelines.ts';

export type * from './identities.ts';
export type * from './timelines.ts';

export type Epoch = number;
export type Seq = number;
/** The store's own short name of a session; stable for its life, never reused, never shown outside. */
export type SessionNum = number;

export interface NewEvent {
  at: Millis;
  kind: string;
  turn: string | null;
  /** JSON text. */
  body: string;
}

export interface StoredEvent extends NewEvent {
  seq: Seq;
}

export type StoredState = 'idle' | 'queued' | 'running' | 'waiting' | 'closed';

export interface SessionRow {
  num: SessionNum;
  id: string;
  project: string;
  key: string;
  agent: string;
  owner: string | null;
  /** The token that made it; null for the host. */
  maker: string | null;
  channel: string | null;
  parent: string | null;
  title: string | null;
  summary: string | null;
  labels: readonly string[];
  /** JSON text. */
  metadata: string;
  /** What it posts by itself: names of milestones. */
  posts: readonly string[];
  /** Declared by whoever made it, and for good: nothing of it is digested or posted. */
  internal: boolean;
  state: StoredState;
  epoch: Epoch;
  headSeq: Seq;
  turn: string | null;
  queued: number;
  inputTokens: number;
  outputTokens: number;
  cacheReadTokens: number;
  cacheWriteTokens: number;
  costUsd: number;
  /** JSON text. */
  budget: string;
  /** Turns that have ended and tool calls made, for budgets; and the wall time of turns. */
  turnsEnded: number;
  toolCalls: number;
  turnMs: Millis;
  createdAt: Millis;
  lastActiveAt: Millis;
  damaged: boolean;
}

export type NewSession = Pick<
  SessionRow,
  | 'id'
  | 'project'
  | 'key'
  | 'agent'
  | 'owner'
  | 'maker'
  | 'channel'
  | 'parent'
  | 'title'
  | 'summary'
  | 'labels'
  | 'metadata'
  | 'budget'
> & { at: Millis; posts?: SessionRow['posts']; internal?: boolean };

export type SessionPatch = Partial<
  Omit<
    SessionRow,
    'num' | 'id' | 'project' | 'key' | 'epoch' | 'headSeq' | 'createdAt' | 'damaged' | 'maker' | 'internal'
  >
>;

export type StoredTurnState = 'queued' | 'running' | 'waiting' | 'done';

export interface TurnRow {
  id: string;
  session: SessionNum;
  state: StoredTurnState;
  outcome: string | null;
  kind: string;
  attempt: number;
  /** Attempts begun after a crash. */
  crashAttempts: number;
  /** Order among those that wait: ascending, then by acceptedSeq. An interrupting turn stands before older ones. */
  rank: number;
  dropped: boolean;
  acceptedAt: Millis;
  startedAt: Millis | null;
  endedAt: Millis | null;
  acceptedSeq: Seq;
  startSeq: Seq | null;
  endSeq: Seq | null;
  inputTokens: number;
  outputTokens: number;
  cacheReadTokens: number;
  cacheWriteTokens: number;
  costUsd: number;
}

/** Upsert by id. `acceptedEvent`, `startEvent` and `endEvent` are indexes into the same append's `events`. */
export type TurnPatch = Partial<Omit<TurnRow, 'session' | 'acceptedSeq' | 'startSeq' | 'endSeq'>> & {
  id: string;
  acceptedEvent?: number;
  startEvent?: number;
  endEvent?: number;
};

export interface RequestRow {
  id: string;
  session: SessionNum;
  turn: string;
  key: string;
  state: 'open' | 'closed';
  openedAt: Millis;
  expiresAt: Millis;
  openedSeq: Seq;
  closedSeq: Seq | null;
}

export type RequestPatch = Pick<RequestRow, 'id'> &
  Partial<Pick<RequestRow, 'turn' | 'key' | 'state' | 'openedAt' | 'expiresAt'>> & {
    openedEvent?: number;
    closedEvent?: number;
  };

/** That a session's log refers to an artifact. The same (session, digest) twice is one row. */
export interface ArtifactRow {
  digest: string;
  bytes: number;
  mediaType: string;
  name: string | null;
  at: Millis;
}

export interface OnceRow {
  key: string;
  /** Of the canonical body: the same key with another hash is a conflict the caller reports. */
  hash: string;
  /** JSON text, kept as it is. */
  receipt: string;
  /** Of the first event of the append that wrote it. */
  seq: Seq;
  expiresAt: Millis;
}

export interface Append {
  /** A number for a session that exists; a `NewSession` makes it in the same transaction, with epoch 1. */
  session: SessionNum | NewSession;
  /** The epoch this owner holds; 0 with a `NewSession`. */
  epoch: Epoch;
  /** Move the epoch to `epoch + 1` in this transaction; the result says so. Clears the poison (S3). */
  claim?: boolean;
  /** May be empty: then only rows change. */
  events: readonly NewEvent[];
  row?: SessionPatch;
  turns?: readonly TurnPatch[];
  requests?: readonly RequestPatch[];
  artifacts?: readonly ArtifactRow[];
  /** Written only where the session has no live row of this key; otherwise nothing of this append is written. */
  once?: Omit<OnceRow, 'seq'>;
  /** Replaces the session's snapshot. JSON text; null removes it. */
  snapshot?: string | null;
  /** A session that was staged gets this key; where the project has it already, nothing of this append is written. */
  key?: string;
}

export type Appended =
  | {
      kind: 'appended';
      num: SessionNum;
      epoch: Epoch;
      /** Of the last event; the head where there were none. */ headSeq: Seq;
    }
  /** The once-key was there already: nothing was written, and nothing is poisoned. */
  | { kind: 'once'; row: OnceRow }
  /** A `NewSession` or a `key` whose (project, key) was taken meanwhile: nothing was written, and nothing is poisoned. */
  | { kind: 'exists'; row: SessionRow };

export interface EventStore {
  /**
   * `take` is called exactly once, synchronously, when the store is about to write; until then the caller may go on
   * collecting what it will return. Jobs are taken in the order of the calls. Rejects with `log.fenced`,
   * `log.poisoned`, `store.full`, `store.failed`, `session.not_found`.
   */
  append(take: () => Append): Promise<Appended>;
  /**
   * Ascending from `after` + 1, at most `eventsMax` and (beyond the first) `bytesMax` of bodies; fewer only at the
   * head. With `kinds`, only those, and `seq` then has gaps.
   */
  read(
    session: SessionNum,
    after: Seq,
    bounds: { eventsMax: number; bytesMax: number; kinds?: readonly string[] },
  ): Promise<readonly StoredEvent[]>;
  /** True while a commit is under way: what is appended now waits for the next one. */
  readonly writing: boolean;
}

export interface SessionFilter {
  project: string;
  state?: StoredState;
  agent?: string;
  owner?: string;
  maker?: string;
  parent?: string;
  label?: string;
  /** Every blank-separated part begins a word of key, title or summary; case and accents do not matter. Blank: all. */
  q?: string;
  /** 1 to 200. */
  limit: number;
  /** From `nextCursor`; opaque. Throws `cursor.invalid`. */
  cursor?: string;
}

export interface SessionStore {
  /**
   * Sessions that are being put together: their keys begin with a control character, which no caller's does. Lists leave
   * them out. Oldest first.
   */
  staged(limit: number): Promise<readonly SessionRow[]>;
  byKey(project: string, keyOrAlias: string): Promise<SessionRow | null>;
  byId(id: string): Promise<SessionRow | null>;
  /** Newest activity first, then the higher num; a session that moves during paging may be seen again, none is skipped for good. */
  list(filter: SessionFilter): Promise<{ sessions: readonly SessionRow[]; nextCursor: string | null }>;
  children(parent: string): Promise<readonly SessionRow[]>;
  /** Sessions whose state is queued, running or waiting, or that have an open request: what recovery goes through. */
  unfinished(afterNum: SessionNum, limit: number): Promise<readonly SessionRow[]>;
  /** Another key for the same session. Throws `session.exists` when a session or alias of the project has it. */
  addAlias(session: SessionNum, alias: string): Promise<void>;
  removeAlias(project: string, alias: string): Promise<boolean>;
  aliases(session: SessionNum): Promise<readonly string[]>;
  /** Removes log, rows, receipts, search rows and aliases, and frees the key. Answers the digests no session of the project refers to any more. */
  erase(session: SessionNum): Promise<{ orphans: readonly string[] }>;
}

export interface RowStore {
  turn(session: SessionNum, id: string): Promise<TurnRow | null>;
  /** Newest first; `before` is an acceptedSeq, exclusive. */
  turns(session: SessionNum, options: { limit: number; before?: Seq }): Promise<readonly TurnRow[]>;
  /** Those not done, by rank and then acceptedSeq. */
  openTurns(session: SessionNum): Promise<readonly TurnRow[]>;
  request(session: SessionNum, id: string): Promise<RequestRow | null>;
  /** Of one turn, in the order they were opened; open and closed. */
  requestsOfTurn(session: SessionNum, turn: string): Promise<readonly RequestRow[]>;
  /** Open ones of a project, oldest first, with their sessions. */
  openRequests(
    project: string,
    limit: number,
  ): Promise<readonly { request: RequestRow; session: SessionRow }[]>;
  once(session: SessionNum, key: string, now: Millis): Promise<OnceRow | null>;
  artifacts(session: SessionNum): Promise<readonly ArtifactRow[]>;
  artifact(session: SessionNum, digest: string): Promise<ArtifactRow | null>;
  /** The bytes of all that a session refers to. */
  artifactBytes(session: SessionNum): Promise<number>;
  /** The bytes of all that sessions of a project refer to, each artifact once. */
  artifactBytesOf(project: string): Promise<number>;
  /** Those of `digests` that some session of the project refers to. */
  referred(project: string, digests: readonly string[]): Promise<readonly string[]>;
  /** The projects whose sessions refer to artifacts. */
  artifactProjects(): Promise<readonly string[]>;
  snapshot(session: SessionNum): Promise<string | null>;
  /** Removes once-rows that have expired; answers how many, at most `limit`. */
  forgetExpired(now: Millis, limit: number): Promise<number>;
}

export interface TokenRow {
  id: string;
  /** SHA-256 of the secret, hex. */
  hash: string;
  name: string;
  scopes: readonly string[];
  project: string;
  owner: string | null;
  createdAt: Millis;
  expiresAt: Millis | null;
}

export interface ControlStore {
  tokenByHash(hash: string): Promise<TokenRow | null>;
  tokens(project: string): Promise<readonly TokenRow[]>;
  addToken(row: TokenRow): Promise<void>;
  /** False when there is none of this id in the project. Ends what was signed in with it as `revoked`, wherever. */
  removeToken(project: string, id: string): Promise<boolean>;
  projects(): Promise<readonly { name: string; createdAt: Millis }[]>;
  /** Throws `project.exists`. */
  addProject(name: string, at: Millis): Promise<void>;
  /** Throws `project.in_use` while it has sessions; removes its tokens, identities, sign-ins and posts with it. False when there is none. */
  removeProject(name: string): Promise<boolean>;
}

/** A file that is there. */
export interface KeptArtifact {
  digest: string;
  bytes: number;
  /** When it was last put, by the store's clock. */
  putAt: Millis;
}

/** Content-addressed files, apart for each project. What a file cannot be read or written for throws `store.failed`. */
export interface ArtifactStore {
  /** Durable when it resolves; the same bytes twice are one file. Throws `artifact.too_large`, `store.full`. */
  put(project: string, bytes: Uint8Array): Promise<string>;
  /** `start` inclusive, `end` exclusive; the whole without them. Throws `artifact.not_found`, `artifact.range`, `store.damaged` where the file does not match its digest, also of a part. */
  read(project: string, digest: string, start?: number, end?: number): Promise<Uint8Array>;
  /** False where it stays for now, because a backup is being made. */
  remove(project: string, digest: string): Promise<boolean>;
  /** The files of a project, ascending by digest, behind `after` (empty: from the first), at most `limit`. */
  list(project: string, after: string, limit: number): Promise<readonly KeptArtifact[]>;
  /** Removes files of projects that are not `known` and were put before `before`, at most `limit`; answers how many. */
  removeStrangers(known: readonly string[], before: Millis, limit: number): Promise<number>;
}

export interface StoreStats {
  commits: number;
  appends: number;
  events: number;
  /** Of the last 1,000 commits, in milliseconds. */
  commitMsP50: number;
  commitMsP99: number;
  /** Appends that wait or are being written. */
  pending: number;
  /** Of the database and its write-ahead log. */
  fileBytes: number;
}

export interface Store extends EventStore, SessionStore, RowStore, ControlStore {
  readonly files: ArtifactStore;
  readonly identities: IdentityStore;
  readonly timelines: TimelineStore;
  stats(): StoreStats;
  /** A consistent copy of everything, artifacts included, into a folder that does not exist yet; writes go on meanwhile. */
  backup(folder: string, onProgress?: (done: number, all: number) => void): Promise<void>;
  /** Settles once nothing will ever be written again because the disk failed; never rejects. */
  readonly failed: Promise<Error>;
  /** Writes what was handed over, then closes and frees the data folder. Idempotent. */
  close(): Promise<void>;
}
