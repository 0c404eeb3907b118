// Identities and sign-ins over HTTP: signing in and out, who sees what, and that an open stream hears of the end.
//
//   D-3   'signed out is signed out, for the next call and for every stream that is open'
//   D-4   'two hundred that sign in at once over as many connections are one identity'
//   D-10  'a store that cannot answer is an error to try again, not a sign-in that does not count'
//   D-17  'no list shows a token, and a name is no way in'
import { describe, expect, test } from 'vitest';
import { SojournError } from '../src/kernel/errors.ts';
import { serve, type Served, type Wire, withCalls } from './http-support.ts';

const HAL = { name: 'Hal', context: 'bridge' };

interface SignedInAnswer {
  id: string;
  token: string;
  identity: { id: string; name: string; displayName: string; identityKey: string; avatarSeed: string };
  expiresAt: string;
  idleMsMax: number;
}

async function signedIn(served: Served, body: object = HAL): Promise<SignedInAnswer> {
  const { json, status } = await served.call('POST', '/v1/sign-ins', { body });
  expect(status).toBe(201);
  return json as unknown as SignedInAnswer;
}

describe('signing in', () => {
  test('gives a token that speaks as the identity, and finds the identity again', async () => {
    const served = await serve();

    const first = await signedIn(served);
    const again = await signedIn(served, { name: ' HAL ', context: 'Bridge' });
    const me = await served.call('GET', '/v1/sign-ins/current', { token: first.token });
    const listed = await served.call('GET', '/v1/identities');
    const read = await served.call('GET', `/v1/identities/${first.identity.id}`);

    expect(first.identity).toMatchObject({
      name: 'Hal',
      context: 'bridge',
      displayName: 'Hal - bridge',
      owner: null,
    });
    expect(again.identity.id).toBe(first.identity.id);
    expect(again.token).not.toBe(first.token);
    expect(me.json).toMatchObject({ id: first.id, identity: { id: first.identity.id } });
    expect(me.text).not.toContain('token');
    expect(listed.json).toMatchObject({ identities: [{ id: first.identity.id }], nextCursor: null });
    expect(read.json).toMatchObject({ identityKey: first.identity.identityKey });
  });

  test('two hundred that sign in at once over as many connections are one identity', async () => {
    const served = await serve();

    const all = await Promise.all(
      Array.from({ length: 200 }, (_each, at) =>
        served.call('POST', '/v1/sign-ins', {
          body: at % 2 === 0 ? HAL : { name: 'HAL ', context: 'BRIDGE' },
        }),
      ),
    );

    const ids = all.map(({ json }) => (json['identity'] as { id: string }).id);
    expect(new Set(all.map(({ status }) => status))).toEqual(new Set([201]));
    expect([new Set(ids).size, new Set(all.map(({ json }) => json['token'])).size]).toEqual([1, 200]);
    const identities = await served.call('GET', '/v1/identities');
    expect(identities.json['identities']).toMatchObject([{ id: ids[0] }]);
    expect((await served.call('GET', '/v1/sign-ins?limit=1')).json['live']).toBe(200);
  });

  test.each([
    ['no name', {}, 'input.invalid'],
    ['a blank name', { name: ' \t' }, 'input.invalid'],
    ['a name of 101 characters', { name: 'x'.repeat(101) }, 'input.invalid'],
    ['a context of 201 characters', { name: 'x', context: 'x'.repeat(201) }, 'input.invalid'],
    ['a name that is a number', { name: 7 }, 'input.invalid'],
    ['a context that is a list', { name: 'x', context: ['y'] }, 'input.invalid'],
    ['a name with a line break', { name: 'a\nb' }, 'input.invalid'],
    ['a field nobody knows', { name: 'x', scopes: ['admin'] }, 'input.unknown_field'],
    [
      'a field that would change the object',
      '{"name":"x","__proto__":{"owner":"eve"}}',
      'input.forbidden_key',
    ],
    ['a claim without an owner', { name: 'x', claim: true }, 'input.invalid'],
  ])('with %s is refused, and nobody is made', async (_what, body, code) => {
    const served = await serve();

    const answer = await served.call('POST', '/v1/sign-ins', { body });

    expect([answer.status, answer.json['code']]).toEqual([400, code]);
    expect((await served.call('GET', '/v1/identities')).json['identities']).toEqual([]);
  });

  test('a token bound to an owner claims an identity, and an operator gives it to another', async () => {
    const served = await serve();
    const { secret: alice } = await served.newToken({ scopes: ['send'], owner: 'alice' });
    const { secret: bob } = await served.newToken({ scopes: ['send'], owner: 'bob' });
    const by = (token: string, body: object) => served.call('POST', '/v1/sign-ins', { body, token });

    const mine = await by(alice, { ...HAL, claim: true });
    const theirs = await by(bob, HAL);
    const id = (mine.json['identity'] as { id: string }).id;
    const given = await served.call('PATCH', `/v1/identities/${id}`, { body: { owner: 'bob' } });
    const after = await by(bob, HAL);
    const old = await served.call('GET', '/v1/sign-ins/current', { token: String(mine.json['token']) });

    expect(mine.status).toBe(201);
    expect([theirs.status, theirs.json['code']]).toEqual([403, 'identity.claimed']);
    expect([given.status, given.json['owner'], after.status]).toEqual([200, 'bob', 201]);
    expect([old.status, old.json['code']]).toEqual([401, 'sign-in.ended']);
  });
});

