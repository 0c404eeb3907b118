// Guard pipe: our end of the guard, the one process that watches over all that a supervisor has started.
//
//   P1. It is there before the first group is put under its care, and goes when it is closed or when we are gone.
//   P2. A guard that dies is replaced, and told of every group that lives. Whoever waits for an end is told by the new one.
//   P3. It keeps nobody alive, but while an end is awaited.
import { type ChildProcess, spawn } from 'node:child_process';
import { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { SojournError } from '../kernel/errors.ts';
import type { Logger } from '../kernel/logger.ts';

const GUARD = new URL(import.meta.url.endsWith('.ts') ? './guard.ts' : './guard.js', import.meta.url);

/** A guard that does not stay is not started for ever. */
const STARTS_MAX = 10;

interface Group {
  mark: string;
  /** Set while its end is awaited. */
  ended: PromiseWithResolvers<void> | undefined;
}

export class GuardPipe {
  readonly #logger: Logger;
  readonly #groups = new Map<number, Group>();
  #process: ChildProcess | undefined;
  #starts = 0;
  #isClosed = false;
  readonly #onBroken: () => void;

  /** `onBroken` is called once, when no guard stays: nothing is watched any more. Must not throw. */
  constructor(logger: Logger, onBroken: () => void) {
    this.#logger = logger;
    this.#onBroken = onBroken;
    this.#start();
  }

  watch(pid: number, mark: string): void {
    this.#groups.set(pid, { mark, ended: undefined });
    this.#tell(`+ ${pid} ${mark}`);
  }

  /** Ends the group, and resolves when nothing of it is left. */
  end(pid: number): Promise<void> {
    const group = this.#groups.get(pid);
    if (group === undefined || this.#isClosed) return Promise.resolve();
    if (group.ended === undefined) {
      group.ended = Promise.withResolvers();
      this.#stayAlive(true);
      this.#tell(`- ${pid} ${group.mark}`);
    }
    return group.ended.promise;
  }

  /** Groups that are still under its care end with it. */
  close(): void {
    this.#isClosed = true;
    this.#process?.stdin?.end();
    this.#process = undefined;
    for (const { ended } of this.#groups.values()) ended?.resolve();
    this.#groups.clear();
  }

  #tell(line: string): void {
    this.#process?.stdin?.write(`${line}\n`);
  }

  #start(): void {
    this.#starts += 1;
    const guard = spawn(process.execPath, [fileURLToPath(GUARD)], {
      cwd: '/',
      env: {},
      detached: true,
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    this.#process = guard;
    guard.unref(); // P3
    if (guard.stdin instanceof Socket) guard.stdin.unref();
    this.#stayAlive(this.#isAwaited);
    guard.stdin.on('error', () => undefined); // Its exit tells.
    guard.once('error', (error) => this.#lost(guard, error));
    guard.once('exit', () => this.#lost(guard, undefined));
    const answers = createInterface({ input: guard.stdout });
    answers.on('line', (line) => this.#gone(Number(line.slice(2))));
  }

  #gone(pid: number): void {
    const group = this.#groups.get(pid);
    if (group?.ended === undefined) return;
    this.#groups.delete(pid);
    this.#stayAlive(this.#isAwaited);
    group.ended.resolve();
  }

  get #isAwaited(): boolean {
    for (const { ended } of this.#groups.values()) if (ended !== undefined) return true;
    return false;
  }

  /** P3. */
  #stayAlive(stays: boolean): void {
    const answers = this.#process?.stdout;
    if (!(answers instanceof Socket)) return;
    if (stays) answers.ref();
    else answers.unref();
  }

  /** P2. */
  #lost(guard: ChildProcess, error: unknown): void {
    if (this.#isClosed || this.#process !== guard) return;
    this.#process = undefined;
    this.#logger.warn('process.guard_lost', { starts: this.#starts, error });
    if (this.#starts >= STARTS_MAX) {
      const lost = new SojournError('process.failed', 'The guard of the processes does not stay', {
        cause: error,
      });
      for (const { ended } of this.#groups.values()) ended?.reject(lost);
      this.#groups.clear();
      this.#onBroken();
      return;
    }
    this.#start();
    for (const [pid, { mark, ended }] of this.#groups) {
      this.#tell(`+ ${pid} ${mark}`);
      if (ended !== undefined) this.#tell(`- ${pid} ${mark}`);
    }
  }
}
