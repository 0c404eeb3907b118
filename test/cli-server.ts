// A real server in this process, and the command line beside it: what a test of commands needs.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import type { Agent } from '../src/agent/agent.ts';
import { scriptedAgent } from '../src/agent/scripted/scripted.ts';
import { run } from '../src/cli/program.ts';
import { openServing, type Serving } from '../src/cli/serving.ts';
import type { Limits } from '../src/kernel/limits.ts';
import type { World } from '../src/cli/world.ts';

export interface TestServer {
  readonly folder: string;
  readonly url: string;
  readonly serving: Serving;
  /** Stops it and opens it again at the same address. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

export interface TestServerOptions {
  folder?: string;
  limits?: Partial<Limits>;
  /** Beside the scripted one. */
  agents?: Readonly<Record<string, Agent>>;
}

export async function testServer(given: TestServerOptions = {}): Promise<TestServer> {
  const made = given.folder === undefined ? mkdtempSync(join(tmpdir(), 'sojourn-cli-')) : undefined;
  const folder = given.folder ?? join(made ?? '', 'stored');
  const open = (port: number): Promise<Serving> =>
    openServing({
      folder,
      agents: {
        agents: { scripted: scriptedAgent({ wordMs: 0 }), ...given.agents },
        defaultAgent: 'scripted',
        description: 'for tests',
      },
      http: { port },
      ...(given.limits === undefined ? {} : { config: { agents: {}, limits: given.limits } }),
      log: () => undefined,
    });
  let serving = await open(0);
  const url = serving.urls[0] ?? '';
  return {
    folder,
    url,
    get serving() {
      return serving;
    },
    async restart() {
      await serving.stop(0);
      serving = await open(Number(new URL(url).port));
    },
    async close() {
      await serving.stop(0);
      if (made !== undefined) rmSync(made, { recursive: true, force: true });
    },
  };
}

/** Text that grows, and can be waited for. */
export class Heard extends Writable {
  text = '';
  readonly #watchers = new Set<() => void>();

  override _write(chunk: Buffer | string, _encoding: BufferEncoding, done: () => void): void {
    this.text += String(chunk);
    for (const watch of this.#watchers) watch();
    done();
  }

  says(text: string | RegExp): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (typeof text === 'string' ? !this.text.includes(text) : !text.test(this.text)) return;
        this.#watchers.delete(look);
        resolve();
      };
      this.#watchers.add(look);
      look();
    });
  }
}

export interface Running {
  stdin: PassThrough;
  out: Heard;
  err: Heard;
  /** As if the terminal had sent it. */
  interrupt(): void;
  ended: Promise<number>;
}

/** Begins a command; its stdin stays open. */
export function begin(folder: string, words: readonly string[], env: World['env'] = {}): Running {
  const stdin = new PassThrough();
  const out = new Heard();
  const err = new Heard();
  const listeners = new Set<() => void>();
  const ended = run(words, {
    env: { SOJOURN_DATA: folder, ...env },
    cwd: folder,
    stdin,
    stdout: out,
    stderr: err,
    onSignal(name, act) {
      if (name === 'SIGINT') listeners.add(act);
      return () => listeners.delete(act);
    },
    exit: () => undefined,
  });
  return { stdin, out, err, ended, interrupt: () => listeners.forEach((act) => act()) };
}

/** Runs a command to its end. */
export async function cli(
  folder: string,
  words: readonly string[],
  more: { env?: World['env']; stdin?: string } = {},
): Promise<{ code: number; out: string; err: string }> {
  const running = begin(folder, words, more.env);
  running.stdin.end(more.stdin ?? '');
  const code = await running.ended;
  return { code, out: running.out.text, err: running.err.text };
}

/** Of `--json` output. */
export function lines<Value>(text: string): Value[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Value);
}
