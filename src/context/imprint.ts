// Imprint: what names bytes, and what is counted of them, in one pass that others come in between.
import { createHash } from 'node:crypto';
import { breathe } from '../kernel/breath.ts';

const SLICE_BYTES = 1_048_576;
const NEWLINE = 0x0a;

export interface Imprint {
  /** The SHA-256, in hex. */
  digest: string;
  /** Of a text; one that has no end counts. */
  lines: number;
}

export async function imprintOf(bytes: Uint8Array): Promise<Imprint> {
  const sum = createHash('sha256');
  let lines = bytes.length > 0 && bytes.at(-1) !== NEWLINE ? 1 : 0;
  for (let from = 0; from < bytes.length; from += SLICE_BYTES) {
    if (from > 0) await breathe();
    const slice = bytes.subarray(from, from + SLICE_BYTES);
    sum.update(slice);
    for (let at = 0; at < slice.length; at += 1) if (slice[at] === NEWLINE) lines += 1;
  }
  return { digest: sum.digest('hex'), lines };
}
