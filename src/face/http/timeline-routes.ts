// Timeline routes: posting, and reading a project's timeline by the page or as it grows.
import { SojournError } from '../../kernel/errors.ts';
import { postFrame } from '../../log/post.ts';
import { postCall } from '../../wire/schema.ts';
import { postPageView, postView } from '../../wire/view-schema.ts';
import { isLoopback } from './connections.ts';
import { cursorOf } from './event-routes.ts';
import type { Exchange } from './exchange.ts';
import type { Parameter, Route } from './route.ts';
import { STREAM_HEADERS } from './stream.ts';
import { idempotencyKeyOf } from './turn-routes.ts';

async function post(x: Exchange): Promise<void> {
  const idempotencyKey = idempotencyKeyOf(x);
  const call = await x.body(postCall, { steers: false });
  const options = idempotencyKey === undefined ? {} : { idempotencyKey };
  x.json(201, await x.runtime.timeline.post(call, options, x.caller));
}

async function read(x: Exchange): Promise<void> {
  if (x.wantsEvents) return follow(x);
  const limit = x.queryInt('limit', 1, Number.MAX_SAFE_INTEGER);
  const query = {
    ...filterOf(x, 'identity', 'session', 'since', 'until'),
    ...cursor('after', x.query('after')),
    ...cursor('before', x.query('before')),
    ...(limit === undefined ? {} : { limit }),
  };
  x.json(200, await x.runtime.timeline.page(query, x.caller));
}

/** The first event has the cursor as its id, so that whoever loses the connection before any post can still resume. */
async function follow(x: Exchange): Promise<void> {
  for (const name of ['before', 'until', 'limit']) {
    if (x.query(name) !== undefined)
      throw new SojournError('input.invalid', `At "?${name}": has no meaning in a stream`);
  }
  const place = x.parts.streams.enter(x.caller, isLoopback(x.address), x.runtime);
  try {
    const call = {
      ...filterOf(x, 'identity', 'session', 'since'),
      ...cursor('after', x.header('last-event-id') ?? x.query('after')),
    };
    const tail = await x.runtime.timeline.follow(call, x.caller);
    x.head(200, STREAM_HEADERS);
    if (x.request.method === 'HEAD') {
      tail.close();
      x.response.end();
      return;
    }
    const first = `id: ${tail.from}\nevent: timeline\ndata: ${JSON.stringify({ after: tail.from })}\n\n`;
    await place.show(x.response, { tail, first, frame: postFrame, isLast: () => false });
  } finally {
    place.leave();
  }
}

function filterOf(x: Exchange, ...names: readonly string[]): Record<string, string> {
  const given = names.flatMap((name) => {
    const value = x.query(name);
    return value === undefined ? [] : [[name, value] as const];
  });
  return Object.fromEntries(given);
}

function cursor(name: string, text: string | undefined): Record<string, number> {
  return text === undefined ? {} : { [name]: cursorOf(text) };
}

const parameters: readonly Parameter[] = [
  { name: 'after', in: 'query', type: 'integer', description: 'Posts with a larger id, the smallest first.' },
  {
    name: 'before',
    in: 'query',
    type: 'integer',
    description: 'Posts with a smaller id, the largest first.',
  },
  {
    name: 'limit',
    in: 'query',
    type: 'integer',
    description: 'Posts in a page, default 100; more than 200 counts as 200.',
  },
  { name: 'identity', in: 'query', description: 'Posts of the identity with this id.' },
  { name: 'session', in: 'query', description: 'Posts about the session with this id.' },
  { name: 'since', in: 'query', description: 'Posts not before this time, RFC 3339.' },
  { name: 'until', in: 'query', description: 'Posts before this time, RFC 3339.' },
  {
    name: 'Last-Event-ID',
    in: 'header',
    type: 'integer',
    description: 'In a stream: go on after this post. Wins over `after`.',
  },
];

export const timelineRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/v1/posts',
    access: 'post',
    tag: 'Timeline',
    id: 'addPost',
    summary: 'Post on the timeline, as the identity that is signed in',
    description:
      'Needs the token of a sign-in. 1 to 280 characters. With an `Idempotency-Key` a repeat makes no second post. An identity that posts too often gets `timeline.limit`, with the time to wait.',
    body: postCall,
    parameters: [{ name: 'Idempotency-Key', in: 'header', description: 'Sent twice, the post counts once.' }],
    answers: { 201: { description: 'It is on the timeline, and on disk.', schema: postView } },
    answer: post,
  },
  {
    method: 'GET',
    path: '/v1/posts',
    access: 'read',
    tag: 'Timeline',
    id: 'listPosts',
    summary: "Read the project's timeline, by the page or as it grows",
    description:
      'A sign-in may read it without the scope, in its own project. The newest first, or with `after` the oldest first; `next` is the cursor of the next page of the same direction. With `Accept: text/event-stream` it follows: the posts to come, or those after `Last-Event-ID` or `after`, or since `since`, and then those to come. `id` is the id of the post, `event` is `post`; the first event, `timeline`, only carries the cursor. A cursor whose next posts have been pruned is `timeline.pruned`.',
    parameters,
    answers: {
      200: {
        description: 'A page; or a stream, with `Accept: text/event-stream`.',
        schema: postPageView,
        type: 'text/event-stream',
      },
    },
    answer: read,
  },
];
