// TimelineStore: the posts of each project. A part of the store's contract; `testing/store/posting.ts` says it in tests.
//
//   P1. Ids of a project ascend by one, from 1, in the order of the commits. None is given twice, whatever is removed.
//   P2. A post is durable when its promise resolves; no read ever shows one that is not.
//   P3. The same once-key of the same author is one post for as long as that is kept.
//   P4. Pruning takes the oldest, never one from the middle: whoever has read up to `pruned` has missed nothing.
//   P5. Erasing a session erases what it posted itself, and what others posted no longer names it.
//   P6. A post that does not match its checksum is left out, and reported; the others are shown.
import type { Millis } from '../kernel/clock.ts';

export type PostId = number;

export interface NewPost {
  project: string;
  at: Millis;
  /** The author's; null where a session spoke for itself. */
  identity: string | null;
  /** JSON text. */
  author: string;
  content: string;
  /** JSON text. */
  metadata: string;
  /** The session's id. */
  session: string | null;
  turn: string | null;
}

export interface PostRow extends NewPost {
  id: PostId;
}

export interface PostsFilter {
  project: string;
  /** `after`: larger ids, ascending. `before`: smaller ids, descending. */
  from: { after: PostId } | { before: PostId };
  identity?: string;
  session?: string;
  /** Not before. */
  since?: Millis;
  /** Before. */
  until?: Millis;
  /** 1 to 200. */
  limit: number;
}

export interface PostRows {
  posts: readonly PostRow[];
  /**
   * Where the next page of the same kind begins; null at the end. One call looks at a bounded number of posts, so that a
   * page may be short, or empty, and still have a next one.
   */
  next: PostId | null;
  /** From the same state of the store: the newest id given out, and the newest id pruned; 0 where there is none. */
  head: PostId;
  pruned: PostId;
}

export interface TimelineStore {
  /** `isNew` is false where this author had used the once-key before: then the row is the one there is (P3). */
  add(post: NewPost, once: string | null): Promise<{ row: PostRow; isNew: boolean }>;
  /** What this author (an identity's or a session's id) has posted with this once-key, while it is kept (P3). */
  byOnce(project: string, author: string, once: string): Promise<PostRow | null>;
  page(filter: PostsFilter): Promise<PostRows>;
  /**
   * One bounded step: removes the oldest posts of a project, at most `limit`, while they are older than `before` or not
   * among the newest `countMax` ids. Answers how many.
   */
  prune(call: { project: string; before: Millis; countMax: number; limit: number }): Promise<number>;
  /** Those that have had posts, in the order of their names. */
  projects(afterProject: string, limit: number): Promise<readonly string[]>;
}
