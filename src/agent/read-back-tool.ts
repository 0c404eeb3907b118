// readBackTool: the tool `read_back`, by which a model reads what was moved out of its working set.
//
//   RT1. Its members are flat and named as the digests and references name them. What a model gets wrong is answered with
//        what is wrong, so that it can try again; only the end of the turn is thrown.
//   RT2. What it answers stays below `inlineBytesMax`: the page, and one line that says how to go on.
import { ERRORS, SojournError } from '../kernel/errors.ts';
import type { JsonObject } from '../kernel/json.ts';
import type { ReadBack, ReadBackCall } from '../wire/context.ts';
import type { Part } from '../wire/message.ts';
import type { AgentTurn } from './agent.ts';

/** As `sojourn/tool` has it. */
export interface ReadBackTool {
  readonly name: typeof READ_BACK;
  readonly description: string;
  /** JSON Schema. */
  readonly inputSchema: JsonObject;
  call(
    input: JsonObject,
    options?: { call?: string; signal?: AbortSignal },
  ): Promise<{ parts: readonly Part[]; isError: boolean }>;
}

export const READ_BACK = 'read_back';

const DESCRIPTION =
  'Reads what was moved out of this conversation because it was large or old: results of tools, files, earlier turns. ' +
  'Nothing is lost, all of it is read back word for word. Use it whenever you need something that is only shown as a beginning, ' +
  'an end or a digest. Say where to look (ref) and one way of reading: from_line and to_line, head, tail, search, path, or ' +
  'from_byte and to_byte; with none of these it reads from the start. search without ref looks through everything that was ' +
  'moved out, the newest first. A long answer comes in pages: its last line says how to go on. Not for anything outside this conversation.';

const number = (minimum: number, description: string): JsonObject => ({
  type: 'integer',
  minimum,
  description,
});
const text = (description: string): JsonObject => ({ type: 'string', description });

const PROPERTIES: JsonObject = {
  ref: text(
    'What to read, as it was shown to you: "artifact:…" is a file, "log:12" what one event says, "log:12-40" a stretch of this conversation as JSON lines.',
  ),
  from_line: number(1, 'The first line to read; 1 is the first there is. With search: where it begins.'),
  to_line: number(1, 'The last line to read. Without it, on to the end.'),
  head: number(1, 'Only so many lines from the start.'),
  tail: number(1, 'Only so many lines from the end.'),
  search: text(
    'A regular expression (RE2: no lookarounds, no backreferences). Answers the lines that match, with their numbers.',
  ),
  ignore_case: { type: 'boolean', description: 'With search: small and capital letters are the same.' },
  around: number(0, 'With search: so many lines before and behind each match, up to 20.'),
  path: text(
    'JSONPath (RFC 9535) into a JSON result, such as $.items[0].name: answers each value as a line.',
  ),
  from_byte: number(
    0,
    'The first byte to read, from 0. With search: where it goes on, as the last answer said.',
  ),
  to_byte: number(0, 'The byte to stop before. Without it, on to the end.'),
  from_ref: text('With search and without ref: where it goes on, as the last answer said.'),
};

export function readBackTool(turn: Pick<AgentTurn, 'readBack' | 'signal'>): ReadBackTool {
  return {
    name: READ_BACK,
    description: DESCRIPTION,
    inputSchema: { type: 'object', properties: PROPERTIES, additionalProperties: false },
    async call(input, { signal = turn.signal } = {}) {
      try {
        const said = answerText(await turn.readBack(callOf(input)));
        return { parts: [{ type: 'text', text: said }], isError: false };
      } catch (error) {
        signal.throwIfAborted();
        turn.signal.throwIfAborted();
        if (!(error instanceof SojournError)) throw error;
        const said = `${error.code}: ${error.detail}. ${ERRORS[error.code].fix}`; // RT1
        return { parts: [{ type: 'text', text: said }], isError: true };
      }
    },
  };
}

