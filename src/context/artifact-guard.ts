// Artifact guard: keeps an erasing session from taking a file that another one is about to refer to.
//
//   AG1. A file that was put and is not referred to yet is not removed, for `KEPT_MS` at most: what nobody refers to by
//        then was put for a message that was refused, and the doctor finds it.
//   AG2. Puts and removals do not overlap: a put that finds its file there can rely on it.
import type { Clock, Millis } from '../kernel/clock.ts';
import type { ArtifactStore } from '../store/store.ts';

const KEPT_MS: Millis = 10 * 60_000;

export class ArtifactGuard implements ArtifactStore {
  readonly #files: ArtifactStore;
  readonly #clock: Clock;
  /** Files that no row refers to yet, by project and digest; the one put longest ago first. */
  readonly #pending = new Map<string, { count: number; at: Millis }>();
  readonly #putting = new Set<Promise<unknown>>();
  #removing: Promise<void> = Promise.resolve();

  constructor(files: ArtifactStore, clock: Clock) {
    this.#files = files;
    this.#clock = clock;
  }

  async put(project: string, bytes: Uint8Array): Promise<string> {
    await this.#removing; // AG2
    const putting = this.#files.put(project, bytes);
    this.#putting.add(putting);
    try {
      const digest = await putting;
      this.#note(`${project}/${digest}`);
      return digest;
    } finally {
      this.#putting.delete(putting);
    }
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

  remove(project: string, digest: string): Promise<void> {
    const removing = this.#removing.then(async () => {
      await Promise.allSettled(this.#putting); // AG2
      const pending = this.#pending.get(`${project}/${digest}`);
      if (pending !== undefined && this.#clock.monotonic() - pending.at <= KEPT_MS) return; // AG1
      await this.#files.remove(project, digest);
    });
    this.#removing = removing.catch(() => undefined); // The caller hears of it; the next one need not.
    return removing;
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
