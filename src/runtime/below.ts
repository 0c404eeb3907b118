// Below: the sessions that stand under one, and what each of them has spent.
//
//   BE1. All of them, however many: whoever shows fewer counts them all. A bill that leaves some out is wrong.
import type { SessionRow, SessionStore } from '../store/store.ts';
import type { Session } from '../session/session.ts';
import { spentOf } from '../session/spending.ts';
import type { Usage } from '../wire/session.ts';

/** BE1. Each after the one it stands under. */
export async function rowsBelow(store: SessionStore, id: string): Promise<readonly SessionRow[]> {
  const found = [...(await store.children(id))];
  for (const row of found) found.push(...(await store.children(row.id))); // It grows while it is read.
  return found;
}

/** Of this session alone, as it happens where it is in memory. */
export function spentBy(
  { router }: { readonly router: { peek(id: string): Session | undefined } },
  row: SessionRow,
): { readonly usage: Usage; readonly costUsd: number } {
  const core = router.peek(row.id)?.core;
  return core?.log.num === undefined ? spentOf(row) : core.spending.spent;
}
