// Views: identities and sign-ins, as callers see them. Always copies.
import type { IdentifiedSignIn, IdentityRow } from '../store/store.ts';
import type { IdentityView, SignInView } from '../wire/identity.ts';
import { displayName } from './name.ts';

const timeText = (ms: number): string => new Date(ms).toISOString();

export function identityView(row: IdentityRow): IdentityView {
  return {
    id: row.id,
    project: row.project,
    name: row.name,
    context: row.context,
    displayName: displayName(row.name, row.context),
    identityKey: row.key,
    avatarSeed: row.avatarSeed,
    owner: row.owner,
    createdAt: timeText(row.createdAt),
    lastActiveAt: timeText(row.lastActiveAt),
  };
}

export function signInView({ signIn, identity }: IdentifiedSignIn): SignInView {
  return {
    id: signIn.id,
    identity: identityView(identity),
    owner: signIn.owner,
    createdAt: timeText(signIn.createdAt),
    lastActiveAt: timeText(signIn.lastActiveAt),
    expiresAt: timeText(signIn.expiresAt),
  };
}
