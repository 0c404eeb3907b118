// mcpTools: the tools of MCP servers, for the sessions of an agent.
//
// Owns which servers there are, how many, and the names their tools have here. A server is a resource of the live session
// that uses it: it starts with the first turn that asks for tools, and goes when the session leaves memory.
//
//   M1. At most `perSessionMax` servers for a session and `serversMax` in all.
//   M2. A server that cannot be had never fails the turn: it is named in `missing`, and tried again by the next turn.
//   M3. A tool that is not what the session first saw runs only after a person has allowed it (trust.ts).
//   M4. Two toolboxes never share a server, and each counts its own. What a session first saw of a name holds for both.
import { hash } from 'node:crypto';
import type { Clock, Millis } from '../../kernel/clock.ts';
import { systemClock } from '../../kernel/clock.ts';
import { SojournError } from '../../kernel/errors.ts';
import { type Ids, systemIds } from '../../kernel/ids.ts';
import { type Logger, silentLogger } from '../../kernel/logger.ts';
import { Supervisor } from '../../process/supervisor.ts';
import type { Toolbox, ToolSet, ToolTurn } from '../tool.ts';
import { Link } from './link.ts';
import type { Listing } from './listing.ts';
import { loadSdk } from './sdk.ts';
import { guarded } from './trust.ts';

/** A program that speaks MCP over its standard input and output. */
export interface McpProgram {
  /** A name on the PATH, or a path. Never read by a shell. */
  command: string;
  args?: readonly string[];
  /** The folder it works in: absolute, and there. */
  cwd: string;
  /** Variables it sees beside PATH, HOME, LANG and TMPDIR. */
  env?: Readonly<Record<string, string>>;
  /** Names of our own variables that it sees as well. */
  inherit?: readonly string[];
  /** The command that installs it, for people who do not have it. */
  install?: string;
}

/** A server that speaks Streamable HTTP. */
export interface McpAddress {
  url: string;
  headers?: Readonly<Record<string, string>>;
}

export type McpServer = (McpProgram | McpAddress) & {
  /** Only these of its tools. */
  tools?: readonly string[];
};

export interface McpToolsOptions {
  /** By name: letters, digits and `-`, at most 24. The name stands before those of its tools, a `_` between. */
  servers:
    | Readonly<Record<string, McpServer>>
    | ((session: ToolTurn['session']) => Readonly<Record<string, McpServer>>);
  /** @default 5 */
  perSessionMax?: number;
  /** @default 32 */
  serversMax?: number;
  /**
   * Connecting to one, its start included.
   *
   * @default 30_000
   */
  connectMs?: Millis;
  /**
   * A call without progress.
   *
   * @default 120_000
   */
  callMs?: Millis;
  /**
   * A call, whatever progress it tells of.
   *
   * @default 1_800_000
   */
  callTotalMs?: Millis;
  clock?: Clock;
  ids?: Ids;
  logger?: Logger;
}

const SERVER_NAME = /^[A-Za-z0-9-]{1,24}$/;

/** Throws `config.invalid`. Needs the package `@modelcontextprotocol/client`, and says so when it is asked for tools. */
export function mcpTools(options: McpToolsOptions): Toolbox {
  return new McpToolbox(options);
}

class McpToolbox implements Toolbox {
  readonly #options: Required<McpToolsOptions>;
  readonly #id: string;
  readonly #supervisor: Supervisor;
  readonly #links = new Set<Link>();
  #isClosed = false;

  constructor(options: McpToolsOptions) {
    const { perSessionMax = 5, serversMax = 32, connectMs = 30_000, callMs = 120_000 } = options;
    const { callTotalMs = 1_800_000 } = options;
    const { servers, clock = systemClock, ids = systemIds, logger = silentLogger } = options;
    const numbers = { perSessionMax, serversMax, connectMs, callMs, callTotalMs };
    for (const [name, value] of Object.entries(numbers)) {
      if (!(value > 0))
        throw new SojournError('config.invalid', `${name} is ${value}; a number above 0 is meant`);
    }
    this.#options = { ...numbers, servers, clock, ids, logger };
    this.#id = ids.id();
    this.#supervisor = new Supervisor({ processesMax: serversMax });
    if (typeof servers !== 'function') this.#checked(servers);
  }

