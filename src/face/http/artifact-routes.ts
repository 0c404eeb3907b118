// Artifact routes: what was too large for the log, whole or by range.
//
//   AR1. Bytes that agents and strangers wrote never become a page: text is plain text, all else is a download. What calls
//        itself a picture, sound or film and does not begin like one is a download of unknown kind.
//   AR2. At most `SLICE_BYTES` of one answer are in memory, however large the artifact is.
import { Buffer } from 'node:buffer';
import { SojournError } from '../../kernel/errors.ts';
import { artifactPageView } from '../../wire/view-schema.ts';
import type { Exchange } from './exchange.ts';
import type { Route } from './route.ts';

const SLICE_BYTES = 1_048_576;
/** What a picture is told by. */
const BEGINNING_BYTES = 16;

async function read(x: Exchange): Promise<void> {
  const id = x.param('id');
  const beginning = { start: 0, end: BEGINNING_BYTES };
  const { total, mediaType, name, bytes: magic } = await x.runtime.artifact(x.key, id, beginning, x.caller);
  const range = rangeOf(x, id, total);
  const start = range?.start ?? 0;
  const end = range?.end ?? total;
  const first =
    range === null && total <= SLICE_BYTES
      ? await x.runtime.artifact(x.key, id, undefined, x.caller)
      : await x.runtime.artifact(x.key, id, { start, end: Math.min(end, start + SLICE_BYTES) }, x.caller);

  x.head(range === null ? 200 : 206, [
    ...contentHeaders(mediaType, name ?? id, magic),
    ['Content-Length', String(end - start)],
    ['ETag', `"${id}"`],
    ['Accept-Ranges', 'bytes'],
    ...(range === null ? [] : [['Content-Range', `bytes ${start}-${end - 1}/${total}`] as const]),
  ]);
  if (x.request.method !== 'HEAD') await pour(x, id, first.bytes, { start, end });
  x.response.end();
}

/** AR2. */
async function pour(
  x: Exchange,
  id: string,
  first: Uint8Array,
  range: { start: number; end: number },
): Promise<void> {
  let bytes = first;
  let at = range.start;
  for (;;) {
    const taken = bytes.length === 0 || x.response.write(bytes);
    at += bytes.length;
    if (at >= range.end || bytes.length === 0) return;
    if (!taken) await x.drained();
    x.goOn();
    const end = Math.min(range.end, at + SLICE_BYTES);
    ({ bytes } = await x.runtime.artifact(x.key, id, { start: at, end }, x.caller));
  }
}

/** `end` is exclusive. Null: the whole, also for what is no single byte range (RFC 9110 lets it be ignored). */
function rangeOf(x: Exchange, id: string, total: number): { start: number; end: number } | null {
  const condition = x.header('if-range');
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(x.header('range') ?? '');
  if (match === null || (condition !== undefined && condition !== `"${id}"`)) return null;
  const [, from = '', to = ''] = match;
  if (from === '' && to === '') return null;
  const start = from === '' ? Math.max(0, total - Number(to)) : Number(from);
  const end = from === '' || to === '' ? total : Math.min(total, Number(to) + 1);
  if (from !== '' && to !== '' && Number(to) < start) return null;
  if (start < end) return { start, end };
  x.hint('Content-Range', `bytes */${total}`);
  throw new SojournError('artifact.range', `The artifact has ${total} bytes`);
}

/** AR1 */
function contentHeaders(mediaType: string, name: string, magic: Uint8Array): (readonly [string, string])[] {
  const [essence = ''] = mediaType.toLowerCase().split(';');
  const isText = /^text\/|^application\/(json|x-ndjson|jsonl|xml|yaml|toml)$/.test(essence.trim());
  const isMedia = beginsLike(essence.trim(), Buffer.from(magic).toString('latin1'));
  const type = isText ? 'text/plain; charset=utf-8' : isMedia ? essence.trim() : 'application/octet-stream';
  const encoded = encodeURIComponent(name.toWellFormed().slice(0, 200).toWellFormed()).replace(
    /['()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16)}`,
  );
  return [
    ['Content-Type', type],
    ['Content-Disposition', `${isText ? 'inline' : 'attachment'}; filename*=UTF-8''${encoded}`],
    ['Content-Security-Policy', "default-src 'none'; sandbox"],
    ['Cross-Origin-Resource-Policy', 'same-origin'],
  ];
}

const BEGINNINGS: Readonly<Record<string, RegExp>> = {
  'image/png': /^\x89PNG\r\n/,
  'image/jpeg': /^\xff\xd8\xff/,
  'image/gif': /^GIF8[79]a/,
  'image/webp': /^RIFF[^]{4}WEBP/,
  'image/avif': /^[^]{4}ftypavi[fs]/,
};

/** AR1. `magic` has a character for each byte. */
function beginsLike(type: string, magic: string): boolean {
  const beginning = BEGINNINGS[type];
  if (beginning !== undefined) return beginning.test(magic);
  return /^(audio|video)\/[\w.+-]+$/.test(type) && !/^\s*</.test(magic);
}

export const artifactRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/sessions/{key}/artifacts',
    access: 'read',
    tag: 'Artifacts',
    id: 'listArtifacts',
    summary: 'List what was too large for the log',
    answers: { 200: { description: 'All of this session.', schema: artifactPageView } },
    answer: async (x) => x.json(200, { artifacts: await x.runtime.artifacts(x.key, x.caller) }),
  },
  {
    method: 'GET',
    path: '/v1/sessions/{key}/artifacts/{id}',
    access: 'read',
    tag: 'Artifacts',
    id: 'readArtifact',
    summary: 'Read an artifact, or a range of it',
    parameters: [
      {
        name: 'Range',
        in: 'header',
        description: 'One range of bytes, e.g. `bytes=0-1023` or `bytes=-100`.',
      },
    ],
    answers: {
      200: { description: 'The bytes, as plain text or a download.', type: '*/*' },
      206: { description: 'The range.', type: '*/*' },
    },
    answer: read,
  },
];
