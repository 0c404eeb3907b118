// Budget: what leaves a working set when it nears its window, and how much of it. Pure: the same set gives the same plan.
//
// Owns the order of leaving. Does not own what stands for what left (`digest.ts`), nor when it is asked
// (`session/compaction.ts`).
//
//   BG1. Results of tools of older turns leave before any turn does, oldest first; then older turns do, oldest first.
//   BG2. The newest `contextTurnsKept` turns stay word for word, unless the prompt would be past `contextEmergency` without
//        them changing; then their results leave, and then they do, only as far as that needs.
//   BG3. Turns leave up to the end of a task where one ends there and not too much leaves with it.
//   BG4. A provider keeps the beginning of a prompt at a lower price as long as it stays: so what leaves at `mild` leaves in
//        batches, and a plan that gains little is none.
//   BG5. Each step costs what there is in the set, not what there was in the session.
import type { Limits } from '../kernel/limits.ts';
import type { Pressure } from '../wire/context.ts';
import type { Piece, PieceCall } from './piece.ts';

export type ContextLimits = Pick<
  Limits,
  'contextMild' | 'contextAggressive' | 'contextEmergency' | 'contextTarget' | 'contextTurnsKept'
>;

/** What a prompt has to hold, in tokens. */
export interface Room {
  windowTokens: number;
  /** Instructions and tools. */
  overheadTokens: number;
  /** The inputs of the turn that comes; 0 where none does. */
  nextTokens: number;
}

export interface Plan {
  pressure: Exclude<Pressure, 'none'>;
  /** What becomes digests in turns that stay, oldest first. */
  calls: readonly PieceCall[];
  /** What becomes one digest: the oldest of all, or nothing. */
  fold: readonly Piece[];
  /** Of the digest that stands for `fold`, as it is shown. */
  foldTokensMax: number;
}

/** About what a call takes of a prompt once it is digested. */
export const DIGESTED_CALL_TOKENS = 96;
/** A digest of turns below this says nothing. */
export const FOLD_TOKENS_MIN = 128;
/** Of the window: the digest of turns, however many it stands for. */
const FOLD_SHARE = 0.1;
/** How far below `contextMild` a batch goes, and the least of the window that it gains (BG4). */
const MILD_AGAIN = 0.8;
const MILD_GAIN = 0.06;
const AGGRESSIVE_GAIN = 0.02;
/** A call that gains less than this stays. */
const CALL_GAIN = 64;
/** What may leave beyond what is needed, so that a task leaves whole: of what the set is to come down to (BG3). */
const WHOLE_SHARE = 0.5;

export function pressureOf(
  tokens: number,
  windowTokens: number,
  limits: Pick<Limits, 'contextMild' | 'contextAggressive' | 'contextEmergency'>,
): Pressure {
  if (tokens > limits.contextEmergency * windowTokens) return 'emergency';
  if (tokens > limits.contextAggressive * windowTokens) return 'aggressive';
  return tokens > limits.contextMild * windowTokens ? 'mild' : 'none';
}

/** No plan helps: what comes with the turn is too large by itself, or with `digestTokens` before it. */
export function isHopeless(room: Room, digestTokens: number): boolean {
  return room.overheadTokens + room.nextTokens + digestTokens > room.windowTokens;
}

/** Undefined when nothing is to leave, or nothing that is worth it (BG4). `pieces` is the whole set, oldest first. */
export function plan(pieces: readonly Piece[], room: Room, limits: ContextLimits): Plan | undefined {
  const { windowTokens } = room;
  const total = room.overheadTokens + room.nextTokens + takenBy(pieces);
  const pressure = pressureOf(total, windowTokens, limits);
  if (pressure === 'none') return undefined;
  const draft = new PlanDraft(pieces, total, windowTokens);
  const older = pieces.length - keptOf(pieces, limits.contextTurnsKept);
  if (pressure === 'mild') {
    draft.digest(0, older, MILD_AGAIN * limits.contextMild * windowTokens);
    return draft.gain < MILD_GAIN * windowTokens ? undefined : draft.done(pressure);
  }
  const target = limits.contextTarget * windowTokens;
  const most = limits.contextEmergency * windowTokens;
  draft.digest(0, older, target); // BG1
  draft.fold(older, target);
  draft.digest(older, pieces.length, most); // BG2
  draft.fold(pieces.length, most);
  draft.squeeze(most);
  const least = pressure === 'emergency' ? 1 : AGGRESSIVE_GAIN * windowTokens;
  return draft.gain < least ? undefined : draft.done(pressure);
}

/** A plan while it is made: each step goes on where the one before has not reached its goal. */
class PlanDraft {
  readonly #pieces: readonly Piece[];
  readonly #windowTokens: number;
  readonly #before: number;
  /** What all of it takes so far, and each piece without its digested calls. */
  #total: number;
  readonly #tokens: number[];
  readonly #calls: PieceCall[][];
  #fold = { count: 0, gain: 0, tokensMax: 0 };

