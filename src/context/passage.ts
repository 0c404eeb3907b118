// Passage: one turn as it stands in a working set, with what it takes of a window.
//
//   PA1. A call is named by the turn and its own id, compared as they are. An id that a turn used twice names no call: what
//        stands for one of them would stand for both.
//   PA2. What was counted is kept until it changes, also in a checkpoint: nothing is counted twice. What was guessed is kept
//        until it is known.
import type { Seq } from '../store/store.ts';
import type { Message, Part, ToolCallPart, ToolResultPart } from '../wire/message.ts';
import { textOf } from '../wire/message.ts';
import type { TurnKind } from '../wire/turn.ts';
import type { ContextEntry } from '../wire/context.ts';
import type { Counter } from './counter.ts';
import type { Gauge } from './gauge.ts';
import type { Piece, PieceCall } from './piece.ts';
import { stretchRef } from './reference.ts';
import { type CountedBy, MESSAGE_TOKENS, tokensOf } from './tokens.ts';

const BEGINNING_CHARS = 160;

interface Counts {
  by: CountedBy;
  tokens: number;
  /** How many of them were guessed. */
  guessed: number;
  callTokens: number;
  /** By a call's id; of an id that comes twice, of both. */
  calls: Map<string, number> | undefined;
}

export interface PackedPassage {
  turn: string;
  kind: TurnKind;
  from: Seq;
  to: Seq | null;
  task: string | null;
  isDropped?: true;
  /** The task it comes from, where it was requeued. */
  origin: string | null;
  /** Where each call's result stands in the log. */
  seqs?: readonly [call: string, seq: Seq][];
  digested?: readonly string[];
  /** A guess is made anew. */
  counts?: Omit<Counts, 'calls' | 'guessed'> & { calls: readonly [call: string, tokens: number][] };
}

export class Passage {
  readonly turn: string;
  readonly kind: TurnKind;
  readonly from: Seq;
  readonly origin: string | null;
  /** Its last event; null until it has ended. */
  to: Seq | null = null;
  task: string | null = null;
  /** It was rolled back. */
  isDropped = false;
  /** Where results can be read. Most turns call nothing, and hold nothing for it. */
  #seqs: Map<string, Seq> | undefined;
  #digested: Set<string> | undefined;
  #messages: readonly Message[] = [];
  #counts: Counts | undefined;

  constructor({ turn, kind, from, origin }: Pick<PackedPassage, 'turn' | 'kind' | 'from' | 'origin'>) {
    this.turn = turn;
    this.kind = kind;
    this.from = from;
    this.origin = origin;
  }

  static of(packed: PackedPassage): Passage {
    const passage = new Passage(packed);
    passage.to = packed.to;
    passage.task = packed.task;
    passage.isDropped = packed.isDropped === true;
    if (packed.seqs !== undefined) passage.#seqs = new Map(packed.seqs);
    if (packed.digested !== undefined) passage.#digested = new Set(packed.digested);
    const { counts } = packed;
    if (counts !== undefined) passage.#counts = { ...counts, guessed: 0, calls: new Map(counts.calls) };
    return passage;
  }

