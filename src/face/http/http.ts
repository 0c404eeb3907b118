// Http: the face for everything that speaks HTTP. Puts the server together, opens it, and closes it.
//
//   H1. By default it is reachable from this machine only. Any other address needs a proxy that ends TLS, named.
//   H2. Every request passes, in this order: its connection's bounds, the gate, the route table, the credential,
//       the runtime. Nothing of a body is read before the credential is good.
//   H3. Every request leaves one line in the log: who, which route, how it ended, how much. Never a body, a key or a
//       secret.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { systemClock, type Clock, type Millis } from '../../kernel/clock.ts';
import { SojournError } from '../../kernel/errors.ts';
import { systemIds, type Ids } from '../../kernel/ids.ts';
import { silentLogger, type Logger } from '../../kernel/logger.ts';
import type { RuntimeCalls } from '../../runtime/runtime.ts';
import { Auth, bearerOf } from '../auth.ts';
import type { Face, OpenFace } from '../face.ts';
import type { Mount, OpenMount } from '../mount.ts';
import { bindAll, validBinding, type Binding, type BindOptions } from './binding.ts';
import { Connections } from './connections.ts';
import { Exchange, type ServerParts } from './exchange.ts';
import { Gate, preflightHeaders } from './gate.ts';
import { validHttpLimits, type HttpLimits } from './limits.ts';
import { mountRoutes } from './mount-routes.ts';
import { Pulse } from './pulse.ts';
import { RouteTable } from './route.ts';
import { allRoutes } from './routes.ts';
import { Streams } from './stream.ts';

export interface HttpOptions extends BindOptions {
  /** Any of the bounds in limits.ts, each with its unit in its name. */
  limits?: Partial<HttpLimits>;
  /**
   * Other faces, each served under its path by this server.
   * @default none
   */
  mounts?: readonly Mount[];
  /** @default nowhere */
  logger?: Logger;
  /** @default the machine's */
  clock?: Clock;
  /** @default the machine's */
  ids?: Ids;
}

const BEAT_MS: Millis = 1_000;
const ALL_METHODS = 'GET, HEAD, PUT, POST, PATCH, DELETE';

/** Throws `config.invalid` at once when the options contradict each other. */
export function http(options: HttpOptions = {}): Face {
  const binding = validBinding(options);
  const limits = validHttpLimits(options.limits);
  const { mounts = [], logger = silentLogger, clock = systemClock, ids = systemIds } = options;
  return {
    name: 'http',
    async start(runtime: RuntimeCalls): Promise<OpenFace> {
      const server = new HttpServer(runtime, { binding, limits, mounts, logger, clock, ids });
      await server.open();
      return server;
    },
  };
}

interface Parts {
  binding: Binding;
  limits: HttpLimits;
  mounts: readonly Mount[];
  logger: Logger;
  clock: Clock;
  ids: Ids;
}

class HttpServer implements OpenFace {
  urls: readonly string[] = [];
  readonly #given: Parts;
  readonly #parts: ServerParts;
  readonly #auth: Auth;
  readonly #routes: RouteTable;
  readonly #mounts: readonly OpenMount[];
  readonly #connections: Connections;
  readonly #answers = new Map<number, number>();
  #gate: Gate | undefined;
  #scheme = 'http';
  #servers: readonly Server[] = [];
  #closing: Promise<void> | undefined;

