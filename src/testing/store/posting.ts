// Posting: what a store keeps of timelines.
import type { NewPost, PostRow, PostsFilter } from '../../store/store.ts';
import type { TestRunner } from '../agent-conformance.ts';
import type { OpenStore } from '../store-conformance.ts';
import { codeOf, Trial } from './trial.ts';

const post = (content: string, more: Partial<NewPost> = {}): NewPost => ({
  project: 'default',
  at: 1_000,
  identity: 'hal',
  author: '{"displayName":"Hal"}',
  content,
  metadata: '{}',
  session: null,
  turn: null,
  ...more,
});

const page = (more: Partial<PostsFilter> = {}): PostsFilter => ({
  project: 'default',
  from: { after: 0 },
  limit: 200,
  ...more,
});

const ids = (posts: readonly PostRow[]): number[] => posts.map(({ id }) => id);

/** Posts of these contents, one after the other. */
async function posted(
  { store }: Trial,
  contents: readonly string[],
  more: Partial<NewPost> = {},
): Promise<PostRow[]> {
  const rows: PostRow[] = [];
  for (const content of contents) rows.push((await store.timelines.add(post(content, more), null)).row);
  return rows;
}

const numbers = (count: number): string[] => Array.from({ length: count }, (_each, index) => `${index + 1}`);

export function posting(runner: TestRunner, open: OpenStore): void {
  adding(runner, open);
  paging(runner, open);
  leaving(runner, open);
}

function adding({ test, expect }: TestRunner, open: OpenStore): void {
  test(
    'posts are numbered from 1 in each project, in the order they were handed over, and come back word for word',
    Trial.run(open, async (trial) => {
      const odd = post('"quotes" \u{1f6f0}\n\u202e', {
        metadata: '{"__proto__":1}',
        session: 's',
        turn: 't',
      });

      const rows = await Promise.all([
        trial.store.timelines.add(odd, null),
        trial.store.timelines.add(post('b', { project: 'other' }), null),
        trial.store.timelines.add(post('c'), null),
      ]);

      expect(rows.map(({ row }) => [row.project, row.id])).toEqual([
        ['default', 1],
        ['other', 1],
        ['default', 2],
      ]);
      const { posts, head, pruned, next } = await trial.store.timelines.page(page());
      expect(posts).toEqual([
        { ...odd, id: 1 },
        { ...post('c'), id: 2 },
      ]);
      expect([head, pruned, next]).toEqual([2, 0, null]);
    }),
  );

  test(
    'the same once-key of the same author is one post, over a reopening, and of another author another',
    Trial.run(open, async (trial) => {
      const first = await trial.store.timelines.add(post('a'), 'k');
      await trial.reopen();

      const again = await trial.store.timelines.add(post('b'), 'k');
      const other = await trial.store.timelines.add(post('c', { identity: 'sal' }), 'k');
      const session = await trial.store.timelines.add(post('d', { identity: null, session: 's' }), 'k');
      const project = await trial.store.timelines.add(post('e', { project: 'other' }), 'k');

      expect([first.isNew, again.isNew, other.isNew, session.isNew, project.isNew]).toEqual([
        true,
        false,
        true,
        true,
        true,
      ]);
      expect(again.row).toEqual(first.row);
      expect((await trial.store.timelines.page(page())).head).toBe(3);
      const { timelines } = trial.store;
      expect(await timelines.byOnce('default', first.row.identity ?? '', 'k')).toEqual(first.row);
      expect(await timelines.byOnce('default', 's', 'k')).toEqual(session.row);
      expect(await timelines.byOnce('default', 's', 'j')).toBe(null);
      expect(await timelines.byOnce('other', 's', 'k')).toBe(null);
    }),
  );

  test(
    'a closed store takes no post and shows none',
    Trial.run(open, async (trial) => {
      await trial.store.close();

      expect(await codeOf(trial.store.timelines.add(post('a'), null))).toBe('runtime.draining');
      expect(await codeOf(trial.store.timelines.page(page()))).toBe('runtime.draining');
      await trial.reopen();
    }),
  );
}

