// Posting: what a post may be, who it is by, how often, and for how long it is there.
import { describe, expect, test } from 'vitest';
import { SojournError } from '../src/kernel/errors.ts';
import { checkContent, postView } from '../src/log/post.ts';
import type { JsonObject } from '../src/kernel/json.ts';
import { codeOf, StoreFolder } from './store-folder.ts';
import { author, numbers, TimelineWorld } from './timeline-world.ts';

const at = new StoreFolder();
const world = async (...limits: ConstructorParameters<typeof TimelineWorld>[1][]): Promise<TimelineWorld> =>
  new TimelineWorld(await at.open(), ...limits);

const refused = (content: unknown): string => {
  try {
    checkContent(content);
    return 'nothing';
  } catch (error) {
    return error instanceof SojournError ? error.code : String(error);
  }
};

describe('what is posted', () => {
  test('may have 280 characters and not one more, counted as people count, after trimming', () => {
    const ships = '\u{1f6f0}'.repeat(280);

    expect(checkContent(`  ${'x'.repeat(280)}\n `)).toBe('x'.repeat(280));
    expect(checkContent(ships)).toBe(ships);
    expect(checkContent('e\u0301'.repeat(280))).toBe('\u00e9'.repeat(280));
    expect([refused('x'.repeat(281)), refused(`${ships}x`), refused('x'.repeat(10_000_000))]).toEqual(
      Array(3).fill('input.invalid'),
    );
  });

  test('must be text that can be seen', () => {
    const nothing = ['', '   ', '\n\t', '\u200b\u200d', '\u202e', '\u{e0041}', '\u0301', '\u00a0'];
    const noText = [undefined, null, 5, {}, ['x'], Symbol('x'), '\ud800', 'a\udc00b'];

    expect([...nothing, ...noText].map(refused)).toEqual(
      Array(nothing.length + noText.length).fill('input.invalid'),
    );
  });

  test('is kept as it was said, in any script, with line breaks; what steers a terminal is refused', () => {
    for (const said of [
      '<b>&amp;</b>',
      'a\nb\tc',
      '\u05d0\u202eb',
      '\u{1f3f4}\u{e0067}\u{e007f}',
      "'; DROP TABLE",
    ])
      expect(checkContent(said)).toBe(said);

    expect(checkContent('a\r\nb')).toBe('a\nb');
    for (const steering of ['\u0000', '\u001b[2J', '\u0007', '\u009b', '\u007f', '\r'])
      expect(refused(`a${steering}b`)).toBe('input.invalid');
  });

  test('comes back with its author as it was then, its metadata, and what it is about', async () => {
    const { post, page } = bound(await world());

    await post('Landed', {
      author: { ...author('Hal'), context: 'bridge', displayName: 'Hal - bridge' },
      metadata: { port: 4, deep: { list: [1, null] } },
      session: 's',
      turn: 't',
    });

    const [row] = (await page()).posts;
    expect(row && postView(row)).toEqual({
      id: 1,
      at: '2030-01-01T00:00:00.000Z',
      project: 'default',
      author: { ...author('Hal'), context: 'bridge', displayName: 'Hal - bridge' },
      content: 'Landed',
      metadata: { port: 4, deep: { list: [1, null] } },
      session: 's',
      turn: 't',
    });
  });

  test('may carry 4 KiB of metadata, and only what is JSON', async () => {
    const { post, page } = bound(await world());
    const cyclic: Record<string, unknown> = {};
    cyclic['self'] = cyclic;

    await post('just fits', { metadata: { x: 'x'.repeat(4_096 - 8) } });
    const refusals = [{ x: 'x'.repeat(4_096 - 7) }, { x: '\u20ac'.repeat(1_400) }, cyclic, [1], 5n].map(
      (metadata) => codeOf(post('no', { metadata: metadata as JsonObject })),
    );

    expect(await Promise.all(refusals)).toEqual(Array(5).fill('input.invalid'));
    expect((await page()).head).toBe(1);
  });
});

describe('the same post twice', () => {
  test('is one, for the same author and key; with other words it is a conflict', async () => {
    const { post, page } = bound(await world());

    const both = await Promise.all([post('a', { once: 'k' }), post('a', { once: 'k' })]);
    const other = await post('a', { once: 'k', author: author('Sal') });

    expect(both.map(({ id }) => id)).toEqual([1, 1]);
    expect(other.id).toBe(2);
    for (const changed of [{ content: 'b' }, { metadata: { x: 1 } }, { session: 's' }])
      expect(await codeOf(post('a', { once: 'k', ...changed }))).toBe('idempotency.conflict');
    expect((await page()).head).toBe(2);
  });

  test('is shown to a reader once', async () => {
    const { post, tail } = bound(await world());
    const reader = await tail(null);

    await post('a', { once: 'k' });
    await post('a', { once: 'k' });
    await post('b');

    expect((await reader.next()).map(({ content }) => content)).toEqual(['a', 'b']);
  });
});

