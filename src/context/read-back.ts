// ReadBack: what was moved out of a session's working set, read again by its reference, as much at a time as stays small.
//
//   RB1. What is answered is below `inlineBytesMax` as JSON, so that it is never moved out again.
//   RB2. Going from `next` to `next`, what was asked for comes whole and byte for byte: nothing is left out, nothing twice.
//   RB3. All work has a bound: one page is read, or one pass over a file for its lines; a search goes on for `SEARCH_MS` and
//        then says where to go on; a path is asked of no more than `JSON_MAX`.
//   RB4. The event loop is held up for no longer than one slice takes: patterns and paths run in a thread of their own.
import { Buffer } from 'node:buffer';
import type { Clock, Millis } from '../kernel/clock.ts';
import type { ArtifactStore, Store } from '../store/store.ts';
import type { ReadBack, ReadBackCall, ReadBackSearch } from '../wire/context.ts';
import { MARGIN_BYTES, type Page, pageOf } from './page.ts';
import { linesOf, type Span, tailOf } from './lines.ts';
import { checkCall, invalid } from './read-back-call.ts';
import { searchIn } from './search-call.ts';
import { SearchThreads } from './search-threads.ts';
import { gather, openSource, type Shelf, type Source } from './source.ts';

export interface ReadingBackOptions {
  store: Store;
  files: Pick<ArtifactStore, 'read'>;
  clock: Clock;
  limits: { inlineBytesMax: number };
}

const KiB = 1_024;
const MiB = KiB * KiB;
/** RB3. */
const JSON_MAX = 4 * MiB;
const VALUES_MAX = MiB;
const TEXT_LEAST = KiB;
/** What the answer says besides. */
const BESIDES_BYTES = 512;
/** RB3. */
const SEARCH_MS: Millis = 5_000;

export class ReadingBack {
  readonly #options: ReadingBackOptions;
  readonly #threads: SearchThreads;

  constructor(options: ReadingBackOptions) {
    this.#options = options;
    this.#threads = new SearchThreads(options.clock);
  }

  /** Throws `read-back.invalid`, `artifact.not_found`, and `capacity` while too many search. */
  async read(
    session: { num: number; project: string },
    call: ReadBackCall,
    signal?: AbortSignal,
  ): Promise<ReadBack> {
    checkCall(call);
    const { store, files } = this.#options;
    const shelf: Shelf = { store, files, session: session.num, project: session.project };
    if (call.search !== undefined) return this.#search(shelf, call.ref, call.search, signal);
    if (call.ref === undefined)
      throw invalid('Without a reference only a search reads anything: name one in ref');
    const source = await openSource(shelf, call.ref);
    if (call.path !== undefined)
      return this.#values(shelf, source, { path: call.path, bytes: call.bytes }, signal);
    return this.#page(source, await spanOf(source, call, signal));
  }

  /** RB1. */
  get #textBytesMax(): number {
    return Math.max(TEXT_LEAST, this.#options.limits.inlineBytesMax) - BESIDES_BYTES;
  }

  async #page(source: Source, span: Span): Promise<ReadBack> {
    const at = Math.max(0, span.from - MARGIN_BYTES);
    const wanted = span.from - at + this.#textBytesMax + MARGIN_BYTES + 1;
    const bytes = await gather(source, at, wanted);
    const end = bytes.byteLength < wanted ? at + bytes.byteLength : Infinity;
    if (span.from > end) throw invalid(`${source.ref} has ${end} bytes, and none from ${span.from} on`);
    const to = Math.min(span.to, end);
    const page = pageOf(bytes, at, { from: span.from, to }, this.#textBytesMax);
    const { ref, mediaType } = source;
    const shown = {
      ref,
      mediaType,
      bytes: source.bytes,
      ...shownOf(page),
      range: { from: page.from, to: page.to },
    };
    if (page.to >= to) return shown;
    const place = source.place(page.to); // RB2
    const left = span.to - (page.to - place.from);
    const isRest = span.to >= (source.bytes ?? Infinity);
    return {
      ...shown,
      next: { ref: place.ref, bytes: { from: place.from, ...(isRest ? {} : { to: left }) } },
    };
  }

  /** RB4. */
  async #values(
    shelf: Shelf,
    source: Source,
    { path, bytes: asked }: { path: string; bytes: ReadBackCall['bytes'] },
    signal: AbortSignal | undefined,
  ): Promise<ReadBack> {
    const { ref, mediaType, bytes } = source;
    if (bytes === null) throw invalid(`${ref} is many pieces of JSON: read one event of it, or search it`);
    if (bytes > JSON_MAX) {
      throw invalid(
        `${ref} has ${bytes} bytes; a path is asked of at most ${JSON_MAX}: use search, or lines`,
      );
    }
    const text = (await gather(source, 0, bytes)).toString('utf8');
    const values = await this.#threads.run(shelf.session, signal, async (ask) => {
      const reply = await ask({ kind: 'values', path, text, bytesMax: VALUES_MAX });
      return reply.kind === 'values' ? reply.values : undefined;
    });
    if (values === undefined || values.isCut) {
      throw invalid(`The path finds more than ${VALUES_MAX} bytes: ask for less of it, or use search`);
    }
    const found = Buffer.from(values.text);
    const { from, to = found.byteLength } = asked ?? { from: 0 };
    if (from > found.byteLength)
      throw invalid(`The path finds ${found.byteLength} bytes, and none from ${from} on`);
    const page = pageOf(found, 0, { from, to }, this.#textBytesMax);
    const isWhole = page.to >= Math.min(to, found.byteLength);
    const rest = { from: page.to, ...(to < found.byteLength ? { to } : {}) };
    return {
      ref,
      mediaType,
      bytes,
      ...shownOf(page),
      matches: values.values,
      ...(isWhole ? {} : { next: { ref, path, bytes: rest } }),
    };
  }

  /** RB4. */
  async #search(
    shelf: Shelf,
    ref: string | undefined,
    search: ReadBackSearch,
    signal: AbortSignal | undefined,
  ): Promise<ReadBack> {
    const { clock } = this.#options;
    return this.#threads.run(shelf.session, signal, (ask) => {
      const untilMs = clock.monotonic() + SEARCH_MS;
      const isOver = (): boolean => clock.monotonic() > untilMs;
      return searchIn(shelf, ref, search, { ask, isOver, bytesMax: this.#textBytesMax });
    });
  }
}

function shownOf({ text, encoding }: Page): Pick<ReadBack, 'text' | 'encoding'> {
  return encoding === undefined ? { text } : { text, encoding };
}

async function spanOf(source: Source, call: ReadBackCall, signal: AbortSignal | undefined): Promise<Span> {
  if (call.bytes !== undefined) {
    const { from, to = Infinity } = call.bytes;
    if (source.bytes !== null && from > source.bytes) {
      throw invalid(`${source.ref} has ${source.bytes} bytes, and none from ${from} on`);
    }
    return { from, to };
  }
  if (call.lines !== undefined) return linesOf(source, call.lines, signal);
  if (call.head !== undefined) return linesOf(source, { from: 1, to: call.head }, signal);
  if (call.tail !== undefined) return tailOf(source, call.tail, signal);
  return { from: 0, to: Infinity };
}
