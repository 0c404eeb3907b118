// Stream: a log or a timeline shown to one reader as server-sent events, and all streams of a server together.
//
//   ST1. A reader that leaves closes its tail and stops nothing else.
//   ST2. Nothing is pulled while the reader has not taken what was written: a slow one costs one batch, never more.
//        One that takes nothing for `stalledMsMax`, or lets `streamBytesMax` pile up, is dropped; it can resume.
//   ST3. All events of one batch go out in one write.
//   ST4. When its credential ends, so does the stream. When the server leaves, streams end between two events.
import type { ServerResponse } from 'node:http';
import type { Clock, Millis } from '../../kernel/clock.ts';
import { SojournError } from '../../kernel/errors.ts';
import type { RuntimeCalls } from '../../runtime/runtime.ts';
import type { Caller } from '../../wire/access.ts';
import type { HttpLimits } from './limits.ts';
import type { Pulse } from './pulse.ts';

export const STREAM_HEADERS: readonly (readonly [string, string])[] = [
  ['Content-Type', 'text/event-stream'],
  ['X-Accel-Buffering', 'no'],
];

/** Larger batches go out in pieces of about this many characters, each waiting for the reader (ST2). */
const PIECE_CHARS = 65_536;
/** Reconnecting is spread over this, so that a restart does not bring everyone back at once. */
const RETRY_MS_MIN: Millis = 1_000;
const RETRY_MS_SPREAD: Millis = 4_000;
const GOLDEN = 0.618_033_988_75;

/** What a stream shows. */
export interface Shown<Item> {
  /** At least one a call; none when it has ended. */
  readonly tail: { next(): Promise<readonly Item[]>; close(): void };
  /** Before all items. */
  readonly first: string;
  frame(item: Item): string;
  /** Nothing follows this one. */
  isLast(item: Item): boolean;
}

/** A stream's place among the others: taken before anything is promised to its reader, and always given back. */
export interface Place {
  /** Shows `shown` until it ends, the reader leaves, or the credential does. The head is already written. */
  show<Item>(response: ServerResponse, shown: Shown<Item>): Promise<void>;
  /** Idempotent. */
  leave(): void;
}

export class Streams {
  readonly #limits: HttpLimits;
  readonly #clock: Clock;
  readonly #pulse: Pulse;
  readonly #open = new Set<Running>();
  readonly #perCredential = new Map<string, number>();
  #opened = 0;

  constructor(limits: HttpLimits, clock: Clock, pulse: Pulse) {
    this.#limits = limits;
    this.#clock = clock;
    this.#pulse = pulse;
  }

  get size(): number {
    return this.#open.size;
  }

