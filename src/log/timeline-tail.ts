// TimelineTail: follows one project's timeline from a cursor on.
//
//   T1. Listen first, then read the store, then go on from memory: nothing falls between.
//   T2. The reader gets every post that fits its filter and has a larger id than its cursor, once, in the order of ids. A
//       nudge that was dropped or doubled changes nothing: what is missing is read from the store.
//   T3. One that keeps up reads the store once, when it begins, however much is posted and however many others read.
//   T4. A slow one costs at most `postsMax` posts of memory: past it they are let go and read again later.
//   T5. One whose next posts have been pruned is told (`timeline.pruned`), and never goes on as if there had been none.
//       From the very beginning means from the oldest post there is.
import type { Bus } from '../bus/bus.ts';
import { SojournError } from '../kernel/errors.ts';
import type { Millis } from '../kernel/clock.ts';
import type { PostId, PostRow, PostRows, TimelineStore } from '../store/store.ts';

export const timelineTopic = (project: string): string => `timeline:${project}`;

export interface TimelineTailOptions {
  store: TimelineStore;
  bus: Bus;
  project: string;
  /** The cursor; null: the posts to come. */
  after: PostId | null;
  identity?: string;
  session?: string;
  since?: Millis;
  postsMax: number;
}

const PAGE = 200;

/** T5. Throws `cursor.ahead`, `timeline.pruned`. */
export function checkCursor(after: PostId, { head, pruned }: Pick<PostRows, 'head' | 'pruned'>): void {
  if (after > head) throw new SojournError('cursor.ahead', `The newest post is ${head}; ${after} is past it`);
  if (after > 0 && after < pruned)
    throw new SojournError('timeline.pruned', `Posts ${after + 1} to ${pruned} are gone`);
}

export class TimelineTail {
  readonly #options: TimelineTailOptions;
  #from: PostId = 0;
  /** Every post up to here was shown or does not fit. */
  #last: PostId = 0;
  /** The highest id known to exist. */
  #head: PostId = 0;
  /** Ids without a gap, from `#last + 1` on; empty while the store has to be read. */
  #fresh: PostRow[] = [];
  /** Read when it began, and not shown yet. */
  #first: readonly PostRow[] = [];
  #wake: (() => void) | undefined;
  #closed = false;
  readonly #unsubscribe: () => void;

  private constructor(options: TimelineTailOptions) {
    this.#options = options;
    this.#unsubscribe = options.bus.subscribe(timelineTopic(options.project), (message) => {
      this.#receive(message as PostRow);
    });
  }

  /** Throws `cursor.ahead`, `timeline.pruned`. */
  static async open(options: TimelineTailOptions): Promise<TimelineTail> {
    const tail = new TimelineTail(options); // T1
    try {
      await tail.#begin();
      return tail;
    } catch (error) {
      tail.close();
      throw error;
    }
  }

  /** The cursor it began from: what is shown has a larger id. */
  get from(): PostId {
    return this.#from;
  }

  /** At least one post, or none when the tail was closed. One call at a time. Throws `timeline.pruned`. */
  async next(): Promise<readonly PostRow[]> {
    for (;;) {
      if (this.#closed) return [];
      const posts = this.#taken() ?? (this.#head > this.#last ? this.#settle(await this.#read()) : undefined);
      if (posts === undefined) {
        await new Promise<void>((resolve) => (this.#wake = resolve));
        this.#wake = undefined;
      } else if (posts.length > 0 && !this.#closed) {
        return posts;
      }
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#unsubscribe();
    this.#fresh = [];
    this.#first = [];
    this.#wake?.();
  }

  async #begin(): Promise<void> {
    const { store, project, after } = this.#options;
    if (after === null) {
      const { head } = await store.page({ project, from: { before: 0 }, limit: 1 });
      this.#moveTo(head);
      this.#from = head;
      return;
    }
    this.#from = after;
    this.#last = after;
    const page = await this.#read();
    checkCursor(after, page);
    this.#first = this.#settle(page);
  }

  /** What is in memory; undefined where there is nothing. */
  #taken(): readonly PostRow[] | undefined {
    const last = this.#fresh.at(-1);
    if (this.#first.length > 0) {
      const posts = this.#first;
      this.#first = [];
      return posts;
    }
    if (last === undefined) return undefined;
    const posts = this.#fresh.filter((post) => this.#fits(post));
    this.#moveTo(last.id);
    return posts;
  }

  #read(): Promise<PostRows> {
    const { store, project, identity, session, since } = this.#options;
    return store.page({
      project,
      from: { after: this.#last },
      limit: PAGE,
      ...(identity === undefined ? {} : { identity }),
      ...(session === undefined ? {} : { session }),
      ...(since === undefined ? {} : { since }),
    });
  }

  /** The posts of a page; the tail stands behind them. */
  #settle({ posts, next, head, pruned }: PostRows): readonly PostRow[] {
    checkCursor(this.#last, { head: Infinity, pruned }); // T5
    this.#head = Math.max(this.#head, head);
    this.#moveTo(next ?? head);
    return posts;
  }

  /** What arrived in memory meanwhile may overlap, or leave a gap. */
  #moveTo(last: PostId): void {
    this.#last = Math.max(this.#last, last);
    this.#head = Math.max(this.#head, this.#last);
    this.#fresh = this.#fresh.filter(({ id }) => id > this.#last);
    if ((this.#fresh[0]?.id ?? this.#last + 1) !== this.#last + 1) this.#fresh = [];
  }

  #receive(post: PostRow): void {
    if (post.id <= this.#head) return;
    const contiguous = this.#head === this.#last + this.#fresh.length && post.id === this.#head + 1; // T2
    this.#head = post.id;
    if (contiguous && this.#fresh.length < this.#options.postsMax) this.#fresh.push(post);
    else this.#fresh = []; // T4
    this.#wake?.();
  }

  #fits({ identity, session, at }: PostRow): boolean {
    const { since = -Infinity } = this.#options;
    return (
      (this.#options.identity === undefined || identity === this.#options.identity) &&
      (this.#options.session === undefined || session === this.#options.session) &&
      at >= since
    );
  }
}
