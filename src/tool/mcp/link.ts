// Link: our end of one MCP server, for one live session.
//
//   L1. It connects when it is first needed and again when the server has gone, at most `CONNECTS_MAX` times a minute.
//       Those who ask meanwhile share one connecting.
//   L2. What the server says of its tools is read once per connection, and again after it said that they changed.
//   L3. A call ends when its signal aborts, when nothing was heard of it for `callMs`, or with the server; the server is
//       told, by the rules of its era.
//   L4. Closing ends the program with everything below it.
//   L5. What a server gets wrong is logged at most once a second, with how often since.
//   L6. Whoever calls hears of progress at most ten times a second, and no call is kept alive beyond `callTotalMs`.
//   L7. A server over HTTP is asked at its own address only: no redirect is followed, no OAuth metadata fetched.
import type { Client, Progress, Transport } from '@modelcontextprotocol/client';
import type { Clock, Millis } from '../../kernel/clock.ts';
import { SojournError } from '../../kernel/errors.ts';
import type { JsonObject } from '../../kernel/json.ts';
import type { Logger } from '../../kernel/logger.ts';
import type { Supervisor } from '../../process/supervisor.ts';
import type { ToolCallOptions, ToolResult } from '../tool.ts';
import { acceptsAll, type Listing, listingOf } from './listing.ts';
import type { McpServer } from './mcp.ts';
import { Pace } from './pace.ts';
import { PipeTransport } from './pipe-transport.ts';
import { resultOf } from './result.ts';
import type { Sdk } from './sdk.ts';

export interface LinkParts {
  name: string;
  server: McpServer;
  sdk(): Promise<Sdk>;
  supervisor: Supervisor;
  connectMs: Millis;
  callMs: Millis;
  callTotalMs: Millis;
  clock: Clock;
  logger: Logger;
}

type State =
  | { kind: 'idle' }
  | { kind: 'connecting'; done: Promise<Connection> }
  | { kind: 'connected'; connection: Connection }
  | { kind: 'closed' };

interface Connection {
  client: Client;
  transport: Transport;
  listed: Promise<Listing> | undefined;
}

const CONNECTS_MAX = 5;
const MINUTE = 60_000;
const SECOND = 1_000;
/** Of one list of tools; past it the list cannot be had. */
const PAGES_MAX = 32;

export class Link {
  readonly #parts: LinkParts;
  #state: State = { kind: 'idle' };
  /** When it last connected, at most `CONNECTS_MAX` of them. */
  #connects: Millis[] = [];
  /** L5. */
  #wrong: { toldAt: Millis; since: number } | undefined;

  constructor(parts: LinkParts) {
    this.#parts = parts;
  }

  /** Throws `tool.unavailable`, `tool.limit`, `process.missing`, `process.limit`, or what the signal aborts with. */
  async tools(signal: AbortSignal): Promise<Listing> {
    const connection = await this.#connected(signal);
    connection.listed ??= this.#list(connection); // L2
    try {
      return await orAborted(connection.listed, signal);
    } catch (error) {
      signal.throwIfAborted();
      connection.listed = undefined;
      throw this.#failure('did not say what tools it has', error);
    }
  }

  /** Never rejects but with what the signal aborts with. */
  async call(name: string, input: JsonObject, options: ToolCallOptions): Promise<ToolResult> {
    const { clock, callTotalMs } = this.#parts;
    const { signal } = options;
    const pace = new Pace<Progress>(clock, (progress) => this.#progressed(progress, options));
    const over = new AbortController();
    const timer = clock.after(callTotalMs, () => over.abort(`it took more than ${callTotalMs} ms`)); // L6
    try {
      const { client } = await this.#connected(signal);
      const answer = await client.callTool(
        { name, arguments: { ...input } },
        {
          signal: AbortSignal.any([signal, over.signal]),
          timeout: this.#parts.callMs, // L3
          resetTimeoutOnProgress: true,
          onprogress: (progress) => pace.say(progress),
        },
      );
      return resultOf(answer);
    } catch (error) {
      signal.throwIfAborted();
      const { detail } = this.#failure(`did not answer ${name}`, error);
      return { parts: [{ type: 'text', text: detail }], isError: true };
    } finally {
      timer.cancel();
      pace.end();
    }
  }

  #progressed({ progress, total, message }: Progress, { onProgress }: ToolCallOptions): void {
    try {
      onProgress?.({
        ...(message === undefined ? {} : { message }),
        ...(total === undefined || total <= 0 ? {} : { percent: Math.min(100, (100 * progress) / total) }),
      });
    } catch (error) {
      this.#parts.logger.warn('mcp.progress_failed', { server: this.#parts.name, error });
    }
  }

