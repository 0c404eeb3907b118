// Session registry: the live sessions, each with its instance, its conversation and its resources.
// It is the keeper, told what a live session is.
import type { SojournHooks } from './hooks.ts';
import { SojournError } from '../kernel/errors.ts';
import type { Agent } from '../agent/agent.ts';
import type { WorkingSet, WorkingSetOptions } from '../context/working-set.ts';
import { Keeper, type Making } from '../keeper/keeper.ts';
import type { LiveContext, Registry, SessionHost } from '../session/host.ts';
import { type Left, leftOf, LiveSession } from '../session/live.ts';
import type { Session } from '../session/session.ts';
import type { SessionRouter } from './router.ts';

export function sessionRegistry(host: SessionHost, router: SessionRouter, hooks: SojournHooks): Registry {
  const sessionOf = (id: string): Session => {
    const session = router.peek(id);
    if (session === undefined) throw new SojournError('keeper.gone', `Session ${id} is not in memory`);
    return session;
  };
  return new Keeper<string, LiveSession, LiveContext>({
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
  const left = previous === undefined ? await leftBehind(host, core.log.num) : undefined;
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

function measure({ limits }: SessionHost, { context }: Agent): WorkingSetOptions {
  return { windowTokens: context?.windowTokens ?? limits.contextTokens, model: context?.model, limits };
}

async function leftBehind(host: SessionHost, num: number | undefined): Promise<Left | undefined> {
  const text = num === undefined ? null : await host.store.snapshot(num);
  return text === null ? undefined : leftOf(text);
}
