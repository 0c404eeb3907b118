// Pipe transport: JSON-RPC by lines over the standard input and output of a supervised program.
//
//   PT1. One message holds at most `MESSAGE_BYTES_MAX`; a longer one ends the connection.
//   PT2. The connection is over when the program is; closing it ends the program's whole group.
import type { JSONRPCMessage, ReadBuffer, Transport } from '@modelcontextprotocol/client';
import type { Subprocess } from '../../process/subprocess.ts';
import type { Sdk } from './sdk.ts';

const MESSAGE_BYTES_MAX = 4 * 1_024 * 1_024;

export class PipeTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: Transport['onmessage'];
  readonly #sdk: Sdk;
  readonly #program: Subprocess;
  readonly #read: ReadBuffer;
  #isClosed = false;
  /** It is being ended, and what it still says is not kept. */
  #isDeaf = false;

  constructor(sdk: Sdk, program: Subprocess) {
    this.#sdk = sdk;
    this.#program = program;
    this.#read = new sdk.ReadBuffer({ maxBufferSize: MESSAGE_BYTES_MAX });
    program.keepAlive(false);
  }

  async start(): Promise<void> {
    this.#program.stdout.on('data', (chunk: Buffer) => this.#heard(chunk));
    void this.#program.exited.then(() => this.#closed()); // Never rejects.
  }

  send(message: JSONRPCMessage): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) return reject(new Error('the program has ended'));
      this.#program.stdin.write(this.#sdk.serializeMessage(message), (error) =>
        error ? reject(error) : resolve(),
      );
    });
  }

  /** PT2. Idempotent. */
  async close(): Promise<void> {
    await this.#program.stop();
    this.#closed();
  }

  lastLines(): readonly string[] {
    return this.#program.lastLines();
  }

  #heard(chunk: Buffer): void {
    if (this.#isClosed || this.#isDeaf) return;
    try {
      this.#read.append(chunk);
    } catch (error) {
      this.#isDeaf = true; // PT1
      this.onerror?.(error instanceof Error ? error : new Error(String(error)));
      void this.#program.kill().catch(() => undefined); // Its end is told by `exited`.
      return;
    }
    for (;;) {
      try {
        const message = this.#read.readMessage();
        if (message === null) return;
        this.onmessage?.(message);
      } catch (error) {
        this.onerror?.(error instanceof Error ? error : new Error(String(error))); // That line is no message; the next may be.
      }
    }
  }

  #closed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.onclose?.();
  }
}
