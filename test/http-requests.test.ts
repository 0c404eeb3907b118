// What a caller of the HTTP face gets for well-formed requests, and for those that miss.
import { describe, expect, test } from 'vitest';
import { serve, withCalls } from './http-support.ts';

describe('sessions', () => {
  test('putting a session makes it, and putting it again gives the same one', async () => {
    const { call } = await serve();

    const made = await call('PUT', '/v1/sessions/alice', { body: { title: 'Alice' } });
    const again = await call('PUT', '/v1/sessions/alice');
    const other = await call('PUT', '/v1/sessions/alice', { body: { agent: 'other' } });

    expect([made.status, made.headers.get('location')]).toEqual([201, '/v1/sessions/alice']);
    expect([again.status, again.json]).toEqual([200, made.json]);
    expect([other.status, other.json['code']]).toEqual([409, 'session.mismatch']);
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

  test.each(['state=closed', 'agent=other', 'owner=zoe', 'label=red', 'q=Caf%C3%A9', 'q=cafe'])(
    'the list by %s has what fits, and nothing else',
    async (filter) => {
      const { call } = await serve();
      const body = { agent: 'other', owner: 'zoe', labels: ['red'], title: 'The Café' };
      await call('PUT', '/v1/sessions/one', { body });
      await call('DELETE', '/v1/sessions/one');
      await call('PUT', '/v1/sessions/two');

      const list = await call('GET', `/v1/sessions?${filter}`);

      expect(list.json['sessions']).toMatchObject([{ key: 'one' }]);
    },
  );

  test('the list goes on page by page, and refuses a state, a limit or a cursor that is none', async () => {
    const { call } = await serve();
    for (const key of ['a', 'b', 'c']) await call('PUT', `/v1/sessions/${key}`);

    const first = await call('GET', '/v1/sessions?limit=2');
    const cursor = String(first.json['nextCursor']);
    const second = await call('GET', `/v1/sessions?limit=2&cursor=${encodeURIComponent(cursor)}`);
    const wrong = ['state=asleep', 'limit=201', 'limit=0', 'limit=x', 'cursor=x'];
    const refused = await Promise.all(wrong.map((query) => call('GET', `/v1/sessions?${query}`)));

    const keys = [first, second].flatMap(({ json }) =>
      (json['sessions'] as { key: string }[]).map(({ key }) => key),
    );
    expect(keys.toSorted()).toEqual(['a', 'b', 'c']);
    expect(second.json['nextCursor']).toBeNull();
    expect(refused.map(({ status }) => status)).toEqual(wrong.map(() => 400));
    expect(refused[1]?.json['detail']).toContain('1 to 200');
  });

  test('title, labels, metadata and budget change, and null empties the title', async () => {
    const { call } = await serve();
    await call('PUT', '/v1/sessions/a', { body: { title: 'Old' } });
    const body = { title: null, labels: ['x'], metadata: { y: 1 }, budget: { turns: 3 } };

    const changed = await call('PATCH', '/v1/sessions/a', { body });

    expect(changed.json).toMatchObject(body);
  });

  test('closing keeps the session, erasing leaves nothing to show and frees its key', async () => {
    const { call } = await serve();
    const made = await call('PUT', '/v1/sessions/alice');

    const closed = await call('DELETE', '/v1/sessions/alice');
    const message = await call('POST', '/v1/sessions/alice/turns', { body: { input: 'hi' } });
    const erased = await call('DELETE', '/v1/sessions/alice?erase=true');
    const anew = await call('PUT', '/v1/sessions/alice');

    expect([closed.status, closed.json['state']]).toEqual([200, 'closed']);
    expect([message.status, message.json['code']]).toEqual([409, 'session.closed']);
    expect([erased.status, erased.text]).toEqual([204, '']);
    expect(anew.status).toBe(201);
    expect(anew.json['id']).not.toBe(made.json['id']);
  });

  test('calls whose fields are all optional work without a body', async () => {
    const { call } = await serve();
    await call('PUT', '/v1/sessions/alice');

    const evicted = await call('POST', '/v1/sessions/alice/evict');
    const cancelled = await call('POST', '/v1/sessions/alice/cancel');

    expect([evicted.status, evicted.json]).toEqual([200, { evicted: expect.any(Boolean) }]);
    expect(cancelled.json).toEqual({ cancelled: [] });
  });

  test('a session answers to another key as well, once it has one', async () => {
    const { call } = await serve();
    const made = await call('PUT', '/v1/sessions/a');

    const added = await call('PUT', '/v1/sessions/a/aliases/b%2Fc');
    const read = await call('GET', '/v1/sessions/b%2Fc');

    expect([added.status, read.json['id']]).toEqual([204, made.json['id']]);
  });

  test('a fork, a transcript and a tree show what was said', async () => {
    const { call } = await serve();
    await call('POST', '/v1/sessions/a/turns', { body: { input: 'hi' }, headers: { Prefer: 'wait=30' } });

    const forked = await call('POST', '/v1/sessions/a/fork', { body: { key: 'b' } });
    const transcript = await call('GET', '/v1/sessions/b/transcript');
    const tree = await call('GET', '/v1/sessions/a/tree');

    expect([forked.status, forked.headers.get('location')]).toEqual([201, '/v1/sessions/b']);
    expect(transcript.json['messages']).toMatchObject([{ role: 'user' }, { role: 'assistant' }]);
    expect(tree.json).toMatchObject({ session: { key: 'a' }, children: [] });
  });
});

describe('turns', () => {
  const turns = '/v1/sessions/alice/turns';

  test('a message is answered with its receipt as soon as it is taken, and the same one with the same', async () => {
    const { call } = await serve();
    const body = { input: 'hi', policy: 'collect', metadata: { from: 'test' } };
    const headers = { 'Idempotency-Key': 'k 1' };

    const first = await call('POST', turns, { body, headers });
    const again = await call('POST', turns, { body, headers });
    const other = await call('POST', turns, { body: { ...body, input: 'ho' }, headers });

    expect(first.status).toBe(202);
    expect(first.json).toMatchObject({ seq: 0, disposition: 'started' });
    expect([again.status, again.json]).toEqual([202, { ...first.json, disposition: 'replayed' }]);
    expect([other.status, other.json['code']]).toEqual([422, 'idempotency.conflict']);
  });

  test('a caller who prefers to wait gets the finished turn', async () => {
    const { call } = await serve();

    const done = await call('POST', turns, {
      body: { input: 'hi' },
      headers: { Prefer: 'respond-async, wait=5' },
    });

    expect([done.status, done.json['outcome'], done.json['text']]).toEqual([
      200,
      'completed',
      'You said: hello',
    ]);
    expect(done.headers.get('preference-applied')).toBe('wait=5');
  });

  test('a caller who waits no longer gets the receipt, and the turn goes on', async () => {
    const { call, speech } = await serve();
    speech.until = new Promise(() => {});

    const early = await call('POST', turns, { body: { input: 'hi' }, headers: { Prefer: 'wait=0' } });
    const turn = await call('GET', `${turns}/${String(early.json['turn'])}`);

    expect([early.status, early.json['disposition']]).toEqual([202, 'started']);
    expect(turn.json['state']).not.toBe('done');
  });

  test('a caller who would wait for years waits as long as anybody may', async () => {
    const { call } = await serve();
    const years = { Prefer: 'respond-async, wait=99999999999999999999' };

    const turn = await call('POST', turns, { body: { input: 'hi' }, headers: years });

    expect([turn.status, turn.headers.get('preference-applied')]).toEqual([200, 'wait=600']);
  });

  test('turns are listed and read by id, and cancelled once', async () => {
    const { call, speech } = await serve();
    speech.until = new Promise(() => {});
    const { turn } = (await call('POST', turns, { body: { input: 'hi' } })).json;
    const path = `${turns}/${String(turn)}`;

    const list = await call('GET', `${turns}?limit=10`);
    const cancelled = await call('POST', `${path}/cancel`, { body: { reason: 'enough' } });
    const again = await call('POST', `${path}/cancel`);
    const one = await call('GET', path);
    const none = await call('GET', `${turns}/other`);

    expect(list.json).toMatchObject({ turns: [{ id: turn }] });
    expect(cancelled.json).toEqual({ outcome: 'cancelled', changed: true });
    expect(again.json).toEqual({ outcome: 'cancelled', changed: false });
    expect(one.json).toMatchObject({ id: turn, state: 'done', outcome: 'cancelled' });
    expect([none.status, none.json['code']]).toEqual([404, 'turn.not_found']);
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
    const events = await call('HEAD', '/v1/sessions/a/events', { headers: { Accept: 'text/event-stream' } });

    expect([head.status, head.text]).toEqual([200, '']);
    expect(head.headers.get('content-length')).toBe(get.headers.get('content-length'));
    expect([events.status, events.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
  });
});

describe('a defect', () => {
  test('is answered without its cause, which goes to the log under the same id', async () => {
    const turns = () => Promise.reject(new Error('the password is swordfish'));
    const { call, log } = await serve({}, withCalls({ turns }));

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
    const { call, log, token, tokenId } = await serve();

    await call('POST', '/v1/sessions/secret-key/turns?q=secret-query', { body: { input: 'secret-input' } });
    await call('GET', '/v1/sessions/secret-key', { token: 'soj_secret-wrong' });

    const lines = log.filter(({ event }) => event === 'http.request').map(({ fields }) => fields);
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatchObject({
      token: tokenId,
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
