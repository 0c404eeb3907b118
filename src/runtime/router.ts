// Session router: which session a key means, and the one object that stands for it in this process.
//
//   U1. At most one object per session, however it is asked for: by key, by alias, by id.
//   U2. A session that a crash left at work is recovered before anybody gets it.
//   U3. An object is let go when nothing needs it; one that cannot go on is given up at once, and whoever asks next
//       begins from the store, after its instance has been disposed of.
//   U4. New sessions of a project come at a bounded rate.
//   U5. What was given up is taken up again without anybody asking, ever less often while that fails: it may have been at
//       work. Unless somebody else owns the session now, or it has been erased.
//   U6. Nobody works with an object that has been let go: whoever had found it looks again.
import { SojournError } from '../kernel/errors.ts';
import type { Millis, Timer } from '../kernel/clock.ts';
import { logTopic } from '../log/tail.ts';
import type { NewSession, SessionRow } from '../store/store.ts';
import type { SessionHost } from '../session/host.ts';
import { Session } from '../session/session.ts';
import { Flights } from './flights.ts';

/** What makes a session, besides where it is found. */
export type Making = Omit<NewSession, 'id' | 'project' | 'key' | 'at'>;

interface Bucket {
  left: number;
  at: Millis;
}

const PROJECTS_COUNTED_MAX = 10_000;
/** Until a session that was given up at work is taken up again; twice as long after each failure. */
const TAKE_UP_MS = 1_000;
const TAKE_UP_MS_MAX = 60_000;

export class SessionRouter {
  readonly #host: SessionHost;
  readonly #byId = new Map<string, Session>();
  /** By project and key or alias. */
  readonly #byName = new Map<string, Session>();
  readonly #finding = new Flights<Session | null>();
  readonly #opening = new Flights<Session>();
  readonly #givenUp = new Map<string, Promise<void>>();
  /** Moves with everything that is let go, and again when that has written its last: a row read before may be old. */
  #removals = 0;
  readonly #buckets = new Map<string, Bucket>();
  /** U5. Without a timer it is being tried. */
  readonly #takingUp = new Map<string, { delayMs: Millis; timer: Timer | undefined }>();

  constructor(host: SessionHost) {
    this.#host = host;
  }

  /** Those in memory. */
  get sessions(): Iterable<Session> {
    return this.#byId.values();
  }

  /** Also one that is being recovered: its log may be written to, and nothing else. */
  peek(id: string): Session | undefined {
    return this.#byId.get(id);
  }

  /** In memory, by key or by an alias it was found by. */
  known(project: string, key: string): Session | undefined {
    return this.#byName.get(nameOf(project, key));
  }

  find(project: string, key: string): Promise<Session | null> {
    const name = nameOf(project, key);
    const known = this.#byName.get(name);
    if (known !== undefined) return this.#opening.get(known.id) ?? Promise.resolve(known); // U2
    return this.#finding.share(name, () => this.#find(project, key));
  }

  async findById(id: string): Promise<Session | null> {
    const known = this.#opening.get(id) ?? this.#byId.get(id); // U2
    if (known !== undefined) return known;
    const removals = this.#removals;
    const row = await this.#host.store.byId(id);
    return row === null ? null : this.#open(row, removals);
  }

