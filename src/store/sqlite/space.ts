// Space: what is left on the disk, and the ballast that is given up when nothing is.
//
//   B1. Below the floor new sessions are refused and those that exist go on; it is said once each time it is crossed.
//   B2. The ballast is removed by the writer when the disk is full, so that what is in flight can end. It is made again
//       once there is room for it and the floor.
import { statfsSync, statSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import type { Clock, Millis } from '../../kernel/clock.ts';
import { SojournError } from '../../kernel/errors.ts';
import type { Logger } from '../../kernel/logger.ts';
import { ballastFile } from './folder.ts';

/** Below it new sessions are refused, unless it is set otherwise. */
export const FREE_BYTES_MIN = 512 * 1_024 * 1_024;
const LOOKED_MS = 1_000;
const SLICE_BYTES = 1_024 * 1_024;

export interface SpaceBounds {
  freeBytesMin: number;
  ballastBytes: number;
}

export class Space {
  readonly #folder: string;
  readonly #bounds: SpaceBounds;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #lookedMs: Millis = -Infinity;
  #isLow = false;
  #making: Promise<void> | undefined;
  #closed = false;

  constructor(folder: string, bounds: SpaceBounds, clock: Clock, logger: Logger) {
    this.#folder = folder;
    this.#bounds = bounds;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Throws `store.full` where the disk is below the floor (B1). Looks at most once a second. */
  checkForNew(): void {
    const now = this.#clock.monotonic();
    if (now - this.#lookedMs >= LOOKED_MS) {
      this.#lookedMs = now;
      this.#look();
    }
    if (!this.#isLow) return;
    throw new SojournError('store.full', `Less than ${this.#bounds.freeBytesMin} bytes are free on the disk`);
  }

  #look(): void {
    const free = freeBytes(this.#folder);
    const isLow = free < this.#bounds.freeBytesMin;
    if (isLow !== this.#isLow) {
      this.#isLow = isLow;
      const fields = { folder: this.#folder, free, floor: this.#bounds.freeBytesMin };
      if (isLow) this.#logger.warn('store.space_low', fields);
      else this.#logger.info('store.space_back', fields);
    }
    const wanted = this.#bounds.freeBytesMin + this.#bounds.ballastBytes;
    if (free > wanted && this.#lacksBallast()) this.#makeBallast();
  }

  /** A process that died in the middle of it leaves a part. */
  #lacksBallast(): boolean {
    const stat = statSync(ballastFile(this.#folder), { throwIfNoEntry: false });
    return (stat?.size ?? 0) < this.#bounds.ballastBytes;
  }

  /** The writer has removed the ballast. */
  ballastUsed(): void {
    this.#logger.error('store.full', { folder: this.#folder, ballast: 'given up' });
    this.#lookedMs = -Infinity;
  }

  #makeBallast(): void {
    if (this.#closed || this.#bounds.ballastBytes === 0) return;
    this.#making ??= writeBallast(ballastFile(this.#folder), this.#bounds.ballastBytes)
      .catch((error: unknown) => this.#logger.warn('store.ballast_failed', { error }))
      .finally(() => (this.#making = undefined));
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#making;
  }
}

export function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

/** Bytes that no file system can store in less space than their number. Half a ballast is none. */
async function writeBallast(path: string, bytes: number): Promise<void> {
  const file = await open(path, 'w', 0o600);
  let written = 0;
  try {
    for (; written < bytes; written += SLICE_BYTES) {
      const slice = createHash('shake256', { outputLength: Math.min(SLICE_BYTES, bytes - written) });
      await file.write(slice.update(`${path} ${written}`).digest());
    }
  } finally {
    await file.close();
    if (written < bytes) await rm(path, { force: true });
  }
}
