// Sessions over the socket of a real server: made, listed, changed, put away, copied, carried off, closed and erased.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ContractServer, type Loose } from './contract-server.ts';

let server: ContractServer;

beforeAll(async () => {
  server = await ContractServer.start();
});
afterAll(() => server.close());

const put = (key: string, call: object = {}) => server.call('PUT', `/v1/sessions/${key}`, call);
const patch = (key: string, call: object) => server.call('PATCH', `/v1/sessions/${key}`, call);
const listed = async (query: string): Promise<string[]> =>
  (await server.get(`/v1/sessions?${query}`)).body.sessions.map(({ key }: Loose) => key as string);
const texts = async (key: string): Promise<string[]> =>
  (await server.get(`/v1/sessions/${key}/transcript`)).body.messages.map(
    ({ parts }: Loose) => parts[0].text as string,
  );

const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const USAGE = { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 };

describe('making a session', () => {
  test('answers 201 with all of it and where it is, then 200 with the same', async () => {
    const call = {
      agent: 'scripted',
      title: 'A title',
      owner: 'ann',
      channel: 'web',
      labels: ['a', 'b'],
      metadata: { x: { y: [1] } },
    };

    const made = await put('made', call);
    const again = await put('made', call);
    const got = await server.get('/v1/sessions/made');

    expect([made.status, made.headers.get('location')]).toEqual([201, '/v1/sessions/made']);
    expect(made.headers.get('content-type')).toBe('application/json');
    expect(made.body).toEqual({
      ...call,
      id: expect.any(String),
      key: 'made',
      project: 'default',
      summary: null,
      state: 'idle',
      live: false,
      generation: 0,
      dirty: false,
      headSeq: 1,
      turn: null,
      queued: 0,
      usage: USAGE,
      costUsd: 0,
      budget: {},
      parent: null,
      createdAt: TIME,
      lastActiveAt: TIME,
    });
    expect([again.status, again.body]).toEqual([200, made.body]);
    expect([got.status, got.body]).toEqual([200, made.body]);
  });

  test('under the key of another agent or owner is a conflict; an agent that is not there is named', async () => {
    await put('whose', { owner: 'ann' });

    const owner = await put('whose', { owner: 'bob' });
    const agent = await server.send('whose', 'hello', { agent: 'other' });
    const nobody = await put('nobody', { agent: 'other' });

    expect([owner.status, owner.body.code]).toEqual([409, 'session.mismatch']);
    expect([agent.status, agent.body.code]).toEqual([409, 'session.mismatch']);
    expect([nobody.status, nobody.body.code]).toEqual([400, 'agent.unknown']);
    expect((await server.get('/v1/sessions/nobody')).status).toBe(404);
  });

  test('a problem says what, why, what to do next and which request it was', async () => {
    const { status, headers, body } = await server.get('/v1/sessions/no%20such');

    expect(headers.get('content-type')).toBe('application/problem+json');
    expect(body).toEqual({
      type: 'urn:sojourn:error:session.not_found',
      title: expect.any(String),
      status,
      detail: 'There is no session "no such"',
      code: 'session.not_found',
      next: 'stop',
      requestId: headers.get('x-request-id'),
    });
  });
});

describe('a key', () => {
  test.each([
    ['a%2F..%2Fb', 'a/../b'],
    ['%F0%9F%98%80', '😀'],
    ['%252e', '%2e'],
    ['a+b%20c', 'a+b c'],
    ['%C3%A9', 'é'],
    ['e%CC%81', 'e\u0301'],
    ['__proto__', '__proto__'],
    ['CASE', 'CASE'],
    ['case', 'case'],
  ])('%s is decoded once, and is a key of its own', async (path, key) => {
    const made = await put(path);

    expect([made.status, made.body.key]).toEqual([201, key]);
    expect((await server.get(made.headers.get('location') ?? '')).body.id).toBe(made.body.id);
  });

  test.each(['%00', 'a%0Ab', '%7F', '%FF', '%ED%A0%80', 'a%zz'])('%s is refused', async (path) => {
    const { status, body } = await put(path);

    expect(status).toBe(400);
    expect(body.code).toMatch(/^key\./);
  });

  test('has at most 512 bytes', async () => {
    expect((await put('k'.repeat(512))).status).toBe(201);
    expect((await put('k'.repeat(513))).body.code).toBe('key.too_long');
    expect((await put('%C3%A9'.repeat(257))).body.code).toBe('key.too_long');
  });
});

