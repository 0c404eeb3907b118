// MemoryDisk: what is durable of a memory store, and the one way it changes. It outlives the store that writes it, as a
// disk outlives a process; what is on it may be looked at without any store.
//
//   D1. `apply` is all or nothing: whatever may refuse an append comes before its first change.
//   D2. The order of refusals is that of the contract: once, poison, fence.
import { SojournError, assert } from '../../kernel/errors.ts';
import type { Millis } from '../../kernel/clock.ts';
import type {
  Append,
  Appended,
  ArtifactRow,
  Epoch,
  IdentityRow,
  NewSession,
  OnceRow,
  RequestPatch,
  RequestRow,
  SessionNum,
  SessionRow,
  SignInRow,
  StoredEvent,
  TokenRow,
  TurnPatch,
  TurnRow,
} from '../../store/store.ts';
import type { KeptTimeline } from './timelines.ts';

/** All there is of one session. */
export interface KeptSession {
  row: SessionRow;
  /** The event at index 0 has seq 1. */
  events: StoredEvent[];
  /** The epoch each of them was written in. */
  epochs: Epoch[];
  turns: Map<string, TurnRow>;
  requests: Map<string, RequestRow>;
  once: Map<string, OnceRow>;
  artifacts: Map<string, ArtifactRow>;
  snapshot: string | null;
  /** The epoch in which an append failed. */
  poisoned: Epoch | null;
}

export class MemoryDisk {
  readonly sessions = new Map<SessionNum, KeptSession>();
  /** By project and key or alias. */
  readonly names = new Map<string, SessionNum>();
  readonly tokens = new Map<string, TokenRow>();
  readonly projects = new Map<string, Millis>();
  /** By id, in the order they were made. */
  readonly identities = new Map<string, IdentityRow>();
  readonly signIns = new Map<string, SignInRow>();
  /** By project. */
  readonly timelines = new Map<string, KeptTimeline>();
  /** By project and digest. */
  readonly files = new Map<string, { bytes: Uint8Array; putAt: Millis }>();
  #lastNum: SessionNum = 0;

  /** By key or alias. */
  find(project: string, name: string): KeptSession | undefined {
    const num = this.names.get(nameOf(project, name));
    return num === undefined ? undefined : this.sessions.get(num);
  }

  /** Throws what the contract says an append rejects with; then nothing has changed (D1). */
  apply(append: Append, now: Millis): Appended {
    const { session } = append;
    if (typeof session !== 'number') {
      const taken = this.find(session.project, session.key);
      if (taken !== undefined) return { kind: 'exists', row: copyRow(taken.row) };
      const kept = newSession(session, this.#lastNum + 1);
      const appended = write(kept, { ...append, epoch: 1, claim: false });
      this.#lastNum = kept.row.num;
      this.sessions.set(kept.row.num, kept);
      this.names.set(nameOf(session.project, session.key), kept.row.num);
      return appended;
    }
    const kept = this.sessions.get(session);
    if (kept === undefined) throw new SojournError('session.not_found', `There is no session ${session}`);
    const known = append.once === undefined ? undefined : kept.once.get(append.once.key);
    if (known !== undefined && known.expiresAt > now) return { kind: 'once', row: { ...known } };
    const taken = append.key === undefined ? undefined : this.find(kept.row.project, append.key);
    if (taken !== undefined && kept.poisoned !== append.epoch)
      return { kind: 'exists', row: copyRow(taken.row) };
    const appended = write(kept, append);
    if (append.key !== undefined) this.#move(kept, append.key);
    return appended;
  }

  #move({ row }: KeptSession, key: string): void {
    this.names.delete(nameOf(row.project, row.key));
    this.names.set(nameOf(row.project, key), row.num);
    row.key = key;
  }

  /** Refuses what comes later from the same owner (S3 of the contract). */
  poison({ session, epoch }: Append): void {
    const kept = typeof session === 'number' ? this.sessions.get(session) : undefined;
    if (kept !== undefined && (kept.poisoned ?? 0) < epoch) kept.poisoned = epoch;
  }

  copy(): MemoryDisk {
    const copy = new MemoryDisk();
    copy.#lastNum = this.#lastNum;
    for (const [num, kept] of this.sessions) copy.sessions.set(num, structuredClone(kept));
    for (const [name, num] of this.names) copy.names.set(name, num);
    for (const [hash, token] of this.tokens) copy.tokens.set(hash, { ...token });
    for (const [name, at] of this.projects) copy.projects.set(name, at);
    for (const [id, row] of this.identities) copy.identities.set(id, { ...row });
    for (const [id, row] of this.signIns) copy.signIns.set(id, { ...row });
    for (const [name, kept] of this.timelines) copy.timelines.set(name, structuredClone(kept));
    for (const [digest, file] of this.files) copy.files.set(digest, file);
    return copy;
  }
}

/** A project's name has no control characters, so this is injective. */
export const nameOf = (project: string, name: string): string => `${project}\0${name}`;

/** Its key begins with a control character: it is being put together. */
export const isStaged = ({ key }: Pick<SessionRow, 'key'>): boolean => key < ' ';

export function copyRow(row: SessionRow): SessionRow {
  return { ...row, labels: [...row.labels], posts: [...row.posts] };
}

