// Excerpt: what is left to see of bytes that are moved out: their beginning, their end, and how much they are.
//
//   EX1. Beginning and end are cut between code points, and each has its share of the bytes allowed.
//   EX2. Whatever the size, the work is one pass over the bytes at most.
import { Buffer } from 'node:buffer';
import { READ_BACK } from '../agent/agent.ts';
import type { ArtifactRef } from '../wire/message.ts';
import { boundaryBefore, boundaryBehind } from './page.ts';
import { artifactRef } from './reference.ts';

export interface Excerpt {
  /** The beginning; empty for what is no text. */
  preview: string;
  /** The end, where the beginning is not all of it. */
  tail?: string;
  /** Of a text. */
  lines?: number;
  /** About what all of it would take of a prompt. */
  tokens: number;
}

/** The rest of what is shown says how to read more. */
const PREVIEW_SHARE = 0.6;
const TAIL_SHARE = 0.25;
/** A longer text is judged by so many places of it. */
const SAMPLES = 8;
const SAMPLE_BYTES = 2_048;
/** What models count for a picture, whatever its bytes. */
const IMAGE_TOKENS = 1_500;
const NEWLINE = 0x0a;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function excerptOf(bytes: Buffer, mediaType: string, shownBytesMax: number): Excerpt {
  // EX1.
  const previewEnd = boundaryBefore(bytes, Math.floor(shownBytesMax * PREVIEW_SHARE));
  const tailStart = boundaryBehind(bytes, Math.max(0, bytes.length - Math.floor(shownBytesMax * TAIL_SHARE)));
  const preview = isTextType(mediaType) ? textIn(bytes, 0, previewEnd) : undefined;
  if (preview === undefined) return { preview: '', tokens: tokensOfFile(bytes, mediaType) };
  const tail = textIn(bytes, Math.max(tailStart, previewEnd), bytes.length);
  return {
    preview,
    ...(tail === undefined || tail === '' ? {} : { tail }),
    lines: linesIn(bytes),
    tokens: tokensIn(bytes),
  };
}

/** About what a text would take of a prompt. */
export function tokensAbout(text: string): number {
  return tokensIn(Buffer.from(text));
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

function linesIn(bytes: Buffer): number {
  let lines = 0;
  for (let at = 0; at < bytes.length; at += 1) if (bytes[at] === NEWLINE) lines += 1;
  return bytes.length > 0 && bytes.at(-1) !== NEWLINE ? lines + 1 : lines;
}

/** What encodings of models keep together: words, numbers, indentation, signs, and letters of other scripts. */
const RUN =
  /[A-Z]*[a-z]+|[A-Z]+|[0-9]+|[\t ]{2,}|[\n\r]+[\t ]*|[\u0080-\u07ff]+|[^\0-\u07ff]+|[!-/:-@[-`{-~]+/g;

/** EX2. */
function tokensIn(bytes: Buffer): number {
  if (bytes.length <= SAMPLES * SAMPLE_BYTES) return Math.ceil(tokensOf(bytes.toString('utf8')));
  const step = (bytes.length - SAMPLE_BYTES) / (SAMPLES - 1);
  let tokens = 0;
  for (let sample = 0; sample < SAMPLES; sample += 1) {
    const from = Math.floor(sample * step);
    tokens += tokensOf(bytes.toString('utf8', from, from + SAMPLE_BYTES));
  }
  return Math.ceil((tokens * bytes.length) / (SAMPLES * SAMPLE_BYTES));
}

/** Within a fifth of what a table of an encoding says of prose, code, JSON and logs; of random letters, two thirds. */
function tokensOf(text: string): number {
  let tokens = 0;
  for (const [run] of text.matchAll(RUN)) tokens += tokensOfRun(run.charCodeAt(0), run.length);
  return tokens * 1.08;
}

function tokensOfRun(first: number, length: number): number {
  if (first >= 0x800) return length * 0.78;
  if (first >= 0x80) return Math.ceil(length / 4.5);
  if (first <= 0x20) return 0.75;
  if (first >= 0x30 && first <= 0x39) return Math.ceil(length / 3);
  const isLetter = (first >= 0x41 && first <= 0x5a) || (first >= 0x61 && first <= 0x7a);
  if (!isLetter) return Math.ceil(length / 2.6) * 0.8;
  return length <= 3 ? 0.8 : length <= 8 ? 1.1 : length / 5.5;
}

function tokensOfFile(bytes: Buffer, mediaType: string): number {
  return mediaType.startsWith('image/') ? IMAGE_TOKENS : Math.ceil(bytes.length / 3);
}

/** What a model is shown of a reference: the beginning, the end, and how to read the rest. */
export function shownOf(ref: ArtifactRef): string {
  const { artifact, bytes, mediaType, lines } = ref;
  const size = `${count(bytes)} bytes${lines === undefined ? '' : ` in ${count(lines)} ${lines === 1 ? 'line' : 'lines'}`} of ${mediaType}`;
  const how = `[This is part of ${size}. Read more with the tool ${READ_BACK} and its ref "${artifactRef(artifact)}": by lines, bytes, head, tail, search or JSON path.]`;
  const part = excerptText(ref, 'left out');
  return part === '' ? how : `${part}\n${how}`;
}

/** The beginning and the end, and between them how much there is of it that is not shown. */
export function excerptText({ bytes, preview, tail = '' }: ArtifactRef, what: string): string {
  const left = Math.max(0, bytes - Buffer.byteLength(preview) - Buffer.byteLength(tail));
  if (preview === '') return what === 'left out' ? '' : `… ${count(left)} bytes ${what} …`;
  return `${preview}\n… ${count(left)} bytes ${what} …${tail === '' ? '' : `\n${tail}`}`;
}

const count = (number: number): string => number.toLocaleString('en-US');