  /** L4. Idempotent; never rejects. */
  async close(): Promise<void> {
    const state = this.#state;
    this.#state = { kind: 'closed' };
    const connection =
      state.kind === 'connecting'
        ? await state.done.catch(() => undefined)
        : state.kind === 'connected'
          ? state.connection
          : undefined;
    if (connection !== undefined) await this.#disconnect(connection);
  }

  /** L1. */
  #connected(signal: AbortSignal): Promise<Connection> {
    const state = this.#state;
    if (state.kind === 'connected') return Promise.resolve(state.connection);
    if (state.kind === 'closed') {
      return Promise.reject(new SojournError('tool.unavailable', `MCP server ${this.#parts.name} is closed`));
    }
    if (state.kind === 'connecting') return orAborted(state.done, signal);
    const now = this.#parts.clock.monotonic();
    this.#connects = this.#connects.filter((at) => now - at < MINUTE);
    if (this.#connects.length >= CONNECTS_MAX) {
      const detail = `MCP server ${this.#parts.name} went away ${CONNECTS_MAX} times within a minute`;
      return Promise.reject(new SojournError('tool.unavailable', detail, { retryAfterMs: MINUTE }));
    }
    this.#connects.push(now);
    const done = this.#connect();
    this.#state = { kind: 'connecting', done };
    done.then(
      (connection) => this.#arrived(connection),
      () => {
        if (this.#state.kind === 'connecting') this.#state = { kind: 'idle' };
      },
    );
    return orAborted(done, signal);
  }

  #arrived(connection: Connection): void {
    if (this.#state.kind !== 'connecting') return; // Closed meanwhile: whoever closed it ends it.
    this.#state = { kind: 'connected', connection };
  }

  async #connect(): Promise<Connection> {
    const { connectMs } = this.#parts;
    const sdk = await this.#parts.sdk();
    const client = new sdk.Client(
      { name: 'sojourn', version: '1' },
      {
        versionNegotiation: { mode: 'auto' },
        enforceStrictCapabilities: true,
        jsonSchemaValidator: acceptsAll,
        listMaxPages: PAGES_MAX,
      },
    );
    const transport = await this.#transport(sdk);
    const connection: Connection = { client, transport, listed: undefined };
    client.onclose = () => {
      if (this.#state.kind === 'connected' && this.#state.connection === connection)
        this.#state = { kind: 'idle' };
    };
    client.onerror = (error) => this.#noted(error);
    client.setNotificationHandler('notifications/tools/list_changed', () => {
      connection.listed = undefined;
    });
    try {
      await client.connect(transport, { timeout: connectMs });
      return connection;
    } catch (error) {
      await this.#disconnect(connection);
      throw this.#failure('cannot be spoken to', error, transport);
    }
  }

  async #transport(sdk: Sdk): Promise<Transport> {
    const { server, supervisor, clock, logger } = this.#parts;
    if ('url' in server) {
      const { url, headers = {} } = server;
      return new sdk.StreamableHTTPClientTransport(new URL(url), {
        requestInit: { headers: { ...headers }, redirect: 'error' }, // L7
      });
    }
    return new PipeTransport(sdk, await supervisor.start({ ...server, clock, logger }));
  }

  async #list({ client }: Connection): Promise<Listing> {
    const { tools } = await client.listTools(undefined, { timeout: this.#parts.connectMs });
    return listingOf(tools);
  }

  /** L5. */
  #noted(error: Error): void {
    const { name, clock, logger } = this.#parts;
    const now = clock.monotonic();
    if (this.#wrong !== undefined && now - this.#wrong.toldAt < SECOND) {
      this.#wrong.since += 1;
      return;
    }
    const { since: unsaid = 0 } = this.#wrong ?? {};
    this.#wrong = { toldAt: now, since: 0 };
    logger.info('mcp.server_error', { server: name, error, unsaid });
  }

  async #disconnect({ client, transport }: Connection): Promise<void> {
    const { logger, name } = this.#parts;
    await client.close().catch((error: unknown) => logger.warn('mcp.close_failed', { server: name, error }));
    await transport
      .close()
      .catch((error: unknown) => logger.warn('mcp.close_failed', { server: name, error }));
  }

  #failure(what: string, error: unknown, transport?: Transport): SojournError {
    if (error instanceof SojournError) return error;
    const state = this.#state;
    const pipe = transport ?? (state.kind === 'connected' ? state.connection.transport : undefined);
    const lines = pipe instanceof PipeTransport ? pipe.lastLines() : [];
    const said = lines.length === 0 ? '' : `; it last said: ${lines.slice(-3).join(' / ')}`;
    const cause = error instanceof Error ? error.message : String(error);
    return new SojournError('tool.unavailable', `MCP server ${this.#parts.name} ${what}: ${cause}${said}`, {
      cause: error,
    });
  }
}

/** The promise goes on, for whoever else waits for it. */
function orAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
