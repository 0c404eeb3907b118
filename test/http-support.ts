// A server for one test: the face in front of a real runtime, and ways to speak to it, down to single bytes.
// The runtime and its store are shared by the tests of a file; each test has a project of its own.
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, onTestFinished } from 'vitest';
import { http, type HttpOptions } from '../src/face/http/http.ts';
import { functionAgent } from '../src/agent/function/function.ts';
import { inProcessBus } from '../src/bus/in-process/in-process.ts';
import { systemClock } from '../src/kernel/clock.ts';
import { silentLogger, type Logger } from '../src/kernel/logger.ts';
import { hostCaller } from '../src/runtime/access.ts';
import { createRuntime } from '../src/runtime/create.ts';
import type { Runtime, RuntimeCalls } from '../src/runtime/runtime.ts';
import { sqliteStore } from '../src/store/sqlite/sqlite.ts';
import { ManualClock } from '../src/testing/manual-clock.ts';
import { SCOPES, type Caller } from '../src/wire/access.ts';
import type { TokenCall } from '../src/wire/calls.ts';

export interface LogLine {
  event: string;
  fields: Record<string, unknown>;
}

/** What the agent of all sessions does in its next turns. */
export interface Speech {
  words: readonly string[];
  /** It says its words, and then waits for this. */
  until?: Promise<void>;
}

export interface Served {
  url: string;
  urls: readonly string[];
  port: number;
  runtime: Runtime;
  /** The test's project, and the host acting in it. */
  project: string;
  host: Caller;
  speech: Speech;
  /** The face's; the runtime has the machine's. */
  clock: ManualClock;
  /** A token with all scopes, and its id. */
  token: string;
  tokenId: string;
  log: LogLine[];
  newToken: (call?: Partial<TokenCall>, project?: string) => Promise<{ id: string; secret: string }>;
  /** How many sessions the project has: 0 where nothing has happened. */
  sessions: () => Promise<number>;
  close: (graceMs?: number) => Promise<void>;
  /** A call with the token; an object as body goes as JSON. */
  call: (method: string, path: string, options?: CallOptions) => Promise<Answer>;
  /** Writes these bytes on a fresh connection; what came back by the time the server ended it. */
  raw: (bytes: string | Buffer) => Promise<string>;
  /** A connection that is left to the test. */
  wire: () => Promise<Wire>;
  /** The head of a request with a good token, ready for more header lines. */
  head: (line: string) => string;
}

export interface CallOptions {
  body?: unknown;
  headers?: Record<string, string>;
  token?: string | null;
  signal?: AbortSignal;
}

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  json: Record<string, unknown>;
}

export type Wrap = (runtime: Runtime) => RuntimeCalls;

/** The real runtime, but for these calls: for what cannot be made to happen from outside. */
export const withCalls =
  (calls: Partial<RuntimeCalls>): Wrap =>
  (runtime) =>
    new Proxy(runtime, {
      get(target, name) {
        const own: unknown = Reflect.get(calls, name);
        const member: unknown = own ?? Reflect.get(target, name, target);
        return typeof member === 'function' && own === undefined ? (member.bind(target) as unknown) : member;
      },
    });

let shared: Promise<{ runtime: Runtime; folder: string }> | undefined;
let speech: Speech = { words: [] };
let projects = 0;

afterAll(async () => {
  const open = await shared;
  await open?.runtime.shutdown(0);
  if (open !== undefined) rmSync(open.folder, { recursive: true });
});

const speaker = functionAgent(async function* speak(turn) {
  const { words, until } = speech;
  yield* words;
  if (until === undefined) return;
  const aborted = new Promise<void>((resolve) => {
    turn.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  await Promise.race([until, aborted]);
});

async function openRuntime(): Promise<{ runtime: Runtime; folder: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'sojourn-http-'));
  const store = await sqliteStore({ folder, clock: systemClock, logger: silentLogger });
  const bus = inProcessBus(silentLogger);
  const agents = { speaker, other: speaker };
  return { runtime: await createRuntime({ store, bus, agents, coalesceDeltas: false }), folder };
}