  constructor(runtime: RuntimeCalls, given: Parts) {
    this.#given = given;
    const { limits, clock, logger, ids, binding } = given;
    const pulse = new Pulse(clock, logger, BEAT_MS);
    const mounted = given.mounts.map((mount) => ({ path: mount.path, open: mount.open(runtime) }));
    this.#mounts = mounted.map(({ open }) => open);
    this.#routes = new RouteTable([
      ...allRoutes(),
      ...mounted.flatMap(({ path, open }) => mountRoutes(path, open)),
    ]);
    this.#auth = new Auth(runtime, clock, { failuresMax: limits.authFailuresMax });
    this.#connections = new Connections(limits, binding.trustedProxies, clock, () => ids.id());
    this.#parts = {
      runtime,
      limits,
      clock,
      pulse,
      streams: new Streams(limits, clock, pulse),
      figures: () => ({
        connections: this.#connections.size,
        streams: this.#parts.streams.size,
        answers: this.#answers,
      }),
      report: (error, requestId) => {
        const stack = error instanceof Error ? error.stack : undefined;
        const cause = error instanceof Error ? error.cause : undefined;
        logger.error('http.defect', { requestId, error, stack, cause });
      },
    };
  }

  async open(): Promise<void> {
    const { binding, limits } = this.#given;
    const bound = await bindAll(binding, () => this.#newServer());
    this.#servers = bound.servers;
    this.urls = bound.urls;
    const { hosts, origins, schemes } = bound;
    this.#scheme = schemes.at(-1) ?? 'http';
    this.#gate = new Gate({ hosts, origins, schemes, limits });
    this.#given.logger.info('http.listening', { urls: this.urls.join(' ') });
  }

  close(graceMs: Millis): Promise<void> {
    this.#closing ??= this.#close(graceMs);
    return this.#closing;
  }

  async #close(graceMs: Millis): Promise<void> {
    const closed = Promise.all(
      this.#servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))),
    );
    this.#parts.streams.close();
    const unmounted = Promise.all(this.#mounts.map((mount) => mount.close()));
    const cut = (): void => this.#connections.destroyAll();
    const timer = graceMs > 0 ? this.#given.clock.after(graceMs, cut) : undefined;
    if (timer === undefined) cut();
    await closed;
    await unmounted;
    timer?.cancel();
    this.#parts.pulse.close();
  }

  #newServer(): Server {
    const { limits } = this.#given;
    const server = createServer({
      maxHeaderSize: limits.headerBytesMax,
      headersTimeout: limits.headersMsMax,
      // A body's time is counted by whoever reads it, for an import may take longer.
      requestTimeout: 0,
      keepAliveTimeout: limits.idleMsMax,
      connectionsCheckingInterval: Math.min(1_000, limits.headersMsMax),
      // The gate asks for it, and says so in a problem.
      requireHostHeader: false,
    });
    server.maxHeadersCount = limits.headersMax + 1;
    server.on('connection', (socket: Socket) => this.#connections.admit(socket));
    server.on('request', (request, response) => void this.#serve(request, response, false));
    server.on('checkContinue', (request, response) => void this.#serve(request, response, true));
    // What else a client expects is its own affair (RFC 9110 leaves that open), and it gets an answer as anybody.
    server.on('checkExpectation', (request, response) => void this.#serve(request, response, false));
    server.on('clientError', (error, socket) => this.#connections.malformed(error, socket as Socket));
    server.on('connect', (_request, socket) => {
      const refusal = new SojournError('input.method', 'CONNECT is not spoken here');
      this.#connections.refuse(socket as Socket, refusal, `Allow: ${ALL_METHODS}\r\n`);
    });
    server.setTimeout(limits.stalledMsMax, (socket) => this.#connections.quiet(socket));
    return server;
  }

  /** Never rejects: what fails is answered, or ends the connection (X1). */
  async #serve(request: IncomingMessage, response: ServerResponse, expects: boolean): Promise<void> {
    const address = this.#connections.addressOf(request);
    const x = new Exchange(this.#parts, request, response, this.#given.ids.id(), address);
    const verdict = this.#connections.begin(request.socket, x);
    if (verdict === 'ignore') return;
    x.expectsContinue = expects;
    this.#follow(x);
    if (request.httpVersionMinor === 0 || this.#closing !== undefined) response.shouldKeepAlive = false;
    try {
      if (verdict === 'refuse') {
        response.shouldKeepAlive = false;
        const max = this.#given.limits.pipelinedMax;
        throw new SojournError('input.rate_limited', `This connection waits for ${max} answers already`);
      }
      await this.#answer(x);
    } catch (error) {
      x.fail(error);
    }
  }

  /** H2 */
  async #answer(x: Exchange): Promise<void> {
    const { request } = x;
    const { method = '', url = '' } = request;
    if (this.#gate === undefined) throw new SojournError('runtime.draining', 'The server is not open yet');
    const origin = this.#gate.check(request);
    x.allowOrigin(origin);
    if (origin !== null && method === 'OPTIONS' && request.headers['access-control-request-method']) {
      x.empty(204, preflightHeaders(this.#routes.methods(url).join(', ')));
      return;
    }
    const { route, params } = this.#routes.match(method, url, (allow) => x.hint('Allow', allow));
    x.bind(route.path, params);
    x.origin = `${this.#scheme}://${request.headers.host}`;
    x.tokenDocument = route.tokenDocument;
    if (route.access !== 'open') {
      const secret = bearerOf(request.headers.authorization);
      x.admit(await this.#auth.caller(secret, x.address, x.header('sojourn-project')));
    }
    await route.answer(x);
  }

  /** H3 */
  #follow(x: Exchange): void {
    const { request, response } = x;
    const { socket } = request;
    const { clock, logger } = this.#given;
    const startMs = clock.monotonic();
    const startBytes = socket.bytesWritten;
    response.once('close', () => {
      this.#connections.end(socket);
      const status = response.headersSent ? response.statusCode : 0;
      this.#answers.set(status, (this.#answers.get(status) ?? 0) + 1);
      logger.info('http.request', {
        token: x.knownCaller?.token ?? null,
        method: request.method,
        route: x.route,
        status,
        bytes: socket.bytesWritten - startBytes,
        ms: Math.round((clock.monotonic() - startMs) * 10) / 10,
        requestId: x.requestId,
      });
      if (this.#closing !== undefined) for (const server of this.#servers) server.closeIdleConnections();
    });
  }
}
