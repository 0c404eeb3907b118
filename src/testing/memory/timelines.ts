// Timelines: the posts on a memory disk.
import type { NewPost, PostRow, PostsFilter, TimelineStore } from '../../store/store.ts';
import type { MemoryDisk } from './disk.ts';
import type { MemoryAccess } from './identities.ts';

const LIMIT_MAX = 200;

/** All there is of one project's timeline. */
export interface KeptTimeline {
  head: number;
  pruned: number;
  /** In the order of their ids. */
  posts: PostRow[];
  /** The id of a post, by its author and once-key. */
  once: Map<string, number>;
}

export function memoryTimelines(disk: MemoryDisk, { read, write }: MemoryAccess): TimelineStore {
  const { timelines } = disk;
  const empty = (): KeptTimeline => ({ head: 0, pruned: 0, posts: [], once: new Map() });
  return {
    add: (post, once) =>
      write(() => {
        const kept = timelines.get(post.project) ?? empty();
        timelines.set(post.project, kept);
        return addTo(kept, post, once);
      }),
    byOnce: (project, author, once) =>
      read(() => postByOnce(timelines.get(project) ?? empty(), onceName(author, once))),
    page: (filter) => read(() => pageOf(timelines.get(filter.project) ?? empty(), filter)),
    prune: ({ project, before, countMax, limit }) =>
      write(() => {
        const kept = timelines.get(project);
        if (kept === undefined) return 0;
        const oldest = kept.posts.slice(0, limit);
        const first = oldest.findIndex(({ id, at }) => id > kept.head - countMax && at >= before);
        const due = kept.posts.splice(0, first < 0 ? oldest.length : first);
        kept.pruned = due.at(-1)?.id ?? kept.pruned;
        return due.length;
      }),
    projects: (after, limit) =>
      read(() =>
        [...timelines.keys()]
          .filter((name) => name > after)
          .sort()
          .slice(0, limit),
      ),
  };
}

const onceName = (author: string | null, once: string): string => JSON.stringify([author, once]);

function postByOnce(kept: KeptTimeline, name: string): PostRow | null {
  const known = kept.posts.find(({ id }) => id === kept.once.get(name));
  return known === undefined ? null : { ...known };
}

function addTo(kept: KeptTimeline, post: NewPost, once: string | null): { row: PostRow; isNew: boolean } {
  const name = once === null ? null : onceName(post.identity ?? post.session, once);
  const known = name === null ? null : postByOnce(kept, name);
  if (known !== null) return { row: known, isNew: false };
  kept.head += 1;
  const row: PostRow = { ...post, id: kept.head };
  kept.posts.push(row);
  if (name !== null) kept.once.set(name, row.id);
  return { row: { ...row }, isNew: true };
}

function pageOf(
  { posts, head, pruned }: KeptTimeline,
  filter: PostsFilter,
): Awaited<ReturnType<TimelineStore['page']>> {
  const { from, identity, session, since = -Infinity, until = Infinity } = filter;
  const limit = Math.min(Math.max(Math.trunc(filter.limit), 1), LIMIT_MAX);
  const walked =
    'after' in from
      ? posts.filter(({ id }) => id > from.after)
      : posts.filter(({ id }) => id < from.before).reverse();
  const chosen = walked
    .filter((post) => identity === undefined || post.identity === identity)
    .filter((post) => session === undefined || post.session === session)
    .filter(({ at }) => at >= since && at < until)
    .slice(0, limit)
    .map((post) => ({ ...post }));
  const next = chosen.length === limit ? (chosen.at(-1)?.id ?? null) : null;
  return { posts: chosen, next, head, pruned };
}

/** P5 of the contract. */
export function erasePostsOf(kept: KeptTimeline | undefined, session: string): void {
  if (kept === undefined) return;
  kept.posts = kept.posts.filter((post) => post.session !== session || post.identity !== null);
  for (const post of kept.posts)
    if (post.session === session) Object.assign(post, { session: null, turn: null });
}

/** No id is given twice, so the head stays. */
export function emptyTimeline(kept: KeptTimeline | undefined): void {
  if (kept !== undefined) Object.assign(kept, { posts: [], once: new Map(), pruned: kept.head });
}
