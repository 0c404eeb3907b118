// SearchThreads: our end of the threads that search. A thread lives for one search, and a few at a time.
//
//   ST1. A search is over after `SEARCH_MS_MAX`, whatever was asked for: its thread is ended, and others go on.
//   ST2. At most `THREADS_MAX` run and `WAITING_MAX` wait; whoever comes then is told to come again. Of one session one runs at
//        a time, so that a session with many does not keep others from theirs.
import { Worker } from 'node:worker_threads';
import type { Clock, Millis } from '../kernel/clock.ts';
import { SojournError } from '../kernel/errors.ts';
import type { SessionNum } from '../store/store.ts';
import type { Ask, Reply } from './searcher.ts';

/** ST1. */
const SEARCH_MS_MAX: Millis = 10_000;
/** ST2. */
const THREADS_MAX = 2;
const WAITING_MAX = 100;
/** In MiB: a search holds little, and what a path is asked of is bounded. */
const HEAP_MAX = 256;

/** Rejects with `read-back.invalid` where what was asked for cannot be done. */
export type AskSearcher = (ask: Ask) => Promise<Exclude<Reply, { kind: 'refused' }>>;

export class SearchThreads {
  readonly #clock: Clock;
  /** Oldest first. */
  readonly #waiting: { session: SessionNum; enter: () => void }[] = [];
  readonly #running = new Set<SessionNum>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `work` has the thread to itself until it settles. */
  async run<Result>(
    session: SessionNum,
    signal: AbortSignal | undefined,
    work: (ask: AskSearcher) => Promise<Result>,
  ): Promise<Result> {
    await this.#place(session);
    try {
      signal?.throwIfAborted();
      return await this.#inThread(signal, work);
    } finally {
      this.#running.delete(session);
      this.#next();
    }
  }

  /** ST2. */
  async #place(session: SessionNum): Promise<void> {
    if (this.#waiting.length >= WAITING_MAX) {
      throw new SojournError('capacity', `${WAITING_MAX} searches wait`, { retryAfterMs: 1_000 });
    }
    const { promise, resolve: enter } = Promise.withResolvers<void>();
    this.#waiting.push({ session, enter });
    this.#next();
    return promise;
  }

  /** The oldest that may run. */
  #next(): void {
    if (this.#running.size >= THREADS_MAX) return;
    const index = this.#waiting.findIndex(({ session }) => !this.#running.has(session));
    const [next] = index < 0 ? [] : this.#waiting.splice(index, 1);
    if (next === undefined) return;
    this.#running.add(next.session);
    next.enter();
  }

  async #inThread<Result>(
    signal: AbortSignal | undefined,
    work: (ask: AskSearcher) => Promise<Result>,
  ): Promise<Result> {
    const file = import.meta.url.endsWith('.ts') ? './searcher.ts' : './searcher.js';
    const worker = new Worker(new URL(file, import.meta.url), {
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MAX },
    });
    const over = Promise.withResolvers<never>();
    over.promise.catch(() => undefined); // Nobody may be asking when it ends.
    worker.on('error', (cause) => over.reject(refused('it takes more than one search may', cause)));
    worker.on('exit', () => over.reject(refused('its thread has ended')));
    const timer = this.#clock.after(SEARCH_MS_MAX, () =>
      over.reject(refused(`it takes longer than ${SEARCH_MS_MAX} ms: ask for less`)),
    );
    const stop = (): void => over.reject(signal?.reason);
    signal?.addEventListener('abort', stop, { once: true });
    try {
      return await Promise.race([work((ask) => exchange(worker, over.promise, ask)), over.promise]);
    } finally {
      signal?.removeEventListener('abort', stop);
      timer.cancel();
      await worker.terminate();
    }
  }
}

async function exchange(
  worker: Worker,
  over: Promise<never>,
  ask: Ask,
): Promise<Exclude<Reply, { kind: 'refused' }>> {
  const { promise, resolve } = Promise.withResolvers<Reply>();
  worker.once('message', resolve);
  try {
    worker.postMessage(ask);
    const reply = await Promise.race([promise, over]);
    if (reply.kind === 'refused') throw refused(reply.detail);
    return reply;
  } finally {
    worker.off('message', resolve);
  }
}

function refused(detail: string, cause?: unknown): SojournError {
  return new SojournError('read-back.invalid', `This cannot be looked for: ${detail}`, { cause });
}
