// Tails: readers of logs, with the ends a caller may ask for.
//
//   W1. A tail of one turn shows that turn's events only, and ends after its `turn.ended`.
//   W2. A tail until idle ends when it has shown the whole log and nothing runs or waits.
//   W3. A reader that leaves changes nothing for the session.
import type { StoredEvent } from '../store/store.ts';
import { LogTail, type LogTailOptions } from '../log/tail.ts';
import type { Tail } from './calls.ts';

export interface TailEnds {
  turn?: string;
  /** Resolves with the head of the log as soon as nothing runs or waits. */
  idle?(signal: AbortSignal): Promise<number>;
}

export class SessionTail implements Tail {
  readonly session: string;
  readonly headSeq: number;
  readonly #log: LogTail;
  readonly #ends: TailEnds;
  readonly #onClose: () => void;
  /** Made when it is first waited for. */
  #abort: AbortController | undefined;
  #last: number;
  #reading: Promise<readonly StoredEvent[]> | undefined;
  #ended = false;

  constructor(session: string, options: LogTailOptions, ends: TailEnds, onClose: () => void) {
    this.session = session;
    this.headSeq = options.headSeq;
    this.#last = options.after;
    this.#log = new LogTail(options);
    this.#ends = ends;
    this.#onClose = onClose;
  }

  async next(): Promise<readonly StoredEvent[]> {
    while (!this.#ended) {
      const events = this.#ends.idle === undefined ? await this.#log.next() : await this.#nextOrIdle();
      const last = events.at(-1);
      if (last === undefined) break;
      this.#last = last.seq;
      const shown = this.#ends.turn === undefined ? events : this.#ofTurn(events, this.#ends.turn);
      if (shown.length > 0) return shown;
    }
    this.close();
    return [];
  }

  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#log.close();
    this.#abort?.abort();
    this.#onClose();
  }

  /** W1. */
  #ofTurn(events: readonly StoredEvent[], turn: string): readonly StoredEvent[] {
    const own = events.filter((event) => event.turn === turn);
    if (own.some((event) => event.kind === 'turn.ended')) this.close();
    return own;
  }

  /** W2. */
  async #nextOrIdle(): Promise<readonly StoredEvent[]> {
    const waiting = new AbortController();
    this.#abort ??= new AbortController();
    const signal = AbortSignal.any([waiting.signal, this.#abort.signal]);
    this.#reading ??= this.#log.next();
    const idle = this.#ends.idle?.(signal).catch(() => this.#last); // Aborted: there is no more to wait for.
    const first = await Promise.race(idle === undefined ? [this.#reading] : [this.#reading, idle]);
    waiting.abort();
    if (typeof first !== 'number') {
      this.#reading = undefined;
      return first;
    }
    if (first <= this.#last) return [];
    const events = await this.#reading;
    this.#reading = undefined;
    return events;
  }
}