function write(kept: KeptSession, append: Append): Appended {
  const { row } = kept;
  const { epoch, claim = false, events } = append;
  if (!claim && kept.poisoned === epoch) {
    throw new SojournError('log.poisoned', `Session ${row.num} had a failed append in epoch ${epoch}`);
  }
  if (row.epoch !== epoch) {
    const detail = `Session ${row.num} is at epoch ${row.epoch}, and the append came with ${epoch}`;
    throw new SojournError('log.fenced', detail);
  }
  const place: Place = { num: row.num, before: row.headSeq, count: events.length };
  const turns = (append.turns ?? []).reduce((rows, patch) => patchTurn(rows, patch, kept, place), new Map());
  const requests = (append.requests ?? []).reduce(
    (rows, patch) => patchRequest(rows, patch, kept, place),
    new Map(),
  );
  const patch = Object.entries(append.row ?? {}).filter(([, value]) => value !== undefined);
  for (const [name] of patch) assert(name in row, `a patch sets ${name}, which is not a field of the row`);

  Object.assign(row, Object.fromEntries(patch));
  row.epoch = claim ? epoch + 1 : epoch;
  row.headSeq += events.length;
  if (claim) kept.poisoned = null;
  for (const [index, event] of events.entries()) {
    kept.events.push({ ...event, seq: place.before + index + 1 });
    kept.epochs.push(row.epoch);
  }
  for (const [id, turn] of turns) kept.turns.set(id, turn);
  for (const [id, request] of requests) kept.requests.set(id, request);
  for (const artifact of append.artifacts ?? []) {
    if (!kept.artifacts.has(artifact.digest)) kept.artifacts.set(artifact.digest, { ...artifact });
  }
  if (append.once !== undefined) {
    kept.once.set(append.once.key, { ...append.once, seq: place.before + 1 });
  }
  if (append.snapshot !== undefined) kept.snapshot = append.snapshot;
  return { kind: 'appended', num: row.num, epoch: row.epoch, headSeq: row.headSeq };
}

interface Place {
  num: SessionNum;
  /** The head before the append, and how many events it has. */
  before: number;
  count: number;
}

function seqOf({ before, count }: Place, event: number): number {
  const isOne = Number.isInteger(event) && event >= 0 && event < count;
  assert(isOne, `a patch names event ${event} of an append with ${count}`);
  return before + event + 1;
}

function patchTurn(
  rows: Map<string, TurnRow>,
  patch: TurnPatch,
  kept: KeptSession,
  place: Place,
): Map<string, TurnRow> {
  const { acceptedEvent, startEvent, endEvent, ...fields } = patch;
  const old = rows.get(patch.id) ?? kept.turns.get(patch.id) ?? newTurn(patch.id, place);
  const turn = { ...old, ...defined(fields) };
  if (acceptedEvent !== undefined) turn.acceptedSeq = seqOf(place, acceptedEvent);
  if (startEvent !== undefined) turn.startSeq = seqOf(place, startEvent);
  if (endEvent !== undefined) turn.endSeq = seqOf(place, endEvent);
  return rows.set(patch.id, turn);
}

function patchRequest(
  rows: Map<string, RequestRow>,
  patch: RequestPatch,
  kept: KeptSession,
  place: Place,
): Map<string, RequestRow> {
  const { openedEvent, closedEvent, ...fields } = patch;
  const old = rows.get(patch.id) ?? kept.requests.get(patch.id) ?? newRequest(patch.id, place);
  const request = { ...old, ...defined(fields) };
  if (openedEvent !== undefined) request.openedSeq = seqOf(place, openedEvent);
  if (closedEvent !== undefined) request.closedSeq = seqOf(place, closedEvent);
  return rows.set(patch.id, request);
}

function defined<Fields extends object>(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Fields;
}

function newSession(made: NewSession, num: SessionNum): KeptSession {
  const { at, ...named } = made;
  const row: SessionRow = {
    ...named,
    labels: [...named.labels],
    posts: [...(named.posts ?? [])],
    internal: named.internal === true,
    num,
    state: 'idle',
    epoch: 1,
    headSeq: 0,
    turn: null,
    queued: 0,
    inputTokens: 0,
    outputTokens: 0,
    cacheReadTokens: 0,
    cacheWriteTokens: 0,
    costUsd: 0,
    turnsEnded: 0,
    toolCalls: 0,
    turnMs: 0,
    createdAt: at,
    lastActiveAt: at,
    damaged: false,
  };
  return {
    row,
    events: [],
    epochs: [],
    turns: new Map(),
    requests: new Map(),
    once: new Map(),
    artifacts: new Map(),
    snapshot: null,
    poisoned: null,
  };
}

function newTurn(id: string, { num, before, count }: Place): TurnRow {
  return {
    id,
    session: num,
    state: 'queued',
    outcome: null,
    kind: 'user',
    attempt: 0,
    crashAttempts: 0,
    rank: 0,
    dropped: false,
    acceptedAt: 0,
    startedAt: null,
    endedAt: null,
    acceptedSeq: before + count,
    startSeq: null,
    endSeq: null,
    inputTokens: 0,
    outputTokens: 0,
    cacheReadTokens: 0,
    cacheWriteTokens: 0,
    costUsd: 0,
  };
}

function newRequest(id: string, { num, before, count }: Place): RequestRow {
  return {
    id,
    session: num,
    turn: '',
    key: '',
    state: 'open',
    openedAt: 0,
    expiresAt: 0,
    openedSeq: before + count,
    closedSeq: null,
  };
}
