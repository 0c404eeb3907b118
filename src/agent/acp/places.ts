// Places: the processes that one agent may have at a time, and which of its sessions have them.
//
//   L1. A session at work keeps its process. So does one whose agent would forget what was said.
//   L2. Where no place is free, the session that has been idle the longest gives its process up, and takes one again with
//       its next turn. Where none is idle and none is on its way out, there is no place: `process.limit`.
import { SojournError } from '../../kernel/errors.ts';
import type { Subprocess } from '../../process/subprocess.ts';
import type { StartOptions, Supervisor } from '../../process/supervisor.ts';

/** Whoever has a process, and can do without it while it is idle. */
export interface Resident {
  /** Resolves when its process is gone. */
  rest(): Promise<void>;
}

export class Places {
  readonly #supervisor: Supervisor;
  /** The longest idle first. */
  readonly #idle = new Set<Resident>();
  /** Processes on their way out. None of them rejects. */
  readonly #leaving = new Set<Promise<void>>();

  constructor(supervisor: Supervisor) {
    this.#supervisor = supervisor;
  }

  idle(resident: Resident): void {
    this.#idle.delete(resident);
    this.#idle.add(resident);
  }

  /** L1. */
  work(resident: Resident): void {
    this.#idle.delete(resident);
  }

  /** A process is on its way out, and its place free then. */
  leave(going: Promise<unknown>): void {
    const gone = going.then(
      () => void this.#leaving.delete(gone),
      () => void this.#leaving.delete(gone), // Told to whoever ended it.
    );
    this.#leaving.add(gone);
  }

  /** As the supervisor does, with L2. Every round takes one that is idle, or waits for one that leaves. */
  async start(options: StartOptions, signal: AbortSignal): Promise<Subprocess> {
    for (;;) {
      signal.throwIfAborted();
      try {
        return await this.#supervisor.start(options);
      } catch (error) {
        if (!SojournError.is(error, 'process.limit') || !(await this.#madeRoom())) throw error;
      }
    }
  }

  async #madeRoom(): Promise<boolean> {
    const [longest] = this.#idle;
    if (longest !== undefined) {
      this.#idle.delete(longest);
      await longest.rest();
      return true;
    }
    if (this.#leaving.size === 0) return false;
    await Promise.race(this.#leaving);
    return true;
  }
}
