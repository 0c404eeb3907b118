// The timeline through the client: what a program sees of it, whatever happens to the connections under it.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { connect, type Client, type PostView } from '../src/client/client.ts';
import { seededRandom } from './client-stand-in.ts';
import { TimelineServer } from './timeline-server.ts';

let server: TimelineServer;
let client: Client;
let hal: string;

beforeEach(async () => {
  server = await TimelineServer.open({ limits: { postBurst: 10_000 } });
  client = server.client();
  hal = await server.signIn('Hal');
});
afterEach(() => server.close());

async function collected(posts: AsyncIterable<PostView>, count = Infinity): Promise<string[]> {
  const contents: string[] = [];
  for await (const { content } of posts) {
    contents.push(content);
    if (contents.length >= count) break;
  }
  return contents;
}

const numbers = (to: number): string[] => Array.from({ length: to }, (_each, index) => String(index + 1));

test('a post is made with a sign-in beside the own token, or with a client that is one', async () => {
  const beside = await client.post('beside', { signIn: hal, metadata: { x: 1 } });
  const own = await server.client(hal).post('own');

  expect([beside, own]).toMatchObject([
    { id: 1, content: 'beside', author: { name: 'Hal' }, metadata: { x: 1 } },
    { id: 2, content: 'own', author: { name: 'Hal' } },
  ]);
  await expect(client.post('nobody')).rejects.toMatchObject({ code: 'auth.scope' });
});

test('a post whose answer was lost is sent again and counts once', async () => {
  let calls = 0;
  const flaky = connect({
    url: server.url,
    token: hal,
    fetch: async (...args) => {
      const response = await fetch(...args);
      calls += 1;
      if (calls > 2) return response;
      await response.arrayBuffer();
      throw new TypeError('the connection was lost');
    },
  });

  const post = await flaky.post('once');

  expect([calls, post.id]).toEqual([3, 1]);
  expect((await client.postPage()).head).toBe(1);
});

test('who posts too often hears so at once, with the time to wait', async () => {
  await server.restart({ limits: { postBurst: 1, postsPerMinute: 1 } });
  await client.post('a', { signIn: hal });

  await expect(client.post('b', { signIn: hal })).rejects.toMatchObject({
    code: 'timeline.limit',
    retryAfterMs: expect.any(Number) as number,
  });
});

test('all there is comes page after page, the newest first, or the oldest first after a cursor', async () => {
  for (const content of numbers(7)) await client.post(content, { signIn: hal });

  expect(await collected(client.timeline({ limit: 3 }))).toEqual(numbers(7).toReversed());
  expect(await collected(client.timeline({ limit: 3, after: 0 }))).toEqual(numbers(7));
  expect(await collected(client.timeline({ limit: 3, before: 3 }))).toEqual(['2', '1']);
  expect(await collected(client.timeline({ identity: 'nobody' }))).toEqual([]);
});

test('who follows sees each post once, in order, over restarts of the server, also before it saw the first', async () => {
  const random = seededRandom(5);
  const following = client.timeline({ follow: true });
  const first = following.next();
  while (server.world.runtime.stats().tails === 0) await new Promise((resolve) => setImmediate(resolve));
  await server.restart();
  await client.post('1', { signIn: hal }); // It may be posted before the follower is back.
  const all = [(await first).value?.content];

  const posting = (async () => {
    for (const content of numbers(40).slice(1)) {
      await client.post(content, { signIn: hal });
      if (random() < 0.1) await server.restart();
    }
  })();
  all.push(...(await collected(following, 39)));
  await posting;

  expect(all).toEqual(numbers(40));
});

test('who follows from a time or a cursor has what was, and then what comes', async () => {
  await client.post('early', { signIn: hal });
  await server.world.clock.advance(1_000);
  const since = new Date(server.world.clock.now()).toISOString();
  await client.post('late', { signIn: hal });

  const fromTime = collected(client.timeline({ follow: true, since }), 2);
  const fromCursor = collected(client.timeline({ follow: true, after: 0 }), 3);
  await client.post('new', { signIn: hal });

  expect(await fromTime).toEqual(['late', 'new']);
  expect(await fromCursor).toEqual(['early', 'late', 'new']);
});

test('who comes back after its next posts have been pruned is told, and goes on only when it asks anew', async () => {
  for (const content of numbers(5)) await client.post(content, { signIn: hal });
  await server.restart({ limits: { postsMax: 2 } });
  while ((await client.postPage()).pruned === 0) await new Promise((resolve) => setImmediate(resolve));

  await expect(client.timeline({ follow: true, after: 1 }).next()).rejects.toMatchObject({
    code: 'timeline.pruned',
  });
  await expect(client.timeline({ after: 1 }).next()).rejects.toMatchObject({ code: 'timeline.pruned' });
  expect(await collected(client.timeline({ after: 3 }))).toEqual(['4', '5']);
  expect(await collected(client.timeline({ after: 0 }))).toEqual(['4', '5']);
});

test('following ends with the signal’s reason, and with auth.required when the token is revoked', async () => {
  const stop = new AbortController();
  const reason = new Error('enough');
  const stopped = client.timeline({ follow: true, signal: stop.signal }).next();
  const { id, secret } = await client.addToken({ name: 'short', scopes: ['read'] });
  const revoked = server.client(secret).timeline({ follow: true }).next();
  while (server.world.runtime.stats().tails < 2) await new Promise((resolve) => setImmediate(resolve));

  const ends = Promise.allSettled([stopped, revoked]);
  stop.abort(reason);
  await client.removeToken(id);

  expect(await ends).toMatchObject([
    { status: 'rejected', reason },
    { status: 'rejected', reason: { code: 'auth.required' } },
  ]);
});
