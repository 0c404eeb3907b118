// EventPages: pages of a session's log, each checked before it is shown.
//
//   E1. A page is read to the end of what it needs and the statement reset before it is returned.
//   E2. The head is read first: what was acknowledged before is then in the log, or the log is not whole.
//   E3. A chunk whose checksum, place or number of events is wrong is damage, and is never returned.
import { SojournError } from '../../kernel/errors.ts';
import type { Seq, SessionNum, StoredEvent } from '../store.ts';
import { unpack, type ChunkRow } from './chunk.ts';
import { faultOf, type Connection, type Value } from './connection.ts';

export interface PageBounds {
  eventsMax: number;
  bytesMax: number;
  kinds?: readonly string[];
}

const SELECT_CHUNKS = `SELECT seq, count, at, turn, meta, bodies, crc FROM chunks WHERE session = ?1
  AND seq >= ifnull((SELECT max(seq) FROM chunks WHERE session = ?1 AND seq <= ?2), 0)`;

/** Throws `session.damaged` and `session.not_found`. */
export function readPage(
  connection: Connection,
  session: SessionNum,
  after: Seq,
  bounds: PageBounds,
): readonly StoredEvent[] {
  try {
    const headSeq = headOf(connection, session);
    return after >= headSeq ? [] : pageOf(connection, session, Math.max(after, 0), headSeq, bounds);
  } catch (error) {
    // What was erased between the two reads is not damaged.
    if (SojournError.is(error, 'session.damaged')) headOf(connection, session);
    if (faultOf(error) !== 'damage' && !(error instanceof SyntaxError)) throw error;
    throw broken(session, after + 1, error);
  }
}

function headOf(connection: Connection, session: SessionNum): Seq {
  const head = connection.row<{ seq: Seq }>('SELECT seq FROM heads WHERE session = ?', session);
  if (head === undefined) throw new SojournError('session.not_found', `There is no session ${session}`);
  return head.seq;
}

function pageOf(
  connection: Connection,
  session: SessionNum,
  after: Seq,
  headSeq: Seq,
  bounds: PageBounds,
): readonly StoredEvent[] {
  const { kinds } = bounds;
  const page: StoredEvent[] = [];
  let bytes = 0;
  let next = after + 1;
  for (const row of chunksOf(connection, session, next, kinds)) {
    const events = unpack(session, row);
    const isInOrder =
      kinds === undefined ? row.seq <= next && row.seq + row.count > next : row.seq + row.count > next;
    if (events === null || events.length !== row.count || !isInOrder) throw broken(session, row.seq);
    for (const event of events) {
      if (event.seq < next || (kinds !== undefined && !kinds.includes(event.kind))) continue;
      bytes += Buffer.byteLength(event.body);
      if (page.length > 0 && bytes > bounds.bytesMax) return page;
      page.push(event);
      if (page.length >= bounds.eventsMax) return page;
    }
    next = row.seq + row.count;
  }
  if (kinds === undefined && next <= headSeq) throw broken(session, next);
  return page;
}

/** From the chunk that holds `from` on. With kinds, only chunks that name one of them: their bodies are not touched. */
function chunksOf(
  connection: Connection,
  session: SessionNum,
  from: Seq,
  kinds: readonly string[] | undefined,
): Iterable<ChunkRow> {
  const named = (kinds ?? []).map(() => 'instr(meta, ?)').join(' OR ');
  const filter = kinds === undefined ? '' : `AND (${named === '' ? '0' : named})`;
  const values: Value[] = [session, from, ...(kinds ?? []).map((kind) => `,${JSON.stringify(kind)},`)];
  return connection
    .sql(`${SELECT_CHUNKS} ${filter} ORDER BY seq`)
    .iterate(...values) as Iterable<unknown> as Iterable<ChunkRow>;
}

function broken(session: SessionNum, seq: Seq, cause?: unknown): SojournError {
  return new SojournError('session.damaged', `The log of session ${session} is damaged at event ${seq}`, {
    cause,
  });
}
