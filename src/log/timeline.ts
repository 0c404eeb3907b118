// Timeline: what the identities and sessions of a project post, one after the other.
//
// Owns: what a post may be, how often somebody may post, who is told of a new one, how long they are kept. Does not own:
// who may post or read (the runtime checks), what a session posts by itself (milestones.ts of the runtime).
//
//   T1. A post is shown only when it is durable: the store numbers it, and then everybody who follows is told.
//   T2. An author is taken down as it is now. What becomes of the identity later changes no post.
//   T3. How often one author posts is bounded; a refusal says when to try again, and a post that failed
//       was none, as is one that repeats another: it costs nothing, and is answered also where no more may be posted.
//   T4. Pruning goes in small steps that other writes come between.
import type { Bus } from '../bus/bus.ts';
import type { Clock } from '../kernel/clock.ts';
import { SojournError } from '../kernel/errors.ts';
import type { JsonObject } from '../kernel/json.ts';
import type { Limits } from '../kernel/limits.ts';
import type { NewPost, PostRow, PostRows, PostsFilter, TimelineStore } from '../store/store.ts';
import type { PostAuthor } from '../wire/post.ts';
import { Allowance } from './allowance.ts';
import { checkContent, checkMetadata } from './post.ts';
import { TimelineTail, type TimelineTailOptions, timelineTopic } from './timeline-tail.ts';

export type TimelineLimits = Pick<
  Limits,
  'postBurst' | 'postsPerMinute' | 'postsMax' | 'postMsMax' | 'tailEventsMax'
>;

export interface TimelineOptions {
  store: TimelineStore;
  bus: Bus;
  clock: Clock;
  limits: TimelineLimits;
}

export interface Posting {
  project: string;
  /** Where it has no identity, the session is the author. */
  author: PostAuthor;
  content: string;
  metadata?: JsonObject;
  session?: string;
  turn?: string;
  /** The same author and key make one post. */
  once?: string;
}

const PRUNED_AT_ONCE = 1_000;
const PROJECTS_AT_ONCE = 100;

export class Timeline {
  readonly #options: TimelineOptions;
  readonly #allowance: Allowance;

  constructor(options: TimelineOptions) {
    this.#options = options;
    const { postBurst: burst, postsPerMinute: perMinute } = options.limits;
    this.#allowance = new Allowance(options.clock, { burst, perMinute });
  }

  /** Throws `input.invalid`, `timeline.limit`, `idempotency.conflict`, and what the store throws. */
  async post(posting: Posting): Promise<PostRow> {
    const { once = null } = posting;
    const post = this.#checked(posting);
    const who = post.identity ?? post.session ?? '';
    const retryAfterMs = this.#allowance.take(who); // T3
    if (retryAfterMs > 0) {
      const known = once === null ? null : await this.#options.store.byOnce(post.project, who, once);
      if (known !== null) return repeated(known, post);
      const { postsPerMinute } = this.#options.limits;
      const detail = `${posting.author.displayName} posts more than ${postsPerMinute} times a minute`;
      throw new SojournError('timeline.limit', detail, { retryAfterMs });
    }
    let added: { row: PostRow; isNew: boolean };
    try {
      added = await this.#options.store.add(post, once);
    } catch (error) {
      this.#allowance.giveBack(who);
      throw error;
    }
    const { row, isNew } = added;
    if (isNew) {
      this.#options.bus.publish(timelineTopic(row.project), row); // T1
      return row;
    }
    this.#allowance.giveBack(who); // T3
    return repeated(row, post);
  }

  page(filter: PostsFilter): Promise<PostRows> {
    return this.#options.store.page(filter);
  }

  /** Throws `cursor.ahead`, `timeline.pruned`. */
  tail(call: Omit<TimelineTailOptions, 'store' | 'bus' | 'postsMax'>): Promise<TimelineTail> {
    const { store, bus, limits } = this.#options;
    return TimelineTail.open({ ...call, store, bus, postsMax: limits.tailEventsMax });
  }

  /** T4. Removes what is too old or too much, until `isOver` says to stop; answers how many. */
  async prune(isOver: () => boolean = () => false): Promise<number> {
    const { store, clock, limits } = this.#options;
    const call = { before: clock.now() - limits.postMsMax, countMax: limits.postsMax, limit: PRUNED_AT_ONCE };
    let pruned = 0;
    for (let after: string | undefined = ''; after !== undefined;) {
      const projects: readonly string[] = await store.projects(after, PROJECTS_AT_ONCE);
      for (const project of projects) {
        for (let step = PRUNED_AT_ONCE; step === PRUNED_AT_ONCE;) {
          if (isOver()) return pruned;
          step = await store.prune({ project, ...call });
          pruned += step;
        }
      }
      after = projects.at(-1);
    }
    return pruned;
  }

  #checked({ project, author, content, metadata, session, turn }: Posting): NewPost {
    return {
      project,
      at: this.#options.clock.now(),
      identity: author.identity,
      author: JSON.stringify(author), // T2
      content: checkContent(content),
      metadata: checkMetadata(metadata),
      session: session ?? null,
      turn: turn ?? null,
    };
  }
}

/** The post that there is. Throws `idempotency.conflict`. */
function repeated(row: PostRow, post: NewPost): PostRow {
  if (isSame(row, post)) return row;
  throw new SojournError(
    'idempotency.conflict',
    `Post ${row.id} was made with this key and says other things`,
  );
}

const isSame = (row: PostRow, post: NewPost): boolean =>
  row.content === post.content &&
  row.metadata === post.metadata &&
  row.session === post.session &&
  row.turn === post.turn;
