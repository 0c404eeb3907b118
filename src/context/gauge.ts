// Gauge: by what one working set is counted, and what that says of a prompt.
//
// Owns: the family of models, whether an encoding is asked at all, what a provider's figures correct. Does not own: what is counted.
//
//   GA1. Far from the window nothing is encoded: an estimate serves. Once near, always as exactly as is known by then.
//   GA2. A model's family is the one its usage names; before that the one its agent names.
import type { Limits } from '../kernel/limits.ts';
import type { Pressure } from '../wire/context.ts';
import type { Part } from '../wire/message.ts';
import { pressureOf } from './budget.ts';
import { Calibration, type PackedCalibration } from './calibration.ts';
import type { CountedTexts } from './counted-texts.ts';
import { Counter, sampleOf } from './counter.ts';
import { type Count, type CountedBy, type Family, familyOf, MESSAGE_TOKENS, tokensOf } from './tokens.ts';

export interface WorkingSetOptions {
  windowTokens: number;
  /** Names the family tokens are counted by, until a model's usage names its own. */
  model: string | undefined;
  /** What is known of texts. */
  texts: CountedTexts;
  limits: Pick<Limits, 'contextMild' | 'contextAggressive' | 'contextEmergency'>;
}

export interface PackedGauge {
  calibration?: PackedCalibration;
  family?: Family;
  isExact: boolean;
}

/** How much more than the estimate there can be, with what people and tools usually write. */
const ESTIMATE_ERROR = 1.5;
/** So many tokens are looked up before others have their turn: some milliseconds. */
export const COUNTED_AT_ONCE = 20_000;
/** What is counted exactly, in windows: as much is past every mark, even if half of it was estimated too high. */
export const COUNTED_WINDOWS = 2;
/** How often what is made by counting is made again: each time more of it is known. */
const MAKES_MAX = 12;

export class Gauge {
  /** Its agent may be replaced by another one. */
  options: WorkingSetOptions;
  #calibration: Calibration | undefined;
  /** GA2. */
  #family: Family | undefined;
  /** GA1. */
  #isExact = false;

  constructor(options: WorkingSetOptions) {
    this.options = options;
  }

  unpack({ calibration, family, isExact }: PackedGauge): void {
    if (calibration !== undefined) this.#calibration = Calibration.of(calibration);
    this.#family = family;
    this.#isExact = isExact;
  }

  pack(): PackedGauge {
    const family = this.#family;
    const calibration = this.#calibration?.pack();
    return {
      isExact: this.#isExact,
      ...(calibration === undefined ? {} : { calibration }),
      ...(family === undefined ? {} : { family }),
    };
  }

  get windowTokens(): number {
    return this.options.windowTokens;
  }

  get overheadTokens(): number {
    return this.#calibration?.overheadTokens ?? 0;
  }

  /** What everything should be counted by. */
  get wanted(): CountedBy {
    return this.#isExact ? (this.#family ?? familyOf(this.options.model)) : 'estimate';
  }

  /** Counts what is known by now, and estimates the rest. */
  get counter(): Counter {
    return new Counter(this.wanted, this.options.texts);
  }

  /** Changes with what a text that is known counts. */
  get basis(): string {
    const { wanted } = this;
    return `${wanted} ${this.#factor(wanted)}`;
  }

  /** What was counted so, as its provider counts. */
  scaled(tokens: number, by: CountedBy): number {
    return Math.round(tokens * this.#factor(by));
  }

  /** The same, or rather too much where some of them were guessed. */
  most(tokens: number, guessed: number, by: CountedBy): number {
    return this.scaled(tokens + guessed * (ESTIMATE_ERROR - 1), by);
  }

  #factor(by: CountedBy): number {
    return this.#calibration?.factor(by) ?? 1;
  }

  /** Not scaled. */
  count(said: readonly { readonly parts: readonly Part[] }[], { count }: Counter): number {
    let tokens = 0;
    for (const { parts } of said) {
      tokens += MESSAGE_TOKENS;
      for (const part of parts) tokens += tokensOf(part, count);
    }
    return tokens;
  }

  /** What has to be known for these to be counted exactly. */
  gather(said: readonly { readonly parts: readonly Part[] }[], texts: Set<string>): void {
    for (const { parts } of said) {
      for (const part of parts) {
        tokensOf(part, (text) => {
          texts.add(sampleOf(text));
          return 0;
        });
      }
    }
  }

  /**
   * What `make` answers once all texts that it counts are known. Where they cannot be, they count as the most they may be. It is
   * asked more than once, and must change nothing.
   */
  async exactly<Made>(make: (count: Count) => Made): Promise<Made> {
    const { texts } = this.options;
    for (let makes = 1; ; makes += 1) {
      const unknown = new Set<string>();
      const made = make((text, times) => this.#most({ text, times }, unknown));
      if (unknown.size === 0 || makes === MAKES_MAX) return made;
      await texts.learn(unknown);
      if (![...unknown].some((text) => texts.get(text) !== undefined)) return made;
    }
  }

  #most({ text, times }: { text: string; times: number | undefined }, unknown: Set<string>): number {
    const { counter } = this;
    const tokens = counter.count(text, times);
    if (counter.guessed > 0 && counter.by !== 'estimate') unknown.add(sampleOf(text));
    return this.most(tokens, counter.guessed, counter.by);
  }

  /** Of what was guessed rather too much is to be given: then it is counted, and there may be none. */
  pressure(tokensMost: number): Pressure {
    return pressureOf(this.overheadTokens + tokensMost, this.options.windowTokens, this.options.limits);
  }

  /** GA1. Nothing has to be counted where so much is said: no text takes more tokens than it has bytes. */
  isFar(bytes: number): boolean {
    return !this.#isExact && this.pressure(bytes * ESTIMATE_ERROR) === 'none';
  }

  /** GA1. Whether so many tokens have to be counted exactly from now on. */
  near(tokens: number): boolean {
    this.#isExact ||= this.pressure(tokens * ESTIMATE_ERROR) !== 'none';
    return this.#isExact;
  }

  /** GA2. */
  named(model: string): void {
    const family = familyOf(model);
    if (family !== 'other') this.#family = family; // Of a name that says nothing its agent knows more.
  }

  /** A provider's figure for a prompt of which `tokens` were counted here, not scaled. */
  note(tokens: number, theirs: number, by: CountedBy): void {
    if (by !== this.wanted) return;
    this.#calibration ??= new Calibration();
    this.#calibration.note(tokens, theirs, by);
  }
}