  async tools(turn: ToolTurn): Promise<ToolSet> {
    if (this.#isClosed) throw new SojournError('tool.unavailable', 'The toolbox is closed');
    const { servers } = this.#options;
    const wanted = this.#checked(typeof servers === 'function' ? servers(turn.session) : servers);
    const found = await Promise.all(wanted.map(([name, server]) => this.#toolsOf(turn, name, server)));
    turn.signal.throwIfAborted();
    return {
      tools: found.flatMap(({ tools }) => tools),
      missing: found.flatMap(({ missing }) => missing),
    };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled([...this.#links].map((link) => link.close()));
    await this.#supervisor.close();
  }

  async #toolsOf(turn: ToolTurn, name: string, server: McpServer): Promise<ToolSet> {
    try {
      const link = await turn.resource(
        `mcp:${this.#id}:${name}`, // M4
        async () => this.#link(name, server),
        (each) => this.#unlink(each),
      );
      const listing = await link.tools(turn.signal);
      const { tools: only } = server;
      const chosen =
        only === undefined ? listing.tools : listing.tools.filter((tool) => only.includes(tool.name));
      const tools = await guarded(turn, name, chosen, link, named); // M3
      const different = new Map(tools.map((tool) => [tool.name, tool])); // T3 of tool.ts: eight digits can be met on purpose.
      return { tools: [...different.values()], missing: missingOf(name, listing) };
    } catch (error) {
      turn.signal.throwIfAborted(); // T2 of tool.ts
      const { code, detail: message } =
        error instanceof SojournError ? error : new SojournError('tool.unavailable', String(error));
      return { tools: [], missing: [{ source: name, code, message }] }; // M2
    }
  }

  async #link(name: string, server: McpServer): Promise<Link> {
    if (this.#isClosed) throw new SojournError('tool.unavailable', 'The toolbox is closed');
    const { serversMax, connectMs, callMs, callTotalMs, clock, logger } = this.#options;
    if (this.#links.size >= serversMax) {
      throw new SojournError('tool.limit', `${serversMax} MCP servers are in use`, { retryAfterMs: 1_000 });
    }
    const supervisor = this.#supervisor;
    const bounds = { connectMs, callMs, callTotalMs };
    const link = new Link({ name, server, sdk: loadSdk, supervisor, ...bounds, clock, logger });
    this.#links.add(link); // M1: nothing is awaited since the check
    return link;
  }

  async #unlink(link: Link): Promise<void> {
    try {
      await link.close();
    } finally {
      this.#links.delete(link);
    }
  }

  #checked(servers: Readonly<Record<string, McpServer>>): [string, McpServer][] {
    const entries = Object.entries(servers);
    const { perSessionMax } = this.#options;
    if (entries.length > perSessionMax) {
      throw new SojournError(
        'config.invalid',
        `${entries.length} MCP servers are declared for a session; ${perSessionMax} are allowed`,
      );
    }
    for (const [name, server] of entries) {
      if (!SERVER_NAME.test(name)) {
        throw new SojournError(
          'config.invalid',
          `${JSON.stringify(name)} cannot be the name of an MCP server`,
        );
      }
      if ('url' in server && !/^https?:$/.test(URL.parse(server.url)?.protocol ?? '')) {
        throw new SojournError('config.invalid', `MCP server ${name} has no http address: ${server.url}`);
      }
    }
    return entries;
  }
}

function missingOf(source: string, { leftOut }: Listing): ToolSet['missing'] {
  if (leftOut.length === 0) return [];
  const message = `MCP server ${source} has tools that are left out: ${leftOut.join('; ')}`;
  return [{ source, code: 'tool.unavailable', message }];
}

const NAME_MAX = 64;

/**
 * T3. No server's name holds `_`, so what stands before the first one tells the server: none can take a name of another's.
 * What had to be changed or cut ends in eight digits of its own.
 */
function named(server: string, tool: string): string {
  const plain = `${server}_${tool}`;
  const fit = plain.replaceAll(/[^A-Za-z0-9_-]/g, '-');
  if (fit === plain && plain.length <= NAME_MAX) return plain;
  return `${fit.slice(0, NAME_MAX - 9)}_${hash('sha256', plain).slice(0, 8)}`;
}
