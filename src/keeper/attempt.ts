// Attempt: one making, bounded by time. Whoever gives up on it hands `made` to the reaper, which disposes of a late result.
import type { Clock, Millis } from '../kernel/clock.ts';
import { SojournError } from '../kernel/errors.ts';

export type Outcome<Thing> =
  | { kind: 'made'; thing: Thing }
  | { kind: 'failed'; error: unknown }
  /** It took longer than it may; its result may still come. */
  | { kind: 'hung'; error: SojournError };

export class Attempt<Thing> {
  readonly generation: number;
  /** The keeper's epoch when it began. */
  readonly madeAt: number;
  /** The making itself, which may never settle. */
  readonly made: Promise<Thing>;
  /** Never rejects. Nothing comes when it is given up: the giver-up knows. */
  readonly outcome: Promise<Outcome<Thing>>;
  readonly #abort = new AbortController();
  #isGivenUp = false;
  #stopTimer: () => void = () => {};

  constructor(begin: {
    key: string;
    generation: number;
    madeAt: number;
    clock: Clock;
    msMax: Millis;
    make: (signal: AbortSignal) => Promise<Thing>;
  }) {
    this.generation = begin.generation;
    this.madeAt = begin.madeAt;
    // A microtask later, so that no outside code runs inside a step of the keeper (K9). Given up by then: not begun.
    this.made = Promise.resolve().then(() => {
      if (this.#isGivenUp) throw new SojournError('keeper.gone', 'The making was given up before it began');
      return begin.make(this.#abort.signal);
    });
    this.outcome = new Promise((resolve) => {
      this.made.then(
        (thing) => resolve({ kind: 'made', thing }),
        (error: unknown) => resolve({ kind: 'failed', error }),
      );
      if (begin.msMax === Infinity) return;
      const timer = begin.clock.after(begin.msMax, () => {
        const error = new SojournError(
          'keeper.hung',
          `Making ${begin.key} took longer than ${begin.msMax} ms`,
        );
        this.#abort.abort(error);
        resolve({ kind: 'hung', error });
      });
      this.#stopTimer = () => timer.cancel();
      this.made.then(this.#stopTimer, this.#stopTimer);
    });
  }

  /** Tells the making that nobody waits for it. */
  giveUp(reason: unknown): void {
    this.#isGivenUp = true;
    this.#stopTimer();
    queueMicrotask(() => this.#abort.abort(reason)); // K9: those that listen are outside code.
  }
}
