// Problem: how every face reports an error (RFC 9457, with the members ours adds).
import { ERRORS, type ErrorCode, type SojournError } from '../kernel/errors.ts';

export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: ErrorCode;
  next: 'stop' | 'retry';
  /** With every `retry`. */
  retryAfterMs?: number;
  requestId: string;
}

/** Where nothing better is known. */
const RETRY_AFTER_MS = 1_000;

export function problemOf(error: SojournError, requestId: string): Problem {
  const row = ERRORS[error.code];
  return {
    type: `urn:sojourn:error:${error.code}`,
    title: row.fix,
    status: row.http,
    detail: error.detail,
    code: error.code,
    next: row.next,
    ...(row.next === 'retry' ? { retryAfterMs: Math.ceil(error.retryAfterMs ?? RETRY_AFTER_MS) } : {}),
    requestId,
  };
}
