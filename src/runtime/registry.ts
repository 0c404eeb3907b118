// Session registry: the live sessions, each with its instance, its working state and its resources. For the host itself.
// It is the keeper, told what a live session is, and what callers in the same process may ask about it.
//
// Owns: how a session is named here. Does not own: leases (leases.ts), which sessions leave and when (the keeper), what is in
// one (session/live.ts).
//
//   L1. One live session for a session, however it is named and however many ask: all is said by its id, in one keeper.
//   L2. `get`, `peek`, `keys` and `values` never make anything and write nothing. What they answer is a copy, frozen.
//   L3. Who names no session gets none: there is no last one, no active one, and no guess.
//   L4. Internal is what its maker declared, never how a key reads; asking whether one may be had costs it nothing.
import type { SojournHooks } from './hooks.ts';
import { SojournError } from '../kernel/errors.ts';
import type { Agent } from '../agent/agent.ts';
import type { WorkingSetOptions } from '../context/gauge.ts';
import type { WorkingSet } from '../context/working-set.ts';
import type { Making } from '../keeper/keeper.ts';
import type { SessionCore } from '../session/core.ts';
import type { LiveContext, SessionHost } from '../session/host.ts';
import { type Left, leftOf, LiveSession } from '../session/live.ts';
import type { Session } from '../session/session.ts';
import type { SessionRow } from '../store/store.ts';
import { checkKey } from './access.ts';
import { notFound } from './finding.ts';
import type { RuntimeHost } from './host.ts';
import {
  LiveKeeper,
  type LiveSnapshot,
  type SessionLease,
  snapshotOf,
  stateOf,
  type WorkingState,
} from './leases.ts';
import type { SessionRouter } from './router.ts';

/** Which session: by a key of it within a project (default `default`), or by its id. */
export type SessionTarget = { readonly key: string; readonly project?: string } | { readonly id: string };

export class SessionRegistry {
  readonly #host: RuntimeHost;

  constructor(host: RuntimeHost) {
    this.#host = host;
  }

  /**
   * A lease on the session, live: it is woken where it sleeps, and remade where it is dirty and nothing runs on it. It is
   * never made: that is `open`. Rejects with `session.not_found`, `session.closed`, `session.damaged`, `input.invalid`, `capacity`,
   * `runtime.draining`, and with what waking it failed with.
   */
  resolve(target: SessionTarget): Promise<SessionLease> {
    const find = async (): Promise<{ session: Session }> => ({ session: await this.#find(target) });
    return this.#host.router.using(find, async ({ session }) => {
      const { log, row } = session.core;
      if (log.num === undefined) await log.settled();
      if (log.num === undefined) throw notFound(row.key);
      return this.#wake(session);
    });
  }

  /** The same; null for one that is internal, which is left as it is (L4). */
  async resolveIfAllowed(target: SessionTarget): Promise<SessionLease | null> {
    const row = await this.#row(target);
    if (row === null) throw notFound(nameOf(target));
    return row.internal ? null : this.resolve(target);
  }

  /** A lease on the session where it is live, null where it is not. It counts as a use. Rejects with `input.invalid`. */
  async get(target: SessionTarget): Promise<SessionLease | null> {
    const row = await this.#row(target);
    if (row === null) return null;
    const { registry } = this.#host;
    const use = registry.tryUse(row.id);
    const lease = this.#lease(row.id);
    use?.release();
    return lease;
  }

  /** The session where it is live, null where it is not; for those who watch: it is no use, and changes nothing. */
  async peek(
    target: SessionTarget,
  ): Promise<(LiveSnapshot & { readonly state: WorkingState | null }) | null> {
    const row = await this.#row(target);
    const peeked = row === null ? null : this.#host.registry.peek(row.id);
    if (row === null || peeked === null) return null;
    return Object.freeze({ ...snapshotOf(peeked), state: this.#state(row.id) });
  }

  /** Of those that are live: a copy, at most `liveMax` and those that are being replaced. */
  keys(): readonly { readonly id: string; readonly project: string; readonly key: string }[] {
    return this.values().map(({ session: { id, project, key } }) => Object.freeze({ id, project, key }));
  }

  values(): readonly LiveSnapshot[] {
    const { registry } = this.#host;
    return registry.keys().flatMap((id) => {
      const peeked = registry.peek(id);
      return peeked === null ? [] : [snapshotOf(peeked)];
    });
  }

  get size(): number {
    return this.#host.registry.size;
  }

  async #find(target: SessionTarget): Promise<Session> {
    const { id, project, key } = named(target);
    const { router } = this.#host;
    const session = id === undefined ? await router.find(project, key) : await router.findById(id);
    if (session === null) throw notFound(nameOf(target));
    return session;
  }

  /** From memory where it is there; it is not brought there (L2). */
  async #row(target: SessionTarget): Promise<Pick<SessionRow, 'id' | 'internal'> | null> {
    const { id, project, key } = named(target);
    const { router, store } = this.#host;
    const known = id === undefined ? router.known(project, key) : router.peek(id);
    if (known?.core.log.num !== undefined) return known.core.row;
    return id === undefined ? store.byKey(project, key) : store.byId(id);
  }