describe('who posts too often', () => {
  test('is told when to try again, and may then; others are not kept waiting', async () => {
    const own = await world({ postBurst: 3, postsPerMinute: 6 });
    const { post } = bound(own);
    for (const content of ['a', 'b', 'c']) await post(content);

    const refusal: unknown = await post('d').catch((error: unknown) => error);
    await post('another', { author: author('Sal') });
    await own.clock.advance(9_999);
    const early = await codeOf(post('d'));
    await own.clock.advance(1);
    const { id } = await post('d');

    expect(refusal).toMatchObject({ code: 'timeline.limit', retryAfterMs: 10_000 });
    expect([early, id]).toEqual(['timeline.limit', 5]);
  });

  test('cannot get past the bound by posting all at once', async () => {
    const { post, page } = bound(await world({ postBurst: 5, postsPerMinute: 1 }));

    const codes = await Promise.all(numbers(1, 50).map((content) => codeOf(post(content))));

    expect(codes.filter((code) => code === 'none')).toHaveLength(5);
    expect(codes.filter((code) => code === 'timeline.limit')).toHaveLength(45);
    expect((await page()).head).toBe(5);
  });

  test('does not pay for posts that were refused, or that the store did not take', async () => {
    const store = await at.open();
    const { post } = bound(new TimelineWorld(store, { postBurst: 1, postsPerMinute: 1 }));

    const invalid = await codeOf(post(''));
    await store.close();
    const closed = [await codeOf(post('a')), await codeOf(post('a'))];

    expect(invalid).toBe('input.invalid');
    expect(closed).toEqual(['runtime.draining', 'runtime.draining']);
  });
});

describe('a post that repeats another', () => {
  test('costs nothing, however often, and is answered also when no more may be posted', async () => {
    const { post, page } = bound(await world({ postBurst: 2, postsPerMinute: 1 }));

    for (let at = 0; at < 5; at++) await post('a', { once: 'k' });
    const next = await post('b');
    const full = await codeOf(post('c', { once: 'l' }));
    const repeated = await post('a', { once: 'k' });

    expect([next.id, full, repeated.id]).toEqual([2, 'timeline.limit', 1]);
    expect(await codeOf(post('other words', { once: 'k' }))).toBe('idempotency.conflict');
    expect((await page()).head).toBe(2);
  });
});

describe('old posts', () => {
  test('leave by age and by number, many steps if need be, in every project; numbers go on', async () => {
    const own = await world({ postMsMax: 1_000, postsMax: 1_200 });
    const { post, page } = bound(own);
    await Promise.all(numbers(1, 1_100).map((content) => post(content)));
    await Promise.all(numbers(1, 5).map((content) => post(content, { project: 'other' })));
    await own.clock.advance(1_001);
    await Promise.all(numbers(1, 1_500).map((content) => post(content)));

    const pruned = await own.timeline.prune();

    expect(pruned).toBe(1_400 + 5);
    expect(await page({ limit: 1 })).toMatchObject({ posts: [{ id: 1_401 }], head: 2_600, pruned: 1_400 });
    expect(await page({ project: 'other' })).toMatchObject({ posts: [], head: 5, pruned: 5 });
    expect((await post('next', { project: 'other' })).id).toBe(6);
    expect(await own.timeline.prune()).toBe(0);
  });

  test('stay for ever where nothing says otherwise', async () => {
    const own = await world({ postMsMax: Infinity, postsMax: Infinity });
    await own.posts('a', 'b');
    await own.clock.advance(10 * 365 * 24 * 3_600_000);

    expect(await own.timeline.prune()).toBe(0);
    expect((await own.page()).posts).toHaveLength(2);
  });

  test('are left for later where pruning is told to stop between two steps', async () => {
    const own = await world({ postsMax: 1 });
    await Promise.all(numbers(1, 2_500).map((content) => own.post(content)));
    let steps = 0;

    const first = await own.timeline.prune(() => ++steps > 1);
    const rest = await own.timeline.prune();

    expect([first, rest]).toEqual([1_000, 1_499]);
  });
});

function bound(own: TimelineWorld) {
  return {
    post: own.post.bind(own),
    page: own.page.bind(own),
    tail: own.tail.bind(own),
  };
}
