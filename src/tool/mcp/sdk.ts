// SDK: the client library of the Model Context Protocol, loaded when the first server is used.
import { optionalPackage } from '../../kernel/optional-package.ts';

export type Sdk = typeof import('@modelcontextprotocol/client');

export const loadSdk = (): Promise<Sdk> =>
  optionalPackage('@modelcontextprotocol/client', () => import('@modelcontextprotocol/client'));
