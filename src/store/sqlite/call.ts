// Call: the writes that are not appends. Each runs inside the group's transaction, in its place among the appends.
//
//   L1. A call refuses (a SojournError) before its first write; any other error undoes the group and leaves it out.
import { SojournError } from '../../kernel/errors.ts';
import type { Millis } from '../../kernel/clock.ts';
import type { SessionNum, TokenRow } from '../store.ts';
import type { Desk } from './append.ts';
import { endOfTokens, IDENTITY_CALLS } from './identity-call.ts';
import { erasePostsOf, POST_CALLS, removeTimeline } from './post-call.ts';

export const CALLS = {
  addAlias,
  removeAlias,
  erase,
  forgetExpired,
  markDamaged,
  addToken,
  removeToken,
  addProject,
  removeProject,
  ...IDENTITY_CALLS,
  ...POST_CALLS,
} as const;

export type CallName = keyof typeof CALLS;
type Rest<F> = F extends (desk: Desk, ...args: infer A) => unknown ? A : never;
export type CallArgs<Name extends CallName> = Rest<(typeof CALLS)[Name]>;
export type CallResult<Name extends CallName> = ReturnType<(typeof CALLS)[Name]>;

function addAlias({ connection }: Desk, session: SessionNum, alias: string): void {
  const owner = connection.row<{ project: string }>('SELECT project FROM sessions WHERE num = ?', session);
  if (owner === undefined) throw new SojournError('session.not_found', `There is no session ${session}`);
  const { project } = owner;
  const taken = connection.row('SELECT 1 FROM names WHERE project = ? AND name = ?', project, alias);
  if (taken !== undefined) {
    throw new SojournError('session.exists', `${JSON.stringify(alias)} is the key of a session`);
  }
  connection.sql('INSERT INTO names VALUES (?, ?, ?, 1)').run(project, alias, session);
}

function removeAlias({ connection }: Desk, project: string, alias: string): boolean {
  const result = connection
    .sql('DELETE FROM names WHERE project = ? AND name = ? AND isAlias = 1')
    .run(project, alias);
  return result.changes > 0;
}

const OF_SESSION = ['heads', 'chunks', 'turns', 'requests', 'once', 'artifacts', 'snapshots'];

/** What was erased is overwritten in the file, too. */
function erase({ connection, poison, unsettled }: Desk, session: SessionNum): { orphans: readonly string[] } {
  const row = connection.row<{
    id: string;
    project: string;
    key: string;
    labels: string;
    listedAt: number | null;
  }>('SELECT id, project, key, labels, listedAt FROM sessions WHERE num = ?', session);
  if (row === undefined) throw new SojournError('session.not_found', `There is no session ${session}`);
  const digests = connection.rows<{ digest: string }>(
    'SELECT digest FROM artifacts WHERE session = ?',
    session,
  );
  connection.db.exec('PRAGMA secure_delete = ON');
  try {
    unsettled.removeLabels(session, row);
    for (const table of OF_SESSION) connection.sql(`DELETE FROM ${table} WHERE session = ?`).run(session);
    connection.sql('DELETE FROM names WHERE project = ? AND name = ?').run(row.project, row.key);
    connection.sql('DELETE FROM names WHERE session = ? AND isAlias = 1').run(session);
    connection.sql('DELETE FROM search WHERE rowid = ?').run(session);
    connection.sql('DELETE FROM sessions WHERE num = ?').run(session);
    erasePostsOf(connection, row.project, row.id);
  } finally {
    connection.db.exec('PRAGMA secure_delete = FAST');
  }
  unsettled.drop(session);
  poison.lift(session);
  const orphans = digests.filter(({ digest }) => {
    const other = 'SELECT 1 FROM artifacts WHERE project = ? AND digest = ?';
    return connection.row(other, row.project, digest) === undefined;
  });
  return { orphans: orphans.map(({ digest }) => digest) };
}

function forgetExpired({ connection }: Desk, now: Millis, limit: number): number {
  const result = connection
    .sql(
      `DELETE FROM once WHERE (session, key) IN
         (SELECT session, key FROM once WHERE expiresAt <= ? ORDER BY expiresAt LIMIT ?)`,
    )
    .run(now, limit);
  return Number(result.changes);
}

function markDamaged({ connection }: Desk, session: SessionNum): void {
  connection.sql('UPDATE heads SET damaged = 1 WHERE session = ?').run(session);
}

function addToken({ connection }: Desk, row: TokenRow): void {
  connection
    .sql(
      `INSERT INTO tokens (project, id, hash, name, scopes, owner, createdAt, expiresAt)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    )
    .run(
      row.project,
      row.id,
      row.hash,
      row.name,
      JSON.stringify(row.scopes),
      row.owner,
      row.createdAt,
      row.expiresAt,
    );
}

function removeToken(desk: Desk, project: string, id: string): boolean {
  const { connection } = desk;
  endOfTokens(desk, 'project = ? AND id = ?', project, id);
  return connection.sql('DELETE FROM tokens WHERE project = ? AND id = ?').run(project, id).changes > 0;
}

const OF_PROJECT = ['tokens', 'signIns', 'identities'];

function addProject({ connection }: Desk, name: string, at: Millis): void {
  const known = connection.row('SELECT 1 FROM projects WHERE name = ?', name);
  if (known !== undefined)
    throw new SojournError('project.exists', `There is a project ${JSON.stringify(name)}`);
  connection.sql('INSERT INTO projects VALUES (?, ?)').run(name, at);
}

function removeProject(desk: Desk, name: string): boolean {
  const { connection } = desk;
  const used = connection.row('SELECT 1 FROM names WHERE project = ? LIMIT 1', name);
  if (used !== undefined)
    throw new SojournError('project.in_use', `Project ${JSON.stringify(name)} has sessions`);
  endOfTokens(desk, 'project = ?', name);
  for (const table of OF_PROJECT) connection.sql(`DELETE FROM ${table} WHERE project = ?`).run(name);
  removeTimeline(connection, name);
  return connection.sql('DELETE FROM projects WHERE name = ?').run(name).changes > 0;
}
