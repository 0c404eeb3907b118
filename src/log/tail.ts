// Log tail: follows one session's log from a cursor on.
//
//   T1. Subscribe first, then replay from the store, then go on from memory: nothing falls between.
//   T2. The reader gets seq `after + 1`, `after + 2`, ... each once. A nudge that was dropped or doubled changes
//       nothing: what is missing is read from the store.
//   T3. A slow reader costs at most `eventsMax` events of memory: past it they are let go and read again later.
import type { Bus } from '../bus/bus.ts';
import type { EventStore, SessionNum, StoredEvent } from '../store/store.ts';

/** What is published is the events that became durable; none: there may be more than anybody was told, so look. */
export const logTopic = (session: SessionNum): string => `log:${session}`;

export interface LogTailOptions {
  store: EventStore;
  bus: Bus;
  session: SessionNum;
  /** The cursor; events with a larger seq follow. */
  after: number;
  /** A lower bound of the head; a store read is skipped when the tail begins there. */
  headSeq: number;
  /** More may have become durable since that was read, before the tail listens: it looks first (T1). */
  mayBeMore: boolean;
  eventsMax: number;
  /** Durable events up to `headSeq` that are still in memory; used where they begin right after the cursor. */
  recent?: readonly StoredEvent[];
  pageEventsMax: number;
  pageBytesMax: number;
}

export class LogTail {
  readonly #options: LogTailOptions;
  #last: number;
  /** The highest seq known to exist. */
  #head: number;
  /** Consecutive, beginning at `#last + 1`; empty while the store has to be read. */
  #fresh: StoredEvent[] = [];
  /** How often something was published. */
  #news = 0;
  #wake: (() => void) | undefined;
  #closed = false;
  readonly #unsubscribe: () => void;

  constructor(options: LogTailOptions) {
    this.#options = options;
    this.#last = options.after;
    this.#head = options.headSeq;
    const recent = (options.recent ?? []).filter((event) => event.seq > options.after);
    if (recent[0]?.seq === options.after + 1 && recent.at(-1)?.seq === options.headSeq) this.#fresh = recent;
    this.#unsubscribe = options.bus.subscribe(logTopic(options.session), (message) => {
      this.#receive(message as readonly StoredEvent[]);
    });
    if (options.mayBeMore) this.#look();
  }

  /** At least one event, or none when the tail was closed. One call at a time. */
  async next(): Promise<readonly StoredEvent[]> {
    for (;;) {
      if (this.#closed) return [];
      if (this.#fresh.length > 0) {
        const events = this.#fresh;
        this.#fresh = [];
        return this.#advance(events);
      }
      if (this.#head > this.#last) {
        const news = this.#news;
        const page = await this.#readPage();
        if (page.length > 0) return this.#advance(page);
        // It was pruned or never there: wait for what comes, unless that came while the store was being read.
        if (this.#news === news) this.#head = this.#last;
        continue;
      }
      await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = undefined;
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#unsubscribe();
    this.#fresh = [];
    this.#wake?.();
  }

  #readPage(): Promise<readonly StoredEvent[]> {
    return this.#options.store.read(this.#options.session, this.#last, {
      eventsMax: this.#options.pageEventsMax,
      bytesMax: this.#options.pageBytesMax,
    });
  }

  #receive(events: readonly StoredEvent[]): void {
    const first = events[0]?.seq;
    const last = events.at(-1)?.seq;
    this.#news += 1;
    if (events.length === 0) this.#look();
    if (first === undefined || last === undefined || last <= this.#head) return;
    const contiguous = this.#head === this.#last + this.#fresh.length && first === this.#head + 1; // T2
    this.#head = last;
    if (contiguous && this.#fresh.length + events.length <= this.#options.eventsMax) {
      if (this.#fresh.length === 0) this.#fresh = [...events];
      else this.#fresh.push(...events);
    } else {
      this.#fresh = []; // T3
    }
    this.#wake?.();
  }

  #look(): void {
    this.#head = Math.max(this.#head, this.#last + this.#fresh.length + 1);
    this.#wake?.();
  }

  #advance(events: readonly StoredEvent[]): readonly StoredEvent[] {
    // What arrived in memory during a store read may overlap the page.
    const next = events.filter((event) => event.seq > this.#last);
    this.#last = next.at(-1)?.seq ?? this.#last;
    this.#head = Math.max(this.#head, this.#last);
    if ((this.#fresh[0]?.seq ?? this.#last + 1) !== this.#last + 1) this.#fresh = [];
    return next;
  }
}