  constructor(pieces: readonly Piece[], total: number, windowTokens: number) {
    this.#pieces = pieces;
    this.#windowTokens = windowTokens;
    this.#before = total;
    this.#total = total;
    this.#tokens = pieces.map(({ tokens }) => tokens);
    this.#calls = pieces.map(() => []);
  }

  get gain(): number {
    return this.#before - this.#total;
  }

  /** Calls of these pieces, oldest first, until all of it takes no more than `goal`. */
  digest(from: number, to: number, goal: number): void {
    for (const [index, piece] of this.#pieces.entries()) {
      if (index < from || index >= to) continue;
      for (const call of piece.calls) {
        if (this.#total <= goal) return;
        const gain = call.digested ? 0 : call.tokens - DIGESTED_CALL_TOKENS;
        if (gain < CALL_GAIN) continue;
        this.#calls[index]?.push(call);
        this.#tokens[index] = (this.#tokens[index] ?? 0) - gain;
        this.#total -= gain;
      }
    }
  }

  /** As few of the oldest pieces as it takes, of the first `countMax`; all of them where that is not enough. */
  fold(countMax: number, goal: number): void {
    if (this.#total <= goal) return;
    const bare = this.#total + this.#fold.gain;
    let { count } = this.#fold;
    let leaving = sumOf(this.#tokens.slice(0, count), (tokens) => tokens);
    while (count < countMax && bare - this.#foldGain(count, leaving) > goal) {
      leaving += this.#tokens[count] ?? 0;
      count += 1;
    }
    const whole = this.#whole(count, countMax, goal);
    leaving += sumOf(this.#tokens.slice(count, whole), (tokens) => tokens);
    const gain = this.#foldGain(whole, leaving);
    if (gain <= this.#fold.gain) return;
    this.#fold = { count: whole, gain, tokensMax: leaving - gain };
    this.#total = bare - gain;
  }

  /** Where all of that was not enough, the digest is shorter than it may be. */
  squeeze(most: number): void {
    const { count, gain, tokensMax } = this.#fold;
    const over = Math.min(this.#total - most, tokensMax - FOLD_TOKENS_MIN);
    if (count === 0 || over <= 0) return;
    this.#fold = { count, gain: gain + over, tokensMax: tokensMax - over };
    this.#total -= over;
  }

  done(pressure: Plan['pressure']): Plan {
    const { count, tokensMax } = this.#fold;
    return {
      pressure,
      calls: this.#calls.slice(count).flat(),
      fold: this.#pieces.slice(0, count),
      foldTokensMax: tokensMax,
    };
  }

  /** What a digest of the first pieces gains, which take so much. */
  #foldGain(count: number, leaving: number): number {
    if (count < (this.#standsAlone ? 1 : 2) && this.#pieces[0]?.kind === 'digest') return 0;
    const digest = count > 1 && this.#pieces[0]?.kind === 'digest' ? (this.#tokens[0] ?? 0) : 0;
    return count === 0 ? 0 : Math.max(0, leaving - foldTokensOf(leaving, digest, this.#windowTokens));
  }

  /** A digest is made anew by itself only where it is all there is, or was made for a larger window. */
  get #standsAlone(): boolean {
    const tokens = this.#pieces[0]?.tokens ?? 0;
    return this.#pieces.length === 1 || tokens > Math.max(FOLD_TOKENS_MIN, FOLD_SHARE * this.#windowTokens);
  }

  /** BG3. */
  #whole(count: number, countMax: number, goal: number): number {
    let extra = 0;
    for (let end = count; end <= countMax; end += 1) {
      if (this.#endsTask(end)) return end;
      extra += this.#tokens[end] ?? 0;
      if (extra > WHOLE_SHARE * goal) return count;
    }
    return count;
  }

  #endsTask(count: number): boolean {
    const last = this.#pieces[count - 1];
    return last?.task !== this.#pieces[count]?.task || last?.task === null;
  }
}

/** What a digest of so much may take: half of what is new in it, besides what the digest took that it replaces. */
function foldTokensOf(leaving: number, digest: number, windowTokens: number): number {
  const most = Math.min(digest + (leaving - digest) / 2, FOLD_SHARE * windowTokens);
  return Math.max(FOLD_TOKENS_MIN, Math.floor(most));
}

export function takenBy(pieces: readonly Piece[]): number {
  return sumOf(pieces, ({ tokens }) => tokens);
}

/** How many of the newest pieces stay as they are. */
function keptOf(pieces: readonly Piece[], turnsKept: number): number {
  const turns = sumOf(pieces, ({ kind }) => (kind === 'turn' ? 1 : 0));
  return Math.min(turns, turnsKept);
}

function sumOf<Item>(items: readonly Item[], amount: (item: Item) => number): number {
  let sum = 0;
  for (const item of items) sum += amount(item);
  return sum;
}
