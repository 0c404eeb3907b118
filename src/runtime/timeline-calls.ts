// Timeline calls: posting and reading, for whoever calls.
//
//   C1. To post one needs a live sign-in: its identity is the author, and nothing that a caller declares is.
//   C2. To read one needs `read` or a live sign-in, and reads the timeline of the project one acts in, and of no other.
//   C3. A session or a turn that a post names is there, and whoever made the sign-in may know of it: a sign-in by itself
//       sees no session, so that it is nobody's way to find out about one.
import { hash } from 'node:crypto';
import { SojournError } from '../kernel/errors.ts';
import { postView } from '../log/post.ts';
import type { Timeline } from '../log/timeline.ts';
import { checkCursor } from '../log/timeline-tail.ts';
import type { IdentityStore, PostsFilter, Store } from '../store/store.ts';
import type { Caller, Scope } from '../wire/access.ts';
import type {
  PostAuthor,
  PostCall,
  PostFilter,
  PostOptions,
  PostPage,
  PostQuery,
  PostTailCall,
  PostView,
} from '../wire/post.ts';
import { hostCaller, mayTouch, requireScope } from './access.ts';

/** Follows a timeline until it is closed. */
export interface PostTail {
  /** The cursor it began from. */
  readonly from: number;
  /** The next posts, at least one, in the order of their ids; empty when it was closed. Throws `timeline.pruned`. */
  next(): Promise<readonly PostView[]>;
  /** Idempotent; a waiting `next` resolves empty. */
  close(): void;
}

interface TimelineHost {
  readonly store: Pick<Store, 'byId' | 'turn' | 'tokens'> & {
    readonly identities: Pick<IdentityStore, 'byId'>;
  };
  readonly timeline: Timeline;
  readonly counts: { tails: number };
  admit(): void;
}

const LIMIT = 100;
const LIMIT_MAX = 200;
const ID_CHARS_MAX = 200;

export class TimelineCalls {
  readonly #host: TimelineHost;

  constructor(host: TimelineHost) {
    this.#host = host;
  }

