// Who gets in: over every route there is, with every kind of credential there is.
import { describe, expect, test } from 'vitest';
import { SojournError } from '../src/kernel/errors.ts';
import { allRoutes } from '../src/face/http/routes.ts';
import { codeOf, serve, statusOf, Wire } from './http-support.ts';

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
    expect(served.runtime.calls).toEqual([]);
  });

  test('(one that was revoked) every other route answers 401', async () => {
    const served = await serve({ limits: { authFailuresMax: 1_000 } });
    const token = served.runtime.token();
    served.runtime.revoke(token);

    const answers = await Promise.all(closed.map(({ method, url }) => served.call(method, url, { token })));

    expect(answers.map(({ status }) => status)).toEqual(closed.map(() => 401));
  });

  test('a body is not read: nobody can make the server hold what it does not want', async () => {
    const { raw, port, runtime } = await serve();

    const answer = await raw(
      `POST /v1/sessions/a/turns HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{"input":`,
    );

    expect([statusOf(answer), codeOf(answer)]).toEqual([401, 'auth.required']);
    expect(answer).toContain('Connection: close');
    expect(runtime.calls).toEqual([]);
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
    const served = await serve();
    const callers: unknown[] = [];
    const { runtime } = served;
    const spied = new Proxy(runtime, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name, target);
        if (typeof member !== 'function') return member;
        if (name === 'authenticate' || name === 'token') return member.bind(target) as unknown;
        return (...given: unknown[]) => {
          callers.push(given.at(-1));
          throw new SojournError('session.not_found', 'Only looking');
        };
      },
    });
    const looking = await serve({}, spied);
    const body = { input: 'x', key: 'b', decision: 'allow', reason: 'x', name: 'x', scopes: ['read'] };

    for (const { method, url, path } of closed) {
      if (path === '/readyz') continue;
      const schema = routes.find((route) => route.method === method && route.path === path)?.body;
      const fields = Object.entries(body).filter(
        ([name]) => schema?.safeParse({}).success === false && needs(schema, name),
      );
      const isImport = path.endsWith('/import');
      callers.length = 0;
      const answer = await looking.call(method, url, {
        token: served.token,
        ...(fields.length > 0 ? { body: Object.fromEntries(fields) } : {}),
        ...(isImport ? { body: '{}', headers: { 'Content-Type': 'application/x-ndjson' } } : {}),
      });
      expect([method, path, answer.json['code']]).toEqual([method, path, 'session.not_found']);
      expect(callers).toEqual([expect.objectContaining({ token: 't1', project: 'default' })]);
    }
  });

  /** Whether the schema knows a field of this name. */
  function needs(schema: NonNullable<(typeof routes)[number]['body']>, name: string): boolean {
    const { error } = schema.safeParse({ [name]: Symbol('no value fits') });
    return error?.issues.every((issue) => issue.code !== 'unrecognized_keys') === true;
  }

  test('what a caller claims to be is not believed', async () => {
    const { call, runtime } = await serve();
    const token = runtime.token({ scopes: new Set(['read']) });

    const project = await call('GET', '/v1/agents', { token, headers: { 'Sojourn-Project': 'other' } });
    const scopes = await call('GET', '/v1/agents', { token, headers: { 'Sojourn-Scopes': 'admin' } });

    expect([project.status, project.json['code']]).toEqual([403, 'auth.scope']);
    expect(scopes.status).toBe(200);
  });

  test('an admin acts in the project it names, and in none that there is not', async () => {
    const { call } = await serve();

    const made = await call('PUT', '/v1/sessions/a', { headers: { 'Sojourn-Project': 'other' } });
    const own = await call('GET', '/v1/sessions/a');
    const none = await call('GET', '/v1/sessions/a', { headers: { 'Sojourn-Project': 'nowhere' } });
    const same = await call('PUT', '/v1/sessions/b', { headers: { 'Sojourn-Project': 'default' } });

    expect([made.status, made.json['project']]).toEqual([201, 'other']);
    expect(own.status).toBe(404);
    expect([none.status, none.json['code']]).toEqual([404, 'project.not_found']);
    expect([same.status, same.json['project']]).toEqual([201, 'default']);
  });

  test('a store that cannot answer is an error to try again, not a wrong token', async () => {
    const { call, runtime } = await serve();
    runtime.authenticate = () => Promise.reject(new SojournError('store.failed', 'The disk is gone'));

    const answers = await Promise.all(Array.from({ length: 30 }, () => call('GET', '/v1/agents')));

    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([503]));
    expect(answers[0]?.json).toMatchObject({ code: 'store.failed', next: 'retry' });
  });
});

describe('wrong tokens', () => {
  test('ten in a minute from one address, loopback or not, are enough: the next is 429 for the rest of it', async () => {
    const { call, clock } = await serve();
    const guess = (at: number) => call('GET', '/v1/agents', { token: `soj_guess${at}` });

    const first = [];
    for (let at = 0; at < 10; at++) first.push((await guess(at)).status);
    const next = await guess(10);
    await clock.advance(59_000);
    const later = await guess(11);
    await clock.advance(1_000);
    const afterwards = await guess(12);

    expect(first).toEqual(Array(10).fill(401));
    expect([next.status, next.json['code'], next.headers.get('retry-after')]).toEqual([
      429,
      'auth.throttled',
      '60',
    ]);
    expect([later.status, later.json['retryAfterMs']]).toEqual([429, 1_000]);
    expect(afterwards.status).toBe(401);
  });

  test('do not lock out a good one from the same address, nor does its use switch the brake off', async () => {
    const { call, runtime } = await serve();
    for (let at = 0; at < 20; at++) await call('GET', '/v1/agents', { token: `soj_guess${at}` });
    const fresh = runtime.token();

    const good = await call('GET', '/v1/agents');
    const never = await call('GET', '/v1/agents', { token: fresh });
    const bad = await call('GET', '/v1/agents', { token: 'soj_guess' });

    expect([good.status, never.status, bad.status]).toEqual([200, 200, 429]);
  });

  test('are counted for the credential, too, wherever it comes from, and then not looked up any more', async () => {
    const { port, runtime } = await serve();
    let asked = 0;
    const authenticate = runtime.authenticate.bind(runtime);
    runtime.authenticate = (secret) => {
      asked++;
      return authenticate(secret);
    };

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
