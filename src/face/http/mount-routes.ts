// Mount routes: where another face is served by this server, behind the same gate and the same credential.
//
//   MR1. A mounted call holds a place among the streams of its credential, and ends with that credential.
//   MR2. The answer is written as fast as its reader takes it; a reader that goes away ends it.
import type { MountedCall, OpenMount } from '../mount.ts';
import { checkContentType, hasBody, parseJson, readBytes } from './body.ts';
import { isLoopback } from './connections.ts';
import type { Exchange } from './exchange.ts';
import type { Method, Route } from './route.ts';

const METHODS: readonly Method[] = ['POST', 'GET', 'DELETE'];

export function mountRoutes(path: `/${string}`, mount: OpenMount): readonly Route[] {
  const documents = Object.entries(mount.documents).map(([at, document]): Route => ({
    method: 'GET',
    path: at as `/${string}`,
    access: 'open',
    tag: 'Mounted',
    id: `document ${at}`,
    summary: 'Who gives out tokens, and what for',
    answers: { 200: { description: 'The document.', type: 'application/json' } },
    answer: (x) => x.json(200, document(x.origin)),
  }));
  const calls = METHODS.map((method): Route => ({
    method,
    path,
    access: 'read',
    tokenDocument: mount.tokenDocument,
    tag: 'Mounted',
    id: `${method} ${path}`,
    summary: 'Answered by the face that is mounted here',
    answers: { 200: { description: 'As its protocol says.' } },
    answer: (x) => answer(x, mount),
  }));
  return [...documents, ...calls];
}

async function answer(x: Exchange, mount: OpenMount): Promise<void> {
  const place = x.parts.streams.enter(x.caller, isLoopback(x.address), x.runtime);
  try {
    const { request, requestId, caller, left, over: signal } = x;
    const headers = headersOf(x);
    const url = new URL(request.url ?? '', x.origin);
    const call: MountedCall = {
      request: new Request(url, { method: request.method ?? 'GET', headers, signal }),
      requestId,
      caller,
      left,
      body: () => bodyOf(x),
    };
    await write(x, await mount.answer(call), signal);
  } finally {
    place.leave();
  }
}

async function bodyOf(x: Exchange): Promise<unknown> {
  if (!hasBody(x.request)) return undefined;
  const { limits, clock, pulse } = x.parts;
  checkContentType(x.request, ['application/json']);
  x.takeBody();
  return parseJson(await readBytes(x.request, limits, clock, pulse), limits);
}

/** Without the credential: it has done its work. */
function headersOf(x: Exchange): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(x.request.headers)) {
    if (value === undefined || name === 'authorization') continue;
    for (const item of Array.isArray(value) ? value : [value]) headers.append(name, item);
  }
  return headers;
}

/** MR2. */
async function write(x: Exchange, answered: Response, signal: AbortSignal): Promise<void> {
  x.head(answered.status, [...answered.headers]);
  const reader = answered.body?.getReader();
  if (reader === undefined || x.request.method === 'HEAD') {
    x.response.end();
    return;
  }
  const leave = (): void => void reader.cancel().catch(() => undefined); // The reader below sees the end.
  // A stream may have nothing to say for a while, and its reader wants to know that it is open.
  x.response.flushHeaders();
  if (signal.aborted) leave();
  else signal.addEventListener('abort', leave, { once: true });
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (!x.response.write(value)) await x.drained();
  }
  signal.removeEventListener('abort', leave);
  x.response.end();
}
