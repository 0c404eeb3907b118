// Search: the lines of one text after another that match a pattern. It knows no store and no thread: bytes go in, a page
// of findings comes out.
//
//   SE1. Work is linear in what is fed, whatever the pattern: RE2 does the matching.
//   SE2. A line is matched alone, without its end: no match goes over a line break.
//   SE3. Of a line longer than `LONG_BYTES` each match is shown with what stands around it and the byte it begins at. One
//        longer than `WINDOW_BYTES` is matched in windows that overlap: a match longer than the overlap may be cut there.
//   SE4. What does not fit is not lost: `stopped` says where to go on, and no match comes twice.
import { Buffer, isUtf8 } from 'node:buffer';
import { RE2JS } from 're2js';
import { boundaryBefore, jsonBytes } from './page.ts';

export interface SearchOrder {
  pattern: string;
  ignoreCase: boolean;
  around: number;
  matchesMax: number;
  /** As JSON text. */
  bytesMax: number;
}

export interface Spot {
  /** Of the sources, in the order they were begun. */
  source: number;
  line: number;
  byte: number;
}

export interface Found {
  text: string;
  matches: number;
  /** Where to go on; absent when all that was fed was searched. */
  stopped?: Spot;
}

const LONG_BYTES = 1_024;
const WINDOW_BYTES = 65_536;
const OVERLAP_BYTES = 4_096;
const AROUND_CHARS = 100;
const CONTEXT_CHARS = 300;
/** Behind a window that is not the end of its line, so that `$` does not match there. No text has it. */
const GOES_ON = '\uFFFF';

export class Search {
  readonly #order: SearchOrder;
  readonly #pattern: RE2JS;
  /** A block without a match has no line with one. Not so where the pattern may ask where a text begins or ends. */
  readonly #block: RE2JS | undefined;
  #text = '';
  #left: number;
  #matches = 0;
  #full = false;
  /** Where `#rest` begins, and where the search stopped once it is full. */
  #at: Spot = { source: -1, line: 1, byte: 0 };
  #rest: Buffer = Buffer.alloc(0);
  /** The character before `#rest`, where that begins within a line. */
  #before = '';
  #heading = '';
  /** The last lines that were not shown, for what stands before a match. */
  #recent: { line: number; text: string }[] = [];
  #following = 0;
  #lastShown: number | undefined;

