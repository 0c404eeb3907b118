// Egress: the only way from a browser to the network: a proxy of our own, that decides by address where it leads.
//
// The browser looks up no name and opens no connection by itself. So the rule holds for whatever a page does: what it
// loads, where it redirects, what its scripts and workers fetch, web sockets, and names that lead elsewhere the second time.
//
//   E1. A name is looked up once for each connection, and the connection goes to the address that was looked at.
//   E2. An address that is not public is refused, unless the host of the URL is allowed by name. Where a name leads to
//       several, one that is not public refuses all of them.
//   E3. Bounded: connections, bytes of each, and the refusals that are kept to explain a failure.
//   E4. `close` ends what is open.
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, isIP, type AddressInfo, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { SojournError } from '../../kernel/errors.ts';
import { isPublic } from './address.ts';

export interface EgressOptions {
  /** As `allowedHosts` gives them. */
  allow: ReadonlySet<string>;
  /** All addresses of a name; rejects when there is none. */
  lookup: (name: string) => Promise<readonly string[]>;
}

const CONNECTIONS_MAX = 256;
const EXCHANGE_BYTES_MAX = 64 * 1_024 * 1_024;
/** A tunnel may carry a whole site. */
const TUNNEL_BYTES_MAX = 256 * 1_024 * 1_024;
const QUIET_MS_MAX = 60_000;
const REFUSALS_MAX = 100;

/** Between two hosts only; never passed on. */
const HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

type Way = { address: string; port: number } | { refused: string };

export class Egress {
  readonly #options: EgressOptions;
  readonly #server: Server;
  readonly #tunnels = new Set<Duplex>();
  /** Why a host was refused, the last one last (E3). */
  readonly #refusals = new Map<string, string>();

  private constructor(options: EgressOptions) {
    this.#options = options;
    this.#server = createServer((incoming, outgoing) => void this.#exchange(incoming, outgoing));
    this.#server.maxConnections = CONNECTIONS_MAX;
    this.#server.on('connect', (incoming, socket, head) => void this.#tunnel(incoming, socket, head));
    this.#server.on('upgrade', (_incoming, socket) => socket.destroy()); // Browsers ask for a tunnel.
    this.#server.on('clientError', (_error, socket) => socket.destroy());
  }

  static async open(options: EgressOptions): Promise<Egress> {
    const egress = new Egress(options);
    await new Promise<void>((resolve, reject) => {
      egress.#server.once('error', reject);
      egress.#server.listen(0, '127.0.0.1', resolve);
    });
    egress.#server.unref();
    return egress;
  }

  /** Where the browser has to go. */
  get url(): string {
    const { port } = this.#server.address() as AddressInfo; // it listens on a port, not on a path
    return `http://127.0.0.1:${port}`;
  }

  /** Why this address may not be opened; undefined when it may. */
  async refusal(url: URL): Promise<string | undefined> {
    if (url.protocol !== 'http:' && url.protocol !== 'https:') {
      return `only http and https addresses are opened, not ${url.protocol}`;
    }
    const way = await this.#way(url);
    return 'refused' in way ? way.refused : undefined;
  }

  /** Why the last request to this host was refused, where it was. */
  wasRefused(url: URL): string | undefined {
    return this.#refusals.get(hostAndPort(url));
  }

