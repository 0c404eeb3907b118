// Lockstep: lets the SDK's callbacks wait until the runtime has pulled what they announce.
//
// The SDK runs ahead of whoever reads its stream. Two things must not run ahead of the log: a tool, and the next call
// of the model after a step. Their callbacks announce themselves here and wait; the reader passes them.
//
//   L1. An announcement is handed out only when the stream has nothing ready: what was said before it comes first.
//   L2. One reader. It must call `next` again, or none of the waiting ever goes on: on abort that is what is wanted,
//       for a tool must not start then, and nothing else holds the promises.
interface Announcement<Thing> {
  thing: Thing;
  pass: () => void;
}

export type Next<Part, Thing> =
  | { kind: 'part'; part: Part }
  | ({ kind: 'announced' } & Announcement<Thing>)
  | { kind: 'end' };

export class Lockstep<Part, Thing> {
  readonly #waiting: Announcement<Thing>[] = [];
  #parts: AsyncIterator<Part> | undefined;
  #reading: Promise<IteratorResult<Part>> | undefined;
  #rouse: () => void = () => {};

  /** Before anything is announced by the stream's own making. */
  follow(parts: AsyncIterable<Part>): void {
    this.#parts = parts[Symbol.asyncIterator]();
  }

  /** Resolves once the reader has passed it. */
  announce(thing: Thing): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ thing, pass: resolve });
    this.#rouse();
    return promise;
  }

  /** L2. */
  async next(): Promise<Next<Part, Thing>> {
    for (;;) {
      this.#reading ??= this.#parts?.next() ?? Promise.resolve({ done: true, value: undefined });
      const quiet = Promise.withResolvers<undefined>();
      this.#rouse = () => void setImmediate(quiet.resolve, undefined); // later than all that is ready (L1)
      if (this.#waiting.length > 0) this.#rouse();

      const read = await Promise.race([this.#reading, quiet.promise]);
      if (read !== undefined) {
        this.#reading = undefined;
        return read.done === true ? { kind: 'end' } : { kind: 'part', part: read.value };
      }
      const first = this.#waiting.shift();
      if (first !== undefined) return { kind: 'announced', ...first };
    }
  }
}
