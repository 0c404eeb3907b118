// What comes over the wire at /mcp: who gets in, what is no message, which revision is meant, and what becomes of a
// connection that breaks. Rows of the catalogue of hostile input:
//   69 a batch, an id that is none, no "jsonrpc" · 71 a response nobody waits for ·
//   73 headers that say another thing than the body · 74 an unknown revision · 75 a client that goes away in the middle
import { describe, expect, test } from 'vitest';
import { LEGACY, MODERN, modern, serve, toolsList, type Loose, type Served } from './mcp-support.ts';

describe('without a good token', () => {
  test.each(['POST', 'GET', 'DELETE'])(
    '%s is refused, and the refusal says where tokens come from',
    async (method) => {
      const { post, url } = await serve();

      const answers = await Promise.all(
        [null, 'wrong', 'undefined', `soj_${'z'.repeat(43)}`].map((token) =>
          post(method === 'POST' ? toolsList : undefined, { method, token }),
        ),
      );

      for (const { status, headers } of answers) {
        expect(status).toBe(401);
        expect(headers.get('www-authenticate')).toBe(
          `Bearer realm="sojourn", resource_metadata="${url}/.well-known/oauth-protected-resource/mcp"`,
        );
      }
    },
  );

  test('the description of the resource can be read, at both of its places', async () => {
    const { url } = await serve({ authorizationServers: ['https://issuer.example'] });

    const places = ['/.well-known/oauth-protected-resource', '/.well-known/oauth-protected-resource/mcp'];
    const documents = await Promise.all(
      places.map(async (place) => (await fetch(url + place)).json() as Promise<Loose>),
    );

    expect(documents[0]).toEqual(documents[1]);
    expect(documents[0]).toMatchObject({
      resource: `${url}/mcp`,
      authorization_servers: ['https://issuer.example'],
      bearer_methods_supported: ['header'],
    });
    expect(documents[0].scopes_supported).not.toContain('admin');
  });

  test('a token in the URL counts as none', async () => {
    const { url, token } = await serve();

    const answer = await fetch(`${url}/mcp?access_token=${token}`, {
      method: 'POST',
      body: JSON.stringify(toolsList),
    });

    expect(answer.status).toBe(401);
  });
});

test('a page of another origin gets no further than one of a stranger', async () => {
  const { post } = await serve();
  const { body, headers } = modern('tools/list');

  const foreign = await post(body, { headers: { ...headers, Origin: 'http://evil.example' } });

  expect([foreign.status, foreign.body.code]).toEqual([403, 'origin.forbidden']);
});

describe('what is no message', () => {
  test.each<[string, unknown]>([
    ['a batch', [toolsList, toolsList]],
    ['an empty batch', []],
    ['nothing of the protocol', { hello: 'world' }],
    ['another version of JSON-RPC', { ...toolsList, jsonrpc: '1.0' }],
    ['no version at all', { id: 1, method: 'tools/list' }],
    ['an id that is null', { ...toolsList, id: null }],
    ['an id that is an object', { ...toolsList, id: {} }],
    ['an id with a fraction', { ...toolsList, id: 1.5 }],
    ['an id of many kilobytes', { ...toolsList, id: 'x'.repeat(100_000) }],
    ['a method that is a number', { ...toolsList, method: 7 }],
    ['a bare text', '"tools/list"'],
  ])('(%s) is refused, and nothing is repeated of it', async (_what, body) => {
    const { post } = await serve();

    const answer = await post(body);

    expect([answer.status, answer.body.error.code, answer.body.id]).toEqual([400, -32_600, null]);
    expect(answer.text.length).toBeLessThan(500);
  });

  test('is told apart from what is not JSON', async () => {
    const { post } = await serve();

    const answers = await Promise.all(['{', '{"jsonrpc": "2.0",', 'hello'].map((text) => post(text)));

    expect(answers.map(({ status, body }) => [status, body.error.code])).toEqual(
      Array(3).fill([400, -32_700]),
    );
  });

  test('may be deep or large without doing harm', async () => {
    const { post } = await serve();

    const deep = await post(`${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}`);
    const large = await post(JSON.stringify({ ...toolsList, params: { x: 'y'.repeat(2_000_000) } })).catch(
      () => undefined,
    );

    expect([deep.status, deep.body.error.data.code]).toEqual([400, 'input.too_deep']);
    expect(large?.status ?? 413).toBe(413);
  });

  test('of another type of content is refused', async () => {
    const { post } = await serve();

    const answer = await post(toolsList, { headers: { 'Content-Type': 'text/plain' } });

    expect(answer.status).toBe(415);
  });
});

