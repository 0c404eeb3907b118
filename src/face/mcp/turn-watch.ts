// Turn watch: follows one turn for a caller that waits, tells how it gets on, and says how it stands when the wait is over.
//
//   TW1. A wait ends with the turn, with a question to a person, with the time given, or with the caller; whichever
//        comes first. Only reading ends with it: the turn goes on.
//   TW2. Progress only grows, and comes at most every PROGRESS_MS.
import type { Clock, Millis } from '../../kernel/clock.ts';
import { parseEvent } from '../../log/event.ts';
import type { Event, EventBodies } from '../../wire/event.ts';
import type { Work } from './tool.ts';

const PROGRESS_MS: Millis = 200;
const SUMMARY_CHARS = 200;

export interface Watched {
  key: string;
  turn: string;
  /** The cursor that the turn's events come after. */
  after: number;
  waitMs: Millis;
}

/** A question or an approval that the turn waits for. */
export interface Asked {
  request: string;
  kind: 'question' | 'approval';
  text: string;
  tool?: string;
  options?: readonly string[];
  expiresAt: string;
}

export interface TurnStanding {
  session: string;
  turn: string;
  state: 'queued' | 'running' | 'waiting' | 'done';
  /** Set once it is done. */
  outcome?: string;
  text?: string;
  error?: { code: string; message: string };
  costUsd?: number;
  /** Where `text` is only the beginning: the artifact that has it all. */
  artifact?: string;
  sessionCompleted?: true;
  requests?: readonly Asked[];
}

/** TW1. */
export async function watchTurn(watched: Watched, clock: Clock, work: Work): Promise<TurnStanding> {
  const { key, turn, after, waitMs } = watched;
  const tail = await work.runtime.tail(key, { after, turn }, work.caller);
  const head = tail.headSeq;
  const scene = new Scene(clock, after, work.progress);
  const leave = (): void => tail.close();
  const timer = clock.after(waitMs, leave);
  work.signal.addEventListener('abort', leave, { once: true });
  if (work.signal.aborted) leave();
  try {
    for (let seq = after; !(scene.isOver || (scene.asks && seq >= head));) {
      const events = await tail.next();
      if (events.length === 0) break;
      for (const event of events) scene.see(parseEvent(event));
      seq = events.at(-1)?.seq ?? seq;
    }
  } finally {
    timer.cancel();
    work.signal.removeEventListener('abort', leave);
    tail.close();
  }
  return { session: key, turn, ...scene.standing };
}

class Scene {
  readonly #clock: Clock;
  readonly #after: number;
  readonly #progress: Work['progress'];
  readonly #asked = new Map<string, Asked>();
  #ended: EventBodies['turn.ended'] | undefined;
  #started = false;
  #toldMs = Number.NEGATIVE_INFINITY;
  #said = 0;

  constructor(clock: Clock, after: number, progress: Work['progress']) {
    this.#clock = clock;
    this.#after = after;
    this.#progress = progress;
  }

  get isOver(): boolean {
    return this.#ended !== undefined;
  }

  get asks(): boolean {
    return this.#asked.size > 0;
  }

  get standing(): Omit<TurnStanding, 'session' | 'turn'> {
    const ended = this.#ended;
    if (ended !== undefined) {
      const { outcome, text, error, costUsd, ref, sessionCompleted } = ended;
      return {
        state: 'done',
        outcome,
        text,
        ...(error === undefined ? {} : { error }),
        ...(ref === undefined ? {} : { artifact: ref.artifact }),
        ...(sessionCompleted === undefined ? {} : { sessionCompleted }),
        costUsd,
      };
    }
    if (this.asks) return { state: 'waiting', requests: [...this.#asked.values()] };
    return { state: this.#started ? 'running' : 'queued' };
  }

  see(event: Event): void {
    if (event.kind === 'turn.started') this.#started = true;
    if (event.kind === 'turn.ended') this.#ended = event.body;
    if (event.kind === 'request.opened') this.#asked.set(event.body.request, askedOf(event.body));
    if (event.kind === 'request.closed') this.#asked.delete(event.body.request);
    if (this.#progress !== undefined) this.#tell(event, this.#progress);
  }

  /** TW2. */
  #tell(event: Event, progress: (done: number, message: string) => void): void {
    if (event.kind === 'text.delta') this.#said += event.body.text.length;
    const nowMs = this.#clock.monotonic();
    if (nowMs - this.#toldMs < PROGRESS_MS) return;
    const message = summaryOf(event, this.#said);
    if (message === undefined) return;
    this.#toldMs = nowMs;
    progress(event.seq - this.#after, message.slice(0, SUMMARY_CHARS));
  }
}

function askedOf(body: EventBodies['request.opened']): Asked {
  const { request, kind, text, tool, options, expiresAt } = body;
  return {
    request,
    kind,
    text,
    ...(tool === undefined ? {} : { tool: tool.name }),
    ...(options === undefined ? {} : { options }),
    expiresAt,
  };
}

function summaryOf(event: Event, said: number): string | undefined {
  switch (event.kind) {
    case 'turn.started':
      return 'The turn has started';
    case 'text.delta':
      return `${said} characters said`;
    case 'tool.called':
      return `Using ${event.body.name}`;
    case 'tool.progress':
      return event.body.message ?? 'A tool is working';
    case 'child.started':
      return `Asked ${event.body.agent} for help`;
    case 'child.progress':
      return event.body.summary ?? 'A child is working';
    case 'request.opened':
      return `Waiting for a person: ${event.body.text}`;
    case 'turn.ended':
      return `The turn is ${event.body.outcome}`;
    default:
      return undefined;
  }
}
