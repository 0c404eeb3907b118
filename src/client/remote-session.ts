// Remote session: one session on a server, by its key. Its methods are the routes under /v1/sessions/{key}.
//
//   R1. Every message carries an Idempotency-Key, so that sending it again after a lost answer cannot double it.
//   R2. A stream survives lost connections and restarts of the server, and never yields a (session, seq) twice.
//   R3. A stream is a send, and then the log from where its receipt says: the same path whether or not anything was lost,
//       and one in which a missing event is noticed. It costs one round trip more than streaming the answer to the POST.
import type {
  AnswerCall,
  CancelResult,
  ForkCall,
  ImportCall,
  ImportedSession,
  OpenCall,
  TurnCall,
  UpdateCall,
} from '../wire/calls.ts';
import type { ContextView, ReadBack, ReadBackCall } from '../wire/context.ts';
import { flattened } from '../wire/read-back.ts';
import type { Event } from '../wire/event.ts';
import type { TranscriptMessage } from '../wire/message.ts';
import type { SessionView, TreeNode } from '../wire/session.ts';
import type { Receipt, TurnView } from '../wire/turn.ts';
import { SojournError } from '../kernel/errors.ts';
import type { Call, Connection } from './connection.ts';
import { follow } from './follow.ts';
import { turnEvents } from './turn-events.ts';

export interface WithSignal {
  signal?: AbortSignal;
}

/** What goes with a message besides its input. */
export interface SendCall extends Omit<TurnCall, 'input'>, WithSignal {
  /** Name it to make repeats across programs safe too. @default a new one */
  idempotencyKey?: string;
}

export interface StreamCall extends SendCall {
  /** Told once, before the first event. */
  onReceipt?: (receipt: Receipt) => void;
}

export interface FollowCall extends WithSignal {
  /** Events with a larger seq. @default 0 */
  after?: number;
  /** The session this cursor belongs to; another under the key fails with `cursor.foreign`. */
  session?: string;
  /** End when nothing runs or waits, instead of when the session is closed. */
  until?: 'idle';
}

export interface EventPage {
  /** The session's id: with a seq, what a cursor is made of. */
  session: string;
  events: readonly Event[];
  headSeq: number;
}

export interface ArtifactView {
  id: string;
  bytes: number;
  mediaType: string;
  name: string | null;
  at: string;
}

export class RemoteSession {
  readonly key: string;
  readonly #connection: Connection;
  readonly #path: string;

  constructor(connection: Connection, key: string) {
    this.key = key;
    this.#connection = connection;
    this.#path = `/v1/sessions/${encodedKey(key)}`;
  }

  /** Makes it, or gets the one there is. */
  open(call: OpenCall = {}, options: WithSignal = {}): Promise<SessionView> {
    return this.#json({ method: 'PUT', path: '', body: call, ...options });
  }

  view(options: WithSignal = {}): Promise<SessionView> {
    return this.#json({ method: 'GET', path: '', ...options });
  }

  update(call: UpdateCall, options: WithSignal = {}): Promise<SessionView> {
    return this.#json({ method: 'PATCH', path: '', body: call, ...options });
  }

