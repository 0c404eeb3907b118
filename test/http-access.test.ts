// Who gets in: over every route there is, with every kind of credential there is.
import { describe, expect, test } from 'vitest';
import { SojournError } from '../src/kernel/errors.ts';
import { allRoutes } from '../src/face/http/routes.ts';
import { codeOf, serve, statusOf, Wire, withCalls } from './http-support.ts';

const routes = allRoutes().map((route) => ({
  ...route,
  url: route.path.replaceAll(/\{\w+\}/g, 'x'),
  label: `${route.method} ${route.path}`,
}));
const closed = routes.filter(({ access }) => access !== 'open');

describe('without a good token', () => {
  test('only health, the description of the interface and the way in for people are open', () => {
    const open = routes.filter(({ access }) => access === 'open').map(({ label }) => label);

    expect(open).toEqual(['GET /healthz', 'GET /openapi.json', 'GET /docs', 'GET /']);
  });

  const credentials: [string, string | null][] = [
    ['none', null],
    ['an empty one', 'Bearer '],
    ['undefined', 'Bearer undefined'],
    ['null', 'Bearer null'],
    ['a wrong one', `Bearer soj_${'z'.repeat(43)}`],
    ['a good one of another scheme', 'Basic TOKEN'],
    ['a good one without a scheme', 'TOKEN'],
    ['a good one with more behind it', 'Bearer TOKEN extra'],
    ['a good one in other letters', 'Bearer UPPER'],
    ['one as long as a book', `Bearer ${'x'.repeat(6_000)}`],
    ['one with a quote', "Bearer ' OR 1=1 --"],
  ];

  test.each(credentials)('(%s) every other route answers 401 and does nothing', async (_what, credential) => {
    const served = await serve({ limits: { authFailuresMax: 1_000 } });
    const spelled = credential?.replace('TOKEN', served.token).replace('UPPER', served.token.toUpperCase());

    for (const { method, url, label } of closed) {
      const answer = await served.call(method, url, {
        token: null,
        ...(spelled === undefined ? {} : { headers: { Authorization: spelled } }),
      });
      expect([label, answer.status, answer.json['code']]).toEqual([label, 401, 'auth.required']);
      expect(answer.headers.get('www-authenticate')).toContain('Bearer');
    }
    expect(await served.sessions()).toBe(0);
  });

  test('(one that was revoked) every other route answers 401', async () => {
    const served = await serve({ limits: { authFailuresMax: 1_000 } });
    const { id, secret: token } = await served.newToken();
    const before = await served.call('GET', '/v1/agents', { token });
    await served.runtime.removeToken(id, served.host);

    const answers = await Promise.all(closed.map(({ method, url }) => served.call(method, url, { token })));

    expect(before.status).toBe(200);

    expect(answers.map(({ status }) => status)).toEqual(closed.map(() => 401));
  });

  test('(one that has expired) every other route answers 401', async () => {
    const served = await serve({ limits: { authFailuresMax: 1_000 } });
    const expiresAt = new Date(Date.now() + 20).toISOString();
    const { secret: token } = await served.newToken({ expiresAt });
    while ((await served.runtime.authenticate(token)) !== null) await new Promise(setImmediate);

    const answers = await Promise.all(closed.map(({ method, url }) => served.call(method, url, { token })));

    expect(answers.map(({ status }) => status)).toEqual(closed.map(() => 401));
  });

  test('a body is not read: nobody can make the server hold what it does not want', async () => {
    const { raw, port, sessions } = await serve();

    const answer = await raw(
      `POST /v1/sessions/a/turns HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{"input":`,
    );

    expect([statusOf(answer), codeOf(answer)]).toEqual([401, 'auth.required']);
    expect(answer).toContain('Connection: close');
    expect(await sessions()).toBe(0);
  });

  test('a token in the URL or in a cookie counts as none', async () => {
    const { call, token } = await serve();

    const query = await call('GET', `/v1/agents?token=${token}&access_token=${token}`, { token: null });
    const cookie = await call('GET', '/v1/agents', { token: null, headers: { Cookie: `token=${token}` } });

    expect([query.status, cookie.status]).toEqual([401, 401]);
  });
});

