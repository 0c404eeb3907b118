// Detect: what a log of another agent is, told by what is in it, and the log itself.
//
//   DE1. Lines are JSON lines where the first of them is an object and another follows; anything else is one JSON text.
//   DE2. A line that is not JSON is not understood, and counted; so is the torn last one of a log that was being written.
//   DE3. Format and place of whatever is wrong are named. Hostile nesting is refused before anything walks it.
//   DE4. Others come in between: `breathe` is awaited after each mebibyte of lines.
import { SojournError } from '../../kernel/errors.ts';
import type { ImportFormat } from '../../wire/calls.ts';
import { readAiSdk } from './ai-sdk.ts';
import { readClaudeCode } from './claude-code.ts';
import { type Entry, type ForeignLog, isLoose, type Loose, Remainder } from './foreign.ts';
import { bracketsIn, isDeep } from '../nesting.ts';
import { readOpenAi } from './openai.ts';
import { readSweAgent } from './swe-agent.ts';

export type ForeignFormat = Exclude<ImportFormat, 'sojourn'>;

const LINE_CHARS_MAX = 8 * 1_024 * 1_024;
const LEVELS_MAX = 256;
/** Each may take fifty bytes, however short it is written. */
const BRACKETS_MAX = 8_000_000;
const SLICE_CHARS = 1_024 * 1_024;
/** Of so many entries the format is told. */
const LOOKED_AT_MAX = 100;

export interface Read {
  format: ForeignFormat;
  log: ForeignLog;
  rest: Remainder;
}

/** Rejects with `input.invalid`, `input.too_large` and `input.too_deep`. */
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
  const log = read(format, parsed, rest);
  if (log.turns.length === 0)
    throw new SojournError(
      'input.invalid',
      `There is no turn in it that ${format} knows of${samplesText(rest)}`,
    );
  return { format, log, rest };
}

type Parsed = { document: unknown; entries: readonly Entry[] };

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
async function entriesOf(
  text: string,
  rest: Remainder,
  breathe: () => Promise<void>,
): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  let chars = 0;
  for (const { number, line } of linesIn(text)) {
    chars += line.length;
    if (chars > SLICE_CHARS) {
      chars = 0;
      await breathe(); // DE4
    }
    if (line.trim() === '') continue;
    const at = `line ${number}`;
    if (line.length > LINE_CHARS_MAX)
      throw new SojournError('input.too_large', `Line ${number} is over ${LINE_CHARS_MAX} characters`);
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      rest.miss(at, line);
      continue;
    }
    checkDepth(value, line, `Line ${number}`);
    entries.push({ at, value });
  }
  return entries;
}

/** A list of messages, wherever it stands. */
function membersOf(document: unknown): readonly Entry[] {
  const list = isLoose(document) ? document['messages'] : document;
  const path = isLoose(document) ? '/messages' : '';
  return Array.isArray(list) ? list.map((value: unknown, index) => ({ at: `${path}/${index}`, value })) : [];
}

/** DE3. */
function checkDepth(value: unknown, text: string, what: string): void {
  if (bracketsIn(text, LEVELS_MAX) > LEVELS_MAX && isDeep(value, LEVELS_MAX))
    throw new SojournError('input.too_deep', `${what} has over ${LEVELS_MAX} levels`);
}

function detect({ document, entries }: Parsed): ForeignFormat {
  if (isLoose(document) && Array.isArray(document['trajectory'])) return 'swe-agent';
  const votes = new Map<ForeignFormat, number>();
  for (const { value } of listed(entries).slice(0, LOOKED_AT_MAX)) {
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
function listed(entries: readonly Entry[]): readonly Entry[] {
  const whole = entries.flatMap(({ at, value }) =>
    isLoose(value) && Array.isArray(value['messages']) ? [{ at, value }] : [],
  );
  const [one, another] = whole;
  if (one === undefined) return entries;
  if (another !== undefined)
    throw new SojournError('input.invalid', `${another.at} begins another conversation: a session holds one`);
  const messages = one.value['messages'] as unknown[];
  return messages.map((value, index) => ({ at: `${one.at}/messages/${index}`, value }));
}

function read(format: ForeignFormat, { document, entries }: Parsed, rest: Remainder): ForeignLog {
  switch (format) {
    case 'claude-code':
      return readClaudeCode(entries, rest);
    case 'openai':
      return readOpenAi(listed(entries), rest);
    case 'ai-sdk':
      return readAiSdk(listed(entries), rest);
    case 'swe-agent': {
      const whole = document ?? (entries.length === 1 ? entries[0]?.value : undefined);
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
