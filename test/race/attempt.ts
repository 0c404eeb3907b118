// Attempt: a call that may be refused, and how it may be.
import { SojournError, type ErrorCode } from '../../src/kernel/errors.ts';
import type { Process } from './process.ts';

/** They say neither. The session was lost from memory; asking again helps. */
export const FAILURES: readonly ErrorCode[] = [
  'store.full',
  'store.failed',
  'log.poisoned',
  'log.fenced',
  'keeper.gone',
  'session.not_found',
  'session.exists',
];

/** Undefined where it was refused as it may be, or the process is gone. */
export async function attempt<Result>(
  process: Process,
  call: Promise<Result>,
  also: readonly ErrorCode[] = [],
): Promise<Result | undefined> {
  try {
    const result = await call;
    return process.isGone ? undefined : result;
  } catch (error) {
    if (process.isGone) return undefined;
    if (!(error instanceof SojournError)) throw error;
    const isAllowed =
      also.includes(error.code) ||
      ['session.busy', 'session.not_found', 'turn.not_found', 'runtime.draining'].includes(error.code) ||
      (FAILURES.includes(error.code) && process.faults > 0);
    if (!isAllowed) throw error;
    return undefined;
  }
}
