// Pulse: one timer for everything that may have to be looked at again, however many there are.
//
//   P1. It beats only while somebody listens, so an idle server has no timer.
//   P2. What throws is reported and hurts no other listener.
import type { Clock, Millis, Timer } from '../../kernel/clock.ts';
import type { Logger } from '../../kernel/logger.ts';

export type Beat = (nowMs: Millis) => void;

export class Pulse {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #everyMs: Millis;
  readonly #listeners = new Set<Beat>();
  #timer: Timer | undefined;

  constructor(clock: Clock, logger: Logger, everyMs: Millis) {
    this.#clock = clock;
    this.#logger = logger;
    this.#everyMs = everyMs;
  }

  add(beat: Beat): void {
    this.#listeners.add(beat);
    this.#timer ??= this.#clock.after(this.#everyMs, () => this.#beat());
  }

  delete(beat: Beat): void {
    this.#listeners.delete(beat);
  }

  close(): void {
    this.#listeners.clear();
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #beat(): void {
    this.#timer = undefined;
    const now = this.#clock.monotonic();
    for (const listener of this.#listeners) {
      try {
        listener(now);
      } catch (error) {
        this.#logger.error('http.pulse', { error });
      }
    }
    if (this.#listeners.size > 0) this.#timer = this.#clock.after(this.#everyMs, () => this.#beat());
  }
}
