// Flow: how many bytes are on their way to the disk, over all sessions.
//
//   F1. What is added is taken off exactly once, also when its append fails.
//   F2. Nobody is refused here: whoever produces asks `room` first and waits. One producer may overshoot by what
//       it holds in its hand.

export class Flow {
  readonly #bytesMax: number;
  #bytes = 0;
  #waiters: (() => void)[] = [];

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
  }

  remove(bytes: number): void {
    this.#bytes -= bytes;
    if (this.#bytes >= this.#bytesMax || this.#waiters.length === 0) return;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }

  /** Undefined when there is room now; else a promise of the next moment to look again. */
  room(): Promise<void> | undefined {
    if (this.#bytes < this.#bytesMax) return undefined;
    return new Promise((resolve) => this.#waiters.push(resolve));
  }
}
