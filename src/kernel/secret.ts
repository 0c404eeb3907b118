// Secret: bearer secrets, how they are made and told from a slip of the keyboard.
//
//   B1. A prefix says what it opens, and six characters at its end are a checksum, so that a mistyped one needs no look-up.
//   B2. Only `hashOf` of a secret is kept anywhere. What may hold one goes through `masked` before it is kept.
import { hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { Ids } from './ids.ts';

const SECRET_BYTES = 32;

export function mintSecret(prefix: string, ids: Ids): string {
  const secret = ids.secret(SECRET_BYTES);
  return `${prefix}${secret}${checksum(secret)}`;
}

/** B1. Anything may be asked about. */
export function isSecret(prefix: string, text: unknown): text is string {
  if (typeof text !== 'string' || !text.startsWith(prefix)) return false;
  const match = /^([0-9A-Za-z]{20,80})([0-9a-f]{6})$/.exec(text.slice(prefix.length));
  return match !== null && checksum(match[1] ?? '') === match[2];
}

/** B2. */
export function hashOf(secret: string): string {
  return hash('sha256', secret);
}

const OPENING = 'soj_';
const SECRET = /(soj_(?:[a-z]{1,8}_)?)[0-9A-Za-z]{26,}/g;

/** B2. The value as JSON has it, without our secrets; the same one where there are none. */
export function masked<Value>(value: Value): Value {
  if (typeof value === 'string' && !value.includes(OPENING)) return value;
  // JSON has no text for `undefined`.
  const text = JSON.stringify(value) as string | undefined;
  if (text?.includes(OPENING) !== true) return value;
  return JSON.parse(text.replaceAll(SECRET, '$1***')) as Value;
}

/** B2. The same of a text, or of what is JSON already. */
export function maskedText(text: string): string {
  return text.includes(OPENING) ? text.replaceAll(SECRET, '$1***') : text;
}

function checksum(text: string): string {
  return (crc32(text) & 0xffffff).toString(16).padStart(6, '0');
}
