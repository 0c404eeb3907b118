// Faults: every write of a process is counted, and one of them kills it or fails.
//
//   F1. What is counted: each call by which the event loop's thread changes a file or a folder, half of each file that is
//       written, and each job that is handed to the writer's thread. What that thread does is SQLite's.
//   F2. `half` writes half of what it was told to, where there is something to halve, and then does as `before`.
//   F3. A job that fails does so as the store says: what its session was going to write after it is refused, too, until the
//       session is claimed again; and when it is the disk that failed, nothing is written any more.
import fs from 'node:fs';
import promises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { SojournError } from '../src/kernel/errors.ts';
import type { Append, Store } from '../src/store/store.ts';

export type Way = 'before' | 'half' | 'after' | 'ENOSPC' | 'EIO';

export interface Fault {
  /** From 1; 0 for none. */
  nth: number;
  way: Way;
}

type Call = (...args: never[]) => unknown;

export class Faults {
  /** What was written, in order. */
  readonly written: string[] = [];
  /** Calls of the store that have not settled. */
  open = 0;
  readonly #fault: Fault;
  #isBroken = false;
  readonly #poisoned = new Set<string>();

  constructor(fault: Fault) {
    this.#fault = fault;
  }

  /** F1. From then on, for the whole process. */
  async replaceFiles(): Promise<void> {
    const handle = await promises.open(process.execPath, 'r');
    const kind = Object.getPrototypeOf(handle) as Record<string, Call>;
    await handle.close();
    for (const name of ['write', 'utimes', 'sync']) this.#replace(kind, name, 'file.');
    for (const name of ['mkdir', 'rename', 'rm', 'unlink', 'rmdir', 'copyFile'])
      this.#replace(promises as unknown as Record<string, Call>, name, '');
    for (const name of ['mkdirSync', 'renameSync', 'rmSync', 'chmodSync', 'fsyncSync'])
      this.#replace(fs as unknown as Record<string, Call>, name, '');
    this.#replace(promises as unknown as Record<string, Call>, 'open', '', isMade);
    this.#replace(fs as unknown as Record<string, Call>, 'openSync', '', isMade);
    syncBuiltinESMExports();
  }

  /** The same store, with its jobs counted. */
  watch(store: Store): Store {
    return this.#watched(store);
  }

  #replace(
    owner: Record<string, Call>,
    name: string,
    above: string,
    isCounted: (args: unknown[]) => boolean = () => true,
  ): void {
    const real = owner[name];
    if (real === undefined) throw new Error(`There is no ${name}`);
    const step = (call: (given: unknown[]) => unknown, args: unknown[]): unknown =>
      isCounted(args)
        ? this.#step(
            `${above}${name}`,
            () => call(args),
            () => call(halved(name, args)),
          )
        : call(args);
    owner[name] = function (this: unknown, ...args: unknown[]): unknown {
      return step((given) => Reflect.apply(real, this, given), args);
    };
  }

  /** `half` does a part of it (F2). */
  #step(name: string, run: () => unknown, half?: () => unknown): unknown {
    const way = this.#count(name);
    if (way === undefined) return run();
    if (way === 'before') return die();
    if (way === 'after') return whenDone(run(), die);
    const fail = way === 'half' ? die : () => failing(name, way);
    const isHalved = name === 'file.write' && half !== undefined;
    return isHalved ? whenDone(half(), fail) : fail();
  }

  #count(name: string): Way | undefined {
    this.written.push(name);
    return this.written.length === this.#fault.nth ? this.#fault.way : undefined;
  }

  #watched<Part extends object>(part: Part): Part {
    return new Proxy(part, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name, target);
        if (name === 'files') return this.#watched(member as object);
        if (typeof member !== 'function') return member;
        const call = (...args: unknown[]): unknown => Reflect.apply(member, target, args);
        if (name === 'append') return (take: () => Append) => this.#awaited(this.#append(take, call));
        if (name !== 'erase') return (...args: unknown[]) => this.#awaited(call(...args));
        return (...args: unknown[]) => this.#awaited(this.#job('erase', () => call(...args)));
      },
    });
  }

  #awaited(answer: unknown): unknown {
    if (!(answer instanceof Promise)) return answer;
    this.open += 1;
    return answer.finally(() => (this.open -= 1));
  }

  async #job(name: string, run: () => unknown): Promise<unknown> {
    this.#checkDisk();
    try {
      return await this.#step(name, run);
    } catch (error) {
      throw this.#asStore(error);
    }
  }

  /** It is counted when it is taken: what it writes is known then. */
  async #append(take: () => Append, append: (take: () => Append) => unknown): Promise<unknown> {
    let isLast = false;
    const answer = await append(() => {
      this.#checkDisk();
      const job = take();
      this.#checkPoison(job);
      const way = this.#count(nameOf(job));
      if (way === 'before' || way === 'half') die();
      if (way === 'ENOSPC' || way === 'EIO') {
        this.#poisoned.add(epochOf(job)); // F3
        throw this.#asStore(failure(way));
      }
      isLast = way === 'after';
      return job;
    });
    if (isLast) die();
    return answer;
  }

  #checkDisk(): void {
    if (this.#isBroken) throw new SojournError('store.failed', 'The disk failed');
  }

  #checkPoison(job: Append): void {
    if (job.claim === true) this.#poisoned.delete(epochOf(job));
    else if (this.#poisoned.has(epochOf(job)))
      throw new SojournError('log.poisoned', 'An append before it failed');
  }

  #asStore(error: unknown): unknown {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EIO') this.#isBroken = true; // F3
    if (code === 'EIO') return new SojournError('store.failed', 'The disk failed', { cause: error });
    return code === 'ENOSPC' ? new SojournError('store.full', 'The disk is full', { cause: error }) : error;
  }
}

const epochOf = ({ session, epoch }: Append): string =>
  `${typeof session === 'number' ? session : session.id}/${epoch}`;

/** By what makes it worth being killed at. */
function nameOf({ events, snapshot, key, claim }: Append): string {
  const kinds = events.map(({ kind }) => kind);
  if (key !== undefined) return 'append.placed';
  if (kinds.includes('context.compacted')) return 'append.compacted';
  if (kinds.includes('context.offloaded')) return 'append.offloaded';
  if (typeof snapshot === 'string') return 'append.checkpoint';
  if (kinds.includes('turn.accepted')) return 'append.accepted';
  if (kinds.includes('turn.ended')) return 'append.ended';
  return claim === true ? 'append.claim' : 'append';
}

const isMade = ([, flags]: unknown[]): boolean =>
  typeof flags === 'number' ? (flags & fs.constants.O_CREAT) !== 0 : flags === 'w' || flags === 'wx';

function halved(name: string, args: unknown[]): unknown[] {
  const [bytes, ...rest] = args;
  if (name !== 'write' || !(bytes instanceof Uint8Array)) return args;
  return [bytes.subarray(0, bytes.byteLength >> 1), ...rest];
}

function whenDone(answer: unknown, then: () => unknown): unknown {
  return answer instanceof Promise ? answer.then(then) : then();
}

function die(): never {
  process.kill(process.pid, 'SIGKILL');
  throw new Error('It is dead'); // Never reached: the signal is delivered first.
}

function failing(name: string, code: 'ENOSPC' | 'EIO'): unknown {
  if (name.endsWith('Sync')) throw failure(code);
  return Promise.reject(failure(code));
}

function failure(code: 'ENOSPC' | 'EIO'): Error {
  return Object.assign(new Error(`${code}: injected`), { code });
}
