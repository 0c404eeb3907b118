// Page: as much of some bytes as one answer may hold, and where the next one begins.
//
//   PG1. What is shown stands for exactly the bytes of its range: pages one after the other are the whole.
//   PG2. A page of UTF-8 is that text and never cuts a code point; any other is base64 of exactly its bytes.
//   PG3. A page is measured as JSON, as it will be stored and sent: it is below its bound however much must be escaped.
//   PG4. Where a page ends depends on what stands there and not on where it began, so that no byte comes twice.
import { Buffer, isUtf8 } from 'node:buffer';

export interface Page {
  from: number;
  to: number;
  text: string;
  encoding?: 'base64';
}

/** Of these are looked at before and behind what is asked for. */
export const MARGIN_BYTES = 3;
const LEAST_BYTES = 8;

/**
 * `bytes` is `[at, at + bytes.length)` of the whole, and holds what is asked for, up to `pageBytesMax` of it, with
 * `MARGIN_BYTES` before and behind where there are any. A range that cuts a code point is widened by what is missing.
 */
export function pageOf(
  bytes: Buffer,
  at: number,
  asked: { from: number; to: number },
  pageBytesMax: number,
): Page {
  const first = asked.from - at;
  const last = Math.min(asked.to - at, bytes.length);
  const whole = cut(bytes, boundaryBefore(bytes, first), boundaryBehind(bytes, last), pageBytesMax);
  const shown = bytes.subarray(whole.from, whole.to);
  if (isUtf8(shown) && (whole.to > whole.from || first === last)) {
    return { from: at + whole.from, to: at + whole.to, text: shown.toString('utf8') }; // PG2
  }
  const size = Math.max(Math.floor((pageBytesMax * 3) / 4), LEAST_BYTES);
  const to = first + size < last ? boundaryBefore(bytes, first + size) : last; // PG4
  const text = bytes.subarray(first, to).toString('base64');
  return { from: at + first, to: at + to, text, encoding: 'base64' }; // PG2
}

/** What each byte takes in JSON text (PG3). */
function costOf(byte: number): number {
  if (byte === 0x22 || byte === 0x5c) return 2;
  if (byte >= 0x20) return 1;
  return byte === 9 || byte === 10 || byte === 13 || byte === 8 || byte === 12 ? 2 : 6;
}

export function jsonBytes(text: string): number {
  let cost = 0;
  for (const byte of Buffer.from(text)) cost += costOf(byte);
  return cost;
}

/** Up to `to`, or to where it is full: then behind the last line that ends in its last quarter, if one does. */
function cut(bytes: Buffer, from: number, to: number, max: number): { from: number; to: number } {
  let cost = 0;
  for (let at = from; at < to; at += 1) {
    cost += costOf(bytes[at] ?? 0);
    if (cost <= max) continue;
    const line = bytes.lastIndexOf(10, at - 1) + 1;
    return { from, to: line - from > (at - from) * 0.75 ? line : boundaryBefore(bytes, at) };
  }
  return { from, to };
}

const isWithin = (byte: number | undefined): boolean => byte !== undefined && (byte & 0xc0) === 0x80;

/** The beginning of the code point that `at` is in; `at` itself where bytes are no UTF-8 there. */
export function boundaryBefore(bytes: Buffer, at: number): number {
  for (let back = 0; back <= MARGIN_BYTES && at >= back; back += 1) {
    if (!isWithin(bytes[at - back])) return at - back;
  }
  return at;
}

/** The end of the code point that `at` is in; `at` itself as above. */
export function boundaryBehind(bytes: Buffer, at: number): number {
  for (let on = 0; on <= MARGIN_BYTES; on += 1) {
    if (!isWithin(bytes[at + on])) return at + on;
  }
  return at;
}
