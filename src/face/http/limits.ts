// Http limits: the bounds of this face, with their defaults and what happens at each. All are settings.
import type { Millis } from '../../kernel/clock.ts';
import { SojournError } from '../../kernel/errors.ts';

export interface HttpLimits {
  /** A JSON body; past it 413 and the connection ends. */
  bodyBytesMax: number;
  /** One line of an import, which carries artifacts; past it 413. */
  importLineBytesMax: number;
  /** From the end of the headers to the end of the body, or between two pieces of an import; past it 408. */
  bodyMsMax: Millis;
  /** From connecting, or from the first byte of the next request, to the end of its headers; past it 408. */
  headersMsMax: Millis;
  /** A connection between two requests; past it it is closed. */
  idleMsMax: Millis;
  /** All headers of one request together (431), their number (431), and the path with its query (414). */
  headerBytesMax: number;
  headersMax: number;
  urlBytesMax: number;
  /** Levels and members of a body; past them 400. */
  depthMax: number;
  itemsMax: number;
  /** Open connections, all together; past it new ones are closed at once. */
  connectionsMax: number;
  /** Of one address; past it new ones are answered 429. Trusted proxies are exempt: they stand for many. */
  connectionsPerAddressMax: number;
  connectionsPerLoopbackMax: number;
  /** Requests of one connection that wait for an answer; past it 429 and the connection ends. */
  pipelinedMax: number;
  /** Open streams of one credential; past it 429. */
  streamsPerCredentialMax: number;
  streamsPerLoopbackCredentialMax: number;
  /** What a stream may have written that its reader has not taken; past it the stream is dropped, and can be resumed. */
  streamBytesMax: number;
  /** A reader that takes nothing for so long is dropped. */
  stalledMsMax: Millis;
  /** How often a quiet stream shows that it lives. */
  heartbeatMs: Millis;
  /** Longest `Prefer: wait`, in milliseconds; a longer one counts as this. */
  waitMsMax: Millis;
  /** Wrong credentials a minute, of one address and of one credential; past it 429. */
  authFailuresMax: number;
}

const KiB = 1_024;
const MiB = 1_024 * KiB;
const SECOND: Millis = 1_000;

export const DEFAULT_HTTP_LIMITS: Readonly<HttpLimits> = Object.freeze({
  bodyBytesMax: MiB,
  importLineBytesMax: 96 * MiB,
  bodyMsMax: 30 * SECOND,
  headersMsMax: 10 * SECOND,
  idleMsMax: 60 * SECOND,
  headerBytesMax: 16 * KiB,
  headersMax: 100,
  urlBytesMax: 8 * KiB,
  depthMax: 64,
  itemsMax: 10_000,
  connectionsMax: 2_000,
  connectionsPerAddressMax: 50,
  connectionsPerLoopbackMax: 1_200,
  pipelinedMax: 16,
  streamsPerCredentialMax: 64,
  streamsPerLoopbackCredentialMax: 1_200,
  streamBytesMax: MiB,
  stalledMsMax: 30 * SECOND,
  heartbeatMs: 15 * SECOND,
  waitMsMax: 600 * SECOND,
  authFailuresMax: 10,
});

/** The defaults with `given` over them. Throws `config.invalid` naming the first bad one. */
export function validHttpLimits(given: Partial<HttpLimits> = {}): HttpLimits {
  for (const [name, value] of Object.entries(given)) {
    if (!(name in DEFAULT_HTTP_LIMITS)) {
      throw new SojournError('config.invalid', `There is no HTTP limit called ${JSON.stringify(name)}`);
    }
    if (!(typeof value === 'number' && value >= 1)) {
      throw new SojournError(
        'config.invalid',
        `HTTP limit ${name} is ${String(value)}; it must be 1 or more`,
      );
    }
  }
  return Object.freeze({ ...DEFAULT_HTTP_LIMITS, ...given });
}
