// Staging: a session that is put together step by step, seen by nobody until it is whole.
//
//   ST1. It lies under a name that no caller can give, and gets its key in the last append: it is all there or not at all.
//   ST2. At most one batch of events is held, whatever the session's size.
//   ST3. What it is given and never places is erased: by `discard`, or after a crash at the next start (`clearStaged`).
//   ST4. A file is put before the row that refers to it, and both count against the quotas of session and project.
import { SojournError } from '../kernel/errors.ts';
import type { SessionAllowance } from '../context/allowance.ts';
import type { ArtifactRow, NewEvent, NewSession, SessionNum } from '../store/store.ts';
import type { RuntimeHost } from './host.ts';
import { TurnTally } from './turn-tally.ts';

const BATCH_CHARS_MAX = 1_024 * 1_024;
const BATCH_EVENTS_MAX = 1_000;
const BATCH_ARTIFACTS_MAX = 64;
/** A control character, which no key has. */
const STAGED = '\u0001';
const CLEARED_AT_ONCE = 100;

export class Staging {
  readonly #host: RuntimeHost;
  readonly #session: NewSession;
  readonly #key: string;
  readonly #tally: TurnTally;
  readonly #allowance: SessionAllowance;
  #num: SessionNum | undefined;
  #events: NewEvent[] = [];
  #chars = 0;
  #artifacts: ArtifactRow[] = [];
  /** Told when the rows of what was put are written, or will never be. */
  #settles: (() => void)[] = [];

  /** Under `session.key` in the end. */
  constructor(host: RuntimeHost, session: NewSession) {
    this.#host = host;
    this.#key = session.key;
    this.#session = { ...session, key: `${STAGED}${session.id}` };
    this.#allowance = host.allowance.of(session.project, () => this.#num);
    this.#tally = new TurnTally(async (turn) => {
      const row = this.#num === undefined ? null : await host.store.turn(this.#num, turn);
      return row !== null;
    });
  }

  /** The number of what is staged, once it has one. */
  get num(): SessionNum | undefined {
    return this.#num;
  }

  async add(event: NewEvent): Promise<void> {
    await this.#tally.count(event, this.#events.length);
    this.#events.push(event);
    this.#chars += event.body.length;
    if (this.#chars >= BATCH_CHARS_MAX || this.#events.length >= BATCH_EVENTS_MAX) await this.#flush(); // ST2
  }

  /** Rows of files that are there. `settled` is told once they are written, or will never be. */
  async refer(rows: readonly ArtifactRow[], settled?: () => void): Promise<void> {
    this.#artifacts.push(...rows);
    if (settled !== undefined) this.#settles.push(settled);
    if (this.#artifacts.length >= BATCH_ARTIFACTS_MAX) await this.#flush();
  }

  /** Rows of another session of the project, whose files are there. Throws `artifact.quota`. */
  async share(rows: readonly ArtifactRow[]): Promise<void> {
    for (const row of rows) {
      const grant = await this.#allowance.ask(row.digest, row.bytes); // ST4
      if (grant.kind === 'refused') throw new SojournError('artifact.quota', grant.detail);
      await this.refer([row], () => this.#allowance.settled(row.digest));
    }
  }

  /** Throws `artifact.quota`, and what a store's `put` throws. */
  async put(bytes: Uint8Array, row: Omit<ArtifactRow, 'at'>): Promise<void> {
    const grant = await this.#allowance.ask(row.digest, row.bytes); // ST4
    if (grant.kind === 'refused') throw new SojournError('artifact.quota', grant.detail);
    if (grant.kind === 'kept') return;
    try {
      await this.#host.files.put(this.#session.project, bytes, row.digest);
    } catch (error) {
      this.#allowance.failed(row.digest);
      throw error;
    }
    await this.refer([{ ...row, at: this.#host.clock.now() }], () => {
      this.#allowance.settled(row.digest);
      this.#host.files.settled(this.#session.project, [row.digest]);
    });
  }

  /** ST1. Throws `session.exists`. What was unfinished in it ends as after a crash. */
  async place(): Promise<void> {
    if (this.#num === undefined) await this.#flush();
    const state = this.#tally.open > 0 ? 'running' : 'idle';
    await this.#flush({ key: this.#key, row: { state, turnsEnded: this.#tally.ended } });
    await this.#host.router.findById(this.#session.id);
  }

  /** ST3. Never rejects. */
  async discard(): Promise<void> {
    const { logger } = this.#host;
    this.#events = [];
    this.#tally.take(); // Its rows name events that are gone.
    try {
      // Files whose rows are written are found when they are erased.
      if (this.#artifacts.length > 0) await this.#flush();
      if (this.#num !== undefined) await eraseStaged(this.#host, this.#num, this.#session.project);
    } catch (error) {
      logger.warn('import.discard_failed', {
        session: this.#session.id,
        error,
        fix: 'The next start does it.',
      });
    }
  }

  async #flush(
    end: { key?: string; row?: { state: 'running' | 'idle'; turnsEnded: number } } = {},
  ): Promise<void> {
    const events = this.#events.splice(0);
    const artifacts = this.#artifacts.splice(0);
    const settles = this.#settles.splice(0);
    const turns = this.#tally.take();
    this.#chars = 0;
    try {
      const isNew = this.#num === undefined;
      const done = await this.#host.store.append(() => ({
        session: this.#num ?? this.#session,
        epoch: isNew ? 0 : 1,
        events,
        turns,
        artifacts,
        ...end,
      }));
      if (done.kind !== 'appended') throw new SojournError('session.exists', `A session ${this.#key} exists`);
      this.#num = done.num;
    } finally {
      for (const settled of settles) settled();
    }
  }
}

/** ST3. What a crash left half put together. Never rejects. */
export async function clearStaged(host: RuntimeHost): Promise<void> {
  const { store, logger } = host;
  let cleared = 0;
  try {
    for (;;) {
      const rows = await store.staged(CLEARED_AT_ONCE);
      for (const { num, project } of rows) await eraseStaged(host, num, project);
      cleared += rows.length;
      if (rows.length < CLEARED_AT_ONCE) break;
    }
  } catch (error) {
    logger.warn('import.clear_failed', { error });
  }
  if (cleared > 0) logger.info('import.cleared', { sessions: cleared });
}

async function eraseStaged(host: RuntimeHost, num: SessionNum, project: string): Promise<void> {
  const { orphans } = await host.store.erase(num);
  for (const digest of orphans) await host.files.remove(project, digest);
  host.allowance.erased(project);
}
