// Sign-in calls: identities and sign-ins for whoever calls. Checks scopes; identity/sign-ins.ts does the rest.
//
//   G1. A sign-in speaks and listens, and does nothing else: its caller has scope `post` only, in the project it was made
//       in, and for the owner it was made for. The timeline of that project it may read, too (timeline-calls.ts).
import { SojournError } from '../kernel/errors.ts';
import { isSecret } from '../kernel/secret.ts';
import { lapseError, SIGN_IN_PREFIX, type SignInEnded } from '../identity/identity.ts';
import type { Caller } from '../wire/access.ts';
import type {
  IdentityQuery,
  IdentityView,
  NewSignInView,
  SignInCall,
  SignInCheck,
  SignInQuery,
  SignInView,
} from '../wire/identity.ts';
import { hostCaller, requireScope } from './access.ts';
import type { RuntimeHost } from './host.ts';

/** In every call the caller comes last and defaults to the host itself: project `default`, all scopes. */
export interface SignInCalls {
  /** Needs `send`. Speaks for the owner of the caller's token, and ends with that token. */
  signIn(call: SignInCall, caller?: Caller): Promise<NewSignInView>;
  /** Whether a sign-in's token counts now; counts as its use. Throws only where the store cannot answer. */
  validate(token: string): Promise<SignInCheck>;
  /** As a caller that may post as its identity. Throws `sign-in.unknown`, `sign-in.expired`, `sign-in.ended`. */
  speaker(token: string): Promise<Caller & { signIn: SignInView }>;
  /** False: it was over already, or never there. */
  signOut(token: string): Promise<boolean>;
  /** The sign-in of a caller that has one. Throws `sign-in.unknown`. */
  current(caller: Caller): SignInView;
  /** Signs out a caller that has signed in. Throws `sign-in.unknown`, `sign-in.ended` where it was over meanwhile. */
  leave(caller: Caller): Promise<void>;
  /** Needs `operate`. Throws `sign-in.not_found`. */
  end(id: string, caller?: Caller): Promise<void>;
  /** Live ones, newest first, without secrets, and how many there are in the project. Needs `operate`. */
  list(
    query?: SignInQuery,
    caller?: Caller,
  ): Promise<{ signIns: readonly SignInView[]; nextCursor: string | null; live: number }>;
  /** Newest first. Needs `read`. */
  identities(
    query?: IdentityQuery,
    caller?: Caller,
  ): Promise<{ identities: readonly IdentityView[]; nextCursor: string | null }>;
  /** Throws `identity.not_found`. Needs `read`. */
  identity(id: string, caller?: Caller): Promise<IdentityView>;
  /** By name and context, in whatever spelling. Null: nobody has signed in so. Needs `read`. */
  find(name: { name: string; context?: string }, caller?: Caller): Promise<IdentityView | null>;
  /** Who alone may speak as it; null: everyone. Ends the sign-ins of others. Needs `operate`. */
  setOwner(id: string, owner: string | null, caller?: Caller): Promise<IdentityView>;
  /** With its sign-ins; what it posted stays, with its author as it was. Needs `operate`. Throws `identity.not_found`. */
  removeIdentity(id: string, caller?: Caller): Promise<void>;
  /** Called for every sign-in that ends, until the returned call is made. */
  onEnd(listener: (ended: SignInEnded) => void): () => void;
}

export class RuntimeSignIns implements SignInCalls {
  readonly #host: RuntimeHost;

  constructor(host: RuntimeHost) {
    this.#host = host;
  }

  async signIn(call: SignInCall, caller = hostCaller()): Promise<NewSignInView> {
    this.#host.admit();
    requireScope(caller, 'send');
    const { project, owner, token } = caller;
    return this.#host.signIns.signIn(call, { project, owner, token });
  }

  validate(token: string): Promise<SignInCheck> {
    return this.#host.signIns.validate(token);
  }

  async speaker(token: string): Promise<Caller & { signIn: SignInView }> {
    return speakerOf(await this.#host.signIns.speaker(token));
  }

  signOut(token: string): Promise<boolean> {
    return this.#host.signIns.signOut(token);
  }

  current(caller: Caller): SignInView {
    requireScope(caller, 'post');
    if (caller.signIn !== undefined) return caller.signIn;
    throw new SojournError('sign-in.unknown', 'The call carries a token, not a sign-in');
  }

  async leave(caller: Caller): Promise<void> {
    const { id } = this.current(caller);
    if (await this.#host.signIns.end(caller.project, id)) return;
    throw new SojournError('sign-in.ended', 'The sign-in was over already');
  }

  async end(id: string, caller = hostCaller()): Promise<void> {
    requireScope(caller, 'operate');
    if (await this.#host.signIns.end(caller.project, id)) return;
    throw new SojournError('sign-in.not_found', `No live sign-in ${id.slice(0, 64)}`);
  }

  async list(query: SignInQuery = {}, caller = hostCaller()): ReturnType<SignInCalls['list']> {
    requireScope(caller, 'operate');
    const page = await this.#host.signIns.list(caller.project, query);
    return { ...page, live: await this.#host.signIns.count(caller.project) };
  }

  async identities(query: IdentityQuery = {}, caller = hostCaller()): ReturnType<SignInCalls['identities']> {
    requireScope(caller, 'read');
    return this.#host.signIns.identities(caller.project, query);
  }

  async identity(id: string, caller = hostCaller()): Promise<IdentityView> {
    requireScope(caller, 'read');
    const identity = await this.#host.signIns.identity(caller.project, id);
    if (identity !== null) return identity;
    throw new SojournError('identity.not_found', `No identity ${id.slice(0, 64)}`);
  }

  async find(name: { name: string; context?: string }, caller = hostCaller()): Promise<IdentityView | null> {
    requireScope(caller, 'read');
    return this.#host.signIns.find(caller.project, name);
  }

  async setOwner(id: string, owner: string | null, caller = hostCaller()): Promise<IdentityView> {
    requireScope(caller, 'operate');
    return this.#host.signIns.setOwner(caller.project, id, owner);
  }

  async removeIdentity(id: string, caller = hostCaller()): Promise<void> {
    requireScope(caller, 'operate');
    await this.#host.signIns.removeIdentity(caller.project, id);
  }

  onEnd(listener: (ended: SignInEnded) => void): () => void {
    return this.#host.signIns.onEnd(listener);
  }

  /**
   * The caller behind a bearer secret that is a sign-in's; undefined where it is none, null where nobody knows it.
   * Throws `sign-in.*` where it is over: who comes back with it is not guessing.
   */
  async authenticate(secret: string): Promise<Caller | null | undefined> {
    if (!isSecret(SIGN_IN_PREFIX, secret)) return undefined;
    const check = await this.#host.signIns.validate(secret);
    if (check.kind === 'live') return speakerOf(check.signIn);
    if (check.kind === 'unknown') return null;
    throw lapseError(check.kind);
  }
}

/** G1. */
function speakerOf(signIn: SignInView): Caller & { signIn: SignInView } {
  const { owner, identity } = signIn;
  return { token: signIn.id, project: identity.project, owner, scopes: new Set(['post']), signIn };
}
