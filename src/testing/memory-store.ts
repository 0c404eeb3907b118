// MemoryStore: a store that keeps the contract and no file. For tests, and for trying things out: what it writes is gone
// with the process, unless its disk is handed to the next store.
//
//   M1. What waits is written as one group, step by step: take, commit, answer. At each step a gate may hold it back, or
//       fail it: at `take` and `commit` nothing of the group is written, at `answer` all of it is and nobody is told so.
//   M2. After `crash` nothing of this store reaches the disk and nobody hears from it again, as when a process is killed.
import type { Clock, Millis } from '../kernel/clock.ts';
import { SojournError } from '../kernel/errors.ts';
import type {
  Append,
  Appended,
  ArtifactStore,
  IdentityStore,
  Seq,
  SessionFilter,
  SessionNum,
  SessionRow,
  Store,
  StoredEvent,
  StoreStats,
  TimelineStore,
  TokenRow,
} from '../store/store.ts';
import { copyRow, isStaged, type KeptSession, MemoryDisk, nameOf } from './memory/disk.ts';
import { artifactsOf, bytesOf, memoryFiles } from './memory/files.ts';
import { endOfToken, type MemoryAccess, MemoryIdentities } from './memory/identities.ts';
import { type Gate, MemoryGroups } from './memory/groups.ts';
import { listPage } from './memory/listing.ts';
import { emptyTimeline, erasePostsOf, memoryTimelines } from './memory/timelines.ts';

export { MemoryDisk, type KeptSession } from './memory/disk.ts';
export type { Gate, GroupStep } from './memory/groups.ts';

export interface MemoryStoreOptions {
  clock: Clock;
  /** What an earlier store left. @default an empty one */
  disk?: MemoryDisk;
  /** Where backups go, by folder. */
  copies?: Map<string, MemoryDisk>;
  /** Called before each step of a group (M1). @default nothing holds a group back */
  gate?: Gate;
}

export class MemoryStore implements Store {
  readonly disk: MemoryDisk;
  readonly files: ArtifactStore;
  readonly identities: IdentityStore;
  readonly timelines: TimelineStore;
  readonly failed: Promise<Error> = new Promise(() => undefined);
  readonly #copies: Map<string, MemoryDisk>;
  readonly #groups: MemoryGroups;
  readonly #clock: Clock;

  constructor({ clock, disk = new MemoryDisk(), copies = new Map(), gate }: MemoryStoreOptions) {
    this.disk = disk;
    this.#clock = clock;
    this.#copies = copies;
    this.#groups = new MemoryGroups(disk, clock, gate);
    this.files = memoryFiles(disk, clock, (read) => this.#read(read));
    const access: MemoryAccess = { read: (read) => this.#read(read), write: (write) => this.#call(write) };
    this.identities = new MemoryIdentities(disk, access);
    this.timelines = memoryTimelines(disk, access);
  }

  append(take: () => Append): Promise<Appended> {
    return this.#groups.append(take);
  }

  get writing(): boolean {
    return this.#groups.writing > 0;
  }

  /** M2. */
  crash(): void {
    this.#groups.crash();
  }

  read(
    session: SessionNum,
    after: Seq,
    bounds: { eventsMax: number; bytesMax: number; kinds?: readonly string[] },
  ): Promise<readonly StoredEvent[]> {
    return this.#read(() => {
      const kept = this.disk.sessions.get(session);
      if (kept === undefined) throw new SojournError('session.not_found', `There is no session ${session}`);
      const page: StoredEvent[] = [];
      let bytes = 0;
      for (const event of kept.events.slice(after)) {
        if (bounds.kinds !== undefined && !bounds.kinds.includes(event.kind)) continue;
        bytes += Buffer.byteLength(event.body);
        if (page.length >= bounds.eventsMax || (page.length > 0 && bytes > bounds.bytesMax)) break;
        page.push({ ...event });
      }
      return page;
    });
  }

  byKey(project: string, keyOrAlias: string): Promise<SessionRow | null> {
    return this.#read(() => rowOf(this.disk.find(project, keyOrAlias)));
  }

  byId(id: string): Promise<SessionRow | null> {
    return this.#read(() => rowOf(this.#kept().find(({ row }) => row.id === id)));
  }

  list(filter: SessionFilter): ReturnType<Store['list']> {
    return this.#read(() => listPage(this.disk, filter));
  }

  children(parent: string): Promise<readonly SessionRow[]> {
    return this.#read(() => this.#rows((row) => row.parent === parent));
  }

