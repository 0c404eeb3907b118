// Create: puts a runtime together from its parts, and is the one object its host holds.
import { type Clock, systemClock } from '../kernel/clock.ts';
import { SojournError } from '../kernel/errors.ts';
import { type Ids, systemIds } from '../kernel/ids.ts';
import { type Limits, validLimits } from '../kernel/limits.ts';
import { type Logger, silentLogger } from '../kernel/logger.ts';
import type { Agent } from '../agent/agent.ts';
import type { Bus } from '../bus/bus.ts';
import { Overflow } from '../context/overflow.ts';
import { Flow } from '../log/flow.ts';
import type { SessionHost } from '../session/host.ts';
import type { Store } from '../store/store.ts';
import { type SojournHooks } from './hooks.ts';
import { SubAgentSessions } from './children.ts';
import { IdleWaiters } from './idle.ts';
import type { RuntimeParts } from './parts.ts';
import { sessionRegistry } from './registry.ts';
import { SessionRouter } from './router.ts';
import { Runtime } from './runtime.ts';
import { Tokens } from './tokens.ts';
import { TurnCalls } from './turn-calls.ts';
import { SessionCalls } from './session-calls.ts';

export interface RuntimeOptions {
  /** Where truth is kept. The runtime closes it when it shuts down. */
  store: Store;
  bus: Bus;
  /** By name. The first is the default unless `defaultAgent` names another. */
  agents: Readonly<Record<string, Agent>>;
  defaultAgent?: string;
  limits?: Partial<Limits>;
  /**
   * Deltas of one message that wait while the store is busy become one event. Off: each is an event of its own.
   *
   * @default true
   */
  coalesceDeltas?: boolean;
  hooks?: SojournHooks;
  clock?: Clock;
  ids?: Ids;
  logger?: Logger;
}

/** Ready when it resolves: what a crash left at work has been taken up. */
export async function createRuntime(options: RuntimeOptions): Promise<Runtime> {
  const { store, bus, hooks = {}, clock = systemClock, ids = systemIds, logger = silentLogger } = options;
  const limits = validLimits(options.limits);
  let agents = namedAgents(options.agents, options.defaultAgent);
  const flow = new Flow(limits.inFlightBytesAllMax);
  const idle = new IdleWaiters();
  const counts = {
    refused: { busy: 0, capacity: 0, full: 0 },
    turns: { completed: 0, failed: 0, cancelled: 0, interrupted: 0, expired: 0, budget: 0 },
    tails: 0,
  };
  let draining = false;
  const host: SessionHost = {
    store,
    bus,
    flow,
    clock,
    ids,
    limits,
    logger,
    coalesceDeltas: options.coalesceDeltas ?? true,
    get registry() {
      return registry;
    },
    get draining() {
      return draining;
    },
    agent: (name) => agents.byName.get(name),
    overflow: (project) =>
      new Overflow({
        files: store.files,
        project,
        inlineBytesMax: limits.inlineBytesMax,
        now: () => clock.now(),
      }),
    spawn: (...call) => children.spawn(...call),
    cancelChildren: (...call) => children.cancel(...call),
    deliver: (...call) => children.deliver(...call),
    changed(core) {
      idle.changed(core.row.id);
      const session = router.peek(core.row.id);
      if (session !== undefined) router.settle(session);
    },
    giveUp(core, error) {
      const session = router.peek(core.row.id);
      if (session?.core === core) router.giveUp(session, error);
      idle.changed(core.row.id);
    },
    ended: (outcome) => (counts.turns[outcome] += 1),
  };
  const router = new SessionRouter(host);
  const registry = sessionRegistry(host, () => router, hooks);
  const parts: RuntimeParts = {
    host,
    router,
    idle,
    tokens: new Tokens(store, clock, ids),
    hooks,
    counts,
    logger,
    agents: () => agents.byName,
    defaultAgent: () => agents.first,
    admit() {
      if (draining)
        throw new SojournError('runtime.draining', 'The runtime is shutting down', { retryAfterMs: 1_000 });
    },
  };
  const turns = new TurnCalls(parts, new SessionCalls(parts));
  const children: SubAgentSessions = new SubAgentSessions({
    host,
    router: () => router,
    prepare: (session, input, { budget, once }) =>
      turns.prepare(
        session,
        { input, kind: 'child', ...(budget === undefined ? {} : { budget }) },
        { author: null, once: { key: once, hash: '' } },
      ),
  });
  const runtime = new Runtime(parts, {
    replaceAgents: (given, first) => (agents = namedAgents(given, first)),
    drain: () => (draining = true),
  });
  await runtime.recover();
  return runtime;
}

function namedAgents(
  given: Readonly<Record<string, Agent>>,
  first: string | undefined,
): { byName: ReadonlyMap<string, Agent>; first: string } {
  const byName = new Map(Object.entries(given));
  const chosen = first ?? Object.keys(given)[0];
  if (chosen === undefined || !byName.has(chosen)) {
    throw new SojournError(
      'config.invalid',
      `The default agent ${chosen ?? '(none)'} is not among ${[...byName.keys()].join(', ') || 'no agents'}`,
    );
  }
  return { byName, first: chosen };
}
