// Session log: the appends of one session, in order, under one epoch.
//
// Owns: the events that wait for the store, the epoch, the head. Does not own: what an event means.
//
//   L1. Appends become durable in the order they were made; nothing is shown before it is durable.
//   L2. What waits while the store is busy leaves as one job. Deltas of one message that wait are joined when
//       `coalesce` is set; nothing is held back when the store is free.
//   L3. A job with a once-key stands alone: it may be answered without being written. Nothing is handed over behind
//       the job that claims or makes the session until that one is answered: the epoch is not known before.
//   L4. The first failure is final: the log is broken, everything behind it fails, nothing is tried again.
//       Whoever owns the session drops it and starts from the store.
import { SojournError } from '../kernel/errors.ts';
import type { Clock } from '../kernel/clock.ts';
import type {
  Append,
  Appended,
  ArtifactRow,
  Epoch,
  EventStore,
  NewSession,
  OnceRow,
  RequestPatch,
  SessionNum,
  SessionPatch,
  StoredEvent,
  TurnPatch,
} from '../store/store.ts';
import type { EventBodies, EventKind } from '../wire/event.ts';
import type { Flow } from './flow.ts';

/** An event that is not written yet. */
export type Draft = {
  [Kind in EventKind]: { kind: Kind; turn: string | null; body: EventBodies[Kind] };
}[EventKind];

/** The rows that change with the events. Event indexes count from the first event of the same append. */
export interface Also {
  row?: SessionPatch;
  turns?: readonly TurnPatch[];
  requests?: readonly RequestPatch[];
  artifacts?: readonly ArtifactRow[];
  once?: Omit<OnceRow, 'seq'>;
  snapshot?: string | null;
}

/** `firstSeq` is of the first event of this append, or the seq a next event would get where it had none. */
export type Written = { kind: 'written'; firstSeq: number; lastSeq: number } | { kind: 'once'; row: OnceRow };

/** What an event costs besides its body. */
const EVENT_BYTES = 64;

export interface SessionLogOptions {
  store: EventStore;
  flow: Flow;
  clock: Clock;
  /** A row that exists, or what the first append makes. */
  session: SessionNum | NewSession;
  epoch: Epoch;
  headSeq: number;
  coalesce: boolean;
  inFlightBytesMax: number;
  eventBytesMax: number;
  /** Called in order, as soon as events are durable. Must not throw. */
  onDurable(events: readonly StoredEvent[]): void;
  /** Artifacts whose rows are written now, or never will be. Must not throw. */
  onArtifacts(artifacts: readonly ArtifactRow[]): void;
  /** Called once, at the first failure. Must not throw. */
  onBroken(error: unknown): void;
}

interface WaitingEvent {
  at: number;
  kind: string;
  turn: string | null;
  /** Undefined while it is an open delta. */
  body: string | undefined;
  delta: { text: string; message: string } | undefined;
  bytes: number;
}

interface Job {
  events: WaitingEvent[];
  row: SessionPatch | undefined;
  turns: TurnPatch[];
  requests: RequestPatch[];
  artifacts: ArtifactRow[];
  once: Omit<OnceRow, 'seq'> | undefined;
  snapshot: string | null | undefined;
  alone: boolean;
  bytes: number;
  waiters: { first: number; count: number; resolve(written: Written): void; reject(error: unknown): void }[];
}

export class SessionLog {
  readonly #options: SessionLogOptions;
  #session: SessionNum | NewSession;
  #epoch: Epoch;
  #headSeq: number;
  #claim: 'none' | 'asked' | 'held' = 'none';
  #broken: unknown;
  #abandoned: SojournError | undefined;
  /** Not handed to the store yet, because the claim is being asked for. */
  readonly #unsent: Job[] = [];
  /** The job that still collects; undefined when the store has taken the last one. */
  #open: Job | undefined;
  #bytes = 0;
  #jobs = 0;
  #idleWaiters: (() => void)[] = [];
  #roomWaiters: (() => void)[] = [];

  constructor(options: SessionLogOptions) {
    this.#options = options;
    this.#session = options.session;
    this.#epoch = options.epoch;
    this.#headSeq = options.headSeq;
  }

  /** The last durable seq. */
  get headSeq(): number {
    return this.#headSeq;
  }

  /** The store's name of the session; undefined until the append that makes it is durable. */
  get num(): SessionNum | undefined {
    return typeof this.#session === 'number' ? this.#session : undefined;
  }

