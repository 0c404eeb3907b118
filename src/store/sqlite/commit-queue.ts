// CommitQueue: the jobs that wait for the writer's thread, and the one group it is writing.
//
//   Q1. While a group is being written, jobs wait; when it is answered everything that waits becomes the next group, up
//       to its bounds. There is no timer: the group leaves at the end of the current turn of the event loop, so that
//       all that happens in it shares the commit.
//   Q2. `take` runs exactly once, when its group leaves, in the order of the calls. What it throws fails its job alone.
//   Q3. After a failure of the disk nothing is acknowledged any more: everything rejects with `store.failed`.
//   Q4. Nothing that waits is turned away for want of room: a refusal in the middle of a session's appends would leave
//       a hole in its log. Who appends bounds what it has in flight.
//   Q5. The thread keeps the process alive only while it writes.
import { Worker } from 'node:worker_threads';
import type { Clock, Millis } from '../../kernel/clock.ts';
import { SojournError } from '../../kernel/errors.ts';
import type { Append, Appended } from '../store.ts';
import type { CallArgs, CallName, CallResult } from './call.ts';
import {
  jobOf,
  unitsOf,
  type Answer,
  type Job,
  type Notes,
  type Order,
  type Report,
  type WriterStart,
} from './job.ts';

export interface QueueBounds {
  /** Jobs of one group. */
  groupJobsMax: number;
  /** UTF-16 units of one group, beyond its first job. */
  groupUnitsMax: number;
}

interface Waiting {
  take(): Job;
  settle(answer: Answer | SojournError): void;
}

type State =
  | { kind: 'idle' }
  | { kind: 'leaving' }
  | { kind: 'writing'; group: readonly Waiting[]; since: Millis }
  | { kind: 'failed'; error: SojournError }
  | { kind: 'closed' };

const TIMES_MAX = 1_000;

export class CommitQueue {
  readonly #worker: Worker;
  readonly #clock: Clock;
  readonly #bounds: QueueBounds;
  readonly #tell: (notes: Notes) => void;
  #state: State = { kind: 'idle' };
  #waiting: Waiting[] = [];
  #closing: PromiseWithResolvers<void> | undefined;
  readonly #opened = Promise.withResolvers<void>();
  readonly #failed = Promise.withResolvers<Error>();
  readonly failed: Promise<Error> = this.#failed.promise;
  /** Milliseconds of the last commits, the oldest overwritten. */
  readonly #times: Millis[] = [];
  #commits = 0;

  private constructor(start: WriterStart, clock: Clock, bounds: QueueBounds, tell: (notes: Notes) => void) {
    const file = import.meta.url.endsWith('.ts') ? './writer.ts' : './writer.js';
    this.#worker = new Worker(new URL(file, import.meta.url), { workerData: start, execArgv: [] });
    this.#clock = clock;
    this.#bounds = bounds;
    this.#tell = tell;
    this.#worker.on('message', (report: Report) => this.#hear(report));
    this.#worker.on('error', (error) => this.#fail(`The writer ended: ${String(error)}`));
    this.#worker.on('exit', () => this.#exited());
  }

  /** Resolves when the database is open and its schema is the newest. */
  static async start(
    start: WriterStart,
    clock: Clock,
    bounds: QueueBounds,
    tell: (notes: Notes) => void,
  ): Promise<CommitQueue> {
    const queue = new CommitQueue(start, clock, bounds, tell);
    await queue.#opened.promise;
    queue.#worker.unref();
    return queue;
  }

  append(take: () => Append): Promise<Appended> {
    return this.#enqueue(() => jobOf(take())) as Promise<Appended>;
  }

  async call<Name extends CallName>(call: Name, ...args: CallArgs<Name>): Promise<CallResult<Name>> {
    const answer = await this.#enqueue(() => ({ call, args }));
    return (answer as { kind: 'called'; result: unknown }).result as CallResult<Name>;
  }

  get writing(): boolean {
    return this.#state.kind === 'writing';
  }

  get pending(): number {
    return this.#waiting.length + (this.#state.kind === 'writing' ? this.#state.group.length : 0);
  }

