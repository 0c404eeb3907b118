// Child facts: what a session's turn may know of its children. Those of one session and no others.
import { timeText } from '../log/event.ts';
import type { ChildFacts } from '../agent/agent.ts';
import type { RowStore, SessionRow, SessionStore } from '../store/store.ts';
import { addUsage, type Budget, noUsage } from '../wire/session.ts';
import type { Outcome } from '../wire/turn.ts';
import type { Session } from '../session/session.ts';
import { addUsd } from '../wire/usd.ts';
import { rowsBelow, spentBy } from './below.ts';

const CHILDREN_MAX = 100;

interface FactsHost {
  readonly store: SessionStore & RowStore;
  readonly router: { peek(id: string): Session | undefined };
}

/** Newest first; past `CHILDREN_MAX` those at work are there before others. */
export async function childFacts(host: FactsHost, parent: string): Promise<readonly ChildFacts[]> {
  const rows = [...(await host.store.children(parent))].sort(newestFirst);
  const [others, atWork] = [rows.filter((row) => !isAtWork(row)), rows.filter(isAtWork)];
  const shown = [...atWork, ...others].slice(0, CHILDREN_MAX).sort(newestFirst);
  return Promise.all(shown.map((row) => factsOf(host, row)));
}

const newestFirst = (a: SessionRow, b: SessionRow): number => b.createdAt - a.createdAt || b.num - a.num;
const isAtWork = ({ state }: SessionRow): boolean => state !== 'idle' && state !== 'closed';

async function factsOf(host: FactsHost, stored: SessionRow): Promise<ChildFacts> {
  const row = host.router.peek(stored.id)?.core.row ?? stored;
  const [newest] = await host.store.turns(row.num, { limit: 1 });
  const running =
    row.turn !== null && newest?.id !== row.turn ? await host.store.turn(row.num, row.turn) : null;
  const turn = running ?? newest;
  const sum = { usage: noUsage(), costUsd: 0 };
  for (const each of [stored, ...(await rowsBelow(host.store, stored.id))]) {
    const { usage, costUsd } = spentBy(host, each);
    addUsage(sum.usage, usage);
    sum.costUsd = addUsd(sum.costUsd, costUsd);
  }
  return {
    session: row.id,
    key: row.key,
    agent: row.agent,
    title: row.title,
    state: row.state,
    turn: turn?.id ?? null,
    outcome: turn?.state === 'done' ? (turn.outcome as Outcome) : null,
    ...sum,
    budget: JSON.parse(row.budget) as Budget,
    owner: row.owner,
    createdAt: timeText(row.createdAt),
    lastActiveAt: timeText(row.lastActiveAt),
  };
}
