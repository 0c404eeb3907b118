// Hooks: where a host looks in or adds its own. They may fail: nobody else is hurt, the logger hears of it.
import type { EvictReason } from '../wire/event.ts';
import type { SessionView } from '../wire/session.ts';

export interface Evicted {
  id: string;
  key: string;
  project: string;
  agent: string;
  reason: EvictReason;
  generation: number;
  /** How long it had been idle; 0 when it was in use. */
  idleMs: number;
}

/** A session that a host knows from elsewhere. Where its key is one of ours, ours is shown. */
export type HostSession = Pick<SessionView, 'key' | 'lastActiveAt'> & Partial<SessionView>;

export interface SojournHooks {
  /** After a live session has left memory, for whatever reason. Awaited within `closeMsMax`. */
  onSessionEvict?(evicted: Evicted): void | Promise<void>;
  /** Sessions that are not in the store, newest activity first, at most `limit`. Only asked for unfiltered first pages. */
  listSessions?(query: { project: string; limit: number }): Promise<readonly HostSession[]>;
}
