// Reference: what was moved out, by name. Parsed strictly, and written in one way only: two spellings are two things.
import { SojournError } from '../kernel/errors.ts';
import type { Seq } from '../store/store.ts';
import type { Ref } from '../wire/context.ts';

export type Reference =
  | { kind: 'artifact'; digest: string }
  | { kind: 'event'; seq: Seq }
  | { kind: 'stretch'; from: Seq; to: Seq };

const SHOWN_CHARS = 100;

/** Throws `read-back.invalid`. That it can be read is not said: only the log knows. */
export function parseReference(ref: Ref): Reference {
  const [, digest, seq, from, to] =
    /^(?:artifact:([0-9a-f]{64})|log:([1-9]\d{0,14})|log:([1-9]\d{0,14})-([1-9]\d{0,14}))$/.exec(ref) ?? [];
  if (digest !== undefined) return { kind: 'artifact', digest };
  if (seq !== undefined) return { kind: 'event', seq: Number(seq) };
  if (from !== undefined && Number(from) <= Number(to)) {
    return { kind: 'stretch', from: Number(from), to: Number(to) };
  }
  const shown = JSON.stringify(ref.slice(0, SHOWN_CHARS));
  throw new SojournError(
    'read-back.invalid',
    `${shown} is no reference: it is artifact: with 64 hexadecimal digits, log:SEQ or log:FROM-TO`,
  );
}

export const artifactRef = (digest: string): Ref => `artifact:${digest}`;

/** What one event says. */
export const eventRef = (seq: Seq): Ref => `log:${seq}`;

/** A stretch, also where it is one event long: what it reads is events as JSON lines. */
export const stretchRef = (from: Seq, to: Seq): Ref => `log:${from}-${to}`;
