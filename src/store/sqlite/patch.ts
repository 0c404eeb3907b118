// Patch: how the typed rows that travel with an append are written. A patch names the fields it changes and no others.
import { assert } from '../../kernel/errors.ts';
import type { RequestPatch, Seq, SessionNum, SessionPatch, TurnPatch } from '../store.ts';
import type { Connection, Value } from './connection.ts';
import type { Unsettled } from './unsettled.ts';

/** The append a patch belongs to: its events have the numbers `firstSeq` to `firstSeq + count - 1`. */
export interface Place {
  connection: Connection;
  num: SessionNum;
  firstSeq: Seq;
  count: number;
}

type Fields<Patch> = Readonly<Record<keyof Patch, 'listed' | 'plain'>>;

/** `listed`: the list indexes or the search words are made of it. */
const SESSION_FIELDS: Fields<SessionPatch> = {
  agent: 'listed',
  owner: 'listed',
  channel: 'plain',
  parent: 'listed',
  title: 'listed',
  summary: 'listed',
  labels: 'listed',
  metadata: 'plain',
  posts: 'plain',
  state: 'listed',
  turn: 'plain',
  queued: 'plain',
  inputTokens: 'plain',
  outputTokens: 'plain',
  cacheReadTokens: 'plain',
  cacheWriteTokens: 'plain',
  costUsd: 'plain',
  budget: 'plain',
  turnsEnded: 'plain',
  toolCalls: 'plain',
  turnMs: 'plain',
  lastActiveAt: 'listed',
};

const TURN_FIELDS: Fields<Omit<TurnPatch, 'id' | 'acceptedEvent' | 'startEvent' | 'endEvent'>> = {
  state: 'plain',
  outcome: 'plain',
  kind: 'plain',
  attempt: 'plain',
  crashAttempts: 'plain',
  rank: 'plain',
  dropped: 'plain',
  acceptedAt: 'plain',
  startedAt: 'plain',
  endedAt: 'plain',
  inputTokens: 'plain',
  outputTokens: 'plain',
  cacheReadTokens: 'plain',
  cacheWriteTokens: 'plain',
  costUsd: 'plain',
};

const REQUEST_FIELDS: Fields<Omit<RequestPatch, 'id' | 'openedEvent' | 'closedEvent'>> = {
  turn: 'plain',
  key: 'plain',
  state: 'plain',
  openedAt: 'plain',
  expiresAt: 'plain',
};

export function patchSession(
  connection: Connection,
  unsettled: Unsettled,
  num: SessionNum,
  patch: SessionPatch,
): void {
  const columns = columnsOf(patch, SESSION_FIELDS);
  if (columns.size === 0) return;
  const fields: Readonly<Record<string, string>> = SESSION_FIELDS;
  if ([...columns.keys()].some((name) => fields[name] === 'listed')) unsettled.touch(num);
  const set = [...columns.keys()].map((name) => `${name} = ?`).join();
  connection.sql(`UPDATE sessions SET ${set} WHERE num = ?`).run(...columns.values(), num);
}

export function patchTurn(place: Place, patch: TurnPatch): void {
  const { id, acceptedEvent, startEvent, endEvent, ...fields } = patch;
  const columns = columnsOf(fields, TURN_FIELDS);
  if (startEvent !== undefined) columns.set('startSeq', seqOf(place, startEvent));
  if (endEvent !== undefined) columns.set('endSeq', seqOf(place, endEvent));
  if (acceptedEvent !== undefined) columns.set('acceptedSeq', seqOf(place, acceptedEvent));
  upsert(place, 'turns', id, 'acceptedSeq', columns);
}

export function patchRequest(place: Place, patch: RequestPatch): void {
  const { id, openedEvent, closedEvent, ...fields } = patch;
  const columns = columnsOf(fields, REQUEST_FIELDS);
  const { connection, num } = place;
  const owner = connection.row<{ project: string }>('SELECT project FROM sessions WHERE num = ?', num);
  columns.set('project', owner?.project ?? '');
  if (closedEvent !== undefined) columns.set('closedSeq', seqOf(place, closedEvent));
  if (openedEvent !== undefined) columns.set('openedSeq', seqOf(place, openedEvent));
  upsert(place, 'requests', id, 'openedSeq', columns);
}

function seqOf(place: Place, event: number): Seq {
  const isOne = Number.isInteger(event) && event >= 0 && event < place.count;
  assert(isOne, `a patch names event ${event} of an append with ${place.count}`);
  return place.firstSeq + event;
}

/** Where the row is new and says nothing of its first event, `seqColumn` is the head. */
function upsert(
  { connection, num, firstSeq, count }: Place,
  table: 'turns' | 'requests',
  id: string,
  seqColumn: string,
  columns: ReadonlyMap<string, Value>,
): void {
  const inserted = new Map<string, Value>([
    ['id', id],
    ['session', num],
    [seqColumn, firstSeq + count - 1],
    ...columns,
  ]);
  const names = [...inserted.keys()];
  const set = [...columns.keys()].map((name) => `${name} = excluded.${name}`).join();
  connection
    .sql(
      `INSERT INTO ${table} (${names.join()}) VALUES (${names.map(() => '?').join()})
       ON CONFLICT (id, session) DO ${set === '' ? 'NOTHING' : `UPDATE SET ${set}`}`,
    )
    .run(...inserted.values());
}

/** The columns a patch sets. A field that no column has is a defect of the caller. */
function columnsOf<Patch extends object>(patch: Patch, known: Fields<Patch>): Map<string, Value> {
  const columns = new Map<string, Value>();
  for (const [name, value] of Object.entries(patch) as [string, unknown][]) {
    if (value === undefined) continue;
    assert(Object.hasOwn(known, name), `a patch sets ${name}, which is not a field of the row`);
    columns.set(name, valueOf(value));
  }
  return columns;
}

function valueOf(value: unknown): Value {
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value === 'string' || typeof value === 'number' || value === null) return value;
  return JSON.stringify(value);
}
