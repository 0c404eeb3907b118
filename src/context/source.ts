// Source: the bytes that a reference stands for, in order, from anywhere.
//
//   SO1. Only what this session's log refers to: whatever else an installation holds answers as if it were not there.
//   SO2. At most `sliceBytes` of a file and one page of events are in memory, however much there is.
//   SO3. The bytes of a reference never change, so a reading that stopped can go on: `log:FROM-TO` goes on under the
//        reference that begins with the event where it stopped.
import { Buffer } from 'node:buffer';
import { SojournError } from '../kernel/errors.ts';
import { bodyOf, eventText } from '../log/event.ts';
import { pagesOf } from '../log/pages.ts';
import type {
  ArtifactRow,
  ArtifactStore,
  EventStore,
  RowStore,
  Seq,
  SessionNum,
  StoredEvent,
} from '../store/store.ts';
import type { Ref } from '../wire/context.ts';
import type { EventKind } from '../wire/event.ts';
import type { ArtifactRef, Part } from '../wire/message.ts';
import { artifactRef, eventRef, parseReference, stretchRef } from './reference.ts';

export interface Source {
  readonly ref: Ref;
  readonly mediaType: string;
  /** Null for a stretch of the log. */
  readonly bytes: number | null;
  /** From a byte on, in pieces of at most `sliceBytes`, but for events: these come as they are. */
  pieces(from: number, sliceBytes: number): AsyncIterable<Buffer>;
  /** The shortest way to say where a byte is that `pieces` has given, or the one behind it (SO3). */
  place(at: number): { ref: Ref; from: number };
}

/** What is read from. */
export interface Shelf {
  store: EventStore & Pick<RowStore, 'artifact' | 'artifacts'>;
  files: Pick<ArtifactStore, 'read'>;
  session: SessionNum;
  project: string;
}

const JSON_TYPE = 'application/json';
const TEXT_TYPE = 'text/plain; charset=utf-8';
const DELTAS: ReadonlySet<string> = new Set<EventKind>(['text.delta', 'reasoning.delta']);

/** Throws `read-back.invalid` and `artifact.not_found`. */
export async function openSource(shelf: Shelf, ref: Ref): Promise<Source> {
  const reference = parseReference(ref);
  if (reference.kind === 'artifact') {
    const row = await checkOurs(shelf, reference.digest);
    return segmented(shelf, ref, row.mediaType, [{ digest: row.digest, bytes: row.bytes, row }]);
  }
  if (reference.kind === 'stretch') return new StretchSource(shelf, reference.from, reference.to);
  return eventSource(shelf, await eventAt(shelf, reference.seq));
}

/** Throws `read-back.invalid` where there is none. */
export async function eventAt(shelf: Shelf, seq: Seq): Promise<StoredEvent> {
  const [event] = await shelf.store.read(shelf.session, seq - 1, { eventsMax: 1, bytesMax: 1 });
  if (event?.seq !== seq) throw noEvent(eventRef(seq));
  return event;
}

/** At a time, in memory (SO2). */
export const SLICE_BYTES = 1_048_576;

/** At most `bytesMax` from `at` on; fewer only at the end. */
export async function gather(source: Source, at: number, bytesMax: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let size = 0;
  if (bytesMax > 0) {
    for await (const piece of source.pieces(at, Math.min(bytesMax, SLICE_BYTES))) {
      pieces.push(piece);
      size += piece.byteLength;
      if (size >= bytesMax) break;
    }
  }
  return Buffer.concat(pieces).subarray(0, bytesMax);
}

export function eventSource(shelf: Shelf, event: StoredEvent): Source {
  const { mediaType, segments } = saidBy(event);
  return segmented(shelf, eventRef(event.seq), mediaType, segments);
}

/** The events of a stretch but for deltas, in pages. Throws `read-back.invalid` where there is none. */
export async function* stretch(shelf: Shelf, from: Seq, to: Seq): AsyncGenerator<StoredEvent> {
  let any = false;
  for await (const page of pagesOf(shelf.store, shelf.session, { after: from - 1, to })) {
    any = true;
    for (const event of page) if (!DELTAS.has(event.kind)) yield event;
  }
  if (!any) throw noEvent(stretchRef(from, to));
}

/** `row` where it is known that this session refers to it. */
type Segment = Buffer | { digest: string; bytes: number; row?: ArtifactRow };

const sizeOf = (segment: Segment): number => (Buffer.isBuffer(segment) ? segment.byteLength : segment.bytes);

/** SO1: also of what an event names, which an agent or whoever made an import wrote. */
async function checkOurs(shelf: Shelf, digest: string): Promise<ArtifactRow> {
  const row = await shelf.store.artifact(shelf.session, digest);
  if (row === null)
    throw new SojournError('artifact.not_found', `This session has no ${artifactRef(digest)}`);
  return row;
}

function segmented(shelf: Shelf, ref: Ref, mediaType: string, segments: readonly Segment[]): Source {
  async function* pieces(from: number, sliceBytes: number): AsyncIterable<Buffer> {
    let start = 0;
    for (const segment of segments) {
      const size = sizeOf(segment);
      if (from < start + size && !Buffer.isBuffer(segment) && segment.row === undefined)
        await checkOurs(shelf, segment.digest);
      for (let at = Math.max(from - start, 0); at < size;) {
        const end = Math.min(size, at + sliceBytes);
        yield Buffer.isBuffer(segment)
          ? segment.subarray(at, end)
          : asBuffer(await shelf.files.read(shelf.project, segment.digest, at, end));
        at = end;
      }
      start += size;
    }
  }
  let bytes = 0;
  for (const segment of segments) bytes += sizeOf(segment);
  return { ref, mediaType, bytes, pieces, place: (at) => ({ ref, from: at }) };
}

