// Collecting: files of artifacts that no log refers to any more, or never came to, leave the store in time.
//
//   CO1. A file goes only when it is older than `artifactGraceMs` and no session of its project refers to it, which is asked
//        again in the moment it goes. One that is put meanwhile stays.
//   CO2. It goes on in pages, one after the other, so that others come between, and stops when the runtime ends.
//   CO3. A folder of no known project is of nobody. A project is known by its name, and by what its sessions refer to.
//   CO4. What fails is tried again at the next sweep: nothing waits for it.
import type { Millis, Timer } from '../kernel/clock.ts';
import type { RuntimeHost } from './host.ts';

/** From the start: what is being taken up comes first. */
const FIRST_MS: Millis = 5 * 60_000;
const PAGE = 200;

/** By one sweep; `bytes` without those of projects that nobody knows. */
interface Collected {
  files: number;
  bytes: number;
}

export class Collecting {
  readonly #host: RuntimeHost;
  #timer: Timer | undefined;
  /** Never rejects. */
  #running: Promise<void> = Promise.resolve();
  #ended = false;

  constructor(host: RuntimeHost) {
    this.#host = host;
  }

  begin(): void {
    const { artifactSweepMs } = this.#host.limits;
    if (artifactSweepMs > 0 && artifactSweepMs !== Infinity) this.#after(Math.min(FIRST_MS, artifactSweepMs));
  }

  /** Resolves when nothing is being collected any more. */
  async end(): Promise<void> {
    this.#ended = true;
    this.#timer?.cancel();
    await this.#running;
  }

  #after(delay: Millis): void {
    if (this.#ended) return;
    this.#timer = this.#host.clock.after(delay, () => {
      this.#running = this.#sweep().finally(() => this.#after(this.#host.limits.artifactSweepMs));
    });
  }

  /** CO4. */
  async #sweep(): Promise<void> {
    const { clock, limits, logger, contextFigures } = this.#host;
    const collected = { files: 0, bytes: 0 };
    try {
      await this.#collect(clock.now() - limits.artifactGraceMs, collected);
      logger.info('artifacts.collected', collected);
    } catch (error) {
      logger.warn('artifacts.collect_failed', { ...collected, error });
    }
    contextFigures.collected(collected.files, collected.bytes);
  }

  async #collect(before: Millis, collected: Collected): Promise<void> {
    const { store, files } = this.#host;
    const named = (await store.projects()).map(({ name }) => name);
    const known = [...new Set([...named, ...(await store.artifactProjects())])];
    for (const project of known) await this.#ofProject(project, before, collected);
    while (!this.#ended) {
      const removed = await files.removeStrangers(known, before, PAGE); // CO3
      collected.files += removed;
      if (removed < PAGE) return;
    }
  }

  async #ofProject(project: string, before: Millis, collected: Collected): Promise<void> {
    const { store, files } = this.#host;
    let page = await files.list(project, '', PAGE);
    while (page.length > 0 && !this.#ended) {
      const old = page.filter(({ putAt }) => putAt < before);
      const kept = new Set(
        await store.referred(
          project,
          old.map(({ digest }) => digest),
        ),
      );
      for (const { digest, bytes } of old) {
        if (this.#ended) return; // CO2
        if (kept.has(digest) || !(await files.remove(project, digest))) continue; // CO1
        collected.files += 1;
        collected.bytes += bytes;
      }
      page = await files.list(project, page.at(-1)?.digest ?? '', PAGE);
    }
  }
}
