// What a caller of the HTTP face gets for well-formed requests, and for those that miss.
import { describe, expect, test } from 'vitest';
import { serve } from './http-support.ts';

describe('sessions', () => {
  test('putting a session makes it, and putting it again gives the same one', async () => {
    const { call } = await serve();

    const made = await call('PUT', '/v1/sessions/alice', { body: { title: 'Alice' } });
    const again = await call('PUT', '/v1/sessions/alice');

    expect([made.status, made.headers.get('location')]).toEqual([201, '/v1/sessions/alice']);
    expect([again.status, again.json]).toEqual([200, made.json]);
  });

  test('reading a session that is not there makes none', async () => {
    const { call } = await serve();

    const answer = await call('GET', '/v1/sessions/nobody');
    const list = await call('GET', '/v1/sessions');

    expect([answer.status, answer.json['code'], answer.json['next']]).toEqual([
      404,
      'session.not_found',
      'stop',
    ]);
    expect(list.json).toEqual({ sessions: [], nextCursor: null });
  });

  test('the list passes every filter on, and refuses a state or a limit that is none', async () => {
    const { call, runtime } = await serve();

    await call('GET', '/v1/sessions?state=idle&agent=a&owner=o&parent=p&label=l&q=x%20y&limit=200&cursor=c');
    const badState = await call('GET', '/v1/sessions?state=asleep');
    const badLimit = await call('GET', '/v1/sessions?limit=201');

    const asked = { state: 'idle', agent: 'a', owner: 'o', parent: 'p', label: 'l', q: 'x y' };
    expect(runtime.calls).toEqual([{ name: 'sessions', call: { ...asked, limit: 200, cursor: 'c' } }]);
    expect([badState.json['code'], badLimit.json['code']]).toEqual(['input.invalid', 'input.invalid']);
    expect(badLimit.json['detail']).toContain('1 to 200');
  });

  test('closing keeps the session, erasing leaves nothing to show', async () => {
    const { call } = await serve();
    await call('PUT', '/v1/sessions/alice');

    const closed = await call('DELETE', '/v1/sessions/alice');
    const erased = await call('DELETE', '/v1/sessions/alice?erase=true');

    expect([closed.status, closed.json['state']]).toEqual([200, 'closed']);
    expect([erased.status, erased.text]).toEqual([204, '']);
  });

  test('calls whose fields are all optional work without a body', async () => {
    const { call } = await serve();
    await call('PUT', '/v1/sessions/alice');

    const evicted = await call('POST', '/v1/sessions/alice/evict');
    const cancelled = await call('POST', '/v1/sessions/alice/cancel');
    const turn = await call('POST', '/v1/sessions/alice/turns/t1/cancel');

    expect([evicted.json, cancelled.json]).toEqual([{ evicted: false }, { cancelled: [] }]);
    expect(turn.json).toEqual({ outcome: 'cancelled', changed: true });
  });

  test('an export comes as lines, and an import takes lines of any chunking', async () => {
    const { call, runtime } = await serve();
    await call('POST', '/v1/sessions/alice/turns', { body: { input: 'hi' } });

    const lines = (await call('GET', '/v1/sessions/alice/export')).text;
    const taken = await call('POST', '/v1/sessions/bob/import', {
      body: lines,
      headers: { 'Content-Type': 'application/x-ndjson' },
    });

    expect(lines.trimEnd().split('\n')).toHaveLength(6);
    expect(taken.status).toBe(201);
    expect(runtime.calls.find(({ name }) => name === 'import')?.call).toEqual(lines.trimEnd().split('\n'));
  });
});

