// Chunk: the events of one append as one row. A row for each event would cost the writer twice the time, and every
// index as many entries as there are events.
//
//   C1. `meta` holds `[at - chunk.at, kind, length]` for each event, with the turn behind where it is not the chunk's;
//       `bodies` holds the bodies in the same order, `[`, `,` and `]` around them. Lengths are in UTF-16 units, so
//       that no body is ever parsed, and both columns are JSON for whoever looks with other tools.
//   C2. `crc` covers the session's number and everything in the row: a chunk under another session is damage too.
//   C3. A chunk holds at most EVENTS_MAX events and, beyond its first, BODIES_MAX units of bodies.
import { crc32 } from 'node:zlib';
import type { NewEvent, Seq, SessionNum, StoredEvent } from '../store.ts';

export interface Chunk {
  count: number;
  at: number;
  turn: string | null;
  meta: string;
  bodies: string;
}

export interface ChunkRow extends Chunk {
  seq: Seq;
  crc: number;
}

const EVENTS_MAX = 256;
const BODIES_MAX = 64 * 1_024;

type Meta = [at: number, kind: string, length: number, turn?: string | null];

/** The chunks of one append, in order (C3). */
export function pack(events: readonly NewEvent[]): readonly Chunk[] {
  const chunks: Chunk[] = [];
  for (let from = 0; from < events.length; from += chunks.at(-1)?.count ?? 1) chunks.push(next(events, from));
  return chunks;
}

function next(events: readonly NewEvent[], from: number): Chunk {
  const first = events[from];
  const at = first?.at ?? 0;
  const turn = first?.turn ?? null;
  const meta: Meta[] = [];
  const bodies: string[] = [];
  let units = 0;
  for (let index = from; index < events.length && meta.length < EVENTS_MAX; index++) {
    const event = events[index];
    if (event === undefined) break;
    units += event.body.length;
    if (units > BODIES_MAX && meta.length > 0) break;
    const offset = event.at - at;
    meta.push(
      event.turn === turn
        ? [offset, event.kind, event.body.length]
        : [offset, event.kind, event.body.length, event.turn],
    );
    bodies.push(event.body);
  }
  return { count: meta.length, at, turn, meta: JSON.stringify(meta), bodies: `[${bodies.join(',')}]` };
}

/** What `crc` must be (C2). */
export function checksum(session: SessionNum, seq: Seq, chunk: Chunk): number {
  const head = `${session}\n${seq}\n${chunk.count}\n${chunk.at}\n${chunk.turn ?? ''}\n${chunk.meta}\n`;
  return crc32(chunk.bodies, crc32(head));
}

/** Its events, or null where the row is not what was written. */
export function unpack(session: SessionNum, row: ChunkRow): readonly StoredEvent[] | null {
  if (checksum(session, row.seq, row) !== row.crc) return null;
  const events: StoredEvent[] = [];
  let start = 1;
  let seq = row.seq;
  for (const [offset, kind, length, turn] of JSON.parse(row.meta) as Meta[]) {
    const body = row.bodies.slice(start, start + length);
    events.push({ seq, at: row.at + offset, kind, turn: turn === undefined ? row.turn : turn, body });
    start += length + 1;
    seq += 1;
  }
  return events;
}
