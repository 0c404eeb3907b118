// SqliteTimelines: the timelines of the SQLite store. Reads on the store's own connection, writes through its queue.
//
//   T1. One read looks at no more than `LOOKED_AT_MAX` posts, whatever its filter leaves of them.
//   T2. A page and the head it tells come from one state of the database.
import type { NewPost, PostId, PostRow, PostRows, PostsFilter, TimelineStore } from '../store.ts';
import type { CommitQueue } from './commit-queue.ts';
import type { Connection, Value } from './connection.ts';
import { headOf, isWhole, POST_COLUMNS, postByOnce, postRow, type StoredPost } from './post-rows.ts';

const LIMIT_MAX = 200;
const LOOKED_AT_MAX = 2_000;

/** What the store lends it. */
export interface Lent {
  queue: CommitQueue;
  /** Throws where the store is closed, or cannot read. */
  read<Result>(read: (connection: Connection) => Result): Result;
  /** Throws `store.full` where there is no room for more. */
  checkForNew(): void;
  /** A post that does not match its checksum was left out (P6 of the contract). */
  onDamaged(post: { project: string; id: PostId }): void;
}

export class SqliteTimelines implements TimelineStore {
  readonly #lent: Lent;

  constructor(lent: Lent) {
    this.#lent = lent;
  }

  async add(post: NewPost, once: string | null): Promise<{ row: PostRow; isNew: boolean }> {
    this.#lent.checkForNew();
    return this.#lent.queue.call('addPost', post, once);
  }

  async byOnce(project: string, author: string, once: string): Promise<PostRow | null> {
    return this.#lent.read((connection) => postByOnce(connection, project, author, once));
  }

  async page(filter: PostsFilter): Promise<PostRows> {
    return this.#lent.read((connection) =>
      postsPage(connection, filter, (post) => this.#lent.onDamaged(post)),
    );
  }

  async prune(call: { project: string; before: number; countMax: number; limit: number }): Promise<number> {
    return this.#lent.queue.call('prunePosts', call);
  }

  async projects(afterProject: string, limit: number): Promise<readonly string[]> {
    return this.#lent.read((connection) => timelineProjects(connection, afterProject, limit));
  }
}

function timelineProjects(connection: Connection, after: string, limit: number): readonly string[] {
  const rows = connection.rows<{ project: string }>(
    'SELECT project FROM timelines WHERE project > ? ORDER BY project LIMIT ?',
    after,
    limit,
  );
  return rows.map(({ project }) => project);
}

/** T2. */
function postsPage(
  connection: Connection,
  filter: PostsFilter,
  onDamaged: (post: { project: string; id: PostId }) => void,
): PostRows {
  const limit = Math.min(Math.max(Math.trunc(filter.limit), 1), LIMIT_MAX);
  return connection.snapshot(() => {
    const { looked, chosen } = look(connection, filter, limit);
    const isFull = chosen.length === limit;
    const last = isFull ? chosen.at(-1) : looked;
    const posts = chosen.flatMap((stored) => {
      if (isWhole(stored)) return [postRow(stored)];
      onDamaged({ project: stored.project, id: stored.id });
      return [];
    });
    return { posts, next: last?.id ?? null, ...headOf(connection, filter.project) };
  });
}

/** `looked`: the last post that was looked at, where there may be more behind it (T1). */
function look(
  connection: Connection,
  filter: PostsFilter,
  limit: number,
): { looked: { id: PostId } | undefined; chosen: readonly StoredPost[] } {
  const walk = walkOf(filter);
  const picked = pickedOf(filter);
  const walked = `FROM posts ${walk.sql} ORDER BY id ${walk.order} LIMIT`;
  const chosen = connection.rows<StoredPost>(
    `SELECT * FROM (SELECT ${POST_COLUMNS}, crc ${walked} ${LOOKED_AT_MAX}) WHERE ${picked.sql} ORDER BY id ${walk.order} LIMIT ?`,
    ...walk.values,
    ...picked.values,
    limit,
  );
  if (chosen.length === limit) return { looked: undefined, chosen };
  const looked = connection.row<{ id: PostId }>(
    `SELECT id ${walked} 1 OFFSET ${LOOKED_AT_MAX - 1}`,
    ...walk.values,
  );
  return { looked, chosen };
}

/** In the order of an index, from the cursor on. */
function walkOf(filter: PostsFilter): { sql: string; values: Value[]; order: 'ASC' | 'DESC' } {
  const { project, from, identity, session } = filter;
  const [index, ...narrow] =
    identity !== undefined
      ? ['INDEXED BY postsOfIdentity', 'AND identity = ?']
      : session !== undefined
        ? ['INDEXED BY postsOfSession', 'AND session = ?']
        : [''];
  const [order, cursor] = 'after' in from ? (['ASC', from.after] as const) : (['DESC', from.before] as const);
  const chosen = identity ?? session;
  return {
    sql: `${index} WHERE project = ? ${narrow.join('')} AND id ${order === 'ASC' ? '>' : '<'} ?`,
    values: [project, ...(chosen === undefined ? [] : [chosen]), cursor],
    order,
  };
}

/** What no index orders: times follow ids only as well as the clock went. */
function pickedOf({ identity, session, since, until }: PostsFilter): { sql: string; values: Value[] } {
  const conditions: [string, Value][] = [];
  if (since !== undefined) conditions.push(['at >= ?', since]);
  if (until !== undefined) conditions.push(['at < ?', until]);
  if (identity !== undefined && session !== undefined) conditions.push(['session = ?', session]);
  return {
    sql: conditions.map(([sql]) => sql).join(' AND ') || '1',
    values: conditions.map(([, value]) => value),
  };
}
