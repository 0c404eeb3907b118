// Total: what all of a working set takes, as far as it was counted: made once, and added to with each turn that ends.
import type { StandingCounts } from './standing.ts';
import type { CountedBy } from './tokens.ts';

export class Total {
  /** What it should be counted by. */
  readonly by: CountedBy;
  #tokens = 0;
  #isGuessed = false;

  constructor(by: CountedBy, parts: Iterable<Readonly<StandingCounts>>) {
    this.by = by;
    for (const part of parts) this.add(part);
  }

  add(counts: Readonly<StandingCounts>): void {
    this.#tokens += counts.tokens;
    this.#isGuessed ||= isGuess(counts, this.by);
  }

  /** Not scaled. */
  get tokens(): number {
    return this.#tokens;
  }

  /** Some of it, or it was counted by another encoding than what it should be counted by. */
  get isGuessed(): boolean {
    return this.#isGuessed;
  }
}

export function isGuess(counts: Readonly<StandingCounts> | undefined, by: CountedBy): boolean {
  return counts === undefined || counts.guessed > 0 || counts.by !== by;
}
