// Portable: a session as lines of text that another installation takes back: a head, every event, every artifact in
// pieces, and an end that counts.
//
//   P1. A line holds at most PIECE_BYTES of an artifact, and what comes in at most LINE_BYTES_MAX: neither side ever holds
//       a whole session.
//   P2. The same session gives the same bytes wherever it lies: nothing in a line says where, when or under which id.
//   P3. What is wrong is said with the number of its line. Nothing is mended but what cannot mislead: a byte order mark
//       before the head, line ends with a carriage return, empty lines.
//   P4. What earlier versions wrote is read: in format 1 an artifact was one line, and the head held the session's id.
//   P5. What comes in is trusted with nothing: kinds and turns are names that can stand in a stream, bodies have what
//       their readers rely on, and an artifact that is mentioned is brought along.
import { Buffer } from 'node:buffer';
import { type ErrorCode, SojournError } from '../kernel/errors.ts';
import type { NewEvent } from '../store/store.ts';
import type { Event } from '../wire/event.ts';
import { wrongWith } from '../wire/event-schema.ts';
import type { SessionView } from '../wire/session.ts';
import { mentionsOf } from './mentions.ts';
import { bracketsIn, isDeep } from './nesting.ts';

const FORMAT = 2;
/** P1. 1 MiB in base64. */
export const PIECE_BYTES = 768 * 1_024;
/** P1. */
const LINE_BYTES_MAX = 8 * 1_024 * 1_024;
/** P4. Of format 1, where an artifact is one line: a long text in a flat object. */
const OLD_LINE_BYTES_MAX = 96 * 1_024 * 1_024;
const OLD_BRACKETS_MAX = 100;
const LEVELS_MAX = 256;
const MENTIONS_MAX = 500_000;

export type PortableHead = Pick<
  SessionView,
  'agent' | 'channel' | 'title' | 'summary' | 'labels' | 'metadata' | 'budget'
> & { internal?: boolean };

/** P2: neither its id, nor its key, nor its owner. */
export function headLine(head: PortableHead): string {
  const { agent, channel, title, summary, labels, metadata, budget, internal } = head;
  const session = { agent, channel, title, summary, labels, metadata, budget };
  return `${JSON.stringify({ sojourn: FORMAT, session: internal ? { ...session, internal } : session })}\n`;
}

/** Of `bytes`, from `from` on. */
export function pieceLine(
  artifact: { digest: string; bytes: number; mediaType: string; name: string | null },
  from: number,
  piece: Uint8Array,
): string {
  const { digest, bytes, mediaType, name } = artifact;
  const data = Buffer.from(piece).toString('base64');
  const line =
    from === 0 ? { artifact: digest, bytes, mediaType, name, data } : { artifact: digest, from, data };
  return `${JSON.stringify(line)}\n`;
}

export function endLine(events: number, artifacts: number): string {
  return `${JSON.stringify({ end: true, events, artifacts })}\n`;
}

/** `line` is its number, for whoever finds more that is wrong with it. */
export type PortableItem = { line: number } & (
  | { kind: 'head'; head: PortableHead }
  | { kind: 'event'; event: NewEvent }
  | {
      kind: 'piece';
      digest: string;
      mediaType: string;
      name: string | null;
      from: number;
      bytes: number;
      data: Buffer;
    }
  | { kind: 'end' }
);

type Line = Record<string, unknown>;

/** Feed it every line, then `finish`. */
export class PortableReader {
  #line = 0;
  #format: number | undefined;
  #events = 0;
  #artifacts = new Set<string>();
  readonly #mentions = new Set<string>();
  /** The artifact that goes on. */
  #open: { digest: string; bytes: number; from: number; mediaType: string; name: string | null } | undefined;
  #ended = false;

