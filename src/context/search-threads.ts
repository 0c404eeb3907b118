// SearchThreads: our end of the threads that search. A thread lives for one search, and a few at a time.
//
//   ST1. A search is over after `SEARCH_MS_MAX`, whatever was asked for: its thread is ended, and others go on.
//   ST2. At most `THREADS_MAX` run and `WAITING_MAX` wait; whoever comes then is told to come again.
import { Worker } from 'node:worker_threads';
import type { Clock, Millis } from '../kernel/clock.ts';
import { SojournError } from '../kernel/errors.ts';
import type { Ask, Reply } from './searcher.ts';

const SEARCH_MS_MAX: Millis = 10_000;
const THREADS_MAX = 2;
const WAITING_MAX = 100;
/** In MiB: a search holds little, and what a path is asked of is bounded. */
const HEAP_MAX = 256;

/** Rejects with `read-back.invalid` where what was asked for cannot be done. */
export type AskSearcher = (ask: Ask) => Promise<Exclude<Reply, { kind: 'refused' }>>;

export class SearchThreads {
  readonly #clock: Clock;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `work` has the thread to itself until it settles. */
  async run<Result>(
    signal: AbortSignal | undefined,
    work: (ask: AskSearcher) => Promise<Result>,
  ): Promise<Result> {
    await this.#place();
    try {
      signal?.throwIfAborted();
      return await this.#inThread(signal, work);
    } finally {
      this.#running -= 1;
      this.#waiting.shift()?.();
    }
  }

  /** ST2. */
  async #place(): Promise<void> {
    if (this.#running >= THREADS_MAX) {
      if (this.#waiting.length >= WAITING_MAX) {
        throw new SojournError('capacity', `${WAITING_MAX} searches wait`, { retryAfterMs: 1_000 });
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.push(() => {
        this.#running += 1; // Before anybody else can see the place free.
        resolve();
      });
      return promise;
    }
    this.#running += 1;
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
