// Frames: the server-sent events of one response body, as they arrive.
//
//   F1. A frame cut off by the end of the body is never yielded.
//   F2. A connection that says nothing for `stallMs` counts as lost, also before its first byte; the server's keep-alive
//       comments count as life. While nobody reads, nobody listens: a slow reader loses nothing.
//   F3. Leaving the iteration cancels the body.
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import type { Clock, Millis, Timer } from '../kernel/clock.ts';
import { SojournError } from '../kernel/errors.ts';
import type { Call, Connection } from './connection.ts';

const SSE = 'text/event-stream';

/**
 * The events of one connection, which is left when the iteration is. `attempt` is aborted, with the reason, when the
 * connection falls silent. Throws `server.unexpected`, and what the server refuses with.
 */
export async function* streamOnce(
  connection: Connection,
  { path, query, signal }: Pick<Call, 'path' | 'query'> & { signal: AbortSignal | undefined },
  attempt: AbortController,
  heard: () => void,
): AsyncGenerator<EventSourceMessage> {
  const { clock, stallMs } = connection;
  const stalled = (error: SojournError): void => attempt.abort(error);
  const head = watchStall(clock, stallMs, stalled); // F2
  const response = await connection
    .once(
      {
        method: 'GET',
        path,
        ...(query === undefined ? {} : { query }),
        headers: { Accept: SSE },
        unbounded: true,
      },
      signal === undefined ? attempt.signal : AbortSignal.any([attempt.signal, signal]),
    )
    .finally(() => head.end());
  if (response.body === null || !/^text\/event-stream\b/.test(response.headers.get('Content-Type') ?? '')) {
    throw new SojournError('server.unexpected', 'The answer is no event stream');
  }
  yield* frames(response.body, { clock, stallMs, stalled, heard });
}

/** One event is at most 1 MiB; twice that leaves room for escapes. */
const FRAME_CHARS_MAX = 2 * 1_024 * 1_024;

export async function* frames(
  body: ReadableStream<Uint8Array>,
  options: { clock: Clock; stallMs: Millis; stalled: (error: SojournError) => void; heard: () => void },
): AsyncGenerator<EventSourceMessage> {
  const ready: EventSourceMessage[] = [];
  let broken: Error | undefined;
  const parser = createParser({
    maxBufferSize: FRAME_CHARS_MAX,
    onEvent: (message) => ready.push(message),
    onError: (error) => {
      if (error.type === 'max-buffer-size-exceeded') broken = error;
    },
  });
  const watch = watchStall(options.clock, options.stallMs, options.stalled);
  const reader = body.getReader();
  const decoder = new TextDecoder();
  try {
    for (;;) {
      watch.listen();
      const { done, value } = await reader.read();
      if (done) return;
      watch.rest();
      options.heard();
      parser.feed(decoder.decode(value, { stream: true }));
      if (broken) throw new SojournError('server.unexpected', 'A frame is too large', { cause: broken });
      yield* ready.splice(0);
    }
  } finally {
    watch.end();
    // Whoever left the loop has its own reason; that the body may be broken already is no news (F3).
    reader.cancel().catch(() => undefined);
  }
}

/** Listens from the beginning. One timer, moved on only when it fires: chunks come far more often. */
function watchStall(clock: Clock, stallMs: Millis, stalled: (error: SojournError) => void) {
  /** Since when nothing was heard; undefined while nobody listens. */
  let quietSince: Millis | undefined;
  let timer: Timer | undefined;
  const check = (): void => {
    timer = undefined;
    if (quietSince === undefined) return; // The next `listen` sets it again.
    const quietMs = clock.monotonic() - quietSince;
    if (quietMs < stallMs) timer = clock.after(stallMs - quietMs, check);
    else stalled(new SojournError('server.unreachable', `Nothing was heard for ${stallMs} ms`));
  };
  const listen = (): void => {
    quietSince = clock.monotonic();
    timer ??= clock.after(stallMs, check);
  };
  listen();
  return {
    listen,
    rest: () => {
      quietSince = undefined;
    },
    end: () => timer?.cancel(),
  };
}
