// Read-back routes: what was moved out of a session's working set.
import { readBackView } from '../../wire/context-schema.ts';
import { unflattened } from '../../wire/read-back.ts';
import type { Exchange } from './exchange.ts';
import type { Parameter, Route } from './route.ts';

const NUMBER_MAX = 999_999_999_999_999;

const DESCRIPTIONS = {
  ref: '`artifact:HEX`, `log:SEQ` or `log:FROM-TO`. May be left out with `search`.',
  fromLine: 'The first line, from 1. With `search`: where it begins.',
  toLine: 'The last line, which is read too.',
  head: 'So many lines from the start.',
  tail: 'So many lines from the end.',
  search: "A regular expression in RE2's syntax: the lines that match.",
  ignoreCase: 'With `search`: `true` to make no difference between small and capital letters.',
  around: 'With `search`: so many lines before and behind each match; 0 to 20.',
  path: 'JSONPath (RFC 9535): each value it finds is a line of JSON.',
  fromByte: 'The first byte, from 0. With `search`: where it goes on.',
  toByte: 'The byte to stop before.',
  fromRef: 'With `search` and without `ref`: where it goes on.',
} as const;

async function read(x: Exchange): Promise<void> {
  const number = (name: keyof typeof DESCRIPTIONS): number | undefined => x.queryInt(name, 0, NUMBER_MAX);
  const call = unflattened({
    ref: x.query('ref'),
    fromLine: number('fromLine'),
    toLine: number('toLine'),
    head: number('head'),
    tail: number('tail'),
    search: x.query('search'),
    ignoreCase: x.queryFlag('ignoreCase'),
    around: number('around'),
    path: x.query('path'),
    fromByte: number('fromByte'),
    toByte: number('toByte'),
    fromRef: x.query('fromRef'),
  });
  x.json(200, await x.runtime.readBack(x.key, call, { signal: x.left }, x.caller));
}

export const readBackRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/sessions/{key}/read-back',
    access: 'read',
    tag: 'Sessions',
    id: 'readBack',
    summary: 'Read what was moved out of the working set',
    description:
      'One way of reading at most: lines, `head`, `tail`, bytes, `search` or `path`; with none, from the start. An answer is a page, and `next` the call that goes on: all pages of a text are the text, byte for byte.',
    parameters: Object.entries(DESCRIPTIONS).map(([name, description]): Parameter => ({
      name,
      in: 'query',
      description,
    })),
    answers: { 200: { description: 'A page of it.', schema: readBackView } },
    answer: read,
  },
];
