// A stand-in for the server: the routes that streams need, a log in memory, and faults on demand. It keeps the
// contract's promises (idempotent turns, gapless seq, session guard), so that only the wire is bad.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

export interface LoggedEvent {
  seq: number;
  at: string;
  kind: string;
  turn: string | null;
  body: unknown;
}

/** Decides what happens to one answer; undefined lets it pass. */
export interface Faults {
  /** Before anything is done. */
  refuse?: (request: IncomingMessage) => 'drop' | { status: number; body: object } | undefined;
  /** After the work is done, instead of the answer. */
  loseAnswer?: (request: IncomingMessage) => boolean;
  /** So many bytes of an event stream get through. */
  cutAfterBytes?: () => number;
  /** What is written instead of a frame. */
  frames?: (event: LoggedEvent) => readonly LoggedEvent[];
  /** Ends a stream in good order after this event. */
  endAfter?: (event: LoggedEvent) => boolean;
}

export class StandIn {
  readonly requests: { method: string; url: string; key: string | undefined }[] = [];
  log: LoggedEvent[] = [];
  session = 'session-1';
  state = 'idle';
  faults: Faults = {};
  readonly #receipts = new Map<string, object>();
  readonly #waiting = new Set<() => void>();
  #server: Server;
  #port = 0;

  constructor() {
    this.#server = this.#make();
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async listen(): Promise<void> {
    this.#server = this.#make();
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** All connections break; the log stays. */
  async stop(): Promise<void> {
    const server = this.#server;
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  }

  add(kind: string, turn: string | null, body: unknown): LoggedEvent {
    const seq = (this.log.at(-1)?.seq ?? 0) + 1;
    const event = { seq, at: '2026-01-01T00:00:00.000Z', kind, turn, body };
    this.log.push(event);
    for (const wake of this.#waiting) wake();
    return event;
  }

  /** A turn that says `words` words, one in each round of the event loop. */
  async runTurn(turn: string, words: number): Promise<void> {
    this.state = 'running';
    this.add('turn.started', turn, { attempt: 1 });
    for (let word = 1; word <= words; word += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      this.add('text.delta', turn, { text: `w${word} `, message: 'm' });
    }
    this.state = 'idle';
    this.add('turn.ended', turn, { outcome: 'completed', text: '' });
  }

  #make(): Server {
    return createServer((request, response) => {
      this.#serve(request, response).catch(() => response.destroy());
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const method = request.method ?? '';
    const url = new URL(request.url ?? '/', this.url);
    const key = request.headers['idempotency-key'] as string | undefined;
    this.requests.push({ method, url: `${url.pathname}${url.search}`, key });
    const refusal = this.faults.refuse?.(request);
    if (refusal === 'drop') {
      response.destroy();
      return;
    }
    if (refusal !== undefined) {
      answer(response, refusal.status, refusal.body);
      return;
    }
    let body = '';
    for await (const chunk of request) body += String(chunk);

    if (method === 'POST') this.#accept(request, response, key ?? '', body);
    else if (url.pathname.endsWith('/events')) this.#events(response, url);
    else {
      const headSeq = this.log.at(-1)?.seq ?? 0;
      answer(response, 200, { id: this.session, key: 'k', state: this.state, headSeq });
    }
  }

  #accept(request: IncomingMessage, response: ServerResponse, key: string, body: string): void {
    let receipt = this.#receipts.get(key);
    if (receipt === undefined) {
      const turn = `turn-${this.#receipts.size + 1}`;
      const { input } = JSON.parse(body) as { input: string };
      const seq = this.log.at(-1)?.seq ?? 0;
      this.add('turn.accepted', turn, { input: { id: `i-${turn}`, parts: [] }, disposition: 'started' });
      receipt = { session: this.session, turn, seq, disposition: 'started' };
      this.#receipts.set(key, receipt);
      const words = Number(/^\/words (\d+)/.exec(input)?.[1] ?? 1);
      this.runTurn(turn, words).catch(() => undefined);
    }
    if (this.faults.loseAnswer?.(request)) response.destroy();
    else answer(response, 202, receipt);
  }

  #events(response: ServerResponse, url: URL): void {
    if (url.searchParams.has('session') && url.searchParams.get('session') !== this.session) {
      answer(response, 404, { code: 'cursor.foreign', detail: 'Another session', status: 404, next: 'stop' });
      return;
    }
    let after = Number(url.searchParams.get('after') ?? 0);
    let bytesLeft = this.faults.cutAfterBytes?.() ?? Infinity;
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    response.write(': hello\n\n');
    const pump = (): void => {
      for (const event of this.log.filter((one) => one.seq > after)) {
        after = event.seq;
        const shown = this.faults.frames?.(event) ?? [event];
        const text = shown.map((one) => frameText(one)).join('');
        if (text.length > bytesLeft) {
          this.#waiting.delete(pump);
          response.write(text.slice(0, bytesLeft), () => response.destroy());
          return;
        }
        bytesLeft -= text.length;
        response.write(text);
        if (this.faults.endAfter?.(event)) {
          this.#waiting.delete(pump);
          response.end();
          return;
        }
      }
      if (url.searchParams.get('until') === 'idle' && this.state === 'idle') {
        this.#waiting.delete(pump);
        response.end();
      }
    };
    this.#waiting.add(pump);
    response.on('close', () => this.#waiting.delete(pump));
    pump();
  }

  /** Streams that are being followed at this moment. */
  get readers(): number {
    return this.#waiting.size;
  }
}

function frameText(event: LoggedEvent): string {
  return `id: ${event.seq}\nevent: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`;
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, {
    'Content-Type': status < 400 ? 'application/json' : 'application/problem+json',
  });
  response.end(JSON.stringify(body));
}

/** Time that runs `factor` times as fast, so that waits of seconds pass in milliseconds. */
export function hurriedClock(factor: number) {
  return {
    now: () => Date.now(),
    monotonic: () => performance.now() * factor,
    after(delay: number, run: () => void) {
      const handle = setTimeout(run, delay / factor);
      return { cancel: () => clearTimeout(handle) };
    },
  };
}

/** The same numbers from 0 to 1 for the same seed. */
export function seededRandom(seed: number): () => number {
  let state = (seed * 2_654_435_761) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