  unfinished(afterNum: SessionNum, limit: number): Promise<readonly SessionRow[]> {
    const open = ['queued', 'running', 'waiting'];
    return this.#read(() =>
      this.#rows(
        (row, kept) =>
          row.num > afterNum &&
          (open.includes(row.state) || [...kept.requests.values()].some(({ state }) => state === 'open')),
      ).slice(0, limit),
    );
  }

  staged(limit: number): Promise<readonly SessionRow[]> {
    return this.#read(() => this.#rows(isStaged).slice(0, limit));
  }

  addAlias(session: SessionNum, alias: string): Promise<void> {
    return this.#call(() => {
      const { project } = this.#session(session).row;
      const name = nameOf(project, alias);
      if (this.disk.names.has(name))
        throw new SojournError('session.exists', `${JSON.stringify(alias)} is the key of a session`);
      this.disk.names.set(name, session);
    });
  }

  removeAlias(project: string, alias: string): Promise<boolean> {
    return this.#call(() => {
      const kept = this.disk.find(project, alias);
      if (kept === undefined || kept.row.key === alias) return false;
      return this.disk.names.delete(nameOf(project, alias));
    });
  }

  aliases(session: SessionNum): Promise<readonly string[]> {
    return this.#read(() => {
      const key = this.disk.sessions.get(session)?.row.key;
      const named = [...this.disk.names].filter(([, num]) => num === session);
      const names = named.map(([name]) => name.slice(name.indexOf('\0') + 1));
      return names.filter((name) => name !== key).sort();
    });
  }

  erase(session: SessionNum): Promise<{ orphans: readonly string[] }> {
    return this.#call(() => {
      const { row, artifacts } = this.#session(session);
      this.disk.sessions.delete(session);
      for (const [name, num] of this.disk.names) if (num === session) this.disk.names.delete(name);
      const others = this.#kept().filter((kept) => kept.row.project === row.project);
      erasePostsOf(this.disk.timelines.get(row.project), row.id);
      const orphans = [...artifacts.keys()].filter(
        (digest) => !others.some((kept) => kept.artifacts.has(digest)),
      );
      return { orphans };
    });
  }

  turn(session: SessionNum, id: string): ReturnType<Store['turn']> {
    return this.#read(() => copyOf(this.disk.sessions.get(session)?.turns.get(id)));
  }

  turns(session: SessionNum, options: { limit: number; before?: Seq }): ReturnType<Store['turns']> {
    const { limit, before = Infinity } = options;
    return this.#read(() =>
      [...(this.disk.sessions.get(session)?.turns.values() ?? [])]
        .filter(({ acceptedSeq }) => acceptedSeq < before)
        .reverse() // Those of one seq: the later first.
        .sort((a, b) => b.acceptedSeq - a.acceptedSeq)
        .slice(0, limit)
        .map((turn) => ({ ...turn })),
    );
  }

  openTurns(session: SessionNum): ReturnType<Store['openTurns']> {
    return this.#read(() =>
      [...(this.disk.sessions.get(session)?.turns.values() ?? [])]
        .filter(({ state }) => state !== 'done')
        .sort((a, b) => a.rank - b.rank || a.acceptedSeq - b.acceptedSeq)
        .map((turn) => ({ ...turn })),
    );
  }

  request(session: SessionNum, id: string): ReturnType<Store['request']> {
    return this.#read(() => copyOf(this.disk.sessions.get(session)?.requests.get(id)));
  }

  requestsOfTurn(session: SessionNum, turn: string): ReturnType<Store['requestsOfTurn']> {
    return this.#read(() =>
      [...(this.disk.sessions.get(session)?.requests.values() ?? [])]
        .filter((request) => request.turn === turn)
        .sort((a, b) => a.openedSeq - b.openedSeq)
        .map((request) => ({ ...request })),
    );
  }

  openRequests(project: string, limit: number): ReturnType<Store['openRequests']> {
    return this.#read(() =>
      this.#kept()
        .filter(({ row }) => row.project === project)
        .flatMap(({ row, requests }) =>
          [...requests.values()].map((request) => ({ request: { ...request }, session: copyRow(row) })),
        )
        .filter(({ request }) => request.state === 'open')
        .sort((a, b) => a.request.openedAt - b.request.openedAt || a.session.num - b.session.num)
        .slice(0, limit),
    );
  }

  once(session: SessionNum, key: string, now: Millis): ReturnType<Store['once']> {
    return this.#read(() => {
      const row = this.disk.sessions.get(session)?.once.get(key);
      return row !== undefined && row.expiresAt > now ? { ...row } : null;
    });
  }

  artifacts(session: SessionNum): ReturnType<Store['artifacts']> {
    return this.#read(() =>
      [...(this.disk.sessions.get(session)?.artifacts.values() ?? [])]
        .sort((a, b) => a.at - b.at || (a.digest < b.digest ? -1 : 1))
        .map((artifact) => ({ ...artifact })),
    );
  }

  artifact(session: SessionNum, digest: string): ReturnType<Store['artifact']> {
    return this.#read(() => copyOf(this.disk.sessions.get(session)?.artifacts.get(digest)));
  }

  artifactBytes(session: SessionNum): Promise<number> {
    return this.#read(() => bytesOf(this.disk.sessions.get(session)?.artifacts ?? new Map()));
  }

  artifactBytesOf(project: string): Promise<number> {
    return this.#read(() => bytesOf(artifactsOf(this.disk, project)));
  }

  referred(project: string, digests: readonly string[]): Promise<readonly string[]> {
    return this.#read(() => digests.filter((digest) => artifactsOf(this.disk, project).has(digest)));
  }

  artifactProjects(): Promise<readonly string[]> {
    return this.#read(() => {
      const having = this.#kept().filter(({ artifacts }) => artifacts.size > 0);
      return [...new Set(having.map(({ row }) => row.project))].sort();
    });
  }

  snapshot(session: SessionNum): Promise<string | null> {
    return this.#read(() => this.disk.sessions.get(session)?.snapshot ?? null);
  }

  forgetExpired(now: Millis, limit: number): Promise<number> {
    return this.#call(() => {
      const due = this.#kept()
        .flatMap(({ once }) => [...once.values()].map((row) => ({ once, row })))
        .filter(({ row }) => row.expiresAt <= now)
        .sort((a, b) => a.row.expiresAt - b.row.expiresAt)
        .slice(0, limit);
      for (const { once, row } of due) once.delete(row.key);
      return due.length;
    });
  }

  tokenByHash(hash: string): Promise<TokenRow | null> {
    return this.#read(() => copyOf(this.disk.tokens.get(hash)));
  }

  tokens(project: string): Promise<readonly TokenRow[]> {
    return this.#read(() =>
      [...this.disk.tokens.values()]
        .filter((token) => token.project === project)
        .sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1))
        .map((token) => ({ ...token })),
    );
  }

  addToken(row: TokenRow): Promise<void> {
    return this.#call(() => void this.disk.tokens.set(row.hash, { ...row }));
  }

  removeToken(project: string, id: string): Promise<boolean> {
    return this.#call(() => {
      const token = [...this.disk.tokens.values()].find((row) => row.project === project && row.id === id);
      if (token === undefined) return false;
      endOfToken(this.disk, id, this.#clock.now());
      return this.disk.tokens.delete(token.hash);
    });
  }

  projects(): Promise<readonly { name: string; createdAt: Millis }[]> {
    return this.#read(() =>
      [...this.disk.projects]
        .map(([name, createdAt]) => ({ name, createdAt }))
        .sort((a, b) => a.createdAt - b.createdAt || (a.name < b.name ? -1 : 1)),
    );
  }

  addProject(name: string, at: Millis): Promise<void> {
    return this.#call(() => {
      if (this.disk.projects.has(name))
        throw new SojournError('project.exists', `There is a project ${JSON.stringify(name)}`);
      this.disk.projects.set(name, at);
    });
  }

  removeProject(name: string): Promise<boolean> {
    return this.#call(() => {
      if (this.#kept().some(({ row }) => row.project === name))
        throw new SojournError('project.in_use', `Project ${JSON.stringify(name)} has sessions`);
      const { tokens, identities, signIns } = this.disk;
      for (const token of tokens.values()) {
        if (token.project !== name) continue;
        tokens.delete(token.hash);
        endOfToken(this.disk, token.id, this.#clock.now());
      }
      for (const row of identities.values()) if (row.project === name) identities.delete(row.id);
      for (const row of signIns.values()) if (row.project === name) signIns.delete(row.id);
      emptyTimeline(this.disk.timelines.get(name));
      return this.disk.projects.delete(name);
    });
  }

  stats(): StoreStats {
    const { counts, pending } = this.#groups;
    return { ...counts, commitMsP50: 0, commitMsP99: 0, pending };
  }

  async backup(folder: string, onProgress?: (done: number, all: number) => void): Promise<void> {
    const copy = await this.#read(() => {
      if (this.#copies.has(folder)) throw new SojournError('config.invalid', `${folder} is there already`);
      return this.disk.copy();
    });
    this.#copies.set(folder, copy);
    onProgress?.(copy.sessions.size, copy.sessions.size);
  }

  close(): Promise<void> {
    return this.#groups.close();
  }

  async #call<Result>(run: () => Result): Promise<Result> {
    return this.#groups.call(run);
  }

  async #read<Result>(read: () => Result): Promise<Result> {
    const { state } = this.#groups;
    if (state === 'crashed') return new Promise(() => undefined); // M2
    if (state === 'closed') throw new SojournError('runtime.draining', 'The store is closed');
    return read();
  }

  #kept(): KeptSession[] {
    return [...this.disk.sessions.values()];
  }

  #rows(isWanted: (row: SessionRow, kept: KeptSession) => boolean): SessionRow[] {
    const wanted = this.#kept().filter((kept) => isWanted(kept.row, kept));
    return wanted.map(({ row }) => copyRow(row));
  }

  #session(num: SessionNum): KeptSession {
    const kept = this.disk.sessions.get(num);
    if (kept === undefined) throw new SojournError('session.not_found', `There is no session ${num}`);
    return kept;
  }
}

const rowOf = (kept: KeptSession | undefined): SessionRow | null =>
  kept === undefined ? null : copyRow(kept.row);

const copyOf = <Row extends object>(row: Row | undefined): Row | null =>
  row === undefined ? null : { ...row };
