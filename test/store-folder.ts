// A data folder of its own for each test of the SQLite store, and what is done to it again and again.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach } from 'vitest';
import { systemClock } from '../src/kernel/clock.ts';
import { SojournError } from '../src/kernel/errors.ts';
import type { Logger } from '../src/kernel/logger.ts';
import { sqliteStore, type SqliteLimits } from '../src/store/sqlite/sqlite.ts';
import type { Store } from '../src/store/store.ts';
import { newSession } from '../src/testing/store/trial.ts';

export { newSession };

export const PAGE = { eventsMax: 1_000, bytesMax: 1_000_000 };

export class StoreFolder {
  above = '';
  folder = '';
  said: [string, Record<string, unknown> | undefined][] = [];
  #opened: Store[] = [];

  constructor() {
    beforeEach(() => {
      this.above = mkdtempSync(join(tmpdir(), 'sojourn-sqlite-'));
      this.folder = join(this.above, 'store');
      this.said = [];
      this.#opened = [];
    });
    afterEach(async () => {
      await Promise.all(this.#opened.map((store) => store.close()));
      rmSync(this.above, { recursive: true, force: true });
    });
  }

  get database(): string {
    return join(this.folder, 'sojourn.db');
  }

  async open(limits: Partial<SqliteLimits> = {}): Promise<Store> {
    const say = (event: string, fields?: Record<string, unknown>): void =>
      void this.said.push([event, fields]);
    const logger: Logger = { info: say, warn: say, error: say };
    const few = { freeBytesMin: 0, ballastBytes: 0, ...limits };
    const store = await sqliteStore({ folder: this.folder, clock: systemClock, logger, limits: few });
    this.#opened.push(store);
    return store;
  }

  /** Three sessions with ten events each, closed. */
  async written(): Promise<void> {
    const store = await this.open();
    for (const key of ['a', 'b', 'c']) await write(store, key);
    await store.close();
  }

  /** The log that these statements would leave beside the database, which stays as it is. */
  logOf(sql: string): Buffer {
    const whole = readFileSync(this.database);
    const db = new DatabaseSync(this.database);
    db.exec(`PRAGMA wal_autocheckpoint = 0; BEGIN; ${sql}; COMMIT`);
    const log = readFileSync(`${this.database}-wal`);
    db.close();
    writeFileSync(this.database, whole);
    return log;
  }

  /** Behind the back of the store. */
  edit(sql: string): void {
    const db = new DatabaseSync(this.database);
    db.exec(sql);
    db.close();
  }
}

export const bodyOf = (key: string, index: number): string =>
  JSON.stringify({ key, index, text: key.repeat(20) });

/** A session with so many events, a few in each append; answers its number. */
export async function write(store: Store, key: string, events = 10): Promise<number> {
  const made = await store.append(() => ({ session: newSession(key), epoch: 0, events: [] }));
  if (made.kind !== 'appended') throw new Error(made.kind);
  for (let index = 0; index < events; index += 3) {
    await store.append(() => ({
      session: made.num,
      epoch: 1,
      events: Array.from({ length: Math.min(3, events - index) }, (_, offset) => {
        return { at: 1, kind: 'said', turn: 't', body: bodyOf(key, index + offset) };
      }),
    }));
  }
  return made.num;
}

export async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => 'none',
    (reason: unknown) => reason,
  );
  return error instanceof SojournError ? error.code : String(error);
}
