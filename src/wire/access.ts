// Access: who is calling, and what they may do.

import type { SignInView } from './identity.ts';

export const SCOPES = ['read', 'send', 'approve', 'operate', 'admin', 'post'] as const;
export type Scope = (typeof SCOPES)[number];

/** Made by a face from a credential, or by a host from its own knowledge; never from what a caller declares. */
export interface Caller {
  /** The token's id; null for the host itself. */
  token: string | null;
  project: string;
  /** Set when the token is bound to an owner. */
  owner: string | null;
  scopes: ReadonlySet<Scope>;
  /** As whom it speaks; only where the credential is a sign-in, and `token` is then the id of that. */
  signIn?: SignInView;
}

export interface TokenView {
  id: string;
  name: string;
  scopes: readonly Scope[];
  project: string;
  owner: string | null;
  createdAt: string;
  expiresAt: string | null;
}
