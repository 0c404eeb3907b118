// Fitting: keeps the prompt of a turn that runs within the window, however many tools it calls.
//
// Owns: which results are shown in short while their turn runs, and what stands for each. Does not own: what stays in the
// working set when the turn is over (`session/compaction.ts`).
//
//   FT1. Nothing is said in the log: it tells what was said, and this is only how a model is shown it. Asked again with what
//        it answered, and a little more, it changes nothing that it did not have to: a prompt begins as the one before it did.
//   FT2. Only what the log can tell again is shown in short, and each says how: a result that is not durable yet stays, and
//        so does one whose id names two calls.
//   FT3. The newest results stay as long as the others are enough.
//   FT4. What was counted is not counted again: of the time before the turn the set knows it, and of each message this does. Where
//        much is to be counted, others have their turn in between.
import { breathe } from '../kernel/breath.ts';
import { SojournError } from '../kernel/errors.ts';
import type { Limits } from '../kernel/limits.ts';
import type { Seq } from '../store/store.ts';
import type { Message, Part, ToolResultPart } from '../wire/message.ts';
import { callDigest, shortInput } from './digest.ts';
import { COUNTED_AT_ONCE } from './gauge.ts';
import { eventRef } from './reference.ts';

/** What it asks of the working set. */
export interface Measure {
  windowTokens: number;
  overheadTokens: number;
  tokens: number;
  history(): readonly Message[];
  /** The same text as long as `count` answers the same. */
  basis: string;
  count(said: readonly { readonly parts: readonly Part[] }[]): number;
  counted(said: readonly Message[], besides: number): Promise<void>;
  returnedAt(turn: string, call: string): Seq | undefined;
}

/** What a call gains at least. */
const GAIN_TOKENS = 32;

interface Shorter {
  at: number;
  message: Message;
  gain: number;
}

/** For one attempt at a turn. */
export class Fitting {
  readonly #set: Measure;
  readonly #limits: Pick<Limits, 'contextEmergency' | 'contextTarget'>;
  /** What the turn was given of the time before, and what the set showed then. */
  readonly #past: readonly Message[];
  readonly #shown: readonly Message[];
  #basis = '';
  #counts = new WeakMap<Message, number>();

  constructor(
    set: Measure,
    limits: Pick<Limits, 'contextEmergency' | 'contextTarget'>,
    past: readonly Message[],
  ) {
    this.#set = set;
    this.#limits = limits;
    this.#past = past;
    this.#shown = set.history();
  }

  /** The same list where all fits. Throws `context.too_large` where nothing makes it fit the window. */
  async fitted(messages: readonly Message[]): Promise<readonly Message[]> {
    const set = this.#set;
    await this.#learn(messages);
    const { windowTokens, overheadTokens } = set;
    const { contextEmergency, contextTarget } = this.#limits;
    const most = contextEmergency * windowTokens;
    const before = overheadTokens + (await this.#total(messages));
    if (before <= most) return messages;
    const newest = messages.findLastIndex(({ role }) => role === 'assistant');
    const shown = [...messages];
    let tokens = this.#shorten(shown, { to: newest, tokens: before, goal: contextTarget * windowTokens });
    if (tokens > most) tokens = this.#shorten(shown, { to: shown.length, tokens, goal: most }); // FT3
    if (tokens > windowTokens) {
      const detail = `A prompt of about ${Math.ceil(tokens)} tokens does not fit into a window of ${windowTokens}`;
      throw new SojournError('context.too_large', detail);
    }
    return tokens === before ? messages : shown;
  }

  /** Calls with their results, the oldest first, until all of it takes no more than `goal`. Answers what it takes. */
  #shorten(shown: Message[], { to, tokens, goal }: { to: number; tokens: number; goal: number }): number {
    let left = tokens;
    for (const [at, message] of shown.entries()) {
      if (at >= to || left <= goal) break;
      if (message.role !== 'tool') continue; // What a provider ran itself stands in its own message, word for word.
      for (const part of message.parts) {
        if (left <= goal) break;
        if (part.type !== 'tool-result') continue;
        const pair = this.#pair(shown, at, part);
        const gain = pair.reduce((sum, each) => sum + each.gain, 0);
        if (gain < GAIN_TOKENS) continue;
        for (const shorter of pair) shown[shorter.at] = shorter.message;
        left -= gain;
      }
    }
    return left;
  }

