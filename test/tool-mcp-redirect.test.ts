// MCP servers over HTTP that send us elsewhere: what they were given stays with them.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { box, scene } from './tool-scene.ts';

interface Asked {
  path: string | undefined;
  key: string | string[] | undefined;
}

const open: Server[] = [];

afterEach(() => {
  for (const server of open.splice(0)) server.close();
});

/** A server that answers all it is asked the same, and remembers. */
async function origin(
  status: number,
  headers: Record<string, string>,
): Promise<{ url: string; asked: Asked[] }> {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    asked.push({ path: request.url, key: request.headers['x-key'] });
    request.resume().on('end', () => response.writeHead(status, headers).end());
  });
  open.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

const paths = (asked: readonly Asked[]): unknown[] => [...new Set(asked.map(({ path }) => path))];

/** What a session is told that uses the server. */
async function missing(url: string): Promise<unknown> {
  await using stand = await scene(
    box({ servers: { far: { url: `${url}/mcp`, headers: { 'x-key': 'k' } } } }),
  );
  return (await stand.turn()).set.missing;
}

const UNAVAILABLE = [{ source: 'far', code: 'tool.unavailable' }];

test.each([301, 302, 303, 307, 308])(
  'a server that answers %d to another origin is missing, and the other one hears nothing',
  async (status) => {
    const other = await origin(200, {});
    const far = await origin(status, { location: `${other.url}/mcp` });

    expect(await missing(far.url)).toMatchObject(UNAVAILABLE);

    expect(other.asked).toEqual([]);
    expect(far.asked[0]).toEqual({ path: '/mcp', key: 'k' });
  },
);

test('a redirect is not followed within the origin either', async () => {
  const far = await origin(307, { location: '/elsewhere' });

  expect(await missing(far.url)).toMatchObject(UNAVAILABLE);

  expect(paths(far.asked)).toEqual(['/mcp']);
});

test('a server that wants a sign-in by OAuth is missing, and none of its metadata is fetched', async () => {
  const other = await origin(200, {});
  const metadata = `Bearer resource_metadata="${other.url}/.well-known/oauth-protected-resource"`;
  const far = await origin(401, { 'www-authenticate': metadata });

  expect(await missing(far.url)).toMatchObject(UNAVAILABLE);

  expect(other.asked).toEqual([]);
  expect(paths(far.asked)).toEqual(['/mcp']);
});
