// Failure: what went wrong with a model, as a code the caller can act on.
//
// Owns the words of it: a provider's own message may reach the caller, but for answers about keys, where it may quote
// one. The rest stays in `cause`.
import { SojournError } from '../../kernel/errors.ts';

type Sdk = typeof import('ai');

const DETAIL_CHARACTERS_MAX = 300;

/** `error` as it is where it is not the model's. */
export function failureOf(error: unknown, sdk: Sdk): unknown {
  const cause = sdk.RetryError.isInstance(error) ? error.lastError : error;
  if (sdk.APICallError.isInstance(cause)) {
    const { statusCode, isRetryable, responseHeaders } = cause;
    if (statusCode === undefined || isRetryable) {
      const answer = statusCode === undefined ? 'did not answer' : `answered ${statusCode}`;
      const retryAfterMs = retryAfter(responseHeaders);
      return new SojournError('agent.model_unavailable', `The model ${answer}`, {
        cause: error,
        ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      });
    }
    const why = statusCode === 401 || statusCode === 403 ? '' : `: ${clipped(cause.message)}`;
    return new SojournError('agent.model_refused', `The model answered ${statusCode}${why}`, {
      cause: error,
    });
  }
  if (sdk.LoadAPIKeyError.isInstance(cause)) {
    return new SojournError('agent.model_refused', clipped(cause.message), { cause: error });
  }
  if (sdk.NoOutputGeneratedError.isInstance(cause)) {
    return new SojournError('agent.model_unavailable', 'The model ended without an answer', { cause: error });
  }
  return error instanceof Error
    ? error
    : new SojournError('agent.failed', clipped(saidBy(error)), { cause: error });
}

const saidBy = (error: unknown): string =>
  typeof error === 'string' ? error : (JSON.stringify(error) ?? 'It failed without a reason');

const clipped = (text: string): string => text.slice(0, DETAIL_CHARACTERS_MAX).replace(/[.\s]+$/, '');

/** Seconds, as nearly every endpoint says it; a date is passed over. */
function retryAfter(headers: Record<string, string> | undefined): number | undefined {
  const seconds = Number(headers?.['retry-after']);
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1_000 : undefined;
}
