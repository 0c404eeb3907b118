// Where the server can be reached, and what it refuses to be started with.
import { describe, expect, test } from 'vitest';
import { http, type HttpOptions } from '../src/face/http/http.ts';
import { serve } from './http-support.ts';

describe('by default', () => {
  test('it listens on both loopback addresses, on one port, and nowhere else', async () => {
    const { urls, port } = await serve();

    expect(urls).toContain(`http://127.0.0.1:${port}`);
    for (const url of urls) {
      expect(url).toMatch(/^http:\/\/(127\.0\.0\.1|\[::1\]):\d+$/);
      expect(await (await fetch(`${url}/healthz`)).text()).toBe('ok');
    }
    await expect(fetch(`http://127.0.0.2:${port}/healthz`)).rejects.toThrow('fetch failed');
  });

  test('a port that is taken is said so, with its number', async () => {
    const { port, runtime } = await serve();

    await expect(http({ port }).start(runtime)).rejects.toMatchObject({
      code: 'config.invalid',
      detail: `127.0.0.1:${port} is in use`,
    });
  });

  test('closing twice is closing once', async () => {
    const { close } = await serve();

    await Promise.all([close(1_000), close(0)]);

    await expect(close()).resolves.toBeUndefined();
  });
});

describe('it does not start', () => {
  const cases: [string, HttpOptions, RegExp][] = [
    ['on every address without a proxy', { host: '0.0.0.0' }, /tokens would travel in the clear/],
    ['on every address of IPv6 without a proxy', { host: '::' }, /tokens would travel in the clear/],
    ['on an address of the network without a proxy', { host: '192.0.2.1' }, /behindProxy and trustedProxies/],
    ['behind a proxy that nobody named', { host: '0.0.0.0', behindProxy: true }, /trustedProxies/],
    [
      'on every address without a name to be called by',
      { host: '0.0.0.0', behindProxy: true, trustedProxies: ['10.0.0.0/8'] },
      /allowHosts/,
    ],
    ['on a name', { host: 'example.com' }, /host example.com is no address/],
    ['on a port that is none', { port: 70_000 }, /port is 70000/],
    ['for any origin', { allowOrigins: ['*'] }, /allowOrigins/],
    ['for the origin null', { allowOrigins: ['null'] }, /allowOrigins/],
    ['for an origin with a path', { allowOrigins: ['https://app.example/'] }, /allowOrigins/],
    ['for hosts by pattern', { allowHosts: ['*.example'] }, /allowHosts/],
    ['for a host with a scheme', { allowHosts: ['https://agents.example'] }, /allowHosts/],
    ['with a bound that is none', { limits: { bodyBytesMax: Number.NaN } }, /bodyBytesMax/],
    ['with a bound of nothing', { limits: { streamBytesMax: 0 } }, /streamBytesMax/],
    ['with a bound there is not', { limits: { bodyMax: 1 } as object }, /bodyMax/],
    ['with a proxy that is no address', { trustedProxies: ['10.0.0.0/33'] }, /trustedProxies/],
    ['with a proxy by name', { trustedProxies: ['proxy.local'] }, /trustedProxies/],
  ];

  test.each(cases)('%s', async (_what, options, why) => {
    const { runtime } = await serve();

    const started = (async () => http(options).start(runtime))();

    await expect(started).rejects.toMatchObject({
      code: 'config.invalid',
      message: expect.stringMatching(why),
    });
  });
});

test('behind a named proxy it listens beyond this machine, and still only answers to its names', async () => {
  const { port } = await serve({
    host: '0.0.0.0',
    behindProxy: true,
    trustedProxies: ['127.0.0.1'],
    allowHosts: [`127.0.0.1:${await freePort()}`, 'agents.example'],
  });

  const answer = await fetch(`http://127.0.0.1:${port}/healthz`);

  expect(answer.status).toBe(421);
});

async function freePort(): Promise<number> {
  return (await serve()).port;
}
