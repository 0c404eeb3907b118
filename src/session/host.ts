// Session host: what a session needs from the runtime around it. The runtime gives it; tests give a smaller one.
import type { Clock } from '../kernel/clock.ts';
import type { Ids } from '../kernel/ids.ts';
import type { Limits } from '../kernel/limits.ts';
import type { Logger } from '../kernel/logger.ts';
import type { Agent, Child, SpawnOptions } from '../agent/agent.ts';
import type { Bus } from '../bus/bus.ts';
import type { ArtifactGuard } from '../context/artifact-guard.ts';
import type { Overflow } from '../context/overflow.ts';
import type { Keeper } from '../keeper/keeper.ts';
import type { Flow } from '../log/flow.ts';
import type { Store } from '../store/store.ts';
import type { Part } from '../wire/message.ts';
import type { Outcome } from '../wire/turn.ts';
import type { SessionCore } from './core.ts';
import type { LiveSession } from './live.ts';
import type { Turn } from './turn.ts';

/** What the keeper knows about a live session. */
export interface LiveContext {
  project: string;
  owner: string | null;
  agent: string;
  /** The caller's key of the session. */
  key: string;
}

export type Registry = Keeper<string, LiveSession, LiveContext>;

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
  /** Shutting down: what waits goes on waiting, in the store. */
  readonly draining: boolean;
  /** Join deltas that wait while the store is busy. */
  readonly coalesceDeltas: boolean;
  /** Undefined when no agent of this name is registered any more. */
  agent(name: string): Agent | undefined;
  overflow(project: string): Overflow;
  spawn(
    parent: SessionCore,
    turn: Turn,
    agent: string,
    input: string | readonly Part[],
    options: SpawnOptions & { key: string },
  ): Promise<Child>;
  /** Stops the children that this turn started, or all of the session's; resolves when they have unwound. */
  cancelChildren(session: SessionCore, turn: string | null, reason: string): Promise<void>;
  /** A child's turn has ended and is durable: its parent is told. Rejects when that could not be made durable. */
  deliver(child: SessionCore, turn: string): Promise<void>;
  /** Something a waiting caller may be interested in has changed. Must not throw. */
  changed(session: SessionCore): void;
  /** The session cannot go on in memory: what it runs is stopped, the next call finds it in the store. Must not throw. */
  giveUp(session: SessionCore, error: unknown): void;
  ended(outcome: Outcome): void;
}
