// Sdk: the library of the Agent Client Protocol, loaded when the first session opens.
import { SojournError } from '../../kernel/errors.ts';

export type Sdk = typeof import('@agentclientprotocol/sdk');

/** Throws `agent.package_missing` naming the command that installs it. */
export async function loadSdk(): Promise<Sdk> {
  try {
    return await import('@agentclientprotocol/sdk');
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'ERR_MODULE_NOT_FOUND')) throw cause;
    throw new SojournError(
      'agent.package_missing',
      '@agentclientprotocol/sdk could not be loaded: npm install @agentclientprotocol/sdk',
      { cause },
    );
  }
}
