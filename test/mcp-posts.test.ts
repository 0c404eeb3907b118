// What a post carries besides its words, which posts are read, and what sessions post by themselves, over MCP.
import { expect, onTestFinished, test } from 'vitest';
import { call, refused, serve } from './mcp-support.ts';

test('a post carries facts for programs, within bounds', async () => {
  const served = await serve();
  const client = await served.client('modern');
  const { sign_in } = (await call(client, 'sign_in', { name: 'Hal' })).value;
  const metadata = { build: { id: 7, passed: true } };

  await call(client, 'post_timeline', { sign_in, content: 'Built', metadata });
  const { value } = await call(client, 'read_timeline');
  const codes = [
    await refused(client, 'post_timeline', { sign_in, content: 'x', metadata: ['a list'] }),
    await refused(client, 'post_timeline', { sign_in, content: 'x', metadata: { long: 'x'.repeat(5_000) } }),
  ];

  expect(value.posts).toMatchObject([{ content: 'Built', metadata }]);
  expect(codes).toEqual(['input.invalid', 'input.invalid']);
});

test('the timeline is read of a span of time, and what is no time is refused', async () => {
  const client = await (await serve()).client('modern');
  const { sign_in } = (await call(client, 'sign_in', { name: 'Hal' })).value;
  const { at } = (await call(client, 'post_timeline', { sign_in, content: 'Now' })).value;
  const later = new Date(Date.parse(at) + 1).toISOString();
  const read = async (args: object): Promise<number> =>
    (await call(client, 'read_timeline', { ...args })).value.posts.length;

  const found = [
    await read({ since: at }),
    await read({ since: later }),
    await read({ until: later }),
    await read({ until: at }),
    await read({ since: at, until: later }),
  ];

  expect(found).toEqual([1, 0, 1, 0, 1]);
  expect(await refused(client, 'read_timeline', { since: 'yesterday' })).toBe('input.invalid');
});

test('a cursor that the timeline has not reached is refused by its name', async () => {
  const client = await (await serve()).client('modern');

  expect(await refused(client, 'read_timeline', { after: 1_000 })).toBe('cursor.ahead');
});

test('a session that is started so posts by itself when a turn has ended', async () => {
  const served = await serve();
  const client = await served.client('modern');
  await call(client, 'start_session', { session: 'a', posts: ['turn'] });
  const tail = await served.runtime.timeline.follow({}, served.host);
  onTestFinished(() => tail.close());

  await call(client, 'send_message', { session: 'a', message: 'hello' });

  await tail.next();
  const { value } = await call(client, 'read_timeline', { session: 'a' });
  expect(value.posts).toMatchObject([{ author: { identity: null } }]);
  expect(await refused(client, 'start_session', { session: 'b', posts: ['lunch'] })).toBe('input.invalid');
});
