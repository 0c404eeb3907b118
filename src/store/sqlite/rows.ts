// Rows: how stored rows become the rows of the contract. Columns carry the names of the contract's fields; what
// SQLite has no type for (lists, booleans) is turned here and nowhere else.
import type { SessionRow, TokenRow, TurnRow } from '../store.ts';

export type StoredSession = Omit<SessionRow, 'labels' | 'damaged'> & { labels: string; damaged: number };

const SESSION_COLUMNS = `s.num, s.id, s.project, s.key, s.agent, s.owner, s.maker, s.channel, s.parent, s.title,
  s.summary, s.labels, s.metadata, s.state, s.turn, s.queued, s.inputTokens, s.outputTokens, s.cacheReadTokens,
  s.cacheWriteTokens, s.costUsd, s.budget, s.turnsEnded, s.toolCalls, s.turnMs, s.createdAt, s.lastActiveAt`;

/** Joins go behind it; the session is `s`, its head `h`. */
export const SELECT_SESSION = `SELECT ${SESSION_COLUMNS},
  h.epoch, h.seq AS headSeq, h.damaged FROM sessions s JOIN heads h ON h.session = s.num`;

export function sessionRow(stored: StoredSession): SessionRow {
  return { ...stored, labels: JSON.parse(stored.labels) as string[], damaged: stored.damaged !== 0 };
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
