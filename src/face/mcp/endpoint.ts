// Endpoint: one path that speaks both eras of the protocol over HTTP. Decides which one a call belongs to; knows no tool.
//
//   EN1. From 2026-07-28 on, each request stands alone: a server is made for it, and a client that closes the answer
//        has taken the request back. Before that a client opens a connection with `initialize`: see links.ts.
//   EN2. What is not one well-formed message is refused here, in the words of JSON-RPC, and reaches no server.
//   EN3. Closing lets answers end, or be cut off. Work of the runtime goes on, so it does not count as taking back.
//   EN4. While the runtime drains, a call is refused before anything of it is done, so that it may be sent again elsewhere.
//   EN5. A call that its token is not enough for is answered 403 with the scope that is missing, as OAuth has it, so that the
//        client can get a better token. On a connection of the older era the tool's own answer says it.
import {
  createMcpHandler,
  isLegacyRequest,
  type AuthInfo,
  type McpHttpHandler,
  type McpServer,
  type Server,
} from '@modelcontextprotocol/server';
import type { Clock } from '../../kernel/clock.ts';
import { ERRORS, SojournError } from '../../kernel/errors.ts';
import type { Ids } from '../../kernel/ids.ts';
import type { RuntimeCalls } from '../../runtime/runtime.ts';
import type { Caller, Scope } from '../../wire/access.ts';
import type { MountedCall } from '../mount.ts';
import { Links, type LinkLimits } from './links.ts';
import { refusal, TOKEN_DOCUMENT } from './refusal.ts';

/** Who is at the other end of a server. */
export interface Line {
  readonly caller: Caller;
  readonly era: 'legacy' | 'modern';
  /** Asked when a request was aborted: its client took it back. */
  takenBack(): boolean;
  /** Told of a scope that the caller would have needed. Nothing was done. */
  lacks(scope: Scope): void;
}

export type MakeServer = (line: Line) => Server | McpServer;

export interface EndpointParts {
  runtime: Pick<RuntimeCalls, 'watchToken' | 'health'>;
  clock: Clock;
  ids: Ids;
  limits: LinkLimits;
  /** What the library complains of: mostly what clients do wrong. */
  note: (error: Error) => void;
}

/** Longer ids are nobody's counter: they only make answers large. */
const ID_CHARS_MAX = 256;

export class Endpoint {
  readonly #modern: McpHttpHandler;
  readonly #links: Links;
  readonly #calls = new WeakMap<AuthInfo, MountedCall>();
  readonly #lacking = new WeakMap<MountedCall, Scope>();
  readonly #runtime: EndpointParts['runtime'];
  readonly #open = new Set<Promise<void>>();
  #closing: Promise<void> | undefined;

  constructor(make: MakeServer, parts: EndpointParts) {
    this.#runtime = parts.runtime;
    this.#links = new Links(make, parts);
    this.#modern = createMcpHandler(
      ({ authInfo }) => {
        const call = authInfo === undefined ? undefined : this.#calls.get(authInfo);
        if (call === undefined) throw new SojournError('internal', 'A server was asked for without its call');
        return make({
          caller: call.caller,
          era: 'modern',
          takenBack: () => this.#closing === undefined && call.left.aborted,
          lacks: (scope) => void this.#lacking.set(call, scope),
        });
      },
      { legacy: 'reject', onerror: parts.note },
    );
  }

  /** Tells the clients that listen for it. */
  get notify(): McpHttpHandler['notify'] {
    return this.#modern.notify;
  }

  async answer(call: MountedCall): Promise<Response> {
    const { request } = call;
    let body: unknown;
    try {
      if (this.#closing !== undefined || this.#runtime.health === 'draining') {
        throw new SojournError('runtime.draining', 'The server is leaving'); // EN4
      }
      body = await call.body();
    } catch (error) {
      if (error instanceof SojournError) return refused(error);
      throw error;
    }
    if (request.method === 'POST') {
      const wrong = wrongWith(body);
      if (wrong !== undefined) return refusal(400, -32_600, `Invalid request: ${wrong}`);
    }
    this.#follow(request.signal);
    const authInfo = authInfoOf(call.caller);
    this.#calls.set(authInfo, call);
    if (await isLegacyRequest(request, body)) return this.#links.answer(call, body, authInfo); // EN1
    const answer = await this.#modern.fetch(request, { authInfo, parsedBody: body });
    const scope = this.#lacking.get(call);
    if (scope === undefined) return answer;
    await answer.body?.cancel();
    return stepUp(request, scope, body);
  }

  /** EN3. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#links.quiet();
    await Promise.all(this.#open);
    await Promise.all([this.#modern.close(), this.#links.close()]);
  }

  #follow(over: AbortSignal): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    const end = (): void => {
      this.#open.delete(promise);
      resolve();
    };
    this.#open.add(promise);
    if (over.aborted) end();
    else over.addEventListener('abort', end, { once: true });
  }
}

/** The credential itself stays at the door. */
function authInfoOf(caller: Caller): AuthInfo {
  return { token: '', clientId: caller.token ?? 'host', scopes: [...caller.scopes] };
}

/** EN5: RFC 6750. */
function stepUp(request: Request, scope: Scope, body: unknown): Response {
  const document = new URL(TOKEN_DOCUMENT, request.url).href;
  const answer = refused(new SojournError('auth.scope', `This needs scope ${scope}`), idOf(body));
  const challenge = `Bearer error="insufficient_scope", scope="${scope}", resource_metadata="${document}"`;
  answer.headers.set('WWW-Authenticate', challenge);
  return answer;
}

const idOf = (body: unknown): unknown => (body as { id?: unknown } | null)?.id ?? null;

function refused(error: SojournError, id: unknown = null): Response {
  const { http, next, fix } = ERRORS[error.code];
  const rpc = error.code === 'input.invalid_json' ? -32_700 : http < 500 ? -32_600 : -32_603;
  return refusal(http, rpc, `${error.code}: ${error.detail}`, { code: error.code, next, fix }, id);
}

/** EN2. */
function wrongWith(body: unknown): string | undefined {
  if (Array.isArray(body)) return 'send one message at a time; batches are not spoken here';
  if (typeof body !== 'object' || body === null) return 'the body is no message';
  const { jsonrpc, id, method } = body as Record<string, unknown>;
  if (jsonrpc !== '2.0') return '"jsonrpc" must be "2.0"';
  if (method !== undefined && typeof method !== 'string') return '"method" must be text';
  if (id === undefined) return undefined;
  if (typeof id === 'string') return id.length > ID_CHARS_MAX ? '"id" is too long' : undefined;
  return Number.isSafeInteger(id) ? undefined : '"id" must be text or a whole number';
}
