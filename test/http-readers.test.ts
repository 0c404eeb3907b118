// Readers of streams: those that wait, crowd, sleep or lose their standing, and a server that leaves them.
import { describe, expect, test } from 'vitest';
import { EVENTS, follow, framesOf, seqsOf, SSE, withTurn } from './http-reading.ts';
import { serve, Wire, type Served } from './http-support.ts';

describe('a quiet stream', () => {
  test('shows every 15 seconds that it lives, and not while events do', async () => {
    const served = await serve();
    await served.call('PUT', '/v1/sessions/a');
    const reader = await follow(served);

    await served.clock.advance(14_000);
    served.runtime.say('a', 'one');
    await reader.until('id: 1\n');
    await served.clock.advance(14_000);
    expect(reader.text).not.toContain(': \n\n');
    await served.clock.advance(2_000);
    await reader.until(': \n\n');
    await served.clock.advance(15_000);

    const beats = (await reader.until(': \n\n')).split(': \n\n').length - 1;
    expect(beats).toBeGreaterThanOrEqual(1);
  });

  test('has one timer, however many there are, and none when they are gone', async () => {
    const served = await serve();
    await served.call('PUT', '/v1/sessions/a');

    const readers = await Promise.all(Array.from({ length: 50 }, () => follow(served)));
    expect(served.clock.pending).toBe(1);
    for (const reader of readers) reader.socket.destroy();
    while (served.runtime.tailsOf('a') > 0) await new Promise((resolve) => setImmediate(resolve));
    await served.clock.advance(2_000);

    expect(served.clock.pending).toBe(0);
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
    served.runtime.words = Array.from({ length: 500 }, (_, at) => `w${at} `);
    await withTurn(served);

    const texts = await Promise.all(
      Array.from({ length: 300 }, () => served.call('GET', `${EVENTS}?until=idle`, { headers: SSE })),
    );

    for (const { text } of texts) expect(framesOf(text)).toHaveLength(503);
  });
});

describe('a reader that never reads', () => {
  /** Fills everything between the server and a reader that has stopped reading. */
  async function stuffed(served: Served): Promise<Wire> {
    served.runtime.words = Array.from({ length: 30 }, () => 'x'.repeat(500_000));
    await withTurn(served);
    const reader = await follow(served);
    reader.socket.pause();
    return reader;
  }

  test('is dropped after 30 seconds, and can resume where it was', async () => {
    const served = await serve();
    const reader = await stuffed(served);

    for (let seconds = 0; seconds < 32; seconds++) await served.clock.advance(1_000);
    while (served.runtime.tailsOf('a') > 0) await new Promise((resolve) => setImmediate(resolve));
    reader.socket.resume();
    const text = await reader.rest();
    const complete = text.slice(0, text.lastIndexOf('\n\n') + 2);
    const last = seqsOf(complete).at(-1) ?? 0;

    expect(last).toBeLessThan(33);
    const answer = await served.call('GET', `${EVENTS}?until=idle&after=${last}`, { headers: SSE });
    expect(seqsOf(answer.text)).toEqual(Array.from({ length: 33 - last }, (_, at) => last + 1 + at));
  });

  test('costs the server one batch, and disturbs no other reader', async () => {
    const served = await serve();
    await stuffed(served);

    const other = await served.call('GET', `${EVENTS}?until=idle`, { headers: SSE });

    expect(seqsOf(other.text)).toHaveLength(33);
  });

  test('that reads again in time goes on as if nothing had been', async () => {
    const served = await serve();
    const reader = await stuffed(served);

    for (let seconds = 0; seconds < 20; seconds++) await served.clock.advance(1_000);
    reader.socket.resume();
    const text = await reader.until('id: 33\n');

    const ids = [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));
    expect(ids).toEqual(Array.from({ length: 33 }, (_, at) => at + 1));
  });
});

describe('too many streams', () => {
  test('of one token are refused; another token, and the next after one has left, are not', async () => {
    const served = await serve({ limits: { streamsPerLoopbackCredentialMax: 2 } });
    await served.call('PUT', '/v1/sessions/a');
    const first = await follow(served);
    await follow(served);

    const refused = await served.call('GET', EVENTS, { headers: SSE });
    const turn = await served.call('POST', '/v1/sessions/a/turns', { body: { input: 'hi' }, headers: SSE });
    const sent = served.runtime.calls.filter(({ name }) => name === 'send');
    const token = served.runtime.token();
    const other = await served.call('GET', `${EVENTS}?until=idle`, { headers: SSE, token });
    first.socket.destroy();
    while (served.runtime.tailsOf('a') > 1) await new Promise((resolve) => setImmediate(resolve));
    const next = await served.call('GET', `${EVENTS}?until=idle`, { headers: SSE });

    expect([refused.status, refused.json['code']]).toEqual([429, 'input.rate_limited']);
    expect(refused.headers.get('retry-after')).toBe('1');
    expect([turn.status, sent]).toEqual([429, []]);
    expect([other.status, next.status]).toEqual([200, 200]);
  });
});

describe('a token that is revoked', () => {
  test('ends its streams at once, between two events, and no other’s', async () => {
    const served = await serve();
    await served.call('PUT', '/v1/sessions/a');
    const other = await follow(served);
    const token = served.runtime.token();
    const mine = await follow({ ...served, head: (line) => served.head(line).replace(served.token, token) });

    served.runtime.revoke(token);
    const text = await mine.until('0\r\n\r\n');
    const again = await served.call('GET', EVENTS, { headers: SSE, token });
    served.runtime.say('a', 'still here');

    expect(text.endsWith('0\r\n\r\n')).toBe(true);
    expect(again.status).toBe(401);
    expect(await other.until('still here')).toContain('id: 1\n');
  });

  test('ends also a stream whose reader is stuck', async () => {
    const served = await serve();
    served.runtime.words = Array.from({ length: 30 }, () => 'x'.repeat(500_000));
    await withTurn(served);
    const token = served.runtime.token();
    const mine = await follow({ ...served, head: (line) => served.head(line).replace(served.token, token) });
    mine.socket.pause();
    await served.clock.advance(1_000);

    served.runtime.revoke(token);
    mine.socket.resume();
    const text = await mine.rest();

    expect(text).not.toContain('id: 33\n');
  });
});

describe('a server that leaves', () => {
  test('ends its streams between two events and frees its port; callers under way get their answer', async () => {
    const served = await serve();
    await served.call('PUT', '/v1/sessions/a');
    const reader = await follow(served);
    const { promise: reached, resolve: reach } = Promise.withResolvers<void>();
    const { promise: turns, resolve: finish } = Promise.withResolvers<never[]>();
    served.runtime.turns = () => {
      reach();
      return turns;
    };
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
    const served = await serve();
    await served.call('PUT', '/v1/sessions/a');
    const reached = new Promise<void>((resolve) => {
      served.runtime.turns = () => {
        resolve();
        return new Promise(() => {});
      };
    });
    const underWay = served.call('GET', '/v1/sessions/a/turns');
    underWay.catch(() => undefined);
    await reached;

    const closed = served.close(5_000);
    await served.clock.advance(5_000);
    await closed;

    await expect(underWay).rejects.toThrow('fetch failed');
  });
});