describe('the list', () => {
  test('has the newest activity first, page after page, and each filter', async () => {
    for (const [index, owner] of ['o1', 'o2', 'o1', 'o2', 'o1'].entries())
      await put(`list-${index}`, { owner, labels: [`l${index % 2}`, 'list'], title: `zebra ${index}` });
    await server.say('list-1', 'quagga');

    const pages: string[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const { body }: Loose = await server.get(
        `/v1/sessions?label=list&limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`,
      );
      pages.push(body.sessions.map(({ key }: Loose) => key.at(-1)).join(''));
      cursor = body.nextCursor;
    }

    expect(pages).toEqual(['14', '32', '0']);
    expect(await listed('label=l0&owner=o1&state=idle&agent=scripted')).toEqual([
      'list-4',
      'list-2',
      'list-0',
    ]);
    expect(await listed('q=ZEBRA%203')).toEqual(['list-3']);
    expect(await listed('q=quag')).toEqual(['list-1']);
    expect(await listed('owner=o3')).toEqual([]);
  });

  test.each(['limit=0', 'limit=201', 'limit=x', 'state=busy', 'cursor=zz', 'label=a&label=b'])(
    'refuses %s',
    async (query) => {
      expect((await server.get(`/v1/sessions?${query}`)).status).toBe(400);
    },
  );
});

describe('changing a session', () => {
  test('sets what is named, leaves the rest, and null empties', async () => {
    await put('patched', { title: 'old', labels: ['x'], metadata: { a: 1 } });
    const budget = { usd: 0.5, tokens: 10, turns: 2, toolCalls: 3, ms: 4 };

    const set = await patch('patched', { title: 'new', budget });
    const emptied = await patch('patched', { title: null, labels: null, metadata: null, budget: null });

    expect(set).toMatchObject({
      status: 200,
      body: { title: 'new', labels: ['x'], metadata: { a: 1 }, budget },
    });
    expect(emptied.body).toMatchObject({ title: null, labels: [], metadata: {}, budget: {} });
    expect((await patch('patched', { agent: 'x' })).body.code).toBe('input.unknown_field');
    expect((await patch('nowhere', { title: 'x' })).status).toBe(404);
  });

  test('a budget of one turn is used up by one', async () => {
    await put('frugal');
    await patch('frugal', { budget: { turns: 1 } });
    await server.say('frugal', 'one');

    const { status, body } = await server.send('frugal', 'two');

    expect([status, body.code]).toEqual([409, 'budget.exceeded']);
  });
});

describe('putting a session away', () => {
  const evict = (key: string) => server.call('POST', `/v1/sessions/${key}/evict`);

  test('keeps all it said, and the next message wakes it', async () => {
    await server.say('away', 'one');
    const before = await server.session('away');
    const put = await evict('away');
    const during = await server.session('away');
    const again = await evict('away');

    expect([before.live, during.live]).toEqual([true, false]);
    expect([put.body, again.body]).toEqual([{ evicted: true }, { evicted: false }]);
    expect((await server.say('away', '/count')).text).toBe('2');
    expect((await server.say('away', '/recall 1')).text).toBe('one');
  });

  test('is refused while a turn runs or a child does, not while a person is waited for', async () => {
    await server.send('works', '/words 100000 20');
    await server.say('parent', '/spawn& scripted /words 100000 20');
    await server.send('asks', '/ask Sure?');
    await server.until('asks', ({ kind }) => kind === 'request.opened');

    const works = await evict('works');
    const parent = await evict('parent');
    const asks = await evict('asks');
    const { requests } = (await server.get('/v1/requests')).body;
    await server.call('POST', `/v1/sessions/asks/requests/${requests[0].id}`, {
      decision: 'allow',
      answer: 'yes',
    });
    await server.idle('asks');

    expect([works.status, works.body.code]).toEqual([409, 'session.busy']);
    expect([parent.status, parent.body.code]).toEqual([409, 'session.busy']);
    expect([asks.status, asks.body]).toEqual([200, { evicted: true }]);
    expect(requests).toMatchObject([{ key: 'asks', kind: 'question', text: 'Sure?', openedAt: TIME }]);
    expect((await texts('asks')).at(-1)).toBe('yes');
    for (const key of ['works', 'parent']) await server.call('DELETE', `/v1/sessions/${key}`);
  });
});

