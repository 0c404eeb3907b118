// A timeline for one test: the real one, on the real store in a folder of its own, with time moved by hand.
import { inProcessBus } from '../src/bus/in-process/in-process.ts';
import type { Bus } from '../src/bus/bus.ts';
import { DEFAULT_LIMITS, type Limits } from '../src/kernel/limits.ts';
import { silentLogger } from '../src/kernel/logger.ts';
import { type Posting, Timeline } from '../src/log/timeline.ts';
import type { TimelineTail } from '../src/log/timeline-tail.ts';
import type { PostRow, PostRows, PostsFilter, Store, TimelineStore } from '../src/store/store.ts';
import { ManualClock } from '../src/testing/manual-clock.ts';
import type { PostAuthor } from '../src/wire/post.ts';

export const author = (name: string): PostAuthor => ({
  identity: `id of ${name}`,
  name,
  context: null,
  displayName: name,
  identityKey: name.toLowerCase(),
  avatarSeed: 'seed',
});

export class TimelineWorld {
  readonly clock = new ManualClock();
  readonly timeline: Timeline;
  readonly #bus: Bus;
  /** How often the store was read. */
  reads = 0;
  /** What is published while it is true is lost. */
  deaf = false;

  constructor(store: Store, limits: Partial<Limits> = {}) {
    const real = inProcessBus(silentLogger);
    this.#bus = real;
    const bus: Bus = {
      publish: (topic, message) => this.deaf || real.publish(topic, message),
      subscribe: (topic, receive) => real.subscribe(topic, receive),
    };
    const { timelines } = store;
    const counted: TimelineStore = {
      add: (post, once) => timelines.add(post, once),
      byOnce: (project, who, once) => timelines.byOnce(project, who, once),
      prune: (call) => timelines.prune(call),
      projects: (after, limit) => timelines.projects(after, limit),
      page: (filter) => {
        this.reads += 1;
        return timelines.page(filter);
      },
    };
    const fast = { postBurst: 1_000_000, postsPerMinute: 1_000_000 };
    this.timeline = new Timeline({
      store: counted,
      bus,
      clock: this.clock,
      limits: { ...DEFAULT_LIMITS, ...fast, ...limits },
    });
  }

  post(content: string, more: Partial<Posting> = {}): Promise<PostRow> {
    return this.timeline.post({ project: 'default', author: author('Hal'), content, ...more });
  }

  /** One after the other. */
  async posts(...contents: string[]): Promise<void> {
    for (const content of contents) await this.post(content);
  }

  /** As the timeline would, whatever it says. */
  publish(topic: string, row: PostRow): void {
    this.#bus.publish(topic, row);
  }

  page(more: Partial<PostsFilter> = {}): Promise<PostRows> {
    return this.timeline.page({ project: 'default', from: { after: 0 }, limit: 200, ...more });
  }

  tail(
    after: number | null,
    more: { identity?: string; session?: string; since?: number } = {},
  ): Promise<TimelineTail> {
    return this.timeline.tail({ project: 'default', after, ...more });
  }
}

/** The contents of the next posts, until there are so many. */
export async function taken(tail: Pick<TimelineTail, 'next'>, count: number): Promise<string[]> {
  const contents: string[] = [];
  while (contents.length < count) {
    const posts = await tail.next();
    if (posts.length === 0) break;
    contents.push(...posts.map(({ content }) => content));
  }
  return contents;
}

export const numbers = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_each, index) => String(from + index));
