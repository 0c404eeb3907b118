// Peer: one agent that is running, and the connection to it.
//
// Owns: its process, what is said over its pipes, and which ACP session it has open. Does not own: turns.
//
//   P1. Updates are heard in the order they were sent, before the answer that ends them. Those that nobody listens to are
//       dropped: a history that is replayed is in our log already.
//   P2. When the process, its output or the protocol ends, all of it ends: nothing of its group is left.
//   P3. What it may do on our side is nothing: no files, no terminal. A permission that nobody listens for is refused.
//   P4. A message of more than `MESSAGE_BYTES_MAX` ends it, and what has not been taken waits in its pipe.
import { Readable, Writable } from 'node:stream';
import type {
  AgentCapabilities,
  AnyMessage,
  ClientConnection,
  ContentBlock,
  McpServer,
  NewSessionResponse,
  PromptResponse,
  RequestPermissionRequest,
  RequestPermissionResponse,
  SessionUpdate,
} from '@agentclientprotocol/sdk';
import { SojournError } from '../../kernel/errors.ts';
import type { Logger } from '../../kernel/logger.ts';
import type { Subprocess } from '../../process/subprocess.ts';
import { CANCELLED } from './permission.ts';
import type { Sdk } from './sdk.ts';

/** Whoever has the turn. */
export interface Listener {
  heard(update: SessionUpdate, weight: number): void;
  permission(request: RequestPermissionRequest, signal: AbortSignal): Promise<RequestPermissionResponse>;
  /** What is to be waited for before more is read. */
  room(): Promise<void> | undefined;
}

export interface PeerParts {
  sdk: Sdk;
  /** For people. */
  name: string;
  subprocess: Subprocess;
  cwd: string;
  mcpServers: readonly McpServer[];
  logger: Logger;
}

/** What the agent remembers of the session it opened. */
export type Memory = 'new' | 'kept' | 'lost';

const MESSAGE_BYTES_MAX = 32 * 1_024 * 1_024;
const LINES_SHOWN = 8;
const SHOWN_CHARS_MAX = 1_500;

export class Peer {
  readonly #parts: PeerParts;
  readonly #connection: ClientConnection;
  #capabilities: AgentCapabilities = {};
  #session = '';
  #listener: Listener | undefined;

