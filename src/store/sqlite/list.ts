// List: pages of sessions, newest activity first, then by number, the higher first.
//
//   L1. Two reads of one state of the database are merged: the few unsettled sessions, looked through one by one, and
//       the rest in the order of the index that fits the filter best.
//   L2. A cursor is the place behind the last session shown. A session that moves goes to the front, so it may be seen
//       twice; one that stays is never skipped.
import { SojournError } from '../../kernel/errors.ts';
import type { SessionFilter, SessionNum, SessionRow } from '../store.ts';
import type { Connection } from './connection.ts';
import { sessionsOf } from './rows.ts';
import { searchSpots, type Condition, type Spot, type Walk } from './search.ts';
import { matches, queryParts, wordsOf } from './words.ts';

export interface Page {
  sessions: readonly SessionRow[];
  nextCursor: string | null;
}

const LIMIT_MAX = 200;

export function listPage(connection: Connection, filter: SessionFilter): Page {
  const limit = Math.min(Math.max(Math.trunc(filter.limit), 1), LIMIT_MAX);
  const before = filter.cursor === undefined ? undefined : parseCursor(filter.cursor);
  const parts = filter.q === undefined || filter.q.trim() === '' ? undefined : queryParts(filter.q);
  if (parts?.length === 0) return { sessions: [], nextCursor: null };
  return connection.snapshot(() => {
    const spots = [
      ...unsettledSpots(connection, filter, before, parts),
      ...settledSpots(connection, filter, before, parts, limit + 1),
    ].sort((a, b) => b.at - a.at || b.num - a.num);
    const sessions = spots
      .slice(0, limit)
      .flatMap(({ num }) => sessionsOf(connection, 'WHERE s.num = ?', num));
    const last = spots[limit - 1];
    return { sessions, nextCursor: spots.length > limit && last !== undefined ? cursorOf(last) : null };
  });
}

/** A staged session's key begins with a control character: those sort before all else. */
const NOT_STAGED = `s.key >= ' '`;

const FIELDS = ['state', 'agent', 'owner', 'maker', 'parent'] as const;

function conditionsOf(filter: SessionFilter, before: Spot | undefined, at: string): Condition[] {
  const conditions: Condition[] = [{ sql: `s.project = ? AND ${NOT_STAGED}`, values: [filter.project] }];
  for (const field of FIELDS) {
    const value = filter[field];
    if (value !== undefined) conditions.push({ sql: `s.${field} = ?`, values: [value] });
  }
  if (before !== undefined) {
    conditions.push({ sql: `(${at}, s.num) < (?, ?)`, values: [before.at, before.num] });
  }
  return conditions;
}

function all(conditions: readonly Condition[]): Condition {
  return {
    sql: conditions.map(({ sql }) => sql).join(' AND '),
    values: conditions.flatMap(({ values }) => values),
  };
}

function hasLabel({ label }: SessionFilter): Condition[] {
  if (label === undefined) return [];
  return [{ sql: 'EXISTS (SELECT 1 FROM json_each(s.labels) WHERE value = ?)', values: [label] }];
}

function unsettledSpots(
  connection: Connection,
  filter: SessionFilter,
  before: Spot | undefined,
  parts: readonly string[] | undefined,
): readonly Spot[] {
  const where = all([...conditionsOf(filter, before, 's.lastActiveAt'), ...hasLabel(filter)]);
  const text = parts === undefined ? '' : ', s.key, s.title, s.summary';
  const rows = connection.rows<Spot & { key: string; title: string | null; summary: string | null }>(
    `SELECT s.num, s.lastActiveAt AS at ${text} FROM sessions s INDEXED BY unsettled
     WHERE s.listedAt IS NULL AND ${where.sql}`,
    ...where.values,
  );
  return parts === undefined ? rows : rows.filter((row) => matches(wordsOf(row), parts));
}

/** The index whose order is the list's within the filter; the narrowest first. */
function indexOf(filter: SessionFilter): string {
  if (filter.parent !== undefined) return 'listParent';
  if (filter.owner !== undefined) return 'listOwner';
  if (filter.maker !== undefined) return 'listMaker';
  if (filter.agent !== undefined) return 'listAgent';
  return filter.state === undefined ? 'listAll' : 'listState';
}

