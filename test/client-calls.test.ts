import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connect } from '../src/client/client.ts';
import { Patience, type ConnectionChange } from '../src/client/patience.ts';
import { SojournError } from '../src/kernel/errors.ts';
import { hurriedClock, StandIn } from './client-stand-in.ts';

let server: StandIn;

beforeEach(async () => {
  server = new StandIn();
  await server.listen();
});
afterEach(() => server.stop());

/** A client whose server is a function. */
function clientOf(answer: (url: URL, init: RequestInit) => Response | Promise<Response>) {
  return connect({
    url: 'http://stand.in/base/',
    token: 'soj_test',
    clock: hurriedClock(100),
    random: () => 0,
    fetch: async (input, init) => answer(new URL(new Request(input).url), init ?? {}),
  });
}

const problem = (status: number, body: object, headers: Record<string, string> = {}): Response =>
  new Response(JSON.stringify(body), {
    status,
    headers: { 'Content-Type': 'application/problem+json', ...headers },
  });

describe('an error', () => {
  test('of the server arrives with its code, its detail and its request id', async () => {
    const client = clientOf(() =>
      problem(404, { code: 'session.not_found', detail: 'No session "x"', next: 'stop', requestId: 'r1' }),
    );

    const error: unknown = await client
      .session('x')
      .view()
      .catch((thrown: unknown) => thrown);

    expect(error).toBeInstanceOf(SojournError);
    expect(error).toMatchObject({
      code: 'session.not_found',
      detail: 'No session "x"',
      cause: { requestId: 'r1' },
    });
  });

  test('that a newer server invented still says what it was', async () => {
    const client = clientOf(() => problem(418, { code: 'tea.cold', detail: 'Too late', next: 'stop' }));

    await expect(client.session('x').view()).rejects.toMatchObject({
      code: 'server.unexpected',
      detail: 'tea.cold (418): Too late',
    });
  });

  test('page of something else is not taken for an answer', async () => {
    const client = clientOf(() => new Response('<h1>It works</h1>'));

    await expect(client.session('x').view()).rejects.toMatchObject({ code: 'server.unexpected' });
  });

  test('says nothing of the token', async () => {
    await server.stop();
    const client = connect({ url: server.url, token: 'soj_secret', retryMsMax: 0 });

    const error: unknown = await client.stats().catch((thrown: unknown) => thrown);

    expect(error).toMatchObject({ code: 'server.unreachable' });
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('soj_secret');
  });

  test('of a token that no header can carry is thrown at once, and does not show it', async () => {
    const client = connect({ url: server.url, token: 'soj_sec\nret' });

    const error: unknown = await client.stats().catch((thrown: unknown) => thrown);

    expect(error).toMatchObject({ code: 'input.invalid', detail: expect.stringContaining('Authorization') });
    expect(inspect(error)).not.toContain('soj_sec');
  });

  test('of a message that cannot be sent is thrown at once, and not taken for a lost server', async () => {
    const session = connect({ url: server.url }).session('x');
    const circular: { type: 'text'; text: string; self?: unknown } = { type: 'text', text: 'hi' };
    circular.self = circular;

    await expect(session.send([circular])).rejects.toMatchObject({ code: 'input.invalid' });
    await expect(session.send('hi', { idempotencyKey: 'a→b' })).rejects.toMatchObject({
      code: 'input.invalid',
    });
    expect(server.requests).toEqual([]);
  });

  test('is thrown at once for an address that is none', () => {
    expect(() => connect({ url: 'localhost' })).toThrow(expect.objectContaining({ code: 'config.invalid' }));
    expect(() => connect({ url: 'http://me:pw@h' })).toThrow(
      expect.objectContaining({ code: 'config.invalid' }),
    );
  });
});

