// Tree: a session, its children and theirs, as whoever watches sees them.
//
//   T1. Depth first; past `SESSIONS_MAX` the rest is left out.
//   T2. Progress is the newest that the parent's log has of a child at work. It is looked for among the last
//       `EVENTS_BACK` events of that log, so that looking costs the same however long the log is.
//   T3. What is left is the least of what its own budget and those above it leave, and never less than nothing.
import { bodyOf, timeText } from '../log/event.ts';
import type { SessionRow } from '../store/store.ts';
import { type Account, DIMENSIONS } from '../session/account.ts';
import type { Budget, SessionView, TreeNode, TreeProgress, Usage } from '../wire/session.ts';
import type { Outcome } from '../wire/turn.ts';
import { addUsd } from '../wire/usd.ts';
import { viewOf } from './finding.ts';
import type { RuntimeHost } from './host.ts';

const SESSIONS_MAX = 1_000;
const EVENTS_BACK = 2_000;
const PROGRESS_BOUNDS = {
  eventsMax: EVENTS_BACK,
  bytesMax: 1_024 * 1_024,
  kinds: ['child.started', 'child.progress'],
};

/** Finds accounts. */
type Find = (id: string) => Account | undefined;

export async function treeOf(host: RuntimeHost, row: SessionRow): Promise<TreeNode> {
  const branch = await branchOf(host, row, null, { left: SESSIONS_MAX });
  return host.bill.viewing(row, (find) => nodeOf(branch, find));
}

/** A node without what is on its bill. */
interface Branch {
  session: SessionView;
  outcome: Outcome | null;
  progress: TreeProgress | null;
  children: readonly Branch[];
}

async function branchOf(
  host: RuntimeHost,
  stored: SessionRow,
  progress: TreeProgress | null,
  bound: { left: number },
): Promise<Branch> {
  const row = host.router.peek(stored.id)?.core.row ?? stored;
  const session = viewOf(host, stored);
  const rows = (await host.store.children(row.id)).slice(0, bound.left); // T1
  bound.left -= rows.length;
  const newest = rows.some(isAtWork) ? await progressIn(host, stored.num, row.headSeq) : new Map();
  const children: Branch[] = [];
  for (const child of rows) {
    children.push(await branchOf(host, child, newest.get(child.id) ?? null, bound));
  }
  const outcome = await outcomeOf(host, stored);
  return { session, outcome, progress: isAtWork(session) ? progress : null, children };
}

const isAtWork = ({ state }: Pick<SessionRow, 'state'>): boolean => state !== 'idle' && state !== 'closed';

/** T2. */
async function progressIn(
  host: RuntimeHost,
  num: number,
  headSeq: number,
): Promise<ReadonlyMap<string, TreeProgress>> {
  const newest = new Map<string, TreeProgress>();
  const events = await host.store.read(num, Math.max(0, headSeq - EVENTS_BACK), PROGRESS_BOUNDS);
  for (const event of events) {
    if (event.kind === 'child.started') {
      // What was known of an earlier turn; that this one has started may stand before it.
      const { session } = bodyOf(event, 'child.started');
      if (newest.get(session)?.kind !== 'started') newest.delete(session);
      continue;
    }
    const { session, ...progress } = bodyOf(event, 'child.progress');
    newest.set(session, { ...progress, at: timeText(event.at) });
  }
  return newest;
}

async function outcomeOf(host: RuntimeHost, row: SessionRow): Promise<Outcome | null> {
  const [newest] = await host.store.turns(row.num, { limit: 1 });
  return newest?.state === 'done' ? (newest.outcome as Outcome) : null;
}

/** T3. */
function nodeOf({ children: below, ...branch }: Branch, find: Find): TreeNode {
  const children = below.map((child) => nodeOf(child, find));
  const usage = { ...branch.session.usage };
  let { costUsd } = branch.session;
  for (const child of children) {
    for (const name of Object.keys(usage) as (keyof Usage)[]) usage[name] += child.usage[name];
    costUsd = addUsd(costUsd, child.costUsd);
  }
  const account = find(branch.session.id);
  const left: Budget = {};
  for (const name of DIMENSIONS) {
    const least = account?.left(name);
    if (least !== undefined) left[name] = Math.max(0, least.amount);
  }
  const reserved = account?.reserved ?? {};
  const kept = Object.keys(reserved).length > 0 ? { reserved } : {};
  return { ...branch, usage, costUsd, left, ...kept, children };
}
