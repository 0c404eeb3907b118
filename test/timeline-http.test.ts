// The timeline over HTTP: who may post and read, what comes back, and a stream that can be left and found again.
import { beforeEach, describe, expect, test } from 'vitest';
import type { PostView } from '../src/wire/post.ts';
import { seededRandom } from './client-stand-in.ts';
import { follow, framesOf, noTails, SSE } from './http-reading.ts';
import { type Answer, codeOf, serve, type Served, statusOf } from './http-support.ts';

const POSTS = '/v1/posts';
let served: Served;
/** Hal's sign-in. */
let hal: string;

beforeEach(async () => {
  served = await serve();
  hal = await signIn('Hal');
});

async function signIn(name: string, within = served): Promise<string> {
  const { token } = await within.runtime.signIns.signIn({ name, context: 'bridge' }, within.host);
  return token;
}

const post = (content: unknown, more: Record<string, unknown> = {}, token = hal): Promise<Answer> =>
  served.call('POST', POSTS, { body: { content, ...more }, token });

const read = (query = '', token = served.token): Promise<Answer> =>
  served.call('GET', `${POSTS}${query}`, { token });

const contents = ({ json }: Answer): string[] => (json['posts'] as PostView[]).map(({ content }) => content);
const idsOf = ({ json }: Answer): number[] => (json['posts'] as PostView[]).map(({ id }) => id);
const seen = (text: string): number[] =>
  framesOf(text)
    .filter(({ event }) => event === 'post')
    .map(({ id }) => Number(id));

/** As many as are asked for, by as many identities as that takes. */
async function many(count: number): Promise<void> {
  for (let made = 0; made < count; made += 25) {
    const token = await signIn(`crew ${made}`);
    for (let one = made; one < Math.min(count, made + 25); one += 1) await post(`${one + 1}`, {}, token);
  }
}

