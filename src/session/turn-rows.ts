// Turn rows: the columns that follow from a turn's state, for the append that changes it.
import type { SessionPatch, TurnPatch } from '../store/store.ts';
import type { Outcome, TurnError } from '../wire/turn.ts';
import type { SessionCore } from './core.ts';
import type { Stop, Turn } from './turn.ts';

export function stopError(stop: Stop): TurnError {
  return { code: `turn.${stop.outcome}`, message: stop.reason };
}

export function queuedPatch(turn: Turn, acceptedAt: number): TurnPatch {
  return { id: turn.id, state: 'queued', kind: turn.spec.kind, attempt: 0, rank: turn.rank, acceptedAt };
}

export function donePatch(turn: Turn, outcome: Outcome, endedAt: number): TurnPatch {
  return { id: turn.id, state: 'done', outcome, endedAt, ...turn.usage, costUsd: turn.costUsd };
}

/** What turns that are over have spent: one that is not is billed when it is, also after a crash. */
export function spentColumns(core: SessionCore, ended: Turn): SessionPatch {
  const open = [...(core.current === undefined ? [] : [core.current]), ...core.mailbox.waiting];
  const { usage, costUsd, turns, toolCalls, ms } = core.spending.without(
    open.filter((turn) => turn !== ended),
  );
  return { ...usage, costUsd, turnsEnded: turns, toolCalls, turnMs: ms };
}

/** The patch with its event counted from further on. */
export function shifted<Request extends { closedEvent?: number }>(request: Request, by: number): Request {
  return { ...request, closedEvent: (request.closedEvent ?? 0) + by };
}