  async #wake({ core }: Session): Promise<SessionLease> {
    this.#host.admit();
    const { row, context } = core;
    if (row.state === 'closed' || core.closing)
      throw new SojournError('session.closed', `Session ${row.key} is closed`);
    const { registry } = this.#host;
    const use =
      registry.tryUse(row.id) ??
      (await registry.use(row.id, context, { place: registry.reserve(row.id, context) }));
    const lease = this.#lease(row.id);
    use.release();
    if (lease === null) throw new SojournError('keeper.gone', `Session ${row.key} is being put away`);
    return lease;
  }

  #lease(id: string): SessionLease | null {
    return this.#host.registry.lease(id, () => this.#state(id));
  }

  #state(id: string): WorkingState | null {
    const session = this.#host.router.peek(id);
    return session === undefined ? null : stateOf(session.core);
  }
}

/** L3. Whoever calls may not have been checked by a compiler. */
function named(target: SessionTarget): { id: string | undefined; project: string; key: string } {
  const { id, project = 'default', key } = target as { id?: unknown; project?: unknown; key?: unknown };
  if (typeof id === 'string' && key === undefined) return { id, project: '', key: '' };
  if (typeof key === 'string' && typeof project === 'string' && id === undefined)
    return { id: undefined, project, key: checkKey(key) };
  throw new SojournError('input.invalid', 'A session is named by its key, and a project, or by its id alone');
}

function nameOf(target: SessionTarget): string {
  const { id, key } = named(target);
  return id ?? key;
}

export function liveKeeper(host: SessionHost, router: SessionRouter, hooks: SojournHooks): LiveKeeper {
  const sessionOf = (id: string): Session => {
    const session = router.peek(id);
    if (session === undefined) throw new SojournError('keeper.gone', `Session ${id} is not in memory`);
    return session;
  };
  return new LiveKeeper({
    make: (making, previous) => wake(host, sessionOf(making.key), making, previous),
    flush: async (id, live, reason) => router.peek(id)?.flush(live, reason),
    dispose: async (id, live, reason) => {
      await live.close(reason);
      router.peek(id)?.left(live);
    },
    notify: async ({ key: id, context, reason, generation, idleMs }) => {
      const session = router.peek(id);
      if (session !== undefined) router.settle(session);
      await hooks.onSessionEvict?.({
        id,
        key: context.key,
        project: context.project,
        agent: context.agent,
        reason,
        generation,
        idleMs,
      });
    },
    onRemade: ({ key: id, reason, generation, error }) => {
      const failed =
        error === undefined ? {} : { error: error instanceof Error ? error.message : 'it failed' };
      const session = router.peek(id);
      session?.core
        .append([{ kind: 'session.remade', turn: null, body: { reason, generation, ...failed } }], {
          row: {},
        })
        .catch((thrown: unknown) =>
          host.logger.warn('session.remade_unrecorded', { session: id, error: thrown }),
        );
    },
    exclusive: (live) => live.agent.exclusive === true,
    weight: (live) => live.weight,
    project: (context) => context.project,
    owner: (context) => context.owner,
    idleMsMax: (context) => (context.isChild ? host.limits.childIdleMsMax : Infinity),
    limits: host.limits,
    clock: host.clock,
    logger: host.logger,
  });
}

/** The same path for a first instance, one after an eviction or a restart, and one that replaces another. */
async function wake(
  host: SessionHost,
  session: Session,
  making: Making<string, LiveContext>,
  previous: LiveSession | undefined,
): Promise<LiveSession> {
  const { core } = session;
  // An exclusive one whose replacement failed comes back as it was.
  const agent = making.intent === 'restore' && previous !== undefined ? previous.agent : core.agent;
  const left = previous === undefined ? await leftBehind(host, core) : undefined;
  const workingSet = await workingSetOf(session, agent, making.signal, previous, left);
  const snapshot = previous === undefined ? left?.instance : await previous.snapshot();
  making.signal.throwIfAborted();
  const { clock, logger, limits } = host;
  const instance = await agent.open({ session: core.facts, signal: making.signal, clock, logger }, snapshot);
  const live = new LiveSession({
    facts: core.facts,
    agent,
    instance,
    isRestored: left !== undefined || snapshot !== undefined,
    stored: snapshot,
    workingSet,
    clock,
    logger,
    closeMsMax: limits.closeMsMax,
  });
  session.entered(live);
  // While the message it was woken for is being written, nobody waits for what has been said before.
  setImmediate(() => workingSet?.unpack());
  return live;
}

async function workingSetOf(
  session: Session,
  agent: Agent,
  signal: AbortSignal,
  previous?: LiveSession,
  left?: Left,
): Promise<WorkingSet | undefined> {
  if (agent.capabilities.ownsHistory) return undefined;
  const options = measure(session.core.host, agent);
  // An exclusive one was closed before: its conversation is not fed any more.
  const kept = previous?.workingSet;
  if (kept === undefined || session.core.workingSet !== kept) {
    return session.readWorkingSet(signal, options, left);
  }
  kept.measureBy(options);
  return kept;
}

/** What the working set of an agent's session is measured by. */
export function measure(host: SessionHost, { context }: Pick<Agent, 'context'>): WorkingSetOptions {
  const { limits, countedTexts: texts } = host;
  return {
    windowTokens: context?.windowTokens ?? limits.contextTokens,
    model: context?.model,
    texts,
    limits,
  };
}

async function leftBehind(host: SessionHost, { row, log }: SessionCore): Promise<Left | undefined> {
  const text = log.num === undefined ? null : await host.store.snapshot(log.num);
  if (text === null) return undefined;
  const { torn, ...left } = leftOf(text);
  if (torn) host.logger.warn('session.checkpoint_torn', { session: row.id });
  return left;
}
