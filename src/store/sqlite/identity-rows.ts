// Identity rows: the columns of identities and sign-ins, and how two rows come out of one.
import { SojournError } from '../../kernel/errors.ts';
import type { IdentifiedSignIn, IdentityRow, SignInRow } from '../store.ts';
import type { Row } from './connection.ts';

const IDENTITY_NAMES = [
  'id',
  'project',
  'key',
  'name',
  'context',
  'avatarSeed',
  'owner',
  'maker',
  'createdAt',
  'lastActiveAt',
] as const satisfies readonly (keyof IdentityRow)[];

const SIGN_IN_NAMES = [
  'id',
  'hash',
  'project',
  'identity',
  'owner',
  'token',
  'createdAt',
  'lastActiveAt',
  'expiresAt',
  'endedAt',
  'end',
] as const satisfies readonly (keyof SignInRow)[];

export const IDENTITY_COLUMNS = IDENTITY_NAMES.join(', ');

/** Two parameters: `activeSince`, then `now`. */
export const LIVE = 'endedAt IS NULL AND signIns.lastActiveAt >= ? AND expiresAt >= ?';

const columns = [
  ...SIGN_IN_NAMES.map((name) => `signIns."${name}" AS s_${name}`),
  ...IDENTITY_NAMES.map((name) => `i.${name} AS i_${name}`),
].join(', ');

/** Joins the identity as `i`. */
export const SELECT_SIGN_IN = `SELECT ${columns}, signIns.num AS num
  FROM signIns JOIN identities i ON i.id = signIns.identity`;

export function identifiedSignIn(stored: Row): IdentifiedSignIn {
  const part = (prefix: string, names: readonly string[]): Row =>
    Object.fromEntries(names.map((name) => [name, stored[`${prefix}_${name}`] ?? null]));
  return {
    signIn: part('s', SIGN_IN_NAMES) as unknown as SignInRow,
    identity: part('i', IDENTITY_NAMES) as unknown as IdentityRow,
  };
}

export const pageCursor = (num: number): string => Buffer.from(`i${num}`).toString('base64url');

/** Throws `cursor.invalid`. */
export function numOfCursor(cursor: string | undefined): number {
  if (cursor === undefined) return Number.MAX_SAFE_INTEGER;
  const num = Number(/^i([0-9]{1,15})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1'))?.[1]);
  if (Number.isInteger(num) && pageCursor(num) === cursor) return num;
  throw new SojournError('cursor.invalid', 'The cursor of the list is none that was given out');
}
