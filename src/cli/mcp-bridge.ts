// Mcp bridge: a client of the Model Context Protocol on two pipes, and a server of it over HTTP; the messages of one
// are handed to the other as they are. Knows no tool.
//
//   MB1. What is written is messages of the protocol, one a line, and nothing else.
//   MB2. A line is at most LINE_CHARS_MAX long. A longer one is refused and skipped; the next is read as ever.
//   MB3. `notifications/cancelled` closes the answer of a request that stands alone, which is how it is taken back over
//        HTTP; in the older era it is handed on.
//   MB4. A server that has gone is looked for once more, and one that is about to as often as another takes its place, at
//        most DEPARTURES_MAX times: what it refused so it has not begun. A connection of the older era is opened again with
//        the client's own `initialize`, so that a restart is not the client's business.
//   MB5. A request is answered, unless its client took it back or has gone: where the server's own answer ends without
//        its result, or falls silent, that is said.
import type { Clock, Millis } from '../kernel/clock.ts';
import { SojournError } from '../kernel/errors.ts';
import { frames } from '../client/frames.ts';
import { headersFor, isModern, type Message } from './mcp-message.ts';

const LINE_CHARS_MAX = 4 * 1_024 * 1_024;
/** Of clients that each started a server, the one that has the folder leaves first: so many may do so in a row. */
const DEPARTURES_MAX = 8;
/** The server says something every 15 s. */
const STALL_MS: Millis = 60_000;

export interface Bank {
  url: string;
  headers: Readonly<Record<string, string>>;
}

export interface BridgeParts {
  /** Where the server is. Asked again, with `lost`, when it was not there. */
  locate: (lost: boolean) => Promise<Bank>;
  write: (line: string) => void;
  clock: Clock;
}

export class Bridge {
  readonly #parts: BridgeParts;
  readonly #under = new Map<string, Under>();
  /** Of the older era: what opened the connection, and what it is called. */
  #opening: Message | undefined;
  #link: { id: string; version: string } | undefined;
  #reopening: Promise<void> | undefined;
  /** Messages are handed on in the order they came until the server has each. */
  #notes: Promise<void> = Promise.resolve();

  constructor(parts: BridgeParts) {
    this.#parts = parts;
  }