describe('turns', () => {
  test('a message is answered with its receipt as soon as it is taken', async () => {
    const { call, runtime } = await serve();

    const answer = await call('POST', '/v1/sessions/alice/turns', {
      body: { input: 'hi', policy: 'collect', metadata: { from: 'test' } },
      headers: { 'Idempotency-Key': 'k 1' },
    });

    expect(answer.status).toBe(202);
    expect(answer.json).toMatchObject({ seq: 0, disposition: 'started' });
    expect(runtime.calls.at(-1)?.call).toEqual({
      input: 'hi',
      policy: 'collect',
      metadata: { from: 'test' },
      idempotencyKey: 'k 1',
    });
  });

  test('a caller who prefers to wait gets the finished turn, or the receipt when the time was too short', async () => {
    const { call, runtime } = await serve();

    const done = await call('POST', '/v1/sessions/a/turns', {
      body: { input: 'hi' },
      headers: { Prefer: 'respond-async, wait=5' },
    });
    runtime.hangs = true;
    const early = await call('POST', '/v1/sessions/b/turns', {
      body: { input: 'hi' },
      headers: { Prefer: 'wait=1' },
    });

    expect([done.status, done.json['outcome']]).toEqual([200, 'completed']);
    expect(done.headers.get('preference-applied')).toBe('wait=5');
    expect([early.status, early.json['disposition']]).toEqual([202, 'started']);
  });

  test('turns are listed and read by id', async () => {
    const { call } = await serve();
    const { turn } = (await call('POST', '/v1/sessions/a/turns', { body: { input: 'hi' } })).json;

    const list = await call('GET', '/v1/sessions/a/turns?limit=10');
    const one = await call('GET', `/v1/sessions/a/turns/${String(turn)}`);
    const none = await call('GET', '/v1/sessions/a/turns/other');

    expect(list.json).toMatchObject({ turns: [{ id: turn }] });
    expect(one.json).toMatchObject({ id: turn, state: 'done' });
    expect([none.status, none.json['code']]).toEqual([404, 'turn.not_found']);
  });
});

describe('artifacts', () => {
  const get = '/v1/sessions/a/artifacts/a1';

  test('a large artifact comes whole, piece by piece', async () => {
    const { call, runtime } = await serve();

    const whole = await call('GET', get);

    expect(whole.headers.get('content-length')).toBe('2000000');
    expect(whole.text).toBe(runtime.artifactBytes.toString());
    expect(whole.headers.get('accept-ranges')).toBe('bytes');
  });

  test.each([
    ['bytes=0-9', '0123456789', 'bytes 0-9/2000000'],
    ['bytes=1999995-', '56789', 'bytes 1999995-1999999/2000000'],
    ['bytes=-3', '789', 'bytes 1999997-1999999/2000000'],
    ['bytes=1999998-5000000', '89', 'bytes 1999998-1999999/2000000'],
  ])('the range %s gives just those bytes', async (range, text, contentRange) => {
    const { call } = await serve();

    const part = await call('GET', get, { headers: { Range: range } });

    expect([part.status, part.text, part.headers.get('content-range')]).toEqual([206, text, contentRange]);
  });

  test('a range outside the artifact is refused, and one that makes no sense is not applied', async () => {
    const { call } = await serve();

    const outside = await call('GET', get, { headers: { Range: 'bytes=2000000-' } });
    const senseless = await call('GET', get, { headers: { Range: 'lines=1-2' } });
    const stale = await call('GET', get, { headers: { Range: 'bytes=0-9', 'If-Range': '"other"' } });

    expect([outside.status, outside.json['code']]).toEqual([416, 'artifact.range']);
    expect([senseless.status, stale.status]).toEqual([200, 200]);
  });

  test.each([
    ['text/html', 'text/plain; charset=utf-8', 'inline'],
    ['image/svg+xml', 'application/octet-stream', 'attachment'],
    ['application/xhtml+xml', 'application/octet-stream', 'attachment'],
    ['text/html\r\nX-Evil: 1', 'text/plain; charset=utf-8', 'inline'],
    ['image/png', 'image/png', 'attachment'],
  ])('an artifact that calls itself %j is never shown as a page', async (claimed, type, disposition) => {
    const { call, runtime } = await serve();
    runtime.artifactBytes = Buffer.from('<script>alert(1)</script>');
    runtime.artifactType = claimed;

    const { headers } = await call('GET', get);

    expect(headers.get('content-type')).toBe(type);
    expect(headers.get('content-disposition')).toBe(`${disposition}; filename*=UTF-8''page.html`);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toBe("default-src 'none'; sandbox");
    expect(headers.get('x-evil')).toBeNull();
  });

  test('an artifact that is empty is an empty answer', async () => {
    const { call, runtime } = await serve();
    runtime.artifactBytes = Buffer.alloc(0);

    const answer = await call('GET', get);

    expect([answer.status, answer.text]).toEqual([200, '']);
  });
});