  /** What the next line says; undefined for an empty one. */
  feed(text: string): PortableItem | undefined {
    this.#line += 1;
    const isOld = this.#format === 1 && text.length > LINE_BYTES_MAX / 3;
    const max =
      isOld && bracketsIn(text, OLD_BRACKETS_MAX) <= OLD_BRACKETS_MAX ? OLD_LINE_BYTES_MAX : LINE_BYTES_MAX;
    if (text.length > max || (text.length > max / 3 && Buffer.byteLength(text) > max))
      throw this.wrong(`is over ${max} bytes`, { code: 'input.too_large' });
    if (text.trim() === '') return undefined;
    const line = this.#parsed(text);
    if (this.#format === undefined) return this.#head(line);
    if (this.#ended) throw this.wrong('comes after the end');
    if (line['artifact'] !== undefined && line['seq'] === undefined) return this.#piece(line);
    if (this.#open !== undefined) throw this.wrong(`comes before the rest of artifact ${this.#open.digest}`);
    return line['end'] === true ? this.#end(line) : this.#event(line);
  }

  /** Throws where the end has not come. */
  finish(): void {
    if (this.#format === undefined) throw new SojournError('input.invalid', 'There is nothing in it');
    if (!this.#ended) throw this.wrong('is the last, and no end: the export was cut off');
  }

  /** P3. */
  wrong(what: string, options: { code?: ErrorCode; cause?: unknown } = {}): SojournError {
    const { code = 'input.invalid', ...rest } = options;
    return new SojournError(code, `Line ${this.#line} ${what}`, rest);
  }

  #parsed(text: string): Line {
    const clean = this.#line === 1 && text.startsWith('\uFEFF') ? text.slice(1) : text;
    let line: unknown;
    try {
      line = JSON.parse(clean);
    } catch (error) {
      if (clean.includes('\0')) throw this.wrong('holds NUL characters: the file was not written to its end');
      throw this.wrong('is not JSON, or was cut off', { cause: error });
    }
    if (isObject(line)) return line;
    throw this.wrong('is not an object');
  }

  #head({ sojourn, session }: Line): PortableItem {
    if (sojourn !== FORMAT && sojourn !== 1) {
      const newer = typeof sojourn === 'number' && sojourn > FORMAT ? `: it has format ${sojourn}` : '';
      throw this.wrong(`is not the head of an export of format 1 or ${FORMAT}${newer}`);
    }
    if (!isObject(session)) throw this.wrong('holds no session');
    const {
      agent,
      channel = null,
      title = null,
      summary = null,
      labels = [],
      metadata = {},
      budget = {},
    } = session;
    const texts = [channel, title, summary].every((text) => text === null || isText(text, 1_000));
    const ownLabels =
      Array.isArray(labels) && labels.length <= 100 && labels.every((label) => isText(label, 200));
    const ownBudget =
      isObject(budget) && Object.values(budget).every((most) => typeof most === 'number' && most >= 0);
    if (!isText(agent, 200) || !texts || !ownLabels || !ownBudget || !isObject(metadata))
      throw this.wrong('holds a session that is none');
    this.#format = sojourn;
    const head = { agent, channel, title, summary, labels, metadata, budget } as PortableHead;
    const internal = session['internal'] === true ? { internal: true } : {};
    return { kind: 'head', line: this.#line, head: { ...head, ...internal } };
  }

  /** P5. */
  #event(line: Line): PortableItem {
    const { at, kind, turn, body } = line as Partial<Event>;
    const seq = this.#events + 1;
    if (line['seq'] !== seq) throw this.wrong(`has seq ${shown(line['seq'])}; ${seq} comes next`);
    const ms = typeof at === 'string' ? Date.parse(at) : Number.NaN;
    if (Number.isNaN(ms)) throw this.wrong('has no time');
    if (typeof kind !== 'string' || !/^[a-z][a-z0-9._-]{0,63}$/.test(kind)) throw this.wrong('has no kind');
    if (turn !== null && (typeof turn !== 'string' || !/^[\w.:-]{1,128}$/.test(turn)))
      throw this.wrong('has no turn, nor null for it');
    if (!isObject(body)) throw this.wrong('has no body');
    if (isDeep(body, LEVELS_MAX))
      throw this.wrong(`has over ${LEVELS_MAX} levels`, { code: 'input.too_deep' });
    const why = wrongWith(kind, body);
    if (why !== undefined) throw this.wrong(`is no ${kind}: ${why}`);
    for (const digest of mentionsOf(kind, body)) this.#mentions.add(digest);
    if (this.#mentions.size > MENTIONS_MAX) throw this.wrong(`mentions more than ${MENTIONS_MAX} artifacts`);
    this.#events = seq;
    return { kind: 'event', line: this.#line, event: { at: ms, kind, turn, body: JSON.stringify(body) } };
  }

  #piece(line: Line): PortableItem {
    const { artifact: digest, data, from = 0 } = line;
    if (typeof digest !== 'string' || typeof data !== 'string') throw this.wrong('is no artifact');
    const piece = Buffer.from(data, 'base64');
    if (from === 0) {
      if (this.#open !== undefined)
        throw this.wrong(`comes before the rest of artifact ${this.#open.digest}`);
      const { bytes = piece.byteLength, mediaType, name = null } = line;
      if (
        !/^[0-9a-f]{64}$/.test(digest) ||
        !isText(mediaType, 255) ||
        !(name === null || isText(name, 1_000)) ||
        !Number.isSafeInteger(bytes)
      )
        throw this.wrong('is no artifact');
      if (this.#artifacts.has(digest)) throw this.wrong(`brings artifact ${digest} again`);
      this.#open = { digest, bytes: Number(bytes), from: 0, mediaType, name };
    }
    const open = this.#open;
    if (open?.digest !== digest || open.from !== from)
      throw this.wrong('goes on with an artifact that is not there');
    const { bytes, mediaType, name } = open;
    open.from += piece.byteLength;
    const isLast = open.from === bytes;
    if (open.from > bytes || (piece.byteLength === 0 && !isLast))
      throw this.wrong(`brings ${open.from} bytes of artifact ${digest}, which has ${bytes}`);
    if (isLast) {
      this.#open = undefined;
      this.#artifacts.add(digest);
    }
    return {
      kind: 'piece',
      line: this.#line,
      digest,
      mediaType,
      name,
      from: Number(from),
      bytes,
      data: piece,
    };
  }

  #end({ events, artifacts }: Line): PortableItem {
    if (events !== this.#events || artifacts !== this.#artifacts.size) {
      const there = `there were ${this.#events} and ${this.#artifacts.size}`;
      throw this.wrong(`counts ${shown(events)} events and ${shown(artifacts)} artifacts; ${there}`);
    }
    for (const digest of this.#mentions) {
      if (!this.#artifacts.has(digest))
        throw this.wrong(`is the end, and artifact ${digest}, which an event refers to, did not come`);
    }
    this.#ended = true;
    return { kind: 'end', line: this.#line };
  }
}

function isObject(value: unknown): value is Line {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isText(value: unknown, charsMax: number): value is string {
  return typeof value === 'string' && value.length <= charsMax && value.isWellFormed();
}

const shown = (value: unknown): string => (JSON.stringify(value) ?? 'nothing').slice(0, 64);
