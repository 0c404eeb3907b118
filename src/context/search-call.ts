// Search call: which sources a search goes through, in which order, and where it goes on.
//
//   SC1. In one reference that is one source: an artifact, or what one event says. In a stretch each event is one.
//   SC2. Without a reference: the session's artifacts, the newest first, and then what stands behind its digests.
//   SC3. A search stops when its page is full, `SCANNED_MAX` is looked through or its time is over, and `next` goes on
//        exactly there, where there is more to look through. In each call it gets on.
//   SC4. A file that cannot be read does not end a search through many: the answer names it.
//   SC5. What a tool was given and returned is found once, by the event that tells it: a message of nothing else is passed over.
import { assert, SojournError } from '../kernel/errors.ts';
import { bodyOf } from '../log/event.ts';
import { pagesOf } from '../log/pages.ts';
import type { StoredEvent } from '../store/store.ts';
import type { Compacted, ReadBack, ReadBackSearch, Ref } from '../wire/context.ts';
import type { EventKind } from '../wire/event.ts';
import { lineAt, linesOf } from './lines.ts';
import { invalid } from './read-back-call.ts';
import { artifactRef, parseReference, stretchRef } from './reference.ts';
import type { Found } from './search.ts';
import type { AskSearcher } from './search-threads.ts';
import {
  eventAt,
  eventSource,
  gather,
  openSource,
  type Shelf,
  SLICE_BYTES,
  type Source,
  stretch,
} from './source.ts';

/** SC3. */
const SCANNED_MAX = 64 * 1_048_576;
const MATCHES_MAX = 200;
/** As many bytes as one character has at most. */
const CHARACTER_BYTES = 4;
/** What people, agents and tools said; the rest of a log is about it. */
const SAYING: ReadonlySet<string> = new Set<EventKind>([
  'turn.accepted',
  'turn.steered',
  'message',
  'tool.called',
  'tool.returned',
  'child.ended',
]);

/** What a search works with. */
interface Work {
  ask: AskSearcher;
  bytesMax: number;
  /** Its time is. */
  isOver: () => boolean;
}

interface Progress {
  /** Those that were begun, in order. */
  refs: Ref[];
  /** Those of them that could not be read (SC4). */
  lost: Ref[];
  scanned: number;
}

export async function searchIn(
  shelf: Shelf,
  ref: Ref | undefined,
  search: ReadBackSearch,
  work: Work,
): Promise<ReadBack> {
  const { pattern, ignoreCase = false, around = 0 } = search;
  const order = { pattern, ignoreCase, around, matchesMax: MATCHES_MAX, bytesMax: work.bytesMax };
  await work.ask({ kind: 'search', order });
  const isMany = ref === undefined || parseReference(ref).kind === 'stretch';
  const progress: Progress = { refs: [], lost: [], scanned: 0 };
  const isDone = await feed(searched(shelf, ref, search), search, { ...work, progress, isMany });
  const reply = await work.ask({ kind: 'found', isDone });
  assert(reply.kind === 'found', 'a searcher that is asked for what it found says it');
  const { text, matches } = reply.found;
  const whole = ref === undefined || isMany ? null : await openSource(shelf, ref);
  const next = goesOn(reply.found, progress.refs, ref, search);
  return {
    ref: ref ?? null,
    mediaType: 'text/plain; charset=utf-8',
    bytes: whole?.bytes ?? null,
    text: text + lostText(progress.lost),
    matches,
    ...(next === undefined ? {} : { next }),
  };
}

/** Answers whether everything was looked through. */
async function feed(
  sources: AsyncIterable<Source>,
  search: ReadBackSearch,
  work: Work & { progress: Progress; isMany: boolean },
): Promise<boolean> {
  const { progress, isMany } = work;
  let isFirst = true;
  for await (const source of sources) {
    if (isEnough(work)) return false;
    const heading = isMany ? `${source.ref}\n` : '';
    try {
      const spot = isFirst ? await spotOf(source, search) : FIRST;
      if (!(await look(source, { ...spot, heading }, work))) return false;
    } catch (error) {
      if (!isMany || !isLost(error)) throw error;
      progress.lost.push(source.ref);
    }
    isFirst = false;
  }
  return true;
}

