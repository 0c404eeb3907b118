// Body: from a request's bytes to a value that is what it claims to be.
//
//   B1. At most `bodyBytesMax` is held; one byte more is 413, and the connection ends. A slow body is 408.
//   B2. Depth and number of members are counted before anything parses, so hostile nesting costs one pass.
//   B3. The text is UTF-8 without a byte order mark, or it is refused; nothing is repaired.
//   B4. Where a body steers the server, a key that would change an object is refused; in what belongs to a caller
//       it is inert.
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import type { Clock } from '../../kernel/clock.ts';
import { SojournError } from '../../kernel/errors.ts';
import { checked, pointerName, type Schema } from '../../wire/schema.ts';
import { shown } from './gate.ts';
import type { HttpLimits } from './limits.ts';
import type { Beat, Pulse } from './pulse.ts';

export function hasBody(request: IncomingMessage): boolean {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
  return encoding !== undefined || (length !== undefined && length !== '0');
}

/** Refuses what is not one of `types`, uncompressed, in UTF-8. */
export function checkContentType(request: IncomingMessage, types: readonly string[]): void {
  const { 'content-type': type, 'content-encoding': encoding } = request.headers;
  if (encoding !== undefined && encoding !== 'identity') {
    throw new SojournError('input.media_type', `Content-Encoding ${shown(encoding)} is not accepted`);
  }
  if (type === types[0]) return;
  const [essence = '', ...parameters] = (type ?? '').toLowerCase().split(';');
  if (!types.includes(essence.trim())) {
    throw new SojournError('input.media_type', `Content-Type is ${shown(type)}`);
  }
  for (const parameter of parameters) {
    const [name = '', value = ''] = parameter.split('=');
    if (name.trim() === 'charset' && !['utf-8', 'utf8', '"utf-8"'].includes(value.trim())) {
      throw new SojournError('input.media_type', `The charset is ${shown(value)}`);
    }
  }
}

/** All bytes of a body (B1). */
export function readBytes(
  request: IncomingMessage,
  limits: HttpLimits,
  clock: Pick<Clock, 'monotonic'>,
  pulse: Pulse,
): Promise<Buffer> {
  const tooLarge = (): SojournError =>
    new SojournError('input.too_large', `The body is over ${limits.bodyBytesMax} bytes`);
  if (Number(request.headers['content-length'] ?? 0) > limits.bodyBytesMax) return Promise.reject(tooLarge());

  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    let bytes = 0;
    const endsMs = clock.monotonic() + limits.bodyMsMax;
    const beat: Beat = (now) => {
      if (now >= endsMs)
        settle(() => reject(new SojournError('input.timeout', 'The body did not end in time')));
    };
    const settle = (settled: () => void): void => {
      pulse.delete(beat);
      request.off('data', onData).off('end', onEnd).off('close', onClose);
      settled();
    };
    const onData = (piece: Buffer): void => {
      bytes += piece.length;
      if (bytes > limits.bodyBytesMax) settle(() => reject(tooLarge()));
      else pieces.push(piece);
    };
    const onEnd = (): void =>
      settle(() => resolve(pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces, bytes)));
    const onClose = (): void =>
      settle(() => reject(new SojournError('input.malformed', 'The connection ended within the body')));
    pulse.add(beat);
    request.on('data', onData).on('end', onEnd).on('close', onClose);
  });
}

/** The value of a JSON text in bytes (B2, B3). */
export function parseJson(bytes: Buffer, limits: HttpLimits): unknown {
  if (!isUtf8(bytes)) throw new SojournError('input.invalid_json', 'The body is not UTF-8');
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) {
    throw new SojournError('input.invalid_json', 'The body begins with a byte order mark');
  }
  const text = bytes.toString('utf8');
  scan(text, limits);
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new SojournError('input.invalid_json', 'The body is not JSON', { cause: error });
  }
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_ARRAY = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** Counts levels and members in one pass; what is not JSON passes, for the parser to refuse. */
function scan(text: string, limits: HttpLimits): void {
  let depth = 0;
  let items = 0;
  /** The last sign was an opening bracket: what follows, unless it closes, is a member. */
  let opened = false;
  for (let at = 0; at < text.length; at++) {
    const sign = text.charCodeAt(at);
    if (sign <= 0x20) continue;
    if (opened && sign !== CLOSE_ARRAY && sign !== CLOSE_OBJECT) items++;
    opened = false;
    if (sign === QUOTE) {
      at = endOfString(text, at);
    } else if (sign === COMMA) {
      items++;
    } else if (sign === OPEN_ARRAY || sign === OPEN_OBJECT) {
      if (++depth > limits.depthMax) {
        throw new SojournError('input.too_deep', `The body has over ${limits.depthMax} levels`);
      }
      opened = true;
    } else if (sign === CLOSE_ARRAY || sign === CLOSE_OBJECT) {
      depth--;
    }
    if (items > limits.itemsMax) {
      throw new SojournError('input.too_many_items', `The body has over ${limits.itemsMax} members`);
    }
  }
}

/** The index of the closing quote, or of the last sign where there is none. */
function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    let slashes = 0;
    while (text.charCodeAt(at - 1 - slashes) === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return at;
  }
  return text.length;
}

/** Checks `value` against a schema. `steers`: the body changes the server, not only the caller's own things (B4). */
export function parseWith<Call>(schema: Schema<Call>, value: unknown, steers: boolean): Call {
  if (steers) refuseForbiddenKeys(value, '');
  else if (value !== null && typeof value === 'object' && Object.hasOwn(value, '__proto__')) {
    throw new SojournError('input.forbidden_key', 'The body has the key "__proto__" at "/__proto__"');
  }
  return checked(schema, value);
}

function refuseForbiddenKeys(value: unknown, pointer: string): void {
  if (value === null || typeof value !== 'object') return;
  for (const [name, member] of Object.entries(value)) {
    const here = `${pointer}/${pointerName(name)}`;
    const holder = name === 'constructor' && typeof member === 'object' && member !== null;
    if (name === '__proto__' || (holder && Object.hasOwn(member, 'prototype'))) {
      throw new SojournError(
        'input.forbidden_key',
        `The body has a forbidden key at ${JSON.stringify(here)}`,
      );
    }
    refuseForbiddenKeys(member, here);
  }
}
