// Streams of events: what they carry, and exact resuming.
import { describe, expect, test } from 'vitest';
import { EVENTS, follow, framesOf, noTails, seqsOf, SSE, withHeldTurn, withTurn } from './http-reading.ts';
import { codeOf, serve, statusOf } from './http-support.ts';

const TURNS = '/v1/sessions/a/turns';
const upTo = (last: number): number[] => Array.from({ length: last }, (_, at) => at + 1);

describe('a turn as a stream', () => {
  const request = `Accept: text/event-stream\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{"input":"hi"}`;

  test('begins with the receipt, then has the turn’s events to its outcome, and ends', async () => {
    const { call } = await serve();

    const answer = await call('POST', TURNS, { body: { input: 'hi' }, headers: SSE });

    const [first, ...events] = framesOf(answer.text);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
    expect(first).toMatchObject({ id: undefined, event: 'receipt' });
    expect(JSON.parse(first?.data ?? '')).toMatchObject({ seq: 0, disposition: 'started' });
    expect(events.map(({ event }) => event)).toEqual([
      'turn.accepted',
      'turn.started',
      'text.delta',
      'text.delta',
      'text.delta',
      'message',
      'turn.ended',
    ]);
    expect(events.map(({ id }) => id)).toEqual(['2', '3', '4', '5', '6', '7', '8']);
    expect(JSON.parse(events[2]?.data ?? '')).toMatchObject({
      seq: 4,
      kind: 'text.delta',
      body: { text: 'You ' },
    });
  });

  test('comes again from its start for the same key, and is refused for another body', async () => {
    const { call } = await serve();
    const headers = { ...SSE, 'Idempotency-Key': 'once' };

    const first = await call('POST', TURNS, { body: { input: 'hi' }, headers });
    const again = await call('POST', TURNS, { body: { input: 'hi' }, headers });
    const other = await call('POST', TURNS, { body: { input: 'ho' }, headers });

    const [receipt, ...events] = framesOf(again.text);
    expect(JSON.parse(receipt?.data ?? '')).toMatchObject({ disposition: 'replayed' });
    expect(events).toEqual(framesOf(first.text).slice(1));
    expect([other.status, other.json['code']]).toEqual([422, 'idempotency.conflict']);
  });

  test('that is refused is refused as any call is, not as a stream', async () => {
    const { call } = await serve();

    const answer = await call('POST', TURNS, { body: { input: 5 }, headers: SSE });

    expect([answer.status, answer.json['code']]).toEqual([400, 'input.invalid']);
  });

  test('of a token that may only send shows its own turn to the end, and nothing else', async () => {
    const { call, newToken } = await serve();
    const { secret: token } = await newToken({ scopes: ['send'] });

    const stream = await call('POST', TURNS, { body: { input: 'hi' }, headers: SSE, token });
    const waiting = await call('POST', TURNS, {
      body: { input: 'hi' },
      headers: { Prefer: 'wait=5' },
      token,
    });
    const log = await call('GET', TURNS.replace(/turns$/, 'events'), { token });

    expect(stream.text).toContain('event: turn.ended');
    expect([waiting.status, waiting.json['outcome']]).toEqual([200, 'completed']);
    expect([log.status, log.json['code']]).toEqual([403, 'auth.scope']);
  });

  test('shows the receipt and the words at once, while the turn goes on', async () => {
    const served = await serve();
    served.speech.until = new Promise(() => {});
    const reader = await served.wire();

    reader.write(served.head(`POST ${TURNS}`) + request);
    const text = await reader.until('hello');

    expect(text).toContain('event: receipt');
    expect(reader.ended).toBe(false);
  });

  test('leaves the connection usable for the next one', async () => {
    const served = await serve();
    const reader = await served.wire();

    reader.write(served.head(`POST ${TURNS}`) + request);
    await reader.until('0\r\n\r\n');
    reader.forget();
    reader.write(served.head(`POST ${TURNS}`) + request);
    const second = await reader.until('0\r\n\r\n');

    expect(statusOf(second)).toBe(200);
  });

  test('carries text that looks like the stream’s own fields without being taken for them', async () => {
    const { call, speech } = await serve();
    speech.words = ['a\n\nid: 99\nevent: turn.ended\ndata: {}\r\n\r\n', '\u2028\u2029\0'];

    const answer = await call('POST', TURNS, { body: { input: 'hi' }, headers: SSE });

    const deltas = framesOf(answer.text).filter(({ event }) => event === 'text.delta');
    const texts = deltas.map(({ data }) => (JSON.parse(data) as { body: { text: string } }).body.text);
    expect(texts).toEqual(speech.words);
    expect(seqsOf(answer.text)).not.toContain(99);
  });
});

