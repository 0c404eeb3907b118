// Connections of the older era: whose they are, what they remember, and when they end. Of the catalogue of hostile input:
//   71 a response nobody waits for · 72 a connection that is not one's own · 75 a client that goes away in the middle
import { describe, expect, test } from 'vitest';
import { Endpoint } from '../src/face/mcp/endpoint.ts';
import { DEFAULT_LINK_LIMITS } from '../src/face/mcp/links.ts';
import { systemIds } from '../src/kernel/ids.ts';
import { hostCaller } from '../src/runtime/access.ts';
import { ManualClock } from '../src/testing/manual-clock.ts';
import { everything } from './mcp-everything.ts';
import { initialize, LEGACY, opened, serve, toolsList } from './mcp-support.ts';

describe('of the older era, a connection', () => {
  test('is needed first', async () => {
    const { post } = await serve();

    const answer = await post(toolsList);

    expect([answer.status, answer.body.error.code]).toEqual([400, -32_000]);
  });

  test('that is guessed, of another token, or of another project is not there, and says no more', async () => {
    const served = await serve();
    const other = await serve();
    const link = await opened(served);
    const { secret: sibling } = await served.newToken();

    const answers = [
      await served.post(toolsList, { headers: { 'Mcp-Session-Id': 'guessed' } }),
      await served.post(toolsList, { headers: link, token: sibling }),
      await other.post(toolsList, { headers: link }),
    ];

    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(answers[0]).toMatchObject({ status: 404, body: { error: { code: -32_001 } } });
    expect((await served.post(toolsList, { headers: link })).status).toBe(200);
  });

  test('drops a response that nobody waits for, and goes on', async () => {
    const served = await serve();
    const link = await opened(served);

    const dropped = await served.post({ jsonrpc: '2.0', id: 99, result: {} }, { headers: link });
    const next = await served.post(toolsList, { headers: link });

    expect([dropped.status, next.status]).toEqual([202, 200]);
  });

  test('is ended by its client, and is gone then', async () => {
    const served = await serve();
    const link = await opened(served);

    const ended = await served.post(undefined, { method: 'DELETE', headers: link });
    const after = await served.post(toolsList, { headers: link });

    expect([ended.status, after.status]).toEqual([200, 404]);
  });

  test('that breaks in the middle loses nothing: the client comes back and has its answer', async () => {
    const served = await serve();
    const link = { ...(await opened(served)), 'MCP-Protocol-Version': LEGACY };
    const gone = new AbortController();
    const answer = await fetch(`${served.url}/mcp`, {
      method: 'POST',
      headers: {
        ...link,
        Authorization: `Bearer ${served.token}`,
        Accept: 'application/json, text/event-stream',
        'Content-Type': 'application/json',
      },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 2,
        method: 'tools/call',
        params: { name: 'send_message', arguments: { session: 'a', message: '/words 40 5' } },
      }),
      signal: gone.signal,
    });
    const first = await answer.body?.getReader().read();
    const [, seen = ''] = /^id: (.*)$/m.exec(new TextDecoder().decode(first?.value)) ?? [];
    gone.abort();

    const headers = { ...link, 'Last-Event-ID': seen, Accept: 'text/event-stream' };
    const again = await served.post(undefined, { method: 'GET', headers });

    expect(again.body).toMatchObject({ id: 2, result: { structuredContent: { outcome: 'completed' } } });
  });

  test('ends with its token, and so do its streams', async () => {
    const served = await serve();
    const { id, secret: token } = await served.newToken();
    const link = await opened(served, token);
    const stream = await fetch(`${served.url}/mcp`, {
      headers: { ...link, Authorization: `Bearer ${token}`, Accept: 'text/event-stream' },
    });

    await served.runtime.removeToken(id, served.host);

    expect(await stream.text()).toBe('');
    expect((await served.post(toolsList, { headers: link, token })).status).toBe(401);
  });
});

describe('connections of the older era', () => {
  const endpoint = (limits: Partial<typeof DEFAULT_LINK_LIMITS>): { clock: ManualClock; own: Endpoint } => {
    const clock = new ManualClock();
    const own = new Endpoint(() => everything(), {
      runtime: { watchToken: () => () => undefined, health: 'ready' },
      clock,
      ids: systemIds,
      limits: { ...DEFAULT_LINK_LIMITS, ...limits },
      note: () => undefined,
    });
    return { clock, own };
  };
  const ask = async (own: Endpoint, body: unknown, link?: string): Promise<Response> => {
    const over = new AbortController();
    const headers = {
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
      ...(link === undefined ? {} : { 'mcp-session-id': link }),
    };
    const request = new Request('http://here/mcp', { method: 'POST', headers, signal: over.signal });
    const answer = await own.answer({
      request,
      requestId: 'r',
      caller: hostCaller(),
      left: over.signal,
      body: async () => body,
    });
    const text = await answer.text();
    over.abort();
    return new Response(text === '' ? null : text, answer);
  };
  const open = async (own: Endpoint): Promise<string> =>
    (await ask(own, initialize)).headers.get('mcp-session-id') ?? '';

  test('are bounded: past that the one that was not used for longest goes', async () => {
    const { own } = endpoint({ linksPerCredentialMax: 2 });
    const [a, b] = [await open(own), await open(own)];
    await ask(own, toolsList, a);

    const c = await open(own);

    const statuses = await Promise.all(
      [a, b, c].map(async (link) => (await ask(own, toolsList, link)).status),
    );
    expect(statuses).toEqual([200, 404, 200]);
  });

  test('that are not used for half an hour go, and those that are used stay', async () => {
    const { own, clock } = endpoint({});
    const [used, idle] = [await open(own), await open(own)];

    await clock.advance(20 * 60_000);
    await ask(own, toolsList, used);
    await clock.advance(20 * 60_000);

    const statuses = await Promise.all(
      [used, idle].map(async (link) => (await ask(own, toolsList, link)).status),
    );
    expect(statuses).toEqual([200, 404]);
  });
});
