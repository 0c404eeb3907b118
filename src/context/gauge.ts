// Gauge: by what one working set is counted, and what that says of a prompt.
//
// Owns: the family of models, whether an encoding is asked at all, what a provider's figures correct. Does not own: what is counted.
//
//   GA1. Far from the window nothing is loaded and nothing encoded: an estimate serves. Once near, always exact.
//   GA2. A model's family is the one its usage names; before that the one its agent names.
import type { Limits } from '../kernel/limits.ts';
import type { Pressure } from '../wire/context.ts';
import type { Part } from '../wire/message.ts';
import { pressureOf } from './budget.ts';
import { Calibration, type PackedCalibration } from './calibration.ts';
import {
  type Counter,
  type CountedBy,
  estimate,
  type Family,
  familyOf,
  MESSAGE_TOKENS,
  type Tokens,
  tokensOf,
} from './tokens.ts';

export interface WorkingSetOptions {
  windowTokens: number;
  /** Names the family tokens are counted by, until a model's usage names its own. */
  model: string | undefined;
  limits: Pick<Limits, 'contextMild' | 'contextAggressive' | 'contextEmergency'>;
}

export interface PackedGauge {
  calibration?: PackedCalibration;
  family?: Family;
  isExact: boolean;
}

/** How much more than the estimate there can be, with what people and tools usually write. */
const ESTIMATE_ERROR = 1.5;

export class Gauge {
  /** Its agent may be replaced by another one. */
  options: WorkingSetOptions;
  readonly #tokens: Tokens;
  #calibration: Calibration | undefined;
  /** GA2. */
  #family: Family | undefined;
  /** GA1. */
  #isExact = false;

  constructor(options: WorkingSetOptions, tokens: Tokens) {
    this.options = options;
    this.#tokens = tokens;
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

  /** What there is to count by now: an estimate until the encoding is loaded. */
  get counter(): Counter {
    const { wanted } = this;
    const count = wanted === 'estimate' ? undefined : this.#tokens.counter(wanted);
    return count === undefined ? { by: 'estimate', count: estimate } : { by: wanted, count };
  }

  /** Changes with what a text counts. */
  get basis(): string {
    const { by } = this.counter;
    return `${by} ${this.#factor(by)}`;
  }

  /** What was counted so, as its provider counts. */
  scaled(tokens: number, by: CountedBy): number {
    return Math.round(tokens * this.#factor(by));
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

  /** Of an estimate rather too much: then it is counted, and there may be none. */
  pressure(tokens: number): Pressure {
    const most = this.overheadTokens + tokens * (this.#isExact ? 1 : ESTIMATE_ERROR);
    return pressureOf(most, this.options.windowTokens, this.options.limits);
  }

  /** GA1. Whether so many tokens have to be counted exactly from now on. */
  near(tokens: number): boolean {
    this.#isExact ||= this.pressure(tokens) !== 'none';
    return this.#isExact;
  }

  /** False where the encoding cannot be loaded: then it stays an estimate. */
  async ready(): Promise<boolean> {
    try {
      await this.#tokens.ready();
      return true;
    } catch {
      return false;
    }
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
