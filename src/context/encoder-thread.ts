// EncoderThread: our end of the thread that counts. It is started by the first list of texts, and ends when nobody asks for a
// while: the table it holds is large.
//
//   ET1. One list at a time: the next is asked for when the one before is answered.
//   ET2. A list is answered within `ANSWER_MS_MAX` or rejected; then the thread is ended, and the next list starts another.
//   ET3. It keeps no process alive, but for an answer.
import { Worker } from 'node:worker_threads';
import type { Clock, Millis, Timer } from '../kernel/clock.ts';
import { assert, SojournError } from '../kernel/errors.ts';
import type { Encoder } from './counted-texts.ts';
import type { Asked, Told } from './encoder.ts';

/** For a list, with the start of the thread, on a machine that is busy. */
const ANSWER_MS_MAX: Millis = 20_000;
const IDLE_MS_MAX: Millis = 300_000;
/** In MiB: the table takes 60. */
const HEAP_MAX = 256;

type State =
  | { kind: 'none' }
  | { kind: 'idle'; worker: Worker; timer: Timer }
  | { kind: 'asked'; worker: Worker; timer: Timer; answer: PromiseWithResolvers<Told> };

export class EncoderThread implements Encoder {
  readonly #clock: Clock;
  #state: State = { kind: 'none' };

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  encode(texts: readonly string[]): Promise<readonly number[]> {
    const state = this.#state;
    assert(state.kind !== 'asked', 'one list at a time'); // ET1
    const worker = state.kind === 'idle' ? state.worker : this.#start();
    if (state.kind === 'idle') state.timer.cancel();
    const answer = Promise.withResolvers<Told>();
    const timer = this.#clock.after(ANSWER_MS_MAX, () => {
      void this.#end(worker, `it has not answered for ${ANSWER_MS_MAX} ms`); // ET2. Never rejects.
    });
    this.#state = { kind: 'asked', worker, timer, answer };
    worker.ref(); // ET3
    worker.postMessage(texts satisfies Asked);
    return answer.promise;
  }

  /** Rejects what is asked for. The next list would start it again. */
  async close(): Promise<void> {
    if (this.#state.kind !== 'none') await this.#end(this.#state.worker, 'nobody needs it any more');
  }

  #start(): Worker {
    const file = import.meta.url.endsWith('.ts') ? './encoder.ts' : './encoder.js';
    const worker = new Worker(new URL(file, import.meta.url), {
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MAX },
    });
    worker.on('message', (told: Told) => this.#hear(worker, told));
    worker.on('error', (error) => void this.#end(worker, 'it failed', error)); // Never rejects.
    worker.on('exit', () => void this.#end(worker, 'it has ended')); // Never rejects.
    return worker;
  }

  #hear(worker: Worker, told: Told): void {
    const state = this.#state;
    if (state.kind !== 'asked' || state.worker !== worker) return;
    state.timer.cancel();
    const timer = this.#clock.after(IDLE_MS_MAX, () => void this.#end(worker, 'nobody asked it')); // Never rejects.
    this.#state = { kind: 'idle', worker, timer };
    worker.unref(); // ET3
    state.answer.resolve(told);
  }

  async #end(worker: Worker, why: string, cause?: unknown): Promise<void> {
    const state = this.#state;
    if (state.kind !== 'none' && state.worker === worker) {
      state.timer.cancel();
      this.#state = { kind: 'none' };
      if (state.kind === 'asked') {
        state.answer.reject(new SojournError('internal', `The thread that counts: ${why}`, { cause }));
      }
    }
    await worker.terminate();
  }
}
