// Exchange: one request and its answer. What a route sees of HTTP.
//
//   X1. There is exactly one answer. What fails before its first byte becomes a problem document with the id of the
//       request; what fails later ends the connection, so that nobody takes a torn answer for a whole one.
//   X2. A body that was not read ends the connection after the answer: its rest must not be taken for a request. So does
//       a request that somebody on the way may have read in another way.
//   X3. Every answer says `nosniff` and `no-store`; the caller's secret is never part of one.
//   X4. What takes its time looks at `over`: a credential that has ended is shown nothing more, not even the rest of an answer.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../kernel/clock.ts';
import { SojournError } from '../../kernel/errors.ts';
import type { RuntimeCalls } from '../../runtime/runtime.ts';
import type { Caller } from '../../wire/access.ts';
import { problemOf } from '../../wire/problem.ts';
import type { Schema } from '../../wire/schema.ts';
import { checkContentType, hasBody, parseJson, parseWith, readBytes } from './body.ts';
import { corsHeaders } from './gate.ts';
import type { HttpLimits } from './limits.ts';
import type { HttpFigures } from './metrics.ts';
import type { Pulse } from './pulse.ts';
import type { Streams } from './stream.ts';

/** What all exchanges of a server share. */
export interface ServerParts {
  readonly runtime: RuntimeCalls;
  readonly limits: HttpLimits;
  readonly clock: Clock;
  readonly pulse: Pulse;
  readonly streams: Streams;
  readonly figures: () => HttpFigures;
  /** Reports a defect; the caller only hears its request id. */
  readonly report: (error: unknown, requestId: string) => void;
}

type Header = readonly [name: string, value: string];

export class Exchange {
  readonly parts: ServerParts;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly requestId: string;
  /** The peer's address, as far as it can be trusted. */
  readonly address: string;
  /** The route's path, for the log; what was asked for is not logged. */
  route = '-';
  /** `scheme://host` as the client called it, once the gate has let it in. */
  origin = '';
  /** Where a refusal for want of a token sends the client to. */
  tokenDocument: string | undefined;
  /** Set once the credential is known; only open routes run without. */
  #caller: Caller | undefined;
  #params: Readonly<Record<string, string>> = {};
  #query: URLSearchParams | undefined;
  #origin: string | null = null;
  readonly #hints: Header[] = [];
  #bodyTaken = false;
  #left: AbortController | undefined;
  #over: AbortController | undefined;
  /** The client waits for a go-ahead before it sends the body. */
  expectsContinue = false;

  constructor(
    parts: ServerParts,
    request: IncomingMessage,
    response: ServerResponse,
    requestId: string,
    address: string,
  ) {
    this.parts = parts;
    this.request = request;
    this.response = response;
    this.requestId = requestId;
    this.address = address;
  }

  /** The answer's head is written. */
  get begun(): boolean {
    return this.response.headersSent;
  }

  get runtime(): RuntimeCalls {
    return this.parts.runtime;
  }

  get caller(): Caller {
    if (this.#caller === undefined) throw new SojournError('internal', 'An open route asked for its caller');
    return this.#caller;
  }

  get knownCaller(): Caller | undefined {
    return this.#caller;
  }

  admit(caller: Caller): void {
    this.#caller = caller;
  }

  /** The other origin that may read the answer. */
  allowOrigin(origin: string | null): void {
    this.#origin = origin;
  }

  /** A header for the problem that follows: what would have been right. */
  hint(name: string, value: string): void {
    this.#hints.push([name, value]);
  }

  bind(route: string, params: Readonly<Record<string, string>>): void {
    this.route = route;
    this.#params = params;
  }

  param(name: string): string {
    return this.#params[name] ?? '';
  }

  get key(): string {
    return this.param('key');
  }

  query(name: string): string | undefined {
    if (this.#query === undefined) {
      const { url = '' } = this.request;
      const at = url.indexOf('?');
      this.#query = new URLSearchParams(at < 0 ? '' : url.slice(at + 1));
    }
    const [value, ...more] = this.#query.getAll(name);
    if (more.length > 0) throw new SojournError('input.invalid', `At "?${name}": may be given once`);
    return value;
  }

  /** `limit` and the like: a whole number within bounds, or undefined. */
  queryInt(name: string, min: number, max: number): number | undefined {
    const text = this.query(name);
    if (text === undefined) return undefined;
    const value = /^[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max)) {
      throw new SojournError('input.invalid', `At "?${name}": must be a whole number from ${min} to ${max}`);
    }
    return value;
  }

  /** `true` and `false`, or undefined. */
  queryFlag(name: string): boolean | undefined {
    const text = this.query(name);
    if (text === undefined) return undefined;
    if (text === 'true' || text === '') return true;
    if (text === 'false') return false;
    throw new SojournError('input.invalid', `At "?${name}": must be true or false`);
  }

