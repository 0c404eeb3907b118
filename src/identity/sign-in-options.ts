// Sign-in options: what signing in is made of and bounded by, and what is told of it.
import type { Clock } from '../kernel/clock.ts';
import type { Ids } from '../kernel/ids.ts';
import type { Limits } from '../kernel/limits.ts';
import type { Logger } from '../kernel/logger.ts';
import type { SignInEnd, Store } from '../store/store.ts';

export type SignInLimits = Pick<
  Limits,
  | 'signInIdleMsMax'
  | 'signInMsMax'
  | 'signInTouchMs'
  | 'signInSweepMs'
  | 'signInsPerIdentityMax'
  | 'identitiesMax'
>;

export interface SignInsOptions {
  store: Pick<Store, 'identities'>;
  clock?: Clock;
  ids?: Ids;
  /** @default silent: nothing is ever printed */
  logger?: Logger;
  limits?: Partial<SignInLimits>;
}

/** For whom a sign-in is made. */
export interface Signer {
  /** @default 'default' */
  project?: string;
  /** @default null: nobody in particular */
  owner?: string | null;
  /** The id of the token it is made with: they end together. @default null */
  token?: string | null;
}

export interface SignInEnded {
  /** The sign-in's id. */
  signIn: string;
  why: SignInEnd;
}