  get commits(): { count: number; ms: readonly Millis[] } {
    return { count: this.#commits, ms: this.#times };
  }

  /** Writes what waits, then ends the thread. */
  async close(): Promise<void> {
    if (this.#closing === undefined) {
      this.#closing = Promise.withResolvers();
      this.#worker.ref();
      if (this.#state.kind === 'idle') this.#leave();
      if (this.#state.kind === 'failed') this.#closing.resolve();
    }
    await this.#closing.promise;
    await this.#worker.terminate();
  }

  #enqueue(take: () => Job): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const refusal = this.#refusal();
      if (refusal !== undefined) return reject(refusal);
      const settle = (answer: Answer | SojournError): void => {
        if (answer instanceof Error) reject(answer);
        else if (answer.kind === 'refused') reject(new SojournError(answer.code, answer.detail));
        else resolve(answer);
      };
      this.#waiting.push({ take, settle });
      if (this.#state.kind === 'idle') this.#leaveSoon();
    });
  }

  #refusal(): SojournError | undefined {
    if (this.#state.kind === 'failed') return this.#state.error;
    return this.#closing && new SojournError('runtime.draining', 'The store is closed');
  }

  #leaveSoon(): void {
    this.#state = { kind: 'leaving' };
    setImmediate(() => {
      if (this.#state.kind === 'leaving') this.#leave();
    });
  }

  /** Sends the next group (Q1), or closes where nothing waits. */
  #leave(): void {
    const group: Waiting[] = [];
    const jobs: Job[] = [];
    let units = 0;
    let taken = 0;
    for (const waiting of this.#waiting) {
      if (jobs.length >= this.#bounds.groupJobsMax || units > this.#bounds.groupUnitsMax) break;
      taken += 1;
      try {
        const job = waiting.take();
        units += 'session' in job ? unitsOf(job) : 0;
        jobs.push(job);
        group.push(waiting);
      } catch (error) {
        waiting.settle(asSojournError(error));
      }
    }
    this.#waiting = this.#waiting.slice(taken);
    if (jobs.length > 0) return this.#send(group, jobs);
    this.#state = { kind: 'idle' };
    if (this.#waiting.length > 0) this.#leaveSoon();
    else if (this.#closing !== undefined) this.#post({ kind: 'close' });
  }

  #send(group: readonly Waiting[], jobs: readonly Job[]): void {
    this.#state = { kind: 'writing', group, since: this.#clock.monotonic() };
    this.#worker.ref();
    this.#post({ kind: 'group', now: this.#clock.now(), jobs });
  }

  #post(order: Order): void {
    this.#worker.postMessage(order);
  }

  #hear(report: Report): void {
    if (report.kind === 'written') this.#written(report.answers, report.notes);
    else if (report.kind === 'failed') this.#fail(report.detail);
    else if (report.kind === 'ready') this.#opened.resolve();
    else if (report.kind === 'refused') this.#opened.reject(new SojournError(report.code, report.detail));
    else this.#exited();
  }

  #written(answers: readonly Answer[], notes: Notes): void {
    const state = this.#state;
    if (state.kind !== 'writing') return;
    this.#times[this.#commits % TIMES_MAX] = this.#clock.monotonic() - state.since;
    this.#commits += 1;
    this.#state = { kind: 'idle' };
    if (notes.ballastUsed || notes.listsDamaged) this.#tell(notes);
    for (const [index, waiting] of state.group.entries()) {
      waiting.settle(answers[index] ?? new SojournError('internal', 'The writer gave no answer'));
    }
    if (this.#waiting.length > 0 || this.#closing !== undefined) this.#leaveSoon();
    else this.#worker.unref();
  }

  /** Q3. */
  #fail(detail: string): void {
    if (this.#state.kind === 'failed' || this.#state.kind === 'closed') return;
    const lost = this.#state.kind === 'writing' ? [...this.#state.group, ...this.#waiting] : this.#waiting;
    const error = new SojournError('store.failed', `The disk failed, nothing is written any more: ${detail}`);
    this.#state = { kind: 'failed', error };
    this.#waiting = [];
    this.#worker.unref();
    this.#failed.resolve(error);
    this.#opened.reject(error);
    for (const waiting of lost) waiting.settle(error);
    this.#closing?.resolve();
  }

  #exited(): void {
    if (this.#closing === undefined) this.#fail('the writer ended');
    if (this.#state.kind !== 'failed') this.#state = { kind: 'closed' };
    this.#closing?.resolve();
  }
}

function asSojournError(error: unknown): SojournError {
  if (error instanceof SojournError) return error;
  return new SojournError('internal', 'An append could not be taken', { cause: error });
}