  /** Durable when it resolves. Throws `auth.scope`, `input.invalid`, `timeline.limit`, `session.not_found`, `turn.not_found`. */
  async post(call: PostCall, options: PostOptions = {}, caller: Caller = hostCaller()): Promise<PostView> {
    requireScope(caller, 'post');
    const author = authorOf(caller);
    this.#host.admit();
    await this.#checkLinks(call, caller);
    const { content, metadata, session, turn } = call;
    const { idempotencyKey } = options;
    const row = await this.#host.timeline.post({
      project: caller.project,
      author,
      content,
      ...(metadata === undefined ? {} : { metadata }),
      ...(session === undefined ? {} : { session }),
      ...(turn === undefined ? {} : { turn }),
      ...(idempotencyKey === undefined ? {} : { once: hash('sha256', idempotencyKey) }),
    });
    return postView(row);
  }

  /** The newest first, unless it is asked for what comes `after`. Throws `input.invalid`, `cursor.*`, `timeline.pruned`. */
  async page(query: PostQuery = {}, caller: Caller = hostCaller()): Promise<PostPage> {
    checkReader(caller);
    const { after, before, until, limit = LIMIT } = query;
    if (after !== undefined && before !== undefined)
      throw new SojournError('input.invalid', '/after and /before exclude each other');
    if (Number.isNaN(limit)) throw new SojournError('input.invalid', '/limit must be a number');
    const page = await this.#host.timeline.page({
      ...filterOf(query, caller),
      ...(until === undefined ? {} : { until: timeOf('/until', until) }),
      from:
        after === undefined
          ? { before: before === undefined ? Number.MAX_SAFE_INTEGER : idOf('/before', before) }
          : { after: idOf('/after', after) },
      limit: Math.min(Math.max(limit, 1), LIMIT_MAX),
    });
    if (after !== undefined) checkCursor(after, page);
    return { ...page, posts: page.posts.map(postView) };
  }

  /** The posts to come; from a cursor or a time on where there is one. Throws `cursor.ahead`, `timeline.pruned`. */
  async follow(call: PostTailCall = {}, caller: Caller = hostCaller()): Promise<PostTail> {
    checkReader(caller);
    const { after } = call;
    const start = call.since === undefined ? null : 0;
    const tail = await this.#host.timeline.tail({
      ...filterOf(call, caller),
      after: after === undefined ? start : idOf('/after', after),
    });
    this.#host.counts.tails += 1;
    let isOpen = true;
    return {
      from: tail.from,
      next: async () => (await tail.next()).map(postView),
      close: () => {
        if (isOpen) this.#host.counts.tails -= 1;
        isOpen = false;
        tail.close();
      },
    };
  }

  /** C3. */
  async #checkLinks({ session, turn }: PostCall, caller: Caller): Promise<void> {
    if (session === undefined) {
      if (turn !== undefined) throw new SojournError('input.invalid', '/turn needs a /session');
      return;
    }
    const row = isId(session) ? await this.#host.store.byId(session) : null;
    if (row === null || !mayTouch(await this.#makerOf(caller), row)) {
      throw new SojournError('session.not_found', 'There is no session of the id at /session');
    }
    const known = turn === undefined || (isId(turn) && (await this.#host.store.turn(row.num, turn)) !== null);
    if (!known) throw new SojournError('turn.not_found', 'The session has no turn of the id at /turn');
  }

  /** C3. Whose sign-in it is; a token of another project counts for the sessions it made here and no more. */
  async #makerOf(caller: Caller): Promise<Caller> {
    const { project, signIn } = caller;
    if (signIn === undefined) return caller;
    const { identities } = this.#host.store;
    const { token, owner } = (await identities.byId(signIn.id))?.signIn ?? { token: signIn.id, owner: null };
    if (token === null) return hostCaller(project);
    const maker = (await this.#host.store.tokens(project)).find(({ id }) => id === token);
    const scopes: Scope[] = maker?.scopes.includes('operate') === true ? ['send', 'operate'] : ['send'];
    return { token, project, owner, scopes: new Set(scopes) };
  }
}

/** C2. */
function checkReader(caller: Caller): void {
  if (caller.signIn === undefined) requireScope(caller, 'read');
}

/** C1. */
function authorOf({ signIn }: Caller): PostAuthor {
  if (signIn === undefined) throw new SojournError('auth.scope', 'To post one needs the token of a sign-in');
  const { id, name, context, displayName, identityKey, avatarSeed } = signIn.identity;
  return { identity: id, name, context, displayName, identityKey, avatarSeed };
}

function filterOf(filter: PostFilter, { project }: Caller): Omit<PostsFilter, 'from' | 'limit'> {
  const { identity, session, since } = filter;
  for (const [name, id] of Object.entries({ identity, session })) {
    if (id !== undefined && !isId(id)) throw new SojournError('input.invalid', `/${name} is no id`);
  }
  return {
    project,
    ...(identity === undefined ? {} : { identity }),
    ...(session === undefined ? {} : { session }),
    ...(since === undefined ? {} : { since: timeOf('/since', since) }),
  };
}

const TIME = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$/;

function timeOf(pointer: string, text: string): number {
  const ms = TIME.test(text) ? Date.parse(text.replace(' ', 'T').toUpperCase()) : Number.NaN;
  if (Number.isNaN(ms))
    throw new SojournError('input.invalid', `${pointer} must be a time as RFC 3339 has it`);
  return ms;
}

function idOf(pointer: string, id: number): number {
  if (Number.isSafeInteger(id) && id >= 0) return id;
  throw new SojournError('cursor.invalid', `${pointer} must be the id of a post, or 0`);
}

/** Anything else is nobody's, and need not be asked for. */
const isId = (text: string): boolean =>
  text !== '' && text.length <= ID_CHARS_MAX && text.isWellFormed() && !/\p{Cc}/u.test(text);
