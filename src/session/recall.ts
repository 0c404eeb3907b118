// Recall: what the log says that turns have spent whose end it does not have.
import { bodyOf } from '../log/event.ts';
import { pagesOf } from '../log/pages.ts';
import type { SessionRow, Store, StoredEvent } from '../store/store.ts';
import { addUsage, type Budget, noUsage } from '../wire/session.ts';
import { addUsd } from '../wire/usd.ts';
import type { Amounts } from './account.ts';
import { amountsOf, type Recalled, spentOf, tokensOf } from './spending.ts';

/** Its attempts together. Only of events that one turn has; those of others are passed over. */
export function recalled(events: readonly StoredEvent[], turn: string): Recalled {
  const sum: Recalled = { usage: noUsage(), costUsd: 0, toolCalls: 0, ms: 0 };
  let lastAt = 0;
  let asks = 0;
  let isRunning = false;
  for (const event of events) {
    if (event.turn !== turn) continue;
    // Between the end of a process and the next attempt nothing ran.
    if (isRunning && event.kind !== 'turn.started') sum.ms += Math.max(0, event.at - lastAt);
    lastAt = event.at;
    if (event.kind === 'turn.started') [isRunning, asks] = [true, 0];
    if (event.kind === 'request.opened') [isRunning, asks] = [false, asks + 1];
    if (event.kind === 'request.closed' && asks > 0) [isRunning, asks] = [asks === 1, asks - 1];
    if (event.kind === 'tool.called') sum.toolCalls += 1;
    if (event.kind !== 'usage') continue;
    const used = bodyOf(event, 'usage');
    addUsage(sum.usage, used);
    sum.costUsd = addUsd(sum.costUsd, used.costUsd);
  }
  return sum;
}

/** What a session that is at work has spent, and what is kept for its turns, as the store has it. */
export async function readOpen(
  store: Store,
  row: SessionRow,
): Promise<{ own: Amounts; kept: ReadonlyMap<string, Budget> }> {
  const turns = await store.openTurns(row.num);
  const own = amountsOf(spentOf(row), 0);
  const kept = new Map<string, Budget>();
  if (turns.length === 0) return { own, kept };
  const after = Math.min(...turns.map((turn) => turn.acceptedSeq)) - 1;
  const events: StoredEvent[] = [];
  for await (const page of pagesOf(store, row.num, { after, kinds: KINDS })) events.push(...page);
  for (const turn of turns) {
    const accepted = events.find((event) => event.kind === 'turn.accepted' && event.turn === turn.id);
    const { parent, budget } = accepted === undefined ? {} : bodyOf(accepted, 'turn.accepted');
    if (parent !== undefined && budget !== undefined) kept.set(turn.id, budget);
    if (turn.endSeq !== null) continue; // Its columns have it.
    const { usage, costUsd, toolCalls, ms } = recalled(events, turn.id);
    own.usd = addUsd(own.usd, costUsd);
    own.tokens += tokensOf(usage);
    own.turns += 1;
    own.toolCalls += toolCalls;
    own.ms += ms;
  }
  return { own, kept };
}

const KINDS = ['turn.accepted', 'turn.started', 'request.opened', 'request.closed', 'tool.called', 'usage'];
