// Post: what may be posted, and a stored post as it travels.
//
//   P1. One rule for every way in: content is trimmed and composed (NFC) first, and then counted in code points.
//   P2. Content is kept as it was said, markup and odd scripts included; only what steers a terminal or a log is refused.
//       Whoever shows it shows text.
//   P3. A post is made ready to travel once, however many read it; no line break in it can forge a field of a stream.
import { SojournError } from '../kernel/errors.ts';
import type { JsonObject } from '../kernel/json.ts';
import type { PostRow } from '../store/store.ts';
import type { PostAuthor, PostView } from '../wire/post.ts';
import { timeText } from './event.ts';

export const CONTENT_POINTS_MAX = 280;
export const METADATA_BYTES_MAX = 4_096;
/** Longer text is refused before any work is done on it. */
const UNITS_MAX = 4_096;

// oxlint-disable-next-line no-control-regex -- these are what must not pass
const STEERING = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/u;
const SEEN = /[^\p{C}\p{Z}\p{M}]/u;

/** P1, P2. Throws `input.invalid`. */
export function checkContent(given: unknown): string {
  const wrong = (what: string): never => {
    throw new SojournError('input.invalid', `/content ${what}`);
  };
  if (typeof given !== 'string') return wrong('must be text');
  if (given.length > UNITS_MAX) return wrong(`must have at most ${CONTENT_POINTS_MAX} characters`);
  if (!given.isWellFormed()) return wrong('holds a lone surrogate');
  const content = given.replaceAll('\r\n', '\n').trim().normalize('NFC');
  if (Array.from(content).length > CONTENT_POINTS_MAX)
    return wrong(`must have at most ${CONTENT_POINTS_MAX} characters`);
  if (!SEEN.test(content)) return wrong('must hold something that can be seen');
  if (STEERING.test(content)) return wrong('may hold no control characters but line breaks and tabs');
  return content;
}

/** In one line, and cut to what a post may hold. */
export function briefContent(text: string): string {
  const flat = text
    .slice(0, UNITS_MAX)
    .toWellFormed()
    .replaceAll(/[\p{Cc}\s]+/gu, ' ')
    .trim()
    .normalize('NFC');
  const points = Array.from(flat);
  if (points.length <= CONTENT_POINTS_MAX) return flat;
  return `${points.slice(0, CONTENT_POINTS_MAX - 1).join('')}…`;
}

/** As JSON text. Throws `input.invalid`. */
export function checkMetadata(metadata: JsonObject | undefined): string {
  if (metadata === undefined) return '{}';
  let text: string | undefined;
  try {
    text = JSON.stringify(metadata);
  } catch (cause) {
    throw new SojournError('input.invalid', '/metadata is no JSON', { cause });
  }
  if (text === undefined || !text.startsWith('{'))
    throw new SojournError('input.invalid', '/metadata must be an object');
  const bytes = Buffer.byteLength(text);
  if (bytes <= METADATA_BYTES_MAX) return text;
  throw new SojournError('input.invalid', `/metadata has ${bytes} bytes; ${METADATA_BYTES_MAX} are allowed`);
}

// Beside no timeline, because nothing in them depends on one: each entry is the answer of a pure function to an object that
// nobody changes, and goes with it. Two runtimes in one process never meet here.
const views = new WeakMap<PostRow, PostView>();
const texts = new WeakMap<PostView, string>();

/** Shared by all who read the row, so it is frozen (P3). */
export function postView(row: PostRow): PostView {
  let view = views.get(row);
  if (view === undefined) {
    const { id, at, project, content, session, turn } = row;
    const author = Object.freeze(JSON.parse(row.author) as PostAuthor);
    const metadata = Object.freeze(JSON.parse(row.metadata) as JsonObject);
    view = Object.freeze({ id, at: timeText(at), project, author, content, metadata, session, turn });
    views.set(row, view);
  }
  return view;
}

/** As one server-sent event (P3). */
export function postFrame(view: PostView): string {
  let text = texts.get(view);
  if (text === undefined) {
    text = `id: ${view.id}\nevent: post\ndata: ${JSON.stringify(view)}\n\n`;
    texts.set(view, text);
  }
  return text;
}
