// Log file: where a server's log lines go. Two files of a bounded size, readable by their owner only.
//
//   LF1. A line never waits for the disk: lines are written in batches, one batch at a time.
//   LF2. When the disk does not keep up, or is full, lines are dropped and counted, and the server goes on.
import { appendFile, rename, stat } from 'node:fs/promises';

const FILE_BYTES_MAX = 16 * 1_024 * 1_024;
const PENDING_CHARS_MAX = 1_024 * 1_024;

export class LogFile {
  readonly #file: string;
  #pending = '';
  #dropped = 0;
  #bytes: number | undefined;
  #writing: Promise<void> | undefined;

  constructor(file: string) {
    this.#file = file;
  }

  write(line: string): void {
    if (this.#pending.length + line.length > PENDING_CHARS_MAX) this.#dropped += 1;
    else this.#pending += line;
    this.#writing ??= this.#drain();
  }

  /** Resolves when all that was handed over is written, or dropped. */
  async close(): Promise<void> {
    await this.#writing;
  }

  /** Never rejects (LF2). */
  async #drain(): Promise<void> {
    while (this.#pending !== '') {
      const batch = this.#pending;
      this.#pending = '';
      try {
        await this.#append(batch);
      } catch {
        this.#dropped += batch.split('\n').length - 1;
      }
    }
    this.#writing = undefined;
  }

  async #append(batch: string): Promise<void> {
    this.#bytes ??= (await stat(this.#file).catch(() => undefined))?.size ?? 0;
    if (this.#bytes > FILE_BYTES_MAX) {
      await rename(this.#file, `${this.#file}.1`);
      this.#bytes = 0;
    }
    const lost = this.#dropped === 0 ? '' : `{"event":"log.dropped","lines":${this.#dropped}}\n`;
    await appendFile(this.#file, lost + batch, { mode: 0o600 });
    if (lost !== '') this.#dropped = 0;
    this.#bytes += Buffer.byteLength(batch);
  }
}
