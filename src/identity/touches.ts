// Touches: that sign-ins are in use, written now and then.
//
//   T1. A sign-in's use is written at most once in `everyMs`, however often it is used; `flush` writes what is left.
//   T2. A write that fails changes nothing for who uses the sign-in. It is logged, and tried again with the next. A crash
//       forgets the use since the last write that landed: less than `everyMs` of it, unless writes failed.
//   T3. One write is under way at a time, and takes all that are due.
import type { Millis } from '../kernel/clock.ts';
import type { Logger } from '../kernel/logger.ts';
import type { IdentityStore } from '../store/store.ts';
import type { KnownSignIn, Moment } from './known.ts';

export class Touches {
  readonly #store: Pick<IdentityStore, 'touch'>;
  readonly #logger: Logger;
  readonly #everyMs: Millis;
  /** Used since they were written. */
  readonly #unwritten = new Set<KnownSignIn>();
  #due = new Set<KnownSignIn>();
  #writing: Promise<void> | undefined;

  constructor(store: Pick<IdentityStore, 'touch'>, logger: Logger, everyMs: Millis) {
    this.#store = store;
    this.#logger = logger;
    this.#everyMs = everyMs;
  }

  /** Never waits. */
  used(entry: KnownSignIn, { monotonic }: Moment): void {
    this.#unwritten.add(entry);
    if (monotonic - entry.writtenMonotonic < this.#everyMs) return; // T1
    entry.writtenMonotonic = monotonic;
    this.#due.add(entry);
    this.#writing ??= this.#write(); // Awaited by `flush`; never rejects.
  }

  forget(entry: KnownSignIn): void {
    this.#unwritten.delete(entry);
    this.#due.delete(entry);
  }

  /** Resolves when all that is known by now has been written, or has failed to be. */
  async flush(): Promise<void> {
    for (const entry of this.#unwritten) this.#due.add(entry);
    if (this.#due.size > 0) this.#writing ??= this.#write();
    await this.#writing;
  }

  /** T3. */
  async #write(): Promise<void> {
    while (this.#due.size > 0) {
      const batch = [...this.#due];
      this.#due = new Set();
      for (const entry of batch) this.#unwritten.delete(entry);
      try {
        await this.#store.touch(batch.map(({ signIn }) => ({ id: signIn.id, at: signIn.lastActiveAt })));
      } catch (error) {
        for (const entry of batch) if (entry.signIn.end === null) this.#unwritten.add(entry); // T2
        this.#logger.warn('sign-in.touch_failed', { count: batch.length, error });
      }
    }
    this.#writing = undefined;
  }
}
