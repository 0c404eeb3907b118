// Posts: identities that post on one timeline, and many readers that follow it.
//
// Every reader holds an SSE connection of its own; a post is sent, and each reader's delay is from the moment it was sent
// to the moment its last byte has come. A reader that gets anything but each post once, in order and word for word,
// fails the order.
import { connect } from 'node:net';
import { sample, type Sample } from '../sample.ts';
import { Connection } from './connection.ts';
import { requestOf, type Target } from './turn.ts';

export interface PostsOrder {
  order: 'posts';
  target: Target;
  /** Those that post at the same time. */
  authors: number;
  /** Of one alone, and of each of those. */
  postsEach: number;
  readers: number;
  /** Posts that are followed, one after the other. */
  followed: number;
}

export interface PostsFigures {
  /** From sending a post until it is durable, one author alone. */
  aloneMs: Sample;
  /** All authors together. */
  postsPerSecond: number;
  /** From sending a post until a reader has it, and until the last one has. */
  readMs: Sample;
  lastMs: Sample;
  deliveredPerSecond: number;
}

const SIGN_INS = '/v1/sign-ins';
const POSTS = '/v1/posts';

export async function postAll(order: PostsOrder): Promise<PostsFigures> {
  const authors = await Promise.all(
    Array.from({ length: order.authors }, (_each, index) => Author.signIn(order.target, `author ${index}`)),
  );
  const [first] = authors;
  if (first === undefined) throw new Error('Nobody posts');
  for (let warm = 0; warm < order.postsEach; warm += 1) await first.post('warm');
  const aloneMs: number[] = [];
  for (let post = 0; post < order.postsEach; post += 1) aloneMs.push(await first.post(`alone ${post}`));
  const start = performance.now();
  await Promise.all(
    authors.map(async (author) => {
      for (let post = 0; post < order.postsEach; post += 1) await author.post(`together ${post}`);
    }),
  );
  const ms = performance.now() - start;
  const followed = await followAll(order, first);
  for (const author of authors) author.close();
  return {
    aloneMs: sample(aloneMs),
    postsPerSecond: ((order.authors * order.postsEach) / ms) * 1_000,
    ...followed,
  };
}

async function followAll(
  order: PostsOrder,
  author: Author,
): Promise<Pick<PostsFigures, 'readMs' | 'lastMs' | 'deliveredPerSecond'>> {
  const readers = await Promise.all(Array.from({ length: order.readers }, () => openReader(order.target)));
  const readMs: number[] = [];
  const lastMs: number[] = [];
  const start = performance.now();
  for (let post = 0; post < order.followed; post += 1) {
    const content = `followed ${post}`;
    const all = readers.map((reader) => reader.next(content));
    const sent = performance.now();
    const [, ...times] = await Promise.all([author.post(content), ...all]);
    for (const at of times) readMs.push(at - sent);
    lastMs.push(Math.max(...times) - sent);
  }
  const ms = performance.now() - start;
  for (const reader of readers) reader.close();
  return {
    readMs: sample(readMs),
    lastMs: sample(lastMs),
    deliveredPerSecond: ((order.readers * order.followed) / ms) * 1_000,
  };
}

class Author {
  readonly #target: Target;
  readonly #connection: Connection;

  private constructor(target: Target) {
    this.#target = target;
    this.#connection = new Connection(target.host, target.port);
  }

  static async signIn(target: Target, name: string): Promise<Author> {
    const door = new Connection(target.host, target.port);
    const reply = await door.send(
      requestOf(target, 'POST', SIGN_INS, 'application/json', JSON.stringify({ name })),
    );
    door.close();
    if (reply.status !== 201) throw new Error(`${name} could not sign in: ${reply.status} ${reply.body}`);
    const { token } = JSON.parse(reply.body) as { token: string };
    return new Author({ ...target, token });
  }

  /** How long it took. */
  async post(content: string): Promise<number> {
    const request = requestOf(this.#target, 'POST', POSTS, 'application/json', JSON.stringify({ content }));
    const start = performance.now();
    const reply = await this.#connection.send(request);
    const ms = performance.now() - start;
    if (reply.status !== 201) throw new Error(`A post was refused: ${reply.status} ${reply.body}`);
    if ((JSON.parse(reply.body) as { content: string }).content !== content) throw new Error(reply.body);
    return ms;
  }

  close(): void {
    this.#connection.close();
  }
}

interface Reader {
  /** Resolves with the time at which the next post has come; rejects when that says anything else. */
  next(content: string): Promise<number>;
  close(): void;
}

/** Resolves once the server has answered, so that no reader comes in the middle. */
function openReader(target: Target): Promise<Reader> {
  const socket = connect({ host: target.host, port: target.port, noDelay: true });
  socket.setEncoding('latin1');
  const came: { text: string; at: number }[] = [];
  let rest = '';
  let waiting: (() => void) | undefined;
  const reader: Reader = {
    next: async (content) => {
      while (came.length === 0) await new Promise<void>((resolve) => (waiting = resolve));
      const post = came.shift();
      const said = post === undefined ? '' : (JSON.parse(post.text) as { content: string }).content;
      if (post === undefined || said !== content) throw new Error(`A reader got ${said}, not ${content}`);
      return post.at;
    },
    close: () => socket.destroy(),
  };
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.write(requestOf(target, 'GET', POSTS, 'text/event-stream'));
    socket.on('data', (text: string) => {
      rest += text;
      const blocks = rest.split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) {
        if (block.includes('event: timeline')) resolve(reader);
        const at = block.indexOf('\ndata: ');
        if (!block.includes('event: post\n')) continue;
        came.push({ text: block.slice(at + '\ndata: '.length), at: performance.now() });
        waiting?.();
      }
    });
  });
}