  /** The credential is watched from here on (ST4). Throws `input.rate_limited` where it has its share. */
  enter(caller: Caller, loopback: boolean, runtime: Pick<RuntimeCalls, 'watchToken'>): Place {
    const credential = caller.token ?? '';
    const count = this.#perCredential.get(credential) ?? 0;
    const { streamsPerLoopbackCredentialMax, streamsPerCredentialMax } = this.#limits;
    if (count >= (loopback ? streamsPerLoopbackCredentialMax : streamsPerCredentialMax)) {
      throw new SojournError('input.rate_limited', `This token has ${count} streams open`);
    }
    this.#perCredential.set(credential, count + 1);
    let standing: 'good' | 'ended' = 'good';
    let stream: Running | undefined;
    const unwatch = runtime.watchToken(caller, () => {
      standing = 'ended';
      stream?.close();
    });
    let inside = true;
    return {
      show: async (response, shown) => {
        stream = new Stream(response, shown, this.#limits, this.#clock);
        if (standing === 'ended') stream.close();
        await this.#run(stream, shown.first);
      },
      leave: () => {
        if (!inside) return;
        inside = false;
        unwatch();
        const left = (this.#perCredential.get(credential) ?? 1) - 1;
        if (left > 0) this.#perCredential.set(credential, left);
        else this.#perCredential.delete(credential);
      },
    };
  }

  async #run(stream: Running, first: string): Promise<void> {
    const spread = (this.#opened++ * GOLDEN) % 1;
    const retry = `retry: ${Math.round(RETRY_MS_MIN + spread * RETRY_MS_SPREAD)}\n\n`;
    const beat = (now: Millis): void => stream.beat(now);
    this.#open.add(stream);
    this.#pulse.add(beat);
    try {
      await stream.run(retry + first);
    } finally {
      this.#open.delete(stream);
      this.#pulse.delete(beat);
    }
  }

  /** ST4. */
  close(): void {
    for (const stream of this.#open) stream.close();
  }
}

interface Running {
  run(first: string): Promise<void>;
  close(): void;
  beat(now: Millis): void;
}

class Stream<Item> implements Running {
  readonly #response: ServerResponse;
  readonly #shown: Shown<Item>;
  readonly #limits: HttpLimits;
  readonly #clock: Clock;
  #wroteMs: Millis;
  /** Since when the reader has taken nothing of what waits; null while nothing waits. */
  #stalledMs: Millis | null = null;
  #resume: (() => void) | undefined;
  #ending = false;

  constructor(response: ServerResponse, shown: Shown<Item>, limits: HttpLimits, clock: Clock) {
    this.#response = response;
    this.#shown = shown;
    this.#limits = limits;
    this.#clock = clock;
    this.#wroteMs = clock.monotonic();
  }

  async run(first: string): Promise<void> {
    const onDrain = (): void => this.#drained();
    const onClose = (): void => this.close();
    this.#response.on('drain', onDrain).on('close', onClose);
    if (this.#response.destroyed) this.close();
    try {
      await this.#write(first);
      for (;;) {
        const items = await this.#shown.tail.next();
        if (items.length === 0 || this.#ending) break;
        if (await this.#show(items)) return;
      }
      this.#response.end();
    } finally {
      this.#response.off('drain', onDrain).off('close', onClose);
      this.#shown.tail.close();
    }
  }

  /** Idempotent. The loop sees an ended tail, and ends the answer between two events; nobody waits for a stuck reader. */
  close(): void {
    this.#ending = true;
    if (this.#stalledMs !== null) this.#response.destroy();
    this.#shown.tail.close();
    this.#drained();
  }

  beat(now: Millis): void {
    if (this.#stalledMs !== null) {
      const stuck = now - this.#stalledMs >= this.#limits.stalledMsMax;
      if (stuck || this.#response.writableLength > this.#limits.streamBytesMax) this.#response.destroy();
    } else if (now - this.#wroteMs >= this.#limits.heartbeatMs) {
      this.#wroteMs = now;
      if (!this.#response.write(': \n\n')) this.#stalledMs = now;
    }
  }

  /** True: that was the last one, and the answer has ended with it. */
  async #show(items: readonly Item[]): Promise<boolean> {
    let piece = '';
    for (const item of items) {
      piece += this.#shown.frame(item);
      if (piece.length >= PIECE_CHARS) {
        await this.#write(piece);
        piece = '';
        if (this.#ending) return false;
      }
    }
    const last = items.at(-1);
    if (last !== undefined && this.#shown.isLast(last)) {
      this.#response.end(piece);
      return true;
    }
    if (piece !== '') await this.#write(piece);
    return false;
  }

  /** Resolves when the reader has taken it, or has left (ST2). */
  #write(text: string): Promise<void> | void {
    this.#wroteMs = this.#clock.monotonic();
    if (this.#response.write(text) || this.#response.destroyed) return;
    this.#stalledMs = this.#wroteMs;
    return new Promise((resolve) => (this.#resume = resolve));
  }

  #drained(): void {
    this.#stalledMs = null;
    const resume = this.#resume;
    this.#resume = undefined;
    resume?.();
  }
}
