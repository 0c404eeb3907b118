// Lines: where the lines of a source begin. A line ends with its line feed, or with the text; the first one is 1.
//
//   LI1. The bytes are looked at a slice at a time, and nothing of them is kept.
import { invalid } from './read-back-call.ts';
import { SLICE_BYTES, type Source } from './source.ts';

const TAIL_BYTES = 65_536;

/** A range of a source; `to` may be behind its end. */
export interface Span {
  from: number;
  to: number;
}

/** From the first byte of one line to behind the end of another, which is counted in. */
export async function linesOf(
  source: Source,
  { from, to = Infinity }: { from: number; to?: number },
  signal: AbortSignal | undefined,
): Promise<Span> {
  let line = 1;
  let at = 0;
  let start = from === 1 ? 0 : undefined;
  let isInLine = false;
  if (from === 1 && to === Infinity) return { from: 0, to };
  for await (const piece of source.pieces(0, SLICE_BYTES)) {
    signal?.throwIfAborted();
    for (let index = 0; index < piece.byteLength; index += 1) {
      if (piece[index] !== 10) continue;
      line += 1;
      if (line === from) start = at + index + 1;
      if (line > to) return { from: start ?? 0, to: at + index + 1 };
    }
    at += piece.byteLength;
    isInLine = piece.at(-1) !== 10;
    if (start !== undefined && start < at && to === Infinity) return { from: start, to };
  }
  const lines = isInLine ? line : line - 1;
  if (start === undefined || (start === at && from > 1)) {
    throw invalid(`${source.ref} has ${lines} lines, and none from ${from} on`);
  }
  return { from: start, to: at };
}

/** The last so many lines. Of a file as much is read from its end as they take, and not much more. */
export async function tailOf(source: Source, tail: number, signal: AbortSignal | undefined): Promise<Span> {
  const bytes = source.bytes ?? 0;
  for (let size = TAIL_BYTES; size < bytes; size *= 8) {
    const span = await lastLines(source, tail, { from: bytes - size, signal });
    if (span !== undefined) return span;
  }
  return (await lastLines(source, tail, { from: 0, signal })) ?? { from: 0, to: Infinity };
}

/** Undefined where the first of them may begin before `from`. */
async function lastLines(
  source: Source,
  tail: number,
  { from, signal }: { from: number; signal: AbortSignal | undefined },
): Promise<Span | undefined> {
  /** Where the last lines begin, in a ring; one more than is asked for, as the last may be empty. */
  const starts: number[] = [from];
  let line = 0;
  let at = from;
  for await (const piece of source.pieces(from, SLICE_BYTES)) {
    signal?.throwIfAborted();
    for (let index = 0; index < piece.byteLength; index += 1) {
      if (piece[index] === 10) starts[++line % (tail + 1)] = at + index + 1;
    }
    at += piece.byteLength;
  }
  const lines = starts[line % (tail + 1)] === at ? line : line + 1;
  if (lines > tail) return { from: starts[(lines - tail) % (tail + 1)] ?? from, to: at };
  return from === 0 ? { from, to: at } : undefined;
}

/** The number of the line that a byte is in. */
export async function lineAt(source: Source, byte: number): Promise<number> {
  let line = 1;
  let at = 0;
  for await (const piece of source.pieces(0, SLICE_BYTES)) {
    for (let index = 0; index < piece.byteLength && at + index < byte; index += 1) {
      if (piece[index] === 10) line += 1;
    }
    at += piece.byteLength;
    if (at >= byte) break;
  }
  return line;
}
