// Standing: the digest of turns that stands first in a working set, with what it takes of a window.
//
// Everything here but its counts is as the log has it; they are kept until they are deleted, since more is known then.
import type { Seq } from '../store/store.ts';
import type { ContextEntry } from '../wire/context.ts';
import type { Message } from '../wire/message.ts';
import { shownDigest } from './digest.ts';
import type { Gauge } from './gauge.ts';
import type { Piece } from './piece.ts';
import type { CountedBy } from './tokens.ts';

const BEGINNING_CHARS = 160;

export interface Standing {
  from: Seq;
  to: Seq;
  ref: string;
  text: string;
  /** The last of the tasks it stands for. */
  task: string | null;
  at: string;
  counts?: StandingCounts;
}

export interface StandingCounts {
  by: CountedBy;
  tokens: number;
  /** How many of them were guessed. */
  guessed: number;
}

/** As an agent sees it. */
export function standingMessage({ text, ref, at }: Standing): Message {
  return { role: 'user', parts: [{ type: 'text', text: shownDigest(text, ref) }], turn: null, at };
}

export function standingCounts(standing: Standing, gauge: Gauge): Readonly<StandingCounts> {
  if (standing.counts === undefined) {
    const { counter } = gauge;
    const tokens = gauge.count([standingMessage(standing)], counter);
    const guessed = counter.by === 'estimate' ? tokens : counter.guessed;
    standing.counts = { by: counter.by, tokens, guessed };
  }
  return standing.counts;
}

export function standingPiece(standing: Standing, gauge: Gauge): Piece {
  const { from, to, task } = standing;
  const { by, tokens, guessed } = standingCounts(standing, gauge);
  return { kind: 'digest', turn: null, from, to, task, tokens: gauge.most(tokens, guessed, by), calls: [] };
}

export function standingEntry(standing: Standing, gauge: Gauge): ContextEntry {
  const { by, tokens } = standingCounts(standing, gauge);
  return {
    kind: 'digest',
    turn: null,
    ref: standing.ref,
    messages: 1,
    tokens: gauge.scaled(tokens, by),
    callTokens: 0,
    digested: 0,
    offloaded: 0,
    text: standing.text.slice(0, BEGINNING_CHARS).toWellFormed(),
  };
}
