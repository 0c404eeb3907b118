// Secret: bearer secrets, how they are made and told from a slip of the keyboard.
//
//   B1. A prefix says what it opens, and six characters at its end are a checksum, so that a mistyped one needs no look-up.
//   B2. Only `hashOf` of a secret is kept anywhere.
import { hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { Ids } from './ids.ts';

const SECRET_BYTES = 32;

export function mintSecret(prefix: string, ids: Ids): string {
  const secret = ids.secret(SECRET_BYTES);
  return `${prefix}${secret}${checksum(secret)}`;
}

/** Anything may be asked about. */
export function isSecret(prefix: string, text: unknown): text is string {
  if (typeof text !== 'string' || !text.startsWith(prefix)) return false;
  const match = /^([0-9A-Za-z]{20,80})([0-9a-f]{6})$/.exec(text.slice(prefix.length));
  return match !== null && checksum(match[1] ?? '') === match[2];
}

/** B2. */
export function hashOf(secret: string): string {
  return hash('sha256', secret);
}

function checksum(text: string): string {
  return (crc32(text) & 0xffffff).toString(16).padStart(6, '0');
}
