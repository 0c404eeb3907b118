// What a request says about where it goes and comes from: exact, or refused.
import { describe, expect, test } from 'vitest';
import type { Mount } from '../src/face/mount.ts';
import { codeOf, serve, statusOf } from './http-support.ts';

/** A face that only has a document. */
const mounted: Mount = {
  name: 'mounted',
  path: '/mounted',
  open: () => ({
    tokenDocument: '/.well-known/of-it',
    documents: { '/.well-known/of-it': (origin: string) => ({ resource: `${origin}/mounted` }) },
    answer: () => Promise.resolve(new Response(null, { status: 204 })),
    close: () => Promise.resolve(),
  }),
};

describe('the Host header', () => {
  test.each([
    'evil.example',
    '127.0.0.1.evil.example',
    '127.evil.com',
    'localhost',
    'localhost.',
    'localhost.:PORT',
    'LOCALHOST:PORT',
    '127.0.0.1',
    '127.0.0.1:1',
    '127.1:PORT',
    '[::1]',
    '[::1%25lo]:PORT',
    '[0:0:0:0:0:0:0:1]:PORT',
    '[::ffff:127.0.0.1]:PORT',
    '0',
    '0:PORT',
    '0.0.0.0:PORT',
    '2130706433:PORT',
    '0x7f000001:PORT',
    '127.0.0.1:PORT,evil.example',
    'user@127.0.0.1:PORT',
    '127.0.0.1:PORT/',
    '',
  ])('%j gets nothing, whatever else is right', async (host) => {
    const { raw, port, token } = await serve();
    const spelled = host.replace('PORT', String(port));

    const answer = await raw(
      `GET /v1/agents HTTP/1.1\r\nHost: ${spelled}\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n\r\n`,
    );

    expect([400, 421]).toContain(statusOf(answer));
    expect(answer).not.toContain('agents');
  });

  test.each(['127.0.0.1:PORT', 'localhost:PORT', '[::1]:PORT'])('%s is this server', async (host) => {
    const { raw, port } = await serve();

    const answer = await raw(
      `GET /healthz HTTP/1.1\r\nHost: ${host.replace('PORT', String(port))}\r\nConnection: close\r\n\r\n`,
    );

    expect(statusOf(answer)).toBe(200);
  });

  test('that is missing or comes twice is 400', async () => {
    const { raw, port, log } = await serve();

    const none = await raw('GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n');
    const two = await raw(
      `GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nHost: evil\r\nConnection: close\r\n\r\n`,
    );
    const reversed = await raw(
      `GET /healthz HTTP/1.1\r\nHost: evil\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`,
    );

    expect([none, two, reversed].map(statusOf)).toEqual([400, 400, 400]);
    expect([none, two, reversed].map(codeOf)).toEqual(Array(3).fill('input.malformed'));
    expect(log.filter(({ event }) => event === 'http.request')).toHaveLength(3);
  });

  test('of another server is 421 with the way out, and an allowed name passes', async () => {
    const { raw } = await serve({ allowHosts: ['agents.example'] });
    const ask = (host: string): Promise<string> =>
      raw(`GET /healthz HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);

    const other = await ask('agents.example.evil');
    const named = await ask('agents.example');

    expect([statusOf(other), codeOf(other)]).toEqual([421, 'host.unknown']);
    expect(statusOf(named)).toBe(200);
  });

  test('cannot be replaced by what a peer forwards or by a whole URL as target', async () => {
    const { raw, head, port } = await serve();

    const forwarded = await raw(
      `GET /healthz HTTP/1.1\r\nHost: evil\r\nX-Forwarded-Host: 127.0.0.1:${port}\r\nForwarded: host=127.0.0.1:${port}\r\nConnection: close\r\n\r\n`,
    );
    const absolute = await raw(`${head(`GET http://127.0.0.1:${port}/healthz`)}Connection: close\r\n\r\n`);

    expect(statusOf(forwarded)).toBe(421);
    expect([statusOf(absolute), codeOf(absolute)]).toEqual([400, 'input.malformed']);
  });
});

describe('the Origin header', () => {
  test.each([
    'null',
    'http://localhost.evil',
    'http://127.0.0.1:1',
    'http://127.0.0.1',
    'https://127.0.0.1:PORT',
    'http://localhost:PORT',
    'http://evil.example',
    'http://127.0.0.1:PORT.evil.example',
    'HTTP://127.0.0.1:PORT',
    'http://127.0.0.1:PORT/',
    'file://',
    'chrome-extension://abc',
    '',
  ])('%j is refused, even with a good token', async (origin) => {
    const { raw, head, port } = await serve();

    const spelled = origin.replace('PORT', String(port));
    const answer = await raw(`${head('GET /v1/agents')}Origin: ${spelled}\r\nConnection: close\r\n\r\n`);

    expect([statusOf(answer), codeOf(answer)]).toEqual([403, 'origin.forbidden']);
    expect(answer).not.toContain('Access-Control-Allow-Origin');
  });

  test('is refused for streams and for what needs no token, too', async () => {
    const { call } = await serve();
    const headers = { Origin: 'http://evil.example', Accept: 'text/event-stream' };

    const paths = ['/healthz', '/docs', '/openapi.json', '/v1/sessions/a/events', '/v1/nothing'];
    const answers = await Promise.all(paths.map((path) => call('GET', path, { headers })));

    expect(answers.map(({ status }) => status)).toEqual(paths.map(() => 403));
  });

  test('that is missing passes with a token; that of this server passes, too', async () => {
    const { call, url } = await serve();

    const missing = await call('GET', '/v1/agents');
    const own = await call('GET', '/v1/agents', { headers: { Origin: url } });

    expect([missing.status, own.status]).toEqual([200, 200]);
    expect(own.headers.get('access-control-allow-origin')).toBeNull();
  });

  test('that was allowed may read answers and errors, and may ask beforehand', async () => {
    const { call } = await serve({ allowOrigins: ['https://app.example'], mounts: [mounted] });
    const Origin = 'https://app.example';

    const answer = await call('GET', '/v1/agents', { headers: { Origin } });
    const refused = await call('GET', '/v1/agents', { headers: { Origin }, token: null });
    const document = await call('GET', '/.well-known/of-it', { headers: { Origin }, token: null });
    const asked = await call('OPTIONS', '/v1/sessions/a/turns', {
      headers: { Origin, 'Access-Control-Request-Method': 'POST' },
      token: null,
    });
    const other = await call('OPTIONS', '/v1/sessions/a/turns', {
      headers: { Origin: 'https://app.example.evil', 'Access-Control-Request-Method': 'POST' },
    });

    for (const { headers } of [answer, refused, document, asked]) {
      expect(headers.get('access-control-allow-origin')).toBe(Origin);
      expect(headers.get('vary')).toBe('Origin');
    }
    expect([answer.status, refused.status, asked.status, other.status]).toEqual([200, 401, 204, 403]);
    expect(asked.headers.get('access-control-allow-methods')).toBe('POST, GET, HEAD');
    expect(asked.headers.get('access-control-allow-headers')).toContain('Last-Event-ID');
  });
});

describe('what a proxy says', () => {
  test.each(['X-Forwarded-For: 10.9.9.9', 'X-Real-IP: 10.9.9.9', 'Forwarded: for=10.9.9.9'])(
    'means nothing where the peer is not trusted (%s)',
    async (line) => {
      const { raw, head, call } = await serve({ limits: { authFailuresMax: 1 } });
      const [name = '', value = ''] = line.split(': ');
      await call('GET', '/v1/agents', { token: 'wrong1', headers: { [name]: value } });

      const answer = await raw(
        `GET /v1/agents HTTP/1.1\r\n${head('GET /')
          .split('\r\n')
          .find((header) =>
            header.startsWith('Host'),
          )}\r\nAuthorization: Bearer wrong2\r\nConnection: close\r\n\r\n`,
      );

      expect([statusOf(answer), codeOf(answer)]).toEqual([429, 'auth.throttled']);
    },
  );

  test('counts where the peer is: each caller behind it has its own share', async () => {
    const { call } = await serve({ limits: { authFailuresMax: 1 }, trustedProxies: ['127.0.0.0/8'] });
    const from = (address: string, token: string) =>
      call('GET', '/v1/agents', { token, headers: { 'X-Forwarded-For': address } });

    const first = await from('spoofed, 10.0.0.1', 'wrong1');
    const second = await from('10.0.0.2, 127.0.0.5', 'wrong2');
    const third = await from('other, 10.0.0.1', 'wrong3');

    expect([first.status, second.status, third.status]).toEqual([401, 401, 429]);
  });
});
