// Read-back call: whether it says one thing, and within bounds. What a model or a stranger sends comes here as it is.
import { SojournError } from '../kernel/errors.ts';
import type { ReadBackCall, ReadBackSearch } from '../wire/context.ts';

const PATTERN_CHARS_MAX = 1_000;
const AROUND_MAX = 20;
const TAIL_MAX = 100_000;
const WAYS = ['bytes', 'lines', 'head', 'tail', 'search', 'path'] as const;

/** Throws `read-back.invalid`. */
export function checkCall(call: ReadBackCall): void {
  const ways = WAYS.filter((way) => call[way] !== undefined);
  if (ways.length > 1 && ways.join() !== 'bytes,path') {
    throw invalid(`There is one way of reading at a time, not ${ways.join(' and ')}`);
  }
  if (call.ref !== undefined && typeof call.ref !== 'string') throw invalid('ref is a text');
  checkRange('bytes', call.bytes, 0);
  checkRange('lines', call.lines, 1);
  checkNumber('head', call.head, 1);
  checkNumber('tail', call.tail, 1, TAIL_MAX);
  if (call.path !== undefined) checkText('path', call.path);
  if (call.search !== undefined) checkSearch(call.search, call.ref === undefined);
}

export const invalid = (detail: string): SojournError => new SojournError('read-back.invalid', detail);

function checkSearch(search: ReadBackSearch, isEverywhere: boolean): void {
  const { pattern, ignoreCase, around, fromLine, fromByte, fromRef } = search;
  checkText('search', pattern);
  if (ignoreCase !== undefined && typeof ignoreCase !== 'boolean')
    throw invalid('ignoreCase is true or false');
  checkNumber('around', around, 0, AROUND_MAX);
  checkNumber('fromLine', fromLine, 1);
  checkNumber('fromByte', fromByte, 0);
  if (fromRef === undefined) return;
  if (typeof fromRef !== 'string' || !isEverywhere)
    throw invalid('fromRef goes on with a search without ref');
}

function checkRange(name: string, range: { from: number; to?: number } | undefined, least: number): void {
  if (range === undefined) return;
  if (typeof range !== 'object' || range === null) throw invalid(`${name} is a range, with from and to`);
  checkNumber(`${name}.from`, range.from ?? Number.NaN, least);
  checkNumber(`${name}.to`, range.to, range.from);
}

function checkNumber(name: string, value: number | undefined, least: number, most?: number): void {
  if (value === undefined) return;
  if (Number.isSafeInteger(value) && value >= least && value <= (most ?? value)) return;
  const bound = most === undefined ? `of at least ${least}` : `from ${least} to ${most}`;
  throw invalid(`${name} is a whole number ${bound}`);
}

function checkText(name: string, text: string): void {
  if (typeof text === 'string' && text !== '' && text.length <= PATTERN_CHARS_MAX) return;
  throw invalid(`${name} is a text of 1 to ${PATTERN_CHARS_MAX} characters`);
}
