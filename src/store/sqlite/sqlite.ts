// SqliteStore: the store of a single machine, one SQLite file in a data folder that one process owns.
//
//   The event loop never waits for the disk: one thread writes (commit-queue.ts, group.ts), short reads run here on a
//   connection of their own, long ones on another thread. Who wants to know what is stored where reads schema.ts.
import { statSync } from 'node:fs';
import { breathe } from '../../kernel/breath.ts';
import { type Clock, type Millis, systemClock } from '../../kernel/clock.ts';
import { SojournError } from '../../kernel/errors.ts';
import { DEFAULT_LIMITS } from '../../kernel/limits.ts';
import { type Logger, silentLogger } from '../../kernel/logger.ts';
import type {
  Append,
  Appended,
  ArtifactStore,
  IdentityStore,
  Seq,
  SessionFilter,
  SessionNum,
  Store,
  StoredEvent,
  StoreStats,
  TimelineStore,
  TokenRow,
} from '../store.ts';
import { CommitQueue, type QueueBounds } from './commit-queue.ts';
import { asStoreError, checkVersion, Connection } from './connection.ts';
import { readPage, type PageBounds } from './event-pages.ts';
import { ArtifactFiles } from './files.ts';
import { checkDatabase, databaseFile, folderError, lockFolder, prepareFolder } from './folder.ts';
import { SqliteIdentities } from './identities.ts';
import { childrenOf, listPage, stagedOf, unfinishedOf, type Page } from './list.ts';
import { PointReads } from './point-reads.ts';
import { ReaderThread } from './reader-thread.ts';
import { FREE_BYTES_MIN, Space, type SpaceBounds } from './space.ts';
import { SqliteTimelines } from './timelines.ts';

export interface SqliteLimits extends QueueBounds, SpaceBounds {
  /** One artifact, in bytes; past it `artifact.too_large`. */
  artifactBytesMax: number;
}

const MiB = 1_024 * 1_024;
const ARTIFACTS_A_PAGE = 1_000;

const DEFAULTS: Readonly<SqliteLimits> = Object.freeze({
  groupJobsMax: 1_024,
  groupUnitsMax: 4 * MiB,
  freeBytesMin: FREE_BYTES_MIN,
  ballastBytes: 16 * MiB,
  artifactBytesMax: DEFAULT_LIMITS.artifactBytesMax,
});

export interface SqliteOptions {
  /** The data folder. Made where it is missing; no other process may use it meanwhile. */
  folder: string;
  /** @default the system's */
  clock?: Clock;
  /** @default silent */
  logger?: Logger;
  limits?: Partial<SqliteLimits>;
  /**
   * What an acknowledged write survives. `process-crash` does not wait for the disk: a power loss may take the last
   * moments with it.
   *
   * @default 'power-loss'
   */
  durability?: 'power-loss' | 'process-crash';
}

/** Throws `store.in_use`, `store.damaged`, `store.schema`, `store.full`, `store.failed`, `config.invalid`. */
export async function sqliteStore(options: SqliteOptions): Promise<Store> {
  checkVersion(process.versions.sqlite);
  try {
    return await openStore(options);
  } catch (error) {
    throw folderError(options.folder, error);
  }
}

async function openStore(options: SqliteOptions): Promise<Store> {
  const { folder, clock = systemClock, logger = silentLogger, durability = 'power-loss' } = options;
  const limits: SqliteLimits = { ...DEFAULTS, ...options.limits };
  prepareFolder(folder, logger);
  const lock = lockFolder(folder);
  try {
    checkDatabase(folder, clock.now(), durability === 'power-loss');
    const space = new Space(folder, limits, clock, logger);
    const start = { folder, durability, now: clock.now() };
    const files = new ArtifactFiles(folder, limits.artifactBytesMax, clock);
    await files.sweep();
    const queue = await CommitQueue.start(start, clock, limits, ({ ballastUsed, listsDamaged }) => {
      if (ballastUsed) space.ballastUsed();
      if (listsDamaged) logger.error('store.lists_damaged', { folder, fix: 'Run `sojourn doctor`.' });
    });
    return new SqliteStore({ folder, clock, logger, space, queue, files, lock });
  } catch (error) {
    lock.release();
    throw error;
  }
}

