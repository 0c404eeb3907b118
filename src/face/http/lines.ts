// Lines: a body as lines of text, read at the pace of whoever takes them.
//
//   L1. At most one line, of at most `importLineBytesMax`, is held besides the piece it came in.
//   L2. A sender that stops for `bodyMsMax` is given up; so is one that leaves.
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import type { Clock, Millis } from '../../kernel/clock.ts';
import { SojournError } from '../../kernel/errors.ts';
import type { HttpLimits } from './limits.ts';
import type { Beat, Pulse } from './pulse.ts';

export async function* linesOf(
  request: IncomingMessage,
  limits: HttpLimits,
  clock: Pick<Clock, 'monotonic'>,
  pulse: Pulse,
): AsyncGenerator<string, void, undefined> {
  const held: Buffer[] = [];
  let heldBytes = 0;
  let number = 1;
  for await (const piece of piecesOf(request, limits.bodyMsMax, clock, pulse)) {
    let from = 0;
    for (let at = piece.indexOf(0x0a); at >= 0; at = piece.indexOf(0x0a, from)) {
      held.push(piece.subarray(from, at));
      yield textOf(held, number);
      number += 1;
      held.length = 0;
      heldBytes = 0;
      from = at + 1;
    }
    held.push(piece.subarray(from));
    heldBytes += piece.length - from;
    // L1.
    if (heldBytes > limits.importLineBytesMax) {
      throw new SojournError('input.too_large', `Line ${number} is over ${limits.importLineBytesMax} bytes`);
    }
  }
  if (heldBytes > 0) yield textOf(held, number);
}

/** The body as it comes (L2). The connection stays whole, for the answer to a body that is given up. */
async function* piecesOf(
  request: IncomingMessage,
  msMax: Millis,
  clock: Pick<Clock, 'monotonic'>,
  pulse: Pulse,
): AsyncGenerator<Buffer, void, undefined> {
  const pieces = request.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer, undefined>;
  const late = Promise.withResolvers<never>();
  // It is also awaited below; here it only must not count as unhandled once nobody waits any more.
  late.promise.catch(() => undefined);
  let askedMs: Millis | null = null;
  const beat: Beat = (now) => {
    if (askedMs === null || now - askedMs < msMax) return;
    late.reject(new SojournError('input.timeout', 'The body stopped before its end'));
  };
  pulse.add(beat);
  try {
    for (;;) {
      askedMs = clock.monotonic();
      const next = await Promise.race([pieces.next(), late.promise]);
      askedMs = null;
      if (next.done === true) return;
      yield next.value;
    }
  } catch (error) {
    if (error instanceof SojournError) throw error;
    throw new SojournError('input.malformed', 'The connection ended within the body', { cause: error });
  } finally {
    pulse.delete(beat);
  }
}

function textOf(pieces: readonly Buffer[], number: number): string {
  const bytes = Buffer.concat(pieces);
  if (!isUtf8(bytes)) throw new SojournError('input.invalid_json', `Line ${number} is not UTF-8`);
  return bytes.toString('utf8');
}
