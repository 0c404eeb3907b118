// A server with the MCP face mounted, and the protocol's own client to speak to it, in either era.
// The runtime is shared by the tests of a file; each test has a project of its own.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, StreamableHTTPClientTransport, type ClientOptions } from '@modelcontextprotocol/client';
import { afterAll, expect, onTestFinished } from 'vitest';
import { scriptedAgent } from '../src/agent/scripted/scripted.ts';
import { inProcessBus } from '../src/bus/in-process/in-process.ts';
import { http } from '../src/face/http/http.ts';
import { mcp, type McpOptions } from '../src/face/mcp/mcp.ts';
import { allTools } from '../src/face/mcp/open.ts';
import { systemClock } from '../src/kernel/clock.ts';
import { systemIds } from '../src/kernel/ids.ts';
import { silentLogger, type Logger } from '../src/kernel/logger.ts';
import { hostCaller } from '../src/runtime/access.ts';
import { createRuntime } from '../src/runtime/create.ts';
import type { Runtime, RuntimeCalls } from '../src/runtime/runtime.ts';
import { sqliteStore } from '../src/store/sqlite/sqlite.ts';
import { SCOPES, type Caller, type Scope } from '../src/wire/access.ts';

export const MODERN = '2026-07-28';
export const LEGACY = '2025-11-25';
export type Era = 'modern' | 'legacy';

// oxlint-disable-next-line typescript/no-explicit-any
export type Loose = any;

export interface Served {
  url: string;
  runtime: Runtime;
  project: string;
  host: Caller;
  token: string;
  log: { event: string; fields: Record<string, unknown> }[];
  newToken: (scopes?: readonly Scope[], owner?: string) => Promise<{ id: string; secret: string }>;
  /** A client of the era, connected. */
  client: (era: Era, options?: ClientOptions & { token?: string }) => Promise<Client>;
  /** One message, as its bytes say it. */
  post: (body: unknown, options?: PostOptions) => Promise<Answer>;
  close: (graceMs?: number) => Promise<void>;
}

export interface PostOptions {
  method?: string;
  headers?: Record<string, string>;
  token?: string | null;
  signal?: AbortSignal;
}

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  body: Loose;
}

let shared: Promise<{ runtime: Runtime; folder: string }> | undefined;
let projects = 0;

afterAll(async () => {
  const open = await shared;
  await open?.runtime.shutdown(0);
  if (open !== undefined) rmSync(open.folder, { recursive: true });
});

async function openRuntime(): Promise<{ runtime: Runtime; folder: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'sojourn-mcp-'));
  const store = await sqliteStore({ folder, clock: systemClock, logger: silentLogger });
  const bus = inProcessBus(silentLogger);
  const agents = { scripted: scriptedAgent({ wordMs: 0 }) };
  return { runtime: await createRuntime({ store, bus, agents }), folder };
}

export async function serve(
  options: McpOptions = {},
  wrap: (runtime: Runtime) => RuntimeCalls = (runtime) => runtime,
): Promise<Served> {
  const { runtime } = await (shared ??= openRuntime());
  const project = `p${++projects}`;
  await runtime.addProject(project);
  const host = hostCaller(project);
  const log: Served['log'] = [];
  const note = (event: string, fields: Record<string, unknown> = {}): void =>
    void log.push({ event, fields });
  const logger: Logger = { info: note, warn: note, error: note };
  const face = http({ port: 0, logger, mounts: [mcp({ logger, ...options })] });
  const open = await face.start(wrap(runtime));
  onTestFinished(async () => {
    await open.close(0);
    // A tool names every code that it answers.
    expect(log.filter(({ event }) => event === 'mcp.unnamed_code')).toEqual([]);
  });
  const url = open.urls[0] ?? '';
  const newToken: Served['newToken'] = (scopes = SCOPES, owner) =>
    runtime.addToken({ name: 'test', scopes, ...(owner === undefined ? {} : { owner }) }, host);
  const { secret: token } = await newToken();
  return {
    url,
    runtime,
    project,
    host,
    token,
    log,
    newToken,
    client: (era, given = {}) => clientOf(url, era, { token, ...given }),
    post: (body, given = {}) => post(url, token, body, given),
    close: (graceMs = 0) => open.close(graceMs),
  };
}

export async function clientOf(
  url: string,
  era: Era,
  { token, ...options }: ClientOptions & { token: string },
): Promise<Client> {
  const mode = era === 'modern' ? { pin: MODERN } : 'legacy';
  const client = new Client(
    { name: 'test', version: '1' },
    { capabilities: {}, ...options, versionNegotiation: { mode } },
  );
  const transport = new StreamableHTTPClientTransport(new URL('/mcp', url), {
    requestInit: { headers: { Authorization: `Bearer ${token}` } },
  });
  await client.connect(transport);
  onTestFinished(() => client.close());
  return client;
}

async function post(
  url: string,
  own: string,
  body: unknown,
  { method = 'POST', headers = {}, token = own, signal }: PostOptions,
): Promise<Answer> {
  const isText = typeof body === 'string' || body === undefined;
  const response = await fetch(`${url}/mcp`, {
    method,
    headers: {
      Accept: 'application/json, text/event-stream',
      'Content-Type': 'application/json',
      ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: isText ? (body as string) : JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
  });
  const text = await response.text();
  const [, framed] = /^data: (\{.*)$/m.exec(text) ?? [];
  const json = framed ?? (text.startsWith('{') ? text : '{}');
  return { status: response.status, headers: response.headers, text, body: JSON.parse(json) as Loose };
}

export const initialize = {
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: { protocolVersion: LEGACY, capabilities: {}, clientInfo: { name: 'test', version: '1' } },
};
export const toolsList = { jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} };

/** Opens a connection of the older era; its name, as a header. */
export async function opened({ post }: Served, token?: string): Promise<Record<string, string>> {
  const answer = await post(initialize, token === undefined ? {} : { token });
  const link = { 'Mcp-Session-Id': answer.headers.get('mcp-session-id') ?? '' };
  await post(
    { jsonrpc: '2.0', method: 'notifications/initialized' },
    { headers: link, ...(token === undefined ? {} : { token }) },
  );
  return link;
}

/** A request of the revision in which each stands alone. */
export function modern(
  method: string,
  params: Record<string, unknown> = {},
  capabilities: object = {},
): { body: Loose; headers: Record<string, string> } {
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': MODERN,
    'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': capabilities,
    ...(params['_meta'] as object | undefined),
  };
  const name = params['name'] ?? params['uri'] ?? params['taskId'];
  return {
    body: { jsonrpc: '2.0', id: 1, method, params: { ...params, _meta } },
    headers: {
      'MCP-Protocol-Version': MODERN,
      'Mcp-Method': method,
      ...(typeof name === 'string' ? { 'Mcp-Name': name } : {}),
    },
  };
}

const TOOLS = allTools({ clock: systemClock, ids: systemIds });

/** What a tool answered, and whether it failed: then with a code that its description names. */
export async function call(
  client: Client,
  name: string,
  args: Record<string, unknown> = {},
): Promise<{ failed: boolean; value: Loose }> {
  const { isError, structuredContent } = await client.callTool({ name, arguments: args });
  const value: Loose = structuredContent;
  if (isError === true) expect(TOOLS.find((tool) => tool.name === name)?.codes).toContain(value.error.code);
  return { failed: isError === true, value };
}

/** The code that a tool refused with. */
export async function refused(
  client: Client,
  name: string,
  args: Record<string, unknown> = {},
): Promise<string> {
  const { failed, value } = await call(client, name, args);
  return failed ? value.error.code : JSON.stringify(value);
}
