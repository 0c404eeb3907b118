// The traps of the timeline, each shown as what somebody saw, over the real store and the real server.
//
//   D-3    'who has signed out posts no more, in no other process and after no restart'
//   D-8    'a post of 280 emoji between blanks is one of 280 characters'
//   D-9    'a post that is no text is refused by a code, and no answer says anything of the database'
//   D-10   'while the store is down a post is an error to try again, and nobody is told to sign in anew'
//   D-15   'what is remembered of those who posted is bounded, however many they are'
//   D-15   'what a reader changes in a post is changed for nobody else'
//   D-16   'posts keep their order when the clock goes back, and their times are UTC'
//   D-17   'nobody posts as System, or as anybody, with an id that is in the data'
//   D-19   'posts of one and the same millisecond are all met, whichever way one pages and wherever a page ends'
//   D-19   'a limit of a million gives a page, and no more'
//   D-19   'a follower that lost its connection goes on behind the last post it saw'
//   D-19   'a follower that takes nothing is dropped alone, and finds everything again'
//   D-19   'a follower whose next posts are gone is told so, and never goes on as if there had been none'
//   D-20   'the seed of a picture finds nobody'
//
// And the lines of the checklist that concern posts: 'a post is trimmed; a blank, 281 characters, no text and no sign-in
// are refused'.
import { connect as connectSocket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { SojournError } from '../src/kernel/errors.ts';
import { Allowance } from '../src/log/allowance.ts';
import { hostCaller } from '../src/runtime/access.ts';
import { ManualClock } from '../src/testing/manual-clock.ts';
import type { PostView } from '../src/wire/post.ts';
import { framesOf } from './http-reading.ts';
import { TimelineServer } from './timeline-server.ts';

let server: TimelineServer;
let hal: string;

beforeEach(async () => {
  server = await TimelineServer.open({ limits: { postBurst: 100_000 } });
  hal = await server.signIn('Hal');
});
afterEach(() => server.close());

const post = (content: unknown, token = hal): Promise<Response> =>
  server.call('POST', '/v1/posts', token, { content });

async function codeOf(answer: Promise<Response> | Response): Promise<[number, unknown]> {
  const response = await answer;
  return [response.status, ((await response.json()) as { code?: unknown }).code];
}

/** As many as are asked for, at once: they share their times. */
async function many(count: number): Promise<void> {
  const caller = await server.world.runtime.signIns.speaker(hal);
  const metadata = { x: 'x'.repeat(4_000) };
  await Promise.all(
    Array.from({ length: count }, (_each, index) =>
      server.world.runtime.timeline.post({ content: String(index + 1), metadata }, {}, caller),
    ),
  );
}

const ids = (posts: readonly { id: number }[]): number[] => posts.map(({ id }) => id);
const upTo = (last: number): number[] => Array.from({ length: last }, (_each, index) => index + 1);

test('a post is trimmed; a blank, 281 characters, no text and no sign-in are refused', async () => {
  const good = (await (await post('  hello \n')).json()) as PostView;
  const bad = [await post('  '), await post('x'.repeat(281)), await post(7), await post(undefined)];
  const nobody = [await post('x', server.token), await post('x', 'soj_in_nobody')];

  expect(good).toMatchObject({ id: 1, content: 'hello', author: { displayName: 'Hal' } });
  expect(await Promise.all(bad.map(codeOf))).toEqual(Array(4).fill([400, 'input.invalid']));
  expect(await Promise.all(nobody.map(codeOf))).toEqual([
    [403, 'auth.scope'],
    [401, 'auth.required'],
  ]);
});

test('who has signed out posts no more, in no other process and after no restart', async () => {
  const other = await server.signIn('Hal');
  await server.world.runtime.signIns.signOut(hal);

  const before = await codeOf(post('still me'));
  const second = await post('me, elsewhere', other);
  await server.restart();
  const after = await codeOf(post('still me'));

  expect([before, after]).toEqual([
    [401, 'sign-in.ended'],
    [401, 'sign-in.ended'],
  ]);
  expect(second.status).toBe(201);
});

test('a post of 280 emoji between blanks is one of 280 characters', async () => {
  const ships = '\u{1f6f0}'.repeat(280);

  expect(((await (await post(` ${ships}\t`)).json()) as PostView).content).toBe(ships);
  expect((await post(`${ships}!`)).status).toBe(400);
});

test('a post that is no text is refused by a code, and no answer says anything of the database', async () => {
  const odd = [null, {}, [], true, 5, "'; DROP TABLE posts; --", '\ud800'];
  const texts = await Promise.all(odd.map(async (content) => (await post(content)).text()));
  server.world.store.timelines.add = () =>
    Promise.reject(new Error('SQLITE_ERROR: near "posts": INSERT INTO posts (project) VALUES'));
  texts.push(await (await post('x')).text());

  for (const text of texts) expect(text).not.toMatch(/SQL|INSERT|sqlite|TypeError|\bat .*\.ts/);
  expect(texts.filter((text) => text.includes('"code"'))).toHaveLength(7);
});

test('while the store is down a post is an error to try again, and nobody is told to sign in anew', async () => {
  const { timelines } = server.world.store;
  const add = timelines.add.bind(timelines);
  timelines.add = () => Promise.reject(new SojournError('store.failed', 'The disk is gone'));
  const down = await post('x');
  timelines.add = add;

  expect(await codeOf(down)).toEqual([503, 'store.failed']);
  expect((await post('x')).status).toBe(201);
});

test('what is remembered of those who posted is bounded, however many they are', () => {
  const clock = new ManualClock();
  const allowance = new Allowance(clock, { burst: 1, perMinute: 1, rememberedMax: 100 });

  const first = Array.from({ length: 1_000 }, (_each, index) => allowance.take(`${index}`));
  const again = Array.from({ length: 1_000 }, (_each, index) => allowance.take(`${999 - index}`));

  expect(first.every((waitMs) => waitMs === 0)).toBe(true);
  expect(again.filter((waitMs) => waitMs > 0)).toHaveLength(100);
});

test('what a reader changes in a post is changed for nobody else', async () => {
  await post('as it was');
  const tails = [
    await server.world.runtime.timeline.follow({ after: 0 }),
    await server.world.runtime.timeline.follow({ after: 0 }),
  ];
  await post('live');

  for (const tail of tails) {
    for (const seen of await tail.next()) {
      expect(() => Object.assign(seen, { content: 'forged' })).toThrow(TypeError);
      expect(() => Object.assign(seen.author, { name: 'Sal' })).toThrow(TypeError);
    }
    tail.close();
  }
  const { posts } = await server.world.runtime.timeline.page();
  expect(posts.map(({ content, author }) => [content, author.name])).toEqual([
    ['live', 'Hal'],
    ['as it was', 'Hal'],
  ]);
});

test('posts keep their order when the clock goes back, and their times are UTC', async () => {
  await post('first');
  server.world.clock.jumpWall(-3_600_000);
  await post('second');
  server.world.clock.jumpWall(7_200_000);
  await post('third', await server.signIn('Hal')); // To the other sign-in the jump was two idle hours.

  const up = await server.world.runtime.timeline.page({ after: 0 });
  const since = await server.world.runtime.timeline.page({ after: 0, since: '2029-12-31T23:30:00Z' });

  expect(up.posts.map(({ content, at }) => [content, at])).toEqual([
    ['first', '2030-01-01T00:00:00.000Z'],
    ['second', '2029-12-31T23:00:00.000Z'],
    ['third', '2030-01-01T01:00:00.000Z'],
  ]);
  expect(since.posts.map(({ content }) => content)).toEqual(['first', 'third']);
});

test('nobody posts as System, or as anybody, with an id that is in the data', async () => {
  await post('x');
  const db = new DatabaseSync(join(server.world.folder, 'sojourn.db'), { readOnly: true });
  const cells = ['signIns', 'identities', 'posts', 'timelines', 'tokens']
    .flatMap((table) => db.prepare(`SELECT * FROM ${table}`).all())
    .flatMap((row) => Object.values(row))
    .filter((cell) => typeof cell === 'string');
  db.close();

  const tried = ['system-init-001', 'System', ...cells].filter((text) => /^[\x21-\x7e]{1,200}$/.test(text));
  const answers = await Promise.all(tried.map(async (text) => (await post('I am System', text)).status));

  expect(tried.length).toBeGreaterThan(10);
  expect(new Set(answers)).toEqual(new Set(answers.map((status) => (status === 429 ? 429 : 401))));
  expect(answers).not.toContain(201);
  expect(cells).not.toContain(hal);
});

test('posts of one and the same millisecond are all met, whichever way one pages and wherever a page ends', async () => {
  await many(23);
  const { timeline } = server.world.runtime;
  const walk = async (name: 'after' | 'before', at: number, limit: number): Promise<number[]> => {
    const seen: number[] = [];
    for (let next: number | null = at; next !== null;) {
      const page = await timeline.page({ [name]: next, limit });
      expect(new Set(page.posts.map((one) => one.at)).size).toBeLessThanOrEqual(1);
      seen.push(...ids(page.posts));
      next = page.next;
    }
    return seen;
  };

  for (const limit of [1, 2, 5, 22, 23, 24]) {
    expect(await walk('after', 0, limit)).toEqual(upTo(23));
    expect(await walk('before', 24, limit)).toEqual(upTo(23).toReversed());
  }
});

test('a limit of a million gives a page, and no more', async () => {
  await many(201);

  const answer = await server.call('GET', '/v1/posts?limit=1000000', server.token);

  expect(((await answer.json()) as { posts: unknown[] }).posts).toHaveLength(200);
});

test('a follower that lost its connection goes on behind the last post it saw', async () => {
  await many(3);
  const first = await server.call('GET', '/v1/posts?after=1', server.token, undefined, SSE);
  const seen = await frames(first, 2);
  await post('while it was away');

  const again = await server.call('GET', '/v1/posts', server.token, undefined, {
    ...SSE,
    'Last-Event-ID': String(seen.at(-1)),
  });

  expect(seen).toEqual([2, 3]);
  expect(await frames(again, 1)).toEqual([4]);
});

test('a follower that takes nothing is dropped alone, and finds everything again', async () => {
  await many(3_000);
  const url = new URL(server.url);
  const stuck = connectSocket({ host: url.hostname, port: Number(url.port) });
  stuck.pause();
  stuck.write(
    `GET /v1/posts?after=0 HTTP/1.1\r\nHost: ${url.host}\r\nAuthorization: Bearer ${server.token}\r\nAccept: text/event-stream\r\n\r\n`,
  );
  while (server.world.runtime.stats().tails === 0) await new Promise((resolve) => setImmediate(resolve));

  const other = await frames(
    await server.call('GET', '/v1/posts?after=0', server.token, undefined, SSE),
    3_000,
  );
  await server.face.close(0); // It waits for no reader that is stuck.
  const pieces: Buffer[] = [];
  for await (const piece of stuck.resume()) pieces.push(piece as Buffer);
  await server.restart();
  const whole = Buffer.concat(pieces).toString('latin1');
  const seen = idsIn(whole.slice(0, whole.lastIndexOf('\n\n') + 2));
  const rest = await frames(
    await server.call('GET', `/v1/posts?after=${seen.at(-1) ?? 0}`, server.token, undefined, SSE),
    3_000 - (seen.at(-1) ?? 0),
  );

  expect(other).toEqual(upTo(3_000));
  expect(seen.length).toBeLessThan(3_000);
  expect([...seen, ...rest]).toEqual(upTo(3_000));
});

test('a follower whose next posts are gone is told so, and never goes on as if there had been none', async () => {
  await many(5);
  await server.restart({ limits: { postsMax: 2 } });
  const { timeline } = server.world.runtime;
  while ((await timeline.page()).pruned === 0) await new Promise((resolve) => setImmediate(resolve));

  const stream = server.call('GET', '/v1/posts', server.token, undefined, { ...SSE, 'Last-Event-ID': '2' });
  const page = server.call('GET', '/v1/posts?after=2', server.token);

  expect(await Promise.all([codeOf(stream), codeOf(page)])).toEqual(Array(2).fill([410, 'timeline.pruned']));
  expect(await timeline.page()).toMatchObject({ posts: [{ id: 5 }, { id: 4 }], pruned: 3, head: 5 });
});

test('the seed of a picture finds nobody', async () => {
  const { author } = (await (await post('x')).json()) as PostView;

  const bySeed = await server.world.runtime.timeline.page({ identity: author.avatarSeed }, hostCaller());
  const byId = await server.world.runtime.timeline.page({ identity: author.identity ?? '' }, hostCaller());

  expect([bySeed.posts.length, byId.posts.length]).toEqual([0, 1]);
});

const SSE = { Accept: 'text/event-stream' };

const idsIn = (text: string): number[] =>
  framesOf(text)
    .filter(({ event }) => event === 'post')
    .map(({ id }) => Number(id));

/** The ids of the first posts of a stream, which is left then. */
async function frames(response: Response, count: number): Promise<number[]> {
  const seen: number[] = [];
  let rest = '';
  const decoder = new TextDecoder();
  for await (const piece of response.body ?? []) {
    rest += decoder.decode(piece, { stream: true });
    const end = rest.lastIndexOf('\n\n') + 2;
    seen.push(...idsIn(rest.slice(0, end)));
    rest = rest.slice(end);
    if (seen.length >= count) return seen.slice(0, count);
  }
  throw new Error(`The stream ended after ${seen.length} posts: ${rest.slice(0, 200)}`);
}