export async function serve(options: HttpOptions = {}, wrap: Wrap = (runtime) => runtime): Promise<Served> {
  const { runtime } = await (shared ??= openRuntime());
  const project = `p${++projects}`;
  await runtime.addProject(project);
  const host = hostCaller(project);
  const mySpeech: Speech = { words: ['You ', 'said: ', 'hello'] };
  speech = mySpeech;

  const clock = new ManualClock();
  const log: LogLine[] = [];
  const note = (event: string, fields: Record<string, unknown> = {}): void =>
    void log.push({ event, fields });
  const logger: Logger = { info: note, warn: note, error: note };
  const open = await http({ port: 0, clock, logger, ...options }).start(wrap(runtime));
  onTestFinished(() => open.close(0));
  const url = open.urls[0] ?? '';
  const port = Number(new URL(url).port);
  const newToken: Served['newToken'] = async (given = {}, within = project) =>
    runtime.addToken({ name: 'test', scopes: SCOPES, ...given }, hostCaller(within));
  const { id: tokenId, secret: token } = await newToken();
  const head = (line: string): string =>
    `${line} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer ${token}\r\n`;
  return {
    url,
    urls: open.urls,
    port,
    runtime,
    project,
    host,
    speech: mySpeech,
    clock,
    token,
    tokenId,
    log,
    head,
    newToken,
    sessions: async () => (await runtime.sessions({}, host)).sessions.length,
    close: (graceMs = 0) => open.close(graceMs),
    call: (method, path, given = {}) => call(url, token, method, path, given),
    raw: async (bytes) => {
      const wire = await Wire.open(port);
      wire.write(bytes);
      return wire.rest();
    },
    wire: () => Wire.open(port),
  };
}

async function call(
  url: string,
  own: string,
  method: string,
  path: string,
  { body, headers = {}, token = own, signal }: CallOptions,
): Promise<Answer> {
  const isText = typeof body === 'string' || Buffer.isBuffer(body);
  const response = await fetch(url + path, {
    method,
    redirect: 'manual',
    headers: {
      ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: isText ? (body as string) : JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') === true && text !== '';
  const json = isJson && !text.includes('\n') ? (JSON.parse(text) as Record<string, unknown>) : {};
  return { status: response.status, headers: response.headers, text, json };
}

export class Wire {
  readonly socket: Socket;
  ended = false;
  #pieces: string[] = [];
  #waiting: (() => void)[] = [];

  static open(port: number, host = '127.0.0.1', localAddress?: string): Promise<Wire> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host, ...(localAddress === undefined ? {} : { localAddress }) });
      socket.once('error', reject).once('connect', () => resolve(new Wire(socket)));
    });
  }

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (piece) => {
      this.#pieces.push(piece.toString('latin1'));
      this.#wake();
    });
    const end = (): void => {
      this.ended = true;
      socket.destroy();
      this.#wake();
    };
    socket.on('end', end).on('close', end).on('error', end);
    onTestFinished(() => void socket.destroy());
  }

  /** All that has come and was not forgotten. */
  get text(): string {
    if (this.#pieces.length > 1) this.#pieces = [this.#pieces.join('')];
    return this.#pieces[0] ?? '';
  }

  forget(): void {
    this.#pieces = [];
  }

  write(bytes: string | Buffer): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /** Resolves when what has come holds `part`; fails when the server ends the connection before. */
  async until(part: string): Promise<string> {
    let found = this.text.includes(part);
    while (!found) {
      if (this.ended) throw new Error(`Ended without ${JSON.stringify(part)}: ${this.text.slice(0, 500)}`);
      const had = this.#pieces.length;
      await this.#more();
      // Only what is new is looked through, with enough of the old for what lies across.
      const recent = (this.#pieces[had - 1] ?? '').slice(-part.length) + this.#pieces.slice(had).join('');
      found = recent.includes(part);
    }
    return this.text;
  }

  /** All there is when the server has ended the connection. */
  async rest(): Promise<string> {
    while (!this.ended) await this.#more();
    return this.text;
  }

  #more(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

export function statusOf(text: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0);
}

export function codeOf(text: string): string {
  return /"code":"([^"]+)"/.exec(text)?.[1] ?? '';
}

/** The statuses of all answers on one connection, in order. */
export function statusesOf(text: string): number[] {
  return [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status));
}
