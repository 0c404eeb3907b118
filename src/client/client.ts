// Client: a Sojourn server from a browser or from Node.
//
//   const client = connect({ url: 'http://127.0.0.1:4242', token });
//   for await (const event of client.session('alice').stream('Hello')) show(event);
//
// It leans on fetch alone. Its errors are SojournErrors with the server's own codes, plus `server.unreachable`,
// `server.unexpected` and `cursor.gap`.
import type { TokenView } from '../wire/access.ts';
import type { AgentView, DirtyCall, SessionQuery, StatsView, TokenCall } from '../wire/calls.ts';
import type { PostCall, PostPage, PostQuery, PostTailCall, PostView } from '../wire/post.ts';
import type { RequestView, SessionView } from '../wire/session.ts';
import { Connection, type ConnectOptions } from './connection.ts';
import { RemoteSession, type WithSignal } from './remote-session.ts';
import { RemoteSignIns } from './sign-ins.ts';
import { followedPosts, pagedPosts } from './timeline.ts';

export { SojournError, type ErrorCode } from '../kernel/errors.ts';
export type * from '../wire/access.ts';
export type * from '../wire/calls.ts';
export type * from '../wire/context.ts';
export type * from '../wire/event.ts';
export type * from '../wire/identity.ts';
export type * from '../wire/message.ts';
export type * from '../wire/post.ts';
export type * from '../wire/session.ts';
export type * from '../wire/turn.ts';
export type { ConnectOptions } from './connection.ts';
export type { ConnectionChange } from './patience.ts';
export type * from './remote-session.ts';
export type * from './sign-ins.ts';

export interface SessionPage {
  sessions: readonly SessionView[];
  nextCursor: string | null;
}

/** What goes with a post besides its content. */
export interface PostExtras extends Omit<PostCall, 'content'>, WithSignal {
  /** Who posts: the token of a sign-in. @default the client's own token, which is then one */
  signIn?: string;
  /** Name it to make repeats across programs safe too. @default a new one */
  idempotencyKey?: string;
}

export type TimelineCall =
  /** As it grows; without a cursor or a time, the posts to come. */
  | ({ follow: true } & PostTailCall & WithSignal)
  /** What there is: the newest first, or with `after` the oldest first. */
  | ({ follow?: false } & PostQuery & WithSignal);

export interface ProjectView {
  name: string;
  createdAt: string;
}

/** Nothing is sent before the first call. Throws `config.invalid` when the address is none. */
export function connect(options: ConnectOptions): Client {
  return new Client(new Connection(options));
}

export class Client {
  readonly #connection: Connection;
  /** Identities, and sign-ins that speak for them. */
  readonly signIns: RemoteSignIns;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.signIns = new RemoteSignIns(connection);
  }

  /** The session with this key, whether it exists yet or not. */
  session(key: string): RemoteSession {
    return new RemoteSession(this.#connection, key);
  }

  /** One page, newest activity first. */
  sessionPage(query: SessionQuery & WithSignal = {}): Promise<SessionPage> {
    const { signal, ...rest } = query;
    return this.#get('/v1/sessions', { ...rest }, signal);
  }

  /** All that match, page after page; `limit` is the size of a page. */
  async *sessions(query: SessionQuery & WithSignal = {}): AsyncGenerator<SessionView, void, undefined> {
    let cursor = query.cursor;
    do {
      const page = await this.sessionPage({ ...query, ...(cursor === undefined ? {} : { cursor }) });
      yield* page.sessions;
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
  }

  /** Posts on the project's timeline, as the identity that is signed in. Resolves when it is durable. */
  post(content: string, extras: PostExtras = {}): Promise<PostView> {
    const { signIn, idempotencyKey, signal, ...rest } = extras;
    return this.#connection.json({
      method: 'POST',
      path: '/v1/posts',
      headers: {
        'Idempotency-Key': idempotencyKey ?? this.#connection.newId(),
        ...(signIn === undefined ? {} : { Authorization: `Bearer ${signIn}` }),
      },
      body: { content, ...rest },
      repeatable: true,
      ...(signal === undefined ? {} : { signal }),
    });
  }

  /** One page of the timeline: the newest first, or with `after` the oldest first. */
  postPage(query: PostQuery & WithSignal = {}): Promise<PostPage> {
    const { signal, ...rest } = query;
    return this.#get('/v1/posts', { ...rest }, signal);
  }

  /**
   * The timeline: what there is, page after page; or, with `follow`, as it grows, over lost connections and restarts of
   * the server without a loss or a repeat. A post is somebody else's words: show it as text.
   */
  timeline(call: TimelineCall = {}): AsyncGenerator<PostView, void, undefined> {
    const { follow, signal, ...rest } = call;
    return follow
      ? followedPosts(this.#connection, rest, signal)
      : pagedPosts(this.#connection, rest, signal);
  }

  /** Questions and approvals that wait for a person. */
  async requests(options: WithSignal = {}): Promise<readonly RequestView[]> {
    const answer = await this.#get<{ requests: readonly RequestView[] }>('/v1/requests', {}, options.signal);
    return answer.requests;
  }

  dirty(call: DirtyCall, options: WithSignal = {}): Promise<{ marked: number }> {
    return this.#connection.json({
      method: 'POST',
      path: '/v1/dirty',
      body: call,
      repeatable: true,
      ...options,
    });
  }

  async agents(options: WithSignal = {}): Promise<readonly AgentView[]> {
    return (await this.#get<{ agents: readonly AgentView[] }>('/v1/agents', {}, options.signal)).agents;
  }

  stats(options: WithSignal = {}): Promise<StatsView> {
    return this.#get('/v1/stats', {}, options.signal);
  }

  async projects(options: WithSignal = {}): Promise<readonly ProjectView[]> {
    return (await this.#get<{ projects: readonly ProjectView[] }>('/v1/projects', {}, options.signal))
      .projects;
  }

  addProject(name: string, options: WithSignal = {}): Promise<ProjectView> {
    return this.#connection.json({ method: 'POST', path: '/v1/projects', body: { name }, ...options });
  }

  async removeProject(name: string, options: WithSignal = {}): Promise<void> {
    await this.#connection.json({
      method: 'DELETE',
      path: `/v1/projects/${encodeURIComponent(name)}`,
      ...options,
    });
  }

  async tokens(options: WithSignal = {}): Promise<readonly TokenView[]> {
    return (await this.#get<{ tokens: readonly TokenView[] }>('/v1/tokens', {}, options.signal)).tokens;
  }

  /** `secret` is shown this once. */
  addToken(call: TokenCall, options: WithSignal = {}): Promise<TokenView & { secret: string }> {
    return this.#connection.json({ method: 'POST', path: '/v1/tokens', body: call, ...options });
  }

  async removeToken(id: string, options: WithSignal = {}): Promise<void> {
    await this.#connection.json({
      method: 'DELETE',
      path: `/v1/tokens/${encodeURIComponent(id)}`,
      ...options,
    });
  }

  #get<Answer>(
    path: string,
    query: Record<string, string | number | undefined>,
    signal: AbortSignal | undefined,
  ): Promise<Answer> {
    return this.#connection.json({ method: 'GET', path, query, ...(signal === undefined ? {} : { signal }) });
  }
}
