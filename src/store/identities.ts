// IdentityStore: who may speak, and the sign-ins with which they do. A part of the store's contract.
//
//   I1. Every call is one transaction: who signs in at the same moment under one (project, key) finds one identity.
//   I2. What ended stays ended: no call makes a sign-in live again, and a touch moves times forward only.
//   I3. Only the hash of a secret is kept. Rows are copies; lists are bounded, newest first, and stable while paged.
//   I4. The store knows no policy: how long a sign-in lives is told with each call.
import type { Millis } from '../kernel/clock.ts';

export interface IdentityRow {
  id: string;
  project: string;
  /** Unique within the project. */
  key: string;
  name: string;
  context: string | null;
  avatarSeed: string;
  /** Who alone may speak as it; null: everyone of the project. */
  owner: string | null;
  /** The owner whose sign-in made it. */
  maker: string | null;
  createdAt: Millis;
  lastActiveAt: Millis;
}

/** `signed-out` by itself or a person, `idle` or `expired` by time, `claimed` by another owner, `revoked` with its token or identity. */
export type SignInEnd = 'signed-out' | 'idle' | 'expired' | 'claimed' | 'revoked';

export interface SignInRow {
  id: string;
  /** SHA-256 of the secret, hex. */
  hash: string;
  project: string;
  /** The identity's id. */
  identity: string;
  /** For whom it was made. */
  owner: string | null;
  /** The token it was made with; null: the host. */
  token: string | null;
  createdAt: Millis;
  lastActiveAt: Millis;
  expiresAt: Millis;
  endedAt: Millis | null;
  end: SignInEnd | null;
}

export interface IdentifiedSignIn {
  signIn: SignInRow;
  identity: IdentityRow;
}

/** Live is what has not ended, was active at or after `activeSince`, and expires at or after `now`. */
export interface LiveBounds {
  activeSince: Millis;
  now: Millis;
}

export interface NewSignIn {
  /** Used where (project, key) has no identity yet. */
  identity: Pick<IdentityRow, 'id' | 'project' | 'key' | 'name' | 'context' | 'avatarSeed'>;
  signIn: Pick<SignInRow, 'id' | 'hash' | 'owner' | 'token' | 'expiresAt'>;
  /** Make the signer's owner the identity's. Only who made an identity may do so later. */
  claim: boolean;
  at: Millis;
  live: LiveBounds;
  /** Identities of the project, and live sign-ins of the identity. */
  identitiesMax: number;
  signInsMax: number;
}

export interface SignedIn extends IdentifiedSignIn {
  /** The identity did not exist before. */
  made: boolean;
  /** Ids of sign-ins that the claim ended. */
  ended: readonly string[];
}

/** Ids of sign-ins, by what was found of them. */
export interface DueSignIns {
  expired: readonly string[];
  idle: readonly string[];
}

export interface IdentityFilter {
  project: string;
  /** 1 to 200. */
  limit: number;
  /** From `nextCursor`; opaque. Throws `cursor.invalid`. */
  cursor?: string;
}

export interface SignInFilter extends IdentityFilter {
  identity?: string;
  live: LiveBounds;
}

export interface IdentityStore {
  /**
   * Finds or makes the identity and adds the sign-in (I1), which never outlives its token. Throws `auth.required` where
   * the token is gone, `identity.claimed`, `identity.limit`, `sign-in.limit`.
   */
  signIn(call: NewSignIn): Promise<SignedIn>;
  /** Live or ended; null where there is none, or it is forgotten. */
  byHash(hash: string): Promise<IdentifiedSignIn | null>;
  /** The same, by the id of the sign-in. */
  byId(id: string): Promise<IdentifiedSignIn | null>;
  /** Last activity, of the sign-ins that have not ended and of their identities (I2). */
  touch(touches: readonly { id: string; at: Millis }[]): Promise<void>;
  /** False: the project has no sign-in of this id that has not ended. */
  end(project: string, id: string, why: SignInEnd, at: Millis): Promise<boolean>;
  /** Ends those that are not live, as `expired` or else as `idle`, at most `limit` in all. */
  endDue(live: LiveBounds, limit: number): Promise<DueSignIns>;
  /** Removes sign-ins that ended before, at most `limit`; answers how many. */
  forget(endedBefore: Millis, limit: number): Promise<number>;
  /** The live ones. */
  signIns(filter: SignInFilter): Promise<{ signIns: readonly IdentifiedSignIn[]; nextCursor: string | null }>;
  /** Of one project, or of all. */
  countLive(project: string | null, live: LiveBounds): Promise<number>;
  identity(project: string, id: string): Promise<IdentityRow | null>;
  identityByKey(project: string, key: string): Promise<IdentityRow | null>;
  identities(
    filter: IdentityFilter,
  ): Promise<{ identities: readonly IdentityRow[]; nextCursor: string | null }>;
  /** Ends the sign-ins of other owners as `claimed`, unless the new owner is null. Null: there is no such identity. */
  setOwner(
    project: string,
    id: string,
    owner: string | null,
    at: Millis,
  ): Promise<{ identity: IdentityRow; ended: readonly string[] } | null>;
  /**
   * Removes it with all its sign-ins, and answers the ids of those that had not ended. Null: there is no such identity. Posts
   * keep their authors as they were; whoever signs in under its key later is another.
   */
  removeIdentity(project: string, id: string): Promise<readonly string[] | null>;
}
