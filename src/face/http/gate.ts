// Gate: what every request must pass before anything else looks at it. One plain function, no allocation on the way.
//
//   GA1. Host is one of an exact list, spelled exactly so: a page of another origin that points its own name at this
//        machine does not get in.
//   GA2. An Origin that is present is this server's own, or one that was allowed. A missing one passes: nothing
//        here rests on cookies, so a page cannot borrow a person's standing.
//   GA3. Headers that decide something come once. Two of them mean that somebody on the way reads the other.
//   GA4. What the parser lets through and nobody here understands is refused, not guessed at: another version, a body
//        in another transfer coding than chunks.
import type { IncomingMessage } from 'node:http';
import { SojournError } from '../../kernel/errors.ts';
import type { HttpLimits } from './limits.ts';

export interface GateOptions {
  /** `name:port`, exactly as clients send them. */
  hosts: readonly string[];
  /** `scheme://name:port`, exactly as browsers send them. */
  origins: readonly string[];
  /** The scheme browsers see: `https` behind a proxy that ends TLS. */
  schemes: readonly string[];
  limits: HttpLimits;
}

const SINGLE = new Set([
  'host',
  'origin',
  'authorization',
  'content-type',
  'content-encoding',
  'idempotency-key',
  'last-event-id',
  'sojourn-project',
  'range',
  'mcp-method',
  'mcp-name',
  'mcp-protocol-version',
  'mcp-session-id',
]);
const SINGLE_LENGTHS = new Set([...SINGLE].map((name) => name.length));

export class Gate {
  readonly #hosts: ReadonlySet<string>;
  readonly #own: ReadonlySet<string>;
  readonly #allowed: ReadonlySet<string>;
  readonly #limits: HttpLimits;

  constructor(options: GateOptions) {
    this.#hosts = new Set(options.hosts);
    this.#own = new Set(
      options.schemes.flatMap((scheme) => options.hosts.map((host) => `${scheme}://${host}`)),
    );
    this.#allowed = new Set(options.origins);
    this.#limits = options.limits;
  }

  /** The other origin that may read the answer, or null. Throws what the request is refused with. */
  check(request: IncomingMessage): string | null {
    const { url = '', rawHeaders } = request;
    if (url.length > this.#limits.urlBytesMax) {
      throw new SojournError('input.uri_too_long', `The URL has ${url.length} bytes`);
    }
    if (rawHeaders.length > 2 * this.#limits.headersMax) {
      throw new SojournError('input.headers', `The request has ${rawHeaders.length / 2} headers`);
    }
    checkSingle(rawHeaders);
    checkForm(request);
    if (url.charCodeAt(0) !== 0x2f) {
      throw new SojournError('input.malformed', 'The request target is not a path');
    }
    const { host, origin } = request.headers;
    if (host === undefined) throw new SojournError('input.malformed', 'The request names no host');
    if (!this.#hosts.has(host)) {
      throw new SojournError('host.unknown', `This server is not called ${shown(host)}`);
    }
    if (origin === undefined) return null;
    if (this.#allowed.has(origin)) return origin;
    // The own origin must be that of the very host that was called.
    if (this.#own.has(origin) && origin.endsWith(`://${host}`)) return null;
    throw new SojournError('origin.forbidden', `Pages of ${shown(origin)} may not call this server`);
  }
}

/** GA4 */
function checkForm(request: IncomingMessage): void {
  if (request.httpVersionMajor !== 1) {
    throw new SojournError('input.malformed', `HTTP/${request.httpVersion} is not spoken here`);
  }
  const coding = request.headers['transfer-encoding'];
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') {
    throw new SojournError('input.malformed', `The transfer coding ${shown(coding)} is not understood`);
  }
}

function checkSingle(rawHeaders: readonly string[]): void {
  let seen: Set<string> | undefined;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const raw = rawHeaders[index] ?? '';
    if (!SINGLE_LENGTHS.has(raw.length)) continue;
    const name = raw.toLowerCase();
    if (!SINGLE.has(name)) continue;
    seen ??= new Set();
    if (seen.has(name)) throw new SojournError('input.malformed', `The header ${name} comes twice`);
    seen.add(name);
  }
}

/** What a peer sent, short and escaped. */
export function shown(value: string | undefined): string {
  return value === undefined ? 'nothing' : JSON.stringify(value.slice(0, 64));
}

const PREFLIGHT_HEADERS =
  'Accept, Authorization, Content-Type, Idempotency-Key, If-Range, Last-Event-ID, Mcp-Method, Mcp-Name, Mcp-Protocol-Version, Mcp-Session-Id, Prefer, Range, Sojourn-Project';
const EXPOSED_HEADERS =
  'Content-Range, ETag, Location, Mcp-Session-Id, Preference-Applied, Retry-After, WWW-Authenticate, X-Request-Id';

/** For an answer that a page of `origin` may read. */
export function corsHeaders(origin: string): readonly [string, string][] {
  return [
    ['Access-Control-Allow-Origin', origin],
    ['Access-Control-Expose-Headers', EXPOSED_HEADERS],
    ['Vary', 'Origin'],
  ];
}

export function preflightHeaders(methods: string): readonly [string, string][] {
  return [
    ['Access-Control-Allow-Methods', methods],
    ['Access-Control-Allow-Headers', PREFLIGHT_HEADERS],
    ['Access-Control-Max-Age', '600'],
  ];
}
