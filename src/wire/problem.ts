// Problem: how every face reports an error (RFC 9457, with the members ours adds).
import { ERRORS, type ErrorCode, type SojournError } from '../kernel/errors.ts';

export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: ErrorCode;
  next: 'stop' | 'retry';
  retryAfterMs?: number;
  requestId: string;
}

export function problemOf(error: SojournError, requestId: string): Problem {
  const row = ERRORS[error.code];
  return {
    type: `urn:sojourn:error:${error.code}`,
    title: row.fix,
    status: row.http,
    detail: error.detail,
    code: error.code,
    next: row.next,
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
    requestId,
  };
}