/** SC3. Asked where there is more: a call looks through something, even with its time over. */
function isEnough({ progress: { scanned }, isOver }: Work & { progress: Progress }): boolean {
  return scanned > 0 && (scanned >= SCANNED_MAX || isOver());
}

/** Through one source. Answers whether there is room for more. */
async function look(
  source: Source,
  { line, byte, before, heading }: { line: number; byte: number; before: string; heading: string },
  work: Work & { progress: Progress },
): Promise<boolean> {
  const { ask, progress } = work;
  if (byte === 0 && line === 1 && (source.bytes ?? Infinity) <= SLICE_BYTES) {
    const bytes = await gather(source, 0, SLICE_BYTES);
    progress.scanned += bytes.byteLength;
    progress.refs.push(source.ref);
    return !isFull(await ask({ kind: 'whole', heading, bytes }));
  }
  progress.refs.push(source.ref);
  await ask({ kind: 'begin', heading, at: { line, byte }, before });
  for await (const bytes of source.pieces(byte, SLICE_BYTES)) {
    if (isEnough(work)) return false;
    if (isFull(await ask({ kind: 'piece', bytes }))) return false;
    progress.scanned += bytes.byteLength;
  }
  return !isFull(await ask({ kind: 'end' }));
}

const isLost = (error: unknown): boolean =>
  SojournError.is(error, 'artifact.not_found') || SojournError.is(error, 'store.damaged');

/** SC4. */
function lostText(lost: readonly Ref[]): string {
  const [first] = lost;
  if (first === undefined) return '';
  const more = lost.length === 1 ? '' : ` and ${lost.length - 1} more`;
  return `[not there to be searched: ${first}${more}]\n`;
}

const FIRST = { line: 1, byte: 0, before: '' };
const isFull = (reply: { kind: string; full?: boolean }): boolean => reply.full === true;

/** Where the first source is begun, and the character before it where that is within a line. */
async function spotOf(
  source: Source,
  { fromLine, fromByte }: ReadBackSearch,
): Promise<{ line: number; byte: number; before: string }> {
  if (fromByte === undefined) {
    if (fromLine === undefined || fromLine === 1) return FIRST;
    const { from } = await linesOf(source, { from: fromLine }, undefined);
    return { line: fromLine, byte: from, before: '' };
  }
  if (fromByte > (source.bytes ?? 0)) throw invalid(`${source.ref} has ${source.bytes} bytes`);
  const line = fromLine ?? (await lineAt(source, fromByte));
  const at = Math.max(0, fromByte - CHARACTER_BYTES);
  const before = (await gather(source, at, fromByte - at)).toString('utf8');
  return { line, byte: fromByte, before: before.endsWith('\n') ? '' : (Array.from(before).at(-1) ?? '') };
}

function goesOn(
  { stopped }: Found,
  refs: readonly Ref[],
  ref: Ref | undefined,
  search: ReadBackSearch,
): ReadBack['next'] {
  const stoppedIn = stopped === undefined ? undefined : refs[stopped.source];
  if (stopped === undefined || stoppedIn === undefined) return undefined;
  const { fromRef: _before, ...same } = search;
  const spot = { ...same, fromLine: stopped.line, fromByte: stopped.byte };
  if (ref === undefined) return { search: { ...spot, fromRef: stoppedIn } };
  const within = parseReference(ref);
  const at = parseReference(stoppedIn);
  const isStretch = within.kind === 'stretch' && at.kind === 'event';
  return { ref: isStretch ? stretchRef(at.seq, within.to) : ref, search: spot };
}

