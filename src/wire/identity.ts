// Identity: who speaks, and the sign-ins with which they do, as faces and clients see them.

/** A name, and a context that tells apart those who share it. Found again whoever signs in under both. */
export interface IdentityView {
  id: string;
  project: string;
  name: string;
  context: string | null;
  /** The name, with its context behind it. For people; two identities may show the same. */
  displayName: string;
  /** One text for each identity of a project, whatever case or composition it was written in. */
  identityKey: string;
  /** What its avatar is drawn from. */
  avatarSeed: string;
  /** Who alone may speak as it; null: everyone of the project. */
  owner: string | null;
  createdAt: string;
  lastActiveAt: string;
}

export interface SignInView {
  id: string;
  identity: IdentityView;
  /** Of the token it was made with, where that is bound to one. */
  owner: string | null;
  createdAt: string;
  lastActiveAt: string;
  /** Over after this at the latest; sooner when it is not used. */
  expiresAt: string;
}

/** `POST /v1/sign-ins`. */
export interface SignInCall {
  /** 1 to 100 characters after trimming. */
  name: string;
  /** Up to 200 characters after trimming; blank is none. */
  context?: string;
  /** Let nobody speak as it but the owner of this caller's token. Default false. */
  claim?: boolean;
}

/** The answer to a sign-in. */
export interface NewSignInView extends SignInView {
  /** The bearer secret. Shown this once. */
  token: string;
  /** Over when it is not used for longer than this. */
  idleMsMax: number;
}

/** Why a sign-in does not count. `unknown`: never there, or forgotten. */
export type SignInLapse = 'unknown' | 'idle' | 'expired' | 'signed-out' | 'claimed' | 'revoked';

export type SignInCheck = { kind: 'live'; signIn: SignInView } | { kind: SignInLapse };

export interface IdentityQuery {
  /** Default 50, 1 to 200. */
  limit?: number;
  cursor?: string;
}

export interface SignInQuery extends IdentityQuery {
  /** An identity's id. */
  identity?: string;
}
