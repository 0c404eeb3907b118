// Streams of events: what they carry, and exact resuming.
import { describe, expect, test } from 'vitest';
import { EVENTS, follow, framesOf, seqsOf, SSE, withTurn } from './http-reading.ts';
import { codeOf, serve, statusOf } from './http-support.ts';

describe('a turn as a stream', () => {
  test('begins with the receipt, then has the turn’s events to its outcome, and ends', async () => {
    const { call } = await serve();

    const answer = await call('POST', '/v1/sessions/a/turns', { body: { input: 'hi' }, headers: SSE });

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
      'turn.ended',
    ]);
    expect(events.map(({ id }) => id)).toEqual(['1', '2', '3', '4', '5', '6']);
    expect(JSON.parse(events[2]?.data ?? '')).toMatchObject({
      seq: 3,
      kind: 'text.delta',
      body: { text: 'You ' },
    });
  });

  test('that is refused is refused as any call is, not as a stream', async () => {
    const { call } = await serve();

    const answer = await call('POST', '/v1/sessions/a/turns', { body: { input: 5 }, headers: SSE });

    expect([answer.status, answer.json['code']]).toEqual([400, 'input.invalid']);
  });

  test('shows the receipt at once, while the turn goes on', async () => {
    const served = await serve();
    served.runtime.hangs = true;
    const reader = await served.wire();

    reader.write(
      `${served.head('POST /v1/sessions/a/turns')}Accept: text/event-stream\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{"input":"hi"}`,
    );
    const text = await reader.until('turn.accepted');

    expect(text).toContain('event: receipt');
    expect(reader.ended).toBe(false);
  });

  test('leaves the connection usable for the next one', async () => {
    const served = await serve();
    const reader = await served.wire();
    const request = `${served.head('POST /v1/sessions/a/turns')}Accept: text/event-stream\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{"input":"hi"}`;

    reader.write(request);
    await reader.until('0\r\n\r\n');
    reader.forget();
    reader.write(request);
    const second = await reader.until('0\r\n\r\n');

    expect(statusOf(second)).toBe(200);
  });

  test('carries text that looks like the stream’s own fields without being taken for them', async () => {
    const { call, runtime } = await serve();
    runtime.words = ['a\n\nid: 99\nevent: turn.ended\ndata: {}\r\n\r\n', '\u2028\u2029\0'];

    const answer = await call('POST', '/v1/sessions/a/turns', { body: { input: 'hi' }, headers: SSE });

    const deltas = framesOf(answer.text).filter(({ event }) => event === 'text.delta');
    expect(deltas.map(({ data }) => (JSON.parse(data) as { body: { text: string } }).body.text)).toEqual(
      runtime.words,
    );
    expect(seqsOf(answer.text)).not.toContain(99);
  });
});

describe('a reader of a session', () => {
  test('sees what was and what comes, across turns, each once', async () => {
    const served = await serve();
    await withTurn(served);

    const reader = await follow(served);
    await reader.until('id: 6\n');
    await withTurn(served);
    const text = await reader.until('id: 12\n');

    expect(seqsOf(text)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  });

  test('has its headers before the first event comes', async () => {
    const served = await serve();
    await served.call('PUT', '/v1/sessions/a');

    const reader = await follow(served);

    expect(statusOf(reader.text)).toBe(200);
    expect(seqsOf(reader.text)).toEqual([]);
  });

  test.each([
    ['after', `${EVENTS}?after=4`, ''],
    ['Last-Event-ID', EVENTS, 'Last-Event-ID: 4\r\n'],
    ['Last-Event-ID, which wins', `${EVENTS}?after=1`, 'Last-Event-ID: 4\r\n'],
  ])('that names %s goes on from there', async (_what, path, headers) => {
    const served = await serve();
    await withTurn(served);

    const reader = await follow(served, path, headers);
    const text = await reader.until('id: 6\n');

    expect(seqsOf(text)).toEqual([5, 6]);
  });

  test('that leaves and comes back a hundred times has missed nothing and seen nothing twice', async () => {
    const served = await serve();
    served.runtime.words = Array.from({ length: 200 }, (_, at) => `w${at} `);
    await withTurn(served);

    const seen: number[] = [];
    while (seen.at(-1) !== 203) {
      const reader = await follow(served, `${EVENTS}?after=${seen.at(-1) ?? 0}`);
      await reader.until(`id: ${(seen.at(-1) ?? 0) + 1}\n`);
      reader.socket.destroy();
      const complete = reader.text.slice(0, reader.text.lastIndexOf('\n\n') + 2);
      seen.push(...seqsOf(complete).slice(0, 1 + (seen.length % 7)));
    }

    expect(seen).toEqual(Array.from({ length: 203 }, (_, at) => at + 1));
  });

  test('who only waits for quiet is let go when nothing runs', async () => {
    const served = await serve();
    await withTurn(served);

    const answer = await served.call('GET', `${EVENTS}?until=idle`, { headers: SSE });
    const other = await served.call('GET', `${EVENTS}?until=noon`, { headers: SSE });

    expect(seqsOf(answer.text)).toEqual([1, 2, 3, 4, 5, 6]);
    expect([other.status, other.json['code']]).toEqual([400, 'input.invalid']);
  });

  test('who leaves closes its own tail and stops nothing', async () => {
    const served = await serve();
    served.runtime.hangs = true;
    await withTurn(served);
    const leaving = await follow(served);
    const staying = await follow(served);
    await staying.until('id: 1\n');
    expect(served.runtime.tailsOf('a')).toBe(2);

    leaving.socket.destroy();
    while (served.runtime.tailsOf('a') !== 1) await new Promise((resolve) => setImmediate(resolve));
    served.runtime.say('a', 'still here');

    expect(await staying.until('still here')).toContain('id: 2\n');
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

  test('beyond the head is refused, by the page and by the stream', async () => {
    const served = await serve();
    await withTurn(served);

    const page = await served.call('GET', `${EVENTS}?after=7`);
    const stream = await served.call('GET', `${EVENTS}?after=9999999999999999`, { headers: SSE });

    expect([page.status, page.json['code']]).toEqual([400, 'cursor.ahead']);
    expect([stream.status, stream.json['code']]).toEqual([400, 'cursor.ahead']);
  });

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

  test('pages through a log without a gap', async () => {
    const served = await serve();
    await withTurn(served);

    const first = await served.call('GET', `${EVENTS}?limit=4`);
    const second = await served.call('GET', `${EVENTS}?limit=4&after=4`);
    const none = await served.call('GET', `${EVENTS}?after=6`);

    const seqs = (json: Record<string, unknown>): number[] =>
      (json['events'] as { seq: number }[]).map(({ seq }) => seq);
    expect([seqs(first.json), seqs(second.json), seqs(none.json)]).toEqual([[1, 2, 3, 4], [5, 6], []]);
    expect(none.json['headSeq']).toBe(6);
    expect((await served.call('GET', `${EVENTS}?limit=1001`)).status).toBe(400);
  });
});
