// Readers of streams: those that wait, crowd, sleep or lose their standing, and a server that leaves them.
import { describe, expect, test } from 'vitest';
import { EVENTS, follow, framesOf, noTails, seqsOf, SSE, withTurn } from './http-reading.ts';
import { serve, Wire, withCalls, type Served } from './http-support.ts';

const upTo = (last: number): number[] => Array.from({ length: last }, (_, at) => at + 1);

/** As `served`, but asking with another token. */
const as = (served: Served, token: string): Served => ({
  ...served,
  head: (line) => served.head(line).replace(served.token, token),
});

describe('a quiet stream', () => {
  test('shows every 15 seconds that it lives, and not while events do', async () => {
    const served = await serve();
    await withTurn(served);
    const reader = await follow(served);
    await reader.until('id: 8\n');

    await served.clock.advance(14_000);
    await withTurn(served);
    await reader.until('id: 15\n');
    await served.clock.advance(14_000);
    expect(reader.text).not.toContain(': \n\n');
    await served.clock.advance(2_000);
    const text = await reader.until(': \n\n');

    expect(text.indexOf(': \n\n')).toBeGreaterThan(text.indexOf('id: 15\n'));
  });

  test('has one timer, however many there are, and none when they are gone', async () => {
    const served = await serve();
    await withTurn(served);

    const readers = await Promise.all(Array.from({ length: 50 }, () => follow(served)));
    const during = served.clock.pending;
    for (const reader of readers) reader.socket.destroy();
    await noTails(served);
    await served.clock.advance(2_000);

    expect([during, served.clock.pending]).toEqual([1, 0]);
  });
});

describe('readers that come back', () => {
  test('are told to wait from 1 to 5 seconds, each its own time', async () => {
    const served = await serve();
    await withTurn(served);

    const texts = await Promise.all(
      Array.from({ length: 40 }, () => served.call('GET', `${EVENTS}?until=idle`, { headers: SSE })),
    );

    const waits = texts.map(({ text }) => Number(/^retry: (\d+)$/m.exec(text)?.[1]));
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(1_000);
    expect(Math.max(...waits)).toBeLessThanOrEqual(5_000);
    expect(new Set(waits).size).toBeGreaterThan(35);
  });

  test('all at once, all get all of it', async () => {
    const served = await serve();
    served.speech.words = Array.from({ length: 400 }, (_, at) => `w${at} `);
    await withTurn(served);

    const texts = await Promise.all(
      Array.from({ length: 200 }, () => served.call('GET', `${EVENTS}?until=idle`, { headers: SSE })),
    );

    for (const { text } of texts) expect(framesOf(text)).toHaveLength(405);
  });
});

describe('a reader that never reads', () => {
  /** Fills everything between the server and a reader that has stopped reading. */
  async function stuffed(served: Served): Promise<{ reader: Wire; last: number }> {
    served.speech.words = Array.from({ length: 400 }, () => 'x'.repeat(40_000));
    await served.runtime.open('a', { internal: true }, served.host); // No digest comes behind its turn.
    await withTurn(served);
    const { headSeq: last } = await served.runtime.session('a', served.host);
    const reader = await follow(served);
    reader.socket.pause();
    return { reader, last };
  }

  test('is dropped after 30 seconds, and can resume where it was', async () => {
    const served = await serve();
    const { reader, last } = await stuffed(served);

    while (served.runtime.stats().tails > 0) await served.clock.advance(1_000);
    reader.socket.resume();
    const text = await reader.rest();
    const seen = seqsOf(text.slice(0, text.lastIndexOf('\n\n') + 2)).at(-1) ?? 0;
    const answer = await served.call('GET', `${EVENTS}?until=idle&after=${seen}`, { headers: SSE });

    expect(seen).toBeLessThan(last);
    expect(seqsOf(answer.text)).toEqual(upTo(last).slice(seen));
  });

  test('disturbs no other reader', async () => {
    const served = await serve();
    const { last } = await stuffed(served);

    const other = await served.call('GET', `${EVENTS}?until=idle`, { headers: SSE });

    expect(seqsOf(other.text)).toEqual(upTo(last));
  });

  test('that reads again in time goes on as if nothing had been', async () => {
    const served = await serve();
    const { reader, last } = await stuffed(served);

    for (let seconds = 0; seconds < 20; seconds++) await served.clock.advance(1_000);
    reader.socket.resume();
    const text = await reader.until(`id: ${last}\n`);

    const ids = [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));
    expect(ids).toEqual(upTo(last));
  });
});

describe('too many streams', () => {
  test('of one token are refused; another token, and the next after one has left, are not', async () => {
    const served = await serve({ limits: { streamsPerLoopbackCredentialMax: 2 } });
    await withTurn(served);
    const first = await follow(served);
    await follow(served);

    const refused = await served.call('GET', EVENTS, { headers: SSE });
    const turn = await served.call('POST', '/v1/sessions/b/turns', { body: { input: 'hi' }, headers: SSE });
    const sent = await served.call('GET', '/v1/sessions/b');
    const { secret: token } = await served.newToken();
    const other = await served.call('GET', `${EVENTS}?until=idle`, { headers: SSE, token });
    first.socket.destroy();
    while (served.runtime.stats().tails > 1) await new Promise((resolve) => setImmediate(resolve));
    const next = await served.call('GET', `${EVENTS}?until=idle`, { headers: SSE });

    expect([refused.status, refused.json['code']]).toEqual([429, 'input.rate_limited']);
    expect(refused.headers.get('retry-after')).toBe('1');
    expect([turn.status, sent.status]).toEqual([429, 404]);
    expect([other.status, next.status]).toEqual([200, 200]);
  });
});

