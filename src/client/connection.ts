// Connection: one server and one credential. Sends calls, turns answers into values and SojournErrors, tries again.
// It knows no routes.
//
//   N1. A call is repeated only where that cannot do its work twice: it is `repeatable`, or the server said that it
//       refused it before doing anything.
//   N2. What the caller should decide about (a busy session, a full mailbox) is never waited out in here.
//   N3. An aborted signal ends every request and every wait with the signal's own reason.
//   N4. Nothing secret is put into a message: neither the token nor a body.
import type { Clock, Millis } from '../kernel/clock.ts';
import { ERRORS, SojournError, type ErrorCode } from '../kernel/errors.ts';
import type { Problem } from '../wire/problem.ts';
import { Patience, type ConnectionChange } from './patience.ts';

export interface ConnectOptions {
  /** Where the server is, e.g. `http://127.0.0.1:4242`; a path in front of `/v1` is kept. */
  url: string;
  /** The bearer token. Leave it out where the browser brings a cookie. */
  token?: string;
  /** Act in another project; needs a token with scope `admin`. */
  project?: string;
  /** @default globalThis.fetch */
  fetch?: typeof fetch;
  /** How long to go on trying after the server was last heard of; 0 never tries again. @default 60_000 */
  retryMsMax?: Millis;
  /** A stream that says nothing for so long is opened anew; the server says something every 15 s. @default 45_000 */
  stallMs?: Millis;
  /** An answer that takes longer counts as lost. Streams and waiting calls have no such bound. @default 60_000 */
  answerMsMax?: Millis;
  /** Told when the server is lost and when it answers again. */
  onConnection?: (change: ConnectionChange) => void;
  /** For tests: time, chance from 0 to 1, and ids for Idempotency-Keys. */
  clock?: Clock;
  random?: () => number;
  newId?: () => string;
}

export interface Call {
  method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';
  /** From `/v1` on, encoded. */
  path: string;
  query?: Record<string, string | number | boolean | undefined>;
  headers?: Record<string, string>;
  /** Sent as JSON. */
  body?: unknown;
  /** Sent as it is, once (N1). */
  raw?: { body: BodyInit; mediaType: string };
  /** Doing it twice is doing it once. Default: every method but POST. */
  repeatable?: boolean;
  /** The answer may take as long as it likes. */
  unbounded?: boolean;
  signal?: AbortSignal;
}

/** Answers that say that nothing was done, so that any call may be repeated (N1). */
const REFUSALS = new Set<ErrorCode>([
  'runtime.draining',
  'capacity',
  'input.rate_limited',
  'auth.throttled',
  'keeper.gone',
  'log.fenced',
  'log.poisoned',
]);

/** Passing states of the server itself. */
const PASSING = new Set<ErrorCode>([
  ...REFUSALS,
  'server.unreachable',
  'keeper.hung',
  'input.timeout',
  'store.failed',
]);

export class Connection {
  readonly clock: Clock;
  readonly stallMs: Millis;
  readonly newId: () => string;
  readonly #options: ConnectOptions;
  readonly #base: string;
  readonly #fetch: typeof fetch;
  readonly #answerMsMax: Millis;

  constructor(options: ConnectOptions) {
    this.#options = options;
    this.#base = baseOf(options.url);
    this.#fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
    this.#answerMsMax = options.answerMsMax ?? 60_000;
    this.stallMs = options.stallMs ?? 45_000;
    this.clock = options.clock ?? wakefulClock;
    this.newId = options.newId ?? randomId;
  }

  /** One per thing that may be tried again. */
  patience(): Patience {
    return new Patience({
      clock: this.clock,
      random: this.#options.random ?? Math.random,
      retryMsMax: this.#options.retryMsMax ?? 60_000,
      changed: (change) => this.#options.onConnection?.(change),
    });
  }

  /** The JSON the server answers with; null for an empty answer. */
  async json<Answer>(call: Call): Promise<Answer> {
    return this.whole(call, async (response) => (await readJson(response)) as Answer);
  }

  /** What `read` makes of the whole answer, which is asked for again where it breaks off. */
  async whole<Answer>(call: Call, read: (response: Response) => Promise<Answer>): Promise<Answer> {
    return this.#retrying(call, async () => read(await this.#answer(call, call.signal)));
  }

  /** The answer itself, once its head is there and says that all went well; its body is the caller's. */
  async response(call: Call): Promise<Response> {
    return this.#retrying(call, () => this.#answer({ ...call, unbounded: true }, call.signal));
  }

  /** One try, without repeats: for callers with a loop of their own. */
  async once(call: Call, signal: AbortSignal): Promise<Response> {
    return this.#answer(call, signal);
  }