describe('with a good token', () => {
  test('every closed route hands its caller to the runtime, and never makes one up', async () => {
    const callers: unknown[] = [];
    const spied = <Part extends object>(part: Part): Part =>
      new Proxy(part, {
        get(target, name) {
          const member: unknown = Reflect.get(target, name, target);
          if (typeof member === 'object' && member !== null) return spied(member); // `timeline` and the like.
          if (typeof member !== 'function') return member;
          if (name === 'authenticate' || name === 'watchToken') return member.bind(target) as unknown;
          return (...given: unknown[]) => {
            callers.push(given.at(-1));
            throw new SojournError('session.not_found', 'Only looking');
          };
        },
      });
    const served = await serve({}, spied);
    const body = {
      input: 'x',
      key: 'b',
      decision: 'allow',
      reason: 'x',
      name: 'x',
      scopes: ['read'],
      content: 'x',
      owner: 'x',
    };

    for (const { method, url, path } of closed) {
      if (path === '/readyz') continue;
      const schema = routes.find((route) => route.method === method && route.path === path)?.body;
      const fields = Object.entries(body).filter(
        ([name]) => schema?.safeParse({}).success === false && needs(schema, name),
      );
      const isImport = path.endsWith('/import');
      callers.length = 0;
      const answer = await served.call(method, url, {
        ...(fields.length > 0 ? { body: Object.fromEntries(fields) } : {}),
        ...(isImport ? { body: '{}', headers: { 'Content-Type': 'application/x-ndjson' } } : {}),
      });
      expect([method, path, answer.json['code']]).toEqual([method, path, 'session.not_found']);
      const { tokenId: token, project } = served;
      expect(callers).toEqual([expect.objectContaining({ token, project })]);
    }
  });

  test('what a caller claims to be is not believed', async () => {
    const { call, newToken } = await serve();
    const { project } = await serve();
    const { secret: token } = await newToken({ scopes: ['read'] });

    const other = await call('GET', '/v1/agents', { token, headers: { 'Sojourn-Project': project } });
    const scopes = await call('GET', '/v1/tokens', { token, headers: { 'Sojourn-Scopes': 'admin' } });

    expect([other.status, other.json['code']]).toEqual([403, 'auth.scope']);
    expect([scopes.status, scopes.json['code']]).toEqual([403, 'auth.scope']);
  });

  test('an admin acts in the project it names, and in none that there is not', async () => {
    const { call, project } = await serve();
    const { project: other } = await serve();

    const made = await call('PUT', '/v1/sessions/a', { headers: { 'Sojourn-Project': other } });
    const own = await call('GET', '/v1/sessions/a');
    const none = await call('GET', '/v1/sessions/a', { headers: { 'Sojourn-Project': 'nowhere' } });
    const same = await call('PUT', '/v1/sessions/b', { headers: { 'Sojourn-Project': project } });

    expect([made.status, made.json['project']]).toEqual([201, other]);
    expect(own.status).toBe(404);
    expect([none.status, none.json['code']]).toEqual([404, 'project.not_found']);
    expect([same.status, same.json['project']]).toEqual([201, project]);
  });

  test('a store that cannot answer is an error to try again, not a wrong token', async () => {
    const authenticate = () => Promise.reject(new SojournError('store.failed', 'The disk is gone'));
    const { call } = await serve({}, withCalls({ authenticate }));

    const answers = await Promise.all(Array.from({ length: 30 }, () => call('GET', '/v1/agents')));

    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([503]));
    expect(answers[0]?.json).toMatchObject({ code: 'store.failed', next: 'retry' });
  });

  test('tokens and projects are made, listed without their secrets, used and removed', async () => {
    const { call } = await serve();
    const name = `made-${Date.now()}`;

    const project = await call('POST', '/v1/projects', { body: { name } });
    const within = { headers: { 'Sojourn-Project': name } };
    const made = await call('POST', '/v1/tokens', {
      body: { name: 'x', scopes: ['read'], owner: 'zoe' },
      ...within,
    });
    const list = await call('GET', '/v1/tokens', within);
    const used = await call('GET', '/v1/sessions', { token: String(made.json['secret']) });
    const removed = await call('DELETE', `/v1/projects/${name}`);
    const projects = await call('GET', '/v1/projects');
    const after = await call('GET', '/v1/sessions', { token: String(made.json['secret']) });

    expect([project.status, made.status, removed.status]).toEqual([201, 201, 204]);
    expect(made.json).toMatchObject({ scopes: ['read'], project: name, owner: 'zoe', expiresAt: null });
    expect(list.text).not.toContain(String(made.json['secret']));
    expect(list.json['tokens']).toMatchObject([{ id: made.json['id'] }]);
    expect([used.status, after.status]).toEqual([200, 401]);
    expect(projects.text).not.toContain(name);
  });
});

