// Excerpt: what is left to see of bytes that are moved out: their beginning, their end, and how much they are.
//
//   EX1. Beginning and end are cut between code points, and each has its share of the bytes allowed.
//   EX2. Whatever the size, the work is one pass over the bytes at most.
import { Buffer } from 'node:buffer';
import { READ_BACK } from '../agent/agent.ts';
import type { ArtifactRef } from '../wire/message.ts';
import { estimateBytes, estimateFile, isText } from './estimate.ts';
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
const NEWLINE = 0x0a;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function excerptOf(
  bytes: Buffer,
  mediaType: string,
  shownBytesMax: number,
  lines = linesIn(bytes),
): Excerpt {
  // EX1.
  const previewEnd = boundaryBefore(bytes, Math.floor(shownBytesMax * PREVIEW_SHARE));
  const tailStart = boundaryBehind(bytes, Math.max(0, bytes.length - Math.floor(shownBytesMax * TAIL_SHARE)));
  const preview = isText(mediaType) ? textIn(bytes, 0, previewEnd) : undefined;
  if (preview === undefined) return { preview: '', tokens: estimateFile(mediaType, bytes.length) };
  const tail = textIn(bytes, Math.max(tailStart, previewEnd), bytes.length);
  return {
    preview,
    ...(tail === undefined || tail === '' ? {} : { tail }),
    lines,
    tokens: estimateBytes(bytes),
  };
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