  pack(): PackedPassage {
    const { turn, kind, from, to, task, origin } = this;
    return {
      turn,
      kind,
      from,
      to,
      task,
      origin,
      ...(this.isDropped ? { isDropped: true as const } : {}),
      ...(this.#seqs === undefined ? {} : { seqs: [...this.#seqs] }),
      ...(this.#digested === undefined ? {} : { digested: [...this.#digested] }),
      ...this.#packedCounts(),
    };
  }

  #packedCounts(): Pick<PackedPassage, 'counts'> {
    const known = this.#counts;
    if (known === undefined || known.by === 'estimate' || known.guessed > 0) return {};
    const { guessed: _none, ...counts } = known;
    return { counts: { ...counts, calls: [...(counts.calls ?? [])] } };
  }

  /** An attempt began that does not go on where the one before stopped. */
  begin(): void {
    this.#seqs = undefined;
  }

  returned(call: string, seq: Seq): void {
    this.#seqs ??= new Map();
    this.#seqs.set(call, seq);
  }

  /** A result stands in the message at `seq`: that is where it can be read if no event told of it by itself. */
  said(call: string, seq: Seq): void {
    if (this.#seqs?.has(call) !== true) this.returned(call, seq);
  }

  /** Also while it runs. */
  returnedAt(call: string): Seq | undefined {
    return this.#seqs?.get(call);
  }

  /** What an agent is shown of it from now on. */
  show(messages: readonly Message[]): void {
    this.#messages = messages;
  }

  get messages(): readonly Message[] {
    return this.#messages;
  }

  get digested(): number {
    return this.#digested?.size ?? 0;
  }

  /** The calls whose results a digest can stand for: each is there once, and nothing stands for it yet (PA1). */
  digestible(): Set<string> {
    const calls = [...this.#pairs()].filter(
      ([call, pairs]) => pairs.length === 1 && this.#digested?.has(call) !== true,
    );
    return new Set(calls.map(([call]) => call));
  }

  /** Its calls `gone` are shown in fewer words now; what it counts by other means is counted anew. */
  digest(gone: readonly string[], messages: readonly Message[], counter: Counter): void {
    this.#digested ??= new Set();
    for (const call of gone) this.#digested.add(call);
    this.#messages = messages;
    const counts = this.#counts;
    if (counts === undefined) return;
    if (counter.by !== counts.by || counts.guessed > 0) {
      this.#counts = undefined; // How much of what is gone had been guessed is not known.
      return;
    }
    const isGone = new Set(gone);
    const now = new Map<string, number>();
    const before = counter.guessed;
    for (const { parts } of messages) {
      for (const part of parts) {
        if (!isOfCall(part) || !isGone.has(part.call)) continue;
        now.set(part.call, (now.get(part.call) ?? 0) + tokensOf(part, counter.count));
      }
    }
    for (const [call, tokens] of now) {
      const less = (counts.calls?.get(call) ?? 0) - tokens;
      counts.calls?.set(call, tokens);
      counts.tokens -= less;
      counts.callTokens -= less;
    }
    counts.guessed += counter.guessed - before;
  }

  /** PA2. As `counter` counts, or as was counted before. */
  counts(counter: Counter): Readonly<Counts> {
    return this.#counts ?? this.recount(counter);
  }

  /** More is known now. */
  recount(counter: Counter): Readonly<Counts> {
    this.#counts = counted(this.#messages, counter);
    return this.#counts;
  }

  get isEstimated(): boolean {
    return this.#counts !== undefined;
  }

  /** Nothing is to be counted any more. */
  isCounted(by: CountedBy): boolean {
    return this.#counts?.by === by && this.#counts.guessed === 0;
  }

  /** Answered calls, in order (PA1). */
  calls(tokens: ReadonlyMap<string, number> | undefined, scale: (tokens: number) => number): PieceCall[] {
    const calls: PieceCall[] = [];
    if (tokens === undefined || tokens.size === 0) return calls; // Most turns call nothing.
    for (const [call, pairs] of this.#pairs()) {
      const pair = pairs.length === 1 ? pairs[0] : undefined;
      if (pair === undefined) continue;
      calls.push({
        turn: this.turn,
        call,
        name: pair.result.name,
        seq: this.#seqs?.get(call) ?? this.from,
        tokens: scale(tokens?.get(call) ?? 0),
        digested: this.#digested?.has(call) === true,
        messages: () => pair.messages,
      });
    }
    return calls;
  }

  /** Results that are shown by reference. */
  get offloaded(): number {
    let count = 0;
    for (const { parts } of this.#messages)
      for (const part of parts) if (part.type === 'tool-result' && part.ref !== undefined) count += 1;
    return count;
  }

  /** Of the first words said in it. */
  get beginning(): string {
    for (const { parts } of this.#messages) {
      const text = textOf(parts).trim();
      if (text !== '') return text.slice(0, BEGINNING_CHARS).toWellFormed();
    }
    return '';
  }

  /** Each result with its call, by the call's id: an id with several results is ambiguous. */
  #pairs(): Map<string, { result: ToolResultPart; messages: readonly Message[] }[]> {
    const open = new Map<string, Message>();
    const pairs = new Map<string, { result: ToolResultPart; messages: readonly Message[] }[]>();
    for (const message of this.#messages) {
      for (const part of message.parts) {
        if (part.type === 'tool-call') open.set(part.call, { ...message, parts: [part] });
        if (part.type !== 'tool-result') continue;
        const call = open.get(part.call);
        const messages = [...(call === undefined ? [] : [call]), { ...message, parts: [part] }];
        const others = pairs.get(part.call);
        if (others === undefined) pairs.set(part.call, [{ result: part, messages }]);
        else others.push({ result: part, messages });
      }
    }
    return pairs;
  }
}

/** Of what was guessed, rather too much. */
export function passagePiece(passage: Passage, gauge: Gauge): Piece {
  const { by, tokens, guessed, calls } = passage.counts(gauge.counter);
  const share = guessed / Math.max(1, tokens);
  const most = (count: number): number => gauge.most(count, count * share, by);
  const { turn, from, to, task } = passage;
  const ends = { from, to: to ?? from };
  return { kind: 'turn', turn, ...ends, task, tokens: most(tokens), calls: passage.calls(calls, most) };
}

export function passageEntry(passage: Passage, gauge: Gauge): ContextEntry {
  const { by, tokens, callTokens } = passage.counts(gauge.counter);
  const { turn, from, to, messages, digested, offloaded, beginning } = passage;
  return {
    kind: 'turn',
    turn,
    ref: stretchRef(from, to ?? from),
    messages: messages.length,
    tokens: gauge.scaled(tokens, by),
    callTokens: gauge.scaled(callTokens, by),
    digested,
    offloaded,
    text: beginning,
  };
}

function isOfCall(part: Part): part is ToolCallPart | ToolResultPart {
  return part.type === 'tool-call' || part.type === 'tool-result';
}

function counted(messages: readonly Message[], counter: Counter): Counts {
  const { by, count } = counter;
  const before = counter.guessed;
  const counts: Counts = { by, tokens: 0, guessed: 0, callTokens: 0, calls: undefined };
  for (const { parts } of messages) {
    counts.tokens += MESSAGE_TOKENS;
    for (const part of parts) {
      const tokens = tokensOf(part, count);
      counts.tokens += tokens;
      if (!isOfCall(part)) continue;
      counts.callTokens += tokens;
      counts.calls ??= new Map();
      counts.calls.set(part.call, (counts.calls.get(part.call) ?? 0) + tokens);
    }
  }
  counts.guessed = by === 'estimate' ? counts.tokens : counter.guessed - before;
  return counts;
}
