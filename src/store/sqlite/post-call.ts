// PostCall: the writes of timelines, each within its group's transaction.
//
//   C1. A project's head moves in the transaction that writes its post (P1 of the contract); the row of heads outlives
//       the posts, so that no id is ever given twice.
import type { Millis } from '../../kernel/clock.ts';
import type { NewPost, PostId, PostRow } from '../store.ts';
import type { Desk } from './append.ts';
import type { Connection } from './connection.ts';
import { checksum, headOf, POST_COLUMNS, postByOnce } from './post-rows.ts';

export const POST_CALLS = { addPost, prunePosts } as const;

function addPost({ connection }: Desk, post: NewPost, once: string | null): { row: PostRow; isNew: boolean } {
  const { project, at, identity, author, content, metadata, session, turn } = post;
  const speaker = identity ?? session;
  if (once !== null) {
    const known = postByOnce(connection, project, speaker, once);
    if (known !== null) return { row: known, isNew: false };
  }
  const id = connection.number(
    `INSERT INTO timelines VALUES (?, 1, 0) ON CONFLICT (project) DO UPDATE SET head = head + 1 RETURNING head`,
    project,
  ); // C1
  const row: PostRow = { id, project, at, identity, author, content, metadata, session, turn };
  connection
    .sql(
      `INSERT INTO posts (${POST_COLUMNS}, speaker, once, crc) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    )
    .run(project, id, at, identity, author, content, metadata, session, turn, speaker, once, checksum(row));
  return { row, isNew: true };
}

function prunePosts(
  { connection }: Desk,
  call: { project: string; before: Millis; countMax: number; limit: number },
): number {
  const { project, before, countMax, limit } = call;
  const { head } = headOf(connection, project);
  const oldest = connection.rows<{ id: PostId; at: Millis }>(
    'SELECT id, at FROM posts WHERE project = ? ORDER BY id LIMIT ?',
    project,
    limit,
  );
  const kept = oldest.findIndex(({ id, at }) => id > head - countMax && at >= before);
  const due = kept < 0 ? oldest : oldest.slice(0, kept);
  const last = due.at(-1);
  if (last === undefined) return 0;
  connection.sql('DELETE FROM posts WHERE project = ? AND id <= ?').run(project, last.id);
  connection.sql('UPDATE timelines SET pruned = ? WHERE project = ?').run(last.id, project);
  return due.length;
}

/** P5 of the contract. `session` is its id. */
export function erasePostsOf(connection: Connection, project: string, session: string): void {
  connection
    .sql('DELETE FROM posts WHERE project = ? AND session = ? AND identity IS NULL')
    .run(project, session);
  const others = connection.rows<PostRow>(
    `SELECT ${POST_COLUMNS} FROM posts WHERE project = ? AND session = ?`,
    project,
    session,
  );
  for (const post of others) {
    const crc = checksum({ ...post, session: null, turn: null });
    connection
      .sql('UPDATE posts SET session = NULL, turn = NULL, crc = ? WHERE project = ? AND id = ?')
      .run(crc, project, post.id);
  }
}

/** C1: the head stays. */
export function removeTimeline(connection: Connection, project: string): void {
  connection.sql('DELETE FROM posts WHERE project = ?').run(project);
  connection.sql('UPDATE timelines SET pruned = head WHERE project = ?').run(project);
}
