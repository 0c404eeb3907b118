// Counter: counts texts as far as they are known by now, and says how much of what it answered was guessed.
//
//   CO1. A long text is counted at places spread over it: what a count takes is bounded.
//   CO2. What is not known yet is estimated. Nothing is asked for here.
import type { CountedTexts } from './counted-texts.ts';
import { estimate } from './estimate.ts';
import { type Count, type CountedBy, RATIO } from './tokens.ts';

/** A longer text is counted at `SAMPLES` places of `SAMPLE_CHARS` each (CO1). */
const WHOLE_CHARS_MAX = 4_096;
const SAMPLES = 8;
const SAMPLE_CHARS = 256;

export class Counter {
  readonly by: CountedBy;
  /** A bound function. */
  readonly count: Count;
  #guessed = 0;

  constructor(by: CountedBy, texts: CountedTexts) {
    this.by = by;
    this.count = (text, times = 1) => {
      const tokens = by === 'estimate' ? undefined : exact(text, RATIO[by], texts);
      if (tokens !== undefined) return Math.ceil(tokens * times);
      const guess = Math.ceil(estimate(text) * times);
      this.#guessed += guess;
      return guess; // CO2
    };
  }

  /** Of all it answered so far. */
  get guessed(): number {
    return this.#guessed;
  }
}

/** What of a text is given to an encoder (CO1). */
export function sampleOf(text: string): string {
  if (text.length <= WHOLE_CHARS_MAX) return text;
  const step = (text.length - SAMPLE_CHARS) / (SAMPLES - 1);
  let sample = '';
  for (let at = 0; at < SAMPLES; at += 1) {
    const from = Math.round(at * step);
    sample += text.slice(from, from + SAMPLE_CHARS);
  }
  return sample;
}

function exact(text: string, ratio: number, texts: CountedTexts): number | undefined {
  const sample = sampleOf(text);
  const tokens = texts.get(sample);
  if (tokens === undefined) return undefined;
  return tokens === 0 ? 0 : Math.ceil(tokens * (text.length / sample.length) * ratio);
}
