// Event routes: a session's log, by the page or as it grows; and what waits for a person.
import { SojournError } from '../../kernel/errors.ts';
import { eventFrame, eventText } from '../../log/event.ts';
import type { Tail } from '../../runtime/runtime.ts';
import { answerCall } from '../../wire/schema.ts';
import { decisionView, eventPageView, requestPageView } from '../../wire/view-schema.ts';
import { isLoopback } from './connections.ts';
import type { Exchange } from './exchange.ts';
import { shown } from './gate.ts';
import type { Route } from './route.ts';
import { STREAM_HEADERS, type Shown } from './stream.ts';

const PAGE_MAX = 1_000;

type ShownEvent = Awaited<ReturnType<Tail['next']>>[number];

async function events(x: Exchange): Promise<void> {
  const session = x.query('session');
  if (x.wantsEvents) {
    await follow(x, session);
    return;
  }
  const limit = x.queryInt('limit', 1, PAGE_MAX);
  const options = { after: cursorOf(x.query('after')), ...(limit === undefined ? {} : { limit }) };
  // Whose the cursor is comes first: one of another session may as well be beyond this log, or in what it has pruned.
  if (session !== undefined) refuseForeign(session, (await x.runtime.session(x.key, x.caller)).id);
  const page = await x.runtime.events(x.key, options, x.caller);
  // The key may have changed hands since.
  if (session !== undefined) refuseForeign(session, page.session);
  const texts = page.events.map(eventText).join(',');
  const head = `"session":${JSON.stringify(page.session)},"headSeq":${page.headSeq}`;
  x.text(200, 'application/json', `{${head},"events":[${texts}]}`);
}

function refuseForeign(session: string, found: string): void {
  if (session === found) return;
  throw new SojournError('cursor.foreign', 'The cursor belongs to another session');
}

async function follow(x: Exchange, session: string | undefined): Promise<void> {
  const after = cursorOf(x.header('last-event-id') ?? x.query('after'));
  const place = x.parts.streams.enter(x.caller, isLoopback(x.address), x.runtime);
  try {
    const call = { after, untilIdle: untilIdle(x), ...(session === undefined ? {} : { session }) };
    const tail = await x.runtime.tail(x.key, call, x.caller);
    x.head(200, STREAM_HEADERS);
    if (x.request.method === 'HEAD') {
      tail.close();
      x.response.end();
      return;
    }
    await place.show(x.response, shownLog(tail));
  } finally {
    place.leave();
  }
}

/** A log as a stream; with a turn it ends when that has ended. */
export function shownLog(tail: Tail, first = '', turn?: string): Shown<ShownEvent> {
  const isLast = (event: ShownEvent): boolean => event.kind === 'turn.ended' && event.turn === turn;
  return { tail, first, frame: eventFrame, isLast };
}

/** Absent is the beginning; anything but plain digits is no cursor. */
export function cursorOf(text: string | undefined): number {
  if (text === undefined) return 0;
  if (!/^[0-9]{1,16}$/.test(text)) throw new SojournError('cursor.invalid', `${shown(text)} is no cursor`);
  return Number(text);
}

function untilIdle(x: Exchange): boolean {
  const until = x.query('until');
  if (until === undefined || until === 'idle') return until === 'idle';
  throw new SojournError('input.invalid', 'At "?until": must be idle');
}

export const eventRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/sessions/{key}/events',
    access: 'read',
    tag: 'Events',
    id: 'listEvents',
    summary: 'Read the log, by the page or as it grows',
    description:
      'With `Accept: text/event-stream` it follows the session across turns until the reader leaves: `id` is `seq`, `event` the kind, `data` the event; a comment every 15 seconds shows that it lives.',
    parameters: [
      {
        name: 'after',
        in: 'query',
        type: 'integer',
        description: 'Only events with a larger seq; default 0.',
      },
      { name: 'limit', in: 'query', type: 'integer', description: 'Events in a page: 1 to 1,000.' },
      { name: 'session', in: 'query', description: 'The session the cursor belongs to; another is 404.' },
      { name: 'until', in: 'query', description: '`idle`: the stream ends when nothing runs or waits.' },
      {
        name: 'Last-Event-ID',
        in: 'header',
        type: 'integer',
        description: 'The last seq that was seen; wins over `after`.',
      },
    ],
    answers: {
      200: { description: 'A page, or the events.', schema: eventPageView, type: 'text/event-stream' },
    },
    answer: events,
  },
  {
    method: 'GET',
    path: '/v1/requests',
    access: 'read',
    tag: 'Requests',
    id: 'listRequests',
    summary: 'List questions and approvals that wait for a person',
    answers: { 200: { description: 'Open ones, oldest first.', schema: requestPageView } },
    answer: async (x) => x.json(200, { requests: await x.runtime.requests(x.caller) }),
  },
  {
    method: 'POST',
    path: '/v1/sessions/{key}/requests/{id}',
    access: 'approve',
    tag: 'Requests',
    id: 'answerRequest',
    summary: 'Answer a question, allow or deny an approval',
    body: answerCall,
    answers: { 200: { description: 'It is answered.', schema: decisionView } },
    answer: async (x) => {
      const call = await x.body(answerCall, { steers: true });
      x.json(200, await x.runtime.answer(x.key, x.param('id'), call, x.caller));
    },
  },
];
