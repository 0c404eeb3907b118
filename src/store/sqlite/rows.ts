// Rows: how stored rows become the rows of the contract. Columns carry the names of the contract's fields; what
// SQLite has no type for (lists, booleans) is turned here and nowhere else.
import type { SessionRow, TokenRow, TurnRow } from '../store.ts';
import type { Connection, Value } from './connection.ts';

type StoredSession = readonly [
  num: number,
  id: string,
  project: string,
  key: string,
  agent: string,
  owner: string | null,
  maker: string | null,
  channel: string | null,
  parent: string | null,
  title: string | null,
  summary: string | null,
  labels: string,
  metadata: string,
  state: SessionRow['state'],
  turn: string | null,
  queued: number,
  inputTokens: number,
  outputTokens: number,
  cacheReadTokens: number,
  cacheWriteTokens: number,
  costUsd: number,
  budget: string,
  turnsEnded: number,
  toolCalls: number,
  turnMs: number,
  createdAt: number,
  lastActiveAt: number,
  epoch: number,
  headSeq: number,
  damaged: number,
  posts: string,
  internal: number,
];

const SELECT_SESSION = `SELECT s.num, s.id, s.project, s.key, s.agent, s.owner, s.maker, s.channel, s.parent, s.title,
  s.summary, s.labels, s.metadata, s.state, s.turn, s.queued, s.inputTokens, s.outputTokens, s.cacheReadTokens,
  s.cacheWriteTokens, s.costUsd, s.budget, s.turnsEnded, s.toolCalls, s.turnMs, s.createdAt, s.lastActiveAt,
  h.epoch, h.seq, h.damaged, s.posts, s.internal FROM sessions s JOIN heads h ON h.session = s.num`;

/**
 * The sessions that `rest`, what stands behind FROM, leaves: the session is `s`, its head `h`. Read as tuples: so wide a
 * row takes twice as long as an object.
 */
export function sessionsOf(connection: Connection, rest: string, ...values: Value[]): SessionRow[] {
  return connection.tuples<StoredSession>(`${SELECT_SESSION} ${rest}`, ...values).map(sessionRow);
}

function sessionRow(stored: StoredSession): SessionRow {
  return {
    num: stored[0],
    id: stored[1],
    project: stored[2],
    key: stored[3],
    agent: stored[4],
    owner: stored[5],
    maker: stored[6],
    channel: stored[7],
    parent: stored[8],
    title: stored[9],
    summary: stored[10],
    labels: JSON.parse(stored[11]) as string[],
    metadata: stored[12],
    state: stored[13],
    turn: stored[14],
    queued: stored[15],
    inputTokens: stored[16],
    outputTokens: stored[17],
    cacheReadTokens: stored[18],
    cacheWriteTokens: stored[19],
    costUsd: stored[20],
    budget: stored[21],
    turnsEnded: stored[22],
    toolCalls: stored[23],
    turnMs: stored[24],
    createdAt: stored[25],
    lastActiveAt: stored[26],
    epoch: stored[27],
    headSeq: stored[28],
    damaged: stored[29] !== 0,
    posts: JSON.parse(stored[30]) as string[],
    internal: stored[31] !== 0,
  };
}

export type StoredTurn = Omit<TurnRow, 'dropped'> & { dropped: number };

export const TURN_COLUMNS = `id, session, state, outcome, kind, attempt, crashAttempts, rank, dropped, acceptedAt,
  startedAt, endedAt, acceptedSeq, startSeq, endSeq, inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens,
  costUsd`;

export function turnRow(stored: StoredTurn): TurnRow {
  return { ...stored, dropped: stored.dropped !== 0 };
}

export const REQUEST_COLUMNS = 'id, session, turn, key, state, openedAt, expiresAt, openedSeq, closedSeq';

export type StoredToken = Omit<TokenRow, 'scopes'> & { scopes: string };

export const TOKEN_COLUMNS = 'id, hash, name, scopes, project, owner, createdAt, expiresAt';

export function tokenRow(stored: StoredToken): TokenRow {
  return { ...stored, scopes: JSON.parse(stored.scopes) as string[] };
}