describe('a token that is revoked', () => {
  test('ends its streams at once, between two events, and no other’s', async () => {
    const served = await serve();
    await withTurn(served);
    const other = await follow(served);
    const { id, secret } = await served.newToken();
    const mine = await follow(as(served, secret));

    const revoked = await served.call('DELETE', `/v1/tokens/${id}`);
    const text = await mine.until('0\r\n\r\n');
    const again = await served.call('GET', EVENTS, { headers: SSE, token: secret });
    await withTurn(served);

    expect(revoked.status).toBe(204);
    expect(text.endsWith('0\r\n\r\n')).toBe(true);
    expect(again.status).toBe(401);
    expect(await other.until('id: 15\n')).toContain('id: 9\n');
  });

  test('shows nothing more to a caller who waits: it has its receipt, and the turn goes on', async () => {
    const served = await serve();
    const { id, secret } = await served.newToken();
    const { promise: until, resolve: goOn } = Promise.withResolvers<void>();
    served.speech.until = until;
    await served.call('PUT', '/v1/sessions/a');
    const reader = await follow(served);
    const options = { body: { input: 'hi' }, headers: { Prefer: 'wait=60' }, token: secret };
    const waiting = served.call('POST', '/v1/sessions/a/turns', options);
    await reader.until('event: turn.started');

    await served.runtime.removeToken(id, served.host);
    const { status, json } = await waiting;
    goOn();

    expect([status, json['disposition']]).toEqual([202, 'started']);
    expect(await reader.until('"outcome":"completed"')).toContain('event: turn.ended');
  });

  test('is given no more of an export that it is slow to take', async () => {
    const served = await serve();
    served.speech.words = Array.from({ length: 400 }, () => 'x'.repeat(40_000));
    await withTurn(served);
    const { id, secret } = await served.newToken();
    const mine = await served.wire();
    mine.write(`${as(served, secret).head('GET /v1/sessions/a/export')}\r\n`);
    await mine.until('HTTP/1.1 200');
    mine.socket.pause();

    await served.runtime.removeToken(id, served.host);
    mine.socket.resume();
    const text = await mine.rest();

    expect(text).toContain('"kind":"session.created"');
    expect(text).not.toContain('"kind":"turn.ended"');
  });

  test('ends also a stream whose reader is stuck', async () => {
    const served = await serve();
    served.speech.words = Array.from({ length: 400 }, () => 'x'.repeat(40_000));
    await withTurn(served);
    const { id, secret } = await served.newToken();
    const mine = await follow(as(served, secret));
    mine.socket.pause();
    await served.clock.advance(1_000);

    await served.runtime.removeToken(id, served.host);
    mine.socket.resume();
    const text = await mine.rest();

    expect(text).not.toContain('event: turn.ended');
  });

  test('while its message still comes in gets no stream out of it', async () => {
    const served = await serve();
    const { id, secret } = await served.newToken();
    const mine = await served.wire();
    const head = as(served, secret).head('POST /v1/sessions/a/turns');
    mine.write(
      `${head}Accept: text/event-stream\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 14\r\n\r\n`,
    );
    await mine.until('100 Continue');

    await served.runtime.removeToken(id, served.host);
    mine.write('{"input":"hi"}');
    const text = await mine.until('0\r\n\r\n');

    expect(seqsOf(text)).toEqual([Number.NaN]);
  });
});

describe('a server that leaves', () => {
  test('ends its streams between two events and frees its port; callers under way get their answer', async () => {
    const { promise: reached, resolve: reach } = Promise.withResolvers<void>();
    const { promise: turns, resolve: finish } = Promise.withResolvers<never[]>();
    const served = await serve(
      {},
      withCalls({
        turns() {
          reach();
          return turns;
        },
      }),
    );
    await withTurn(served);
    const reader = await follow(served);
    const underWay = served.call('GET', '/v1/sessions/a/turns');
    await reached;

    const closed = served.close(5_000);
    const text = await reader.rest();
    finish([]);
    const answer = await underWay;
    await closed;

    expect(text.endsWith('0\r\n\r\n')).toBe(true);
    expect([answer.status, answer.json]).toEqual([200, { turns: [] }]);
    await expect(Wire.open(served.port)).rejects.toThrow('ECONNREFUSED');
  });

  test('waits no longer than it was told for callers that get no answer', async () => {
    const { promise: reached, resolve: reach } = Promise.withResolvers<void>();
    const served = await serve(
      {},
      withCalls({
        turns() {
          reach();
          return new Promise(() => {});
        },
      }),
    );
    const underWay = served.call('GET', '/v1/sessions/a/turns');
    underWay.catch(() => undefined);
    await reached;

    const closed = served.close(5_000);
    await served.clock.advance(5_000);
    await closed;

    await expect(underWay).rejects.toThrow('fetch failed');
  });
});
