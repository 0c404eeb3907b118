// Holding conversations over MCP, in both eras of the protocol: what a model can do, and what it is told.
import { describe, expect, test } from 'vitest';
import { call, modern, refused, serve, type Era } from './mcp-support.ts';

describe.each<Era>(['modern', 'legacy'])('a client of the %s era', (era) => {
  test('starts a session, says something, and has the answer', async () => {
    const client = await (await serve()).client(era);

    const started = await call(client, 'start_session', { session: 'inbox', title: 'Mail' });
    const answered = await call(client, 'send_message', { session: 'inbox', message: 'hello' });

    expect(started.value).toMatchObject({
      created: true,
      session: 'inbox',
      agent: 'scripted',
      title: 'Mail',
    });
    expect(answered).toMatchObject({
      failed: false,
      value: { session: 'inbox', state: 'done', outcome: 'completed', text: 'You said: hello' },
    });
  });

  test('goes on with a session that another connection began', async () => {
    const served = await serve();
    await call(await served.client('legacy'), 'send_message', { session: 'a', message: 'hello' });

    const answered = await call(await served.client(era), 'send_message', {
      session: 'a',
      message: '/count',
    });

    expect(answered.value).toMatchObject({ text: '2' });
  });

  test('is told what was wrong with its arguments, and where', async () => {
    const client = await (await serve()).client(era);

    const { failed, value } = await call(client, 'send_message', { session: 'a', message: 7 });

    expect(failed).toBe(true);
    expect(value.error).toMatchObject({ code: 'input.invalid', next: 'stop' });
    expect(value.error.message).toContain('/message');
  });

  test('is told that there is no such tool', async () => {
    const client = await (await serve()).client(era);

    await expect(client.callTool({ name: 'make_coffee', arguments: {} })).rejects.toThrow('Unknown tool');
  });
});

describe('sessions', () => {
  test('get a key where the caller chose none', async () => {
    const client = await (await serve()).client('modern');

    const { value } = await call(client, 'start_session');

    expect(value.session).toMatch(/^mcp-[0-9a-f-]{36}$/);
  });

  test('are found again by their key', async () => {
    const client = await (await serve()).client('modern');
    await call(client, 'start_session', { session: 'a' });

    const again = await call(client, 'start_session', { session: 'a' });

    expect(again.value).toMatchObject({ created: false, session: 'a' });
  });

  test('are listed by what they are about, page by page', async () => {
    const client = await (await serve()).client('modern');
    for (const session of ['a', 'b', 'c']) await call(client, 'start_session', { session, labels: ['x'] });
    await call(client, 'start_session', { session: 'd' });

    const first = await call(client, 'list_sessions', { label: 'x', limit: 2 });
    const rest = await call(client, 'list_sessions', {
      label: 'x',
      limit: 2,
      cursor: first.value.nextCursor,
    });

    const keys = [...first.value.sessions, ...rest.value.sessions].map(({ session }) => session);
    expect(new Set(keys)).toEqual(new Set(['a', 'b', 'c']));
    expect(rest.value.nextCursor).toBeNull();
  });

  test('are closed for good, and say so', async () => {
    const client = await (await serve()).client('modern');
    await call(client, 'start_session', { session: 'a' });

    const closed = await call(client, 'close_session', { session: 'a' });

    expect(closed.value).toMatchObject({ state: 'closed' });
    expect(await refused(client, 'send_message', { session: 'a', message: 'x' })).toBe('session.closed');
  });

  test('that do not exist are not made by looking', async () => {
    const served = await serve();
    const client = await served.client('modern');

    const codes = [
      await refused(client, 'read_events', { session: 'a' }),
      await refused(client, 'wait_for_turn', { session: 'a', turn: 'x' }),
      await refused(client, 'cancel_turn', { session: 'a' }),
      await refused(client, 'close_session', { session: 'a' }),
      await refused(client, 'answer_request', { session: 'a', request: 'x', decision: 'allow' }),
    ];

    expect(codes).toEqual(Array(5).fill('session.not_found'));
    expect((await served.runtime.sessions({}, served.host)).sessions).toEqual([]);
  });

  test('have agents, which are listed with what they can do', async () => {
    const client = await (await serve()).client('modern');

    const { value } = await call(client, 'list_agents');

    expect(value.agents).toMatchObject([{ name: 'scripted', default: true, capabilities: { steers: true } }]);
    expect(await refused(client, 'start_session', { session: 'a', agent: 'nobody' })).toBe('agent.unknown');
  });
});

