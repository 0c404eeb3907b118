// Server: a real `sojourn start` as a process of its own, which can be killed the hard way and started again.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const MAIN = new URL('../../src/cli/main.ts', import.meta.url).pathname;

export class Server {
  readonly #folder: string;
  readonly #wordMs: number;
  #child: ChildProcess | undefined;
  #port = 0;

  constructor(folder: string, wordMs: number) {
    this.#folder = folder;
    this.#wordMs = wordMs;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get token(): string {
    return readFileSync(join(this.#folder, 'token'), 'utf8').trim();
  }

  /** Resolves when it listens; a later start uses the same port. */
  async start(): Promise<void> {
    const child = spawn(process.execPath, [MAIN, 'start', '--json'], {
      env: {
        PATH: process.env['PATH'] ?? '',
        PORT: `${this.#port}`,
        HOST: '127.0.0.1',
        SOJOURN_DATA: this.#folder,
        SOJOURN_SCRIPTED_MS: `${this.#wordMs}`,
      },
      cwd: this.#folder,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#child = child;
    const lines = createInterface({ input: child.stdout });
    const left = once(child, 'exit').then(() => {
      throw new Error('The server ended before it listened');
    });
    const [line] = (await Promise.race([once(lines, 'line'), left])) as [string];
    left.catch(() => undefined); // From here on its end is expected.
    this.#port = Number(new URL((JSON.parse(line) as { url: string }).url).port);
  }

  /** `kill -9`, and not a moment to say goodbye. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }
}
