// Frames: the server-sent events of one response body, as they arrive.
//
//   F1. A frame cut off by the end of the body is never yielded.
//   F2. A body that says nothing for `stallMs` counts as lost; the server's keep-alive comments count as life.
//   F3. Leaving the iteration cancels the body.
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import type { Clock, Millis } from '../kernel/clock.ts';
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
  const response = await connection.once(
    {
      method: 'GET',
      path,
      ...(query === undefined ? {} : { query }),
      headers: { Accept: SSE },
      unbounded: true,
    },
    signal === undefined ? attempt.signal : AbortSignal.any([attempt.signal, signal]),
  );
  if (response.body === null || !/^text\/event-stream\b/.test(response.headers.get('Content-Type') ?? '')) {
    throw new SojournError('server.unexpected', 'The answer is no event stream');
  }
  const { clock, stallMs } = connection;
  const stalled = (error: SojournError): void => attempt.abort(error);
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
      const { done, value } = await reader.read();
      if (done) return;
      watch.heard();
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

/** One timer for the life of the body, moved on only when it fires: chunks come far more often. */
function watchStall(clock: Clock, stallMs: Millis, stalled: (error: SojournError) => void) {
  let heardMs = clock.monotonic();
  const check = (): void => {
    const quietMs = clock.monotonic() - heardMs;
    if (quietMs < stallMs) timer = clock.after(stallMs - quietMs, check);
    else stalled(new SojournError('server.unreachable', `Nothing was heard for ${stallMs} ms`));
  };
  let timer = clock.after(stallMs, check);
  return {
    heard: () => {
      heardMs = clock.monotonic();
    },
    end: () => timer.cancel(),
  };
}
