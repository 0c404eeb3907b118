// Identity call: the writes of identities and sign-ins, inside the group's transaction (L1 of call.ts).
//
//   I1. `end` is written only where it is null: what ended stays ended.
import { SojournError } from '../../kernel/errors.ts';
import type { Millis } from '../../kernel/clock.ts';
import type { DueSignIns, IdentityRow, LiveBounds, NewSignIn, SignedIn, SignInEnd } from '../store.ts';
import type { Desk } from './append.ts';
import type { Connection, Value } from './connection.ts';
import { IDENTITY_COLUMNS, LIVE } from './identity-rows.ts';

export const IDENTITY_CALLS = {
  signIn,
  touchSignIns,
  endSignIn,
  endDueSignIns,
  forgetSignIns,
  setIdentityOwner,
  removeIdentity,
} as const;

const BY_KEY = `SELECT ${IDENTITY_COLUMNS} FROM identities WHERE project = ? AND key = ?`;

function signIn({ connection }: Desk, call: NewSignIn): SignedIn {
  const { owner } = call.signIn;
  const expiresAt = lastMoment(connection, call.signIn);
  const known = connection.row<IdentityRow>(BY_KEY, call.identity.project, call.identity.key);
  const identity = known === undefined ? undefined : { ...known };
  checkRoom(connection, call, identity);
  let ended: readonly string[] = [];
  if (identity !== undefined) {
    const isClaim = call.claim && identity.owner === null;
    checkSpeaker(identity, owner, isClaim);
    identity.lastActiveAt = Math.max(identity.lastActiveAt, call.at);
    if (isClaim) {
      identity.owner = owner;
      ended = endOthers(connection, identity, call.at);
    }
    connection
      .sql('UPDATE identities SET owner = ?, lastActiveAt = ? WHERE id = ?')
      .run(identity.owner, identity.lastActiveAt, identity.id);
  }
  const spoken = identity ?? insertIdentity(connection, call);
  const row = {
    ...call.signIn,
    expiresAt,
    project: spoken.project,
    identity: spoken.id,
    createdAt: call.at,
    lastActiveAt: call.at,
    endedAt: null,
    end: null,
  };
  connection
    .sql(
      `INSERT INTO signIns (id, hash, project, identity, owner, token, createdAt, lastActiveAt, expiresAt)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    )
    .run(row.id, row.hash, row.project, row.identity, row.owner, row.token, call.at, call.at, expiresAt);
  return { signIn: row, identity: spoken, made: identity === undefined, ended };
}

/** It ends with its token at the latest. */
function lastMoment(connection: Connection, { token, expiresAt }: NewSignIn['signIn']): Millis {
  if (token === null) return expiresAt;
  const row = connection.row<{ expiresAt: Millis | null }>(
    'SELECT expiresAt FROM tokens WHERE id = ?',
    token,
  );
  if (row === undefined) throw new SojournError('auth.required', 'The token was revoked meanwhile');
  return Math.min(expiresAt, row.expiresAt ?? Infinity);
}

function checkRoom(connection: Connection, call: NewSignIn, identity: IdentityRow | undefined): void {
  if (identity === undefined) {
    const { project } = call.identity;
    const count = connection.number('SELECT count(*) FROM identities WHERE project = ?', project);
    if (count < call.identitiesMax) return;
    throw new SojournError('identity.limit', `Project ${project} has ${count} identities`);
  }
  const { activeSince, now } = call.live;
  const count = connection.number(
    `SELECT count(*) FROM signIns WHERE identity = ? AND ${LIVE}`,
    identity.id,
    activeSince,
    now,
  );
  if (count < call.signInsMax) return;
  throw new SojournError('sign-in.limit', `Identity ${identity.id} has ${count} live sign-ins`);
}

function checkSpeaker(identity: IdentityRow, owner: string | null, isClaim: boolean): void {
  if (identity.owner !== null && identity.owner !== owner) {
    throw new SojournError('identity.claimed', `Identity ${identity.id} belongs to an owner`);
  }
  if (isClaim && identity.maker !== owner) {
    throw new SojournError('identity.claimed', `Identity ${identity.id} was made by somebody else`);
  }
}

function insertIdentity(connection: Connection, { identity, signIn, claim, at }: NewSignIn): IdentityRow {
  const row: IdentityRow = {
    ...identity,
    owner: claim ? signIn.owner : null,
    maker: signIn.owner,
    createdAt: at,
    lastActiveAt: at,
  };
  connection
    .sql(`INSERT INTO identities (${IDENTITY_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
    .run(
      row.id,
      row.project,
      row.key,
      row.name,
      row.context,
      row.avatarSeed,
      row.owner,
      row.maker,
      row.createdAt,
      row.lastActiveAt,
    );
  return row;
}

/** A claim ends what others hold. */
function endOthers(connection: Connection, identity: IdentityRow, at: Millis): readonly string[] {
  return endWhere(connection, 'claimed', at, 'identity = ? AND owner IS NOT ?', identity.id, identity.owner);
}

/** I1. */
function endWhere(
  connection: Connection,
  why: SignInEnd,
  at: Millis,
  condition: string,
  ...values: Value[]
): readonly string[] {
  const ended = connection.rows<{ id: string }>(
    `UPDATE signIns SET endedAt = ?, "end" = ? WHERE endedAt IS NULL AND ${condition} RETURNING id`,
    at,
    why,
    ...values,
  );
  return ended.map(({ id }) => id);
}

function touchSignIns({ connection }: Desk, touches: readonly { id: string; at: Millis }[]): void {
  for (const { id, at } of touches) {
    const touched = connection.row<{ identity: string }>(
      'UPDATE signIns SET lastActiveAt = max(lastActiveAt, ?) WHERE id = ? AND endedAt IS NULL RETURNING identity',
      at,
      id,
    );
    if (touched === undefined) continue;
    connection
      .sql('UPDATE identities SET lastActiveAt = max(lastActiveAt, ?) WHERE id = ?')
      .run(at, touched.identity);
  }
}

function endSignIn({ connection }: Desk, project: string, id: string, why: SignInEnd, at: Millis): boolean {
  return endWhere(connection, why, at, 'project = ? AND id = ?', project, id).length > 0;
}

/** What was signed in with a token ends with it, in whatever project. */
export function endOfTokens({ connection, now }: Desk, condition: string, ...values: Value[]): void {
  endWhere(connection, 'revoked', now, `token IN (SELECT id FROM tokens WHERE ${condition})`, ...values);
}

function endDueSignIns({ connection }: Desk, { activeSince, now }: LiveBounds, limit: number): DueSignIns {
  const some = (column: string): string =>
    `num IN (SELECT num FROM signIns WHERE endedAt IS NULL AND ${column} < ? LIMIT ?)`;
  const expired = endWhere(connection, 'expired', now, some('expiresAt'), now, limit);
  const left = limit - expired.length;
  return { expired, idle: endWhere(connection, 'idle', now, some('lastActiveAt'), activeSince, left) };
}

function forgetSignIns({ connection }: Desk, endedBefore: Millis, limit: number): number {
  const result = connection
    .sql('DELETE FROM signIns WHERE num IN (SELECT num FROM signIns WHERE endedAt < ? LIMIT ?)')
    .run(endedBefore, limit);
  return Number(result.changes);
}

function setIdentityOwner(
  { connection }: Desk,
  project: string,
  id: string,
  owner: string | null,
  at: Millis,
): { identity: IdentityRow; ended: readonly string[] } | null {
  const stored = connection.row<IdentityRow>(
    `UPDATE identities SET owner = ? WHERE project = ? AND id = ? RETURNING ${IDENTITY_COLUMNS}`,
    owner,
    project,
    id,
  );
  if (stored === undefined) return null;
  const identity = { ...stored };
  return { identity, ended: owner === null ? [] : endOthers(connection, identity, at) };
}

function removeIdentity({ connection }: Desk, project: string, id: string): readonly string[] | null {
  const result = connection.sql('DELETE FROM identities WHERE project = ? AND id = ?').run(project, id);
  if (result.changes === 0) return null;
  const removed = connection.rows<{ id: string; endedAt: Millis | null }>(
    'DELETE FROM signIns WHERE identity = ? RETURNING id, endedAt',
    id,
  );
  return removed.filter(({ endedAt }) => endedAt === null).map((row) => row.id);
}
