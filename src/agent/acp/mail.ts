// Mail: what arrives from an agent while a turn runs, in order, until the turn has taken it.
//
//   M1. Past `weightMax` there is no room: whoever reads the agent's output waits, so a flood waits in its pipe.
//   M2. Mail that is thrown away takes no room, so an agent that is being stopped is read to its end.
export class Mail<Item> {
  readonly #weightMax: number;
  readonly #items: { item: Item; weight: number }[] = [];
  #weight = 0;
  #isDiscarded = false;
  #taker: ((item: Item) => void) | undefined;
  readonly #waiting: (() => void)[] = [];

  constructor(weightMax: number) {
    this.#weightMax = weightMax;
  }

  push(item: Item, weight = 0): void {
    if (this.#isDiscarded) return;
    const taker = this.#taker;
    if (taker !== undefined) {
      this.#taker = undefined;
      taker(item);
      return;
    }
    this.#items.push({ item, weight });
    this.#weight += weight;
  }

  /** One taker at a time. */
  take(): Promise<Item> {
    const first = this.#items.shift();
    if (first === undefined) return new Promise((resolve) => (this.#taker = resolve));
    this.#weight -= first.weight;
    if (this.#weight <= this.#weightMax) this.#wake();
    return Promise.resolve(first.item);
  }

  /** Resolves when there is room (M1); undefined when there is. */
  room(): Promise<void> | undefined {
    if (this.#isDiscarded || this.#weight <= this.#weightMax) return undefined;
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** M2. */
  discard(): void {
    this.#isDiscarded = true;
    this.#items.length = 0;
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
