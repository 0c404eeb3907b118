// MemoryGroups: the jobs that wait for a memory disk, and the one group that is being written.
//
//   G1. A group goes step by step: take, commit, answer. At each step a gate may hold it back, or fail all of it: at
//       `take` and `commit` nothing of it is written, at `answer` all of it is and nobody is told so.
//   G2. `take` runs once for each append, in the order of the calls; what it throws fails its job alone. So does a refusal.
//   G3. After a crash nothing is written and nobody is answered.
import type { Clock } from '../../kernel/clock.ts';
import { SojournError } from '../../kernel/errors.ts';
import type { Append, Appended } from '../../store/store.ts';
import type { MemoryDisk } from './disk.ts';

export type GroupStep = 'take' | 'commit' | 'answer';
/** `appends` are those of the group; none before it is taken. */
export type Gate = (step: GroupStep, appends: readonly Append[]) => Promise<void>;

interface Settle {
  resolve(end: unknown): void;
  reject(error: Error): void;
}

type Job = Settle & ({ kind: 'append'; take: () => Append } | { kind: 'call'; run: () => unknown });
type Taken = Settle & ({ kind: 'append'; append: Append } | { kind: 'call'; run: () => unknown });

export class MemoryGroups {
  readonly counts = { commits: 0, appends: 0, events: 0, fileBytes: 0 };
  readonly #disk: MemoryDisk;
  readonly #clock: Clock;
  readonly #gate: Gate;
  #waiting: Job[] = [];
  #writing: readonly Taken[] = [];
  #running: Promise<void> | undefined;
  #state: 'open' | 'closed' | 'crashed' = 'open';

  constructor(disk: MemoryDisk, clock: Clock, gate: Gate = () => Promise.resolve()) {
    this.#disk = disk;
    this.#clock = clock;
    this.#gate = gate;
  }

  get state(): 'open' | 'closed' | 'crashed' {
    return this.#state;
  }

  get #isCrashed(): boolean {
    return this.state === 'crashed';
  }

  get writing(): number {
    return this.#writing.length;
  }

  get pending(): number {
    return this.#waiting.length + this.#writing.length;
  }

  append(take: () => Append): Promise<Appended> {
    return this.#enqueue((settle) => ({ kind: 'append', take, ...settle })) as Promise<Appended>;
  }

  call<Result>(run: () => Result): Promise<Result> {
    return this.#enqueue((settle) => ({ kind: 'call', run, ...settle })) as Promise<Result>;
  }

  /** Resolves when what was handed over is written. */
  async close(): Promise<void> {
    if (this.#state === 'open') this.#state = 'closed';
    await this.#running;
  }

  /** G3. */
  crash(): void {
    this.#state = 'crashed';
    this.#waiting = [];
  }

  #enqueue(job: (settle: Settle) => Job): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#state === 'crashed') return; // G3
      if (this.#state === 'closed')
        return reject(new SojournError('runtime.draining', 'The store is closed'));
      this.#waiting.push(job({ resolve, reject }));
      this.#running ??= this.#run();
    });
  }

  async #run(): Promise<void> {
    await Promise.resolve(); // All that is handed over in one step shares a group.
    while (this.#waiting.length > 0) await this.#write();
    this.#running = undefined;
  }

  /** G1. Never rejects. */
  async #write(): Promise<void> {
    let isTaken = false;
    try {
      await this.#gate('take', []);
      this.#take();
      isTaken = true;
      const appends = this.#writing.flatMap((job) => (job.kind === 'append' ? [job.append] : []));
      await this.#gate('commit', appends);
      if (this.#isCrashed) return;
      const answers = this.#writing.map((job) => this.#apply(job));
      this.counts.commits += 1;
      await this.#gate('answer', appends);
      if (this.#isCrashed) return;
      for (const answer of answers) answer();
    } catch (error) {
      if (!isTaken) this.#take();
      if (!this.#isCrashed) this.#fail(error);
    } finally {
      this.#writing = [];
    }
  }

  /** G2. */
  #take(): void {
    const taken: Taken[] = [];
    for (const job of this.#waiting.splice(0)) {
      if (job.kind === 'call') {
        taken.push(job);
        continue;
      }
      const { take, ...rest } = job;
      try {
        taken.push({ ...rest, append: take() });
      } catch (error) {
        job.reject(asError(error));
      }
    }
    this.#writing = taken;
  }

  /** Writes one job, and returns the call that answers it. */
  #apply(job: Taken): () => void {
    try {
      if (job.kind === 'call') {
        const result = job.run();
        return () => job.resolve(result);
      }
      const appended = this.#disk.apply(job.append, this.#clock.now());
      if (appended.kind === 'appended') this.#count(job.append);
      return () => job.resolve(appended);
    } catch (error) {
      if (job.kind === 'append') this.#disk.poison(job.append);
      return () => job.reject(asError(error));
    }
  }

  #fail(error: unknown): void {
    for (const job of this.#writing) {
      if (job.kind === 'append') this.#disk.poison(job.append);
      job.reject(asError(error));
    }
  }

  #count({ events }: Append): void {
    this.counts.appends += 1;
    this.counts.events += events.length;
    for (const { body } of events) this.counts.fileBytes += body.length;
  }
}

function asError(error: unknown): Error {
  if (error instanceof Error) return error;
  return new SojournError('internal', 'Something was thrown that is no error', { cause: error });
}