  constructor(parts: PeerParts) {
    this.#parts = parts;
    const { sdk, subprocess } = parts;
    const bytes = (Readable.toWeb(subprocess.stdout) as ReadableStream<Uint8Array>).pipeThrough(this.#gate());
    const pipe = sdk.ndJsonStream(Writable.toWeb(subprocess.stdin), bytes, {
      maxMessageBytes: MESSAGE_BYTES_MAX,
    });
    const readable = pipe.readable.pipeThrough(this.#tap());
    this.#connection = sdk
      .client({ name: 'sojourn' })
      .onRequest(
        'session/request_permission',
        ({ params, signal }) => this.#listener?.permission(params, signal) ?? CANCELLED, // P3
      )
      .connect({ writable: pipe.writable, readable });
    void this.#connection.closed.then(() => subprocess.stop()).catch(() => undefined); // P2: who uses it learns it.
  }

  get capabilities(): AgentCapabilities {
    return this.#capabilities;
  }

  /** The id of its ACP session. */
  get session(): string {
    return this.#session;
  }

  get isAlive(): boolean {
    return !this.#connection.signal.aborted && this.#parts.subprocess.isRunning;
  }

  /** Another process of it can open the session that it has. */
  get keepsSession(): boolean {
    const { loadSession, sessionCapabilities } = this.#capabilities;
    return loadSession === true || (sessionCapabilities?.resume ?? null) !== null;
  }

  /** Opens its ACP session: `previous` where it can, a new one otherwise. Ends it when the signal aborts. */
  async open(previous: string | undefined, signal: AbortSignal): Promise<Memory> {
    const end = (): void => void this.kill();
    signal.addEventListener('abort', end, { once: true });
    try {
      signal.throwIfAborted();
      await this.#initialize();
      return await this.#openSession(previous);
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener('abort', end);
    }
  }

  /** From now on whoever listens hears what arrives; undefined for nobody. */
  listen(listener: Listener | undefined): void {
    this.#listener = listener;
  }

  /** Whether our process goes on as long as the agent's does. */
  keepAlive(does: boolean): void {
    this.#parts.subprocess.keepAlive(does);
  }

  prompt(prompt: ContentBlock[]): Promise<PromptResponse> {
    return this.#said(this.#connection.agent.request('session/prompt', { sessionId: this.#session, prompt }));
  }

  async cancel(): Promise<void> {
    await this.#connection.agent.notify('session/cancel', { sessionId: this.#session });
  }

  /** Resolves when nothing of it is left. */
  async stop(): Promise<void> {
    await this.#parts.subprocess.stop();
  }

  async kill(): Promise<void> {
    await this.#parts.subprocess.kill();
  }

  async #initialize(): Promise<void> {
    const { sdk, name } = this.#parts;
    const { protocolVersion, agentCapabilities } = await this.#said(
      this.#connection.agent.request('initialize', {
        protocolVersion: sdk.PROTOCOL_VERSION,
        clientCapabilities: { fs: { readTextFile: false, writeTextFile: false }, terminal: false }, // P3
        clientInfo: { name: 'sojourn', title: 'Sojourn', version: '1' },
      }),
    );
    if (protocolVersion !== sdk.PROTOCOL_VERSION) {
      const spoken = `${name} speaks version ${protocolVersion} of the protocol`;
      throw new SojournError('agent.failed', `${spoken}; ${sdk.PROTOCOL_VERSION} is needed`);
    }
    this.#capabilities = agentCapabilities ?? {};
  }

  async #openSession(previous: string | undefined): Promise<Memory> {
    const { cwd } = this.#parts;
    const { agent } = this.#connection;
    const common = { cwd, mcpServers: this.#mcpServers() };
    const { loadSession, sessionCapabilities } = this.#capabilities;
    if (previous !== undefined) {
      const known = { ...common, sessionId: previous };
      const canResume = (sessionCapabilities?.resume ?? null) !== null;
      const isOpen =
        (canResume && (await this.#opened(previous, agent.request('session/resume', known)))) ||
        (loadSession === true && (await this.#opened(previous, agent.request('session/load', known))));
      if (isOpen) return 'kept';
    }
    this.#session = (await this.#said<NewSessionResponse>(agent.request('session/new', common))).sessionId;
    return previous === undefined ? 'new' : 'lost';
  }

  /** False where the agent is there and does not have that session. */
  async #opened(session: string, opening: Promise<unknown>): Promise<boolean> {
    try {
      await this.#said(opening);
      this.#session = session;
      return true;
    } catch (error) {
      if (!this.isAlive) throw error;
      const { name: agent, logger } = this.#parts;
      logger.warn('acp.session_not_opened', { agent, session, error });
      return false;
    }
  }

  #mcpServers(): McpServer[] {
    const { mcpServers, name } = this.#parts;
    const takes = this.#capabilities.mcpCapabilities ?? {};
    for (const server of mcpServers) {
      const type = 'type' in server ? server.type : 'stdio';
      if (type === 'stdio' || takes[type] === true) continue;
      throw new SojournError('config.invalid', `${name} takes no MCP server over ${type} (${server.name})`);
    }
    return [...mcpServers];
  }

  /** The answer, or why there is none. */
  async #said<Answer>(answer: Promise<Answer>): Promise<Answer> {
    try {
      return await answer;
    } catch (error) {
      throw await this.#failure(error);
    }
  }

  async #failure(cause: unknown): Promise<SojournError> {
    const { name, subprocess, sdk } = this.#parts;
    if (this.isAlive) {
      const wantsSignIn = cause instanceof sdk.RequestError && cause.code === -32000;
      const why = wantsSignIn
        ? `wants its own sign-in first: ${messageOf(cause)}`
        : `answered: ${messageOf(cause)}`;
      return new SojournError('agent.failed', `${name} ${why}`, { cause });
    }
    const { code, signal } = await subprocess.gone;
    const how = signal === null ? `code ${code}` : signal;
    const lines = subprocess.lastLines().slice(-LINES_SHOWN).join('\n').slice(-SHOWN_CHARS_MAX);
    const said = lines === '' ? 'and said nothing on stderr' : `and said last:\n${lines}`;
    const why = isTooLarge(this.#connection.signal.reason)
      ? `: one message had more than ${MESSAGE_BYTES_MAX} bytes`
      : '';
    return new SojournError('agent.failed', `${name} ended with ${how}${why} ${said}`, { cause });
  }

  /** P4. */
  #gate(): TransformStream<Uint8Array, Uint8Array> {
    return new TransformStream({
      transform: async (chunk, controller) => {
        await this.#listener?.room();
        controller.enqueue(chunk);
      },
    });
  }

  /** P1: the library starts one task for each notification; here they are taken in order. */
  #tap(): TransformStream<AnyMessage, AnyMessage> {
    return new TransformStream({
      transform: (message, controller) => {
        if ('id' in message || message.method === '$/cancel_request') controller.enqueue(message);
        else if (message.method === 'session/update') this.#heard(message.params);
      },
    });
  }

  #heard(params: unknown): void {
    const { sessionId, update } = (params ?? {}) as { sessionId?: unknown; update?: unknown };
    if (sessionId !== this.#session || typeof update !== 'object' || update === null) return;
    const listener = this.#listener;
    if (listener !== undefined) listener.heard(update as SessionUpdate, JSON.stringify(update).length);
  }
}

/** What the library ends a connection with. It exports no class to ask for. */
const isTooLarge = (reason: unknown): boolean => reason instanceof Error && 'maxMessageBytes' in reason;

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { details } = ((error as { data?: unknown }).data ?? {}) as { details?: unknown };
  const message = typeof details === 'string' ? `${error.message}: ${details}` : error.message;
  return message.slice(0, SHOWN_CHARS_MAX);
}
