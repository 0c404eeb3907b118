// Who may do what, over the socket of a real server: tokens with their scopes, owners and projects, and which hosts and
// pages are listened to.
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ContractServer, type Loose } from './contract-server.ts';

let server: ContractServer;

beforeAll(async () => {
  server = await ContractServer.start();
  await server.say('first', 'hello');
  await server.call('POST', '/v1/projects', { name: 'acme' });
});
afterAll(() => server.close());

/** Calls in the name of a new token: `status`, and the problem's code where there is one. */
async function token(call: Loose, headers: Record<string, string> = {}) {
  const { body } = await server.call('POST', '/v1/tokens', { name: 'test', ...call }, headers);
  const as = async (method: string, path: string, content?: unknown, more: Record<string, string> = {}) => {
    const { status, body: answer } = await server.call(method, path, content, {
      Authorization: `Bearer ${body.secret}`,
      ...more,
    });
    return { status, code: status < 400 ? undefined : answer.code, body: answer };
  };
  return { id: body.id as string, secret: body.secret as string, view: body as Loose, as };
}

const turns = (key: string): string => `/v1/sessions/${key}/turns`;

test('a scope opens its calls and no other', async () => {
  const calls: Record<string, [string, string, unknown?]> = {
    list: ['GET', '/v1/sessions'],
    export: ['GET', '/v1/sessions/first/export'],
    requests: ['GET', '/v1/requests'],
    stats: ['GET', '/v1/stats'],
    send: ['POST', turns('scoped'), { input: 'hello' }],
    kind: ['POST', turns('scoped'), { input: 'hello', kind: 'schedule' }],
    answer: ['POST', '/v1/sessions/first/requests/none', { decision: 'deny' }],
    dirty: ['POST', '/v1/dirty', { reason: 'x', key: 'none' }],
    evict: ['POST', '/v1/sessions/first/evict'],
    erase: ['DELETE', '/v1/sessions/none?erase=true'],
    tokens: ['GET', '/v1/tokens'],
    projects: ['GET', '/v1/projects'],
  };
  const opened: Record<string, string[]> = {};
  for (const scope of ['read', 'send', 'approve', 'operate', 'admin', 'post']) {
    const { as } = await token({ scopes: [scope] });
    opened[scope] = [];
    for (const [name, [method, path, content]] of Object.entries(calls)) {
      const { code } = await as(method, path, content);
      if (code !== 'auth.scope') opened[scope].push(name);
    }
  }

  expect(opened).toEqual({
    read: ['list', 'export', 'requests', 'stats'],
    send: ['send'],
    approve: ['requests', 'answer'],
    operate: ['dirty', 'evict'],
    admin: ['erase', 'tokens', 'projects'],
    post: [],
  });
});

test('a token sees the sessions it made, those of its owner, or with operate all of its project', async () => {
  const scopes = ['read', 'send'];
  const maker = await token({ scopes });
  const ann = await token({ scopes, owner: 'ann' });
  const bob = await token({ scopes, owner: 'bob' });
  const chief = await token({ scopes: [...scopes, 'operate'], owner: 'ann' });
  await maker.as('PUT', '/v1/sessions/of-maker', {});
  await ann.as('PUT', '/v1/sessions/of-ann', {});
  const keys = async ({ as }: typeof ann, query = ''): Promise<string[]> =>
    (await as('GET', `/v1/sessions${query}`)).body.sessions.map(({ key }: Loose) => key as string);

  expect((await server.session('of-ann')).owner).toBe('ann');
  expect(await keys(maker)).toEqual(['of-maker']);
  expect(await keys(ann)).toEqual(['of-ann']);
  expect(await keys(bob)).toEqual([]);
  expect(await keys(bob, '?owner=ann')).toEqual([]);
  expect(await keys(chief)).toEqual(expect.arrayContaining(['first', 'of-ann', 'of-maker']));
  for (const [method, path, content] of [
    ['GET', '/v1/sessions/of-ann'],
    ['PUT', '/v1/sessions/of-ann', {}],
    ['POST', turns('of-ann'), { input: 'hello' }],
    ['POST', '/v1/sessions/of-ann/fork', { key: 'mine-now' }],
    ['POST', '/v1/sessions/of-ann/cancel'],
    ['GET', '/v1/sessions/of-ann/events'],
    ['DELETE', '/v1/sessions/of-ann'],
  ] as const) {
    expect(await bob.as(method, path, content)).toMatchObject({ status: 404, code: 'session.not_found' });
  }
  expect(await bob.as('PUT', '/v1/sessions/claimed', { owner: 'ann' })).toMatchObject({
    status: 403,
    code: 'auth.scope',
  });
});

