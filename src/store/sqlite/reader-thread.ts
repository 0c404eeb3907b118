// ReaderThread: the store's end of the thread that reads. It is started by the first question, and its end rejects
// whatever is still open.
import { Worker } from 'node:worker_threads';
import { SojournError } from '../../kernel/errors.ts';
import type { SessionFilter } from '../store.ts';
import type { Progress } from './backup.ts';
import type { Page } from './list.ts';
import type { Ask, Question, Reply } from './reader.ts';

interface Open {
  resolve(result: unknown): void;
  reject(error: SojournError): void;
  onProgress: Progress;
}

export class ReaderThread {
  readonly #folder: string;
  readonly #open = new Map<number, Open>();
  #worker: Worker | undefined;
  #asked = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async list(filter: SessionFilter): Promise<Page> {
    return (await this.#ask({ list: filter })) as Page;
  }

  async backup(folder: string, onProgress: Progress = () => undefined): Promise<void> {
    await this.#ask({ backup: folder }, onProgress);
  }

  #ask(question: Question, onProgress: Progress = () => undefined): Promise<unknown> {
    const worker = (this.#worker ??= this.#start());
    const id = ++this.#asked;
    return new Promise((resolve, reject) => {
      this.#open.set(id, { resolve, reject, onProgress });
      worker.ref();
      worker.postMessage({ kind: 'ask', id, question } satisfies Ask);
    });
  }

  #start(): Worker {
    const file = import.meta.url.endsWith('.ts') ? './reader.ts' : './reader.js';
    const worker = new Worker(new URL(file, import.meta.url), {
      workerData: { folder: this.#folder },
      execArgv: [],
    });
    worker.on('message', (reply: Reply) => this.#hear(worker, reply));
    worker.on('error', (error) => this.#ended(worker, error));
    worker.on('exit', () => this.#ended(worker, undefined));
    return worker;
  }

  #hear(worker: Worker, reply: Reply): void {
    const open = this.#open.get(reply.id);
    if (open === undefined) return;
    if (reply.kind === 'progress') return open.onProgress(reply.done, reply.all);
    this.#open.delete(reply.id);
    if (this.#open.size === 0) worker.unref();
    if (reply.kind === 'answered') open.resolve(reply.result);
    else open.reject(new SojournError(reply.code, reply.detail));
  }

  /** The next question starts another. */
  #ended(worker: Worker, cause: unknown): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    const error = new SojournError('store.failed', 'The thread that reads has ended', { cause });
    for (const open of this.#open.values()) open.reject(error);
    this.#open.clear();
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    if (worker === undefined) return;
    const ended = new Promise((resolve) => worker.once('exit', resolve));
    worker.postMessage({ kind: 'close' } satisfies Ask);
    await Promise.race([ended, worker.terminate()]);
  }
}