describe('trying again', () => {
  test('brings an artifact and a task map whole, although the first answer broke off', async () => {
    let calls = 0;
    const client = clientOf(() => {
      calls += 1;
      if (calls % 2 === 0) return new Response('all of it');
      return new Response(
        new ReadableStream({
          start(controller) {
            controller.enqueue(new TextEncoder().encode('all'));
          },
          pull(controller) {
            controller.error(new TypeError('terminated'));
          },
        }),
      );
    });

    const bytes = await client.session('x').artifact('d1');
    const map = await client.session('x').taskMap();

    expect([new TextDecoder().decode(bytes), map, calls]).toEqual(['all of it', 'all of it', 4]);
  });

  test('is left to the caller when the session is busy', async () => {
    let calls = 0;
    const client = clientOf(() => {
      calls += 1;
      return problem(409, { code: 'session.busy', detail: 'A turn runs', next: 'retry', retryAfterMs: 1 });
    });

    await expect(client.session('x').send('hi', { policy: 'reject' })).rejects.toMatchObject({
      code: 'session.busy',
      retryAfterMs: 1,
    });
    expect(calls).toBe(1);
  });

  test('happens by itself while the server restarts', async () => {
    const answers = [
      problem(503, { code: 'runtime.draining', detail: 'Bye', next: 'retry' }),
      new Response('Bad gateway', { status: 502 }),
      new Response(JSON.stringify({ session: 's', turn: 't', seq: 0, disposition: 'started' }), {
        status: 202,
      }),
    ];
    const keys: (string | null)[] = [];
    const client = clientOf((_url, init) => {
      keys.push(new Headers(init.headers).get('Idempotency-Key'));
      return answers.shift() ?? new Response(null, { status: 500 });
    });

    const receipt = await client.session('x').send('hi');

    expect(receipt.turn).toBe('t');
    expect(new Set(keys).size).toBe(1);
  });

  test('waits out a gateway that names a date, or has had too many calls', async () => {
    const waits: number[] = [];
    const nowMs = Date.parse('2030-01-01T00:00:00Z');
    const answers = [
      new Response('Soon', { status: 503, headers: { 'Retry-After': 'Tue, 01 Jan 2030 00:00:07 GMT' } }),
      new Response('Slow down', { status: 429, headers: { 'Retry-After': '3' } }),
      new Response('{"session": "s", "turn": "t", "seq": 0, "disposition": "started"}', { status: 202 }),
    ];
    const client = connect({
      url: 'http://stand.in',
      clock: { ...hurriedClock(1_000), now: () => nowMs },
      random: () => 0,
      onConnection: (change) => change.state === 'lost' && waits.push(change.retryMs),
      fetch: async () => answers.shift() ?? new Response(null, { status: 500 }),
    });

    await client.session('x').send('hi');

    expect(waits).toEqual([7_000 + 25, 3_000 + 50]);
  });

  test('brings the answer to a question to a server that was away', async () => {
    let calls = 0;
    const client = clientOf(() => {
      calls += 1;
      if (calls === 1) throw new TypeError('fetch failed');
      return new Response('{"decision": "allow"}');
    });

    const told = await client.session('x').answer('r1', { decision: 'allow', answer: 'blue' });

    expect(told).toEqual({ decision: 'allow' });
  });

  test('never doubles a fork whose answer was lost', async () => {
    let calls = 0;
    const client = clientOf(() => {
      calls += 1;
      throw new TypeError('fetch failed');
    });

    await expect(client.session('x').fork({ key: 'y' })).rejects.toMatchObject({
      code: 'server.unreachable',
    });
    expect(calls).toBe(1);
  });

  test('waits at least as long as the server asked for, and with jitter otherwise', async () => {
    const waits: number[] = [];
    const clock = {
      now: () => 0,
      monotonic: () => 0,
      after(delay: number, run: () => void) {
        waits.push(delay);
        queueMicrotask(run);
        return { cancel() {} };
      },
    };
    const changes: ConnectionChange[] = [];
    const patience = new Patience({
      clock,
      random: () => 0.5,
      retryMsMax: 60_000,
      changed: (change) => changes.push(change),
    });
    const lost = new SojournError('server.unreachable', 'gone');

    for (let time = 0; time < 8; time += 1) await patience.wait(lost);
    await patience.wait(new SojournError('runtime.draining', 'bye', { retryAfterMs: 9_000 }));
    patience.alive(true);
    await patience.wait(lost);

    expect(waits).toEqual([75, 150, 300, 600, 1200, 2400, 3750, 3750, 9_000 + 1_875, 75]);
    expect(changes.filter((change) => change.state === 'back')).toHaveLength(1);
  });

  test('ends when the server has been away for too long, with the error that was', async () => {
    let nowMs = 0;
    const clock = {
      now: () => 0,
      monotonic: () => nowMs,
      after(delay: number, run: () => void) {
        nowMs += delay;
        queueMicrotask(run);
        return { cancel() {} };
      },
    };
    const patience = new Patience({ clock, random: () => 0, retryMsMax: 10_000, changed() {} });
    const lost = new SojournError('server.unreachable', 'gone');

    const waiting = (async () => {
      for (;;) await patience.wait(lost);
    })();

    await expect(waiting).rejects.toBe(lost);
    expect(nowMs).toBeGreaterThan(7_000);
    expect(nowMs).toBeLessThanOrEqual(10_000);
  });
});

