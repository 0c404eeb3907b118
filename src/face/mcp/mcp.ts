// Mcp: the face for models that use Sojourn through tools, mounted at /mcp of the HTTP face.
//
//   MC1. The library of the protocol is loaded with the first call: a server that is never asked does without.
//   MC2. This server is a resource in the sense of OAuth: it takes bearer tokens, says where they come from, and gives
//        out none. A token is only ever one of this server's own, so it cannot have been meant for another.
import { systemClock, type Clock } from '../../kernel/clock.ts';
import { systemIds, type Ids } from '../../kernel/ids.ts';
import { silentLogger, type Logger } from '../../kernel/logger.ts';
import type { RuntimeCalls } from '../../runtime/runtime.ts';
import { SCOPES } from '../../wire/access.ts';
import type { Mount, MountedCall, OpenMount } from '../mount.ts';
import type { Endpoint } from './endpoint.ts';
import { TOKEN_DOCUMENT } from './refusal.ts';

export interface McpOptions {
  /**
   * Issuers that hand out tokens of this server, for clients that can ask one.
   * @default none: people make tokens with `sojourn token`
   */
  authorizationServers?: readonly string[];
  /** @default nowhere */
  logger?: Logger;
  /** @default the machine's */
  clock?: Clock;
  /** @default the machine's */
  ids?: Ids;
}

const PATH = '/mcp';
const DOCUMENT = '/.well-known/oauth-protected-resource';

export function mcp(options: McpOptions = {}): Mount {
  return { name: 'mcp', path: PATH, open: (runtime) => new McpMount(runtime, options) };
}

class McpMount implements OpenMount {
  readonly tokenDocument = TOKEN_DOCUMENT;
  readonly documents: OpenMount['documents'];
  readonly #runtime: RuntimeCalls;
  readonly #options: McpOptions;
  #endpoint: Promise<Endpoint> | undefined;
  #closing: Promise<void> | undefined;

  constructor(runtime: RuntimeCalls, options: McpOptions) {
    this.#runtime = runtime;
    this.#options = options;
    const document = (origin: string): object => resourceDocument(origin, options.authorizationServers ?? []);
    this.documents = { [DOCUMENT]: document, [this.tokenDocument]: document };
  }

  async answer(call: MountedCall): Promise<Response> {
    this.#endpoint ??= this.#load();
    return (await this.#endpoint).answer(call);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await (await this.#endpoint)?.close();
  }

  /** MC1. */
  async #load(): Promise<Endpoint> {
    const { openEndpoint } = await import('./open.ts');
    const { logger = silentLogger, clock = systemClock, ids = systemIds } = this.#options;
    return openEndpoint(this.#runtime, { logger, clock, ids });
  }
}

/** MC2: RFC 9728. */
function resourceDocument(origin: string, authorizationServers: readonly string[]): object {
  return {
    resource: `${origin}${PATH}`,
    resource_name: 'Sojourn',
    ...(authorizationServers.length === 0 ? {} : { authorization_servers: authorizationServers }),
    scopes_supported: SCOPES.filter((scope) => scope !== 'admin'),
    bearer_methods_supported: ['header'],
    resource_documentation: `${origin}/docs`,
  };
}
