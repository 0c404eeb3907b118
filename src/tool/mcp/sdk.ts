// SDK: the client library of the Model Context Protocol, loaded when the first server is used.
import { SojournError } from '../../kernel/errors.ts';

export type Sdk = typeof import('@modelcontextprotocol/client');

/** Throws `agent.package_missing`. */
export async function loadSdk(): Promise<Sdk> {
  try {
    return await import('@modelcontextprotocol/client');
  } catch (cause) {
    throw new SojournError(
      'agent.package_missing',
      'MCP servers as tools need a package: npm install @modelcontextprotocol/client',
      { cause },
    );
  }
}
