// Detect: what a log of another agent is, told by what is in it, and the log itself.
//
//   DE1. Lines are JSON lines where the first of them is an object and another follows; anything else is one JSON text.
//   DE2. A line that is not JSON is not understood, and counted; so is the torn last one of a log that was being written.
//   DE3. Format and place of whatever is wrong are named. Hostile nesting is refused before anything walks it.
//   DE4. Others come in between: `breathe` is awaited after each mebibyte of lines, and after some hundred messages.
//   DE5. No list in it is longer than MEMBERS_MAX, and nothing is made of its members before their turn comes.
import { SojournError } from '../../kernel/errors.ts';
import type { ImportFormat } from '../../wire/calls.ts';
import { readAiSdk } from './ai-sdk.ts';
import { readClaudeCode } from './claude-code.ts';
import { type Entry, type ForeignLog, isLoose, type Loose, type Reading, Remainder } from './foreign.ts';
import { bracketsIn, isDeep } from '../nesting.ts';
import { readOpenAi } from './openai.ts';
import { readSweAgent } from './swe-agent.ts';

export type ForeignFormat = Exclude<ImportFormat, 'sojourn'>;

const LINE_CHARS_MAX = 8 * 1_024 * 1_024;
const LEVELS_MAX = 256;
/** Each may take fifty bytes, however short it is written. */
const BRACKETS_MAX = 8_000_000;
const SLICE_CHARS = 1_024 * 1_024;
const SLICE_LINES = 1_000;
const SLICE_ENTRIES = 500;
const MEMBERS_MAX = 500_000;
/** Of so many entries the format is told. */
const LOOKED_AT_MAX = 100;

export interface Read {
  format: ForeignFormat;
  log: ForeignLog;
  rest: Remainder;
}

/** Rejects with `input.invalid`, `input.too_large`, `input.too_many_items` and `input.too_deep`. */
export async function readForeign(
  text: string,
  asked: ForeignFormat | 'auto',
  breathe: () => Promise<void>,
): Promise<Read> {
  if (bracketsIn(text, BRACKETS_MAX) > BRACKETS_MAX)
    throw new SojournError('input.too_large', `It has over ${BRACKETS_MAX} lists and objects`);
  const rest = new Remainder();
  const parsed = await parse(text.startsWith('\uFEFF') ? text.slice(1) : text, rest, breathe);
  await breathe();
  const format = asked === 'auto' ? detect(parsed) : asked;
  const log = await paced(read(format, parsed, rest), breathe);
  if (log.turns.length === 0)
    throw new SojournError(
      'input.invalid',
      `There is no turn in it that ${format} knows of${samplesText(rest)}`,
    );
  return { format, log, rest };
}

/** DE4. */
async function paced(reading: Reading, breathe: () => Promise<void>): Promise<ForeignLog> {
  for (let count = 1; ; count += 1) {
    const step = reading.next();
    if (step.done === true) return step.value;
    if (count % SLICE_ENTRIES === 0) await breathe();
  }
}

/** DE5. */
class Members implements Iterable<Entry> {
  readonly values: readonly unknown[];
  readonly #placeOf: (index: number) => string;

  constructor(values: readonly unknown[], placeOf: (index: number) => string) {
    checkLength(values, 'It');
    this.values = values;
    this.#placeOf = placeOf;
  }

  placeOf(index: number): string {
    return this.#placeOf(index);
  }

  *[Symbol.iterator](): Generator<Entry> {
    for (const [index, value] of this.values.entries()) {
      const at = this.#placeOf(index);
      checkWidth(value, at);
      yield { at, value };
    }
  }
}

function checkLength(list: readonly unknown[], what: string): void {
  if (list.length > MEMBERS_MAX)
    throw new SojournError('input.too_many_items', `${what} has a list of over ${MEMBERS_MAX} members`);
}

function checkWidth(value: unknown, what: string): void {
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) checkLength(value, what);
  for (const member of Object.values(value)) checkWidth(member, what);
}

type Parsed = { document: unknown; entries: Members };

/** DE1. */
async function parse(text: string, rest: Remainder, breathe: () => Promise<void>): Promise<Parsed> {
  const [first, next] = firstLines(text);
  if (first === undefined) throw new SojournError('input.invalid', 'There is nothing in it');
  if (next !== undefined && isObjectText(first))
    return { document: undefined, entries: await entriesOf(text, rest, breathe) };
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    const why =
      error instanceof SyntaxError
        ? error.message.replaceAll(/\s+/g, ' ').slice(0, 160)
        : 'it cannot be read';
    const nul = text.includes('\0') ? ', and it holds NUL characters: it was not written to its end' : '';
    throw new SojournError('input.invalid', `It is not JSON (${why})${nul}`, { cause: error });
  }
  checkDepth(document, text, 'It');
  return { document, entries: membersOf(document) };
}

function firstLines(text: string): readonly string[] {
  const found: string[] = [];
  for (const { line } of linesIn(text)) {
    if (line.trim() !== '') found.push(line);
    if (found.length === 2) break;
  }
  return found;
}

