// Connections: who is connected, how many of them, and what is said to those who do not speak HTTP.
//
//   CO1. Connections are counted all together and per address; loopback has a bound too, only a higher one.
//   CO2. What a proxy says about the peer counts only where the proxy's own address is trusted.
//   CO3. A connection that ends while its peer still sends lingers for `LINGER_MS`, reading and forgetting, because
//        closing at once would let the network drop the answer that says why.
import { STATUS_CODES, type IncomingMessage } from 'node:http';
import { BlockList, isIP, type Socket } from 'node:net';
import type { Clock, Millis } from '../../kernel/clock.ts';
import { SojournError } from '../../kernel/errors.ts';
import { problemOf } from '../../wire/problem.ts';
import type { HttpLimits } from './limits.ts';

const LINGER_MS: Millis = 1_000;

/** What can still be told that its request is broken. */
export interface Answerable {
  readonly begun: boolean;
  fail(error: unknown): void;
}

interface Connection {
  readonly address: string;
  readonly counted: boolean;
  /** Requests without an answer yet, and the last of them. */
  open: number;
  last: Answerable | null;
  refused: boolean;
}

export class Connections {
  readonly #limits: HttpLimits;
  readonly #trusted: BlockList;
  readonly #clock: Clock;
  readonly #newId: () => string;
  readonly #open = new Map<Socket, Connection>();
  /** Those that were refused and have not left yet. */
  readonly #leaving = new Set<Socket>();
  readonly #perAddress = new Map<string, number>();

  constructor(limits: HttpLimits, trustedProxies: readonly string[], clock: Clock, newId: () => string) {
    this.#limits = limits;
    this.#trusted = blockList(trustedProxies);
    this.#clock = clock;
    this.#newId = newId;
  }

  get size(): number {
    return this.#open.size;
  }

  /** For the server's `connection` event. */
  admit(socket: Socket): void {
    const address = plainAddress(socket.remoteAddress);
    const count = (this.#perAddress.get(address) ?? 0) + 1;
    const counted = !this.#isTrusted(address);
    const max = isLoopback(address)
      ? this.#limits.connectionsPerLoopbackMax
      : this.#limits.connectionsPerAddressMax;
    if (this.#open.size >= this.#limits.connectionsMax) {
      socket.destroy();
      return;
    }
    if (counted && count > max) {
      this.refuse(socket, new SojournError('input.rate_limited', `${address} has ${max} connections open`));
      return;
    }
    this.#open.set(socket, { address, counted, open: 0, last: null, refused: false });
    if (counted) this.#perAddress.set(address, count);
    socket.once('close', () => this.#forget(socket));
    // CO3: Node calls this when the last answer of a connection is written.
    socket.destroySoon = () => {
      socket.end();
      if (socket.readableEnded) socket.destroy();
      else this.#clock.after(LINGER_MS, () => socket.destroy());
    };
  }

  /** The peer of a request: the address it came from, or what a trusted proxy says (CO2). */
  addressOf(request: IncomingMessage): string {
    const direct = this.#open.get(request.socket)?.address ?? plainAddress(request.socket.remoteAddress);
    const forwarded = request.headers['x-forwarded-for'];
    if (forwarded === undefined || !this.#isTrusted(direct)) return direct;
    const hops = String(forwarded)
      .split(',')
      .map((hop) => plainAddress(hop.trim()));
    const peer = hops.findLast((hop) => !this.#isTrusted(hop));
    return peer !== undefined && isIP(peer) !== 0 ? peer : direct;
  }

  /** `refuse`: this connection has too much open already; after that, what it still sends is ignored. */
  begin(socket: Socket, exchange: Answerable): 'serve' | 'refuse' | 'ignore' {
    const connection = this.#open.get(socket);
    if (connection === undefined || connection.refused) return 'ignore';
    connection.open++;
    connection.last = exchange;
    if (connection.open <= this.#limits.pipelinedMax) return 'serve';
    connection.refused = true;
    return 'refuse';
  }

  end(socket: Socket): void {
    const connection = this.#open.get(socket);
    if (connection === undefined) return;
    connection.open--;
    if (connection.open === 0) connection.last = null;
  }

  /** For the server's `clientError` event: what came in was no request. */
  malformed(error: Error & { code?: string }, socket: Socket): void {
    const { open = 0, last = null } = this.#open.get(socket) ?? {};
    const alive = socket.writable && error.code !== 'ECONNRESET';
    // A broken body belongs to the request it came with, as long as that is the only one and not answered yet.
    if (alive && open === 1 && last?.begun === false) last.fail(refusalOf(error.code));
    else if (alive && open === 0) this.refuse(socket, refusalOf(error.code));
    else socket.destroy();
  }

  /** For the server's `timeout` event: nothing has moved for a while. Whoever waits for an answer may go on waiting. */
  quiet(socket: Socket): void {
    const waiting = (this.#open.get(socket)?.open ?? 0) > 0;
    if (!waiting || socket.writableLength > 0) socket.destroy();
  }

  /** An answer to what never became an exchange; `headers` end in line breaks. */
  refuse(socket: Socket, error: SojournError, headers = ''): void {
    const problem = problemOf(error, this.#newId());
    const body = JSON.stringify(problem);
    this.#leaving.add(socket);
    socket.once('close', () => this.#leaving.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.end(
      `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\nConnection: close\r\n${headers}` +
        `Content-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
    socket.resume();
    this.#clock.after(LINGER_MS, () => socket.destroy());
  }

  /** Nobody is waited for any more. */
  destroyAll(): void {
    for (const socket of this.#open.keys()) socket.destroy();
    for (const socket of this.#leaving) socket.destroy();
  }

  #forget(socket: Socket): void {
    const connection = this.#open.get(socket);
    this.#open.delete(socket);
    if (connection === undefined || !connection.counted) return;
    const left = (this.#perAddress.get(connection.address) ?? 1) - 1;
    if (left > 0) this.#perAddress.set(connection.address, left);
    else this.#perAddress.delete(connection.address);
  }

  #isTrusted(address: string): boolean {
    const family = isIP(address);
    return family !== 0 && this.#trusted.check(address, family === 6 ? 'ipv6' : 'ipv4');
  }
}

export function isLoopback(address: string): boolean {
  return address === '::1' || /^127\.\d+\.\d+\.\d+$/.test(address);
}

function refusalOf(code: string | undefined): SojournError {
  if (code === 'HPE_HEADER_OVERFLOW') return new SojournError('input.headers', 'The headers are too large');
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new SojournError('input.timeout', 'The request did not arrive in time');
  }
  return new SojournError('input.malformed', 'This is not a well-formed HTTP/1.1 request');
}

function plainAddress(address: string | undefined): string {
  return (address ?? '').replace(/^::ffff:(?=\d+\.)/, '');
}

function blockList(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [address = '', bits] = range.split('/');
    const family = isIP(address);
    const max = family === 6 ? 128 : 32;
    const prefix = bits === undefined ? max : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
    if (family === 0 || !(prefix >= 0 && prefix <= max)) {
      throw new SojournError(
        'config.invalid',
        `trustedProxies holds ${JSON.stringify(range)}, which is no address`,
      );
    }
    list.addSubnet(address, prefix, family === 6 ? 'ipv6' : 'ipv4');
  }
  return list;
}