/** SC1, SC2. */
async function* searched(
  shelf: Shelf,
  ref: Ref | undefined,
  { fromRef }: ReadBackSearch,
): AsyncIterable<Source> {
  const reference = ref === undefined ? undefined : parseReference(ref);
  if (reference === undefined) yield* everything(shelf, fromRef);
  else if (reference.kind === 'stretch') {
    for await (const event of stretch(shelf, reference.from, reference.to)) {
      if (!SAYING.has(event.kind)) continue;
      const source = eventSource(shelf, event);
      if (isText(source.mediaType)) yield source;
    }
  } else if (ref !== undefined) yield await openSource(shelf, ref);
}

async function* everything(shelf: Shelf, fromRef: Ref | undefined): AsyncIterable<Source> {
  const from = fromRef === undefined ? undefined : parseReference(fromRef);
  if (from?.kind !== 'event') {
    const rows = (await shelf.store.artifacts(shelf.session)).filter(({ mediaType }) => isText(mediaType));
    const newest = rows.toSorted((a, b) => b.at - a.at || (a.digest < b.digest ? -1 : 1));
    const first = from === undefined ? 0 : newest.findIndex(({ digest }) => artifactRef(digest) === fromRef);
    if (first < 0) throw invalid(`This session has no ${fromRef} to go on with`);
    for (const { digest } of newest.slice(first)) yield await openSource(shelf, artifactRef(digest));
  }
  const digested = await digestedEvents(shelf);
  const seq = from?.kind === 'event' ? from.seq : undefined;
  const isSingle = seq !== undefined && digested.single.includes(seq);
  if (seq === undefined || isSingle) {
    for (const one of digested.single.slice(isSingle ? digested.single.indexOf(seq) : 0)) {
      const event = await eventAt(shelf, one);
      if (!isMovedOut(event)) yield eventSource(shelf, event);
    }
  }
  if (digested.to < digested.from) return;
  const repeats = repeating();
  for await (const event of stretch(shelf, isSingle ? digested.from : (seq ?? digested.from), digested.to)) {
    if (SAYING.has(event.kind) && !repeats(event) && !isMovedOut(event)) yield eventSource(shelf, event);
  }
}

/** Asked of events in order: whether one is a message of nothing but calls and results that events before it tell (SC5). */
function repeating(): (event: StoredEvent) => boolean {
  const told = new Set<string>();
  let turn: string | null = null;
  return (event) => {
    if (event.turn !== turn) told.clear();
    turn = event.turn;
    if (event.kind === 'tool.called') told.add(`tool-call ${bodyOf(event, 'tool.called').call}`);
    if (event.kind === 'tool.returned') told.add(`tool-result ${bodyOf(event, 'tool.returned').call}`);
    if (event.kind !== 'message' || told.size === 0) return false;
    const { parts } = bodyOf(event, 'message');
    return parts.every((part) => 'call' in part && told.has(`${part.type} ${part.call}`));
  };
}

const isText = (mediaType: string): boolean => !/^(image|audio|video|font)\//.test(mediaType);

/** It is among the artifacts. */
const isMovedOut = (event: StoredEvent): boolean =>
  event.kind === 'tool.returned' && bodyOf(event, 'tool.returned').artifact !== undefined;

/** What digests stand for: whole turns as one stretch, and single results that are not in it, the newest first. */
async function digestedEvents(shelf: Shelf): Promise<{ single: number[]; from: number; to: number }> {
  const kinds: EventKind[] = ['context.compacted'];
  const single = new Set<number>();
  let from = Infinity;
  let to = 0;
  const note = (digest: Compacted['digests'][number]): void => {
    if (digest.kind === 'turns') {
      from = Math.min(from, digest.from);
      to = Math.max(to, digest.to);
    }
    for (const { ref } of digest.calls ?? []) {
      const at = parseReference(ref);
      if (at.kind === 'event') single.add(at.seq);
    }
  };
  for await (const page of pagesOf(shelf.store, shelf.session, { kinds }))
    for (const event of page) bodyOf(event, 'context.compacted').digests.forEach(note);
  const outside = [...single].filter((seq) => seq < from || seq > to);
  return { single: outside.toSorted((a, b) => b - a), from, to };
}
