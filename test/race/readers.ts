// Readers: they follow a session's log, leave and come back, and hold what they saw against the disk.
//
//   F1. Every event is on disk when it is seen, as it was seen.
//   F2. None is missed and none comes twice, whatever the reader did meanwhile.
//   F3. Who stays sees all of it.
import { SojournError } from '../../src/kernel/errors.ts';
import type { Tail } from '../../src/runtime/runtime.ts';
import { check } from './check.ts';
import type { Process } from './process.ts';
import type { Key } from './setting.ts';
import type { World } from './world.ts';

export class Reader {
  readonly #world: World;
  readonly #key: Key;
  #session: string | undefined;
  #last = 0;
  #tail: Tail | undefined;
  #process: Process | undefined;

  constructor(world: World, key: Key) {
    this.#world = world;
    this.#key = key;
  }

  get isReading(): boolean {
    return this.#process !== undefined && !this.#process.isGone && this.#process.state !== 'down';
  }

  /** Comes, or comes back. */
  come(process: Process): void {
    if (this.isReading) return;
    this.#process = process;
    void this.#follow(process).catch((error: unknown) => {
      if (!process.isGone) this.#world.fail(error);
    });
  }

  leave(): void {
    this.#tail?.close();
    this.#tail = undefined;
    this.#process = undefined;
  }

  /** F3. */
  checkEnd(): void {
    const head = this.#world.keptOf(this.#key)?.row.headSeq ?? 0;
    // Where nudges are dropped, only a session that goes on sends another.
    const isNudged = !this.#world.setting.lossy || this.#world.keptOf(this.#key)?.row.state !== 'closed';
    const isThere = this.isReading && this.#tail !== undefined && isNudged;
    check(!isThere || this.#last === head, () => {
      return `a reader of ${this.#key} has seen ${this.#last} events of ${head}`;
    });
  }

  async #follow(process: Process): Promise<void> {
    const { runtime } = process;
    if (runtime === undefined) return this.#end(process);
    const session = this.#session === undefined ? {} : { session: this.#session };
    let tail: Tail;
    try {
      tail = await runtime.tail(this.#key, { after: this.#last, ...session });
    } catch (error) {
      this.#end(process);
      if (SojournError.is(error, 'session.not_found') || SojournError.is(error, 'runtime.draining')) return;
      throw error;
    }
    if (this.#process !== process) return tail.close();
    this.#tail = tail;
    this.#session = tail.session;
    for (;;) {
      const events = await this.#next(tail, process);
      if (this.#tail !== tail || process.isGone) return tail.close();
      if (events.length === 0) return this.#end(process);
      const kept = this.#world.kept(tail.session);
      for (const event of events) {
        check(
          event.seq === this.#last + 1,
          () => `a reader of ${this.#key} saw ${event.seq} after ${this.#last}`,
        );
        const onDisk = kept?.events[event.seq - 1];
        check(onDisk !== undefined && onDisk.body === event.body && onDisk.kind === event.kind, () => {
          return `a reader of ${this.#key} saw event ${event.seq} (${event.kind}), and the disk has ${onDisk?.kind}`;
        });
        this.#last = event.seq;
      }
      await process.gate('reader');
    }
  }

  async #next(tail: Tail, process: Process): ReturnType<Tail['next']> {
    try {
      return await tail.next();
    } catch (error) {
      // The store was closed under it.
      if (SojournError.is(error, 'runtime.draining') && process.state !== 'up') return [];
      throw error;
    }
  }

  #end(process: Process): void {
    if (this.#process !== process) return;
    this.#process = undefined;
    this.#tail = undefined;
  }
}
