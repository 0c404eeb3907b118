// Lines: where the lines of a source begin. A line ends with its line feed, or with the text; the first one is 1.
//
//   LI1. One pass over the bytes, a slice at a time, and nothing of them is kept.
import { invalid } from './read-back-call.ts';
import { SLICE_BYTES, type Source } from './source.ts';

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

export async function tailOf(source: Source, tail: number, signal: AbortSignal | undefined): Promise<Span> {
  /** Where the last lines begin, in a ring; one more than is asked for, as the last may be empty. */
  const starts: number[] = [0];
  let line = 0;
  let at = 0;
  for await (const piece of source.pieces(0, SLICE_BYTES)) {
    signal?.throwIfAborted();
    for (let index = 0; index < piece.byteLength; index += 1) {
      if (piece[index] === 10) starts[++line % (tail + 1)] = at + index + 1;
    }
    at += piece.byteLength;
  }
  const lines = starts[line % (tail + 1)] === at ? line : line + 1;
  return { from: lines <= tail ? 0 : (starts[(lines - tail) % (tail + 1)] ?? 0), to: at };
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