  /** E4. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const tunnel of this.#tunnels) tunnel.destroy();
    this.#server.closeAllConnections();
    await closed;
  }

  /** E1, E2. */
  async #way(url: URL): Promise<Way> {
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const port = portOf(url);
    const { allow } = this.#options;
    const isAllowed = allow.has(url.hostname) || allow.has(hostAndPort(url));
    let addresses: readonly string[];
    try {
      addresses = isIP(host) > 0 ? [host] : await this.#options.lookup(host);
    } catch {
      return { refused: `the name ${host} leads nowhere` };
    }
    const [first] = addresses;
    const hidden = addresses.find((address) => !isPublic(address));
    if (first === undefined) return { refused: `the name ${host} leads nowhere` };
    if (hidden === undefined || isAllowed) return { address: first, port };
    return { refused: `${url.host} leads to ${hidden}, which is not a public address` };
  }

  async #exchange(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const url = URL.canParse(incoming.url ?? '') ? new URL(incoming.url ?? '') : undefined;
    if (url?.protocol !== 'http:') return answer(outgoing, 400, 'This is a proxy.');
    const way = await this.#way(url);
    if ('refused' in way) {
      this.#note(url, way.refused);
      return answer(outgoing, 403, 'This address is not opened from here.'); // A page learns no more.
    }
    this.#note(url, undefined);
    const headers = passedOn(incoming.rawHeaders);
    const { method } = incoming;
    const path = `${url.pathname}${url.search}`;
    const onward = request({
      agent: false, // no connection outlives its exchange
      host: way.address,
      port: way.port,
      path,
      headers,
      setHost: false,
      timeout: QUIET_MS_MAX,
      ...(method === undefined ? {} : { method }),
    });
    onward.on('timeout', () => onward.destroy());
    onward.on('error', () =>
      outgoing.headersSent ? outgoing.destroy() : answer(outgoing, 502, 'It did not answer.'),
    );
    onward.on('response', (response) => {
      outgoing.writeHead(response.statusCode ?? 502, response.statusMessage, passedOn(response.rawHeaders));
      bound(response, EXCHANGE_BYTES_MAX, () => outgoing.destroy());
      response.on('error', () => outgoing.destroy());
      response.pipe(outgoing);
    });
    outgoing.on('close', () => onward.destroy());
    incoming.pipe(onward);
  }

  async #tunnel(incoming: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    this.#tunnels.add(socket);
    socket.on('close', () => this.#tunnels.delete(socket));
    socket.on('error', () => socket.destroy());
    const authority = `https://${incoming.url ?? ''}`;
    const url = URL.canParse(authority) ? new URL(authority) : undefined;
    if (url === undefined) return void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
    const way = await this.#way(url);
    this.#note(url, 'refused' in way ? way.refused : undefined);
    if ('refused' in way) return void socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
    if (socket.destroyed) return;
    const onward: Socket = connect({ host: way.address, port: way.port });
    onward.setTimeout(QUIET_MS_MAX, () => onward.destroy());
    onward.once('connect', () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      onward.write(head);
      bound(onward, TUNNEL_BYTES_MAX, () => socket.destroy());
      onward.pipe(socket).pipe(onward);
    });
    onward.on('error', () => socket.destroy());
    onward.on('close', () => socket.destroy());
    socket.on('close', () => onward.destroy());
  }

  #note(url: URL, refused: string | undefined): void {
    const host = hostAndPort(url);
    this.#refusals.delete(host);
    if (refused === undefined) return;
    this.#refusals.set(host, refused);
    const [oldest] = this.#refusals.keys();
    if (this.#refusals.size > REFUSALS_MAX && oldest !== undefined) this.#refusals.delete(oldest);
  }
}

/** Hosts, or hosts with a port, that may be private. */
export const allowedHosts = (hosts: readonly string[]): ReadonlySet<string> =>
  new Set(hosts.map(allowedHost));

/** As a URL writes it; throws `config.invalid` for what is no host. */
function allowedHost(host: string): string {
  const url = URL.canParse(`http://${host}`) ? new URL(`http://${host}`) : undefined;
  if (url === undefined || url.pathname !== '/' || url.search + url.hash + url.username !== '') {
    throw new SojournError('config.invalid', `${JSON.stringify(host)} is no host, nor a host with a port`);
  }
  return /:\d+$/.test(host) ? hostAndPort(url) : url.hostname;
}

const portOf = (url: URL): number => Number(url.port || (url.protocol === 'https:' ? 443 : 80));

const hostAndPort = (url: URL): string => `${url.hostname}:${portOf(url)}`;

function answer(outgoing: ServerResponse, status: number, text: string): void {
  outgoing.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' });
  outgoing.end(text);
}

/** Pairs of name and value, without those of one hop, and those that the sender says are. */
function passedOn(raw: readonly string[]): string[] {
  const pairs: [name: string, value: string][] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) pairs.push([raw[at] ?? '', raw[at + 1] ?? '']);
  const own = pairs
    .filter(([name]) => name.toLowerCase() === 'connection')
    .flatMap(([, value]) => value.toLowerCase().split(/\s*,\s*/));
  return pairs.filter(([name]) => !HOP.has(name.toLowerCase()) && !own.includes(name.toLowerCase())).flat();
}

/** E3. */
function bound(from: NodeJS.ReadableStream, bytesMax: number, stop: () => void): void {
  let bytes = 0;
  from.on('data', (chunk: Buffer) => {
    bytes += chunk.byteLength;
    if (bytes > bytesMax) stop();
  });
}
