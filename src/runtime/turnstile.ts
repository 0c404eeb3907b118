// Turnstile: how many pieces of one kind of work are under way at once. The others wait in line, the first come first.
//
//   TS1. At most `insideMax` work and `waitingMax` wait; whoever comes then is refused with `capacity`.
//   TS2. Whoever leaves hands the place on: nobody who comes at that moment is ahead of the line.
import { SojournError } from '../kernel/errors.ts';

export interface TurnstileOptions {
  /** What it is that takes a place, for people. */
  what: string;
  insideMax: number;
  waitingMax: number;
}

export class Turnstile {
  readonly #options: TurnstileOptions;
  readonly #waiting: (() => void)[] = [];
  #inside = 0;

  constructor(options: TurnstileOptions) {
    this.#options = options;
  }

  async pass<Result>(work: () => Promise<Result>): Promise<Result> {
    const { what, insideMax, waitingMax } = this.#options;
    if (this.#inside < insideMax) this.#inside += 1;
    else if (this.#waiting.length < waitingMax)
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else throw new SojournError('capacity', `${insideMax} ${what} are under way, and ${waitingMax} wait`); // TS1
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#inside -= 1;
      else next(); // TS2
    }
  }
}
