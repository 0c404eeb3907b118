// Searcher: the thread in which patterns and paths of strangers run, so that none of them holds up the event loop. Each
// message gets one reply; whoever started the thread ends it.
import { Buffer } from 'node:buffer';
import { parentPort } from 'node:worker_threads';
import { assert } from '../kernel/errors.ts';
import { valuesAt, type Values } from './json-path.ts';
import { type Found, Search, type SearchOrder } from './search.ts';

export type Ask =
  | { kind: 'search'; order: SearchOrder }
  | { kind: 'begin'; heading: string; at: { line: number; byte: number }; before: string }
  | { kind: 'piece'; bytes: Uint8Array }
  | { kind: 'end' }
  /** A source from its beginning to its end. */
  | { kind: 'whole'; heading: string; bytes: Uint8Array }
  | { kind: 'found'; isDone: boolean }
  | { kind: 'values'; path: string; text: string; bytesMax: number };

export type Reply =
  | { kind: 'going'; full: boolean }
  | { kind: 'found'; found: Found }
  | { kind: 'values'; values: Values }
  | Refused;

/** What it was asked for cannot be done; in words for whoever asked. */
export interface Refused {
  kind: 'refused';
  detail: string;
}

assert(parentPort, 'the searcher runs in a thread of its own');
const port = parentPort;
let search: Search | undefined;

function answer(ask: Ask): Reply {
  if (ask.kind === 'values') {
    return { kind: 'values', values: valuesAt(ask.path, ask.text, ask.bytesMax) };
  }
  if (ask.kind === 'search') search = new Search(ask.order);
  assert(search, 'a search begins with its order');
  if (ask.kind === 'begin') search.begin(ask.heading, ask.at, ask.before);
  if (ask.kind === 'whole') search.begin(ask.heading, { line: 1, byte: 0 });
  if (ask.kind === 'piece' || ask.kind === 'whole') search.feed(bufferOf(ask.bytes));
  if (ask.kind === 'end' || ask.kind === 'whole') search.end();
  if (ask.kind === 'found') return { kind: 'found', found: search.found(ask.isDone) };
  return { kind: 'going', full: search.full };
}

const bufferOf = ({ buffer, byteOffset, byteLength }: Uint8Array): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength);

port.on('message', (ask: Ask) => {
  let reply: Reply;
  try {
    reply = answer(ask);
  } catch (error) {
    reply = { kind: 'refused', detail: error instanceof Error ? error.message : String(error) };
  }
  port.postMessage(reply);
});
