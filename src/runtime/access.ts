// Access: what a caller may do, and which sessions are its own.
//
//   A1. A token bound to an owner sees that owner's sessions; one that may `send` sees those it made; any other is a
//       viewer of its project. `operate` sees them all. What a caller may not see answers as if it were not there.
//   A2. Nothing that a caller declares grants anything.
import { Buffer } from 'node:buffer';
import { SojournError } from '../kernel/errors.ts';
import type { SessionFilter, SessionRow } from '../store/store.ts';
import { type Caller, SCOPES, type Scope } from '../wire/access.ts';

/** The host itself: whoever holds the runtime in its own process. */
export const hostCaller = (project = 'default'): Caller => ({
  token: null,
  project,
  owner: null,
  scopes: new Set(SCOPES),
});

/** One of them is enough. Throws `auth.scope`. */
export function requireScope(caller: Caller, ...scopes: readonly Scope[]): void {
  if (!scopes.some((scope) => caller.scopes.has(scope))) {
    throw new SojournError('auth.scope', `This needs scope ${scopes.join(' or ')}`);
  }
}

/** A1. */
export function mayTouch(caller: Caller, row: Pick<SessionRow, 'project' | 'owner' | 'maker'>): boolean {
  if (row.project !== caller.project) return false;
  if (caller.token === null || caller.scopes.has('operate')) return true;
  if (caller.owner !== null) return row.owner === caller.owner;
  return !caller.scopes.has('send') || row.maker === caller.token;
}

/** A1, as a filter for lists. */
export function visible(caller: Caller): Pick<SessionFilter, 'owner' | 'maker'> {
  if (caller.token === null || caller.scopes.has('operate')) return {};
  if (caller.owner !== null) return { owner: caller.owner };
  return caller.scopes.has('send') ? { maker: caller.token } : {};
}

const KEY_BYTES_MAX = 512;

/** Throws `key.ill_formed`, `key.too_long` or `key.invalid`. Keys are compared code unit by code unit: no folding. */
export function checkKey(key: string): string {
  if (!key.isWellFormed()) throw new SojournError('key.ill_formed', 'The key has a lone surrogate');
  const bytes = Buffer.byteLength(key);
  if (bytes > KEY_BYTES_MAX)
    throw new SojournError('key.too_long', `The key has ${bytes} bytes; ${KEY_BYTES_MAX} are allowed`);
  if (key === '' || key === '.' || key === '..' || /\p{Cc}/u.test(key)) {
    throw new SojournError('key.invalid', `The key ${JSON.stringify(key).slice(0, 64)} cannot be used`);
  }
  return key;
}
