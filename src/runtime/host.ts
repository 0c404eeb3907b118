// Runtime host: the one place where the parts of a runtime know each other, and what sessions see of it.
//
//   B4. The agents are replaced as a whole: nobody sees half of a new configuration.
//   B5. Draining is for good.
import type { Clock } from '../kernel/clock.ts';
import { SojournError } from '../kernel/errors.ts';
import type { Ids } from '../kernel/ids.ts';
import type { Limits } from '../kernel/limits.ts';
import type { Logger } from '../kernel/logger.ts';
import type { Agent, Summariser } from '../agent/agent.ts';
import type { Bus } from '../bus/bus.ts';
import { Allowance } from '../context/allowance.ts';
import { ArtifactGuard } from '../context/artifact-guard.ts';
import { CountedTexts, type Encoder } from '../context/counted-texts.ts';
import { Overflow } from '../context/overflow.ts';
import { ReadingBack } from '../context/read-back.ts';
import { SignIns } from '../identity/identity.ts';
import { Flow } from '../log/flow.ts';
import { Timeline } from '../log/timeline.ts';
import type { SessionCore } from '../session/core.ts';
import type { SessionHost } from '../session/host.ts';
import type { Prices } from '../session/prices.ts';
import type { SessionNum, Store, StoredEvent } from '../store/store.ts';
import type { Outcome } from '../wire/turn.ts';
import { Bill } from './bill.ts';
import { SubAgentSessions } from './children.ts';
import { ContextFigures } from './context-figures.ts';
import type { SojournHooks } from './hooks.ts';
import { IdleWaiters } from './idle.ts';
import type { LiveKeeper } from './leases.ts';
import { Milestones } from './milestones.ts';
import { liveKeeper } from './registry.ts';
import { SessionRouter } from './router.ts';
import { Tokens } from './tokens.ts';

export interface HostParts {
  store: Store;
  bus: Bus;
  clock: Clock;
  ids: Ids;
  limits: Limits;
  logger: Logger;
  hooks: SojournHooks;
  prices: Prices;
  summariser: Summariser | undefined;
  encoder: Encoder;
  coalesceDeltas: boolean;
}

export interface Counts {
  refused: { busy: number; capacity: number; full: number };
  turns: Record<Outcome, number>;
  tails: number;
}

interface NamedAgents {
  byName: ReadonlyMap<string, Agent>;
  first: string;
}

export class RuntimeHost implements SessionHost {
  readonly store: Store;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly limits: Limits;
  readonly logger: Logger;
  readonly hooks: SojournHooks;
  readonly coalesceDeltas: boolean;
  readonly summariser: Summariser | undefined;
  readonly flow: Flow;
  readonly files: ArtifactGuard;
  readonly readingBack: ReadingBack;
  readonly countedTexts: CountedTexts;
  readonly allowance: Allowance;
  readonly router: SessionRouter;
  readonly registry: LiveKeeper;
  readonly bill: Bill;
  readonly children: SubAgentSessions;
  readonly idle = new IdleWaiters();
  readonly tokens: Tokens;
  readonly signIns: SignIns;
  readonly timeline: Timeline;
  readonly milestones: Milestones;
  readonly contextFigures = new ContextFigures();
  readonly counts: Counts = {
    refused: { busy: 0, capacity: 0, full: 0 },
    turns: { completed: 0, failed: 0, cancelled: 0, interrupted: 0, expired: 0, budget: 0 },
    tails: 0,
  };
  #agents: NamedAgents;
  #draining = false;

  /** Throws `config.invalid` when there is no agent, or the default is none of them. */
  constructor(parts: HostParts, agents: Readonly<Record<string, Agent>>, defaultAgent?: string) {
    this.store = parts.store;
    this.bus = parts.bus;
    this.clock = parts.clock;
    this.ids = parts.ids;
    this.limits = parts.limits;
    this.logger = parts.logger;
    this.hooks = parts.hooks;
    this.coalesceDeltas = parts.coalesceDeltas;
    this.summariser = parts.summariser;
    this.files = new ArtifactGuard(parts.store.files, parts.store, parts.clock);
    this.allowance = new Allowance(parts);
    this.readingBack = new ReadingBack({ ...parts, files: this.files });
    this.countedTexts = new CountedTexts(parts);
    this.flow = new Flow(parts.limits.inFlightBytesAllMax);
    this.tokens = new Tokens(parts.store, parts.clock, parts.ids);
    this.bill = new Bill(parts);
    this.signIns = new SignIns(parts);
    this.timeline = new Timeline({ ...parts, store: parts.store.timelines });
    this.milestones = new Milestones({ ...parts, timeline: this.timeline });
    this.router = new SessionRouter(this);
    this.registry = liveKeeper(this, this.router, parts.hooks);
    this.children = new SubAgentSessions(this);
    this.#agents = namedAgents(agents, defaultAgent);
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** In the order they were registered. */
  get agents(): ReadonlyMap<string, Agent> {
    return this.#agents.byName;
  }

  get defaultAgent(): string {
    return this.#agents.first;
  }

  agent(name: string): Agent | undefined {
    return this.#agents.byName.get(name);
  }

  /** B4. */
  replaceAgents(agents: Readonly<Record<string, Agent>>, defaultAgent?: string): void {
    this.#agents = namedAgents(agents, defaultAgent);
  }

  /** Throws `runtime.draining` once shutting down has begun. */
  admit(): void {
    if (!this.#draining) return;
    throw new SojournError('runtime.draining', 'The runtime is shutting down', { retryAfterMs: 1_000 });
  }

  /** B5. */
  drain(): void {
    this.#draining = true;
  }

  overflow(project: string, num: () => SessionNum | undefined): Overflow {
    const { files, limits, clock, store } = this;
    return new Overflow({
      files,
      allowance: this.allowance.of(project, num),
      project,
      inlineBytesMax: limits.inlineBytesMax,
      inlineTextBytesMax: limits.inlineTextBytesMax,
      refers: async (digest) => {
        const session = num();
        return (
          session !== undefined &&
          typeof digest === 'string' &&
          (await store.artifact(session, digest)) !== null
        );
      },
      now: () => clock.now(),
    });
  }

  changed(core: SessionCore): void {
    this.idle.changed(core.row.id);
    const session = this.router.peek(core.row.id);
    if (session !== undefined) this.router.settle(session);
  }

  giveUp(core: SessionCore, error: unknown): void {
    const session = this.router.peek(core.row.id);
    if (session?.core === core) this.router.giveUp(session, error);
    this.idle.changed(core.row.id);
  }

  heard(core: SessionCore, events: readonly StoredEvent[]): void {
    this.milestones.heard(core.row, events);
    this.contextFigures.heard(events);
  }

  ended(outcome: Outcome): void {
    this.counts.turns[outcome] += 1;
  }
}

function namedAgents(given: Readonly<Record<string, Agent>>, first: string | undefined): NamedAgents {
  const byName = new Map(Object.entries(given));
  const chosen = first ?? Object.keys(given)[0];
  if (chosen === undefined || !byName.has(chosen)) {
    const names = [...byName.keys()].join(', ') || 'no agents';
    throw new SojournError('config.invalid', `The default agent ${chosen ?? '(none)'} is not among ${names}`);
  }
  return { byName, first: chosen };
}
