// Order: items in order of arrival. Adding, leaving and asking for the oldest cost the same at any length.
//
// A linked list, because a Set that loses its first member again and again walks over the holes it leaves.

export interface Seat<Item> {
  readonly item: Item;
  /** Idempotent. */
  leave(): void;
}

class Link<Item> implements Seat<Item> {
  readonly item: Item;
  order: Order<Item> | undefined;
  before: Link<Item> | undefined;
  after: Link<Item> | undefined;

  constructor(item: Item, order: Order<Item>, before: Link<Item> | undefined) {
    this.item = item;
    this.order = order;
    this.before = before;
  }

  leave(): void {
    this.order?.drop(this);
  }
}

export class Order<Item> {
  #first: Link<Item> | undefined;
  #last: Link<Item> | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get oldest(): Item | undefined {
    return this.#first?.item;
  }

  /** Adds at the young end. */
  add(item: Item): Seat<Item> {
    const link = new Link(item, this, this.#last);
    if (this.#last) this.#last.after = link;
    else this.#first = link;
    this.#last = link;
    this.#size++;
    return link;
  }

  /** Oldest first. Items may leave meanwhile: those that have left are passed over. */
  *[Symbol.iterator](): Generator<Item, void> {
    // A link that left still knows what came after it, so the walk finds its way back.
    for (let link = this.#first; link; link = link.after) {
      if (link.order === this) yield link.item;
    }
  }

  /** For `Seat.leave` only. */
  drop(link: Link<Item>): void {
    if (link.before) link.before.after = link.after;
    else this.#first = link.after;
    if (link.after) link.after.before = link.before;
    else this.#last = link.before;
    link.order = undefined;
    this.#size--;
  }
}