describe('posting', () => {
  test('by one who is signed in makes a post with its name on it, which others read', async () => {
    const answer = await post('  Docked at port 4.  ', { metadata: { port: 4 } });

    const page = await read();
    expect(answer.status).toBe(201);
    expect(answer.json).toMatchObject({
      id: 1,
      project: served.project,
      author: {
        name: 'Hal',
        context: 'bridge',
        displayName: 'Hal - bridge',
        identity: expect.any(String) as string,
      },
      content: 'Docked at port 4.',
      metadata: { port: 4 },
      session: null,
      turn: null,
    });
    expect(String(answer.json['at'])).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(page.json).toEqual({ posts: [answer.json], next: null, head: 1, pruned: 0 });
  });

  test('needs a sign-in: a token may do everything else, and speaks for nobody', async () => {
    const all = await post('x', {}, served.token);
    const none = await served.call('POST', POSTS, { body: { content: 'x' }, token: null });

    expect([all.status, all.json['code'], none.status]).toEqual([403, 'auth.scope', 401]);
    expect((await read()).json).toMatchObject({ posts: [], head: 0 });
  });

  test('names nobody but the one who is signed in, whatever the call says', async () => {
    const answers = await Promise.all(
      [{ author: { name: 'Sal' } }, { identity: 'x' }, { project: 'other' }, { id: 1 }, { at: 'now' }].map(
        (claim) => post('x', claim),
      ),
    );

    expect(answers.map(({ status, json }) => [status, json['code']])).toEqual(
      Array(5).fill([400, 'input.unknown_field']),
    );
  });

  test('by one who has signed out is refused, and nothing is posted', async () => {
    await served.runtime.signIns.signOut(hal);

    const answer = await post('I am still here');

    expect([answer.status, answer.json['code']]).toEqual([401, 'sign-in.ended']);
    expect((await read()).json['head']).toBe(0);
  });

  test.each([
    ['nothing', undefined],
    ['a blank', ' \n '],
    ['281 characters', 'x'.repeat(281)],
    ['a number', 5],
    ['null', null],
    ['a list', ['x']],
    ['a control character', 'a\u0007b'],
  ])('of %s is refused with the place', async (_what, content) => {
    const answer = await post(content);

    expect([answer.status, answer.json['code']]).toEqual([400, 'input.invalid']);
    expect(answer.json['detail']).toContain('/content');
  });

  test('twice with one Idempotency-Key is once, and with other words a conflict', async () => {
    const send = (content: string): Promise<Answer> =>
      served.call('POST', POSTS, { body: { content }, token: hal, headers: { 'Idempotency-Key': 'k' } });

    const both = [await send('a'), await send('a')];
    const other = await send('b');

    expect(both[1]?.json).toEqual(both[0]?.json);
    expect([other.status, other.json['code']]).toEqual([422, 'idempotency.conflict']);
    expect((await read()).json['head']).toBe(1);
  });

  test('too often is 429 with the time to wait, for that identity alone', async () => {
    const sal = await signIn('Sal');
    const answers = await Promise.all(Array.from({ length: 32 }, (_each, index) => post(`${index}`)));
    const other = await post('x', {}, sal);

    const refused = answers.filter(({ status }) => status === 429);
    expect(refused).toHaveLength(2);
    expect(refused[0]?.json).toMatchObject({ code: 'timeline.limit', next: 'retry' });
    expect(Number(refused[0]?.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(other.status).toBe(201);
  });

  test('may name a session and a turn of this project, and none that is not there or is another’s', async () => {
    const other = await serve();
    await served.call('POST', '/v1/sessions/a/turns', {
      body: { input: 'x' },
      headers: { Prefer: 'wait=30' },
    });
    await other.call('PUT', '/v1/sessions/b');
    const { id: session } = await served.runtime.session('a', served.host);
    const { id: foreign } = await other.runtime.session('b', other.host);
    const [turn] = await served.runtime.turns('a', {}, served.host);

    const good = await post('about that', { session, turn: turn?.id });
    const bad = [
      await post('x', { session: foreign }),
      await post('x', { session: 'a' }),
      await post('x', { session, turn: 'x' }),
      await post('x', { turn: turn?.id }),
    ];

    expect(good.json).toMatchObject({ session, turn: turn?.id });
    expect(bad.map(({ status, json }) => [status, json['code']])).toEqual([
      [404, 'session.not_found'],
      [404, 'session.not_found'],
      [404, 'turn.not_found'],
      [400, 'input.invalid'],
    ]);
    expect(contents(await read(`?session=${session}`))).toEqual(['about that']);
  });
});

describe('reading', () => {
  test('needs the scope for it, in the project the posts are of', async () => {
    const other = await serve();
    await post('ours');
    const { secret: sender } = await served.newToken({ scopes: ['send', 'post'] });
    const { secret: reader } = await served.newToken({ scopes: ['read'] });

    const theirs = await other.call('GET', POSTS);
    const refused = [await read('', sender)];
    const streams = await served.call('GET', POSTS, { token: sender, headers: SSE });

    expect(theirs.json).toEqual({ posts: [], next: null, head: 0, pruned: 0 });
    expect([...refused, streams].map(({ status, json }) => [status, json['code']])).toEqual(
      Array(2).fill([403, 'auth.scope']),
    );
    expect(contents(await read('', reader))).toEqual(['ours']);
  });

  test('needs no more than a sign-in, which reads the timeline of its project and of no other', async () => {
    const other = await serve();
    await post('ours');
    const theirs = await signIn('Sal', other);

    const elsewhere = await served.call('GET', POSTS, {
      token: hal,
      headers: { 'Sojourn-Project': other.project },
    });

    expect(contents(await read('', hal))).toEqual(['ours']);
    expect(contents(await other.call('GET', POSTS, { token: theirs }))).toEqual([]);
    expect([elsewhere.status, elsewhere.json['code']]).toEqual([403, 'auth.scope']);
  });

  test('goes through all posts in both directions, newest first unless told otherwise', async () => {
    await many(45);
    const all = Array.from({ length: 45 }, (_each, index) => index + 1);
    const walk = async (name: 'after' | 'before', from: string): Promise<number[]> => {
      const ids: number[] = [];
      for (let at: string | number | null = from; at !== null;) {
        const page = await read(`?limit=10${at === '' ? '' : `&${name}=${at}`}`);
        ids.push(...idsOf(page));
        at = page.json['next'] as number | null;
      }
      return ids;
    };

    expect(await walk('before', '')).toEqual(all.toReversed());
    expect(await walk('after', '0')).toEqual(all);
    expect(idsOf(await read('?before=4'))).toEqual([3, 2, 1]);
    expect(idsOf(await read('?after=43'))).toEqual([44, 45]);
  });

  test('gives 100 at a time unless told otherwise, and 200 however many are asked for', async () => {
    await many(203);

    expect(idsOf(await read())).toHaveLength(100);
    expect(idsOf(await read('?limit=100000'))).toHaveLength(200);
    expect((await read('?limit=0')).status).toBe(400);
    expect((await read('?limit=-1')).status).toBe(400);
    expect((await read('?limit=many')).status).toBe(400);
  });

  test('chooses by identity and by time', async () => {
    const sal = await signIn('Sal');
    await post('a');
    const { at } = (await post('b', {}, sal)).json;
    const { identity } = (await post('c', {}, sal)).json['author'] as PostView['author'];
    const time = encodeURIComponent(String(at));

    expect(contents(await read(`?identity=${identity}`))).toEqual(['c', 'b']);
    expect(contents(await read('?identity=nobody'))).toEqual([]);
    expect(contents(await read(`?since=${time}`)).slice(0, 2)).toEqual(['c', 'b']);
    expect(contents(await read(`?until=${time}`))).not.toContain('b');
    expect(contents(await read('?since=2999-01-01T00:00:00Z'))).toEqual([]);
    expect(contents(await read('?until=2999-01-01T00:00:00%2B02:00'))).toHaveLength(3);
  });

  test.each([
    'since=yesterday',
    'since=2030-13-01T00:00:00Z',
    'since=2030-01-01',
    'until=1e9',
    'after=1&before=3',
    'identity=',
    `identity=${'x'.repeat(201)}`,
    'identity=a&identity=b',
  ])('of ?%s is refused as bad input', async (query) => {
    const answer = await read(`?${query}`);

    expect([answer.status, answer.json['code']]).toEqual([400, 'input.invalid']);
  });
});

describe('following', () => {
  test('begins with where it stands, and shows each post as it comes, once', async () => {
    await post('before');
    const reader = await follow(served, POSTS);
    await post('a');
    await post('b');

    const text = await reader.until('id: 3\n');

    expect(framesOf(text)[0]).toEqual({ id: '1', event: 'timeline', data: '{"after":1}' });
    expect(seen(text)).toEqual([2, 3]);
    expect(JSON.parse(framesOf(text)[1]?.data ?? '')).toMatchObject({
      id: 2,
      content: 'a',
      author: { name: 'Hal' },
    });
  });

  test.each([
    ['after', `${POSTS}?after=1`, ''],
    ['Last-Event-ID', POSTS, 'Last-Event-ID: 1\r\n'],
    ['Last-Event-ID, which wins', `${POSTS}?after=0`, 'Last-Event-ID: 1\r\n'],
    ['a time', `${POSTS}?since=2020-01-01T00:00:00Z&after=1`, ''],
  ])('from %s on shows what was missed, and then what comes', async (_what, path, headers) => {
    for (const content of ['a', 'b', 'c']) await post(content);

    const reader = await follow(served, path, headers);
    await reader.until('id: 3\n');
    await post('d');

    expect(seen(await reader.until('id: 4\n'))).toEqual([2, 3, 4]);
  });

  test('one identity shows its posts alone', async () => {
    const sal = await signIn('Sal');
    const { identity } = (await post('a', {}, sal)).json['author'] as PostView['author'];
    const reader = await follow(served, `${POSTS}?identity=${identity}&after=0`);

    await post('b');
    await post('c', {}, sal);

    expect(seen(await reader.until('id: 3\n'))).toEqual([1, 3]);
  });

  test('a reader who leaves and comes back again and again has missed nothing and seen nothing twice', async () => {
    const random = seededRandom(7);
    const all: number[] = [];
    let last = '';
    const posting = many(120);

    while (all.length < 120) {
      const reader = await follow(
        served,
        last === '' ? `${POSTS}?after=0` : POSTS,
        last === '' ? '' : `Last-Event-ID: ${last}\r\n`,
      );
      await reader.until(`id: ${(all.at(-1) ?? 0) + 1}\n`);
      reader.socket.destroy();
      const whole = reader.text.slice(0, reader.text.lastIndexOf('\n\n') + 2);
      const some = seen(whole).slice(0, 1 + Math.floor(random() * 9));
      all.push(...some);
      last = String(all.at(-1) ?? '');
    }
    await posting;

    expect(all).toEqual(Array.from({ length: 120 }, (_each, index) => index + 1));
  });

  test.each(['-1', '0x10', '1e3', 'NaN', '1'.repeat(400), '', ' ', '1.0', '+1'])(
    'from %j is refused: that is no cursor',
    async (cursor) => {
      const answer = await served.raw(
        `${served.head(`GET ${POSTS}`)}Accept: text/event-stream\r\nLast-Event-ID: ${cursor}\r\nConnection: close\r\n\r\n`,
      );
      const page = await read(`?after=${encodeURIComponent(cursor)}`);
      const back = await read(`?before=${encodeURIComponent(cursor)}`);

      expect([statusOf(answer), codeOf(answer)]).toEqual([400, 'cursor.invalid']);
      expect([page.json['code'], back.json['code']]).toEqual(['cursor.invalid', 'cursor.invalid']);
    },
  );

  test('from beyond the newest is refused, by the page and by the stream', async () => {
    await post('a');

    const answers = [await read('?after=2'), await served.call('GET', `${POSTS}?after=2`, { headers: SSE })];

    expect(answers.map(({ status, json }) => [status, json['code']])).toEqual(
      Array(2).fill([400, 'cursor.ahead']),
    );
  });

  test('backwards, or up to a time, has no meaning and is refused', async () => {
    for (const query of ['before=3', 'until=2030-01-01T00:00:00Z', 'limit=3']) {
      const answer = await served.call('GET', `${POSTS}?${query}`, { headers: SSE });
      expect([answer.status, answer.json['code']]).toEqual([400, 'input.invalid']);
    }
  });

  test('ends when the token is revoked', async () => {
    const { id, secret } = await served.newToken({ scopes: ['read'] });
    const reader = await served.wire();
    reader.write(
      `${served.head(`GET ${POSTS}`).replace(served.token, secret)}Accept: text/event-stream\r\n\r\n`,
    );
    await reader.until('event: timeline');

    await served.runtime.removeToken(id, served.host);

    expect(await reader.until('0\r\n\r\n')).not.toContain('event: post');
  });

  test('leaves nothing behind when the reader leaves, and asks HEAD for headers alone', async () => {
    await noTails(served); // Of others.
    const reader = await follow(served, POSTS);
    expect(served.runtime.stats().tails).toBe(1);

    reader.socket.destroy();
    await noTails(served);
    const head = await served.call('HEAD', POSTS, { headers: SSE });

    expect([head.status, head.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
    expect(served.runtime.stats().tails).toBe(0);
  });

  test('a hundred readers get one post, all of them the same', async () => {
    const readers = await Promise.all(Array.from({ length: 100 }, () => follow(served, POSTS)));

    await post('for all');
    const texts = await Promise.all(readers.map((reader) => reader.until('for all')));

    expect(new Set(texts.map((text) => framesOf(text).at(-1)?.data)).size).toBe(1);
  });
});