  /** Until `input` ends and what was under way is answered, or `graceMs` is over, or somebody is in a hurry. */
  async run(input: AsyncIterable<Uint8Array>, graceMs: Millis, hurry: AbortSignal): Promise<void> {
    for await (const line of linesOf(input)) {
      if (line === null)
        this.#say(failure(null, -32_600, `A message has at most ${LINE_CHARS_MAX} characters`));
      else if (line.trim() !== '') await this.#take(line);
    }
    const over = Promise.withResolvers<void>();
    const timer = this.#parts.clock.after(graceMs, over.resolve, 'keeps-alive');
    hurry.addEventListener('abort', () => over.resolve(), { once: true });
    if (hurry.aborted) over.resolve();
    await Promise.race([Promise.all([...this.#under.values()].map(({ done }) => done)), over.promise]);
    timer.cancel();
    for (const under of this.#under.values()) under.takeBack();
    await this.#leave();
  }

  async #take(line: string): Promise<void> {
    const message = parsed(line);
    if (message === undefined) {
      this.#say(failure(null, -32_700, 'This line is not JSON'));
      return;
    }
    const { id, method, params } = message;
    if (method === 'notifications/cancelled' && this.#takeBack(params?.['requestId'])) return;
    if (id === undefined || method === undefined) {
      // Order matters for what has no answer: `initialized` comes before the first call.
      this.#notes = this.#notes.then(() => this.#carry(message, new Under(false)));
      await this.#notes;
      return;
    }
    const under = new Under(isModern(message));
    under.done = this.#carry(message, under).finally(() => this.#under.delete(JSON.stringify(id)));
    this.#under.set(JSON.stringify(id), under);
    if (method === 'initialize') await under.done;
  }

  /** MB3. True when that was all there was to do. */
  #takeBack(request: unknown): boolean {
    const under = this.#under.get(JSON.stringify(request) ?? '');
    if (under === undefined) return false;
    if (under.alone) under.takeBack();
    else under.isTakenBack = true;
    return under.alone;
  }

  /** Hands a message over and writes what comes back. Never rejects. */
  async #carry(message: Message, under: Under): Promise<void> {
    const { call } = under;
    try {
      if (message.method === 'initialize') this.#opening = message;
      const link = this.#link;
      let answer = await this.#post(message, call.signal);
      if (answer.status === 404 && link !== undefined && !isModern(message)) {
        if (this.#link === link) await this.#reopen(); // MB4
        answer = await this.#post(message, call.signal);
      }
      if (message.method === 'initialize') this.#link = linkOf(answer, message);
      const isAnswered = await this.#read(answer, message, call);
      if (!isAnswered) throw new SojournError('server.unreachable', 'The server went before it had answered');
    } catch (thrown) {
      if (under.isTakenBack || message.id === undefined) return;
      const error: unknown = call.signal.aborted ? call.signal.reason : thrown;
      const { code, detail } =
        error instanceof SojournError
          ? error
          : new SojournError('server.unreachable', error instanceof Error ? error.message : 'No answer');
      this.#say(failure(message.id, -32_603, `${code}: ${detail}`)); // MB5
    }
  }

  async #post(message: Message, signal: AbortSignal): Promise<Response> {
    const send = async (lost: boolean): Promise<Response> => {
      const { url, headers } = await this.#parts.locate(lost);
      const own = headersFor(message, this.#link);
      return fetch(`${url}/mcp`, {
        method: 'POST',
        headers: { ...headers, ...own },
        body: JSON.stringify(message),
        signal,
      });
    };
    let hasGone = false;
    for (let left = DEPARTURES_MAX; ; left -= 1) {
      try {
        const answer = await send(left < DEPARTURES_MAX);
        if (answer.status !== 503 || left === 0) return answer;
        await answer.body?.cancel();
      } catch (error) {
        if (signal.aborted || error instanceof SojournError || hasGone) throw error;
        hasGone = true;
      }
    }
  }

  /** Those who find it gone at the same time open it once. */
  #reopen(): Promise<void> {
    this.#reopening ??= this.#openAgain().finally(() => (this.#reopening = undefined));
    return this.#reopening;
  }

  async #openAgain(): Promise<void> {
    const opening = this.#opening;
    if (opening === undefined) return;
    this.#link = undefined;
    const { signal } = new AbortController();
    const answer = await this.#post(opening, signal);
    this.#link = linkOf(answer, opening);
    await answer.body?.cancel();
    await this.#post({ jsonrpc: '2.0', method: 'notifications/initialized' }, signal);
  }

  /** Hands on what the server says; whether the answer to the message was among it. */
  async #read(answer: Response, { id }: Message, call: AbortController): Promise<boolean> {
    const type = answer.headers.get('content-type') ?? '';
    if (type.startsWith('text/event-stream') && answer.body !== null) {
      const { clock } = this.#parts;
      const stalled = (error: SojournError): void => call.abort(error);
      const options = { clock, stallMs: STALL_MS, stalled, heard: () => undefined };
      let isAnswered = false;
      for await (const { data } of frames(answer.body, options)) {
        if (data === '') continue;
        const said = JSON.parse(data) as Message;
        isAnswered ||= said.id === id && said.method === undefined;
        this.#say(said);
      }
      return isAnswered;
    }
    const text = await answer.text();
    if (text === '') return false;
    const body = parsed(text);
    if (body?.jsonrpc === '2.0') {
      // A refusal may not know which request it is about; here it does.
      this.#say(id !== undefined && (body.id ?? null) === null ? { ...body, id } : body);
    } else if (id !== undefined) {
      const { code, detail } = (body ?? {}) as { code?: string; detail?: string };
      this.#say(failure(id, -32_603, `${code ?? `HTTP ${answer.status}`}: ${detail ?? 'No answer'}`));
    }
    return true;
  }

  /** The connection of the older era is given back. */
  async #leave(): Promise<void> {
    if (this.#link === undefined) return;
    const link = { 'Mcp-Session-Id': this.#link.id };
    try {
      const { url, headers } = await this.#parts.locate(false);
      await fetch(`${url}/mcp`, { method: 'DELETE', headers: { ...headers, ...link } });
    } catch {
      // It goes with its server, or when it has been idle.
    }
  }

  /** MB1 */
  #say(message: object): void {
    this.#parts.write(`${JSON.stringify(message)}\n`);
  }
}

/** A message on its way, until it is answered. */
class Under {
  readonly call = new AbortController();
  /** Its answer is its connection: closing it takes the request back (MB3). */
  readonly alone: boolean;
  done: Promise<void> = Promise.resolve();
  /** Its client waits for it no more. */
  isTakenBack = false;

  constructor(alone: boolean) {
    this.alone = alone;
  }

  takeBack(): void {
    this.isTakenBack = true;
    this.call.abort();
  }
}

function failure(id: Message['id'] | null, code: number, message: string): object {
  return { jsonrpc: '2.0', id, error: { code, message } };
}

function linkOf(answer: Response, opening: Message): { id: string; version: string } | undefined {
  const id = answer.headers.get('mcp-session-id');
  const version = opening.params?.['protocolVersion'];
  return id === null ? undefined : { id, version: typeof version === 'string' ? version : '' };
}

function parsed(text: string): Message | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Message) : undefined;
  } catch {
    return undefined;
  }
}

/** MB2: null stands for a line that was too long. */
async function* linesOf(input: AsyncIterable<Uint8Array>): AsyncGenerator<string | null> {
  const decoder = new TextDecoder();
  let held = '';
  let skipping = false;
  for await (const chunk of input) {
    const pieces = (held + decoder.decode(chunk, { stream: true })).split('\n');
    held = pieces.pop() ?? '';
    for (const piece of pieces) {
      if (!skipping) yield piece;
      skipping = false;
    }
    if (held.length > LINE_CHARS_MAX) {
      if (!skipping) yield null;
      skipping = true;
      held = '';
    }
  }
  if (held !== '' && !skipping) yield held;
}
