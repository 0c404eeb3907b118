// Remote sign-ins: identities and sign-ins of a server.
import { SojournError, type ErrorCode } from '../kernel/errors.ts';
import type {
  IdentityQuery,
  IdentityView,
  NewSignInView,
  SignInCall,
  SignInQuery,
  SignInView,
} from '../wire/identity.ts';
import type { Connection } from './connection.ts';
import type { WithSignal } from './remote-session.ts';

export interface SignInPage {
  signIns: readonly SignInView[];
  nextCursor: string | null;
  /** Live sign-ins of the project, all together. */
  live: number;
}

export interface IdentityPage {
  identities: readonly IdentityView[];
  nextCursor: string | null;
}

/** What a server answers to a sign-in that does not count any more. */
const OVER = new Set<ErrorCode>(['sign-in.ended', 'sign-in.expired', 'sign-in.unknown', 'auth.required']);

export class RemoteSignIns {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** As an identity, new or known. `token` is shown this once; hand it to `connect`, or to `post`. */
  signIn(call: SignInCall, options: WithSignal = {}): Promise<NewSignInView> {
    return this.#connection.json({ method: 'POST', path: '/v1/sign-ins', body: call, ...options });
  }

  /** Whose a sign-in is. Throws `sign-in.expired`, `sign-in.ended`, `auth.required`. */
  check(token: string, options: WithSignal = {}): Promise<SignInView> {
    return this.#connection.json({ method: 'GET', path: '/v1/sign-ins/current', ...as(token), ...options });
  }

  /** Everywhere and for good. False: it was over already. */
  async signOut(token: string, options: WithSignal = {}): Promise<boolean> {
    try {
      await this.#connection.json({
        method: 'DELETE',
        path: '/v1/sign-ins/current',
        ...as(token),
        ...options,
      });
      return true;
    } catch (error) {
      if (error instanceof SojournError && OVER.has(error.code)) return false;
      throw error;
    }
  }

  /** One page of the live ones, newest first. */
  page(query: SignInQuery & WithSignal = {}): Promise<SignInPage> {
    const { signal, ...rest } = query;
    return this.#connection.json({
      method: 'GET',
      path: '/v1/sign-ins',
      query: { ...rest },
      ...given(signal),
    });
  }

  /** Somebody else's. Throws `sign-in.not_found`. */
  async end(id: string, options: WithSignal = {}): Promise<void> {
    await this.#connection.json({
      method: 'DELETE',
      path: `/v1/sign-ins/${encodeURIComponent(id)}`,
      ...options,
    });
  }

  /** One page, newest first. */
  identityPage(query: IdentityQuery & WithSignal = {}): Promise<IdentityPage> {
    const { signal, ...rest } = query;
    return this.#connection.json({
      method: 'GET',
      path: '/v1/identities',
      query: { ...rest },
      ...given(signal),
    });
  }

  /** All there are, page after page; `limit` is the size of a page. */
  async *identities(query: IdentityQuery & WithSignal = {}): AsyncGenerator<IdentityView, void, undefined> {
    let { cursor } = query;
    do {
      const page = await this.identityPage({ ...query, ...(cursor === undefined ? {} : { cursor }) });
      yield* page.identities;
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
  }

  identity(id: string, options: WithSignal = {}): Promise<IdentityView> {
    return this.#connection.json({ method: 'GET', path: pathOf(id), ...options });
  }

  /** Who alone may speak as it; null: everyone of the project. */
  giveIdentity(id: string, owner: string | null, options: WithSignal = {}): Promise<IdentityView> {
    return this.#connection.json({ method: 'PATCH', path: pathOf(id), body: { owner }, ...options });
  }

  /** With its sign-ins; what it posted stays. Throws `identity.not_found`. */
  async removeIdentity(id: string, options: WithSignal = {}): Promise<void> {
    await this.#connection.json({ method: 'DELETE', path: pathOf(id), ...options });
  }
}

const pathOf = (id: string): string => `/v1/identities/${encodeURIComponent(id)}`;

const as = (token: string): { headers: Record<string, string> } => ({
  headers: { Authorization: `Bearer ${token}` },
});

const given = (signal: AbortSignal | undefined): WithSignal => (signal === undefined ? {} : { signal });