function* linesIn(text: string): Generator<{ number: number; line: string }> {
  let number = 0;
  for (let from = 0; from < text.length;) {
    const end = text.indexOf('\n', from);
    number += 1;
    yield { number, line: text.slice(from, end < 0 ? text.length : end) };
    from = end < 0 ? text.length : end + 1;
  }
}

function isObjectText(line: string): boolean {
  if (!line.trimStart().startsWith('{')) return false;
  try {
    return isLoose(JSON.parse(line));
  } catch {
    return false;
  }
}

/** DE2. */
async function entriesOf(text: string, rest: Remainder, breathe: () => Promise<void>): Promise<Members> {
  const values: unknown[] = [];
  const numbers: number[] = [];
  let [chars, lines, count] = [0, 0, 0];
  for (const { number, line } of linesIn(text)) {
    chars += line.length;
    lines += 1;
    if (chars > SLICE_CHARS || lines > SLICE_LINES) {
      [chars, lines] = [0, 0];
      await breathe(); // DE4
    }
    if (line.trim() === '') continue;
    count += 1;
    if (count > MEMBERS_MAX)
      throw new SojournError('input.too_many_items', `It has over ${MEMBERS_MAX} lines`);
    if (line.length > LINE_CHARS_MAX)
      throw new SojournError('input.too_large', `Line ${number} is over ${LINE_CHARS_MAX} characters`);
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      rest.miss(`line ${number}`, line);
      continue;
    }
    checkDepth(value, line, `Line ${number}`);
    values.push(value);
    numbers.push(number);
  }
  return new Members(values, (index) => `line ${numbers[index]}`);
}

/** A list of messages, wherever it stands. */
function membersOf(document: unknown): Members {
  const list = isLoose(document) ? document['messages'] : document;
  const path = isLoose(document) ? '/messages' : '';
  return new Members(Array.isArray(list) ? (list as unknown[]) : [], (index) => `${path}/${index}`);
}

/** DE3. */
function checkDepth(value: unknown, text: string, what: string): void {
  if (bracketsIn(text, LEVELS_MAX) > LEVELS_MAX && isDeep(value, LEVELS_MAX))
    throw new SojournError('input.too_deep', `${what} has over ${LEVELS_MAX} levels`);
}

function detect({ document, entries }: Parsed): ForeignFormat {
  if (isLoose(document) && Array.isArray(document['trajectory'])) return 'swe-agent';
  const votes = new Map<ForeignFormat, number>();
  for (const value of listed(entries).values.slice(0, LOOKED_AT_MAX)) {
    const format = isLoose(value) ? formatOf(value) : undefined;
    if (format !== undefined) votes.set(format, (votes.get(format) ?? 0) + 1);
  }
  const [most] = [...votes].sort((a, b) => b[1] - a[1]);
  if (most !== undefined) return most[0];
  throw new SojournError(
    'input.invalid',
    'It is none of what can be imported: sojourn, claude-code, openai, ai-sdk or swe-agent',
  );
}

function formatOf(value: Loose): ForeignFormat | undefined {
  if (
    typeof value['type'] === 'string' &&
    ('sessionId' in value || 'parentUuid' in value || 'leafUuid' in value || 'messageId' in value)
  )
    return 'claude-code';
  if (typeof value['role'] !== 'string') return undefined;
  if (Array.isArray(value['parts'])) return 'ai-sdk';
  return 'content' in value || 'tool_calls' in value || 'function_call' in value ? 'openai' : undefined;
}

/** The messages of the one conversation there is: also where a line holds all of it. */
function listed(entries: Members): Members {
  let one: number | undefined;
  for (const [index, value] of entries.values.entries()) {
    if (!isLoose(value) || !Array.isArray(value['messages'])) continue;
    if (one !== undefined) {
      const place = entries.placeOf(index);
      throw new SojournError('input.invalid', `${place} begins another conversation: a session holds one`);
    }
    one = index;
  }
  if (one === undefined) return entries;
  const [at, whole] = [entries.placeOf(one), entries.values[one] as Loose];
  return new Members(whole['messages'] as unknown[], (index) => `${at}/messages/${index}`);
}

function read(format: ForeignFormat, { document, entries }: Parsed, rest: Remainder): Reading {
  switch (format) {
    case 'claude-code':
      return readClaudeCode(entries, rest);
    case 'openai':
      return readOpenAi(listed(entries), rest);
    case 'ai-sdk':
      return readAiSdk(listed(entries), rest);
    case 'swe-agent': {
      const whole = document ?? (entries.values.length === 1 ? entries.values[0] : undefined);
      checkWidth(whole, 'It');
      if (isLoose(whole)) return readSweAgent(whole, rest);
      throw new SojournError(
        'input.invalid',
        'It is no trajectory: that is one object with "trajectory" in it',
      );
    }
  }
}

function samplesText({ notUnderstood: { count, samples } }: Remainder): string {
  const [first] = samples;
  return first === undefined ? '' : `; ${count} could not be understood, first ${first.at}: ${first.text}`;
}
