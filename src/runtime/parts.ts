// Runtime parts: what the calls of a runtime share.
import { SojournError } from '../kernel/errors.ts';
import type { Logger } from '../kernel/logger.ts';
import type { Agent } from '../agent/agent.ts';
import type { SessionHost } from '../session/host.ts';
import type { Session } from '../session/session.ts';
import type { SessionRow } from '../store/store.ts';
import type { Caller, Scope } from '../wire/access.ts';
import type { SessionView } from '../wire/session.ts';
import type { Outcome } from '../wire/turn.ts';
import { checkKey, mayTouch, requireScope } from './access.ts';
import type { SojournHooks } from './hooks.ts';
import type { IdleWaiters } from './idle.ts';
import type { SessionRouter } from './router.ts';
import type { Tokens } from './tokens.ts';
import { type Liveness, sessionView } from './views.ts';

export interface Counts {
  refused: { busy: number; capacity: number; full: number };
  turns: Record<Outcome, number>;
  tails: number;
}

export interface RuntimeParts {
  readonly host: SessionHost;
  readonly router: SessionRouter;
  readonly idle: IdleWaiters;
  readonly tokens: Tokens;
  readonly hooks: SojournHooks;
  readonly counts: Counts;
  readonly logger: Logger;
  /** By name, in the order they were registered. Replaced as a whole. */
  agents(): ReadonlyMap<string, Agent>;
  defaultAgent(): string;
  /** Throws `runtime.draining` once shutting down has begun. */
  admit(): void;
}

/** Finds a session that this caller may touch and keeps it in memory during `work`. Throws `session.not_found`. */
export async function withSession<Result>(
  parts: RuntimeParts,
  caller: Caller,
  scope: Scope,
  key: string,
  work: (session: Session) => Promise<Result>,
): Promise<Result> {
  requireScope(caller, scope);
  const session = await parts.router.find(caller.project, checkKey(key));
  if (session === null || !mayTouch(caller, session.core.row)) throw notFound(key);
  return session.using(async () => {
    if (session.core.log.num === undefined) await session.core.log.settled();
    if (session.core.log.num === undefined) throw notFound(key);
    return work(session);
  });
}

/** Only reads: the session need not be brought into memory. */
export async function rowOf(parts: RuntimeParts, caller: Caller, key: string): Promise<SessionRow> {
  requireScope(caller, 'read');
  const session = parts.router.known(caller.project, checkKey(key));
  const known = session?.core.log.num === undefined ? undefined : session.core.row;
  const row = known ?? (await parts.host.store.byKey(caller.project, key));
  if (row === null || !mayTouch(caller, row)) throw notFound(key);
  return row;
}

export function notFound(key: string): SojournError {
  return new SojournError('session.not_found', `There is no session ${JSON.stringify(key).slice(0, 64)}`);
}

/** With what is known in memory, where there is something. */
export function viewOf(parts: RuntimeParts, row: SessionRow): SessionView {
  const session = parts.router.peek(row.id);
  return sessionView(session?.core.log.num === undefined ? row : session.core.row, livenessOf(parts, row.id));
}

function livenessOf(parts: RuntimeParts, id: string): Liveness {
  const live = parts.host.registry.peek(id);
  if (live === null) return { live: false, generation: 0, dirty: false };
  return { live: true, generation: live.generation, dirty: live.dirty };
}

/** Resolves when the session neither runs nor waits. */
export function untilIdle(parts: RuntimeParts, id: string, signal?: AbortSignal): Promise<void> {
  return parts.idle.until(id, () => parts.router.peek(id)?.working !== true, signal);
}