  async #retrying<Answer>(call: Call, attempt: () => Promise<Answer>): Promise<Answer> {
    const patience = this.patience();
    for (;;) {
      try {
        const answer = await attempt();
        patience.alive(true);
        return answer;
      } catch (thrown) {
        const error = this.failure(thrown, call.signal);
        if (!mayRepeat(call, error)) throw error;
        await patience.wait(error, call.signal);
      }
    }
  }

  async #answer(call: Call, signal: AbortSignal | undefined): Promise<Response> {
    const signals = signal === undefined ? [] : [signal];
    if (call.unbounded !== true) signals.push(AbortSignal.timeout(timerMs(this.#answerMsMax)));
    const response = await this.#fetch(`${this.#base}${call.path}${queryText(call.query)}`, {
      method: call.method,
      headers: headersOf(this.#headers(call)),
      ...bodyOf(call),
      ...(signals.length > 0 ? { signal: AbortSignal.any(signals) } : {}),
    });
    if (!response.ok) throw await problemError(response, this.clock.now());
    return response;
  }

  #headers(call: Call): Record<string, string> {
    const { token, project } = this.#options;
    return {
      Accept: 'application/json',
      ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
      ...(project === undefined ? {} : { 'Sojourn-Project': project }),
      ...(call.body === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...(call.raw === undefined ? {} : { 'Content-Type': call.raw.mediaType }),
      ...call.headers,
    };
  }

  /** What was thrown, as one of our errors; an abort of the caller's own passes as it is (N3). */
  failure(thrown: unknown, signal?: AbortSignal): SojournError {
    if (signal?.aborted) throw signal.reason;
    if (thrown instanceof SojournError) return thrown;
    // What was to be sent could not be read.
    if (thrown instanceof Error && thrown.cause instanceof SojournError) return thrown.cause;
    return new SojournError('server.unreachable', `${this.#base}: ${reasonOf(thrown)}`, { cause: thrown });
  }

  /** The same of an answer that had begun. */
  brokenOff(what: string, thrown: unknown, signal?: AbortSignal): SojournError {
    if (signal?.aborted) throw signal.reason;
    const detail = `${what}: ${this.#base} broke it off (${reasonOf(thrown)}); its log says why, unless the connection was lost`;
    return new SojournError('server.unreachable', detail, { cause: thrown });
  }
}

function mayRepeat(call: Call, error: SojournError): boolean {
  if (call.raw !== undefined) return false;
  const repeatable = call.repeatable ?? call.method !== 'POST';
  return (repeatable ? PASSING : REFUSALS).has(error.code);
}

/** Whether a reader should come back after this. Reading twice harms nothing, so more is forgiven (N2 concerns calls). */
export function isPassing(error: SojournError): boolean {
  return ERRORS[error.code].next === 'retry';
}

function baseOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new SojournError('config.invalid', `The address ${JSON.stringify(text)} is no http(s) URL`);
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new SojournError('config.invalid', 'The address may hold no credentials, query or fragment');
  }
  return url.href.replace(/\/+$/, '');
}

function queryText(query: Call['query'] = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value));
  return search.size === 0 ? '' : `?${search}`;
}

/** What fetch itself would say of a value that no header can carry names the value (N4). */
function headersOf(given: Record<string, string>): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(given)) {
    try {
      headers.set(name, value);
    } catch {
      throw new SojournError('input.invalid', `${name} has characters that no header can carry`);
    }
  }
  return headers;
}

function bodyOf(call: Call): RequestInit {
  if (call.raw === undefined) return call.body === undefined ? {} : { body: jsonText(call.body) };
  const streams = call.raw.body instanceof ReadableStream;
  return { body: call.raw.body, ...(streams ? { duplex: 'half' } : {}) };
}

function jsonText(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch (cause) {
    throw new SojournError('input.invalid', 'What is to be sent has no JSON text', { cause });
  }
}

async function readJson(response: Response): Promise<unknown> {
  const text = await response.text();
  if (text === '') return null;
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new SojournError('server.unexpected', `${response.status} with a body that is not JSON`, { cause });
  }
}

/** The server's problem as the error it was there; `cause` keeps the problem with its `requestId`. */
async function problemError(response: Response, nowMs: Millis): Promise<SojournError> {
  const status = response.status;
  let problem: Partial<Problem> = {};
  try {
    const body = JSON.parse(await response.text()) as unknown;
    if (typeof body === 'object' && body !== null) problem = body;
  } catch {
    // Not ours: the status says enough.
  }
  const retryAfterMs = problem.retryAfterMs ?? retryAfterOf(response, nowMs);
  const options = { cause: problem, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  const { code, detail } = problem;
  if (code !== undefined && Object.hasOwn(ERRORS, code)) {
    return new SojournError(code, detail ?? `The server answered ${status}`, options);
  }
  if (code === undefined && status === 429) {
    return new SojournError('input.rate_limited', 'The answer was 429', options);
  }
  const passing = problem.next === 'retry' || (code === undefined && [502, 503, 504].includes(status));
  const said = code === undefined ? `The answer was ${status}` : `${code} (${status}): ${detail ?? ''}`;
  return new SojournError(passing ? 'server.unreachable' : 'server.unexpected', said, options);
}

/** A gateway may write a number of seconds or a date. */
function retryAfterOf(response: Response, nowMs: Millis): Millis | undefined {
  const text = response.headers.get('Retry-After') ?? '';
  const delayMs = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - nowMs;
  return Number.isFinite(delayMs) ? Math.max(0, delayMs) : undefined;
}

function reasonOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  if (thrown.name === 'TimeoutError') return 'no answer in time';
  const cause = thrown.cause;
  if (!(cause instanceof Error)) return thrown.message;
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : '';
  return code === '' ? cause.message || thrown.message : code;
}

/** What a timer can hold, so that a bound may be Infinity: given more, it fires at once. */
const timerMs = (delay: Millis): number => Math.ceil(Math.min(Math.max(0, delay), 2 ** 31 - 1));

/** Unlike the runtime's own clock, a client's wait keeps its process alive: somebody waits for the answer. */
const wakefulClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delay, run) {
    const handle = setTimeout(run, timerMs(delay));
    return { cancel: () => clearTimeout(handle) };
  },
};

/** `randomUUID` exists only on pages served over https or from this machine; this exists everywhere. */
function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
