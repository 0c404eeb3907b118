// Session calls: making, reading, changing and ending sessions.
import { canonicalJson } from '../kernel/json.ts';
import { SojournError } from '../kernel/errors.ts';
import { pagesOf } from '../log/pages.ts';
import { Transcript, TRANSCRIPT_KINDS } from '../log/transcript.ts';
import type { Session } from '../session/session.ts';
import type { SessionFilter, SessionPatch, SessionRow } from '../store/store.ts';
import type { Caller } from '../wire/access.ts';
import type { OpenCall, SessionQuery, UpdateCall } from '../wire/calls.ts';
import type { TranscriptMessage } from '../wire/message.ts';
import { MILESTONES, type Milestone } from '../wire/post.ts';
import { noUsage, type SessionView, type TreeNode } from '../wire/session.ts';
import { checkKey, mayTouch, requireScope, visible } from './access.ts';
import { notFound, rowOf, viewOf, withSession } from './finding.ts';
import type { RuntimeHost } from './host.ts';
import type { Making } from './router.ts';
import { treeOf } from './tree.ts';

const LIST_LIMIT = 50;
const LIST_LIMIT_MAX = 200;

export class SessionCalls {
  readonly #host: RuntimeHost;

  constructor(host: RuntimeHost) {
    this.#host = host;
  }

  async open(
    key: string,
    call: OpenCall,
    caller: Caller,
  ): Promise<{ created: boolean; session: SessionView }> {
    requireScope(caller, 'send');
    if (call.internal === true) requireScope(caller, 'operate');
    const find = () => this.findOrMake(key, call, caller);
    return this.#host.router.using(find, async ({ session, made }) => {
      if (made) this.#host.admit();
      await session.create();
      if (!made) checkSame(session.core.row, call);
      return { created: made, session: viewOf(this.#host, session.core.row) };
    });
  }

