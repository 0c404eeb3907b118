// Hold: what a caller has in hand, and how it is given back.
//
//   H1. Releasing twice is releasing once, and releases only one's own.
//   H2. A hold on something that has been retired is inert: its release touches nothing that came after.

/** Something to give back. */
export interface Stay {
  /** Idempotent. */
  release(): void;
}

/** The right to run on the thing, and the thing. */
export interface Use<Thing> extends Stay {
  readonly thing: Thing;
  readonly generation: number;
}

/** Room that is kept for a key until it is used or given back. */
export interface Place extends Stay {
  readonly key: string;
}

/** How many hold one thing. A remaking carries them over; a retirement forgets them (H2). */
export class Holds {
  uses = 0;
  stays = 0;

  get none(): boolean {
    return this.uses === 0 && this.stays === 0;
  }
}

export class Hold implements Stay {
  #giveBack: (() => void) | undefined;

  constructor(giveBack: () => void) {
    this.#giveBack = giveBack;
  }

  release(): void {
    const giveBack = this.#giveBack;
    this.#giveBack = undefined; // H1
    giveBack?.();
  }
}

export class UseHold<Thing> extends Hold implements Use<Thing> {
  readonly thing: Thing;
  readonly generation: number;

  constructor(thing: Thing, generation: number, giveBack: () => void) {
    super(giveBack);
    this.thing = thing;
    this.generation = generation;
  }
}

export class PlaceHold extends Hold implements Place {
  readonly key: string;

  constructor(key: string, giveBack: () => void) {
    super(giveBack);
    this.key = key;
  }
}

/** Someone who asked for a use and has not got it. Settles once; aborting is one way. */
export class Waiter<Thing> {
  /** The epoch it must see: that of the last mark when it asked. */
  readonly markedAt: number;
  readonly use: Promise<Use<Thing>>;
  readonly #settle: PromiseWithResolvers<Use<Thing>>;
  readonly #signal: AbortSignal | undefined;
  #onAbort: (() => void) | undefined;

  constructor(markedAt: number, signal: AbortSignal | undefined) {
    this.markedAt = markedAt;
    this.#settle = Promise.withResolvers();
    this.use = this.#settle.promise;
    this.#signal = signal;
  }

  /** `leave` takes the waiter out of its line, before the caller hears of it. */
  onAbort(leave: () => void): void {
    if (!this.#signal) return;
    this.#onAbort = () => {
      this.#forget();
      leave();
      this.#settle.reject(this.#signal?.reason);
    };
    this.#signal.addEventListener('abort', this.#onAbort);
  }

  grant(use: Use<Thing>): void {
    this.#forget();
    this.#settle.resolve(use);
  }

  refuse(error: unknown): void {
    this.#forget();
    this.#settle.reject(error);
  }

  #forget(): void {
    if (this.#onAbort) this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#onAbort = undefined;
  }
}

export function refuseAll<Thing>(waiters: Iterable<Waiter<Thing>>, error: unknown): void {
  for (const waiter of waiters) waiter.refuse(error);
}