  get broken(): boolean {
    return this.#broken !== undefined;
  }

  get inFlightBytes(): number {
    return this.#bytes;
  }

  /** Resolves when all of it is durable; rejects when none of it is. */
  append(drafts: readonly Draft[], also: Also = {}): Promise<Written> {
    return new Promise((resolve, reject) => {
      try {
        const events = drafts.map((draft) => this.#encode(draft));
        const job = this.#jobFor(also.once !== undefined);
        const first = job.events.length;
        for (const event of events) this.#add(job, event);
        merge(job, also, first);
        job.waiters.push({ first, count: drafts.length, resolve, reject });
        this.#pump();
      } catch (error) {
        reject(error);
      }
    });
  }

  /** Like `append`, for events nobody waits for: a failure shows at the next append. Throws when the log is broken. */
  push(draft: Draft): void {
    const event = this.#encode(draft);
    const job = this.#jobFor(false);
    const last = job.events.at(-1);
    if (event.delta !== undefined && last?.delta !== undefined && this.#joins(last, event)) {
      last.delta.text += event.delta.text; // L2
      this.#count(job, last, event.delta.text.length);
    } else {
      this.#add(job, event);
    }
    this.#pump();
  }

  /** Whether an event may be this large. */
  fits(draft: Draft): boolean {
    return EVENT_BYTES + JSON.stringify(draft.body).length <= this.#options.eventBytesMax;
  }

  /** Undefined when more may be produced now; else a promise of the next moment to look again. */
  room(): Promise<void> | undefined {
    if (this.#bytes >= this.#options.inFlightBytesMax && this.#broken === undefined) {
      return new Promise((resolve) => this.#roomWaiters.push(resolve));
    }
    return this.#options.flow.room();
  }

  /** Resolves when nothing waits and nothing is being written, whether it went well or not. */
  settled(): Promise<void> {
    if (this.#jobs === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  /** Nothing more is appended: whoever owns it gives it up. What the store has been handed is still answered. */
  abandon(error: unknown): void {
    if (this.#broken !== undefined) return;
    this.#broken = error;
    this.#open = undefined;
    if (error instanceof SojournError) this.#abandoned = error;
  }

  #jobFor(alone: boolean): Job {
    if (this.#broken !== undefined) throw this.#poisoned();
    if (this.#open !== undefined && !alone && !this.#open.alone) return this.#open;
    const job: Job = {
      events: [],
      row: undefined,
      turns: [],
      requests: [],
      artifacts: [],
      once: undefined,
      snapshot: undefined,
      alone,
      bytes: 0,
      waiters: [],
    };
    this.#open = job;
    this.#jobs += 1;
    this.#unsent.push(job);
    return job;
  }

  /** Hands over what may be handed over, in order (L1, L3). */
  #pump(): void {
    while (this.#claim !== 'asked') {
      const job = this.#unsent.shift();
      if (job === undefined) return;
      if (this.#claim === 'none') this.#claim = 'asked';
      void this.#write(job); // Never rejects: it answers the job's waiters.
    }
  }

  #encode(draft: Draft): WaitingEvent {
    const delta = draft.kind === 'text.delta' || draft.kind === 'reasoning.delta' ? draft.body : undefined;
    const body = delta === undefined ? JSON.stringify(draft.body) : undefined;
    const bytes = EVENT_BYTES + (body ?? delta?.text ?? '').length;
    if (bytes > this.#options.eventBytesMax) {
      throw new SojournError(
        'log.event_too_large',
        `An event ${draft.kind} of ${bytes} bytes is over ${this.#options.eventBytesMax}`,
      );
    }
    return {
      at: this.#options.clock.now(),
      kind: draft.kind,
      turn: draft.turn,
      body,
      delta: delta === undefined ? undefined : { text: delta.text, message: delta.message },
      bytes,
    };
  }

  #add(job: Job, event: WaitingEvent): void {
    job.events.push(event);
    job.bytes += event.bytes;
    this.#bytes += event.bytes;
    this.#options.flow.add(event.bytes);
  }

  #joins(last: WaitingEvent, next: WaitingEvent): boolean {
    return (
      this.#options.coalesce &&
      last.kind === next.kind &&
      last.turn === next.turn &&
      last.bytes < this.#options.eventBytesMax / 8 &&
      last.delta?.message === next.delta?.message
    );
  }

  #count(job: Job, event: WaitingEvent, bytes: number): void {
    event.bytes += bytes;
    job.bytes += bytes;
    this.#bytes += bytes;
    this.#options.flow.add(bytes);
  }

  async #write(job: Job): Promise<void> {
    let sent: Append | undefined;
    try {
      if (this.#broken !== undefined) throw this.#poisoned();
      const appended = await this.#options.store.append(() => (sent = this.#take(job)));
      this.#done(job, sent, appended);
    } catch (error) {
      this.#break(error);
      for (const waiter of job.waiters) waiter.reject(error);
    } finally {
      if (job.artifacts.length > 0) this.#options.onArtifacts(job.artifacts);
      this.#jobs -= 1;
      this.#bytes -= job.bytes;
      this.#options.flow.remove(job.bytes);
      for (const wake of this.#roomWaiters.splice(0)) wake();
      if (this.#jobs === 0) for (const wake of this.#idleWaiters.splice(0)) wake();
      this.#pump();
    }
  }

  #take(job: Job): Append {
    if (this.#open === job) this.#open = undefined;
    const append: Append = {
      session: this.#session,
      epoch: this.#epoch,
      events: job.events.map((event) => ({
        at: event.at,
        kind: event.kind,
        turn: event.turn,
        body: event.body ?? JSON.stringify(event.delta),
      })),
    };
    if (this.#claim === 'asked' && typeof this.#session === 'number') append.claim = true;
    if (job.row !== undefined) append.row = job.row;
    if (job.turns.length > 0) append.turns = job.turns;
    if (job.requests.length > 0) append.requests = job.requests;
    if (job.artifacts.length > 0) append.artifacts = job.artifacts;
    if (job.once !== undefined) append.once = job.once;
    if (job.snapshot !== undefined) append.snapshot = job.snapshot;
    return append;
  }

  #done(job: Job, sent: Append | undefined, appended: Appended): void {
    if (appended.kind === 'exists') {
      throw new SojournError('session.exists', `A session ${appended.row.key} was made meanwhile`);
    }
    if (appended.kind === 'once') {
      // Nothing was written: a claim or a creation in this job did not happen either.
      if (this.#claim === 'asked') this.#claim = 'none';
      for (const waiter of job.waiters) waiter.resolve({ kind: 'once', row: appended.row });
      return;
    }
    this.#claim = 'held';
    this.#session = appended.num;
    this.#epoch = appended.epoch;
    this.#headSeq = appended.headSeq;
    const base = appended.headSeq - job.events.length;
    const events = (sent?.events ?? []).map((event, index) => ({ ...event, seq: base + index + 1 }));
    if (events.length > 0) this.#options.onDurable(events);
    for (const waiter of job.waiters) {
      const firstSeq = base + waiter.first + 1;
      waiter.resolve({ kind: 'written', firstSeq, lastSeq: firstSeq + waiter.count - 1 });
    }
  }

  /** L4. */
  #break(error: unknown): void {
    if (this.#broken !== undefined) return;
    this.#broken = error;
    this.#open = undefined;
    this.#claim = 'held'; // What waits behind may fail now.
    this.#options.onBroken(error);
  }

  #poisoned(): SojournError {
    if (this.#abandoned !== undefined) return this.#abandoned;
    return new SojournError('log.poisoned', 'An earlier write of this session failed', {
      cause: this.#broken,
    });
  }
}

function merge(job: Job, also: Also, first: number): void {
  if (also.row !== undefined) job.row = { ...job.row, ...also.row };
  for (const turn of also.turns ?? []) job.turns.push(shift(turn, first));
  for (const request of also.requests ?? []) job.requests.push(shift(request, first));
  if (also.artifacts !== undefined) job.artifacts.push(...also.artifacts);
  if (also.once !== undefined) job.once = also.once;
  if (also.snapshot !== undefined) job.snapshot = also.snapshot;
}

const INDEXES = ['acceptedEvent', 'startEvent', 'endEvent', 'openedEvent', 'closedEvent'] as const;

/** The patch with its event indexes counted from the job's first event. */
function shift<Patch extends TurnPatch | RequestPatch>(patch: Patch, first: number): Patch {
  if (first === 0) return patch;
  const moved: Partial<Record<(typeof INDEXES)[number], number>> = {};
  for (const name of INDEXES) {
    const index = (patch as Partial<Record<string, unknown>>)[name];
    if (typeof index === 'number') moved[name] = index + first;
  }
  return { ...patch, ...moved };
}
