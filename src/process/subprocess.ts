// Subprocess: one process that was started, with everything below it.
//
//   S1. It leads a group of its own. When it has ended, however that came about, nothing of the group is left behind.
//   S2. Stopping asks first: its input is closed, then SIGTERM, then SIGKILL, all within `stopMs`. Killing does not ask.
//   S3. What it says on stderr is read to the end and not kept, but for its last lines.
import type { ChildProcessByStdio } from 'node:child_process';
import { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import type { Clock, Millis } from '../kernel/clock.ts';
import { LastLines } from './last-lines.ts';

/** How its leader ended: one of the two is set. */
export interface Exit {
  code: number | null;
  signal: string | null;
}

export interface SubprocessParts {
  leader: ChildProcessByStdio<Writable, Readable, Readable>;
  pid: number;
  clock: Clock;
  stopMs: Millis;
  /** Ends what is left of its group; resolves when nothing is. */
  sweep(): Promise<void>;
}

const LINES = { linesMax: 40, charsMax: 500 };

export class Subprocess {
  readonly pid: number;
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** Resolves when its leader has ended; what it started may still be there. */
  readonly exited: Promise<Exit>;
  /** Resolves when nothing of it is left, and all it said on stderr has been read. Rejects where that cannot be known. */
  readonly gone: Promise<Exit>;
  readonly #parts: SubprocessParts;
  readonly #said = new LastLines(LINES);
  #exit: Exit | undefined;
  #stopping: Promise<Exit> | undefined;

  constructor(parts: SubprocessParts) {
    const { leader } = parts;
    this.#parts = parts;
    this.pid = parts.pid;
    this.stdin = leader.stdin;
    this.stdout = leader.stdout;
    leader.stdin.on('error', () => undefined); // Who writes to it learns of its end by `exited`.
    leader.stderr.on('data', (chunk: Uint8Array) => this.#said.push(chunk)); // S3
    leader.stderr.on('error', () => undefined);
    const closed = new Promise<void>((resolve) => leader.once('close', () => resolve()));
    this.exited = new Promise((resolve) => {
      leader.once('exit', (code, signal) => {
        this.#exit = { code, signal };
        resolve(this.#exit);
      });
    });
    this.gone = this.exited.then(async (exit) => {
      await parts.sweep(); // S1
      await this.#within(closed, 1_000); // Somebody outside the group may have its pipes open.
      return exit;
    });
    this.gone.catch(() => undefined); // Whoever stops it hears of it.
  }

  /** Its leader has not ended, as far as we have heard. */
  get isRunning(): boolean {
    return this.#exit === undefined;
  }

  /** What it said last on stderr, oldest line first, fit to be shown. */
  lastLines(): readonly string[] {
    return this.#said.lines();
  }

  /** S2. Idempotent. */
  stop(): Promise<Exit> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** S2. */
  kill(): Promise<Exit> {
    this.keepAlive(true);
    this.#signal('SIGKILL');
    return this.gone;
  }

  /** Whether our own process goes on as long as this one does. It does when it starts. */
  keepAlive(does: boolean): void {
    const { leader } = this.#parts;
    for (const part of [leader, leader.stdin, leader.stdout, leader.stderr]) {
      if (part !== leader && !(part instanceof Socket)) continue;
      if (does) part.ref();
      else part.unref();
    }
  }

  async #stop(): Promise<Exit> {
    const { stopMs } = this.#parts;
    this.keepAlive(true);
    this.stdin.end();
    if (!(await this.#within(this.exited, stopMs / 3))) this.#signal('SIGTERM');
    if (!(await this.#within(this.exited, (stopMs * 2) / 3))) this.#signal('SIGKILL');
    return this.gone;
  }

  /** To the group; once its leader is over, the number may be somebody else's. */
  #signal(signal: 'SIGTERM' | 'SIGKILL'): void {
    if (this.#exit !== undefined) return;
    try {
      process.kill(-this.pid, signal);
    } catch {
      // It has ended, and we are about to hear of it.
    }
  }

  #within(done: Promise<unknown>, ms: Millis): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = this.#parts.clock.after(ms, () => resolve(false), 'keeps-alive');
      void done.then(() => {
        timer.cancel();
        resolve(true);
      }); // Neither of the two it is given rejects.
    });
  }
}