describe('a key', () => {
  test.each(['a/b', 'a b', 'ü', '%2F', 'a?b#c', 'web:s_1', '😀', '__proto__', 'a\u0000b'])(
    'travels as one path segment: %j',
    async (key) => {
      const paths: string[] = [];
      const client = clientOf((url) => {
        paths.push(url.pathname);
        return new Response('{}');
      });

      await client.session(key).view();

      expect(paths).toEqual([`/base/v1/sessions/${encodeURIComponent(key)}`]);
    },
  );

  test.each(['', '.', '..'])('that a URL would swallow is refused: %j', (key) => {
    const client = clientOf(() => new Response('{}'));

    expect(() => client.session(key)).toThrow(expect.objectContaining({ code: 'key.invalid' }));
  });

  test('with half a character is refused', () => {
    const client = clientOf(() => new Response('{}'));

    expect(() => client.session('\ud800')).toThrow(expect.objectContaining({ code: 'key.ill_formed' }));
  });
});

test('a list is walked page by page', async () => {
  const asked: string[] = [];
  const client = clientOf((url) => {
    asked.push(url.search);
    const second = url.searchParams.get('cursor') === 'c2';
    const sessions = second ? [{ key: 'c' }] : [{ key: 'a' }, { key: 'b' }];
    return new Response(JSON.stringify({ sessions, nextCursor: second ? null : 'c2' }));
  });

  const keys: string[] = [];
  for await (const session of client.sessions({ state: 'idle', limit: 2 })) keys.push(session.key);

  expect(keys).toEqual(['a', 'b', 'c']);
  expect(asked).toEqual(['?state=idle&limit=2', '?state=idle&limit=2&cursor=c2']);
});

test('the history of a session is read to its end', async () => {
  await server.runTurn('one', 3);
  const client = clientOf((url) => {
    const after = Number(url.searchParams.get('after'));
    const events = server.log.filter((event) => event.seq > after).slice(0, 2);
    return new Response(JSON.stringify({ events, headSeq: 5 }));
  });

  const seqs: number[] = [];
  for await (const event of client.session('x').history()) seqs.push(event.seq);

  expect(seqs).toEqual([1, 2, 3, 4, 5]);
});

test('a range of an artifact is asked for by its bytes', async () => {
  const ranges: (string | null)[] = [];
  const client = clientOf((_url, init) => {
    ranges.push(new Headers(init.headers).get('Range'));
    return new Response('abc');
  });

  const bytes = await client.session('x').artifact('d1', { start: 10, end: 13 });

  expect(new TextDecoder().decode(bytes)).toBe('abc');
  expect(ranges).toEqual(['bytes=10-12']);
});

test('every call carries the token, and the project when one is chosen', async () => {
  const seen: Headers[] = [];
  const client = connect({
    url: 'http://stand.in',
    token: 'soj_test',
    project: 'acme',
    fetch: async (_input, init) => {
      seen.push(new Headers(init?.headers));
      return new Response('{"agents": []}');
    },
  });

  await client.agents();

  expect(seen[0]?.get('Authorization')).toBe('Bearer soj_test');
  expect(seen[0]?.get('Sojourn-Project')).toBe('acme');
});
