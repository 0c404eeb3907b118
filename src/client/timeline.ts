// Timeline: the posts of a project, page after page or as they come, whatever happens to the connections under it.
//
//   T1. Followed posts come in the order of their ids, none twice, none missing. Posts that are gone before they were
//       read end the stream with `timeline.pruned`: nothing is passed over in silence.
//   T2. Every connection after the first asks from the last id that was heard of. The server names the cursor before any
//       post, so that a connection lost before the first one loses none.
//   T3. An error whose next step is `stop` ends the stream with it; any other is waited out within `retryMsMax`.
import { SojournError } from '../kernel/errors.ts';
import type { PostPage, PostQuery, PostTailCall, PostView } from '../wire/post.ts';
import { isPassing, type Connection } from './connection.ts';
import { streamOnce } from './frames.ts';

const PATH = '/v1/posts';

/** Page after page, to the end of the direction that was asked for; `limit` is the size of a page. */
export async function* pagedPosts(
  connection: Connection,
  query: PostQuery,
  signal: AbortSignal | undefined,
): AsyncGenerator<PostView, void, undefined> {
  const direction = query.after === undefined ? 'before' : 'after';
  let at = query[direction];
  for (;;) {
    const page: PostPage = await connection.json({
      method: 'GET',
      path: PATH,
      query: { ...query, [direction]: at },
      ...(signal === undefined ? {} : { signal }),
    });
    yield* page.posts;
    if (page.next === null) return;
    at = page.next;
  }
}

/** The posts to come, or those after a cursor or since a time, and then those to come. Ends by an error or the signal. */
export async function* followedPosts(
  connection: Connection,
  call: PostTailCall,
  signal: AbortSignal | undefined,
): AsyncGenerator<PostView, void, undefined> {
  const patience = connection.patience();
  let { after } = call;
  for (;;) {
    const attempt = new AbortController();
    let failure: SojournError | undefined;
    try {
      const query = { ...call, after }; // T2
      for await (const frame of streamOnce(connection, { path: PATH, query, signal }, attempt, () =>
        patience.alive(false),
      )) {
        const id = idOf(frame.id);
        if (id === undefined || (after !== undefined && id <= after)) continue; // T1
        after = id;
        if (frame.event !== 'post') continue;
        patience.alive(true);
        yield postOf(frame.data);
        signal?.throwIfAborted(); // Not even what has arrived already.
      }
    } catch (thrown) {
      failure = connection.failure(attempt.signal.aborted ? attempt.signal.reason : thrown, signal);
      if (!isPassing(failure)) throw failure; // T3
    } finally {
      attempt.abort();
    }
    failure ??= new SojournError('server.unreachable', 'The stream ended');
    await patience.wait(failure, signal);
  }
}

function idOf(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  if (/^[0-9]{1,16}$/.test(text)) return Number(text);
  throw new SojournError('server.unexpected', 'The id of a post is no number');
}

function postOf(data: string): PostView {
  try {
    const post = JSON.parse(data) as PostView;
    if (Number.isSafeInteger(post.id) && typeof post.content === 'string') return post;
  } catch (cause) {
    throw new SojournError('server.unexpected', 'A post is not JSON', { cause });
  }
  throw new SojournError('server.unexpected', 'A post has no id or content');
}