describe('with a token of another project', () => {
  test('nothing of this one is there: every route answers as for what nobody has', async () => {
    const served = await serve();
    const { token } = await serve();
    const turn = await served.call('POST', '/v1/sessions/x/turns', {
      body: { input: 'x'.repeat(100_000) },
      headers: { Prefer: 'wait=30' },
    });
    const [artifact] = await served.runtime.artifacts('x', served.host);
    const ids: Record<string, string> = {
      turn: String(turn.json['id']),
      id: artifact?.id ?? '',
      name: served.project,
    };
    const body = { input: 'x', key: 'b', decision: 'allow', reason: 'x', name: 'x', scopes: ['read'] };
    const onSession = closed.filter(({ path, id }) => path.includes('{key}') && !MAKES.includes(id));

    for (const { method, path, body: schema, label } of onSession) {
      const url = path.replaceAll(/\{(\w+)\}/g, (_all, name: string) => ids[name] ?? 'x');
      const fields = Object.entries(body).filter(([name]) => schema !== undefined && needs(schema, name));
      const options = { token, ...(fields.length > 0 ? { body: Object.fromEntries(fields) } : {}) };
      const foreign = await served.call(method, url, options);
      const events = await served.call(method, url, { ...options, headers: { Accept: 'text/event-stream' } });
      expect([label, foreign.status, events.status]).toEqual([label, 404, 404]);
    }
    expect((await served.call('GET', '/v1/sessions', { token })).json['sessions']).toEqual([]);
    expect((await served.call('GET', '/v1/requests', { token })).json['requests']).toEqual([]);
    expect((await served.call('DELETE', `/v1/tokens/${served.tokenId}`, { token })).status).toBe(404);
    expect((await served.call('GET', '/v1/agents')).status).toBe(200);
  });

  /** They make a session of their own under that key. */
  const MAKES = ['openSession', 'sendTurn', 'importSession'];
});

/** Whether the schema knows a field of this name. */
function needs(schema: NonNullable<(typeof routes)[number]['body']>, name: string): boolean {
  const { error } = schema.safeParse({ [name]: Symbol('no value fits') });
  return error?.issues.every((issue) => issue.code !== 'unrecognized_keys') === true;
}

describe('wrong tokens', () => {
  test('ten in a minute from one address, loopback or not, are enough: the next is 429 for the rest of it', async () => {
    const { call, clock } = await serve();
    const guess = (at: number) => call('GET', '/v1/agents', { token: `soj_guess${at}` });

    const first = [];
    for (let at = 0; at < 10; at++) first.push((await guess(at)).status);
    const next = await guess(10);
    await clock.advance(58_999.5);
    const later = await guess(11);
    await clock.advance(1_000.5);
    const afterwards = await guess(12);

    expect(first).toEqual(Array(10).fill(401));
    expect([next.status, next.json['code'], next.headers.get('retry-after')]).toEqual([
      429,
      'auth.throttled',
      '60',
    ]);
    expect([later.status, later.json['retryAfterMs']]).toEqual([429, 1_001]);
    expect(afterwards.status).toBe(401);
  });

  test('do not lock out a good one from the same address, nor does its use switch the brake off', async () => {
    const { call, newToken } = await serve();
    for (let at = 0; at < 20; at++) await call('GET', '/v1/agents', { token: `soj_guess${at}` });
    const { secret: fresh } = await newToken();

    const good = await call('GET', '/v1/agents');
    const never = await call('GET', '/v1/agents', { token: fresh });
    const bad = await call('GET', '/v1/agents', { token: 'soj_guess' });

    expect([good.status, never.status, bad.status]).toEqual([200, 200, 429]);
  });

  test('are counted for the credential, too, wherever it comes from, and then not looked up any more', async () => {
    let asked = 0;
    const authenticate = async () => {
      asked++;
      return null;
    };
    const { port } = await serve({}, withCalls({ authenticate }));

    const statuses: number[] = [];
    for (let at = 1; at <= 14; at++) {
      const wire = await Wire.open(port, '127.0.0.1', `127.0.1.${at}`);
      wire.write(
        `GET /v1/agents HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer soj_old\r\nConnection: close\r\n\r\n`,
      );
      statuses.push(statusOf(await wire.rest()));
    }

    expect(statuses).toEqual([...Array<number>(10).fill(401), 429, 429, 429, 429]);
    expect(asked).toBe(10);
  });

  test('that are none at all are not counted', async () => {
    const { call } = await serve();

    const statuses = [];
    for (let at = 0; at < 15; at++) statuses.push((await call('GET', '/v1/agents', { token: null })).status);

    expect(new Set(statuses)).toEqual(new Set([401]));
  });
});
