// Bodies that are wrong, too much, too deep or too slow: refused with the place named, and nothing happens.
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { codeOf, serve, statusOf } from './http-support.ts';

const TURNS = '/v1/sessions/a/turns';
const KiB = 1_024;

describe('a body that is no JSON', () => {
  test.each([
    ['is cut short', '{"input":"hi"'],
    ['has a comma too many', '{"input":"hi",}'],
    ['is two values', '{"input":"hi"} {}'],
    ['begins with a byte order mark', '\ufeff{"input":"hi"}'],
    ['is UTF-16', Buffer.from('{"input":"hi"}', 'utf16le')],
    [
      'is not UTF-8',
      Buffer.concat([Buffer.from('{"input":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]),
    ],
    ['holds half of a surrogate pair in UTF-8', Buffer.from('{"input":"\xed\xa0\x80"}', 'latin1')],
    ['has a comment', '{"input":"hi" /* there */}'],
    ['is only blanks', '   '],
  ])('because it %s is refused', async (_what, body) => {
    const { call, sessions } = await serve();

    const answer = await call('POST', TURNS, { body });

    expect([answer.status, answer.json['code']]).toEqual([400, 'input.invalid_json']);
    expect(await sessions()).toBe(0);
  });
});

describe('a body that is JSON, but not what the call takes', () => {
  test.each([
    ['an array', [], '""'],
    ['a number', 5, '""'],
    ['null', null, '""'],
    ['a text for a flag', { input: 'hi', canAsk: 'true' }, '"/canAsk"'],
    ['a number for a text', { input: 'hi', agent: 7 }, '"/agent"'],
    ['a policy there is not', { input: 'hi', policy: 'yolo' }, '"/policy"'],
    ['a deadline that is no whole number', { input: 'hi', deadlineMs: 1.5 }, '"/deadlineMs"'],
    ['a deadline of nothing', { input: 'hi', deadlineMs: 0 }, '"/deadlineMs"'],
    ['a negative budget', { input: 'hi', budget: { usd: -1 } }, '"/budget/usd"'],
    ['nothing to say', {}, '"/input"'],
    ['no parts', { input: [] }, '"/input"'],
    ['a part without text', { input: [{ type: 'text' }] }, '"/input/0/text"'],
    ['a text with half a sign', { input: [{ type: 'text', text: 'hi \ud800' }] }, '"/input/0/text"'],
    ['a part of no kind', { input: [{ type: 'smell', text: 'x' }] }, '"/input/0/type"'],
    ['a part that says no kind', { input: [{}] }, '"/input/0/type"'],
    [
      'a file of a kind that is a number',
      { input: [{ type: 'file', mediaType: 1 }] },
      '"/input/0/mediaType"',
    ],
    [
      'a file whose name is half a sign',
      { input: [{ type: 'file', mediaType: 'a/b', name: '\ud800', data: 'AA==' }] },
      '"/input/0/name"',
    ],
    ['a file without content', { input: [{ type: 'file', mediaType: 'a/b' }] }, '"/input/0"'],
    [
      'a file that is not base64',
      { input: [{ type: 'file', mediaType: 'a/b', data: 'ä' }] },
      '"/input/0/data"',
    ],
    ['metadata that is a list', { input: 'hi', metadata: [] }, '"/metadata"'],
    ['metadata past its bound', { input: 'hi', metadata: { x: 'y'.repeat(65 * KiB) } }, '"/metadata"'],
  ])('because it is or has %s names the place', async (_what, body, pointer) => {
    const { call, sessions } = await serve();

    const answer = await call('POST', TURNS, { body });

    expect([answer.status, answer.json['code']]).toEqual([400, 'input.invalid']);
    expect(answer.json['detail']).toContain(`At ${pointer}:`);
    expect(await sessions()).toBe(0);
  });

  test('because an answer to a question holds half a sign names the place', async () => {
    const { call } = await serve();
    const body = '{"decision":"allow","answer":"\\ud800"}';

    const answer = await call('POST', '/v1/sessions/a/requests/r', { body });

    expect([answer.status, answer.json['code']]).toEqual([400, 'input.invalid']);
    expect(answer.json['detail']).toContain('At "/answer": holds a lone surrogate');
  });

  test.each([
    ['POST', TURNS, { input: 'hi', polcy: 'queue' }, 'polcy'],
    ['POST', TURNS, { input: 'hi', scopes: ['admin'] }, 'scopes'],
    ['PUT', '/v1/sessions/a', { id: 'mine' }, 'id'],
    ['POST', '/v1/dirty', { reason: 'x', projekt: 'y' }, 'projekt'],
    ['POST', '/v1/tokens', { name: 'x', scopes: ['read'], admin: true }, 'admin'],
    ['POST', '/v1/projects', { name: 'x', owner: 'y' }, 'owner'],
  ])('on %s %s because of an unknown field names the field', async (method, path, body, field) => {
    const { call, sessions } = await serve();

    const answer = await call(method, path, { body });

    expect([answer.status, answer.json['code']]).toEqual([400, 'input.unknown_field']);
    expect(answer.json['detail']).toContain(`"${field}"`);
    expect(await sessions()).toBe(0);
  });

  test('is told in few words, however long what it sent', async () => {
    const { call } = await serve();

    const answer = await call('POST', TURNS, { body: { input: 'hi', ['x'.repeat(9_000)]: 1 } });

    expect(answer.json['code']).toBe('input.unknown_field');
    expect(answer.text.length).toBeLessThan(600);
  });
});

describe('a key that would change an object', () => {
  test.each([
    ['POST', '/v1/tokens', '{"__proto__":{"admin":true},"name":"x","scopes":["read"]}'],
    ['POST', '/v1/projects', '{"constructor":{"prototype":{"admin":true}},"name":"x"}'],
    ['POST', '/v1/dirty', '{"reason":"x","a":[{"\\u005f_proto__":1}]}'],
    ['POST', TURNS, '{"__proto__":{"admin":true},"input":"hi"}'],
  ])('is refused by %s %s', async (method, path, body) => {
    const { call, sessions } = await serve();

    const answer = await call(method, path, { body });

    expect([answer.status, answer.json['code']]).toEqual([400, 'input.forbidden_key']);
    expect(await sessions()).toBe(0);
  });

  test('is inert in what belongs to the caller, and comes through unchanged', async () => {
    const { call } = await serve();
    const metadata = '{"__proto__":{"admin":true},"constructor":{"prototype":1}}';

    const answer = await call('POST', TURNS, { body: `{"input":"hi","metadata":${metadata}}` });
    const log = await call('GET', '/v1/sessions/a/events');

    expect(answer.status).toBe(202);
    expect(log.text).toContain(`"metadata":${metadata}`);
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
  });
});

describe('a body past a bound', () => {
  test('of 64 levels passes, of 65 is refused, and so is one of a million', async () => {
    const { call } = await serve();
    const nested = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);
    const body = (levels: number): string => `{"input":"hi","metadata":{"x":${nested(levels - 2)}}}`;

    const allowed = await call('POST', TURNS, { body: body(64) });
    const deep = await call('POST', TURNS, { body: body(65) });
    const abyss = await call('POST', TURNS, { body: '['.repeat(1_000_000) });

    expect(allowed.status).toBe(202);
    expect([deep.status, deep.json['code']]).toEqual([400, 'input.too_deep']);
    expect([abyss.status, abyss.json['code']]).toEqual([400, 'input.too_deep']);
  });

  test('of 10,000 members passes, of one more is refused; brackets in a text do not count', async () => {
    const { call } = await serve();
    const body = (items: number): string =>
      `{"input":"[[[,,,\\"{","metadata":{"x":[${Array(items).fill('1').join(',')}]}}`;

    const allowed = await call('POST', TURNS, { body: body(9_997) });
    const many = await call('POST', TURNS, { body: body(9_998) });
    const keys = Object.fromEntries(Array.from({ length: 100_000 }, (_, at) => [at, 1]));
    const manyKeys = await call('POST', TURNS, { body: keys });

    expect(allowed.status).toBe(202);
    expect([many.status, many.json['code']]).toEqual([400, 'input.too_many_items']);
    expect([manyKeys.status, manyKeys.json['code']]).toEqual([400, 'input.too_many_items']);
  });

  test('of exactly 1 MiB passes; one byte more is 413, and the connection ends', async () => {
    const { call, raw, head } = await serve();
    const filled = (bytes: number): string => `{"input":"${'x'.repeat(bytes - 12)}"}`;

    const allowed = await call('POST', TURNS, { body: filled(KiB * KiB) });
    const body = filled(KiB * KiB + 1);
    const type = 'Content-Type: application/json\r\n';
    const refused = await raw(`${head(`POST ${TURNS}`)}${type}Content-Length: ${body.length}\r\n\r\n${body}`);

    expect(allowed.status).toBe(202);
    expect([statusOf(refused), codeOf(refused)]).toEqual([413, 'input.too_large']);
    expect(refused).toContain('Connection: close');
  });

  test('that says no length is stopped once it is over, and the connection ends', async () => {
    const { wire, head, sessions } = await serve();
    const connection = await wire();
    const piece = `10000\r\n${'x'.repeat(0x10000)}\r\n`;

    connection.write(
      `${head(`POST ${TURNS}`)}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`,
    );
    while (!connection.ended && !connection.text.includes('HTTP/1.1')) {
      connection.write(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const answer = await connection.rest();

    expect([statusOf(answer), codeOf(answer)]).toEqual([413, 'input.too_large']);
    expect(await sessions()).toBe(0);
  });

  test('announced as too large is not even waited for', async () => {
    const { raw, head } = await serve();

    const answer = await raw(
      `${head(`POST ${TURNS}`)}Content-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n{`,
    );

    expect([statusOf(answer), codeOf(answer)]).toEqual([413, 'input.too_large']);
  });

  test('that comes a byte at a time is given 30 seconds', async () => {
    const { wire, head, clock } = await serve();
    const connection = await wire();

    connection.write(`${head(`POST ${TURNS}`)}Content-Type: application/json\r\nContent-Length: 14\r\n\r\n`);
    for (const byte of '{"inp') {
      connection.write(byte);
      await clock.advance(5_000);
    }
    expect(connection.text).toBe('');
    await clock.advance(5_000);
    await clock.advance(5_000);
    const answer = await connection.rest();

    expect([statusOf(answer), codeOf(answer)]).toEqual([408, 'input.timeout']);
  });

  test('costs no more than one that is well-formed: no shape of it is worse than its length', async () => {
    const { call } = await serve();
    const cost = async (body: string): Promise<number> => {
      const before = process.cpuUsage();
      await call('POST', TURNS, { body });
      const { user, system } = process.cpuUsage(before);
      return user + system;
    };
    const plain = `{"input":"${'x'.repeat(1_000_000)}"}`;
    await cost(plain);
    const usual = Math.max(5_000, await cost(plain), await cost(plain));

    const costs: number[] = [];
    for (const body of [
      '['.repeat(KiB * KiB),
      `"${'\\'.repeat(KiB * KiB - 2)}"`,
      `{"input":"${'\\"'.repeat(500_000)}"}`,
      `[${'1,'.repeat(500_000)}1]`,
      `{"input":"hi","${'a'.repeat(1_000_000)}":1}`,
      `{"input":[${'{"type":"text","text":"x"},'.repeat(3_000)}{"type":"nope"}]}`,
      `{"input":[{"type":"file","mediaType":"a/b","data":"${'A'.repeat(1_000_000)}!"}]}`,
    ]) {
      costs.push((await cost(body)) / usual);
    }

    expect(Math.max(...costs)).toBeLessThan(10);
  });
});

describe('a body of another kind', () => {
  test.each([
    ['a simple form could send it from any page', 'text/plain'],
    ['of no type', ''],
    ['it is a form', 'application/x-www-form-urlencoded'],
    ['it is many parts', 'multipart/form-data; boundary=x'],
    ['another charset is declared', 'application/json; charset=utf-16'],
    ['it only sounds like JSON', 'application/jsonp'],
  ])('is refused, because %s (%s)', async (_why, type) => {
    const { raw, head, sessions } = await serve();
    const body = '{"input":"hi"}';

    const answer = await raw(
      `${head(`POST ${TURNS}`)}Content-Type: ${type}\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
    );

    expect([statusOf(answer), codeOf(answer)]).toEqual([415, 'input.media_type']);
    expect(await sessions()).toBe(0);
  });

  test('that is JSON in UTF-8, however it is spelled, is taken', async () => {
    const { call } = await serve();
    const types = ['application/json; charset=utf-8', 'Application/JSON', 'application/json;charset="UTF-8"'];

    const answers = await Promise.all(
      types.map((type) => call('POST', TURNS, { body: { input: 'hi' }, headers: { 'Content-Type': type } })),
    );

    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202]);
  });

  test('that is packed is refused before it is unpacked', async () => {
    const { call } = await serve();

    const answer = await call('POST', TURNS, {
      body: gzipSync(Buffer.alloc(10_000_000, ' ')),
      headers: { 'Content-Encoding': 'gzip' },
    });

    expect([answer.status, answer.json['code']]).toEqual([415, 'input.media_type']);
  });
});

describe('an import', () => {
  const path = '/v1/sessions/b/import';
  const headers = { 'Content-Type': 'application/x-ndjson' };

  test('may be larger than any other body', async () => {
    const { call } = await serve();
    for (const letter of 'vwxyz') {
      await call('POST', TURNS, { body: { input: letter.repeat(300_000) }, headers: { Prefer: 'wait=30' } });
    }
    const lines = (await call('GET', '/v1/sessions/a/export')).text;

    const answer = await call('POST', path, { body: lines, headers });
    const [before, after] = await Promise.all(
      ['a', 'b'].map(async (key) => (await call('GET', `/v1/sessions/${key}/transcript`)).json),
    );

    expect(lines.length).toBeGreaterThan(KiB * KiB);
    expect([answer.status, answer.headers.get('location')]).toEqual([201, '/v1/sessions/b']);
    expect(after?.['messages']).toHaveLength(10);
    expect(after).toEqual(before);
  });

  test('with a line past its bound is 413', async () => {
    const { call, sessions } = await serve({ limits: { importLineBytesMax: 1_000 } });

    const answer = await call('POST', path, { body: 'x'.repeat(200_000), headers });

    expect([answer.status, answer.json['code']]).toEqual([413, 'input.too_large']);
    expect(await sessions()).toBe(0);
  });

  test('that stops halfway is given up, and says so', async () => {
    const { wire, head, clock, sessions } = await serve();
    const connection = await wire();

    connection.write(
      `${head(`POST ${path}`)}Content-Type: application/x-ndjson\r\nContent-Length: 99\r\n\r\n{"a":`,
    );
    while (!connection.text.includes('\r\n\r\n')) await clock.advance(1_000);
    const answer = await connection.rest();

    expect([statusOf(answer), codeOf(answer)]).toEqual([408, 'input.timeout']);
    expect(await sessions()).toBe(0);
  });
});
