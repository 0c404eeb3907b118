// A server as users have it: a process of its own on a folder of its own, spoken to over its socket, and killed as the
// machine would kill it.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Heard } from './cli-server.ts';

const MAIN = join(import.meta.dirname, '../src/cli/main.ts');

/** What a test reads of an answer: it knows which members it asked for. */
// oxlint-disable-next-line typescript/no-explicit-any
export type Loose = any;

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  /** The body where it is JSON. */
  body: Loose;
}

export interface Logged {
  seq: number;
  at: string;
  kind: string;
  turn: string | null;
  body: Loose;
}

/** One block of a stream, as it came over the wire. */
export interface Block {
  id: string | undefined;
  event: string | undefined;
  data: Loose;
}

/** For the head of a config: `there(name)` resolves when a file of that name lies in the server's folder. */
export const THERE = `
  import { existsSync, watch } from 'node:fs';
  const there = (name) => new Promise((resolve) => {
    const look = () => {
      if (!existsSync(name)) return;
      watching.close();
      resolve();
    };
    const watching = watch('.', { persistent: false }, look);
    look();
  });
`;

export class ContractServer {
  readonly #home = mkdtempSync(join(tmpdir(), 'sojourn-contract-'));
  readonly folder = join(this.#home, 'stored');
  readonly #command: 'start' | 'dev';
  #child: ChildProcess | undefined;
  /** What the process says to people. */
  remarks = new Heard();
  url = '';
  token = '';

  private constructor(command: 'start' | 'dev') {
    this.#command = command;
  }

  static async start(config?: string): Promise<ContractServer> {
    const server = new ContractServer(config === undefined ? 'start' : 'dev');
    if (config !== undefined) server.write('sojourn.config.ts', config);
    await server.start();
    return server;
  }

  /** Puts a file where the process runs, whole at once, as editors do. */
  write(name: string, text: string): void {
    const file = join(this.#home, name);
    writeFileSync(`${file}~`, text);
    renameSync(`${file}~`, file);
  }

  async start(): Promise<void> {
    const child = spawn(process.execPath, [MAIN, this.#command, '--port', '0'], {
      cwd: this.#home,
      env: {
        PATH: process.env.PATH ?? '',
        NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? '',
        SOJOURN_SCRIPTED_MS: '0',
        SOJOURN_DATA: this.folder,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    const out = new Heard();
    const remarks = new Heard();
    this.remarks = remarks;
    child.stdout.pipe(out);
    child.stderr.pipe(remarks);
    await Promise.race([out.says('/docs'), once(child, 'exit')]);
    const [, url] = /listens on (http:\/\/[^\n]+)\n/.exec(out.text) ?? [];
    if (url === undefined) throw new Error(`The server did not start: ${remarks.text}`);
    this.url = url;
    this.token = readFileSync(join(this.folder, 'token'), 'utf8').trim();
  }

  /** Of the process that runs, or ran last. */
  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** As the power would: nothing is flushed, nobody is told. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  /** Resolves when it has ended by itself. */
  async gone(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    await once(child, 'exit');
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  async close(): Promise<void> {
    await this.kill();
    rmSync(this.#home, { recursive: true, force: true });
  }

  /** `body` goes out as JSON unless it is text, which goes out as it is. */
  async call(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const response = await fetch(this.url + path, {
      method,
      headers: {
        Authorization: `Bearer ${this.token}`,
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...headers,
      },
      redirect: 'manual',
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = /[/+]json/.test(response.headers.get('content-type') ?? '');
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: isJson && text !== '' ? JSON.parse(text) : undefined,
    };
  }

  get(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.call('GET', path, undefined, headers);
  }

  send(
    key: string,
    input: string,
    more: Record<string, unknown> = {},
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    return this.call('POST', `/v1/sessions/${key}/turns`, { input, ...more }, headers);
  }

  /** The finished turn. */
  async say(key: string, input: string, more: Record<string, unknown> = {}): Promise<Loose> {
    const { body } = await this.send(key, input, more, { Prefer: 'wait=20' });
    return body;
  }

  async session(key: string): Promise<Loose> {
    return (await this.get(`/v1/sessions/${key}`)).body;
  }

  async events(key: string, after = 0): Promise<Logged[]> {
    const all: Logged[] = [];
    for (let from = after; ;) {
      const { body } = await this.get(`/v1/sessions/${key}/events?after=${from}`);
      const page = body.events as Logged[];
      all.push(...page);
      from = page.at(-1)?.seq ?? from;
      if (page.length === 0 || from >= body.headSeq) return all;
    }
  }

  /** The blocks of a stream as they come; leaving the loop leaves the stream. */
  async *follow(
    path: string,
    options: { method?: string; body?: unknown; headers?: Record<string, string> } = {},
  ): AsyncGenerator<Block> {
    const leaving = new AbortController();
    const response = await fetch(this.url + path, {
      method: options.method ?? 'GET',
      signal: leaving.signal,
      headers: {
        Authorization: `Bearer ${this.token}`,
        Accept: 'text/event-stream',
        ...(options.body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...options.headers,
      },
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
    });
    try {
      if (!(response.headers.get('content-type') ?? '').startsWith('text/event-stream'))
        throw new Error(`No stream: ${response.status} ${await response.text()}`);
      let text = '';
      for await (const chunk of (response.body as ReadableStream<BufferSource>).pipeThrough(
        new TextDecoderStream(),
      )) {
        text += chunk;
        for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
          const block = blockOf(text.slice(0, end));
          text = text.slice(end + 2);
          if (block !== undefined) yield block;
        }
      }
    } finally {
      leaving.abort();
    }
  }

  /** Follows a session from its beginning to the first event that fits. */
  async until(key: string, fits: (event: Logged) => boolean, after = 0): Promise<Logged> {
    for await (const { data } of this.follow(`/v1/sessions/${key}/events?after=${after}`))
      if (fits(data as Logged)) return data as Logged;
    throw new Error(`The stream of ${key} ended first`);
  }

  /** Resolves when nothing runs or waits in it. */
  async idle(key: string): Promise<void> {
    for await (const _ of this.follow(`/v1/sessions/${key}/events?until=idle`));
  }
}

function blockOf(text: string): Block | undefined {
  const fields = new Map<string, string>();
  for (const line of text.split('\n')) {
    const colon = line.indexOf(': ');
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 2));
  }
  const data = fields.get('data');
  if (data === undefined) return undefined;
  return { id: fields.get('id'), event: fields.get('event'), data: JSON.parse(data) };
}

/** What a reader made of the events of one turn: the words of its last attempt. */
export function said(events: readonly Logged[], turn: string): string {
  let text = '';
  for (const event of events) {
    if (event.turn !== turn) continue;
    if (event.kind === 'turn.started') text = '';
    if (event.kind === 'text.delta') text += (event.body as { text: string }).text;
  }
  return text;
}

export const words = (count: number): string =>
  Array.from({ length: count }, (_, index) => `w${index + 1}`).join(' ');
