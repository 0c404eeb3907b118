// Resources: what a client may put before its model without a tool call: transcripts, working sets, and
// the timeline.
//
//   RS1. A resource is read with the rights of the caller; what it may not see is as if it were not there.
//   RS2. A transcript is cut from its beginning, so that the newest is always there, and says that it was cut.
import {
  ResourceNotFoundError,
  type ListResourcesResult,
  type ListResourceTemplatesResult,
  type ReadResourceResult,
} from '@modelcontextprotocol/server';
import { SojournError } from '../../kernel/errors.ts';
import type { RuntimeCalls } from '../../runtime/runtime.ts';
import type { Caller } from '../../wire/access.ts';

const LISTED = 50;
const TRANSCRIPT_CHARS_MAX = 256 * 1_024;
const POSTS = 100;
const TIMELINE = 'sojourn://timeline';
const OF_SESSION = /^sojourn:\/\/sessions\/([^/?#]+)\/(transcript|context)$/;

const transcriptUri = (key: string): string => `sojourn://sessions/${encodeURIComponent(key)}/transcript`;

const timeline = {
  uri: TIMELINE,
  name: 'timeline',
  title: 'Timeline',
  description: `The newest ${POSTS} posts of the project, newest first, as {"posts": [{"id", "at", "author", "content", "session", "turn"}]}.`,
  mimeType: 'application/json',
};

export class Resources {
  readonly #runtime: RuntimeCalls;
  readonly #caller: Caller;

  constructor(runtime: RuntimeCalls, caller: Caller) {
    this.#runtime = runtime;
    this.#caller = caller;
  }

  async list(cursor: string | undefined): Promise<ListResourcesResult> {
    const query = { limit: LISTED, ...(cursor === undefined ? {} : { cursor }) };
    const { sessions, nextCursor } = await this.#runtime.sessions(query, this.#caller);
    const resources = sessions.map(({ key, title, summary, agent, lastActiveAt }) => ({
      uri: transcriptUri(key),
      name: key,
      title: title ?? summary ?? key,
      description: `The conversation with ${agent}.`,
      mimeType: 'application/json',
      annotations: { lastModified: lastActiveAt },
    }));
    const first = cursor === undefined ? [timeline] : [];
    return { resources: [...first, ...resources], ...(nextCursor === null ? {} : { nextCursor }) };
  }

  templates(): ListResourceTemplatesResult {
    return {
      resourceTemplates: [
        {
          uriTemplate: 'sojourn://sessions/{key}/transcript',
          name: 'transcript',
          title: 'Transcript of a session',
          description:
            'What was said in a session, as {"messages": [{"role", "parts", "turn", "at"}]}, oldest first. The key is percent-encoded.',
          mimeType: 'application/json',
        },
        {
          uriTemplate: 'sojourn://sessions/{key}/context',
          name: 'context',
          title: 'Working set of a session',
          description:
            'What the next turn of a session would see, with its sizes in tokens: digests and turns, each with a ref that read_back takes, and the tasks so far. The key is percent-encoded.',
          mimeType: 'application/json',
        },
      ],
    };
  }

  /** RS1. */
  async read(uri: string): Promise<ReadResourceResult> {
    if (uri === TIMELINE)
      return { contents: [{ uri, mimeType: 'application/json', text: await this.#timeline() }] };
    const named = namedBy(uri);
    if (named === undefined) throw new ResourceNotFoundError(uri);
    try {
      const text =
        named.what === 'transcript' ? await this.#transcript(named.key) : await this.#context(named.key);
      return { contents: [{ uri, mimeType: 'application/json', text }] };
    } catch (error) {
      const absent = error instanceof SojournError && /^(key\.|session\.not_found)/.test(error.code);
      if (absent) throw new ResourceNotFoundError(uri);
      throw error;
    }
  }

  async #timeline(): Promise<string> {
    const { posts } = await this.#runtime.timeline.page({ limit: POSTS }, this.#caller);
    return JSON.stringify({ posts });
  }

  async #context(key: string): Promise<string> {
    return JSON.stringify(await this.#runtime.context(key, this.#caller));
  }

  /** RS2. */
  async #transcript(key: string): Promise<string> {
    const messages = await this.#runtime.transcript(key, this.#caller);
    const texts: string[] = [];
    let chars = 0;
    for (const message of messages.toReversed()) {
      const text = JSON.stringify(message);
      chars += text.length;
      if (texts.length > 0 && chars > TRANSCRIPT_CHARS_MAX) break;
      texts.push(text);
    }
    const left = messages.length - texts.length;
    const cut = left > 0 ? `"leftOut":${left},` : '';
    return `{${cut}"messages":[${texts.toReversed().join(',')}]}`;
  }
}

function namedBy(uri: string): { key: string; what: string } | undefined {
  const [, piece, what] = OF_SESSION.exec(uri) ?? [];
  if (piece === undefined || what === undefined) return undefined;
  try {
    return { key: decodeURIComponent(piece), what };
  } catch {
    return undefined;
  }
}
