// Idle waiters: callers that wait until a session neither runs nor waits.
//
//   J1. Told when it is so, not that it was: the waiter looks again.
//   J2. A waiter that gives up, or whose signal aborts, leaves nothing behind and changes nothing.
//   J3. When the runtime is over nobody waits any more.

export class IdleWaiters {
  readonly #waiters = new Map<string, Set<() => void>>();
  /** J3. */
  #over: Error | undefined;

  /** Resolves at once when `idle` says so, else at the next change after which it does. Rejects with the signal's reason. */
  async until(session: string, idle: () => boolean, signal?: AbortSignal): Promise<void> {
    while (!idle()) {
      signal?.throwIfAborted();
      if (this.#over !== undefined) throw this.#over;
      await this.#change(session, signal);
    }
  }

  /** All that wait are rejected with it, and who comes later. */
  end(over: Error): void {
    this.#over = over;
    for (const session of this.#waiters.keys()) this.changed(session);
  }

  changed(session: string): void {
    const waiters = this.#waiters.get(session);
    if (waiters === undefined) return;
    this.#waiters.delete(session);
    for (const wake of waiters) wake();
  }

  #change(session: string, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiters = this.#waiters.get(session) ?? new Set();
      this.#waiters.set(session, waiters);
      const wake = (): void => {
        signal?.removeEventListener('abort', leave);
        resolve();
      };
      const leave = (): void => {
        waiters.delete(wake);
        if (waiters.size === 0 && this.#waiters.get(session) === waiters) this.#waiters.delete(session);
        reject(signal?.reason);
      };
      waiters.add(wake);
      signal?.addEventListener('abort', leave, { once: true });
    });
  }
}