  /** Finds it, or makes it in memory: the first append makes it in the store. Throws `session.limit`. */
  async findOrMake(
    project: string,
    key: string,
    making: () => Making,
  ): Promise<{ session: Session; made: boolean }> {
    const found = await this.find(project, key);
    const session = found ?? this.#byName.get(nameOf(project, key));
    return session === undefined
      ? { session: this.#make(project, key, making()), made: true }
      : { session, made: false };
  }

  /** U6. Keeps what `find` gives in memory during `work`. */
  async using<Found extends { session: Session }, Result>(
    find: () => Promise<Found>,
    work: (found: Found) => Promise<Result>,
  ): Promise<Result> {
    for (;;) {
      const found = await find();
      const { session } = found;
      if (this.#byId.get(session.id) === session) return session.using(() => work(found));
    }
  }

  /** The same, by id. Null when there is none. */
  async usingById<Result>(id: string, work: (session: Session) => Promise<Result>): Promise<Result | null> {
    for (;;) {
      const session = await this.findById(id);
      if (session === null) return null;
      if (this.#byId.get(id) === session) return session.using(() => work(session));
    }
  }

  /** U3. Must be told whenever a session may have become unneeded. */
  settle(session: Session): void {
    if (session.needed || this.#byId.get(session.id) !== session) return;
    this.#remove(session);
    session.core.questions.drop();
  }

  /** U3, U5. */
  giveUp(session: Session, error: unknown): void {
    if (this.#byId.get(session.id) !== session) return;
    const isOurs = !this.#host.draining && !SojournError.is(error, 'log.fenced');
    const isThere = !SojournError.is(error, 'session.not_found');
    this.#remove(session);
    session.drop(error);
    if (isOurs && isThere && !this.#takingUp.has(session.id)) this.#takeUpAfter(session.id, TAKE_UP_MS);
    const retired = this.#retire(session)
      .catch((thrown: unknown) =>
        this.#host.logger.error('router.retire_failed', { session: session.id, error: thrown }),
      )
      .finally(() => {
        this.#givenUp.delete(session.id);
        this.#removals += 1;
      });
    this.#givenUp.set(session.id, retired);
  }

  /** Its turn has let go of the instance, and what it had handed over is written or refused. */
  async #retire(session: Session): Promise<void> {
    await session.conduct.unwound();
    await this.#host.registry.retire(session.id, 'error');
    await session.core.log.settled();
    const { num } = session.core.log;
    if (num !== undefined) this.#host.bus.publish(logTopic(num), []); // Readers see what was written and not answered.
  }

  /** Nothing is taken up again: the next start will. */
  drain(): void {
    for (const { timer } of this.#takingUp.values()) timer?.cancel();
    this.#takingUp.clear();
  }

  /** Resolves when what has been given up has let go of its instance. */
  async gone(): Promise<void> {
    await Promise.all(this.#givenUp.values());
  }

  /** U5. */
  #takeUpAfter(id: string, delayMs: Millis): void {
    const timer = this.#host.clock.after(delayMs, () => {
      this.#takingUp.set(id, { delayMs, timer: undefined });
      this.findById(id).then(
        () => this.#takingUp.delete(id),
        (error: unknown) => {
          this.#host.logger.warn('router.take_up_failed', { session: id, error });
          this.#takingUp.delete(id);
          const isOurs =
            !SojournError.is(error, 'log.fenced') && !SojournError.is(error, 'session.not_found');
          if (isOurs && !this.#host.draining) this.#takeUpAfter(id, Math.min(2 * delayMs, TAKE_UP_MS_MAX));
        },
      );
    });
    this.#takingUp.set(id, { delayMs, timer });
  }

  async #find(project: string, key: string): Promise<Session | null> {
    const removals = this.#removals;
    const row = await this.#host.store.byKey(project, key);
    if (row === null) return null;
    const session = await this.#open(row, removals);
    if (this.#byId.get(session.id) === session && key !== row.key) {
      session.aliases.add(key);
      this.#byName.set(nameOf(project, key), session);
    }
    return session;
  }

  /** U1, U2. `removals` is how many there had been when the row was asked for. */
  #open(row: SessionRow, removals: number): Promise<Session> {
    const known = this.#opening.get(row.id) === undefined ? this.#byId.get(row.id) : undefined;
    if (known !== undefined) return Promise.resolve(known);
    return this.#opening.share(row.id, () => this.#openOnce(row, removals));
  }

  async #openOnce(found: SessionRow, removals: number): Promise<Session> {
    await this.#givenUp.get(found.id);
    // What was being written when the last object was let go is known only now.
    const row = removals === this.#removals ? found : await this.#host.store.byId(found.id);
    if (row === null) throw new SojournError('session.not_found', `Session ${found.id} has been erased`);
    if (row.damaged)
      throw new SojournError('session.damaged', `The log of session ${row.key} does not match its checksums`);
    const session = new Session(this.#host, row);
    this.#byId.set(row.id, session);
    this.#byName.set(nameOf(row.project, row.key), session);
    if (row.state === 'idle' || row.state === 'closed') return session;
    await session.using(async () => {
      try {
        await session.recover();
      } catch (error) {
        this.giveUp(session, error);
        throw error;
      }
    });
    return session;
  }

  #make(project: string, key: string, making: Making): Session {
    this.countNew(project);
    const { clock, ids } = this.#host;
    const at = clock.now();
    const fresh: NewSession = { ...making, id: ids.id(), project, key, at };
    const session = new Session(this.#host, rowOf(fresh), fresh);
    this.#byId.set(session.id, session);
    this.#byName.set(nameOf(project, key), session);
    return session;
  }

  /** U4. A bucket that refills evenly. Throws `session.limit`. */
  countNew(project: string): void {
    const { clock, limits } = this.#host;
    const now = clock.monotonic();
    const bucket = this.#buckets.get(project) ?? { left: limits.createBurst, at: now };
    const perMs = limits.createPerMinute / 60_000;
    bucket.left = Math.min(limits.createBurst, bucket.left + (now - bucket.at) * perMs);
    bucket.at = now;
    if (bucket.left < 1) {
      throw new SojournError(
        'session.limit',
        `Project ${project} makes more than ${limits.createPerMinute} sessions a minute`,
        {
          retryAfterMs: Math.ceil((1 - bucket.left) / perMs),
        },
      );
    }
    bucket.left -= 1;
    // At the bound the oldest is forgotten: that project begins with a full bucket.
    if (this.#buckets.size >= PROJECTS_COUNTED_MAX && !this.#buckets.has(project)) {
      for (const oldest of this.#buckets.keys()) {
        this.#buckets.delete(oldest);
        break;
      }
    }
    this.#buckets.set(project, bucket);
  }

  #remove(session: Session): void {
    this.#removals += 1;
    this.#host.bill.leave(session.core.spending);
    this.#byId.delete(session.id);
    const { project, key } = session.core.row;
    this.#byName.delete(nameOf(project, key));
    for (const alias of session.aliases) this.#byName.delete(nameOf(project, alias));
  }
}

/** A key has no control characters, so this is injective. */
export const nameOf = (project: string, key: string): string => `${project}\0${key}`;

function rowOf(fresh: NewSession): SessionRow {
  const { at, ...row } = fresh;
  return {
    ...row,
    posts: row.posts ?? [],
    internal: row.internal === true,
    num: 0,
    state: 'idle',
    epoch: 0,
    headSeq: 0,
    turn: null,
    queued: 0,
    inputTokens: 0,
    outputTokens: 0,
    cacheReadTokens: 0,
    cacheWriteTokens: 0,
    costUsd: 0,
    turnsEnded: 0,
    toolCalls: 0,
    turnMs: 0,
    createdAt: at,
    lastActiveAt: at,
    damaged: false,
  };
}