describe('the log of a session', () => {
  test('is read from its beginning, and then from where the last answer ended', async () => {
    const client = await (await serve()).client('modern');
    await call(client, 'send_message', { session: 'a', message: 'hello' });

    const first = await call(client, 'read_events', { session: 'a', limit: 2 });
    const rest = await call(client, 'read_events', { session: 'a', after: first.value.nextAfter });
    const none = await call(client, 'read_events', { session: 'a', after: rest.value.nextAfter });

    expect(first.value).toMatchObject({ nextAfter: 2, more: true });
    expect(first.value.events).toHaveLength(2);
    expect(rest.value.events[0].seq).toBe(3);
    expect(rest.value.events.at(-1)).toMatchObject({ kind: 'turn.ended', body: { outcome: 'completed' } });
    expect([rest.value.more, none.value.more, none.value.events]).toEqual([false, false, []]);
  });

  test('comes in answers of a size that a model can take', async () => {
    const client = await (await serve()).client('modern');
    for (const _each of Array(5).keys()) {
      await call(client, 'send_message', { session: 'a', message: 'x'.repeat(30_000) });
    }

    const page = await call(client, 'read_events', { session: 'a', limit: 200 });

    expect(page.value.more).toBe(true);
    expect(JSON.stringify(page.value).length).toBeLessThan(100_000);
    expect(page.value.events.length).toBeGreaterThan(0);
  });

  test('has no event beyond its end', async () => {
    const client = await (await serve()).client('modern');
    await call(client, 'start_session', { session: 'a' });

    expect(await refused(client, 'read_events', { session: 'a', after: 99 })).toBe('cursor.ahead');
  });
});

describe('what a token may not do', () => {
  test('is refused by the scope that is missing, in a way that a client can get a better token by', async () => {
    const served = await serve();
    const { secret: token } = await served.newToken(['read']);
    const { body, headers } = modern('tools/call', {
      name: 'send_message',
      arguments: { session: 'a', message: 'x' },
    });

    const answer = await served.post(body, { headers, token });

    expect(answer.status).toBe(403);
    expect(answer.headers.get('www-authenticate')).toBe(
      `Bearer error="insufficient_scope", scope="send", resource_metadata="${served.url}/.well-known/oauth-protected-resource/mcp"`,
    );
    expect(answer.body).toMatchObject({ id: 1, error: { data: { code: 'auth.scope', next: 'stop' } } });
    expect((await served.runtime.sessions({}, served.host)).sessions).toEqual([]);
  });

  test.each([
    ['start_session', {}, 'send'],
    ['close_session', { session: 'a' }, 'send'],
    ['cancel_turn', { session: 'a' }, 'send'],
    ['sign_in', { name: 'Hal' }, 'send'],
    ['answer_request', { session: 'a', request: 'r', decision: 'allow' }, 'approve'],
  ])('(%s) is named with the scope that it needs', async (name, args, scope) => {
    const served = await serve();
    const { secret: token } = await served.newToken(['read']);
    const { body, headers } = modern('tools/call', { name, arguments: args });

    const answer = await served.post(body, { headers, token });

    expect(answer.status).toBe(403);
    expect(answer.headers.get('www-authenticate')).toContain(`scope="${scope}"`);
  });

  test('is refused on a connection by the scope that is missing, in an answer the model can read', async () => {
    const served = await serve();
    const { secret: token } = await served.newToken(['read']);
    const reader = await served.client('legacy', { token });

    const { value } = await call(reader, 'send_message', { session: 'a', message: 'x' });

    expect(value.error).toMatchObject({ code: 'auth.scope', message: 'This needs scope send' });
    expect((await call(reader, 'list_sessions')).value.sessions).toEqual([]);
  });

  test('another owner sees nothing of it: not the session, not its log, not that it is there', async () => {
    const served = await serve();
    const [mine, theirs] = await Promise.all(
      ['ann', 'bob'].map(async (owner) => {
        const { secret: token } = await served.newToken(['read', 'send'], owner);
        return served.client('modern', { token });
      }),
    );
    if (mine === undefined || theirs === undefined) throw new Error('Two clients were asked for');
    await call(mine, 'send_message', { session: 'a', message: 'hello' });

    const listed = await call(theirs, 'list_sessions');
    const read = await refused(theirs, 'read_events', { session: 'a' });
    const sent = await refused(theirs, 'send_message', { session: 'a', message: 'x' });

    expect([listed.value.sessions, read, sent]).toEqual([[], 'session.not_found', 'session.not_found']);
  });
});
