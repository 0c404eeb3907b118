// Read-back routes: what was moved out of a session's working set.
import { readBackView } from '../../wire/context-schema.ts';
import { READ_BACK_MEMBERS, unflattened } from '../../wire/read-back.ts';
import type { Exchange } from './exchange.ts';
import type { Parameter, Route } from './route.ts';

const NUMBER_MAX = 999_999_999_999_999;
const TEXTS = ['ref', 'search', 'path', 'fromRef'];

const typeOf = (name: string): NonNullable<Parameter['type']> =>
  TEXTS.includes(name) ? 'string' : name === 'ignoreCase' ? 'boolean' : 'integer';

async function read(x: Exchange): Promise<void> {
  const number = (name: keyof typeof READ_BACK_MEMBERS): number | undefined =>
    x.queryInt(name, 0, NUMBER_MAX);
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
  x.json(200, await x.runtime.readBack(x.key, call, { signal: x.over }, x.caller));
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
    parameters: Object.entries(READ_BACK_MEMBERS).map(([name, description]): Parameter => ({
      name,
      in: 'query',
      description,
      type: typeOf(name),
    })),
    answers: { 200: { description: 'A page of it.', schema: readBackView } },
    answer: read,
  },
];