test('a token belongs to its project; an admin names another one', async () => {
  const acme = { 'Sojourn-Project': 'acme' };
  const named = await token({ scopes: ['read', 'send', 'operate'], project: 'acme' });
  const made = await token({ scopes: ['read'] }, acme);

  const there = await server.call('PUT', '/v1/sessions/first', {}, acme);
  const list = await named.as('GET', '/v1/sessions');

  expect([named.view.project, made.view.project]).toEqual(['acme', 'acme']);
  expect([there.status, there.body.project]).toEqual([201, 'acme']);
  expect(list.body.sessions.map(({ id }: Loose) => id)).toEqual([there.body.id]);
  expect((await server.session('first')).id).not.toBe(there.body.id);
  expect((await named.as('GET', '/v1/sessions', undefined, { 'Sojourn-Project': 'default' })).code).toBe(
    'auth.scope',
  );
  expect((await named.as('POST', '/v1/dirty', { reason: 'x', project: 'default' })).code).toBe('auth.scope');
  expect((await server.get('/v1/sessions', { 'Sojourn-Project': 'none' })).body.code).toBe(
    'project.not_found',
  );
  expect(
    (await server.call('POST', '/v1/tokens', { name: 'x', scopes: ['read'], project: 'none' })).body.code,
  ).toBe('project.not_found');
  expect((await server.call('DELETE', '/v1/projects/acme')).body.code).toBe('project.in_use');
  expect((await server.call('POST', '/v1/projects', { name: 'acme' })).body.code).toBe('project.exists');
});

test('a secret is shown once, and a token that was revoked ends its streams and opens nothing', async () => {
  const { id, secret, as } = await token({ scopes: ['read', 'send'] });
  await as('PUT', '/v1/sessions/watched', {});
  const ended: string[] = [];
  const reading = (async () => {
    const headers = { Authorization: `Bearer ${secret}` };
    for await (const { event } of server.follow('/v1/sessions/watched/events', { headers })) {
      ended.push(event ?? '');
      await server.call('DELETE', `/v1/tokens/${id}`);
    }
  })();

  await reading;

  expect(secret).toMatch(/^soj_/);
  expect(ended).toEqual(['session.created']);
  expect((await as('GET', '/v1/sessions')).status).toBe(401);
  expect((await server.get('/v1/tokens')).text).not.toContain(secret);
  expect((await server.call('DELETE', `/v1/tokens/${id}`)).body.code).toBe('token.not_found');
});

describe('without a token', () => {
  const bare = (path: string, headers: Record<string, string> = {}) =>
    fetch(server.url + path, { redirect: 'manual', headers });

  test('only health, the document and its page are there', async () => {
    const status = async (path: string): Promise<number> => (await bare(path)).status;

    expect(await (await bare('/healthz')).text()).toBe('ok');
    expect(await Promise.all(['/openapi.json', '/docs'].map(status))).toEqual([200, 200]);
    for (const path of ['/readyz', '/metrics', '/v1/sessions', '/v1/stats', '/v1/agents']) {
      const { status: code, headers } = await bare(path);
      expect([path, code, headers.get('www-authenticate')]).toEqual([path, 401, 'Bearer realm="sojourn"']);
    }
    expect((await bare('/v1/sessions', { Authorization: 'Bearer soj_wrong' })).status).toBe(401);
  });

  test('with one, readiness, figures and every route of the document answer', async () => {
    const document = (await server.get('/openapi.json')).body;
    const metrics = await server.get('/metrics');

    expect((await server.get('/readyz')).body).toEqual({ status: 'ready' });
    expect(metrics.text).toMatch(/^sojourn_sessions_live \d+$/m);
    expect(document.openapi).toMatch(/^3\.1/);
    expect(Object.keys(document.paths)).toEqual(
      expect.arrayContaining(['/v1/sessions/{key}/turns', '/v1/dirty', '/v1/requests', '/v1/tokens']),
    );
    const wrong = await server.call('PUT', turns('first'), {});
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'POST, GET, HEAD']);
  });
});

test('other hosts and the pages of other origins are not listened to', async () => {
  const { port } = new URL(server.url);
  const status = (headers: Record<string, string>): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const call = request(`${server.url}/v1/sessions`, {
        headers: { Authorization: `Bearer ${server.token}`, ...headers },
      });
      call.once('response', (answer) => resolve(answer.resume().statusCode));
      call.once('error', reject);
      call.end();
    });

  expect(await status({ Host: `localhost:${port}` })).toBe(200);
  for (const host of ['evil.example', `127.0.0.1.evil:${port}`, '0', '2130706433', '127.0.0.1:1'])
    expect([host, await status({ Host: host })]).toEqual([host, 421]);
  for (const origin of ['http://evil.example', 'null', 'http://localhost.evil', 'http://127.0.0.1:1'])
    expect([origin, await status({ Origin: origin })]).toEqual([origin, 403]);
});