interface Parts {
  folder: string;
  clock: Clock;
  logger: Logger;
  space: Space;
  queue: CommitQueue;
  files: ArtifactFiles;
  lock: { release(): void };
}

class SqliteStore implements Store {
  readonly files: ArtifactStore;
  readonly identities: IdentityStore;
  readonly timelines: TimelineStore;
  readonly failed: Promise<Error>;
  readonly #parts: Parts;
  readonly #connection: Connection;
  readonly #points: PointReads;
  readonly #reader: ReaderThread;
  #appends = 0;
  #events = 0;
  #closing: Promise<void> | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#connection = new Connection(databaseFile(parts.folder), 'read');
    this.#points = new PointReads(this.#connection);
    this.#reader = new ReaderThread(parts.folder);
    this.files = parts.files;
    this.identities = new SqliteIdentities(parts.queue, (read) => this.#read(() => read(this.#connection)));
    this.timelines = new SqliteTimelines({
      queue: parts.queue,
      read: (read) => this.#read(() => read(this.#connection)),
      checkForNew: () => parts.space.checkForNew(),
      onDamaged: (post) => parts.logger.error('store.post_damaged', post),
    });
    this.failed = parts.queue.failed;
  }

  append(take: () => Append): Promise<Appended> {
    return this.#parts.queue.append(() => {
      const append = take();
      if (typeof append.session !== 'number') this.#parts.space.checkForNew();
      this.#appends += 1;
      this.#events += append.events.length;
      return append;
    });
  }

  get writing(): boolean {
    return this.#parts.queue.writing;
  }

  async read(session: SessionNum, after: Seq, bounds: PageBounds): Promise<readonly StoredEvent[]> {
    try {
      return this.#read(() => readPage(this.#connection, session, after, bounds));
    } catch (error) {
      if (SojournError.is(error, 'session.damaged')) await this.#setAside(session, error);
      throw error;
    }
  }

  /** S6 of the contract. */
  async #setAside(session: SessionNum, error: SojournError): Promise<void> {
    this.#parts.logger.error('store.session_damaged', { session, error, cause: error.cause });
    await this.#parts.queue.call('markDamaged', session).catch((failure: unknown) => {
      this.#parts.logger.error('store.mark_failed', { session, error: failure });
    });
  }

  #read<T>(run: () => T): T {
    if (this.#closing !== undefined) throw new SojournError('runtime.draining', 'The store is closed');
    try {
      return run();
    } catch (error) {
      throw asStoreError(error);
    }
  }

  async byKey(project: string, keyOrAlias: string) {
    return this.#read(() => this.#points.byKey(project, keyOrAlias));
  }

  async byId(id: string) {
    return this.#read(() => this.#points.byId(id));
  }

  /** A search, or more than one filter, may have to look through many: those go to the other thread. */
  async list(filter: SessionFilter): Promise<Page> {
    const { project: _project, limit: _limit, cursor: _cursor, ...filters } = filter;
    const given = Object.values(filters).filter((value) => value !== undefined);
    if (filter.q === undefined && given.length < 2)
      return this.#read(() => listPage(this.#connection, filter));
    return this.#read(() => this.#reader).list(filter);
  }

  async children(parent: string) {
    return this.#read(() => childrenOf(this.#connection, parent));
  }

  async unfinished(afterNum: SessionNum, limit: number) {
    return this.#read(() => unfinishedOf(this.#connection, afterNum, limit));
  }

  async staged(limit: number) {
    return this.#read(() => stagedOf(this.#connection, limit));
  }

  async addAlias(session: SessionNum, alias: string) {
    await this.#parts.queue.call('addAlias', session, alias);
  }

  async removeAlias(project: string, alias: string) {
    return this.#parts.queue.call('removeAlias', project, alias);
  }

  async aliases(session: SessionNum) {
    return this.#read(() => this.#points.aliases(session));
  }

  async erase(session: SessionNum) {
    return this.#parts.queue.call('erase', session);
  }

  async turn(session: SessionNum, id: string) {
    return this.#read(() => this.#points.turn(session, id));
  }

  async turns(
    session: SessionNum,
    { limit, before = Number.MAX_SAFE_INTEGER }: { limit: number; before?: Seq },
  ) {
    return this.#read(() => this.#points.turns(session, limit, before));
  }

  async openTurns(session: SessionNum) {
    return this.#read(() => this.#points.openTurns(session));
  }

  async request(session: SessionNum, id: string) {
    return this.#read(() => this.#points.request(session, id));
  }

  async requestsOfTurn(session: SessionNum, turn: string) {
    return this.#read(() => this.#points.requestsOfTurn(session, turn));
  }

  async openRequests(project: string, limit: number) {
    return this.#read(() => this.#points.openRequests(project, limit));
  }

  async once(session: SessionNum, key: string, now: Millis) {
    return this.#read(() => this.#points.once(session, key, now));
  }

  async artifacts(session: SessionNum) {
    return this.#read(() => this.#points.artifacts(session));
  }

  async artifact(session: SessionNum, digest: string) {
    return this.#read(() => this.#points.artifact(session, digest));
  }

  async artifactBytes(session: SessionNum) {
    return this.#read(() => this.#points.artifactBytes(session));
  }

  /** Page by page, so that others come between. */
  async artifactBytesOf(project: string) {
    let bytes = 0;
    for (let after: string | undefined = ''; after !== undefined;) {
      const from: string = after;
      const page = this.#read(() => this.#points.artifactsOf(project, from, ARTIFACTS_A_PAGE));
      for (const artifact of page) bytes += artifact.bytes;
      after = page.at(-1)?.digest;
      if (after !== undefined) await breathe();
    }
    return bytes;
  }

  async referred(project: string, digests: readonly string[]) {
    return this.#read(() => this.#points.referred(project, digests));
  }

  async artifactProjects() {
    return this.#read(() => this.#points.artifactProjects());
  }

  async snapshot(session: SessionNum) {
    return this.#read(() => this.#points.snapshot(session));
  }

  async forgetExpired(now: Millis, limit: number) {
    return this.#parts.queue.call('forgetExpired', now, limit);
  }

  async tokenByHash(hash: string) {
    return this.#read(() => this.#points.tokenByHash(hash));
  }

  async tokens(project: string) {
    return this.#read(() => this.#points.tokens(project));
  }

  async addToken(row: TokenRow) {
    await this.#parts.queue.call('addToken', row);
  }

  async removeToken(project: string, id: string) {
    return this.#parts.queue.call('removeToken', project, id);
  }

  async projects() {
    return this.#read(() => this.#points.projects());
  }

  async addProject(name: string, at: Millis) {
    await this.#parts.queue.call('addProject', name, at);
  }

  async removeProject(name: string) {
    return this.#parts.queue.call('removeProject', name);
  }

  stats(): StoreStats {
    const { count, ms } = this.#parts.queue.commits;
    const sorted = [...ms].sort((a, b) => a - b);
    const at = (share: number): Millis => sorted[Math.ceil(sorted.length * share) - 1] ?? 0;
    const file = databaseFile(this.#parts.folder);
    const bytes = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    return {
      commits: count,
      appends: this.#appends,
      events: this.#events,
      commitMsP50: at(0.5),
      commitMsP99: at(0.99),
      pending: this.#parts.queue.pending,
      fileBytes: bytes(file) + bytes(`${file}-wal`),
    };
  }

  async backup(folder: string, onProgress?: (done: number, all: number) => void): Promise<void> {
    const reader = this.#read(() => this.#reader);
    await this.#parts.files.whileCopying(() => reader.backup(folder, onProgress));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** The writer's connection is the last to close: it brings the log back into the database. */
  async #close(): Promise<void> {
    await this.#reader.close();
    await this.#parts.space.close();
    this.#connection.close();
    await this.#parts.queue.close();
    this.#parts.lock.release();
  }
}
