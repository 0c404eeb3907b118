// Child facts: what a session's turn may know of its children. Those of one session and no others.
import { timeText } from '../log/event.ts';
import type { ChildFacts } from '../agent/agent.ts';
import type { RowStore, SessionRow, SessionStore } from '../store/store.ts';
import { type Budget, noUsage, type Usage } from '../wire/session.ts';
import type { Outcome } from '../wire/turn.ts';
import type { Session } from '../session/session.ts';
import { addUsd } from '../wire/usd.ts';

const CHILDREN_MAX = 100;
/** Beyond so many sessions below a child its sums leave the rest out. */
const BELOW_MAX = 1_000;

interface FactsHost {
  readonly store: SessionStore & RowStore;
  readonly router: { peek(id: string): Session | undefined };
}

/** Newest first. */
export async function childFacts(host: FactsHost, parent: string): Promise<readonly ChildFacts[]> {
  const rows = [...(await host.store.children(parent))];
  rows.sort((a, b) => b.createdAt - a.createdAt || b.num - a.num);
  return Promise.all(rows.slice(0, CHILDREN_MAX).map((row) => factsOf(host, row)));
}

async function factsOf(host: FactsHost, stored: SessionRow): Promise<ChildFacts> {
  const row = rowOf(host, stored);
  const [newest] = await host.store.turns(row.num, { limit: 1 });
  const running =
    row.turn !== null && newest?.id !== row.turn ? await host.store.turn(row.num, row.turn) : null;
  const turn = running ?? newest;
  const spent = { usage: noUsage(), costUsd: 0 };
  await add(host, row, spent, { left: BELOW_MAX });
  return {
    session: row.id,
    key: row.key,
    agent: row.agent,
    title: row.title,
    state: row.state,
    turn: turn?.id ?? null,
    outcome: turn?.state === 'done' ? (turn.outcome as Outcome) : null,
    ...spent,
    budget: JSON.parse(row.budget) as Budget,
    lastActiveAt: timeText(row.lastActiveAt),
  };
}

/** With what is known in memory, where there is something. */
function rowOf(host: FactsHost, stored: SessionRow): SessionRow {
  const core = host.router.peek(stored.id)?.core;
  if (core?.log.num === undefined) return stored;
  const { usage, costUsd } = core.spending.spent; // As it happens.
  return { ...core.row, ...usage, costUsd };
}

async function add(
  host: FactsHost,
  row: SessionRow,
  sum: { usage: Usage; costUsd: number },
  bound: { left: number },
): Promise<void> {
  for (const name of ['inputTokens', 'outputTokens', 'cacheReadTokens', 'cacheWriteTokens'] as const)
    sum.usage[name] += row[name];
  sum.costUsd = addUsd(sum.costUsd, row.costUsd);
  for (const below of await host.store.children(row.id)) {
    if (bound.left <= 0) return;
    bound.left -= 1;
    await add(host, rowOf(host, below), sum, bound);
  }
}