  header(name: string): string | undefined {
    const value = this.request.headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  }

  /** The client asks for a stream of events. */
  get wantsEvents(): boolean {
    return this.request.headers.accept?.includes('text/event-stream') ?? false;
  }

  /** Aborts when the client leaves before it has its answer. */
  get left(): AbortSignal {
    if (this.#left === undefined) {
      const left = new AbortController();
      this.#left = left;
      if (this.response.destroyed) left.abort();
      else this.response.once('close', () => left.abort());
    }
    return this.#left.signal;
  }

  /** Aborts when the client leaves before it has its answer, or when its credential ends (X4). */
  get over(): AbortSignal {
    if (this.#over === undefined) {
      const over = new AbortController();
      this.#over = over;
      const unwatch = this.runtime.watchToken(this.caller, () => over.abort());
      const leave = (): void => {
        unwatch();
        over.abort();
      };
      if (this.response.destroyed) leave();
      else this.response.once('close', leave);
    }
    return this.#over.signal;
  }

  /** Between two pieces of an answer. Throws when no more of it is for this client. */
  goOn(): void {
    if (this.over.aborted) throw new SojournError('auth.required', 'The token has ended, or the client left');
  }

  /** The body as `schema` describes it; no body at all counts as `{}`. */
  async body<Call>(schema: Schema<Call>, options: { steers: boolean }): Promise<Call> {
    const { limits, clock, pulse } = this.parts;
    if (!hasBody(this.request)) return parseWith(schema, {}, options.steers);
    checkContentType(this.request, ['application/json']);
    this.takeBody();
    const bytes = await readBytes(this.request, limits, clock, pulse);
    return parseWith(schema, bytes.length === 0 ? {} : parseJson(bytes, limits), options.steers);
  }

  /** Whoever reads the body says so first (X2). */
  takeBody(): void {
    this.#bodyTaken = true;
    if (this.expectsContinue) this.response.writeContinue();
  }

  json(status: number, value: unknown, headers: readonly Header[] = []): void {
    this.text(status, 'application/json', JSON.stringify(value), headers);
  }

  text(status: number, type: string, text: string, headers: readonly Header[] = []): void {
    const length: Header = ['Content-Length', String(Buffer.byteLength(text))];
    this.head(status, [['Content-Type', type], length, ...headers]);
    this.response.end(text);
  }

  empty(status: number, headers: readonly Header[] = []): void {
    this.head(status, headers);
    this.response.end();
  }

  /** Status and headers; the body is the caller's to write. */
  head(status: number, headers: readonly Header[]): void {
    const flat = ['X-Content-Type-Options', 'nosniff', 'X-Request-Id', this.requestId];
    let cached = false;
    for (const [name, value] of headers) {
      cached ||= name === 'Cache-Control';
      flat.push(name, value);
    }
    if (!cached) flat.push('Cache-Control', 'no-store');
    if (this.#origin !== null) for (const [name, value] of corsHeaders(this.#origin)) flat.push(name, value);
    if (this.#leavesBody) this.response.shouldKeepAlive = false;
    this.response.writeHead(status, flat);
  }

  /** After a write that said to wait. Resolves when the client has taken what was written, or nothing more is for it. */
  drained(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { over } = this;
    const moved = (): void => {
      this.response.off('drain', moved);
      over.removeEventListener('abort', moved);
      resolve();
    };
    this.response.on('drain', moved);
    over.addEventListener('abort', moved);
    if (over.aborted) moved();
    return promise;
  }

  /** X1. */
  fail(error: unknown): void {
    const known = error instanceof SojournError ? error : new SojournError('internal', 'Something broke');
    if (known.code === 'internal') this.parts.report(error, this.requestId);
    if (this.response.headersSent) {
      if (!this.response.writableEnded) this.response.destroy();
      return;
    }
    if (known.code === 'input.malformed') this.response.shouldKeepAlive = false; // X2.
    const problem = problemOf(known, this.requestId);
    const headers = [...this.#hints];
    const { retryAfterMs } = problem;
    if (retryAfterMs !== undefined) headers.push(['Retry-After', String(Math.ceil(retryAfterMs / 1_000))]);
    if (problem.status === 401) headers.push(['WWW-Authenticate', this.#challenge]);
    this.text(problem.status, 'application/problem+json', JSON.stringify(problem), headers);
  }

  get #challenge(): string {
    const realm = 'Bearer realm="sojourn"';
    if (this.tokenDocument === undefined) return realm;
    return `${realm}, resource_metadata="${this.origin}${this.tokenDocument}"`;
  }

  get #leavesBody(): boolean {
    if (this.request.complete) return false;
    return this.#bodyTaken || hasBody(this.request);
  }
}
