// Reaper: puts things away, and knows which keys still have something on its way out.
//
//   R1. Flush, dispose, then it is gone, then notify; each awaited, and each for at most `closeMsMax`.
//   R2. What a hook throws or never ends is counted and logged; it stops nothing and reaches no caller.
//   R3. Each thing is disposed of once, also one whose making was given up and that comes late, even after shutdown.
//   R4. A hook runs in a step of its own, never inside a call to the keeper.
import type { Clock, Millis } from '../kernel/clock.ts';
import type { Logger } from '../kernel/logger.ts';
import { EVICT_REASONS } from './options.ts';
import type { EvictReason, Gone, KeeperOptions } from './options.ts';
import { within } from './within.ts';

export interface ReaperCounts {
  flushFailed: number;
  disposeFailed: number;
  notifyFailed: number;
}

/** Two moments of one leaving. Neither rejects. */
export interface Leaving {
  /** It is disposed of, or given up on: the key may be made again. */
  readonly gone: Promise<void>;
  /** Everybody has been told. */
  readonly told: Promise<void>;
}

export class Reaper<Key extends string, Thing, Context> {
  readonly counts: ReaperCounts = { flushFailed: 0, disposeFailed: 0, notifyFailed: 0 };
  /** Of those that were live. */
  readonly evicted = Object.fromEntries(EVICT_REASONS.map((reason) => [reason, 0])) as Record<
    EvictReason,
    number
  >;
  readonly #hooks: Pick<KeeperOptions<Key, Thing, Context>, 'flush' | 'dispose' | 'notify'>;
  readonly #msMax: Millis;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #onGone: () => void;
  readonly #leaving = new Map<Key, Set<Leaving>>();
  readonly #telling = new Set<Leaving>();
  #size = 0;

  /** `onGone` is called each time something is gone: there is room again. */
  constructor(options: KeeperOptions<Key, Thing, Context>, onGone: () => void) {
    this.#hooks = options;
    this.#msMax = options.limits.closeMsMax;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#onGone = onGone;
  }

  /** How many things are on their way out. */
  get size(): number {
    return this.#size;
  }

  has(key: Key): boolean {
    return this.#leaving.has(key);
  }

  /** Resolves when nothing is leaving of this key. */
  async cleared(key: Key): Promise<void> {
    for (let leaving = this.#leaving.get(key); leaving; leaving = this.#leaving.get(key)) {
      await Promise.all(Array.from(leaving, ({ gone }) => gone));
    }
  }

  /** Resolves when what is leaving of this key now is gone and told. */
  async settled(key: Key): Promise<void> {
    await Promise.all(Array.from(this.#leaving.get(key) ?? [], (leaving) => leaving.told));
  }

  /** Resolves when nothing is leaving. */
  async idle(): Promise<void> {
    while (this.#telling.size > 0) await Promise.all(Array.from(this.#telling, (leaving) => leaving.told));
  }

  putAway(thing: Thing, gone: Gone<Key, Context>): Leaving {
    const { key, reason } = gone;
    this.evicted[reason]++;
    const put = async (): Promise<void> => {
      if (!(await this.#bounded('flush', gone, () => this.#hooks.flush(key, thing, reason)))) {
        this.counts.flushFailed++;
      }
      await this.#dispose(thing, gone);
    };
    return this.#leave(key, put, () => this.#notify(gone));
  }

  /** A making that was given up: its result, when it comes, is disposed of (R3). Nobody ever had it, so nobody is told. */
  awaitLate(made: Promise<Thing>, gone: Gone<Key, Context>): Leaving {
    const disposed = made.then(
      (thing) => this.#dispose(thing, gone),
      () => {}, // It failed, so there is nothing to dispose of.
    );
    const wait = async (): Promise<void> => {
      if (await within(this.#clock, this.#msMax, disposed)) return;
      const { key, reason, generation } = gone;
      this.#logger.warn('keeper.make_hung', { key, reason, generation, msMax: this.#msMax });
    };
    return this.#leave(gone.key, wait, () => Promise.resolve());
  }

  #leave(key: Key, put: () => Promise<unknown>, tell: () => Promise<void>): Leaving {
    const gone = Promise.resolve() // R4
      .then(put) // R1
      .then(() => {
        const others = this.#leaving.get(key);
        others?.delete(leaving);
        if (others?.size === 0) this.#leaving.delete(key);
        this.#size--;
        this.#onGone();
      });
    const told = gone.then(tell).then(() => void this.#telling.delete(leaving));
    const leaving: Leaving = { gone, told };
    const others = this.#leaving.get(key);
    if (others) others.add(leaving);
    else this.#leaving.set(key, new Set([leaving]));
    this.#telling.add(leaving);
    this.#size++;
    return leaving;
  }

  async #dispose(thing: Thing, gone: Gone<Key, Context>): Promise<void> {
    const dispose = () => this.#hooks.dispose(gone.key, thing, gone.reason);
    if (!(await this.#bounded('dispose', gone, dispose))) this.counts.disposeFailed++;
  }

  async #notify(gone: Gone<Key, Context>): Promise<void> {
    if (!this.#hooks.notify) return;
    if (!(await this.#bounded('notify', gone, () => this.#hooks.notify?.(gone)))) this.counts.notifyFailed++;
  }

  /** Whether the hook ended well and in time (R2). */
  async #bounded(name: string, gone: Gone<Key, Context>, hook: () => unknown): Promise<boolean> {
    const { key, reason, generation } = gone;
    try {
      const ended = Promise.resolve(hook());
      if (await within(this.#clock, this.#msMax, ended)) return true;
      this.#logger.warn(`keeper.${name}_hung`, { key, reason, generation, msMax: this.#msMax });
    } catch (error) {
      this.#logger.error(`keeper.${name}_failed`, { key, reason, generation, error });
    }
    return false;
  }
}
