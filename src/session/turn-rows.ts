// Turn rows: the columns that follow from a turn's state, for the append that changes it.
import type { TurnPatch } from '../store/store.ts';
import type { Outcome, TurnError } from '../wire/turn.ts';
import type { SessionCore } from './core.ts';
import type { Stop, Turn } from './turn.ts';

export function stopError(stop: Stop): TurnError {
  return { code: `turn.${stop.outcome}`, message: stop.reason };
}

export function queuedPatch(turn: Turn, acceptedAt: number): TurnPatch {
  return { id: turn.id, state: 'queued', kind: turn.spec.kind, attempt: 0, rank: turn.rank, acceptedAt };
}

/** A turn that a parent asked for is not done before the parent knows its end: a crash in between is found again. */
export function owesEnd(core: SessionCore, turn: Turn): boolean {
  return core.row.parent !== null && turn.spec.parent !== null;
}

export function startedPatch(turn: Turn, startEvent: number): TurnPatch {
  const { id, attempt, crashAttempts, startedAt } = turn;
  return { id, state: 'running', attempt, crashAttempts, startedAt, startEvent };
}

export function donePatch(turn: Turn, outcome: Outcome, endedAt: number, owes: boolean): TurnPatch {
  return {
    id: turn.id,
    state: owes ? 'running' : 'done',
    outcome,
    endedAt,
    ...turn.usage,
    costUsd: turn.costUsd,
  };
}

/** The patch with its event counted from further on. */
export function shifted<Request extends { closedEvent?: number }>(request: Request, by: number): Request {
  return { ...request, closedEvent: (request.closedEvent ?? 0) + by };
}
