// Clock: the only source of time. Everything else is handed one.
//
//   C1. Ages and deadlines use `monotonic`; `now` is for display and for what must survive a restart.
//   C2. A delay above 2^31-1 ms does not fire at once (setTimeout would): the system clock re-arms.
//   C3. A timer keeps the process alive only where whoever sets it says so.

/** Milliseconds. Names that end in `Ms` hold the same unit. */
export type Millis = number;

export interface Timer {
  /** Idempotent; a cancelled timer never fires. */
  cancel(): void;
}

export interface Clock {
  /** Wall time since the Unix epoch. May jump either way. */
  now(): Millis;
  /** Time since an arbitrary start. Never goes back. */
  monotonic(): Millis;
  /** Calls `run` once, no earlier than `delay` from now; `delay` below 0 counts as 0. */
  after(delay: Millis, run: () => void, keepsAlive?: 'keeps-alive'): Timer;
}

const TIMEOUT_MS_MAX = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delay, run, keepsAlive) {
    const dueMs = performance.now() + delay;
    let handle: NodeJS.Timeout;
    const arm = (): void => {
      const leftMs = Math.max(0, dueMs - performance.now());
      handle = setTimeout(() => (leftMs > TIMEOUT_MS_MAX ? arm() : run()), Math.min(leftMs, TIMEOUT_MS_MAX)); // C2
      if (keepsAlive === undefined) handle.unref?.(); // C3
    };
    arm();
    return { cancel: () => clearTimeout(handle) };
  },
};
