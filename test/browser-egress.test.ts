// Where a browser may go: public addresses, and hosts that were allowed by name. Everything it sends passes here.
// Among the hostile inputs: loopback, link-local, private and shared ranges, cloud metadata, every spelling of an address,
// and names that lead elsewhere the second time. Redirects and what a page loads are in test/browser-hostile.test.ts.
import { createServer as createHttpServer, request } from 'node:http';
import { connect, type AddressInfo, createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { isPublic } from '../src/agent/browser/address.ts';
import { browserTools } from '../src/agent/browser/browser.ts';
import { allowedHosts, Egress } from '../src/agent/browser/egress.ts';
import { Pages } from './browser-stage.ts';

const nowhere = async (): Promise<never> => {
  throw new Error('ENOTFOUND');
};

async function egress(
  allow: readonly string[] = [],
  lookup: (name: string) => Promise<readonly string[]> = nowhere,
) {
  const opened = await Egress.open({ allow: allowedHosts(allow), lookup });
  return Object.assign(opened, { [Symbol.asyncDispose]: () => opened.close() });
}

/** What a browser gets that asks the egress for this address. */
async function fetched(way: Egress, url: string, method = 'GET', headers: Record<string, string> = {}) {
  const { hostname, port } = new URL(way.url);
  return new Promise<{ status: number; headers: Record<string, unknown>; text: string }>(
    (resolve, reject) => {
      const asked = request({ hostname, port, path: url, method, headers, agent: false }, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (piece: string) => (text += piece));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
        );
      });
      asked.on('error', reject);
      asked.end();
    },
  );
}

/** The first line that comes back when a tunnel is asked for, and what comes through it. */
async function tunnelled(way: Egress, authority: string, send = ''): Promise<string> {
  const { hostname, port } = new URL(way.url);
  const socket = connect(Number(port), hostname);
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
  let text = '';
  for await (const piece of socket.setEncoding('utf8') as AsyncIterable<string>) {
    text += piece;
    if (send !== '' && text.startsWith('HTTP/1.1 200') && text.endsWith('\r\n\r\n')) socket.write(send);
    if (text.includes('echo')) socket.end();
  }
  return text;
}

describe('an address', () => {
  test.each([
    '1.1.1.1',
    '8.8.8.8',
    '100.63.255.255',
    '172.15.0.1',
    '172.32.0.1',
    '192.167.0.1',
    '223.255.255.255',
    '2606:4700:4700::1111',
    '2a00:1450:4001:81b::200e',
  ])('%s is public', (address) => {
    expect(isPublic(address)).toBe(true);
  });

  test.each([
    '0.0.0.0',
    '10.1.2.3',
    '100.64.0.1',
    '100.127.255.255',
    '127.0.0.1',
    '127.255.255.254',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.0.0.8',
    '192.0.2.1',
    '192.168.1.1',
    '198.18.0.1',
    '198.51.100.7',
    '203.0.113.9',
    '224.0.0.1',
    '240.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:8.8.8.8',
    '::127.0.0.1',
    '64:ff9b::7f00:1',
    '100::1',
    '2001::1',
    '2001:db8::1',
    '2002:7f00:1::',
    'fc00::1',
    'fd12:3456::1',
    'fe80::1',
    'fe80::1%lo',
    'fec0::1',
    'ff02::1',
    'localhost',
    '',
    '127.1',
    '0x7f.1',
  ])('%s is not', (address) => {
    expect(isPublic(address)).toBe(false);
  });
});

