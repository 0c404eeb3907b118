// Artifacts over HTTP: whole, by range, and never as a page.
import { expect, test } from 'vitest';
import { serve, type Served } from './http-support.ts';

const digits = '0123456789'.repeat(200_000);

interface Kept extends Served {
  path: string;
}

/** A session with one artifact: what a caller sent as a file, too large for the log. */
async function withFile(content: string, mediaType: string, name = 'page.html'): Promise<Kept> {
  const served = await serve();
  const data = Buffer.from(content).toString('base64');
  await served.runtime.send('a', { input: [{ type: 'file', mediaType, name, data }] }, {}, served.host);
  const [artifact] = await served.runtime.artifacts('a', served.host);
  return { ...served, path: `/v1/sessions/a/artifacts/${artifact?.id}` };
}

test('a large one comes whole, piece by piece, and is listed', async () => {
  const { call, path } = await withFile(digits, 'text/plain');

  const whole = await call('GET', path);
  const head = await call('HEAD', path);
  const list = await call('GET', '/v1/sessions/a/artifacts');

  expect(whole.text).toBe(digits);
  expect([whole.headers.get('content-length'), whole.headers.get('accept-ranges')]).toEqual([
    '2000000',
    'bytes',
  ]);
  expect([head.status, head.text, head.headers.get('content-length')]).toEqual([200, '', '2000000']);
  expect(list.json['artifacts']).toMatchObject([
    { bytes: 2_000_000, mediaType: 'text/plain', name: 'page.html' },
  ]);
});

test.each([
  ['bytes=0-9', '0123456789', 'bytes 0-9/2000000'],
  ['bytes=1999995-', '56789', 'bytes 1999995-1999999/2000000'],
  ['bytes=-3', '789', 'bytes 1999997-1999999/2000000'],
  ['bytes=1999998-5000000', '89', 'bytes 1999998-1999999/2000000'],
  ['bytes=0-0', '0', 'bytes 0-0/2000000'],
])('the range %s gives just those bytes', async (range, text, contentRange) => {
  const { call, path } = await withFile(digits, 'text/plain');

  const part = await call('GET', path, { headers: { Range: range } });

  expect([part.status, part.text, part.headers.get('content-range')]).toEqual([206, text, contentRange]);
});

test('a long range comes in pieces, too', async () => {
  const { call, path } = await withFile(digits, 'text/plain');

  const part = await call('GET', path, { headers: { Range: 'bytes=5-1900004' } });

  expect([part.status, part.text]).toEqual([206, digits.slice(5, 1_900_005)]);
});

test('a range outside is refused, and one that makes no sense or is of another one is not applied', async () => {
  const { call, path } = await withFile(digits, 'text/plain');
  const get = (headers: Record<string, string>) => call('GET', path, { headers });

  const outside = [await get({ Range: 'bytes=2000000-' }), await get({ Range: 'bytes=-0' })];
  const whole = [
    await get({ Range: 'lines=1-2' }),
    await get({ Range: 'bytes=9-1' }),
    await get({ Range: 'bytes=0-1,4-5' }),
    await get({ Range: 'bytes=0-9', 'If-Range': '"other"' }),
  ];

  expect(outside.map(({ status, json }) => [status, json['code']])).toEqual([
    [416, 'artifact.range'],
    [416, 'artifact.range'],
  ]);
  expect(outside[0]?.headers.get('content-range')).toBe('bytes */2000000');
  expect(whole.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
});

test('an unknown one, or one of another session, is not there', async () => {
  const { call, path } = await withFile(digits, 'text/plain');
  await call('PUT', '/v1/sessions/b');

  const unknown = await call('GET', '/v1/sessions/a/artifacts/00');
  const other = await call('GET', path.replace('/a/', '/b/'));

  expect([unknown.status, unknown.json['code']]).toEqual([404, 'artifact.not_found']);
  expect(other.status).toBe(404);
});

test.each([
  ['text/html', 'text/plain; charset=utf-8', 'inline'],
  ['image/svg+xml', 'application/octet-stream', 'attachment'],
  ['application/xhtml+xml', 'application/octet-stream', 'attachment'],
  ['image/png\r\nX-Evil: 1', 'application/octet-stream', 'attachment'],
  ['image/png', 'application/octet-stream', 'attachment'],
  ['video/mp4', 'application/octet-stream', 'attachment'],
])('one that calls itself %j is never shown as a page', async (claimed, type, disposition) => {
  const script = '<script>alert(1)</script>'.repeat(4_000);
  const { call, path } = await withFile(script, claimed, 'p"a\r\ng’e.html');

  const { headers, text } = await call('GET', path);

  expect(text).toBe(script);
  expect(headers.get('content-type')).toBe(type);
  expect(headers.get('content-disposition')).toBe(
    `${disposition}; filename*=UTF-8''p%22a%0D%0Ag%E2%80%99e.html`,
  );
  expect(headers.get('x-content-type-options')).toBe('nosniff');
  expect(headers.get('content-security-policy')).toBe("default-src 'none'; sandbox");
  expect(headers.get('x-evil')).toBeNull();
});

test.each([
  ['image/png', '\x89PNG\r\n\x1a\n'],
  ['image/jpeg', '\xff\xd8\xff\xe0'],
  ['image/gif', 'GIF89a'],
  ['image/webp', 'RIFF\x00\x10\x00\x00WEBPVP8 '],
  ['image/avif', '\x00\x00\x00\x20ftypavif'],
  ['audio/mpeg', 'ID3\x04'],
])('a real %s keeps its type, and is a download', async (claimed, magic) => {
  const served = await serve();
  const data = Buffer.from(magic.padEnd(10_000, '\x00'), 'latin1').toString('base64');
  await served.runtime.send('a', { input: [{ type: 'file', mediaType: claimed, data }] }, {}, served.host);
  const [artifact] = await served.runtime.artifacts('a', served.host);
  const path = `/v1/sessions/a/artifacts/${artifact?.id}`;

  const whole = await served.call('GET', path);
  const part = await served.call('GET', path, { headers: { Range: 'bytes=5000-5009' } });

  for (const { headers } of [whole, part]) {
    expect(headers.get('content-type')).toBe(claimed);
    expect(headers.get('content-disposition')).toMatch(/^attachment;/);
  }
});

test('a file of 64 MiB and a byte is refused, whoever sends it', async () => {
  const served = await serve();
  const data = Buffer.alloc(64 * 1_024 * 1_024 + 1).toString('base64');

  const { status, json } = await served.call('POST', '/v1/sessions/a/turns', {
    body: { input: [{ type: 'file', mediaType: 'application/zip', data }] },
  });

  expect([status, String(json['code'])]).toEqual([413, expect.stringMatching(/too_large$/)]);
  await expect(
    served.runtime.send('a', { input: [{ type: 'file', mediaType: 'a/b', data }] }, {}, served.host),
  ).rejects.toMatchObject({ code: 'artifact.too_large' });
  expect((await served.call('GET', '/v1/sessions/a')).status).toBe(404);
});

test('an empty file is taken as it is', async () => {
  const served = await serve();

  const { status } = await served.call('POST', '/v1/sessions/a/turns', {
    body: { input: [{ type: 'file', mediaType: 'text/plain', name: 'empty.txt', data: '' }] },
  });

  expect(status).toBe(202);
  expect(await served.runtime.artifacts('a', served.host)).toEqual([]);
});
