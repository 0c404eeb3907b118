// CountedTexts: what texts take by the encoding, as far as it is known by now. All working sets of a runtime share it, with the
// encoder behind it.
//
// Owns: what is known and what is being asked for. Does not own: how a count is made (the encoder), what stands for it until
// then (`estimate.ts`).
//
//   CT1. Nothing is asked before something is to be learned. What is known is bounded: the least recently used are forgotten.
//   CT2. Texts go over in lists of `LIST_CHARS_MAX`, one list at a time, in the order they were asked for: neither a large set nor
//        many at once hold up the event loop or fill the encoder.
//   CT3. Whoever waits does so for `WAIT_MS_MAX` at most, and never hears of a failure: what is not known then stays an estimate.
//        What is under way goes on, for the next who asks.
//   CT4. A failure is logged once, until it works again; the encoder is left alone for `RETRY_MS` after each.
import type { Clock, Millis } from '../kernel/clock.ts';
import type { Logger } from '../kernel/logger.ts';

/** Counts tokens. */
export interface Encoder {
  /** Of each text, in order. One list at a time; rejects when it cannot. */
  encode(texts: readonly string[]): Promise<readonly number[]>;
  /** What is being asked for may reject. */
  close(): Promise<void>;
}

export interface CountedTextsParts {
  encoder: Encoder;
  clock: Clock;
  logger: Logger;
}

const LIST_CHARS_MAX = 128 * 1_024;
const KNOWN_CHARS_MAX = 4 * 1_024 * 1_024;
/** Many are forgotten at once: to find the oldest a map is walked from its start, over all that has left it. */
const KEPT_CHARS = (15 / 16) * KNOWN_CHARS_MAX;
/** A known text takes besides itself, in characters. */
const ENTRY_CHARS = 32;
/** How many wait for their texts; who comes then has estimates. */
const WAITING_MAX = 1_000;
const WAIT_MS_MAX: Millis = 3_000;
const RETRY_MS: Millis = 60_000;

interface Waiting {
  texts: Iterator<string>;
  done: () => void;
}

type State =
  | { kind: 'fine' }
  | { kind: 'failed'; atMs: Millis }
  /** For good. */
  | { kind: 'closed' };

export class CountedTexts {
  readonly #encoder: Encoder;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #state: State = { kind: 'fine' };
  /** Least recently used first. */
  readonly #known = new Map<string, number>();
  #knownChars = 0;
  /** Oldest first. */
  readonly #waiting: Waiting[] = [];
  /** While something waits. Never rejects. */
  #work: Promise<void> | undefined;

  constructor({ encoder, clock, logger }: CountedTextsParts) {
    this.#encoder = encoder;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Undefined when it has to be learned first. */
  get(text: string): number | undefined {
    if (text === '') return 0;
    const tokens = this.#known.get(text);
    if (tokens === undefined) return undefined;
    this.#known.delete(text);
    this.#known.set(text, tokens);
    return tokens;
  }

  /** Resolves when all of them are known, or cannot be (CT3). Never rejects. */
  async learn(texts: ReadonlySet<string>): Promise<void> {
    const unknown = [...texts].filter((text) => this.get(text) === undefined);
    if (unknown.length === 0 || !this.#mayAsk || this.#waiting.length >= WAITING_MAX) return;
    const { promise, resolve: done } = Promise.withResolvers<void>();
    this.#waiting.push({ texts: unknown.values(), done });
    this.#work ??= this.#tellAll();
    const timer = this.#clock.after(WAIT_MS_MAX, done); // CT3
    await promise;
    timer.cancel();
  }

  /** Nothing is learned any more. */
  async close(): Promise<void> {
    this.#state = { kind: 'closed' };
    await this.#encoder.close();
    await this.#work;
  }

  /** CT4. */
  get #mayAsk(): boolean {
    const state = this.#state;
    if (state.kind === 'failed') return this.#clock.monotonic() - state.atMs >= RETRY_MS;
    return state.kind === 'fine';
  }

  /** CT2. */
  async #tellAll(): Promise<void> {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const list = this.#listOf(next.texts);
      if (list.length > 0 && (await this.#ask(list))) continue;
      const over = list.length === 0 ? this.#waiting.splice(0, 1) : this.#waiting.splice(0);
      for (const { done } of over) done();
    }
    this.#work = undefined;
  }

  /** Some may have been told to another meanwhile. */
  #listOf(texts: Iterator<string>): string[] {
    const list: string[] = [];
    for (let chars = 0; chars < LIST_CHARS_MAX;) {
      const { done, value } = texts.next();
      if (done === true) break;
      if (this.get(value) !== undefined) continue;
      list.push(value);
      chars += value.length;
    }
    return list;
  }

  /** False when it failed. */
  async #ask(list: readonly string[]): Promise<boolean> {
    try {
      const counts = await this.#encoder.encode(list);
      for (const [index, text] of list.entries()) this.#keep(text, counts[index] ?? 0);
      if (this.#state.kind === 'failed') this.#state = { kind: 'fine' };
      return true;
    } catch (error) {
      if (this.#state.kind === 'closed') return false;
      if (this.#state.kind === 'fine') this.#logger.warn('context.uncounted', { error });
      this.#state = { kind: 'failed', atMs: this.#clock.monotonic() };
      return false;
    }
  }

  /** CT1. */
  #keep(text: string, tokens: number): void {
    if (!this.#known.has(text)) this.#knownChars += text.length + ENTRY_CHARS;
    this.#known.set(text, tokens);
    if (this.#knownChars <= KNOWN_CHARS_MAX) return;
    for (const [oldest] of this.#known) {
      if (this.#knownChars <= KEPT_CHARS) break;
      this.#known.delete(oldest);
      this.#knownChars -= oldest.length + ENTRY_CHARS;
    }
  }
}
