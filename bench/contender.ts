// Contender: one server under measurement, a process of its own with the same Node.
//
//   C1. Every contender is started the same way, by the same flags, over a data folder of its own on the same disk.
//   C2. A server that exits while it should serve fails the bench with what it printed.
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Target } from './load/turn.ts';
import type { ProbeReply, Question } from './probe.ts';

export interface Contender {
  name: string;
  /** What it promises, for the table. */
  promise: string;
  /** It still knows its sessions after a restart. */
  keeps: boolean;
  script: string;
  args(folder: string): string[];
}

const floor = (name: string, promise: string, script: string, ...rest: string[]): Contender => ({
  name,
  promise,
  keeps: script !== 'floors/memory.ts',
  script,
  args: (folder) => [folder, ...rest],
});

const sojourn = (name: string, promise: string, ...rest: string[]): Contender => ({
  name,
  promise,
  keeps: true,
  script: 'sojourn-server.ts',
  args: (folder) => [folder, ...rest],
});

export const SOJOURN = sojourn('Sojourn', 'every event durable before it is seen');
export const SOJOURN_EACH = sojourn('Sojourn, each delta', '... and each delta an event', '--each-delta');
export const F0 = floor('F0', 'nothing kept', 'floors/memory.ts');
export const F0_NORMAL = floor("F0'", 'one NORMAL commit a turn', 'floors/turn.ts', 'NORMAL');
export const F1 = floor('F1', 'one FULL commit a turn', 'floors/turn.ts', 'FULL');
export const F1_BARE = floor('F1 bare', 'the same, past the framework', 'floors/turn.ts', 'FULL', '--bare');
export const F2 = floor('F2', 'a FULL commit for every delta', 'floors/delta.ts');
export const CONTENDERS: readonly Contender[] = [SOJOURN, SOJOURN_EACH, F0, F0_NORMAL, F1, F1_BARE, F2];

const READY_MS_MAX = 20_000;

export class RunningServer {
  readonly contender: Contender;
  readonly target: Target;
  readonly #child: ChildProcess;
  readonly #printed: string[];

  private constructor(contender: Contender, target: Target, child: ChildProcess, printed: string[]) {
    this.contender = contender;
    this.target = target;
    this.#child = child;
    this.#printed = printed;
  }

  /** Starts over what lies in `folder`; resolves when the server listens. */
  static async start(contender: Contender, folder: string, ...extra: string[]): Promise<RunningServer> {
    mkdirSync(folder, { recursive: true });
    const script = new URL(contender.script, import.meta.url);
    const child = fork(script, [...contender.args(folder), ...extra], {
      execArgv: [
        '--expose-gc',
        '--disable-warning=ExperimentalWarning',
        '--import',
        new URL('probe.ts', import.meta.url).href,
      ],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    const printed: string[] = [];
    child.stderr?.setEncoding('utf8').on('data', (text: string) => printed.push(text));
    const address = await listening(child, contender, printed);
    const target = { host: address.hostname, port: Number(address.port), token: address.hash.slice(1) };
    return new RunningServer(contender, target, child, printed);
  }

  /** What `since` tells begins here. */
  async reset(): Promise<void> {
    await this.#ask('reset');
  }

  /** Since the last reset: the longest the event loop was held up, and the CPU time of all threads. */
  since(): Promise<Pick<ProbeReply, 'stallMs' | 'cpuMs'>> {
    return this.#ask('since');
  }

  /** After a full collection. */
  async heapBytes(): Promise<number> {
    return (await this.#ask('memory')).heapBytes;
  }

  /** Asks it to end, as an operator would; the data stays. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 10_000);
    await exited;
    clearTimeout(timer);
  }

  async #ask(question: Question): Promise<ProbeReply> {
    if (!this.#child.connected) throw new Error(`${this.contender.name} is gone:\n${this.#printed.join('')}`);
    const reply = once(this.#child, 'message');
    this.#child.send(question);
    const [answer] = (await reply) as [ProbeReply];
    return answer;
  }
}

/** The server's first line that names an address; a token may follow it as the address's fragment. */
async function listening(child: ChildProcess, contender: Contender, printed: string[]): Promise<URL> {
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => reject(new Error(`${contender.name} ${why}:\n${printed.join('')}`));
    const timer = setTimeout(() => fail(`did not listen within ${READY_MS_MAX} ms`), READY_MS_MAX);
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      fail(`exited early (${code ?? signal})`);
    });
    if (child.stdout === null) return;
    createInterface({ input: child.stdout }).on('line', (line) => {
      const address = /http:\/\/\S+/.exec(line)?.[0];
      if (address === undefined) return;
      clearTimeout(timer);
      resolve(new URL(address));
    });
  });
}

/** Ended with the bench at the latest; what lies in `folder` goes. */
export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}
