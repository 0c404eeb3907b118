// Tree: a session, its children and theirs, as whoever watches sees them.
//
//   T1. Past `SESSIONS_MAX` those at work and the newest are shown, each with those it stands under. The rest is counted where
//       it is left out.
//   T2. Progress is the newest that the parent's log has of a child at work. It is looked for among the last
//       `EVENTS_BACK` events of that log, so that looking costs the same however long the log is.
//   T3. What is left is the least of what its own budget and those above it leave, and never less than nothing.
//   T4. What was spent is that of all sessions below, also of those that are left out.
import { bodyOf, timeText } from '../log/event.ts';
import type { SessionRow } from '../store/store.ts';
import { type Account, DIMENSIONS } from '../session/account.ts';
import {
  addUsage,
  type Budget,
  type SessionView,
  type TreeNode,
  type TreeProgress,
} from '../wire/session.ts';
import type { Outcome } from '../wire/turn.ts';
import { rowsBelow, spentBy } from './below.ts';
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
  const rows = await rowsBelow(host.store, row.id);
  const below = Map.groupBy(rows, ({ parent }) => parent ?? '');
  const branch = await branchOf(host, row, null, { below, shown: shownOf(host, rows) });
  return host.bill.viewing(row, (find) => nodeOf(host, branch, find));
}

/** T1. The ids of those that are shown: with each also those it stands under. */
function shownOf(host: RuntimeHost, rows: readonly SessionRow[]): ReadonlySet<string> {
  if (rows.length <= SESSIONS_MAX) return new Set(rows.map(({ id }) => id));
  const known = new Map(rows.map((row) => [row.id, row]));
  const atWork = new Set(rows.filter((row) => isAtWork(newestOf(host, row))));
  const shown = new Set<string>();
  const wanted = rows.toSorted(
    (a, b) => Number(atWork.has(b)) - Number(atWork.has(a)) || b.createdAt - a.createdAt || b.num - a.num,
  );
  for (const row of wanted) {
    const line: string[] = [];
    let at: SessionRow | undefined = row;
    for (; at !== undefined && !shown.has(at.id); at = known.get(at.parent ?? '')) line.push(at.id);
    if (shown.size + line.length <= SESSIONS_MAX) for (const id of line) shown.add(id);
    if (shown.size >= SESSIONS_MAX) break;
  }
  return shown;
}

/** Everything below the top. */
interface Forest {
  /** By the id of the session they stand under. */
  below: ReadonlyMap<string, readonly SessionRow[]>;
  shown: ReadonlySet<string>;
}

/** A node without what is on its bill. */
interface Branch {
  session: SessionView;
  outcome: Outcome | null;
  progress: TreeProgress | null;
  children: readonly Branch[];
  /** Those below it that are left out, with all below them. */
  rest: readonly SessionRow[];
}

async function branchOf(
  host: RuntimeHost,
  stored: SessionRow,
  progress: TreeProgress | null,
  forest: Forest,
): Promise<Branch> {
  const row = newestOf(host, stored);
  const session = viewOf(host, stored);
  const rows = forest.below.get(row.id) ?? [];
  const newest = rows.some(isAtWork) ? await progressIn(host, stored.num, row.headSeq) : new Map();
  const children: Branch[] = [];
  for (const child of rows) {
    if (!forest.shown.has(child.id)) continue;
    children.push(await branchOf(host, child, newest.get(child.id) ?? null, forest));
  }
  const rest = rows.filter(({ id }) => !forest.shown.has(id));
  for (const left of rest) rest.push(...(forest.below.get(left.id) ?? []));
  const outcome = await outcomeOf(host, stored);
  return { session, outcome, progress: isAtWork(session) ? progress : null, children, rest };
}

const newestOf = (host: RuntimeHost, row: SessionRow): SessionRow =>
  host.router.peek(row.id)?.core.row ?? row;

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

/** T3, T4. */
function nodeOf(host: RuntimeHost, { children: below, rest, ...branch }: Branch, find: Find): TreeNode {
  const children = below.map((child) => nodeOf(host, child, find));
  const usage = { ...branch.session.usage };
  for (const child of children) addUsage(usage, child.usage);
  for (const row of rest) addUsage(usage, spentBy(host, row).usage);
  const account = find(branch.session.id);
  const costUsd = account?.spent.usd ?? branch.session.costUsd;
  const left: Budget = {};
  for (const name of DIMENSIONS) {
    const least = account?.left(name);
    if (least !== undefined) left[name] = Math.max(0, least.amount);
  }
  const reserved = account?.reserved ?? {};
  const kept = Object.keys(reserved).length > 0 ? { reserved } : {};
  const omitted = rest.length > 0 ? { omitted: rest.length } : {};
  return { ...branch, usage, costUsd, left, ...kept, children, ...omitted };
}
