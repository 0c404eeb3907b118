// Listing: pages of the sessions on a memory disk, newest activity first, then the higher number.
import { Buffer } from 'node:buffer';
import { SojournError } from '../../kernel/errors.ts';
import type { SessionFilter, SessionRow } from '../../store/store.ts';
import { matches, queryParts, wordsOf } from '../../store/sqlite/words.ts';
import { copyRow, isStaged, type MemoryDisk } from './disk.ts';

const LIMIT_MAX = 200;

export function listPage(
  disk: MemoryDisk,
  filter: SessionFilter,
): { sessions: readonly SessionRow[]; nextCursor: string | null } {
  const limit = Math.min(Math.max(Math.trunc(filter.limit), 1), LIMIT_MAX);
  const before = filter.cursor === undefined ? undefined : parseCursor(filter.cursor);
  const { q = '' } = filter;
  const parts = queryParts(q);
  const found = [...disk.sessions.values()]
    .map(({ row }) => row)
    .filter((row) => isListed(row, filter) && (q.trim() === '' || matches(wordsOf(row), parts)))
    .filter((row) => before === undefined || compare(before, row) < 0)
    .sort(compare);
  const last = found[limit - 1];
  const more = found.length > limit && last !== undefined;
  return { sessions: found.slice(0, limit).map(copyRow), nextCursor: more ? cursorOf(last) : null };
}

type Spot = Pick<SessionRow, 'lastActiveAt' | 'num'>;

const compare = (a: Spot, b: Spot): number => b.lastActiveAt - a.lastActiveAt || b.num - a.num;

function isListed(row: SessionRow, filter: SessionFilter): boolean {
  const { project, state, agent, owner, maker, parent, label } = filter;
  return (
    row.project === project &&
    !isStaged(row) &&
    (state === undefined || row.state === state) &&
    (agent === undefined || row.agent === agent) &&
    (owner === undefined || row.owner === owner) &&
    (maker === undefined || row.maker === maker) &&
    (parent === undefined || row.parent === parent) &&
    (label === undefined || row.labels.includes(label))
  );
}

function cursorOf({ lastActiveAt, num }: Spot): string {
  return Buffer.from(`${lastActiveAt} ${num}`).toString('base64url');
}

function parseCursor(cursor: string): Spot {
  const [at = NaN, num = NaN] = Buffer.from(cursor, 'base64url').toString('latin1').split(' ').map(Number);
  const spot = { lastActiveAt: at, num };
  if (Number.isFinite(at) && Number.isInteger(num) && cursorOf(spot) === cursor) return spot;
  throw new SojournError('cursor.invalid', 'The cursor of the list is none that was given out');
}
