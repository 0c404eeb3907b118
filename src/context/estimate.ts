// Estimate: about what a text or a file takes of a prompt, without the table of an encoding.
//
//   ES1. Within a third of what an encoding says of prose, code, JSON and logs: half as much again is not too little for what
//        people and tools usually write.
//   ES2. Whatever the size, a bounded part of it is looked at.
import type { Buffer } from 'node:buffer';
import type { ArtifactRef } from '../wire/message.ts';

/** What is longer is judged by so many places of it (ES2). */
const SAMPLES = 8;
/** In characters of a text, in bytes of a file. */
const SAMPLE_LENGTH = 2_048;
/** Of a text of which nothing else is known. */
const BYTES_A_TOKEN = 3;
/** A picture of the size that providers scale down to; documents and sounds by their length. */
const IMAGE_TOKENS = 1_600;
const FILE_TOKENS_MIN = 500;
const FILE_BYTES_A_TOKEN = 40;

export function estimate(text: string): number {
  return sampled(text.length, (from, to) => text.slice(from, to));
}

/** Of a text in UTF-8. */
export function estimateBytes(bytes: Buffer): number {
  return sampled(bytes.length, (from, to) => bytes.toString('utf8', from, to));
}

/** Of a file that is no text. */
export function estimateFile(mediaType: string, bytes: number): number {
  if (mediaType.startsWith('image/')) return IMAGE_TOKENS;
  return Math.max(FILE_TOKENS_MIN, Math.ceil(bytes / FILE_BYTES_A_TOKEN));
}

/** Of all that was moved out: as its reference says, where it says it. */
export function estimateRef({ tokens, bytes, mediaType }: ArtifactRef): number {
  return tokens ?? (isText(mediaType) ? Math.ceil(bytes / BYTES_A_TOKEN) : estimateFile(mediaType, bytes));
}

export function isText(mediaType: string): boolean {
  return /^(text\/|application\/(json|x-ndjson|jsonl|xml|yaml|toml|javascript)\b|[^;]*\+(json|xml)\b)/.test(
    mediaType,
  );
}

/** ES2. */
function sampled(length: number, part: (from: number, to: number) => string): number {
  if (length <= SAMPLES * SAMPLE_LENGTH) return Math.ceil(tokensOf(part(0, length)));
  const step = (length - SAMPLE_LENGTH) / (SAMPLES - 1);
  let tokens = 0;
  for (let sample = 0; sample < SAMPLES; sample += 1) {
    const from = Math.floor(sample * step);
    tokens += tokensOf(part(from, from + SAMPLE_LENGTH));
  }
  return Math.ceil((tokens * length) / (SAMPLES * SAMPLE_LENGTH));
}

/** What encodings of models keep together. */
const [OTHER, UPPER, LOWER, DIGIT, BLANK, LINE, SIGN, SCRIPT, WIDE] = [0, 1, 2, 3, 4, 5, 6, 7, 8];
const ASCII = Uint8Array.from({ length: 128 }, (_, code) => {
  const char = String.fromCharCode(code);
  if (/[A-Z]/.test(char)) return UPPER;
  if (/[a-z]/.test(char)) return LOWER;
  if (/[0-9]/.test(char)) return DIGIT;
  if (/[\t ]/.test(char)) return BLANK;
  if (/[\n\r]/.test(char)) return LINE;
  return /[!-~]/.test(char) ? SIGN : OTHER;
});

/** ES1. Of random letters about two thirds. */
function tokensOf(text: string): number {
  let tokens = 0;
  for (let from = 0; from < text.length;) {
    const first = kindAt(text, from);
    let to = from + 1;
    let last = first;
    for (; to < text.length; to += 1) {
      const next = kindAt(text, to);
      if (next !== last && !(last === UPPER && next === LOWER) && !(first === LINE && next === BLANK)) break;
      last = next;
    }
    tokens += tokensOfRun(first, to - from);
    from = to;
  }
  return tokens * 1.08;
}

function kindAt(text: string, at: number): number {
  const code = text.charCodeAt(at);
  return code < 0x80 ? (ASCII[code] ?? OTHER) : code < 0x800 ? SCRIPT : WIDE;
}

function tokensOfRun(kind: number, length: number): number {
  switch (kind) {
    case OTHER:
      return length; // No encoding keeps control characters together.
    case BLANK:
      return length === 1 ? 0 : 0.75; // A single one belongs to the word behind it.
    case LINE:
      return 0.75;
    case DIGIT:
      return Math.ceil(length / 3);
    case SIGN:
      return Math.ceil(length / 2.6) * 0.8;
    case SCRIPT:
      return Math.ceil(length / 4.5);
    case WIDE:
      return length * 0.78;
    default:
      return length <= 3 ? 0.8 : length <= 8 ? 1.1 : length / 5.5;
  }
}
