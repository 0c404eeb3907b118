// PostRows: a stored post, and whether it is what was written.
//
//   R1. A checksum covers all of a post but its once-key, which is shown to nobody.
import { crc32 } from 'node:zlib';
import type { PostId, PostRow, PostRows } from '../store.ts';
import type { Connection } from './connection.ts';

export type StoredPost = PostRow & { crc: number };

export const POST_COLUMNS = 'project, id, at, identity, author, content, metadata, session, turn';

export function headOf(connection: Connection, project: string): Pick<PostRows, 'head' | 'pruned'> {
  const row = connection.row<{ head: PostId; pruned: PostId }>(
    'SELECT head, pruned FROM timelines WHERE project = ?',
    project,
  );
  return row === undefined ? { head: 0, pruned: 0 } : { head: row.head, pruned: row.pruned };
}

/** The author is an identity's or a session's id. */
export function postByOnce(
  connection: Connection,
  project: string,
  author: string | null,
  once: string,
): PostRow | null {
  const known = connection.row<StoredPost>(
    `SELECT ${POST_COLUMNS}, crc FROM posts WHERE project = ? AND speaker = ? AND once = ?`,
    project,
    author,
    once,
  );
  return known === undefined ? null : postRow(known);
}

/** R1. */
export function checksum(post: PostRow): number {
  const { project, id, at, identity, author, content, metadata, session, turn } = post;
  return crc32(JSON.stringify([project, id, at, identity, author, content, metadata, session, turn]));
}

export const isWhole = (stored: StoredPost): boolean => checksum(stored) === stored.crc;

export function postRow({
  project,
  id,
  at,
  identity,
  author,
  content,
  metadata,
  session,
  turn,
}: StoredPost): PostRow {
  return { id, project, at, identity, author, content, metadata, session, turn };
}

/** Those that do not match their checksums, for whoever inspects a folder. */
export function* damagedPosts(connection: Connection): Iterable<{ project: string; id: PostId }> {
  const posts = connection
    .sql(`SELECT ${POST_COLUMNS}, crc FROM posts ORDER BY project, id`)
    .iterate() as Iterable<unknown> as Iterable<StoredPost>;
  for (const post of posts) if (!isWhole(post)) yield { project: post.project, id: post.id };
}
