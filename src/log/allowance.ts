// Allowance: how often each of many may do something: a burst, and then at an even pace.
//
//   A1. What is taken counts at once, between no two awaits: many that ask together share one allowance.
//   A2. As many as `rememberedMax` are known; past it the one that was quiet the longest begins anew.
import type { Clock, Millis } from '../kernel/clock.ts';

interface Bucket {
  left: number;
  at: Millis;
}

export class Allowance {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #burst: number;
  readonly #perMs: number;
  readonly #rememberedMax: number;
  /** The one used last stands last. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(
    clock: Pick<Clock, 'monotonic'>,
    pace: { burst: number; perMinute: number; rememberedMax?: number },
  ) {
    this.#clock = clock;
    this.#burst = pace.burst;
    this.#perMs = pace.perMinute / 60_000;
    this.#rememberedMax = pace.rememberedMax ?? 10_000;
  }

  /** 0 when it was taken; otherwise nothing was, and so many milliseconds later there is one. */
  take(who: string): Millis {
    const bucket = this.#bucket(who);
    if (bucket.left < 1) return Math.ceil((1 - bucket.left) / this.#perMs);
    bucket.left -= 1;
    return 0;
  }

  /** What was taken came to nothing. */
  giveBack(who: string): void {
    const bucket = this.#bucket(who);
    bucket.left = Math.min(this.#burst, bucket.left + 1);
  }

  #bucket(who: string): Bucket {
    const now = this.#clock.monotonic();
    const bucket = this.#buckets.get(who) ?? { left: this.#burst, at: now };
    bucket.left = Math.min(this.#burst, bucket.left + (now - bucket.at) * this.#perMs);
    bucket.at = now;
    this.#buckets.delete(who);
    this.#buckets.set(who, bucket);
    for (const quiet of this.#buckets.keys()) {
      if (this.#buckets.size <= this.#rememberedMax) break;
      this.#buckets.delete(quiet);
    }
    return bucket;
  }
}