describe('a copy', () => {
  test('by fork has the history up to a turn, without what was rolled back, and goes its own way', async () => {
    const first = await server.say('forked', 'one');
    await server.send('forked', '/words 100000 20');
    await server.until('forked', ({ kind, turn }) => kind === 'text.delta' && turn !== first.id);
    await server.send('forked', 'two', { policy: 'rollback' }, { Prefer: 'wait=10' });
    const fork = (call: object) => server.call('POST', '/v1/sessions/forked/fork', call);

    const whole = await fork({ key: 'fork-whole' });
    const part = await fork({ key: 'fork-part', afterTurn: first.id });
    await server.say('fork-part', 'elsewhere');

    expect([whole.status, whole.headers.get('location')]).toEqual([201, '/v1/sessions/fork-whole']);
    expect(part.body.id).not.toBe((await server.session('forked')).id);
    expect(await texts('fork-whole')).toEqual(['one', 'You said: one', 'two', 'You said: two']);
    expect(await texts('fork-part')).toEqual(['one', 'You said: one', 'elsewhere', 'You said: elsewhere']);
    expect((await server.say('fork-part', '/count')).text).toBe('3');
    expect((await fork({ key: 'fork-whole' })).body.code).toBe('session.exists');
    expect((await fork({ key: 'fork-none', afterTurn: 'none' })).body.code).toBe('turn.not_found');
  });

  test('by export and import is the same, byte for byte, but for its id', async () => {
    await server.say('carried', 'one');
    await server.say('carried', '/big 70000');
    const out = await server.get('/v1/sessions/carried/export');

    const back = await server.call('POST', '/v1/sessions/carried-back/import', out.text, {
      'Content-Type': 'application/x-ndjson',
    });
    const again = await server.get('/v1/sessions/carried-back/export');

    expect(out.headers.get('content-type')).toBe('application/x-ndjson');
    expect(back.status).toBe(201);
    const { id } = await server.session('carried');
    expect(back.body.id).not.toBe(id);
    expect(again.text).toBe(out.text.replaceAll(id as string, back.body.id as string));
    const [artifact] = (await server.get('/v1/sessions/carried-back/artifacts')).body.artifacts;
    const part = await server.get(`/v1/sessions/carried-back/artifacts/${artifact.id}`, {
      Range: 'bytes=0-5',
    });
    expect([part.status, part.headers.get('content-range'), part.text]).toEqual([
      206,
      'bytes 0-5/70000',
      'line 1',
    ]);
    expect((await server.say('carried-back', '/count')).text).toBe('3');
    const twice = await server.call('POST', '/v1/sessions/carried-back/import', out.text);
    expect([twice.status, twice.body.code]).toEqual([409, 'session.exists']);
    const torn = await server.call('POST', '/v1/sessions/torn/import', out.text.slice(0, -40));
    expect([torn.status, (await server.get('/v1/sessions/torn')).status]).toEqual([400, 404]);
  });
});

describe('closing', () => {
  test('stops what runs and waits, is final, and leaves the history', async () => {
    await server.send('closed', '/words 100000 20');
    await server.send('closed', 'two');
    await server.until('closed', ({ kind }) => kind === 'text.delta');

    const closed = await server.call('DELETE', '/v1/sessions/closed');
    const again = await server.call('DELETE', '/v1/sessions/closed');
    const late = await server.send('closed', 'three');

    expect(closed).toMatchObject({ status: 200, body: { state: 'closed', live: false, turn: null } });
    expect([again.status, again.body]).toEqual([200, closed.body]);
    expect([late.status, late.body.code]).toEqual([409, 'session.closed']);
    const { turns } = (await server.get('/v1/sessions/closed/turns')).body;
    expect(turns.map(({ outcome }: Loose) => outcome)).toEqual(['cancelled', 'cancelled']);
    expect((await texts('closed'))[0]).toBe('/words 100000 20');
    expect((await server.events('closed')).at(-1)?.kind).toBe('session.closed');
  });

  test('with erase frees the key: nothing of the old one is found, and the new one has another id', async () => {
    await server.send('erased', '/big 70000', {}, { 'Idempotency-Key': 'k', Prefer: 'wait=10' });
    await server.say('erased-too', '/big 70000');
    await patch('erased', { title: 'okapi' });
    const { id } = await server.session('erased');
    const [artifact] = (await server.get('/v1/sessions/erased/artifacts')).body.artifacts;

    const erased = await server.call('DELETE', '/v1/sessions/erased?erase=true');
    const gone = await server.get('/v1/sessions/erased');
    const fresh = await server.send('erased', 'another body', {}, { 'Idempotency-Key': 'k' });

    expect([erased.status, gone.status]).toEqual([204, 404]);
    expect(await listed('q=okapi')).toEqual([]);
    expect(fresh.body.disposition).toBe('started');
    expect((await server.session('erased')).id).not.toBe(id);
    expect((await server.get(`/v1/sessions/erased/artifacts/${artifact.id}`)).status).toBe(404);
    expect((await server.get(`/v1/sessions/erased-too/artifacts/${artifact.id}`)).status).toBe(200);
    expect((await server.call('DELETE', '/v1/sessions/erased?erase=yes')).status).toBe(400);
  });
});

test('the tree has the children, which name their parent, and the usage of all of them', async () => {
  expect((await server.say('tree', '/spawn scripted /spawn scripted deep')).text).toBe('You said: deep');

  const { body } = await server.get('/v1/sessions/tree/tree');
  const [child] = body.children;
  const [grandchild] = child.children;

  expect(body).toMatchObject({ session: { key: 'tree' }, usage: USAGE, costUsd: 0 });
  expect(child.session.parent).toBe(body.session.id);
  expect(grandchild.session.parent).toBe(child.session.id);
  expect(await listed('parent=tree')).toEqual([child.session.key]);
  expect(await listed(`parent=${child.session.id}`)).toEqual([grandchild.session.key]);
});
