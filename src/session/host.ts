// Session host: what a session needs from the runtime around it. The runtime gives it; tests give a smaller one.
import type { Clock } from '../kernel/clock.ts';
import type { Ids } from '../kernel/ids.ts';
import type { Limits } from '../kernel/limits.ts';
import type { Logger } from '../kernel/logger.ts';
import type { Agent, Children, Summariser } from '../agent/agent.ts';
import type { Bus } from '../bus/bus.ts';
import type { ArtifactGuard } from '../context/artifact-guard.ts';
import type { CountedTexts } from '../context/counted-texts.ts';
import type { Overflow } from '../context/overflow.ts';
import type { ReadingBack } from '../context/read-back.ts';
import type { Keeper } from '../keeper/keeper.ts';
import type { Flow } from '../log/flow.ts';
import type { SessionNum, SessionRow, Store, StoredEvent } from '../store/store.ts';
import type { Outcome, Progress } from '../wire/turn.ts';
import type { Account } from './account.ts';
import type { SessionCore } from './core.ts';
import type { LiveSession } from './live.ts';
import type { Prices } from './prices.ts';
import type { BillWatch, Spending } from './spending.ts';
import type { Stop, Turn } from './turn.ts';

/** What the keeper knows about a live session. */
export interface LiveContext {
  project: string;
  owner: string | null;
  agent: string;
  /** The caller's key of the session. */
  key: string;
  /** It has a parent: it is put away sooner. */
  isChild: boolean;
}

export type Registry = Keeper<string, LiveSession, LiveContext>;

/** What sessions spend together. */
export interface SessionBill extends BillWatch {
  readonly prices: Prices;
  /** The account of a session that comes into memory; `isFresh`: the store has nothing of it. */
  account(row: SessionRow, isFresh: boolean): Account;
  /** From now on it moves its account. */
  enter(spending: Spending): void;
  /** Undefined where all that limits it is in memory already; until then its budgets must not be looked at. */
  open(account: Account): Promise<void> | undefined;
  /** Its session is given another parent, or none. */
  move(account: Account, above: string | null): Promise<void>;
  /** Its session has left memory. */
  leave(spending: Spending): void;
}

/** What a session asks of those above it and below it. */
export interface Family {
  /** What one attempt of a turn may do with the children of its session; `signal` is that attempt's. */
  of(parent: SessionCore, turn: Turn, signal: AbortSignal): Children;
  /** Stops what this turn has asked of children; resolves when that has unwound, or after a bounded wait. Never rejects. */
  stop(parent: SessionCore, turn: string, reason: string): Promise<void>;
  /** The same, and nobody waits for it. Must not throw. */
  stopSoon(parent: SessionCore, turn: string, reason: string): void;
  /** The session is being closed: its children are closed or handed on, as declared. Bounded in time; never rejects. */
  end(parent: SessionCore, reason: string): Promise<void>;
  /**
   * Before a turn that a parent asked for is taken up after a crash: the parent's log says that it was started. Answers
   * why it should not go on, where the turn that asked for it ended early.
   */
  resume(child: SessionCore, turn: Turn): Promise<Stop | undefined>;
  /**
   * A turn that a parent asked for has ended and is durable: the parent is told. Rejects when that could not be made
   * durable. The call it answers tells those who wait for the result; it is made when the turn's place is free.
   */
  deliver(child: SessionCore, turn: string): Promise<() => void>;
  /** A turn says how it is getting on. Must not throw. */
  progress(child: SessionCore, turn: Turn, progress: Progress): void;
  /** What became durable in a child's log. Must not throw. */
  heard(child: SessionCore, events: readonly StoredEvent[]): void;
}

export interface SessionHost {
  readonly store: Store;
  readonly bus: Bus;
  readonly flow: Flow;
  /** The store's artifacts, guarded against being taken while they are about to be referred to. */
  readonly files: ArtifactGuard;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly limits: Limits;
  readonly logger: Logger;
  readonly registry: Registry;
  readonly bill: SessionBill;
  /** For agents that bring none of their own. */
  readonly summariser: Summariser | undefined;
  /** Shutting down: what waits goes on waiting, in the store. */
  readonly draining: boolean;
  /** Join deltas that wait while the store is busy. */
  readonly coalesceDeltas: boolean;
  /** Undefined when no agent of this name is registered any more. */
  agent(name: string): Agent | undefined;
  /** Of one session; `num` tells its number once it has one. */
  overflow(project: string, num: () => SessionNum | undefined): Overflow;
  readonly readingBack: ReadingBack;
  /** What is known of the texts in working sets: all sessions share it. */
  readonly countedTexts: CountedTexts;
  readonly children: Family;
  /** Something a waiting caller may be interested in has changed. Must not throw. */
  changed(session: SessionCore): void;
  /** The session cannot go on in memory: what it runs is stopped, the next call finds it in the store. Must not throw. */
  giveUp(session: SessionCore, error: unknown): void;
  /** What became durable in a session's log. Must not throw. */
  heard(session: SessionCore, events: readonly StoredEvent[]): void;
  ended(outcome: Outcome): void;
}
