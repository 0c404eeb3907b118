// World: all of the process that commands see. Handing it over lets a test be one.
import type { Readable, Writable } from 'node:stream';

export interface World {
  env: Readonly<Record<string, string | undefined>>;
  cwd: string;
  stdin: Readable & { isTTY?: boolean };
  stdout: Out;
  stderr: Out;
  /** Calls `run` at each such signal until the returned call is made. */
  onSignal(name: 'SIGINT' | 'SIGTERM', run: () => void): () => void;
  /** Ends the process at once. */
  exit(code: number): void;
}

export interface Out extends Writable {
  isTTY?: boolean;
  columns?: number;
  rows?: number;
}