describe('a sign-in', () => {
  test('opens nothing but what posting needs', async () => {
    const served = await serve();
    const { token } = await signedIn(served);
    const tries: [string, string, object?][] = [
      ['GET', '/v1/sessions'],
      ['PUT', '/v1/sessions/a'],
      ['POST', '/v1/sessions/a/turns', { input: 'x' }],
      ['POST', '/v1/sign-ins', HAL],
      ['GET', '/v1/sign-ins'],
      ['GET', '/v1/identities'],
      ['POST', '/v1/tokens', { name: 'x', scopes: ['admin'] }],
      ['GET', '/v1/stats'],
      ['GET', '/metrics'],
    ];

    for (const [method, path, body] of tries) {
      const answer = await served.call(method, path, { token, ...(body === undefined ? {} : { body }) });
      expect([method, path, answer.json['code']]).toEqual([method, path, 'auth.scope']);
    }
    const elsewhere = { token, headers: { 'Sojourn-Project': 'default' } };
    expect((await served.call('GET', '/v1/sign-ins/current', elsewhere)).json['code']).toBe('auth.scope');
    expect(await served.sessions()).toBe(0);
  });

  test('signed out is signed out, for the next call and for every stream that is open', async () => {
    const served = await serve();
    const { token, id } = await signedIn(served);
    const streams = await Promise.all([1, 2, 3].map(() => following(served, token)));

    const askedMs = performance.now();
    const out = await served.call('DELETE', '/v1/sign-ins/current', { token });
    const next = await served.call('GET', '/v1/sign-ins/current', { token });
    const again = await served.call('DELETE', '/v1/sign-ins/current', { token });

    expect(out.status).toBe(204);
    expect([next.status, next.json['code'], again.json['code']]).toEqual([
      401,
      'sign-in.ended',
      'sign-in.ended',
    ]);
    expect(next.json['next']).toBe('stop');
    await Promise.all(streams.map((stream) => stream.rest()));
    expect(performance.now() - askedMs).toBeLessThan(2_000);
    expect((await served.call('DELETE', `/v1/sign-ins/${id}`)).status).toBe(404);
  });

  test('that is ended by an operator, or whose token is revoked, is over at once', async () => {
    const served = await serve();
    const mine = await signedIn(served);
    const { id: tokenId, secret } = await served.newToken({ scopes: ['send'] });
    const theirs = await served.call('POST', '/v1/sign-ins', { body: HAL, token: secret });

    const ended = await served.call('DELETE', `/v1/sign-ins/${mine.id}`);
    await served.call('DELETE', `/v1/tokens/${tokenId}`);
    const answers = await Promise.all(
      [mine.token, String(theirs.json['token'])].map((token) =>
        served.call('GET', '/v1/sign-ins/current', { token }),
      ),
    );

    expect(ended.status).toBe(204);
    expect(answers.map(({ status, json }) => [status, json['code']])).toEqual([
      [401, 'sign-in.ended'],
      [401, 'sign-in.ended'],
    ]);
  });

  test('that nobody knows is a wrong credential, and guessing is slowed down; one that is over is no guess', async () => {
    const served = await serve();
    const { token } = await signedIn(served);
    await served.call('DELETE', '/v1/sign-ins/current', { token });
    const guess = () =>
      served.call('GET', '/v1/sign-ins/current', { token: `soj_in_${'a'.repeat(43)}000000` });

    const over: unknown[] = [];
    for (let at = 0; at < 15; at++) {
      over.push((await served.call('GET', '/v1/sign-ins/current', { token })).json['code']);
    }
    const guesses: number[] = [];
    for (let at = 0; at < 11; at++) guesses.push((await guess()).status);

    expect(new Set(over)).toEqual(new Set(['sign-in.ended']));
    expect(guesses).toEqual([...Array<number>(10).fill(401), 429]);
  });

  test('a token is no sign-in, and says so', async () => {
    const { call, newToken } = await serve();
    const { secret: token } = await newToken({ scopes: ['post'] });

    for (const method of ['GET', 'DELETE']) {
      const answer = await call(method, '/v1/sign-ins/current', { token });
      expect([answer.status, answer.json['code']]).toEqual([401, 'sign-in.unknown']);
    }
  });

  test('a store that cannot answer is an error to try again, not a sign-in that does not count', async () => {
    const broken = new SojournError('store.failed', 'The disk is gone');
    const served = await serve({}, withCalls({ authenticate: () => Promise.reject(broken) }));
    const { token } = await served.runtime.signIns.signIn(HAL, served.host);

    const answer = await served.call('GET', '/v1/sign-ins/current', { token });

    expect([answer.status, answer.json['code'], answer.json['next']]).toEqual([503, 'store.failed', 'retry']);
  });

  test('no list shows a token, and a name is no way in', async () => {
    const served = await serve();
    const { token, identity, id } = await signedIn(served);

    const lists = await Promise.all(
      ['/v1/sign-ins', '/v1/identities', `/v1/sign-ins?identity=${identity.id}`].map((path) =>
        served.call('GET', path),
      ),
    );
    const ids = [id, identity.id, identity.name, identity.identityKey, identity.avatarSeed];
    const knocks = await Promise.all(
      ids.map((text) => served.call('GET', '/v1/sign-ins/current', { token: encodeURIComponent(text) })),
    );

    for (const { text, status } of lists) {
      expect(status).toBe(200);
      expect(text).not.toContain(token);
      expect(text).not.toContain('hash');
    }
    expect(lists[2]?.json).toMatchObject({ signIns: [{ id, identity: { id: identity.id } }], live: 1 });
    expect(knocks.map(({ status }) => status)).toEqual(ids.map(() => 401));
    expect(JSON.stringify(served.log)).not.toContain(token);
  });
});