class StretchSource implements Source {
  readonly ref: Ref;
  readonly mediaType = 'application/x-ndjson';
  readonly bytes = null;
  readonly #shelf: Shelf;
  readonly #from: Seq;
  readonly #to: Seq;
  /** Where the events begin that were given, ascending. */
  readonly #starts: { at: number; seq: Seq }[] = [];

  constructor(shelf: Shelf, from: Seq, to: Seq) {
    this.ref = stretchRef(from, to);
    this.#shelf = shelf;
    this.#from = from;
    this.#to = to;
  }

  async *pieces(from: number): AsyncIterable<Buffer> {
    let at = 0;
    this.#starts.length = 0;
    for await (const event of stretch(this.#shelf, this.#from, this.#to)) {
      const line = Buffer.from(`${eventText(event)}\n`);
      this.#starts.push({ at, seq: event.seq });
      at += line.byteLength;
      if (at > from) yield line.subarray(Math.max(0, from - (at - line.byteLength)));
    }
  }

  place(at: number): { ref: Ref; from: number } {
    let low = 0;
    for (let high = this.#starts.length; low < high;) {
      const middle = (low + high) >> 1;
      if ((this.#starts[middle]?.at ?? 0) <= at) low = middle + 1;
      else high = middle;
    }
    const start = this.#starts[low - 1];
    if (start === undefined) return { ref: this.ref, from: at };
    return { ref: stretchRef(start.seq, this.#to), from: at - start.at };
  }
}

const noEvent = (ref: Ref): SojournError =>
  new SojournError('read-back.invalid', `There is nothing in this session's log at ${ref}`);

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

interface Said {
  mediaType: string;
  segments: readonly Segment[];
}

/** What one event says, without what only the log needs. */
function saidBy(event: StoredEvent): Said {
  switch (event.kind as EventKind) {
    case 'turn.accepted':
      return partsSaid(event, bodyOf(event, 'turn.accepted').input.parts);
    case 'turn.steered':
      return partsSaid(event, bodyOf(event, 'turn.steered').input.parts);
    case 'turn.requeued':
      return partsSaid(event, bodyOf(event, 'turn.requeued').input.parts);
    case 'message':
      return partsSaid(event, bodyOf(event, 'message').parts);
    case 'turn.ended':
      return textSaid(bodyOf(event, 'turn.ended'));
    case 'child.ended':
      return textSaid(bodyOf(event, 'child.ended'));
    case 'tool.called': {
      const { input, ref } = bodyOf(event, 'tool.called');
      return ref === undefined ? outputSaid(input) : { mediaType: JSON_TYPE, segments: [segmentOf(ref, '')] };
    }
    case 'tool.returned': {
      const { artifact, bytes, mediaType, output } = bodyOf(event, 'tool.returned');
      if (artifact === undefined || bytes === undefined) return outputSaid(output);
      return { mediaType: mediaType ?? 'application/octet-stream', segments: [{ digest: artifact, bytes }] };
    }
    default:
      return { mediaType: JSON_TYPE, segments: [Buffer.from(event.body)] };
  }
}

function textSaid(said: { text: string; ref?: ArtifactRef }): Said {
  return { mediaType: TEXT_TYPE, segments: [segmentOf(said.ref, said.text)] };
}

function outputSaid(output: unknown): Said {
  if (typeof output === 'string') return { mediaType: TEXT_TYPE, segments: [Buffer.from(output)] };
  return { mediaType: JSON_TYPE, segments: [Buffer.from(JSON.stringify(output) ?? 'null')] };
}

const segmentOf = (ref: ArtifactRef | undefined, text: string): Segment =>
  ref === undefined ? Buffer.from(text) : { digest: ref.artifact, bytes: ref.bytes };

/** The texts one after the other, and the results of tools; where there is neither, the one file, or the event itself. */
function partsSaid(event: StoredEvent, parts: readonly Part[]): Said {
  const segments: Segment[] = [];
  let mediaType = TEXT_TYPE;
  for (const part of parts) {
    if (part.type === 'text') segments.push(segmentOf(part.ref, part.text));
    if (part.type !== 'tool-result') continue;
    const said =
      part.ref === undefined
        ? outputSaid(part.output)
        : { mediaType: part.ref.mediaType, segments: [segmentOf(part.ref, '')] };
    segments.push(...said.segments);
    if (segments.length === 1) mediaType = said.mediaType;
  }
  if (segments.length > 0) return { mediaType, segments };
  const [file] = parts.filter((part) => part.type === 'file');
  if (file?.ref !== undefined) return { mediaType: file.mediaType, segments: [segmentOf(file.ref, '')] };
  if (file?.data !== undefined)
    return { mediaType: file.mediaType, segments: [Buffer.from(file.data, 'base64')] };
  return { mediaType: JSON_TYPE, segments: [Buffer.from(event.body)] };
}