function walkOf(filter: SessionFilter, before: Spot | undefined): Walk {
  const settled: Condition = { sql: 's.listedAt IS NOT NULL', values: [] };
  const conditions = [settled, ...conditionsOf(filter, before, 's.listedAt')];
  const alone = all([...conditions, ...hasLabel(filter)]);
  if (filter.label === undefined) {
    const from = `sessions s INDEXED BY ${indexOf(filter)}`;
    return { from, where: all(conditions), order: 's.listedAt DESC, s.num DESC', alone };
  }
  conditions.push({ sql: 'l.project = ? AND l.label = ?', values: [filter.project, filter.label] });
  if (before !== undefined) conditions.push({ sql: 'l.listedAt <= ?', values: [before.at] });
  const from = 'labels l CROSS JOIN sessions s ON s.num = l.session';
  return { from, where: all(conditions), order: 'l.listedAt DESC, l.session DESC', alone };
}

function settledSpots(
  connection: Connection,
  filter: SessionFilter,
  before: Spot | undefined,
  parts: readonly string[] | undefined,
  limit: number,
): readonly Spot[] {
  const walk = walkOf(filter, before);
  if (parts !== undefined) return searchSpots(connection, walk, parts, limit);
  return connection.rows<Spot>(
    `SELECT s.num, s.listedAt AS at FROM ${walk.from} WHERE ${walk.where.sql} ORDER BY ${walk.order} LIMIT ?`,
    ...walk.where.values,
    limit,
  );
}

function cursorOf({ at, num }: Spot): string {
  return Buffer.from(`${at} ${num}`).toString('base64url');
}

function parseCursor(cursor: string): Spot {
  const [at, num, ...rest] = Buffer.from(cursor, 'base64url').toString('latin1').split(' ').map(Number);
  const spot = { at: at ?? NaN, num: num ?? NaN };
  if (
    rest.length > 0 ||
    !Number.isFinite(spot.at) ||
    !Number.isInteger(spot.num) ||
    cursorOf(spot) !== cursor
  ) {
    throw new SojournError('cursor.invalid', 'The cursor of the list is none that was given out');
  }
  return spot;
}

/** Those started by one session, oldest first. */
export function childrenOf(connection: Connection, parent: string): readonly SessionRow[] {
  return sessionsOf(
    connection,
    `WHERE s.num IN (
       SELECT num FROM sessions INDEXED BY unsettled WHERE listedAt IS NULL AND parent = ?1
       UNION ALL SELECT num FROM sessions INDEXED BY listParent WHERE listedAt IS NOT NULL AND parent = ?1
     ) ORDER BY s.num`,
    parent,
  );
}

/** Of every project: one look into the names of each. */
export function stagedOf(connection: Connection, limit: number): readonly SessionRow[] {
  return sessionsOf(
    connection,
    `WHERE s.num IN (
       WITH RECURSIVE projects (project) AS (
         SELECT min(project) FROM names
         UNION ALL SELECT (SELECT min(project) FROM names WHERE project > projects.project)
         FROM projects WHERE project IS NOT NULL
       )
       SELECT n.session FROM projects p CROSS JOIN names n ON n.project = p.project AND n.name < ' '
     ) ORDER BY s.num LIMIT ?`,
    limit,
  );
}

const OPEN_STATES = `('queued', 'running', 'waiting')`;

export function unfinishedOf(
  connection: Connection,
  afterNum: SessionNum,
  limit: number,
): readonly SessionRow[] {
  return sessionsOf(
    connection,
    `WHERE s.num > ?1 AND s.num IN (
       SELECT num FROM sessions INDEXED BY unsettled WHERE listedAt IS NULL AND state IN ${OPEN_STATES}
       UNION SELECT num FROM sessions INDEXED BY listState WHERE listedAt IS NOT NULL AND state IN ${OPEN_STATES}
       UNION SELECT session FROM requests INDEXED BY requestsOpen WHERE state = 'open'
     ) ORDER BY s.num LIMIT ?2`,
    afterNum,
    limit,
  );
}