/** RT1. Bounds are the reader's to check. */
function callOf(input: JsonObject): ReadBackCall {
  for (const name of Object.keys(input)) {
    if (!Object.hasOwn(PROPERTIES, name)) throw wrong(`${name} is nothing it takes`);
  }
  const ref = textIn(input, 'ref');
  const pattern = patternIn(input);
  const path = textIn(input, 'path');
  const [fromLine, toLine] = [numberIn(input, 'from_line'), numberIn(input, 'to_line')];
  const [fromByte, toByte] = [numberIn(input, 'from_byte'), numberIn(input, 'to_byte')];
  const spot = { ...given('fromLine', fromLine), ...given('fromByte', fromByte) };
  const more = {
    ...given('around', numberIn(input, 'around')),
    ...given('fromRef', textIn(input, 'from_ref')),
  };
  const isSearch = pattern !== undefined;
  const lines = isSearch && toLine === undefined ? undefined : range(fromLine, toLine, 1);
  const bytes = isSearch && toByte === undefined ? undefined : range(fromByte, toByte, 0);
  return {
    ...given('ref', ref),
    ...given('head', numberIn(input, 'head')),
    ...given('tail', numberIn(input, 'tail')),
    ...given('path', path),
    ...given('lines', lines),
    ...given('bytes', bytes),
    ...(isSearch ? { search: { pattern, ...given('ignoreCase', flagIn(input)), ...more, ...spot } } : {}),
  };
}

function given<Name extends string, Value>(name: Name, value: Value | undefined): { [Key in Name]?: Value } {
  return value === undefined ? {} : ({ [name]: value } as { [Key in Name]?: Value });
}

function range(
  from: number | undefined,
  to: number | undefined,
  least: number,
): { from: number; to?: number } | undefined {
  return from === undefined && to === undefined ? undefined : { from: from ?? least, ...given('to', to) };
}

const wrong = (detail: string): SojournError => new SojournError('read-back.invalid', detail);

function textIn(input: JsonObject, name: string): string | undefined {
  const value = input[name];
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value !== 'string') throw wrong(`${name} is a text`);
  return value;
}

/** Also as callers of the runtime write it. */
function patternIn(input: JsonObject): string | undefined {
  const { search } = input;
  const isObject = typeof search === 'object' && search !== null && 'pattern' in search;
  return textIn(isObject ? { search: search.pattern ?? null } : input, 'search');
}

/** Models write numbers as texts now and then. */
function numberIn(input: JsonObject, name: string): number | undefined {
  const value = input[name];
  if (value === undefined || value === null || value === '') return undefined;
  const read = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;
  if (typeof read !== 'number' || !Number.isSafeInteger(read)) throw wrong(`${name} is a whole number`);
  return read;
}

function flagIn({ ignore_case: value }: JsonObject): boolean | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'boolean') throw wrong('ignore_case is true or false');
  return value;
}

/** RT2: the page, and in square brackets what is to be known of it. */
function answerText({ text: page, encoding, range: shown, bytes, matches, next }: ReadBack): string {
  const notes: string[] = [];
  if (matches !== undefined) notes.push(`${matches === 0 ? 'nothing' : matches} found`);
  if (encoding !== undefined) notes.push('this is no text: its bytes as base64');
  if (shown !== undefined && next !== undefined) {
    notes.push(`bytes ${shown.from} to ${shown.to}${bytes === null ? '' : ` of ${bytes}`}`);
  }
  if (bytes === 0) notes.push('it is empty');
  if (next !== undefined) notes.push(`more: ${goingOn(next)}`);
  if (notes.length === 0 || (next === undefined && matches !== undefined && matches > 0)) return page;
  return `${page}${page === '' || page.endsWith('\n') ? '' : '\n'}[${notes.join('; ')}]`;
}

function goingOn({ ref, bytes, search, path }: ReadBackCall): string {
  const where = {
    ...given('ref', ref),
    ...given('from_ref', search?.fromRef),
    ...given('from_line', search?.fromLine),
    ...given('from_byte', search?.fromByte ?? bytes?.from),
    ...given('to_byte', bytes?.to),
  };
  const same =
    search === undefined ? (path === undefined ? '' : 'the same path with ') : 'the same search with ';
  return `${same}${JSON.stringify(where)}`;
}