  /** Throws what RE2 says of the pattern. */
  constructor(order: SearchOrder) {
    this.#order = order;
    this.#left = order.bytesMax;
    const flags = order.ignoreCase ? RE2JS.CASE_INSENSITIVE : 0;
    this.#pattern = RE2JS.compile(order.pattern, flags); // SE1
    const asksForEnds = /\\[Az]|\(\?[a-zA-Z]*-/.test(order.pattern);
    if (!asksForEnds) this.#block = RE2JS.compile(order.pattern, flags | RE2JS.MULTILINE);
  }

  get full(): boolean {
    return this.#full;
  }

  /** `heading` is shown before the first match in it. `before` is what stands in front, where that is within a line. */
  begin(heading: string, at: { line: number; byte: number }, before = ''): void {
    this.#at = { source: this.#at.source + 1, line: at.line, byte: at.byte };
    this.#rest = Buffer.alloc(0);
    this.#before = before;
    this.#heading = heading;
    this.#recent = [];
    this.#following = 0;
    this.#lastShown = undefined;
  }

  feed(piece: Buffer): void {
    if (this.#full) return;
    this.#rest = this.#rest.byteLength === 0 ? piece : Buffer.concat([this.#rest, piece]);
    this.#work(false);
  }

  /** The source is over: its last line needs no line break. */
  end(): void {
    if (!this.#full) this.#work(true);
  }

  /** `isDone`: there is nothing more to feed. Otherwise it is to go on where it stands. */
  found(isDone: boolean): Found {
    const found = { text: this.#text, matches: this.#matches };
    return isDone && !this.#full ? found : { ...found, stopped: this.#at };
  }

  #work(isLast: boolean): void {
    while (!this.#full && this.#rest.byteLength > 0) {
      const end = this.#before === '' ? this.#rest.subarray(0, WINDOW_BYTES).lastIndexOf(10) + 1 : 0;
      if (end > 0) this.#lines(this.#rest.subarray(0, end));
      else if (!this.#window(isLast)) return;
    }
  }

  /** Whole lines, each with its end. */
  #lines(block: Buffer): void {
    const isQuiet = this.#following === 0 && isUtf8(block) && this.#block?.test(block.toString()) === false;
    if (isQuiet) return this.#pass(block);
    for (let from = 0; from < block.byteLength;) {
      const end = block.indexOf(10, from);
      if (!this.#line(block.subarray(from, end))) return;
      this.#advance(end + 1 - from, 1);
      from = end + 1;
    }
  }

  /** Nothing in it matches; its last lines may stand before a match in the next. */
  #pass(block: Buffer): void {
    let lines = 0;
    for (const byte of block) if (byte === 10) lines += 1;
    const first = this.#at.line;
    for (let number = lines, end = block.byteLength - 1; number > 0 && lines - number < this.#order.around;) {
      const start = end === 0 ? 0 : block.lastIndexOf(10, end - 1) + 1;
      if (number === lines) this.#recent = [];
      this.#recent.unshift({
        line: first + number - 1,
        text: cutTo(decoded(block.subarray(start, end)), CONTEXT_CHARS),
      });
      number -= 1;
      end = start - 1;
    }
    this.#advance(block.byteLength, lines);
  }

  /** SE2. A line without its end. False: it is full, and stands at this line still. */
  #line(bytes: Buffer): boolean {
    if (bytes.byteLength > LONG_BYTES) return this.#excerpts(bytes, bytes.byteLength) !== undefined;
    const text = decoded(bytes);
    const { line } = this.#at;
    if (this.#pattern.test(text)) return this.#match(`${line}: ${text}`);
    this.#unmatched(text);
    return true;
  }

  /** What `#rest` has of a line that does not end within a window, or of which a part is behind us. False: more must come. */
  #window(isLast: boolean): boolean {
    const rest = this.#rest;
    const lineBreak = rest.indexOf(10);
    const lineEnd = lineBreak < 0 && isLast ? rest.byteLength : lineBreak;
    const isWhole = lineEnd >= 0 && lineEnd <= WINDOW_BYTES + OVERLAP_BYTES;
    if (!isWhole && rest.byteLength <= WINDOW_BYTES + OVERLAP_BYTES) return false;
    if (isWhole) {
      const bytes = rest.subarray(0, lineEnd);
      const isFit = this.#before === '' ? this.#line(bytes) : this.#excerpts(bytes, lineEnd) !== undefined;
      if (!isFit) return true;
      this.#advance(lineBreak < 0 ? lineEnd : lineEnd + 1, lineBreak < 0 ? 0 : 1);
      this.#before = '';
      return true;
    }
    const window = rest.subarray(0, boundaryBefore(rest, WINDOW_BYTES + OVERLAP_BYTES));
    const passed = this.#excerpts(window, boundaryBefore(rest, WINDOW_BYTES));
    if (passed === undefined) return true;
    this.#before = lastCharacter(rest.subarray(0, passed));
    this.#advance(passed, 0);
    return true;
  }

