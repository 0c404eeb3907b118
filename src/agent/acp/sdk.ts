// Sdk: the library of the Agent Client Protocol, loaded when the first session opens.
import { optionalPackage } from '../../kernel/optional-package.ts';

export type Sdk = typeof import('@agentclientprotocol/sdk');

export const loadSdk = (): Promise<Sdk> =>
  optionalPackage('@agentclientprotocol/sdk', () => import('@agentclientprotocol/sdk'));