describe('the way out of a browser', () => {
  test.each([
    'http://127.0.0.1/',
    'http://127.1/',
    'http://2130706433/',
    'http://0x7f000001/',
    'http://0177.0.0.1/',
    'http://017700000001/',
    'http://0/',
    'http://127.0.0.1.:80/',
    'http://[::1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://[::ffff:7f00:1]/',
    'http://[0:0:0:0:0:0:0:1]/',
    'http://10.0.0.8:8080/',
    'http://169.254.169.254/latest/meta-data/',
    'http://[fd00:ec2::254]/',
    'http://①②⑦.⓪.⓪.①/',
    'https://192.168.0.1/',
    'http://user:password@127.0.0.1/',
  ])('%s is refused, whatever its spelling', async (url) => {
    await using way = await egress();

    expect(await way.refusal(new URL(url))).toMatch(/is not a public address$/);
  });

  test.each([
    'file:///etc/passwd',
    'chrome://version/',
    'data:text/html,<h1>hi</h1>',
    'javascript:alert(1)',
    'view-source:http://example.org/',
    'ftp://example.org/',
    'about:blank',
    'blob:http://example.org/1',
    'ws://example.org/',
  ])('%s is no address that is opened', async (url) => {
    await using way = await egress();

    expect(await way.refusal(new URL(url))).toMatch(/^only http and https addresses are opened/);
  });

  test('a name that leads to this machine is refused, also where it leads elsewhere as well', async () => {
    await using way = await egress([], async (name) =>
      name === 'both.test' ? ['93.184.216.34', '127.0.0.1'] : ['127.0.0.1'],
    );

    expect(await way.refusal(new URL('http://here.test/'))).toBe(
      'here.test leads to 127.0.0.1, which is not a public address',
    );
    expect(await way.refusal(new URL('http://both.test/'))).toMatch(/not a public address/);
    expect((await fetched(way, 'http://both.test/')).status).toBe(403);
  });

  test('a name that leads nowhere is said to', async () => {
    await using way = await egress();

    expect(await way.refusal(new URL('http://nobody.test/'))).toBe('the name nobody.test leads nowhere');
  });

  test('what is refused never reaches its host, and the reason is kept', async () => {
    await using pages = await Pages.serve({ '/': 'secret' });
    await using way = await egress();

    const answer = await fetched(way, pages.at('/'));
    const tunnel = await tunnelled(way, pages.host);

    expect([answer.status, tunnel.split('\r\n')[0]]).toEqual([403, 'HTTP/1.1 403 Forbidden']);
    expect(answer.text).not.toContain('secret');
    expect(pages.visits).toEqual([]);
    expect(way.wasRefused(new URL(pages.at('/')))).toMatch(/127\.0\.0\.1, which is not a public address/);
  });

  test('a host that is allowed is reached, on the port that was named and on no other', async () => {
    await using pages = await Pages.serve({ '/': { headers: { 'x-own': 'yes' }, body: 'hello' } });
    await using other = await Pages.serve({ '/': 'other' });
    await using way = await egress([pages.host]);

    const answer = await fetched(way, pages.at('/?a=1'));

    expect(answer).toMatchObject({ status: 200, text: 'hello', headers: { 'x-own': 'yes' } });
    expect(pages.visits).toEqual(['/?a=1']);
    expect((await fetched(way, other.at('/'))).status).toBe(403);
    expect(other.visits).toEqual([]);
  });

  test('a host that is allowed without a port is allowed on all; another name for it is not', async () => {
    await using pages = await Pages.serve({ '/': 'hello' });
    await using way = await egress(['site.test'], async () => ['127.0.0.1']);

    expect((await fetched(way, `http://site.test:${pages.port}/`)).text).toBe('hello');
    expect((await fetched(way, `http://evil.test:${pages.port}/`)).status).toBe(403);
    expect((await fetched(way, pages.at('/'))).status).toBe(403);
  });

  test('a name that leads elsewhere the second time gains nothing: it is looked up once for each connection', async () => {
    await using pages = await Pages.serve({ '/': 'secret' });
    let lookups = 0;
    await using way = await egress([], async () => [(lookups += 1) === 1 ? '93.184.216.34' : '127.0.0.1']);

    const before = await way.refusal(new URL(`http://twice.test:${pages.port}/`));
    const { status } = await fetched(way, `http://twice.test:${pages.port}/`);

    expect([before, status, lookups]).toEqual([undefined, 403, 2]);
    expect(pages.visits).toEqual([]);
  });

  test('a tunnel carries what both ends say', async () => {
    const echo = createServer((socket) => socket.on('data', (data) => socket.end(`echo ${data.toString()}`)));
    await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
    const { port } = echo.address() as AddressInfo;
    await using way = await egress([`127.0.0.1:${port}`]);

    const heard = await tunnelled(way, `127.0.0.1:${port}`, 'hi');
    echo.close();

    expect(heard).toContain('echo hi');
  });

  test('what never ends is cut off', async () => {
    const endless = createHttpServer((_request, response) => {
      const piece = Buffer.alloc(1_024 * 1_024);
      const more = (): void => {
        while (!response.destroyed && response.write(piece));
      };
      response.on('drain', more);
      more();
    });
    await new Promise<void>((resolve) => endless.listen(0, '127.0.0.1', resolve));
    const { port } = endless.address() as AddressInfo;
    await using way = await egress([`127.0.0.1:${port}`]);
    const { hostname, port: own } = new URL(way.url);

    const bytes = await new Promise<number>((resolve) => {
      const asked = request(
        { hostname, port: own, path: `http://127.0.0.1:${port}/`, agent: false },
        (response) => {
          let count = 0;
          response.on('data', (piece: Buffer) => (count += piece.byteLength));
          response.on('error', () => undefined);
          response.on('close', () => resolve(count));
        },
      );
      asked.end();
    });
    endless.closeAllConnections();
    endless.close();

    expect(bytes).toBeGreaterThan(32 * 1_024 * 1_024);
    expect(bytes).toBeLessThan(66 * 1_024 * 1_024);
  });

  test('headers between two hosts stay there, and the others pass', async () => {
    await using pages = await Pages.serve({
      '/': { headers: { 'set-cookie': 'a=1', connection: 'close, x-hop', 'x-hop': '1' }, body: 'hello' },
    });
    await using way = await egress([pages.host]);

    const { headers } = await fetched(way, pages.at('/'));

    expect(headers).toMatchObject({ 'set-cookie': ['a=1'] });
    expect(headers).not.toHaveProperty('x-hop');
  });

  test('it is a proxy and nothing else: a plain request is turned away', async () => {
    await using way = await egress();

    expect((await fetched(way, '/')).status).toBe(400);
    expect((await fetched(way, 'https://example.org/')).status).toBe(400);
  });

  test.each(['', 'http://x', 'a/b', 'a?b', 'a b', 'user@host'])(
    '%j is no host that can be allowed',
    (host) => {
      expect(() => browserTools({ allow: [host] })).toThrow(/config\.invalid/);
    },
  );
});
