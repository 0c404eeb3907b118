// Leases: what a caller in the same process holds a live session by, and what it is shown of it.
//
// Owns: which leases are out. Does not own: what they keep from leaving (the keeper's `stay`), who gets one (registry.ts).
//
//   LE1. A leased session is not put away for want of use or room. Closing it, giving it up and shutting down end its leases
//        first: no holder keeps a session open, and none reads of what came after.
//   LE2. What is shown is of one moment, and frozen.
import { SojournError } from '../kernel/errors.ts';
import type { Millis } from '../kernel/clock.ts';
import type { SessionFacts } from '../agent/agent.ts';
import { type EvictReason, Keeper, type Peeked, type Stay } from '../keeper/keeper.ts';
import type { SessionCore } from '../session/core.ts';
import type { LiveContext } from '../session/host.ts';
import type { LiveSession } from '../session/live.ts';
import type { Seq } from '../store/store.ts';
import type { Pressure } from '../wire/context.ts';

/** Who it is. */
export type LiveFacts = Readonly<Omit<SessionFacts, 'metadata'>>;

/** What a live session has for its next turn, at one moment. */
export interface WorkingState {
  /** The event up to which it holds. */
  readonly lastSeq: Seq;
  /** What the next prompt takes of the window, without what comes to it. */
  readonly tokens: number;
  readonly windowTokens: number;
  readonly pressure: Pressure;
  readonly calls: {
    /** Without a result yet, by their turns and ids as they are. */
    readonly pending: readonly { readonly turn: string; readonly call: string; readonly name: string }[];
    /** Since the session began: with a result, and with one that was digested. */
    readonly returned: number;
    readonly digested: number;
    /** Results that are shown by reference now. */
    readonly offloaded: number;
  };
  /** Since the session began: each is a boundary, and kept whole. */
  readonly tasks: number;
  /** A job is making it smaller. */
  readonly compacting: boolean;
}

/** A live session, at one moment. */
export interface LiveSnapshot {
  readonly session: LiveFacts;
  readonly generation: number;
  /** It is out of date: it is remade before it is used again. */
  readonly dirty: boolean;
  /** By a turn, a child, a job or a lease. */
  readonly held: boolean;
  /** 0 when it is held. */
  readonly idleMs: Millis;
}

/** Keeps a session live until it is released, by hand or by `using`. */
export interface SessionLease extends Disposable {
  readonly session: LiveFacts;
  /** As it is now; null where its agent keeps the conversation itself. Throws `keeper.gone` once the lease is over (LE1). */
  readonly state: WorkingState | null;
  /** Idempotent. Idle time begins with the last release. */
  release(): void;
}

/** The keeper of live sessions, and the leases on them. */
export class LiveKeeper extends Keeper<string, LiveSession, LiveContext> {
  readonly #leases = new Map<string, Set<SessionLease>>();

  /** Null for what is not live, or is leaving. */
  lease(id: string, state: () => WorkingState | null): SessionLease | null {
    const stay = this.stay(id);
    const peeked = this.peek(id);
    if (stay === null || peeked === null) {
      stay?.release(); // It is between two: closed before its replacement opens.
      return null;
    }
    const leases = this.#leases.get(id) ?? new Set();
    this.#leases.set(id, leases);
    const lease = new LiveLease(factsOf(peeked), state, stay, () => {
      leases.delete(lease);
      if (leases.size === 0) this.#leases.delete(id);
    });
    leases.add(lease);
    return lease;
  }

  override close(id: string, reason?: EvictReason): Promise<boolean> {
    this.#end(id);
    return super.close(id, reason);
  }

  override retire(id: string, reason: EvictReason): Promise<void> {
    this.#end(id);
    return super.retire(id, reason);
  }

  override shutdown(graceMs: number): Promise<void> {
    for (const id of this.#leases.keys()) this.#end(id); // Removing while going through is allowed.
    return super.shutdown(graceMs);
  }

  /** LE1. */
  #end(id: string): void {
    for (const lease of this.#leases.get(id) ?? []) lease.release();
  }
}

class LiveLease implements SessionLease {
  readonly session: LiveFacts;
  readonly #state: () => WorkingState | null;
  readonly #stay: Stay;
  readonly #onOver: () => void;
  #isOver = false;

  constructor(session: LiveFacts, state: () => WorkingState | null, stay: Stay, onOver: () => void) {
    this.session = session;
    this.#state = state;
    this.#stay = stay;
    this.#onOver = onOver;
  }

  get state(): WorkingState | null {
    if (!this.#isOver) return this.#state();
    throw new SojournError('keeper.gone', `The lease on session ${this.session.key} is over`);
  }

  release(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#onOver();
    this.#stay.release();
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

/** LE2. */
export function snapshotOf(peeked: Peeked<LiveSession>): LiveSnapshot {
  const { generation, dirty, state, idleMs } = peeked;
  return Object.freeze({
    session: factsOf(peeked),
    generation,
    dirty,
    held: state !== 'ready',
    idleMs,
  });
}

/** LE2. */
export function stateOf({ workingSet, compaction }: SessionCore): WorkingState | null {
  if (workingSet === undefined) return null;
  const { seq, tokens, windowTokens, pressure, calls, entries, tasks, earlierTasks } = workingSet.view();
  const { returned, digested } = calls;
  const pending = Object.freeze(calls.pending.map((call) => Object.freeze({ ...call })));
  const offloaded = entries.reduce((sum, entry) => sum + entry.offloaded, 0);
  return Object.freeze({
    lastSeq: seq,
    tokens,
    windowTokens,
    pressure,
    calls: Object.freeze({ pending, returned, digested, offloaded }),
    tasks: tasks.length + earlierTasks,
    compacting: compaction.isAtWork,
  });
}

function factsOf({ thing }: Peeked<LiveSession>): LiveFacts {
  const { id, key, project, agent, owner, parent } = thing.facts;
  return Object.freeze({ id, key, project, agent, owner, parent });
}
