// Transcripts and the timeline as resources: what a client can put before its model without a tool.
import { describe, expect, test } from 'vitest';
import { call, modern, serve, type Era, type Loose, type Served } from './mcp-support.ts';

const read = async (served: Served, uri: string): Promise<Loose> => {
  const client = await served.client('modern');
  const { contents } = await client.readResource({ uri });
  return JSON.parse((contents[0] as Loose).text);
};

describe.each<Era>(['modern', 'legacy'])('a client of the %s era', (era) => {
  test('finds the timeline and the newest conversations, and reads them', async () => {
    const client = await (await serve()).client(era);
    await call(client, 'start_session', { session: 'a/b c', title: 'Mail' });
    await call(client, 'send_message', { session: 'a/b c', message: 'hello' });

    const { resources } = await client.listResources();
    const { resourceTemplates } = await client.listResourceTemplates();
    const { contents } = await client.readResource({ uri: resources[1]?.uri ?? '' });

    expect(resources).toMatchObject([
      { uri: 'sojourn://timeline' },
      { uri: 'sojourn://sessions/a%2Fb%20c/transcript', title: 'Mail' },
    ]);
    expect(resourceTemplates).toMatchObject([
      { uriTemplate: 'sojourn://sessions/{key}/transcript' },
      { uriTemplate: 'sojourn://sessions/{key}/context' },
    ]);
    expect(JSON.parse((contents[0] as Loose).text).messages).toMatchObject([
      { role: 'user', parts: [{ text: 'hello' }] },
      { role: 'assistant', parts: [{ text: 'You said: hello' }] },
    ]);
  });
});

test('what the next turn of a session would see is there too, with its sizes', async () => {
  const served = await serve();
  await call(await served.client('modern'), 'send_message', { session: 'a/b c', message: 'hello' });

  const view = await read(served, 'sojourn://sessions/a%2Fb%20c/context');

  expect(view).toMatchObject({ windowTokens: 200_000, pressure: 'none', artifacts: { count: 0, bytes: 0 } });
});

describe('the list', () => {
  test('goes on where its last page ended', async () => {
    const served = await serve();
    for (let at = 0; at < 55; at++) await served.runtime.open(`s${at}`, {}, served.host);
    const page = async (params: Record<string, unknown>): Promise<Loose> => {
      const { body, headers } = modern('resources/list', params);
      return (await served.post(body, { headers })).body.result;
    };

    const first = await page({});
    const second = await page({ cursor: first.nextCursor });

    const uris = [...first.resources, ...second.resources].map(({ uri }) => uri);
    expect(new Set(uris).size).toBe(56);
    expect(second.nextCursor).toBeUndefined();
  });

  test('shows nobody what is not theirs', async () => {
    const served = await serve();
    await call(await served.client('modern'), 'start_session', { session: 'mine' });
    const { secret: token } = await served.newToken(['read', 'send'], 'somebody else');
    const other = await served.client('modern', { token });

    const { resources } = await other.listResources();
    const asked = other.readResource({ uri: 'sojourn://sessions/mine/transcript' });

    expect(resources.map(({ uri }) => uri)).toEqual(['sojourn://timeline']);
    await expect(asked).rejects.toMatchObject({ code: -32_602 });
  });
});

describe('a resource', () => {
  test.each([
    'sojourn://sessions/none/transcript',
    'sojourn://sessions//transcript',
    'sojourn://sessions/a/b/transcript',
    'sojourn://sessions/%ff/transcript',
    'sojourn://sessions/%2e%2e/transcript',
    'sojourn://timeline/x',
    'file:///etc/passwd',
    'http://169.254.169.254/',
  ])('(%s) that is not there is said not to be, by its name', async (uri) => {
    const { post } = await serve();
    const { body, headers } = modern('resources/read', { uri });

    const answer = await post(body, { headers });

    expect(answer.body.error).toMatchObject({ code: -32_602, data: { uri } });
  });

  test('that is very long is cut from its beginning, and says so', async () => {
    const served = await serve();
    const client = await served.client('modern');
    for (let at = 0; at < 6; at++) {
      await call(client, 'send_message', { session: 'a', message: `${at} ${'x'.repeat(30_000)}` });
    }

    const { leftOut, messages } = await read(served, 'sojourn://sessions/a/transcript');

    expect(leftOut + messages.length).toBe(12);
    expect(leftOut).toBeGreaterThan(0);
    expect(messages.at(-1).parts[0].text).toContain('5 x');
  });

  test('is not read by a token that may only send', async () => {
    const served = await serve();
    const { secret: token } = await served.newToken(['send']);
    const { body, headers } = modern('resources/read', { uri: 'sojourn://timeline' });

    const answer = await served.post(body, { headers, token });

    expect(answer.body.error).toMatchObject({ code: -32_602, data: { code: 'auth.scope' } });
  });
});