  /** For good. Waits until it is put away. */
  close(options: { reason?: string } & WithSignal = {}): Promise<SessionView> {
    const { signal, reason } = options;
    return this.#json({
      method: 'DELETE',
      path: '',
      query: { reason },
      unbounded: true,
      ...signalOf(signal),
    });
  }

  /** Its log, artifacts, receipts and search rows go, and the key is free. Needs scope `admin`. */
  async erase(options: WithSignal = {}): Promise<void> {
    await this.#json({ method: 'DELETE', path: '', query: { erase: true }, unbounded: true, ...options });
  }

  /** Resolves when the input is durable. */
  send(input: TurnCall['input'], call: SendCall = {}): Promise<Receipt> {
    const { idempotencyKey, signal, ...rest } = call;
    return this.#json({
      method: 'POST',
      path: '/turns',
      headers: { 'Idempotency-Key': idempotencyKey ?? this.#connection.newId() },
      body: { input, ...rest },
      repeatable: true, // R1
      ...signalOf(signal),
    });
  }

  /** Sends, then yields the turn's events to its outcome. Nothing is sent before the first one is asked for. */
  async *stream(input: TurnCall['input'], call: StreamCall = {}): AsyncGenerator<Event, void, undefined> {
    const { onReceipt, ...rest } = call;
    const receipt = await this.send(input, rest);
    onReceipt?.(receipt);
    yield* this.attach(receipt, signalOf(call.signal));
  }

  /** The events of what was accepted with this receipt, from the first; also long after, in another program. */
  attach(receipt: Receipt, options: WithSignal = {}): AsyncGenerator<Event, void, undefined> {
    const { session, seq } = receipt;
    const events = follow(this.#connection, {
      path: this.#path,
      session,
      after: seq,
      untilIdle: false,
      ...options,
    });
    return turnEvents(events, receipt);
  }

  /** Sends and waits for the finished turn. */
  async sendAndWait(input: TurnCall['input'], call: StreamCall = {}): Promise<TurnView> {
    let turn: string | null = null;
    for await (const event of this.stream(input, call)) turn = event.turn ?? turn;
    if (turn === null) throw new SojournError('session.closed', `Session ${this.key} was closed meanwhile`);
    return this.turn(turn, signalOf(call.signal));
  }

  /** The log as it grows, across turns. It takes a connection, of which a page has six to one address over HTTP/1.1. */
  async *follow(call: FollowCall = {}): AsyncGenerator<Event, void, undefined> {
    const { after = 0, until, signal } = call;
    const session = call.session ?? (await this.view(signalOf(signal))).id;
    const untilIdle = until === 'idle';
    yield* follow(this.#connection, { path: this.#path, session, after, untilIdle, ...signalOf(signal) });
  }

  events(call: { after?: number; limit?: number } & WithSignal = {}): Promise<EventPage> {
    const { after = 0, limit, signal } = call;
    return this.#json({ method: 'GET', path: '/events', query: { after, limit }, ...signalOf(signal) });
  }

  /** The log up to its present end, page by page. */
  async *history(call: { after?: number } & WithSignal = {}): AsyncGenerator<Event, void, undefined> {
    let after = call.after ?? 0;
    for (;;) {
      const page = await this.events({ after, ...signalOf(call.signal) });
      yield* page.events;
      after = page.events.at(-1)?.seq ?? page.headSeq;
      if (after >= page.headSeq) return;
    }
  }

  async turns(options: { limit?: number } & WithSignal = {}): Promise<readonly TurnView[]> {
    const { signal, limit } = options;
    const call: Call = { method: 'GET', path: '/turns', query: { limit }, ...signalOf(signal) };
    return (await this.#json<{ turns: readonly TurnView[] }>(call)).turns;
  }

  turn(turn: string, options: WithSignal = {}): Promise<TurnView> {
    return this.#json({ method: 'GET', path: `/turns/${encodeURIComponent(turn)}`, ...options });
  }

  /** Resolves once it has unwound; what is over stays as it is. */
  cancelTurn(turn: string, options: { reason?: string } & WithSignal = {}): Promise<CancelResult> {
    const { reason, signal } = options;
    const path = `/turns/${encodeURIComponent(turn)}/cancel`;
    return this.#post(path, reason === undefined ? {} : { reason }, signal);
  }

  /** The running turn and all that wait. */
  cancel(options: { reason?: string } & WithSignal = {}): Promise<{ cancelled: readonly string[] }> {
    const { reason, signal } = options;
    return this.#post('/cancel', reason === undefined ? {} : { reason }, signal);
  }

  /** Puts the live session away now; `session.busy` while a turn runs. */
  evict(options: WithSignal = {}): Promise<{ evicted: boolean }> {
    return this.#post('/evict', {}, options.signal);
  }

  fork(call: ForkCall, options: WithSignal = {}): Promise<SessionView> {
    return this.#json({ method: 'POST', path: '/fork', body: call, ...options });
  }

  /** Another key for the same session. */
  async addAlias(alias: string, options: WithSignal = {}): Promise<void> {
    await this.#json({ method: 'PUT', path: `/aliases/${encodedKey(alias)}`, ...options });
  }

  async transcript(options: WithSignal = {}): Promise<readonly TranscriptMessage[]> {
    const call: Call = { method: 'GET', path: '/transcript', ...options };
    return (await this.#json<{ messages: readonly TranscriptMessage[] }>(call)).messages;
  }

  /** What its next turn would see, and what that takes. Wakes nothing. */
  context(options: WithSignal = {}): Promise<ContextView> {
    return this.#json({ method: 'GET', path: '/context', ...options });
  }

  /** What was moved out of its working set, a page at a time: `next` goes on. */
  readBack(call: ReadBackCall, options: WithSignal = {}): Promise<ReadBack> {
    return this.#json({ method: 'GET', path: '/read-back', query: { ...flattened(call) }, ...options });
  }

  /** Its tasks, as the text of a Mermaid diagram. */
  async taskMap(options: WithSignal = {}): Promise<string> {
    const query = { format: 'mermaid' };
    const headers = { Accept: 'text/plain' };
    const call: Call = { method: 'GET', path: '/context', query, headers, ...options };
    return this.#whole(call, (response) => response.text());
  }

  tree(options: WithSignal = {}): Promise<TreeNode> {
    return this.#json({ method: 'GET', path: '/tree', ...options });
  }

  /**
   * Answers a question or an approval of this session. It closes once, so an answer may be sent again: where only the
   * server's word on it was lost, that fails with `request.closed`.
   */
  answer(request: string, call: AnswerCall, options: WithSignal = {}): Promise<{ decision: string }> {
    const path = `/requests/${encodeURIComponent(request)}`;
    return this.#json({ method: 'POST', path, body: call, repeatable: true, ...options });
  }

  /** JSON lines, in chunks as they come. The stream fails with `server.unreachable` where it breaks off. */
  async export(options: WithSignal = {}): Promise<ReadableStream<Uint8Array>> {
    const path = `${this.#path}/export`;
    const response = await this.#connection.response({ method: 'GET', path, ...options });
    const reader = (response.body ?? new Blob([]).stream()).getReader();
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const next = await reader.read().catch((thrown: unknown) => {
            throw this.#connection.brokenOff('The export is not whole', thrown, options.signal);
          });
          if (next.done) controller.close();
          else controller.enqueue(next.value);
        },
        cancel: (reason) => reader.cancel(reason),
      },
      { highWaterMark: 0 },
    );
  }

  /**
   * Takes an export, or a log of another agent, as a new session under this key. A page gives it a string or a Blob:
   * browsers stream nothing to a server over HTTP/1.1.
   */
  import(
    lines: string | Blob | ReadableStream<Uint8Array>,
    call: ImportCall & WithSignal = {},
  ): Promise<ImportedSession> {
    const { signal, ...query } = call;
    const raw = { body: lines, mediaType: 'application/x-ndjson' };
    return this.#json({
      method: 'POST',
      path: '/import',
      query: { ...query },
      raw,
      unbounded: true,
      ...signalOf(signal),
    });
  }

  async artifacts(options: WithSignal = {}): Promise<readonly ArtifactView[]> {
    const call: Call = { method: 'GET', path: '/artifacts', ...options };
    return (await this.#json<{ artifacts: readonly ArtifactView[] }>(call)).artifacts;
  }

  /** Its bytes, or those from `start` to just before `end`. */
  async artifact(id: string, range: { start?: number; end?: number } & WithSignal = {}): Promise<Uint8Array> {
    const { start = 0, end, signal } = range;
    const asksRange = start > 0 || end !== undefined;
    const call: Call = {
      method: 'GET',
      path: `/artifacts/${encodeURIComponent(id)}`,
      headers: {
        Accept: '*/*',
        ...(asksRange ? { Range: `bytes=${start}-${end === undefined ? '' : end - 1}` } : {}),
      },
      unbounded: true, // It may be large, and the line slow.
      ...signalOf(signal),
    };
    return this.#whole(call, async (response) => new Uint8Array(await response.arrayBuffer()));
  }

  #post<Answer>(path: string, body: unknown, signal: AbortSignal | undefined): Promise<Answer> {
    // Cancelling and putting away twice is doing it once; both wait for the agent to unwind.
    const bounds = { repeatable: true, unbounded: true };
    return this.#json({ method: 'POST', path, body, ...bounds, ...signalOf(signal) });
  }

  #json<Answer>(call: Call): Promise<Answer> {
    return this.#connection.json<Answer>({ ...call, path: this.#path + call.path });
  }

  #whole<Answer>(call: Call, read: (response: Response) => Promise<Answer>): Promise<Answer> {
    return this.#connection.whole({ ...call, path: this.#path + call.path }, read);
  }
}

/** One path segment. What a URL parser would swallow is refused here, before it becomes another route. */
function encodedKey(key: string): string {
  if (key === '' || key === '.' || key === '..') {
    throw new SojournError('key.invalid', `The key ${JSON.stringify(key)} cannot be part of an address`);
  }
  if (!key.isWellFormed()) throw new SojournError('key.ill_formed', 'The key has a lone surrogate');
  return encodeURIComponent(key);
}

function signalOf(signal: AbortSignal | undefined): WithSignal {
  return signal === undefined ? {} : { signal };
}
