// Retelling: old turns told shorter, by a summariser where it does so in time, and by rules where it does not.
//
//   RT1. Whatever the summariser does, there is a text, and it is shorter than what it stands for: what throws, takes longer
//        than `digestMsMax`, says nothing or says more than it was given is tried again, `digestTriesMax` times in all.
//   RT2. Between two tries it waits, each time twice as long, up to a minute. Only its signal ends it early; then it rejects.
//   RT3. A summariser that does not hear its signal is not waited for.
//   RT4. What it is given is its own: whatever it does with that, the working set stays what the log says.
import type { Clock, Millis } from '../kernel/clock.ts';
import { SojournError } from '../kernel/errors.ts';
import type { Limits } from '../kernel/limits.ts';
import type { Logger } from '../kernel/logger.ts';
import { masked } from '../kernel/secret.ts';
import type { Stretch, Summariser, Summary } from '../agent/agent.ts';
import { type CountText, cutTo } from '../context/digest.ts';

const RETRY_MS: Millis = 1_000;
const RETRY_MS_MAX: Millis = 60_000;
const REASON_CHARS = 200;

export interface RetellingParts {
  clock: Clock;
  logger: Logger;
  limits: Pick<Limits, 'digestMsMax' | 'digestTriesMax'>;
  /** The session's id. */
  session: string;
  /** What `make` answers by counts that can be trusted; it may be asked more than once. */
  exactly: <Made>(make: (count: CountText) => Made) => Promise<Made>;
  /** Puts what a try has used on the bill. Throws where that is no usage. */
  bill: (summary: Summary) => void;
  /** Between two tries, and when it goes on. */
  onWaiting: (waits: boolean) => void;
}

/** `text` is undefined where rules have to do it, and `failed` says why. */
export type Retold = { text: string } | { text: undefined; failed: string };

export class Retelling {
  readonly #parts: RetellingParts;
  readonly #summariser: Summariser;

  constructor(summariser: Summariser, parts: RetellingParts) {
    this.#summariser = summariser;
    this.#parts = parts;
  }

  /** `tokens` is what the stretch takes now. Rejects with the signal's reason (RT2). */
  async retell(
    stretch: Stretch,
    { tokens, tokensMax, signal }: { tokens: number; tokensMax: number; signal: AbortSignal },
  ): Promise<Retold> {
    const { limits, logger, session } = this.#parts;
    let failed = '';
    for (let tries = 1; tries <= limits.digestTriesMax; tries += 1) {
      if (tries > 1) await this.#pause(Math.min(RETRY_MS * 2 ** (tries - 2), RETRY_MS_MAX), signal);
      try {
        const summary = await this.#ask(stretch, tokensMax, signal);
        signal.throwIfAborted();
        this.#parts.bill(summary);
        return { text: await this.#cut(summary, tokens, tokensMax) };
      } catch (error) {
        signal.throwIfAborted();
        failed = reasonOf(error);
        logger.warn('context.summariser_failed', {
          session,
          summariser: this.#summariser.name,
          tries,
          error,
        });
      }
    }
    return { text: undefined, failed };
  }

  /** RT1. */
  async #cut(summary: Summary, tokens: number, tokensMax: number): Promise<string> {
    const text = typeof summary.text === 'string' ? summary.text.trim().toWellFormed() : '';
    if (text === '') throw new SojournError('agent.failed', 'It said nothing');
    const given = await this.#parts.exactly((count) => count(text));
    if (given < tokens) return this.#parts.exactly((count) => cutTo(text, tokensMax, count));
    throw new SojournError('agent.failed', `It took ${tokens} tokens and made ${given} of them`);
  }

  /** RT3. */
  async #ask(stretch: Stretch, tokensMax: number, outer: AbortSignal): Promise<Summary> {
    outer.throwIfAborted();
    const { clock, limits } = this.#parts;
    const abort = new AbortController();
    const pass = (): void => abort.abort(outer.reason);
    const timer = clock.after(limits.digestMsMax, () =>
      abort.abort(new SojournError('agent.failed', `It took longer than ${limits.digestMsMax} ms`)),
    );
    outer.addEventListener('abort', pass, { once: true });
    try {
      return await new Promise<Summary>((resolve, reject) => {
        abort.signal.addEventListener('abort', () => reject(abort.signal.reason as Error), { once: true });
        Promise.resolve()
          .then(() =>
            // RT4
            this.#summariser.summarise(structuredClone(stretch), { tokensMax, signal: abort.signal }),
          )
          .then(resolve, reject);
      });
    } finally {
      timer.cancel();
      outer.removeEventListener('abort', pass);
    }
  }

  async #pause(ms: Millis, signal: AbortSignal): Promise<void> {
    this.#parts.onWaiting(true);
    try {
      await new Promise<void>((resolve, reject) => {
        const leave = (): void => {
          timer.cancel();
          reject(signal.reason as Error);
        };
        const timer = this.#parts.clock.after(ms, () => {
          signal.removeEventListener('abort', leave);
          resolve();
        });
        signal.addEventListener('abort', leave, { once: true });
      });
    } finally {
      this.#parts.onWaiting(false);
    }
  }
}

function reasonOf(error: unknown): string {
  const text =
    error instanceof SojournError ? error.detail : error instanceof Error ? error.message : String(error);
  return masked(text).slice(0, REASON_CHARS);
}
