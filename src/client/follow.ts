// Follow: a session's log as one unbroken stream, whatever happens to the connections under it.
//
//   L1. Events come in order of `seq`, none twice, none missing. A `log.pruned` stands for the range it names.
//   L2. Every connection after the first asks from the last event that was yielded, and names the session, so that
//       another session under the same key is refused and never continues this one.
//   L3. The end of a connection is not the end of the log: that is only what the session itself says.
//   L4. An error whose next step is `stop` ends the stream with it; any other is waited out within `retryMsMax`.
//   L5. A hole in the numbers is asked for again; a server that insists on it gets `cursor.gap`.
import { SojournError } from '../kernel/errors.ts';
import type { Event } from '../wire/event.ts';
import type { SessionView } from '../wire/session.ts';
import { isPassing, type Connection } from './connection.ts';
import { streamOnce } from './frames.ts';

export interface Following {
  /** The session's path from `/v1` on. */
  path: string;
  /** The session's id. */
  session: string;
  /** The first event yielded has a larger seq. */
  after: number;
  /** End when nothing runs or waits. */
  untilIdle: boolean;
  signal?: AbortSignal;
}

const GAPS_MAX = 3;

export async function* follow(connection: Connection, following: Following): AsyncGenerator<Event> {
  const { signal, path } = following;
  const patience = connection.patience();
  const cursor: Cursor = { seq: following.after, gaps: 0 };
  for (;;) {
    const attempt = new AbortController();
    let failure: SojournError | undefined;
    try {
      for await (const event of readOnce(connection, following, cursor, attempt, () =>
        patience.alive(false),
      )) {
        patience.alive(true);
        yield event;
        if (event.kind === 'session.closed') return;
        signal?.throwIfAborted(); // Not even what has arrived already.
      }
      const view = await connection.json<SessionView>({ method: 'GET', path, ...withSignal(signal) });
      if (isOver(view, following, cursor)) return;
    } catch (thrown) {
      failure = connection.failure(attempt.signal.aborted ? attempt.signal.reason : thrown, signal);
      if (!isPassing(failure)) throw failure; // L4
    } finally {
      attempt.abort();
    }
    failure ??= new SojournError('server.unreachable', 'The stream ended early');
    await patience.wait(failure, signal);
  }
}

interface Cursor {
  seq: number;
  gaps: number;
}

/** The new events of one connection. `attempt` is aborted, with the reason, when the connection falls silent. */
async function* readOnce(
  connection: Connection,
  following: Following,
  cursor: Cursor,
  attempt: AbortController,
  heard: () => void,
): AsyncGenerator<Event> {
  const { path, session, untilIdle, signal } = following;
  const query = { after: cursor.seq, session, ...(untilIdle ? { until: 'idle' } : {}) }; // L2
  for await (const frame of streamOnce(
    connection,
    { path: `${path}/events`, query, signal },
    attempt,
    heard,
  )) {
    if (frame.id === undefined || frame.id === '') continue; // Not an event of the log.
    const event = eventOf(frame.data);
    if (event.seq <= cursor.seq) continue; // L1: never twice.
    if (!continues(cursor.seq, event)) throw gap(cursor, event);
    cursor.seq = event.seq;
    cursor.gaps = 0;
    yield event;
  }
}

/** L1 */
function continues(seq: number, event: Event): boolean {
  if (event.seq === seq + 1) return true;
  return event.kind === 'log.pruned' && event.body.from <= seq + 1;
}

/** L5 */
function gap(cursor: Cursor, event: Event): SojournError {
  cursor.gaps += 1;
  const detail = `Event ${event.seq} came after ${cursor.seq}`;
  return new SojournError(cursor.gaps < GAPS_MAX ? 'server.unreachable' : 'cursor.gap', detail);
}

/** L3 */
function isOver(view: SessionView, following: Following, cursor: Cursor): boolean {
  if (view.id !== following.session)
    throw new SojournError('cursor.foreign', `Key ${view.key} was given anew`);
  if (view.headSeq > cursor.seq) return false;
  return view.state === 'closed' || (following.untilIdle && view.state === 'idle');
}

function eventOf(data: string): Event {
  try {
    const event = JSON.parse(data) as Event;
    if (Number.isSafeInteger(event.seq) && typeof event.kind === 'string') return event;
  } catch (cause) {
    throw new SojournError('server.unexpected', 'An event is not JSON', { cause });
  }
  throw new SojournError('server.unexpected', 'An event has no seq or kind');
}

function withSignal(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}