describe('what is not there', () => {
  test('an unknown path is 404 with a problem that carries the id of the request', async () => {
    const { call, log } = await serve();

    const answer = await call('GET', '/v1/nothing');

    expect(answer.status).toBe(404);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(answer.json).toMatchObject({
      type: 'urn:sojourn:error:route.not_found',
      status: 404,
      code: 'route.not_found',
      next: 'stop',
      requestId: answer.headers.get('x-request-id'),
    });
    expect(log.at(-1)?.fields['requestId']).toBe(answer.json['requestId']);
  });

  test.each([
    ['PUT', '/v1/sessions/a/turns', 'POST, GET, HEAD'],
    ['POST', '/v1/sessions', 'GET, HEAD'],
    ['DELETE', '/healthz', 'GET, HEAD'],
    ['OPTIONS', '/v1/sessions/a', 'PUT, GET, HEAD, PATCH, DELETE'],
  ])('%s on %s is 405 and says what there is', async (method, path, allow) => {
    const { call } = await serve();

    const answer = await call(method, path);

    expect([answer.status, answer.json['code'], answer.headers.get('allow')]).toEqual([
      405,
      'input.method',
      allow,
    ]);
  });

  test('a method named in a header or a query changes nothing', async () => {
    const { call } = await serve();
    await call('PUT', '/v1/sessions/a');

    const answer = await call('GET', '/v1/sessions/a?_method=DELETE', {
      headers: { 'X-HTTP-Method-Override': 'DELETE', 'X-Method-Override': 'DELETE' },
    });

    expect([answer.status, answer.json['state']]).toEqual([200, 'idle']);
  });

  test('HEAD answers as GET does, without the body', async () => {
    const { call } = await serve();
    await call('PUT', '/v1/sessions/a');

    const get = await call('GET', '/v1/sessions/a');
    const head = await call('HEAD', '/v1/sessions/a');
    const artifact = await call('HEAD', '/v1/sessions/a/artifacts/a1');
    const events = await call('HEAD', '/v1/sessions/a/events', { headers: { Accept: 'text/event-stream' } });

    expect([head.status, head.text]).toEqual([200, '']);
    expect(head.headers.get('content-length')).toBe(get.headers.get('content-length'));
    expect([artifact.status, artifact.headers.get('content-length')]).toEqual([200, '2000000']);
    expect([events.status, events.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
  });
});

describe('a defect', () => {
  test('is answered without its cause, which goes to the log under the same id', async () => {
    const { call, runtime, log } = await serve();
    runtime.turns = () => Promise.reject(new Error('the password is swordfish'));

    const answer = await call('GET', '/v1/sessions/a/turns');

    expect([answer.status, answer.json['code'], answer.json['next']]).toEqual([500, 'internal', 'retry']);
    expect(answer.text).not.toContain('swordfish');
    expect(answer.headers.get('retry-after')).toBe('1');
    const defect = log.find(({ event }) => event === 'http.defect');
    expect(defect?.fields['requestId']).toBe(answer.json['requestId']);
    expect(String(defect?.fields['error'])).toContain('swordfish');
  });
});

describe('the access log', () => {
  test('has one line for each request: who, which route, how it ended, how much; never a key or a secret', async () => {
    const { call, log, token } = await serve();

    await call('POST', '/v1/sessions/secret-key/turns?q=secret-query', { body: { input: 'secret-input' } });
    await call('GET', '/v1/sessions/secret-key', { token: 'soj_secret-wrong' });

    const lines = log.filter(({ event }) => event === 'http.request').map(({ fields }) => fields);
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatchObject({
      token: 't1',
      method: 'POST',
      route: '/v1/sessions/{key}/turns',
      status: 202,
      ms: 0,
    });
    expect(lines[0]?.['bytes']).toBeGreaterThan(100);
    expect(lines[1]).toMatchObject({ token: null, route: '/v1/sessions/{key}', status: 401 });
    expect(JSON.stringify(log)).not.toMatch(/secret/);
    expect(JSON.stringify(log)).not.toContain(token);
  });
});
