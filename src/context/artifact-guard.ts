// Artifact guard: keeps a file from being taken away that a log refers to, or is about to.
//
//   AG1. A file that was put and is not referred to yet is not removed, for `KEPT_MS` at most: what nobody refers to by
//        then was put for a message that was refused, and is collected later.
//   AG2. Puts and removals of one file do not overlap: a put that finds its file there can rely on it.
//   AG3. Whether a log refers to it is asked in the moment of removal, when no put of it is under way.
import { hash } from 'node:crypto';
import type { Clock, Millis } from '../kernel/clock.ts';
import type { ArtifactStore, KeptArtifact, RowStore } from '../store/store.ts';

const KEPT_MS: Millis = 10 * 60_000;

export class ArtifactGuard implements ArtifactStore {
  readonly #files: ArtifactStore;
  readonly #rows: Pick<RowStore, 'referred'>;
  readonly #clock: Clock;
  /** Files that no row refers to yet, by project and digest; the one put longest ago first. */
  readonly #pending = new Map<string, { count: number; at: Millis }>();
  /** What is being put or removed, by project and digest. Never rejects. */
  readonly #busy = new Map<string, Promise<unknown>>();

  constructor(files: ArtifactStore, rows: Pick<RowStore, 'referred'>, clock: Clock) {
    this.#files = files;
    this.#rows = rows;
    this.#clock = clock;
  }

  /** `digest` where the caller knows it already. */
  put(project: string, bytes: Uint8Array, digest = hash('sha256', bytes)): Promise<string> {
    return this.#alone(`${project}/${digest}`, async () => {
      const made = await this.#files.put(project, bytes);
      this.#note(`${project}/${made}`);
      return made;
    });
  }

  /** True where it was put lately and nothing refers to it yet: it stays for this one, too, without another put. */
  keep(project: string, digest: string): boolean {
    const name = `${project}/${digest}`;
    if (!this.#isPending(name)) return false;
    this.#note(name);
    return true;
  }

  /** The rows that refer to these are written, or will never be. */
  settled(project: string, digests: readonly string[]): void {
    for (const digest of digests) {
      const name = `${project}/${digest}`;
      const pending = this.#pending.get(name);
      if (pending === undefined) continue;
      pending.count -= 1;
      if (pending.count <= 0) this.#pending.delete(name);
    }
  }

  read(project: string, digest: string, start?: number, end?: number): Promise<Uint8Array> {
    return this.#files.read(project, digest, start, end);
  }

  /** False, too, for one that is referred to, or about to be (AG1, AG3). */
  remove(project: string, digest: string): Promise<boolean> {
    return this.#alone(`${project}/${digest}`, async () => {
      if (this.#isPending(`${project}/${digest}`)) return false;
      const [referred] = await this.#rows.referred(project, [digest]);
      // `keep` may have come meanwhile.
      if (referred !== undefined || this.#isPending(`${project}/${digest}`)) return false;
      return this.#files.remove(project, digest);
    });
  }

  list(project: string, after: string, limit: number): Promise<readonly KeptArtifact[]> {
    return this.#files.list(project, after, limit);
  }

  removeStrangers(known: readonly string[], before: Millis, limit: number): Promise<number> {
    const pending = [...this.#pending.keys()].map((name) => name.slice(0, name.lastIndexOf('/')));
    return this.#files.removeStrangers([...known, ...pending], before, limit);
  }

  /** AG2. */
  async #alone<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
    const before = this.#busy.get(name);
    const working = before === undefined ? work() : before.then(work);
    const over = working.catch(() => undefined); // The caller hears of it; the next one need not.
    this.#busy.set(name, over);
    try {
      return await working;
    } finally {
      if (this.#busy.get(name) === over) this.#busy.delete(name);
    }
  }

  #isPending(name: string): boolean {
    const pending = this.#pending.get(name);
    return pending !== undefined && this.#clock.monotonic() - pending.at <= KEPT_MS;
  }

  #note(name: string): void {
    const now = this.#clock.monotonic();
    const count = (this.#pending.get(name)?.count ?? 0) + 1;
    this.#pending.delete(name);
    this.#pending.set(name, { count, at: now });
    for (const [oldest, { at }] of this.#pending) {
      if (now - at <= KEPT_MS) break;
      this.#pending.delete(oldest);
    }
  }
}
