// Patience: how long and how often one caller tries again.
//
//   P1. A wait is random between half and all of a step that doubles from 100 ms to 5 s, so that many clients that
//       lost the same server do not come back in step.
//   P2. A wait is never shorter than the server asked for.
//   P3. It gives up `retryMsMax` after the first failure that no sign of life followed; quiet is not failure.
//   P4. A wait ends at once when its signal aborts.
import type { Clock, Millis } from '../kernel/clock.ts';
import type { SojournError } from '../kernel/errors.ts';

const STEP_MS_MIN = 100;
const STEP_MS_MAX = 5_000;

/** What a program may want to tell its user while it waits. */
export type ConnectionChange =
  | { state: 'lost'; error: SojournError; retryMs: Millis }
  /** The server answered again. */
  | { state: 'back' };

export interface PatienceOptions {
  clock: Clock;
  /** From 0 (inclusive) to 1 (exclusive). */
  random: () => number;
  retryMsMax: Millis;
  changed: (change: ConnectionChange) => void;
}

export class Patience {
  readonly #options: PatienceOptions;
  #tries = 0;
  #failingSince: Millis | undefined;

  constructor(options: PatienceOptions) {
    this.#options = options;
  }

  /** The server answered. `progress` also forgets how often it was tried. */
  alive(progress: boolean): void {
    if (this.#failingSince !== undefined) this.#options.changed({ state: 'back' });
    this.#failingSince = undefined;
    if (progress) this.#tries = 0;
  }

  /** Waits before the next try; throws `error` when it is time to give up (P3). */
  async wait(error: SojournError, signal?: AbortSignal): Promise<void> {
    const { clock, random, retryMsMax } = this.#options;
    const nowMs = clock.monotonic();
    this.#failingSince ??= nowMs;

    const stepMs = Math.min(STEP_MS_MAX, STEP_MS_MIN * 2 ** Math.min(this.#tries, 16));
    const jitterMs = stepMs / 2 + (random() * stepMs) / 2;
    const delayMs = Math.max(jitterMs, (error.retryAfterMs ?? 0) + jitterMs / 2);
    if (nowMs + delayMs - this.#failingSince > retryMsMax) throw error;

    this.#tries += 1;
    this.#options.changed({ state: 'lost', error, retryMs: delayMs });
    await pause(clock, delayMs, signal);
  }
}

function pause(clock: Clock, delayMs: Millis, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason as Error);
      return;
    }
    const stopped = (): void => {
      timer.cancel();
      reject(signal?.reason as Error);
    };
    const timer = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', stopped);
      resolve();
    });
    signal?.addEventListener('abort', stopped, { once: true });
  });
}