function paging({ test, expect }: TestRunner, open: OpenStore): void {
  test(
    'pages in both directions meet every post once, however many share one time',
    Trial.run(open, async (trial) => {
      await posted(trial, numbers(25), { at: 7 });
      const seen: { up: number[]; down: number[] } = { up: [], down: [] };

      for (let after: number | null = 0; after !== null;) {
        const found = await trial.store.timelines.page(page({ from: { after }, limit: 10 }));
        seen.up.push(...ids(found.posts));
        after = found.next;
      }
      for (let before: number | null = Number.MAX_SAFE_INTEGER; before !== null;) {
        const found = await trial.store.timelines.page(page({ from: { before }, limit: 10 }));
        seen.down.push(...ids(found.posts));
        before = found.next;
      }

      expect(seen.up).toEqual(numbers(25).map(Number));
      expect(seen.down).toEqual(numbers(25).map(Number).reverse());
    }),
  );

  test(
    'pages by author, session and time have those alone, also where the clock went back',
    Trial.run(open, async (trial) => {
      const { timelines } = trial.store;
      await posted(trial, ['a'], { at: 10, identity: 'hal' });
      await posted(trial, ['b'], { at: 30, identity: 'sal', session: 's' });
      await posted(trial, ['c'], { at: 20, identity: 'hal', session: 's' });
      await posted(trial, ['d'], { at: 40, identity: 'hal', session: 't' });
      await posted(trial, ['e'], { project: 'other' });
      const of = async (more: Partial<PostsFilter>): Promise<string> =>
        (await timelines.page(page(more))).posts.map(({ content }) => content).join('');

      expect(await of({ identity: 'hal' })).toBe('acd');
      expect(await of({ session: 's' })).toBe('bc');
      expect(await of({ identity: 'hal', session: 's' })).toBe('c');
      expect(await of({ since: 20 })).toBe('bcd');
      expect(await of({ until: 30 })).toBe('ac');
      expect(await of({ since: 20, until: 40, from: { before: 9 } })).toBe('cb');
      expect(await of({ identity: 'hal', since: 20, from: { after: 3 } })).toBe('d');
      expect(await of({ identity: 'nobody' })).toBe('');
    }),
  );

  test(
    'a page holds at most 200, and at least one',
    Trial.run(open, async (trial) => {
      await Promise.all(numbers(201).map((content) => trial.store.timelines.add(post(content), null)));

      const most = await trial.store.timelines.page(page({ limit: 1_000_000 }));
      const least = await trial.store.timelines.page(page({ limit: -1 }));

      expect([most.posts.length, most.next]).toEqual([200, 200]);
      expect([least.posts.length, least.next]).toEqual([1, 1]);
    }),
  );

  test(
    'following the pages of a rare author or time ends with all of them, in bounded steps',
    Trial.run(open, async (trial) => {
      const count = 4_100;
      await Promise.all(
        numbers(count).map((content) =>
          trial.store.timelines.add(post(content, { at: Number(content) === 3 ? 99 : 1 }), null),
        ),
      );
      const seen: number[] = [];

      for (let before: number | null = count + 1; before !== null;) {
        const found = await trial.store.timelines.page(page({ from: { before }, since: 50 }));
        seen.push(...ids(found.posts));
        before = found.next;
      }

      expect(seen).toEqual([3]);
    }),
  );
}

function leaving({ test, expect }: TestRunner, open: OpenStore): void {
  test(
    'pruning takes the oldest in bounded steps, by number and by age, and readers can tell',
    Trial.run(open, async (trial) => {
      const { timelines } = trial.store;
      await posted(trial, numbers(4), { at: 10 });
      await posted(trial, numbers(4), { at: 20 });
      const prune = (before: number, countMax: number, limit = 3): Promise<number> =>
        timelines.prune({ project: 'default', before, countMax, limit });
      const left = async (): Promise<[number[], number, number]> => {
        const { posts, head, pruned } = await timelines.page(page());
        return [ids(posts), head, pruned];
      };

      expect(await prune(10, Infinity)).toBe(0);
      expect(await prune(0, 7)).toBe(1);
      expect(await left()).toEqual([[2, 3, 4, 5, 6, 7, 8], 8, 1]);
      expect([await prune(15, 100, 2), await prune(15, 100, 2)]).toEqual([2, 1]);
      expect(await left()).toEqual([[5, 6, 7, 8], 8, 4]);
      expect([await prune(99, 100), await prune(99, 100), await prune(99, 100)]).toEqual([3, 1, 0]);
      await trial.reopen();
      expect(await trial.store.timelines.page(page())).toEqual({ posts: [], next: null, head: 8, pruned: 8 });
      expect(ids(await posted(trial, ['later']))).toEqual([9]);
    }),
  );

  test(
    'a post stamped in the future by a clock that went wrong is not pruned over by its age',
    Trial.run(open, async (trial) => {
      await posted(trial, ['a'], { at: 10 });
      await posted(trial, ['b'], { at: 1_000 });
      await posted(trial, ['c'], { at: 11 });

      expect(
        await trial.store.timelines.prune({ project: 'default', before: 100, countMax: 9, limit: 9 }),
      ).toBe(1);
      expect(ids((await trial.store.timelines.page(page())).posts)).toEqual([2, 3]);
    }),
  );

  test(
    'erasing a session takes what it posted itself, and its name from what others posted',
    Trial.run(open, async (trial) => {
      const { num } = await trial.make('a');
      const session = 'id of a';
      await posted(trial, ['own'], { identity: null, session, turn: 't' });
      await posted(trial, ['about'], { session, turn: 't' });
      await posted(trial, ['other'], { identity: null, session: 'id of b' });

      await trial.store.erase(num);

      const { posts, pruned } = await trial.store.timelines.page(page());
      expect(posts.map((row) => [row.content, row.session, row.turn])).toEqual([
        ['about', null, null],
        ['other', 'id of b', null],
      ]);
      expect(pruned).toBe(0);
    }),
  );

  test(
    'a removed project takes its posts with it, and one of the same name goes on with the numbers',
    Trial.run(open, async (trial) => {
      await trial.store.addProject('p', 1);
      await posted(trial, ['a', 'b'], { project: 'p' });
      await posted(trial, ['c']);

      await trial.store.removeProject('p');
      await trial.store.addProject('p', 2);

      const { posts, head, pruned } = await trial.store.timelines.page(page({ project: 'p' }));
      expect([posts, head, pruned]).toEqual([[], 2, 2]);
      expect(ids(await posted(trial, ['d'], { project: 'p' }))).toEqual([3]);
      expect(ids((await trial.store.timelines.page(page())).posts)).toEqual([1]);
      expect(await trial.store.timelines.projects('', 9)).toEqual(['default', 'p']);
      expect(await trial.store.timelines.projects('default', 9)).toEqual(['p']);
    }),
  );
}