describe('a reader of a session', () => {
  test('sees what was and what comes, across turns, each once', async () => {
    const served = await serve();
    await withTurn(served);

    const reader = await follow(served);
    await reader.until('id: 8\n');
    await withTurn(served);
    const text = await reader.until('id: 15\n');

    expect(seqsOf(text)).toEqual(upTo(15));
  });

  test('has its headers before the first event comes', async () => {
    const served = await serve();
    await withTurn(served);

    const reader = await follow(served, `${EVENTS}?after=8`);

    expect(statusOf(reader.text)).toBe(200);
    expect(seqsOf(reader.text)).toEqual([]);
  });

  test.each([
    ['after', `${EVENTS}?after=6`, ''],
    ['Last-Event-ID', EVENTS, 'Last-Event-ID: 6\r\n'],
    ['Last-Event-ID, which wins', `${EVENTS}?after=1`, 'Last-Event-ID: 6\r\n'],
  ])('that names %s goes on from there', async (_what, path, headers) => {
    const served = await serve();
    await withTurn(served);

    const reader = await follow(served, path, headers);
    const text = await reader.until('id: 8\n');

    expect(seqsOf(text)).toEqual([7, 8]);
  });

  test('that leaves and comes back again and again has missed nothing and seen nothing twice', async () => {
    const served = await serve();
    served.speech.words = Array.from({ length: 200 }, (_, at) => `w${at} `);
    await served.call('POST', TURNS, { body: { input: 'hi' } });

    const seen: number[] = [];
    while (seen.at(-1) !== 205) {
      const reader = await follow(served, `${EVENTS}?after=${seen.at(-1) ?? 0}`);
      await reader.until(`id: ${(seen.at(-1) ?? 0) + 1}\n`);
      reader.socket.destroy();
      const complete = reader.text.slice(0, reader.text.lastIndexOf('\n\n') + 2);
      seen.push(...seqsOf(complete).slice(0, 1 + (seen.length % 7)));
    }

    expect(seen).toEqual(upTo(205));
  });

  test('who only waits for quiet is let go when nothing runs', async () => {
    const served = await serve();
    const end = await withHeldTurn(served);
    const reader = await follow(served, `${EVENTS}?until=idle`);
    await reader.until('hello');

    end();
    const text = await reader.until('0\r\n\r\n');
    const other = await served.call('GET', `${EVENTS}?until=noon`, { headers: SSE });

    expect(seqsOf(text)).toEqual(upTo(8));
    expect([other.status, other.json['code']]).toEqual([400, 'input.invalid']);
  });

  test('who leaves closes its own tail and stops nothing', async () => {
    const served = await serve();
    const end = await withHeldTurn(served);
    const leaving = await follow(served);
    const staying = await follow(served);
    await staying.until('hello');
    expect(served.runtime.stats().tails).toBe(2);

    leaving.socket.destroy();
    while (served.runtime.stats().tails !== 1) await new Promise((resolve) => setImmediate(resolve));
    end();

    expect(await staying.until('id: 8\n')).toContain('"outcome":"completed"');
    staying.socket.destroy();
    await noTails(served);
  });
});

describe('a cursor', () => {
  const wrong = [
    '-1',
    '0x10',
    '1e3',
    'NaN',
    '1'.repeat(400),
    '1'.repeat(17),
    '',
    ' ',
    '１',
    '1,2',
    '1.0',
    '+1',
  ];

  test.each(wrong)('that is %j is refused as Last-Event-ID', async (cursor) => {
    const served = await serve();
    await withTurn(served);

    const answer = await served.raw(
      Buffer.from(
        `${served.head(`GET ${EVENTS}`)}Accept: text/event-stream\r\nLast-Event-ID: ${cursor}\r\nConnection: close\r\n\r\n`,
      ),
    );

    expect([statusOf(answer), codeOf(answer)]).toEqual([400, 'cursor.invalid']);
  });

  test.each(wrong)('that is %j is refused as after', async (cursor) => {
    const served = await serve();
    await withTurn(served);

    const answer = await served.call('GET', `${EVENTS}?after=${encodeURIComponent(cursor)}`);

    expect([answer.status, answer.json['code']]).toEqual([400, 'cursor.invalid']);
  });

  test.each(['9', '9007199254740991', '9999999999999999'])(
    'of %s, beyond the head, is refused',
    async (after) => {
      const served = await serve();
      await withTurn(served);

      const page = await served.call('GET', `${EVENTS}?after=${after}`);
      const stream = await served.call('GET', `${EVENTS}?after=${after}`, { headers: SSE });

      expect([page.status, stream.status]).toEqual([400, 400]);
      expect(stream.json['code']).toBe(page.json['code']);
      expect(['cursor.ahead', 'cursor.invalid']).toContain(page.json['code']);
    },
  );

  test('of another session under the same key is refused, by the page and by the stream', async () => {
    const served = await serve();
    await withTurn(served);
    const { session } = (await served.call('GET', EVENTS)).json;
    await served.call('DELETE', '/v1/sessions/a?erase=true');
    await withTurn(served);

    const page = await served.call('GET', `${EVENTS}?after=2&session=${String(session)}`);
    const stream = await served.call('GET', `${EVENTS}?after=2&session=${String(session)}`, { headers: SSE });

    expect([page.status, page.json['code']]).toEqual([404, 'cursor.foreign']);
    expect([stream.status, stream.json['code']]).toEqual([404, 'cursor.foreign']);
  });

  test('of another session is refused as such also where this log is not that long', async () => {
    const served = await serve();
    await withTurn(served);
    const foreign = `${EVENTS}?after=5000&session=of-another`;

    const page = await served.call('GET', foreign);
    const stream = await served.call('GET', foreign, { headers: SSE });

    expect([page.status, page.json['code']]).toEqual([404, 'cursor.foreign']);
    expect([stream.status, stream.json['code']]).toEqual([404, 'cursor.foreign']);
  });

  test('pages through a log without a gap', async () => {
    const served = await serve();
    await withTurn(served);

    const first = await served.call('GET', `${EVENTS}?limit=5`);
    const second = await served.call('GET', `${EVENTS}?limit=5&after=5`);
    const none = await served.call('GET', `${EVENTS}?after=8`);

    const seqs = (json: Record<string, unknown>): number[] =>
      (json['events'] as { seq: number }[]).map(({ seq }) => seq);
    expect([seqs(first.json), seqs(second.json), seqs(none.json)]).toEqual([[1, 2, 3, 4, 5], [6, 7, 8], []]);
    expect(none.json['headSeq']).toBe(8);
    expect((await served.call('GET', `${EVENTS}?limit=1001`)).status).toBe(400);
  });
});