describe('lists', () => {
  test('go page by page, newest first, and refuse a cursor or a size nobody gave out', async () => {
    const served = await serve();
    for (const name of ['a', 'b', 'c']) await signedIn(served, { name });

    const first = await served.call('GET', '/v1/identities?limit=2');
    const second = await served.call(
      'GET',
      `/v1/identities?limit=2&cursor=${String(first.json['nextCursor'])}`,
    );
    const bad = await served.call('GET', '/v1/identities?cursor=zzz');
    const tooMany = await served.call('GET', '/v1/sign-ins?limit=201');

    expect(first.json['identities']).toMatchObject([{ name: 'c' }, { name: 'b' }]);
    expect(second.json).toMatchObject({ identities: [{ name: 'a' }], nextCursor: null });
    expect([bad.status, bad.json['code'], tooMany.status]).toEqual([400, 'cursor.invalid', 400]);
  });

  test('show nothing of another project', async () => {
    const mine = await serve();
    const theirs = await serve();
    const { id, identity } = await signedIn(theirs);
    const paths: [string, string, object?][] = [
      ['GET', `/v1/identities/${identity.id}`],
      ['GET', `/v1/identities/${identity.id}/avatar.svg`],
      ['PATCH', `/v1/identities/${identity.id}`, { owner: 'eve' }],
      ['DELETE', `/v1/sign-ins/${id}`],
      ['DELETE', `/v1/identities/${identity.id}`],
    ];

    for (const [method, path, body] of paths) {
      const answer = await mine.call(method, path, body === undefined ? {} : { body });
      expect([path, answer.status]).toEqual([path, 404]);
    }
    expect((await mine.call('GET', '/v1/identities')).json['identities']).toEqual([]);
    expect((await mine.call('GET', `/v1/sign-ins?identity=${identity.id}`)).json).toMatchObject({
      signIns: [],
      live: 0,
    });
  });
});

describe('an avatar', () => {
  test('is drawn from the seed, the same each time, and is a picture in which nothing runs', async () => {
    const served = await serve();
    const { identity } = await signedIn(served, { name: '<script>alert(1)</script>' });
    const other = await signedIn(served, { name: 'Eve' });

    const first = await served.call('GET', `/v1/identities/${identity.id}/avatar.svg`);
    const again = await served.call('GET', `/v1/identities/${identity.id}/avatar.svg`);
    const another = await served.call('GET', `/v1/identities/${other.identity.id}/avatar.svg`);
    const none = await served.call('GET', '/v1/identities/nobody/avatar.svg');

    expect(first.text).toMatch(
      /^<svg [^>]*xmlns="http:\/\/www\.w3\.org\/2000\/svg"[^>]*>(<rect [^<>]*\/>)+<\/svg>$/,
    );
    expect(first.text).not.toMatch(/script|href|url|style|on\w+=/i);
    expect(again.text).toBe(first.text);
    expect(another.text).not.toBe(first.text);
    expect([first.headers.get('content-type'), first.headers.get('x-content-type-options')]).toEqual([
      'image/svg+xml',
      'nosniff',
    ]);
    expect(first.headers.get('content-security-policy')).toBe("default-src 'none'; sandbox");
    expect(first.headers.get('cache-control')).toContain('private');
    expect([none.status, none.json['code']]).toEqual([404, 'identity.not_found']);
  });
});

/** Resolves when its stream of the timeline has begun. */
async function following({ wire, port }: Served, token: string): Promise<Wire> {
  const stream = await wire();
  stream.write(
    `GET /v1/posts HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer ${token}\r\nAccept: text/event-stream\r\nConnection: close\r\n\r\n`,
  );
  await stream.until('event: timeline');
  return stream;
}
