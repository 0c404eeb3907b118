// Binding: where the server listens, and what callers may call it.
//
//   BI1. Without a host it listens on 127.0.0.1 and, where the machine has it, on ::1, both on one port.
//   BI2. Any other address needs `behindProxy` with `trustedProxies`: tokens do not travel in the clear.
//   BI3. A name is exact. There is no wildcard, neither for hosts nor for origins.
import { type Server } from 'node:http';
import { isIP, type AddressInfo } from 'node:net';
import { SojournError } from '../../kernel/errors.ts';
import { isLoopback } from './connections.ts';

export interface BindOptions {
  /** 0 picks a free one. @default 4242 */
  port?: number;
  /** An address of this machine; `localhost` is both loopback addresses. @default localhost */
  host?: string;
  /** Names clients may call besides the addresses, exactly as in their Host header: `agents.example` or `box:4242`. @default none */
  allowHosts?: readonly string[];
  /** Other origins whose pages may call: `https://app.example`. @default none */
  allowOrigins?: readonly string[];
  /** A proxy that ends TLS stands in front; needed to listen beyond this machine. @default false */
  behindProxy?: boolean;
  /** Addresses or ranges (`10.0.0.0/8`) whose X-Forwarded-For is believed. @default none */
  trustedProxies?: readonly string[];
}

export interface Binding {
  port: number;
  addresses: readonly string[];
  allowHosts: readonly string[];
  allowOrigins: readonly string[];
  behindProxy: boolean;
  trustedProxies: readonly string[];
}

export interface Bound {
  servers: readonly Server[];
  urls: readonly string[];
  hosts: readonly string[];
  origins: readonly string[];
  schemes: readonly string[];
}

const PORT_TRIES = 10;
const LOOPBACK = ['127.0.0.1', '::1'];

export function validBinding(options: BindOptions): Binding {
  const { port = 4242, host = 'localhost', allowHosts = [], allowOrigins = [] } = options;
  const { behindProxy = false, trustedProxies = [] } = options;
  if (!(Number.isInteger(port) && port >= 0 && port <= 65_535)) {
    throw invalid(`port is ${String(port)}; it must be a whole number from 0 to 65535`);
  }
  const addresses = host === 'localhost' ? LOOPBACK : [host.replace(/^\[(.*)\]$/, '$1')];
  const outside = addresses.find((address) => !isLoopback(address));
  if (outside !== undefined && isIP(outside) === 0) throw invalid(`host ${host} is no address`);
  if (outside !== undefined && !(behindProxy && trustedProxies.length > 0)) {
    throw invalid(
      `host ${host} is reachable from other machines, and tokens would travel in the clear: put a proxy that ends TLS in front and set behindProxy and trustedProxies`,
    );
  }
  if ((outside === '0.0.0.0' || outside === '::') && allowHosts.length === 0) {
    throw invalid(`host ${host} says nothing about the name clients call: set allowHosts`);
  }
  for (const name of allowHosts) {
    if (!/^[a-z0-9.-]+(:\d{1,5})?$|^\[[0-9a-f:]+\](:\d{1,5})?$/.test(name)) {
      throw invalid(`allowHosts holds ${JSON.stringify(name)}; write it as in a Host header, in lower case`);
    }
  }
  for (const origin of allowOrigins) {
    if (!URL.canParse(origin) || new URL(origin).origin !== origin) {
      throw invalid(`allowOrigins holds ${JSON.stringify(origin)}; write it as https://name, or with :port`);
    }
  }
  return { port, addresses, allowHosts, allowOrigins, behindProxy, trustedProxies };
}

/** Opens a server on every address there is. Throws `config.invalid` naming what is taken or missing. */
export async function bindAll(binding: Binding, newServer: () => Server): Promise<Bound> {
  for (let attempt = 1; ; attempt++) {
    const servers: Server[] = [];
    try {
      const port = await bindEach(binding, newServer, servers);
      return describe(binding, servers, port);
    } catch (error) {
      for (const server of servers) server.close();
      const taken = codeOf(error) === 'EADDRINUSE';
      // A free port of one address may be taken on the other.
      if (taken && binding.port === 0 && attempt < PORT_TRIES) continue;
      const address = `${binding.addresses[0]}:${binding.port}`;
      const what = taken ? `${address} is in use` : `cannot listen on ${address} (${codeOf(error)})`;
      throw new SojournError('config.invalid', what, { cause: error });
    }
  }
}

async function bindEach(binding: Binding, newServer: () => Server, servers: Server[]): Promise<number> {
  let { port } = binding;
  for (const address of binding.addresses) {
    const server = newServer();
    try {
      port = await listen(server, address, port);
      servers.push(server);
    } catch (error) {
      const missing = ['EADDRNOTAVAIL', 'EAFNOSUPPORT'].includes(codeOf(error));
      if (!missing || servers.length === 0) throw error;
    }
  }
  return port;
}

function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, ipv6Only: host === '::1', backlog: 511 }, () => {
      server.off('error', reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

function describe(binding: Binding, servers: readonly Server[], port: number): Bound {
  const addresses = servers.map((server) => (server.address() as AddressInfo).address);
  const names = addresses.map((address) => (isIP(address) === 6 ? `[${address}]` : address));
  const called = addresses.every(isLoopback) ? [...names, 'localhost'] : names;
  const own = called.flatMap((name) => (port === 80 ? [name, `${name}:80`] : [`${name}:${port}`]));
  return {
    servers,
    urls: names.map((name) => `http://${name}:${port}`),
    hosts: [...own, ...binding.allowHosts],
    origins: binding.allowOrigins,
    schemes: binding.behindProxy ? ['http', 'https'] : ['http'],
  };
}

function codeOf(error: unknown): string {
  return String((error as { code?: unknown } | null)?.code ?? error);
}

function invalid(what: string): SojournError {
  return new SojournError('config.invalid', what);
}
