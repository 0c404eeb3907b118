// Calibration: what a provider counted, beside what was counted here.
//
// Owns: how far the two differ in one session: a share (`factor`), and what a prompt has besides what was said (`overheadTokens`:
// instructions, descriptions of tools). Does not own: counting (`tokens.ts`), which figures are of one prompt (the working set).
//
//   CB1. Only figures that can be of the same prompt are taken: an agent that shows its model less than all it is given, or
//        adds up several calls, must not teach a wrong window.
//   CB2. The newest `SAMPLES_MAX` figures count. A share is worked out only where prompts of different sizes were seen.
import type { CountedBy } from './tokens.ts';

const SAMPLES_MAX = 8;
/** CB1. */
const LEAST_SHARE = 0.5;
const MOST_TOKENS_MORE = 200_000;
/** CB2. Of the largest, and in tokens. */
const SPREAD_SHARE = 0.25;
const SPREAD_TOKENS = 2_000;
const FACTOR_MIN = 0.7;
const FACTOR_MAX = 1.6;

interface Sample {
  ours: number;
  theirs: number;
}

export interface PackedCalibration {
  by: CountedBy;
  samples: readonly Sample[];
  factor: number;
  overheadTokens: number;
}

export class Calibration {
  #by: CountedBy = 'estimate';
  #samples: readonly Sample[] = [];
  #factor = 1;
  #overheadTokens = 0;

  static of({ by, samples, factor, overheadTokens }: PackedCalibration): Calibration {
    const calibration = new Calibration();
    calibration.#by = by;
    calibration.#samples = samples;
    calibration.#factor = factor;
    calibration.#overheadTokens = overheadTokens;
    return calibration;
  }

  pack(): PackedCalibration {
    return {
      by: this.#by,
      samples: this.#samples,
      factor: this.#factor,
      overheadTokens: this.#overheadTokens,
    };
  }

  get overheadTokens(): number {
    return this.#overheadTokens;
  }

  /** What is counted here by `by` is about that many times too low. */
  factor(by: CountedBy): number {
    return by === this.#by ? this.#factor : 1;
  }

  /** One prompt: what was counted of it here, without what it has besides, and all of it by its provider. */
  note(ours: number, theirs: number, by: CountedBy): void {
    const isOfOne = theirs >= ours * LEAST_SHARE && theirs <= ours * FACTOR_MAX + MOST_TOKENS_MORE;
    if (!isOfOne) return; // CB1
    const known = by === this.#by ? this.#samples : [];
    if (by !== this.#by) this.#factor = 1;
    this.#by = by;
    this.#samples = [...known.slice(1 - SAMPLES_MAX), { ours, theirs }];
    this.#fit();
  }

  #fit(): void {
    const samples = this.#samples;
    const ours = mean(samples.map((sample) => sample.ours));
    const theirs = mean(samples.map((sample) => sample.theirs));
    if (this.#by !== 'estimate' && hasSpread(samples)) this.#factor = slope(samples, ours, theirs);
    const besides = theirs - this.#factor * ours;
    if (besides < 0 && this.#by !== 'estimate' && ours > 0) this.#factor = bounded(theirs / ours);
    this.#overheadTokens = Math.round(Math.max(0, theirs - this.#factor * ours));
  }
}

/** CB2. */
function hasSpread(samples: readonly Sample[]): boolean {
  const all = samples.map(({ ours }) => ours);
  const most = Math.max(...all);
  return most - Math.min(...all) >= Math.max(SPREAD_TOKENS, SPREAD_SHARE * most);
}

/** By least squares. */
function slope(samples: readonly Sample[], ours: number, theirs: number): number {
  let both = 0;
  let own = 0;
  for (const sample of samples) {
    both += (sample.ours - ours) * (sample.theirs - theirs);
    own += (sample.ours - ours) ** 2;
  }
  return bounded(both / own);
}

function bounded(factor: number): number {
  return Math.min(FACTOR_MAX, Math.max(FACTOR_MIN, factor));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
