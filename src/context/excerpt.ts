// Excerpt: what is left to see of bytes that are moved out: their beginning, their end, and how much they are.
//
//   EX1. Beginning and end are cut between code points, and each has its share of the bytes allowed.
//   EX2. Whatever the size, the work is one pass over the bytes at most.
import { Buffer } from 'node:buffer';

export interface Excerpt {
  /** The beginning; empty for what is no text. */
  preview: string;
  /** The end, where the two do not meet. */
  tail?: string;
  /** Of a text. */
  lines?: number;
  /** About what all of it would take of a prompt. */
  tokens: number;
}

/** The rest of what is shown says how to read more. */
const PREVIEW_SHARE = 0.6;
const TAIL_SHARE = 0.25;
const SAMPLE_BYTES = 65_536;
/** What models count for a picture, whatever its bytes. */
const IMAGE_TOKENS = 1_500;
const NEWLINE = 0x0a;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function excerptOf(bytes: Buffer, mediaType: string, shownBytesMax: number): Excerpt {
  const previewEnd = cutBefore(bytes, Math.floor(shownBytesMax * PREVIEW_SHARE));
  const tailStart = cutAfter(bytes, bytes.length - Math.floor(shownBytesMax * TAIL_SHARE));
  const preview = isTextType(mediaType) ? textIn(bytes, 0, previewEnd) : undefined;
  if (preview === undefined) return { preview: '', tokens: tokensOfFile(bytes, mediaType) };
  const tail = tailStart > previewEnd ? textIn(bytes, tailStart, bytes.length) : undefined;
  return {
    preview,
    ...(tail === undefined || tail === '' ? {} : { tail }),
    lines: linesIn(bytes),
    tokens: tokensIn(bytes),
  };
}

/** About what a text would take of a prompt. */
export function tokensAbout(text: string): number {
  return tokensIn(Buffer.from(text.length > SAMPLE_BYTES ? text.slice(0, SAMPLE_BYTES) : text), text.length);
}

function isTextType(mediaType: string): boolean {
  return /^(text\/|application\/(json|x-ndjson|jsonl|xml|yaml|toml|javascript)\b|[^;]*\+(json|xml)\b)/.test(
    mediaType,
  );
}

/** Undefined for what is no UTF-8. */
function textIn(bytes: Buffer, from: number, to: number): string | undefined {
  try {
    return decoder.decode(bytes.subarray(from, to));
  } catch {
    return undefined;
  }
}

const isInside = (byte: number | undefined): boolean => byte !== undefined && (byte & 0xc0) === 0x80;

/** The last place at or before `at` where a code point begins (EX1). */
function cutBefore(bytes: Buffer, at: number): number {
  let place = Math.max(0, Math.min(at, bytes.length));
  while (place > 0 && isInside(bytes[place])) place -= 1;
  return place;
}

function cutAfter(bytes: Buffer, at: number): number {
  let place = Math.max(0, Math.min(at, bytes.length));
  while (place < bytes.length && isInside(bytes[place])) place += 1;
  return place;
}

function linesIn(bytes: Buffer): number {
  let lines = 0;
  for (let at = 0; at < bytes.length; at += 1) if (bytes[at] === NEWLINE) lines += 1;
  return bytes.length > 0 && bytes.at(-1) !== NEWLINE ? lines + 1 : lines;
}

/** About four bytes of ASCII, or one letter of another script, are a token. Judged by the beginning. */
function tokensIn(bytes: Buffer, length = bytes.length): number {
  const sample = bytes.subarray(0, SAMPLE_BYTES);
  let ascii = 0;
  let others = 0;
  for (const byte of sample) {
    if (byte < 0x80) ascii += 1;
    else if (!isInside(byte)) others += 1;
  }
  return Math.ceil((ascii / 4 + others) * (length / Math.max(1, Math.min(length, sample.length))));
}

function tokensOfFile(bytes: Buffer, mediaType: string): number {
  return mediaType.startsWith('image/') ? IMAGE_TOKENS : Math.ceil(bytes.length / 3);
}
