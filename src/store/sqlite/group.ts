// Group: many jobs, one commit. Runs on the writer's thread and owns its connection.
//
//   G1. A job that is refused, or that turns out to be broken, fails alone: a broken one is left out and the group is
//       run again from the start. Nothing of the first run remains, neither on disk nor in memory.
//   G2. A commit that fails fails every job of the group and poisons every session in it.
//   G3. When the disk is full the ballast is given up, so that what is in flight can end; after that `store.full`.
//   G4. An error of the disk, at a commit or a checkpoint, is the end: a page that failed to be written may look clean
//       afterwards, so nothing may ever be acknowledged again (`DiskFailed`).
//   G5. Where the list indexes are damaged, sessions simply stay unsettled: appends go on.
//   G6. Checkpoints are made by hand, because an automatic one hides its errors.
import { SojournError } from '../../kernel/errors.ts';
import type { Millis } from '../../kernel/clock.ts';
import { applyAppend, type Desk } from './append.ts';
import { CALLS } from './call.ts';
import { faultOf, type Connection } from './connection.ts';
import type { Answer, CallJob, Job, Notes, Refusal } from './job.ts';
import { Poison } from './poison.ts';
import { Unsettled } from './unsettled.ts';

/** Nothing may be written any more (G4). */
export class DiskFailed extends Error {}

const CHECKPOINT_FRAMES = 4_000;

interface Broken {
  index: number;
  refusal: Refusal;
}

export class Group {
  readonly #connection: Connection;
  readonly #poison = new Poison();
  readonly #unsettled: Unsettled;
  readonly #notes: Notes;
  /** Answers whether there was any ballast to give up. */
  readonly #giveUpBallast: () => boolean;
  #settles = true;
  #checkpointFrames = CHECKPOINT_FRAMES;

  constructor(connection: Connection, notes: Notes, giveUpBallast: () => boolean) {
    this.#connection = connection;
    this.#unsettled = new Unsettled(connection);
    this.#notes = notes;
    this.#giveUpBallast = giveUpBallast;
  }

  /** One answer for each job, in order. Throws `DiskFailed`. */
  write(jobs: readonly Job[], now: Millis): readonly Answer[] {
    const broken = new Map<number, Refusal>();
    for (;;) {
      const outcome = this.#attempt(jobs, now, broken);
      if ('answers' in outcome) return outcome.answers;
      if ('broken' in outcome) {
        broken.set(outcome.broken.index, outcome.broken.refusal);
        continue;
      }
      const answers = this.#afterFailure(jobs, outcome.failed);
      if (answers !== undefined) return answers;
    }
  }

  /** What a failed group is answered; undefined where it is worth another run. Throws `DiskFailed`. */
  #afterFailure(jobs: readonly Job[], error: unknown): readonly Answer[] | undefined {
    const fault = faultOf(error);
    if (fault === 'busy') {
      return this.#refuseAll(jobs, 'store.failed', 'Another program keeps the database locked');
    }
    if (fault === 'full') {
      if (!this.#giveUpBallast()) return this.#refuseAll(jobs, 'store.full', 'The disk is full');
      this.#notes.ballastUsed = true;
      return undefined;
    }
    if (fault === 'damage' && this.#settles) {
      this.#settles = false;
      this.#notes.listsDamaged = true;
      return undefined;
    }
    throw new DiskFailed('The database could not be written', { cause: error });
  }

  /** One run of the group (G1). */
  #attempt(
    jobs: readonly Job[],
    now: Millis,
    broken: ReadonlyMap<number, Refusal>,
  ): { answers: readonly Answer[] } | { broken: Broken } | { failed: unknown } {
    const desk: Desk = {
      connection: this.#connection,
      poison: this.#poison,
      unsettled: this.#unsettled,
      now,
    };
    let at: number | undefined;
    try {
      const answers = this.#connection.transaction(() => {
        const done: Answer[] = [];
        for (const [index, job] of jobs.entries()) {
          at = index;
          const refusal = broken.get(index);
          if (refusal !== undefined) this.#poisonOf(job);
          done.push(refusal ?? apply(desk, job));
        }
        at = undefined;
        if (this.#settles) this.#unsettled.settleSome();
        return done;
      });
      this.#poison.committed();
      this.#unsettled.committed();
      return { answers };
    } catch (error) {
      this.#poison.rolledBack();
      this.#unsettled.rolledBack();
      const refusal = at === undefined ? undefined : refusalOf(error);
      return refusal === undefined || at === undefined
        ? { failed: error }
        : { broken: { index: at, refusal } };
    }
  }

  #poisonOf(job: Job): void {
    if ('session' in job && typeof job.session === 'number') this.#poison.add(job.session, job.epoch);
  }

  #refuseAll(jobs: readonly Job[], code: 'store.full' | 'store.failed', detail: string): readonly Answer[] {
    for (const job of jobs) this.#poisonOf(job);
    this.#poison.committed();
    return jobs.map(() => ({ kind: 'refused', code, detail }));
  }

  /** Brings the log back into the database when it has grown (G6). Throws `DiskFailed`. */
  checkpoint(): void {
    const frames = this.#checkpointRow('NOOP').log;
    if (frames < this.#checkpointFrames) return;
    try {
      const { log, checkpointed } = this.#checkpointRow('PASSIVE');
      // A reader may hold frames back: then try again only when there are many more.
      this.#checkpointFrames = (log === checkpointed ? 0 : log) + CHECKPOINT_FRAMES;
    } catch (error) {
      if (faultOf(error) === 'full' || faultOf(error) === 'busy') {
        this.#checkpointFrames = frames + CHECKPOINT_FRAMES;
        return;
      }
      throw new DiskFailed('The database could not be checkpointed', { cause: error });
    }
  }

  #checkpointRow(mode: 'NOOP' | 'PASSIVE'): { log: number; checkpointed: number } {
    const row = this.#connection.row<{ log: number; checkpointed: number }>(`PRAGMA wal_checkpoint(${mode})`);
    return row ?? { log: 0, checkpointed: 0 };
  }
}

function apply(desk: Desk, job: Job): Answer {
  if ('session' in job) return applyAppend(desk, job);
  try {
    return { kind: 'called', result: call(desk, job) };
  } catch (error) {
    if (!(error instanceof SojournError)) throw error;
    return { kind: 'refused', code: error.code, detail: error.detail };
  }
}

function call(desk: Desk, job: CallJob): unknown {
  const run: (desk: Desk, ...args: never[]) => unknown = CALLS[job.call];
  return run(desk, ...(job.args as never[]));
}

/** What is wrong with a job rather than with the disk; undefined where it is the disk. */
function refusalOf(error: unknown): Refusal | undefined {
  const fault = faultOf(error);
  if (fault === 'damage') {
    return { kind: 'refused', code: 'session.damaged', detail: 'What is stored of this session is damaged' };
  }
  if (fault !== 'other') return undefined;
  const detail = error instanceof SojournError ? error.detail : String(error);
  return { kind: 'refused', code: 'internal', detail };
}