  /** Checks what the caller may make, and what it may touch. */
  async findOrMake(
    key: string,
    call: OpenCall,
    caller: Caller,
  ): Promise<{ session: Session; made: boolean }> {
    const owner = ownerFor(call.owner, caller);
    const agent = call.agent ?? this.#host.defaultAgent;
    const found = await this.#host.router.findOrMake(caller.project, checkKey(key), (): Making => {
      if (!this.#host.agents.has(agent))
        throw new SojournError('agent.unknown', `No agent ${agent} is registered`);
      return {
        agent,
        owner,
        maker: caller.token,
        channel: call.channel ?? null,
        parent: null,
        title: call.title ?? null,
        summary: null,
        labels: call.labels ?? [],
        metadata: JSON.stringify(call.metadata ?? {}),
        budget: '{}',
        posts: milestonesOf(call.posts),
        internal: call.internal === true,
      };
    });
    if (!mayTouch(caller, found.session.core.row)) throw notFound(key);
    return found;
  }

  async get(key: string, caller: Caller): Promise<SessionView> {
    return viewOf(this.#host, await rowOf(this.#host, caller, key));
  }

  async list(
    query: SessionQuery,
    caller: Caller,
  ): Promise<{ sessions: readonly SessionView[]; nextCursor: string | null }> {
    requireScope(caller, 'read');
    const { parent, limit = LIST_LIMIT, owner, ...rest } = query;
    if (!Number.isInteger(limit) || limit < 1)
      throw new SojournError('input.invalid', `/limit is ${limit}; it must be 1 to ${LIST_LIMIT_MAX}`);
    const seen = visible(caller);
    if (seen.owner !== undefined && owner !== undefined && owner !== seen.owner)
      return { sessions: [], nextCursor: null };
    const filter: SessionFilter = {
      ...rest,
      project: caller.project,
      limit: Math.min(limit, LIST_LIMIT_MAX),
      ...(owner === undefined ? {} : { owner }),
      ...seen,
      ...(parent === undefined ? {} : { parent: (await this.#parent(parent, caller)).id }),
    };
    const page = await this.#host.store.list(filter);
    const sessions = page.sessions.map((row) => viewOf(this.#host, row));
    const plain = Object.keys(query).every((name) => name === 'limit');
    return {
      sessions: plain ? await this.#withHosts(sessions, filter, caller) : sessions,
      nextCursor: page.nextCursor,
    };
  }

  async update(key: string, call: UpdateCall, caller: Caller): Promise<SessionView> {
    return withSession(this.#host, caller, 'send', key, async (session) => {
      const patch: SessionPatch = {};
      if (call.title !== undefined) patch.title = call.title;
      if (call.labels !== undefined) patch.labels = [...new Set(call.labels ?? [])];
      if (call.metadata !== undefined) patch.metadata = JSON.stringify(call.metadata ?? {});
      if (call.posts !== undefined) patch.posts = milestonesOf(call.posts);
      if (call.budget !== undefined) patch.budget = JSON.stringify(call.budget ?? {});
      await session.update(patch);
      return viewOf(this.#host, session.core.row);
    });
  }

  async close(
    key: string,
    options: { reason?: string; erase?: boolean },
    caller: Caller,
  ): Promise<SessionView | null> {
    const scope = options.erase === true ? 'admin' : 'send';
    return withSession(this.#host, caller, scope, key, async (session) => {
      await session.close(options.reason ?? 'asked');
      if (options.erase !== true) return viewOf(this.#host, session.core.row);
      await this.#erase(session);
      return null;
    });
  }

  async evict(key: string, caller: Caller): Promise<boolean> {
    requireScope(caller, 'operate');
    return withSession(this.#host, caller, 'operate', key, (session) => session.evict('idle'));
  }

  async transcript(key: string, caller: Caller): Promise<readonly TranscriptMessage[]> {
    const row = await rowOf(this.#host, caller, key);
    const { store, limits } = this.#host;
    const transcript = new Transcript();
    for await (const page of pagesOf(store, row.num, { kinds: TRANSCRIPT_KINDS, limits }))
      transcript.feed(page);
    return transcript.messages();
  }

  async tree(key: string, caller: Caller): Promise<TreeNode> {
    return treeOf(this.#host, await rowOf(this.#host, caller, key));
  }

  async addAlias(key: string, alias: string, caller: Caller): Promise<void> {
    checkKey(alias);
    await withSession(this.#host, caller, 'send', key, async (session) => {
      await this.#host.store.addAlias(session.core.row.num, alias);
    });
  }

  /** The session with this key, or else with this id: a child names its parent by id. */
  async #parent(named: string, caller: Caller): Promise<SessionRow> {
    try {
      return await rowOf(this.#host, caller, named);
    } catch (error) {
      const row = SojournError.is(error, 'session.not_found') ? await this.#host.store.byId(named) : null;
      if (row === null || !mayTouch(caller, row)) throw error;
      return row;
    }
  }

  async #erase(session: Session): Promise<void> {
    const { store } = this.#host;
    const { orphans } = await store.erase(session.core.row.num);
    this.#host.bill.erase(session.id);
    this.#host.router.giveUp(session, notFound(session.core.row.key));
    const { project } = session.core.row;
    for (const digest of orphans) await this.#host.files.remove(project, digest);
    this.#host.allowance.erased(project);
  }

  /** A host's own sessions among ours, newest activity first; ours win where keys are equal, on whatever page they are. */
  async #withHosts(
    ours: readonly SessionView[],
    filter: SessionFilter,
    caller: Caller,
  ): Promise<readonly SessionView[]> {
    const { hooks, store } = this.#host;
    const { project, limit } = filter;
    if (hooks.listSessions === undefined) return ours;
    try {
      const theirs = (await hooks.listSessions({ project, limit })).filter(({ owner = null }) =>
        mayTouch(caller, { project, owner, maker: null }),
      );
      const known = await Promise.all(theirs.map(({ key }) => store.byKey(project, key)));
      const rows = theirs
        .filter((_session, index) => known[index] === null)
        .map((session) => foreign(session, project));
      return [...ours, ...rows].sort(
        (a, b) => Date.parse(b.lastActiveAt) - Date.parse(a.lastActiveAt) || (a.key < b.key ? -1 : 1),
      );
    } catch (error) {
      this.#host.logger.warn('hooks.list_sessions_failed', { error });
      return ours;
    }
  }
}

function foreign(
  session: { key: string; lastActiveAt: string } & Partial<SessionView>,
  project: string,
): SessionView {
  return {
    id: '',
    agent: '',
    owner: null,
    channel: null,
    title: null,
    summary: null,
    labels: [],
    metadata: {},
    posts: [],
    state: 'idle',
    live: false,
    generation: 0,
    dirty: false,
    headSeq: 0,
    turn: null,
    queued: 0,
    usage: noUsage(),
    costUsd: 0,
    budget: {},
    parent: null,
    createdAt: session.lastActiveAt,
    ...session,
    project,
  };
}

function ownerFor(declared: string | undefined, caller: Caller): string | null {
  if (
    caller.owner !== null &&
    declared !== undefined &&
    declared !== caller.owner &&
    !caller.scopes.has('operate')
  ) {
    throw new SojournError('auth.scope', `This token speaks for ${caller.owner} only`);
  }
  return declared ?? caller.owner;
}

function milestonesOf(asked: OpenCall['posts'] | null): readonly Milestone[] {
  const posts = [...new Set(asked)];
  const unknown = posts.find((milestone) => !MILESTONES.includes(milestone));
  if (unknown === undefined) return posts;
  throw new SojournError('input.invalid', `/posts may name ${MILESTONES.join(', ')}`);
}

/** What is left out is not compared. */
export function checkSame(row: SessionRow, call: OpenCall): void {
  for (const name of ['agent', 'owner', 'internal'] as const) {
    const wanted = call[name];
    if (wanted !== undefined && wanted !== row[name]) {
      throw new SojournError(
        'session.mismatch',
        `Session ${row.key} has ${name} ${canonicalJson(row[name])}, not ${canonicalJson(wanted)}`,
      );
    }
  }
}
