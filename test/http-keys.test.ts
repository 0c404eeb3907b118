// Session keys as they come over the wire: opaque, decoded once, never repaired.
import { describe, expect, test } from 'vitest';
import { codeOf, serve, statusOf } from './http-support.ts';

const pathOf = (key: string): string => `/v1/sessions/${encodeURIComponent(key)}`;

describe('a key', () => {
  test.each([
    ['a path out of the folder', '../../etc/passwd'],
    ['a path with backslashes', '..\\..\\x'],
    ['a slash', 'a/b/turns'],
    ['a per cent sign that looks encoded', 'a%2Fb'],
    ['a question mark and a hash', 'a?b#c'],
    ['a name that Windows keeps for itself', 'CON'],
    ['a dot or a space at its end', 'a. '],
    ['a member every object has', '__proto__'],
    ['another such member', 'constructor'],
    ['an emoji', '🦊'],
    ['signs that are not shown', 'a\u200b\u202eb\u{e0041}'],
    ['a prefix of another tenant', 'other:x'],
    ['a blank', ' '],
    ['512 bytes', 'ü'.repeat(256)],
  ])('with %s comes back as it was sent', async (_what, key) => {
    const { call } = await serve();

    const made = await call('PUT', pathOf(key));
    const read = await call('GET', pathOf(key));

    expect([made.status, made.json['key']]).toEqual([201, key]);
    expect([read.status, read.json['key']]).toEqual([200, key]);
  });

  test.each([
    ['is empty', '/v1/sessions/', 'key.invalid'],
    ['holds NUL', '/v1/sessions/a%00b', 'key.invalid'],
    ['holds a line break', '/v1/sessions/a%0D%0Ab', 'key.invalid'],
    ['holds an escape', '/v1/sessions/a%1Bb', 'key.invalid'],
    ['holds half of a surrogate pair', '/v1/sessions/%ED%A0%80', 'key.ill_formed'],
    ['is not UTF-8', '/v1/sessions/%ff', 'key.ill_formed'],
    ['is encoded overlong', '/v1/sessions/%C0%AE', 'key.ill_formed'],
    ['is cut within an escape', '/v1/sessions/a%2', 'key.ill_formed'],
    ['has 513 bytes', `/v1/sessions/${'a'.repeat(513)}`, 'key.too_long'],
    ['is a dot', '/v1/sessions/.', 'key.invalid'],
    ['is two dots', '/v1/sessions/..', 'key.invalid'],
    ['is two dots, encoded', '/v1/sessions/%2e%2e', 'key.invalid'],
  ])('that %s is refused', async (_what, path, code) => {
    const { raw, head } = await serve();

    const answer = await raw(`${head(`PUT ${path}`)}Connection: close\r\n\r\n`);

    expect([statusOf(answer), codeOf(answer)]).toEqual([400, code]);
  });

  test('that differs in case, in composition or by a look-alike is another key', async () => {
    const { call } = await serve();
    const keys = ['A', 'a', 'İ', 'i', 'ß', 'ss', 'K', '\u212a', 'é', 'e\u0301'];

    const made = await Promise.all(keys.map((key) => call('PUT', pathOf(key))));

    expect(made.map(({ status }) => status)).toEqual(keys.map(() => 201));
    expect(new Set(made.map(({ json }) => json['id'])).size).toBe(keys.length);
  });

  test('that is decoded twice would be another: it is decoded once', async () => {
    const { call } = await serve();

    const made = await call('PUT', '/v1/sessions/a%252Fb');

    expect(made.json['key']).toBe('a%2Fb');
  });

  test('in a body may hold what a URL cannot, and is checked as strictly', async () => {
    const { call } = await serve();
    await call('PUT', '/v1/sessions/a');

    const forked = await call('POST', '/v1/sessions/a/fork', { body: { key: 'b/../c' } });
    const lone = await call('POST', '/v1/sessions/a/fork', { body: '{"key":"\\ud800"}' });
    const none = await call('POST', '/v1/sessions/a/fork', { body: { key: '' } });

    expect([forked.status, forked.headers.get('location')]).toEqual([201, '/v1/sessions/b%2F..%2Fc']);
    expect([lone.json['code'], none.json['code']]).toEqual(['key.ill_formed', 'key.invalid']);
  });
});

describe('a key of another project', () => {
  test('answers as one that nobody has', async () => {
    const { call } = await serve();
    const { token } = await serve();
    await call('PUT', '/v1/sessions/theirs');

    const foreign = await call('GET', '/v1/sessions/theirs', { token });
    await call('DELETE', '/v1/sessions/theirs?erase=true');
    const unknown = await call('GET', '/v1/sessions/theirs', { token });

    const plain = (json: object): object => ({ ...json, requestId: '' });
    expect(foreign.status).toBe(404);
    expect(plain(foreign.json)).toEqual(plain(unknown.json));
  });
});
