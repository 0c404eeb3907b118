// Requests as bytes: what a hostile or broken peer may send, and what it hears.
import { connect } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { codeOf, serve, statusesOf, statusOf, Wire } from './http-support.ts';

const PUT = 'PUT /v1/sessions/a';

describe('framing that two readers could read in two ways', () => {
  test.each([
    ['a length and chunks', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['two lengths', 'Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} '],
    ['a length with a sign', 'Content-Length: +2\r\n\r\n{}'],
    ['chunks that are not last', 'Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n'],
    ['an unknown transfer coding', 'Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n'],
    ['chunks of what was packed', 'Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n'],
    ['a header over two lines', 'X-A: b\r\n c\r\n\r\n'],
    ['a blank before the colon', 'X-A : b\r\n\r\n'],
    ['a bare line feed', 'X-A: b\nX-B: c\r\n\r\n'],
    ['NUL in a header', 'X-A: b\0c\r\n\r\n'],
    ['a carriage return in a header', 'X-A: b\rc\r\n\r\n'],
    ['no name before the colon', ': b\r\n\r\n'],
    ['a chunk of a size that is none', 'Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n'],
  ])('(%s) is answered 400, and the connection ends', async (_what, rest) => {
    const { raw, head, sessions } = await serve();

    const answer = await raw(`${head(PUT)}${rest}`);

    expect([statusOf(answer), codeOf(answer)]).toEqual([400, 'input.malformed']);
    expect(answer).toContain('Connection: close');
    expect(await sessions()).toBe(0);
  });

  test.each([
    ['no HTTP at all', 'hello there\r\n\r\n'],
    ['another protocol', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['another version', 'GET / HTTP/3.7\r\nHost: x\r\n\r\n'],
    ['the version after this one', 'GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n'],
    ['the beginning of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ])('(%s) is answered 400, and the connection ends', async (_what, bytes) => {
    const { raw } = await serve();

    const answer = await raw(bytes);

    expect([statusOf(answer), codeOf(answer)]).toEqual([400, 'input.malformed']);
  });
});

describe('headers', () => {
  test('more than 100 are 431', async () => {
    const { raw, head } = await serve();
    const lines = (count: number): string =>
      Array.from({ length: count }, (_, at) => `A${at}: b\r\n`).join('');

    const allowed = await raw(`${head(PUT)}${lines(97)}Connection: close\r\n\r\n`);
    const many = await raw(`${head(PUT)}${lines(98)}Connection: close\r\n\r\n`);
    const flood = await raw(`${head(PUT)}${lines(1_500)}Connection: close\r\n\r\n`);

    expect(statusOf(allowed)).toBe(201);
    expect([statusOf(many), codeOf(many)]).toEqual([431, 'input.headers']);
    expect(statusOf(flood)).toBe(431);
  });

  test('larger than 16 KiB together are 431', async () => {
    const { raw, head } = await serve();

    const answer = await raw(`${head(PUT)}X-A: ${'b'.repeat(17 * 1_024)}\r\n\r\n`);

    expect([statusOf(answer), codeOf(answer)]).toEqual([431, 'input.headers']);
  });

  test('with a URL of over 8 KiB are 414', async () => {
    const { raw, head } = await serve();

    const answer = await raw(`${head(`GET /v1/sessions?q=${'x'.repeat(9_000)}`)}Connection: close\r\n\r\n`);

    expect([statusOf(answer), codeOf(answer)]).toEqual([414, 'input.uri_too_long']);
  });

  test.each(['Authorization: Bearer other', 'Origin: http://x', 'Idempotency-Key: a\r\nIdempotency-Key: b'])(
    'that decide something and come twice are 400 (%s)',
    async (line) => {
      const { raw, head, port } = await serve();

      const origin = `Origin: http://127.0.0.1:${port}\r\n`;
      const answer = await raw(`${head(PUT)}${origin}${line}\r\nConnection: close\r\n\r\n`);

      expect([statusOf(answer), codeOf(answer)]).toEqual([400, 'input.malformed']);
    },
  );

  test('that never end are given 10 seconds (shown with 0.3)', async () => {
    const { wire } = await serve({ limits: { headersMsMax: 300 } });
    const connection = await wire();

    connection.write('GET /healthz HTTP/1.1\r\nHost: ');
    const answer = await connection.rest();

    expect([statusOf(answer), codeOf(answer)]).toEqual([408, 'input.timeout']);
  });

  test('that never begin cost the peer its connection', async () => {
    const { wire } = await serve({ limits: { headersMsMax: 300 } });

    const answer = await (await wire()).rest();

    expect([0, 408]).toContain(statusOf(answer));
  });

  test.each(['', ' ', 'x'.repeat(256), 'sch\xf6n', '\x7f'])(
    'an Idempotency-Key of %j is refused before anything is sent',
    async (key) => {
      const { raw, head, sessions } = await serve();

      const answer = await raw(
        `${head('POST /v1/sessions/a/turns')}Idempotency-Key: ${key}\r\nContent-Type: application/json\r\nContent-Length: 14\r\nConnection: close\r\n\r\n{"input":"hi"}`,
      );

      expect(statusOf(answer)).toBe(400);
      expect(await sessions()).toBe(0);
    },
  );
});

describe('methods and versions', () => {
  test.each(['TRACE', 'PROPFIND', 'LINK'])('%s is 405', async (method) => {
    const { raw, head } = await serve();

    const answer = await raw(`${head(`${method} /v1/sessions/a`)}Connection: close\r\n\r\n`);

    expect(statusOf(answer)).toBe(405);
    expect(answer).toContain('Allow: PUT, GET, HEAD, PATCH, DELETE');
  });

  test('CONNECT is 405, and no tunnel opens', async () => {
    const { raw } = await serve();

    const answer = await raw('CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n');

    expect([statusOf(answer), codeOf(answer)]).toEqual([405, 'input.method']);
    expect(answer).toContain('Allow: ');
  });

  test('HTTP/1.0 is answered once, even where it asks to stay', async () => {
    const { raw, port } = await serve();

    const answer = await raw(
      `GET /healthz HTTP/1.0\r\nHost: 127.0.0.1:${port}\r\nConnection: keep-alive\r\n\r\n`,
    );

    expect(statusOf(answer)).toBe(200);
    expect(answer).toMatch(/Connection: close/i);
  });

  test('an upgrade to HTTP/2 or to a WebSocket does not happen', async () => {
    const { raw, head } = await serve();

    const h2c = await raw(
      `${head('GET /healthz')}Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n`,
    );
    const socket = await raw(
      `${head('GET /healthz')}Connection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n`,
    );

    expect([statusOf(h2c), statusOf(socket)]).toEqual([200, 200]);
  });
});

describe('a connection', () => {
  test('may have 16 requests under way, answered in order; past that it is told and ended', async () => {
    const { raw, head } = await serve();
    const request = (at: number): string => `${head(`GET /v1/nothing/${at}`)}\r\n`;

    const polite = await raw(
      Array.from({ length: 15 }, (_, at) => request(at)).join('') +
        `${head('GET /healthz')}Connection: close\r\n\r\n`,
    );
    const rude = await raw(Array.from({ length: 1_000 }, (_, at) => request(at)).join(''));

    expect(statusesOf(polite)).toEqual([...Array<number>(15).fill(404), 200]);
    expect(statusesOf(rude).length).toBeLessThanOrEqual(17);
    expect(codeOf(rude.slice(rude.lastIndexOf('HTTP/1.1')))).toMatch(/input.rate_limited|route.not_found/);
  });

  test('that expects what nobody here knows is answered as any', async () => {
    const { raw, head, log } = await serve();

    const answer = await raw(`${head('GET /healthz')}Expect: the-unexpected\r\nConnection: close\r\n\r\n`);

    expect(statusOf(answer)).toBe(200);
    expect(log.filter(({ event }) => event === 'http.request')).toHaveLength(1);
  });

  test('that waits for a go-ahead gets it only when its body is wanted', async () => {
    const { wire, head } = await serve();
    const wanted = await wire();
    const unwanted = await wire();
    const type = 'Content-Type: application/json\r\nExpect: 100-continue\r\n';

    wanted.write(
      `${head('POST /v1/sessions/a/turns')}${type}Content-Length: 14\r\nConnection: close\r\n\r\n`,
    );
    await wanted.until('100 Continue');
    wanted.write('{"input":"hi"}');
    unwanted.write(`${head('POST /v1/sessions/a/turns')}${type}Content-Length: 9999999\r\n\r\n`);

    expect(statusesOf(await wanted.rest())).toEqual([100, 202]);
    expect(statusesOf(await unwanted.rest()).at(-1)).toBe(413);
  });

  test('stays open after a refusal whose body was read, and ends after one whose body was not', async () => {
    const { raw, head } = await serve();
    const json = 'Content-Type: application/json\r\nContent-Length: 2\r\n';

    const read = await raw(
      `${head('POST /v1/dirty')}${json}\r\n{}${head('GET /healthz')}Connection: close\r\n\r\n`,
    );
    const smuggled = await raw(
      `${head('POST /v1/nothing')}Content-Length: 40\r\n\r\nGET /v1/agents HTTP/1.1\r\nHost: x\r\n\r\n\r\n`,
    );

    expect(statusesOf(read)).toEqual([400, 200]);
    expect(statusesOf(smuggled)).toEqual([404]);
  });

  test('past the bound of its address is told so; another address is served', async () => {
    const { wire, port } = await serve({ limits: { connectionsPerLoopbackMax: 3 } });
    const held = [await wire(), await wire(), await wire()];

    const refused = await (await wire()).rest();
    const other = await Wire.open(port, '127.0.0.1', '127.0.0.9');
    other.write(`GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`);
    const served = await other.rest();
    held[0]?.socket.destroy();
    await held[0]?.rest();
    let again = '';
    while (statusOf(again) !== 200) {
      const next = await wire();
      next.write(`GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`);
      again = await next.rest();
    }

    expect([statusOf(refused), codeOf(refused)]).toEqual([429, 'input.rate_limited']);
    expect([statusOf(served), statusOf(again)]).toEqual([200, 200]);
  });

  test('past the bound of all is closed at once', async () => {
    const { wire } = await serve({ limits: { connectionsMax: 2 } });
    await wire();
    await wire();

    const answer = await (await wire()).rest();

    expect(answer).toBe('');
  });

  test('is served, however many others never finish their headers', async () => {
    const { wire, call } = await serve();
    const slow = await Promise.all(Array.from({ length: 300 }, wire));

    for (const connection of slow) connection.write('GET /v1/agents HTTP/1.1\r\nX-Slow: ');
    const answer = await call('GET', '/v1/agents');

    expect(answer.status).toBe(200);
    expect(slow.some(({ ended, text }) => ended || text !== '')).toBe(false);
  });

  test('that is idle is closed after a minute (shown with 0.3 s)', async () => {
    const { wire, port } = await serve({ limits: { idleMsMax: 300 } });
    const connection = await wire();

    connection.write(`GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
    const answer = await connection.rest();

    expect(statusesOf(answer)).toEqual([200]);
  });

  test('that leaves in the middle of anything leaves the server whole', async () => {
    const { call, port, head } = await serve();
    const starts = ['', 'GET ', head(PUT), `${head('POST /v1/sessions/a/turns')}Content-Length: 99\r\n\r\n{`];

    for (const start of starts) {
      await new Promise<void>((resolve) => {
        const socket = connect(port, '127.0.0.1', () => {
          socket.write(start || ' ', () => {
            socket.resetAndDestroy();
            resolve();
          });
        });
        socket.on('error', () => undefined);
        onTestFinished(() => void socket.destroy());
      });
    }

    expect((await call('GET', '/healthz')).text).toBe('ok');
  });
});
