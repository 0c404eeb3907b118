// Forgetting: what has had its time leaves the store in passing: receipts after `onceMs`, posts past `postMsMax` and
// `postsMax`.
//
//   F1. It goes in bounded steps, one after the other, so that other writes come between; what fails is tried again later.
//   F2. The posts are gone through beside the work: nobody waits for that at the start.
import type { Timer } from '../kernel/clock.ts';
import type { RuntimeHost } from './host.ts';

const EVERY_MS = 60 * 60_000;
const RECEIPTS_MAX = 10_000;

export class Forgetting {
  readonly #host: RuntimeHost;
  #timer: Timer | undefined;
  /** Never rejects. */
  #running: Promise<void> = Promise.resolve();
  #ended = false;

  constructor(host: RuntimeHost) {
    this.#host = host;
  }

  /** Resolves when the first receipts are forgotten. Never rejects. */
  async begin(): Promise<void> {
    await this.#receipts();
    this.#running = this.#posts();
  }

  /** Resolves when nothing is being forgotten any more. */
  async end(): Promise<void> {
    this.#ended = true;
    this.#timer?.cancel();
    await this.#running;
  }

  async #again(): Promise<void> {
    await this.#receipts();
    await this.#posts();
  }

  async #receipts(): Promise<void> {
    const { store, clock, logger } = this.#host;
    try {
      await store.forgetExpired(clock.now(), RECEIPTS_MAX);
    } catch (error) {
      logger.warn('store.forget_failed', { error });
    }
  }

  async #posts(): Promise<void> {
    const { timeline, clock, logger } = this.#host;
    try {
      const pruned = await timeline.prune(() => this.#ended);
      if (pruned > 0) logger.info('timeline.pruned', { posts: pruned });
    } catch (error) {
      logger.warn('timeline.prune_failed', { error });
    }
    if (this.#ended) return;
    this.#timer = clock.after(EVERY_MS, () => {
      this.#running = this.#again();
    });
  }
}
