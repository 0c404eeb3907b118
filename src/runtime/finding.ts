// Finding: how a call gets at a session, and what it shows of it.
import { SojournError } from '../kernel/errors.ts';
import type { Session } from '../session/session.ts';
import type { SessionRow } from '../store/store.ts';
import type { Caller, Scope } from '../wire/access.ts';
import type { SessionView } from '../wire/session.ts';
import { checkKey, mayTouch, requireScope } from './access.ts';
import type { RuntimeHost } from './host.ts';
import { type Liveness, sessionView } from './views.ts';

/** Finds a session that this caller may touch and keeps it in memory during `work`. Throws `session.not_found`. */
export async function withSession<Result>(
  host: RuntimeHost,
  caller: Caller,
  scope: Scope | readonly Scope[],
  key: string,
  work: (session: Session) => Promise<Result>,
): Promise<Result> {
  requireScope(caller, ...(typeof scope === 'string' ? [scope] : scope));
  checkKey(key);
  const find = async (): Promise<{ session: Session }> => {
    const session = await host.router.find(caller.project, key);
    if (session === null || !mayTouch(caller, session.core.row)) throw notFound(key);
    return { session };
  };
  return host.router.using(find, async ({ session }) => {
    if (session.core.log.num === undefined) await session.core.log.settled();
    if (session.core.log.num === undefined) throw notFound(key);
    return work(session);
  });
}

/** Only reads: the session need not be brought into memory. The row is as it was at that moment. */
export async function rowOf(
  host: RuntimeHost,
  caller: Caller,
  key: string,
  ...scopes: readonly Scope[]
): Promise<SessionRow> {
  requireScope(caller, 'read', ...scopes);
  const session = host.router.known(caller.project, checkKey(key));
  const known = session?.core.log.num === undefined ? undefined : { ...session.core.row };
  const row = known ?? (await host.store.byKey(caller.project, key));
  if (row === null || !mayTouch(caller, row)) throw notFound(key);
  return row;
}

export function notFound(key: string): SojournError {
  return new SojournError('session.not_found', `There is no session ${JSON.stringify(key).slice(0, 64)}`);
}

/** With what is known in memory, where there is something. */
export function viewOf(host: RuntimeHost, row: SessionRow): SessionView {
  const session = host.router.peek(row.id);
  const liveness = livenessOf(host, row.id);
  if (session?.core.log.num === undefined) return sessionView(row, liveness);
  const { usage, costUsd } = session.core.spending.spent; // As it happens: the row has it when a turn is over.
  return { ...sessionView(session.core.row, liveness), usage: { ...usage }, costUsd };
}

function livenessOf(host: RuntimeHost, id: string): Liveness {
  const live = host.registry.peek(id);
  if (live === null) return { live: false, generation: 0, dirty: false };
  return { live: true, generation: live.generation, dirty: live.dirty };
}

/** Resolves when the session neither runs nor waits. */
export function untilIdle(host: RuntimeHost, id: string, signal?: AbortSignal): Promise<void> {
  return host.idle.until(id, () => host.router.peek(id)?.working !== true, signal);
}