  /** The messages of a call and its result as they are in short; none where it stays. */
  #pair(shown: readonly Message[], at: number, { call }: ToolResultPart): Shorter[] {
    const message = shown[at];
    const turn = message?.turn ?? null;
    const results = shown.filter((each) => each.turn === turn).flatMap((each) => resultsOf(each, call));
    const result = results[0];
    const seq = turn === null ? undefined : this.#set.returnedAt(turn, call);
    if (message === undefined || result === undefined || results.length > 1 || seq === undefined) return []; // FT2
    const asks = shown.findLastIndex(
      (each, index) => index <= at && each.turn === turn && each.parts.some((part) => isCall(part, call)),
    );
    const input = shown[asks]?.parts.find((part) => isCall(part, call))?.input;
    const text = callDigest(result.name, input, result, eventRef(seq));
    return [...new Set(asks < 0 ? [at] : [asks, at])].flatMap((index) => {
      const old = shown[index];
      if (old === undefined) return [];
      const short = { ...old, parts: old.parts.map((part) => shortened(part, call, text)) };
      return [{ at: index, message: short, gain: this.#tokens(old) - this.#tokens(short) }];
    });
  }

  /** FT4. What is new is counted exactly where that matters; all of it, where it matters from now on. */
  async #learn(messages: readonly Message[]): Promise<void> {
    const set = this.#set;
    for (let basis = ''; basis !== set.basis;) {
      basis = set.basis;
      const beyond = this.#beyond(messages);
      const fresh = beyond.filter((message) => !this.#isKnown(message));
      let besides = beyond === messages ? -set.tokens : 0;
      for (const message of beyond) if (this.#isKnown(message)) besides += this.#tokens(message);
      await set.counted(fresh, besides);
    }
  }

  /** Those behind what the set shows; all, where they do not begin with that. */
  #beyond(messages: readonly Message[]): readonly Message[] {
    const isKnown =
      this.#set.history() === this.#shown && this.#past.every((message, at) => messages[at] === message);
    return isKnown ? messages.slice(this.#past.length) : messages;
  }

  /** FT4. */
  async #total(messages: readonly Message[]): Promise<number> {
    const beyond = this.#beyond(messages);
    let sum = beyond === messages ? 0 : this.#set.tokens;
    let counted = 0;
    for (const message of beyond) {
      const isNew = !this.#isKnown(message);
      const tokens = this.#tokens(message);
      sum += tokens;
      if (isNew) counted += tokens;
      if (counted < COUNTED_AT_ONCE) continue;
      await breathe();
      counted = 0;
    }
    return sum;
  }

  #isKnown(message: Message): boolean {
    const { basis } = this.#set;
    if (basis !== this.#basis) this.#counts = new WeakMap();
    this.#basis = basis;
    return this.#counts.has(message);
  }

  #tokens(message: Message): number {
    const known = this.#isKnown(message) ? this.#counts.get(message) : undefined;
    if (known !== undefined) return known;
    const tokens = this.#set.count([message]);
    this.#counts.set(message, tokens);
    return tokens;
  }
}

const isCall = (part: Part, call: string): part is Extract<Part, { type: 'tool-call' }> =>
  part.type === 'tool-call' && part.call === call;

function resultsOf({ parts }: Message, call: string): ToolResultPart[] {
  return parts.flatMap((part) => (part.type === 'tool-result' && part.call === call ? [part] : []));
}

function shortened(part: Part, call: string, text: string): Part {
  if (isCall(part, call)) return { ...part, input: shortInput(part.input) };
  if (part.type !== 'tool-result' || part.call !== call) return part;
  const { ref: _left, ...rest } = part;
  return { ...rest, output: text };
}