  /**
   * SE3: the matches that begin within `limit` bytes. Answers how many bytes are done with, at least `limit`; undefined:
   * it is full, and stands where what does not fit would be shown from.
   */
  #excerpts(bytes: Buffer, limit: number): number | undefined {
    const coding = codingOf(bytes);
    const isEnd = limit === bytes.byteLength;
    const text = this.#before + decoded(bytes);
    const seen = isEnd ? text : text + GOES_ON;
    if (!this.#pattern.test(seen)) {
      this.#unmatched(text); // Whether there is any match is found out much sooner than where.
      return limit;
    }
    const base = this.#before.length;
    const bytesTo = (index: number): number => Buffer.byteLength(text.slice(base, index), coding);
    const last =
      limit === bytes.byteLength ? text.length : base + bytes.toString(coding, 0, limit).length - 1;
    const matcher = this.#pattern.matcher(text);
    let cursor = base;
    while (cursor <= last && matcher.find(cursor) && matcher.start() <= last) {
      const start = matcher.start();
      const from = wholeFrom(text, Math.max(cursor, start - AROUND_CHARS));
      const to = wholeFrom(text, Math.min(text.length, matcher.end() + AROUND_CHARS, start + LONG_BYTES));
      const byte = this.#at.byte + bytesTo(start);
      const shown = `${from > base || base > 0 ? '…' : ''}${text.slice(from, to)}${to < text.length ? '…' : ''}`;
      if (!this.#match(`${this.#at.line} at byte ${byte}: ${shown}`)) {
        this.#at = { ...this.#at, byte: this.#at.byte + bytesTo(from) };
        return undefined;
      }
      cursor = Math.max(to, start + 1);
    }
    this.#unmatched(text);
    return Math.max(limit, bytesTo(Math.min(cursor, text.length)));
  }

  #advance(bytes: number, lines: number): void {
    const { source, line, byte } = this.#at;
    this.#at = { source, line: line + lines, byte: byte + bytes };
    this.#rest = this.#rest.subarray(bytes);
  }

  #unmatched(text: string): void {
    const { around } = this.#order;
    const { line } = this.#at;
    if (around === 0 || line === this.#lastShown) return;
    const context = { line, text: cutTo(text, CONTEXT_CHARS) };
    if (this.#following === 0) {
      this.#recent = [...this.#recent, context].slice(-around);
      return;
    }
    this.#following = this.#show(`${line}- ${context.text}\n`) ? this.#following - 1 : 0;
    this.#lastShown = line;
  }

  /** With what stands before it. False: there is no room (SE4). */
  #match(shown: string): boolean {
    const { around, matchesMax } = this.#order;
    const { line } = this.#at;
    const before = this.#recent.filter(
      (recent) => recent.line > (this.#lastShown ?? 0) && recent.line < line,
    );
    const first = before[0]?.line ?? line;
    const gap = around > 0 && this.#lastShown !== undefined && first > this.#lastShown + 1 ? '--\n' : '';
    const context = before.map((recent) => `${recent.line}- ${recent.text}\n`).join('');
    const isShown =
      this.#matches < matchesMax &&
      (this.#show(`${this.#heading}${gap}${context}${shown}\n`) ||
        (this.#text === '' && this.#showSome(`${this.#heading}${shown}\n`)));
    if (!isShown) {
      this.#full = true;
      return false;
    }
    this.#matches += 1;
    this.#heading = '';
    this.#recent = [];
    this.#following = around;
    this.#lastShown = line;
    return true;
  }

  #show(text: string): boolean {
    const cost = jsonBytes(text);
    if (cost > this.#left) return false;
    this.#text += text;
    this.#left -= cost;
    return true;
  }

  /** The first of a page is shown in any case: what does not fit of it is cut. */
  #showSome(text: string): boolean {
    let part = text;
    while (part.length > 1 && jsonBytes(part) > this.#left - 8) part = cutTo(part, part.length >> 1);
    return this.#show(`${part}\n`);
  }
}

/** What is no UTF-8 is shown byte by byte, so that it can be counted. */
const codingOf = (bytes: Buffer): 'utf8' | 'latin1' => (isUtf8(bytes) ? 'utf8' : 'latin1');

function decoded(bytes: Buffer): string {
  const end = bytes.at(-1) === 13 ? bytes.byteLength - 1 : bytes.byteLength;
  return bytes.toString(codingOf(bytes), 0, end);
}

function cutTo(text: string, charsMax: number): string {
  return text.length <= charsMax ? text : `${text.slice(0, wholeFrom(text, charsMax))}…`;
}

/** Not between the two halves of a character. */
function wholeFrom(text: string, index: number): number {
  const unit = text.charCodeAt(index);
  return index > 0 && unit >= 0xdc00 && unit <= 0xdfff ? index - 1 : index;
}

function lastCharacter(bytes: Buffer): string {
  return decoded(bytes.subarray(boundaryBefore(bytes, bytes.byteLength - 1)));
}