describe('of the newer era, a request', () => {
  test('whose headers say another thing than its body is refused', async () => {
    const { post } = await serve();
    const { body, headers } = modern('tools/call', { name: 'list_agents', arguments: {} });

    const answers = await Promise.all(
      [
        ['Mcp-Name', 'close_session'],
        ['Mcp-Method', 'tools/list'],
        ['MCP-Protocol-Version', LEGACY],
      ].map(([name = '', wrong = '']) => post(body, { headers: { ...headers, [name]: wrong } })),
    );

    expect(answers.map((answer) => [answer.status, answer.body.error.code])).toEqual(
      Array(3).fill([400, -32_020]),
    );
  });

  test('of a revision that is not spoken is told which are', async () => {
    const { post } = await serve();
    const { body, headers } = modern('tools/list', {
      _meta: { 'io.modelcontextprotocol/protocolVersion': '2099-01-01' },
    });

    const answer = await post(body, { headers: { ...headers, 'MCP-Protocol-Version': '2099-01-01' } });

    expect([answer.status, answer.body.error.code]).toEqual([400, -32_022]);
    expect(answer.body.error.data.supported).toEqual([MODERN]);
  });

  test('has no connection to resume or to end', async () => {
    const { post } = await serve();
    const headers = { 'MCP-Protocol-Version': MODERN };

    const answers = await Promise.all(
      ['GET', 'DELETE'].map((method) => post(undefined, { method, headers })),
    );

    for (const { status } of answers) expect([400, 405]).toContain(status);
  });

  test('cannot be a response: nobody here has asked anything', async () => {
    const { post } = await serve();

    const answer = await post(
      { jsonrpc: '2.0', id: 5, result: {} },
      { headers: { 'MCP-Protocol-Version': MODERN } },
    );

    expect(answer.status).toBe(400);
  });
});

describe('a client of the newer era that goes away in the middle', () => {
  test('has taken its request back', async () => {
    const served = await serve();
    const gone = new AbortController();
    const { body, headers } = modern('tools/call', {
      name: 'send_message',
      arguments: { session: 'a', message: '/words 1000 1000' },
    });

    const call = served.post(body, { headers, signal: gone.signal });
    await untilRunning(served, 'a');
    gone.abort();

    await expect(call).rejects.toThrow(/abort/i);
    await served.runtime.waitForIdle('a', {}, served.host);
    expect(await served.runtime.turns('a', {}, served.host)).toMatchObject([{ outcome: 'cancelled' }]);
  });
});

describe('a token that is revoked', () => {
  test('ends the answer that is under way, and not the turn it waits for', async () => {
    const served = await serve();
    const { id, secret: token } = await served.newToken();
    const { body, headers } = modern('tools/call', {
      name: 'send_message',
      arguments: { session: 'a', message: '/words 60 5' },
    });

    const call = served.post(body, { headers, token });
    await untilRunning(served, 'a');
    await served.runtime.removeToken(id, served.host);
    const ended = await call.catch(() => undefined);

    await served.runtime.waitForIdle('a', {}, served.host);
    expect(ended?.text ?? '').not.toContain('w60');
    expect(await served.runtime.turns('a', {}, served.host)).toMatchObject([{ outcome: 'completed' }]);
  });
});

describe('a server that leaves', () => {
  test('lets the answers end that are under way, and tells those who come that nothing was done', async () => {
    const served = await serve();
    const { body, headers } = modern('tools/call', {
      name: 'send_message',
      arguments: { session: 'a', message: '/words 20 5' },
    });
    const call = served.post(body, { headers });
    await untilRunning(served, 'a');

    await Promise.all([call, served.close(20_000)]);

    expect((await call).body.result.structuredContent).toMatchObject({ outcome: 'completed' });
  });

  test('cuts off those that take too long, and stops no turn by it', async () => {
    const served = await serve();
    const { runtime, host } = served;
    const { body, headers } = modern('tools/call', {
      name: 'send_message',
      arguments: { session: 'a', message: '/words 60 5' },
    });
    const call = served.post(body, { headers }).catch(() => 'cut off');
    await untilRunning(served, 'a');

    await served.close(0);

    expect(await call).toBe('cut off');
    await runtime.waitForIdle('a', {}, host);
    expect(await runtime.turns('a', {}, host)).toMatchObject([{ outcome: 'completed' }]);
  });

  test('refuses a call before anything of it is done, so that it may be sent to the next one', async () => {
    const { post, runtime, host } = await serve(
      {},
      (real) =>
        new Proxy(real, {
          get(target, name) {
            if (name === 'health') return 'draining';
            const member: unknown = Reflect.get(target, name, target);
            return typeof member === 'function' ? (member.bind(target) as unknown) : member;
          },
        }),
    );
    const { body, headers } = modern('tools/call', { name: 'start_session', arguments: { session: 'a' } });

    const answer = await post(body, { headers });

    expect([answer.status, answer.body.error.data.code]).toEqual([503, 'runtime.draining']);
    expect((await runtime.sessions({}, host)).sessions).toEqual([]);
  });
});

async function untilRunning({ runtime, host }: Served, key: string): Promise<void> {
  for (;;) {
    const { sessions } = await runtime.sessions({ state: 'running' }, host);
    if (sessions.some((session) => session.key === key)) return;
    await new Promise(setImmediate);
  }
}
