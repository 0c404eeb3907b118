// Writer: the thread that owns the connection that writes. It knows no queue: the store sends one group at a time.
import { parentPort, workerData } from 'node:worker_threads';
import { rmSync, utimesSync } from 'node:fs';
import type { Millis } from '../../kernel/clock.ts';
import { assert } from '../../kernel/errors.ts';
import { Connection } from './connection.ts';
import { ballastFile, databaseFile, hasBallast, openingError } from './folder.ts';
import { DiskFailed, Group } from './group.ts';
import { InPlace } from './in-place.ts';
import type { Notes, Order, Report, WriterStart } from './job.ts';
import { migrate } from './schema.ts';

assert(parentPort, 'the writer runs in a thread of its own');
const port = parentPort;
const { folder, durability, now } = workerData as WriterStart;

const report = (message: Report): void => port.postMessage(message);

function start(): void {
  let connection: Connection;
  let group: Group;
  let inPlace: InPlace;
  const notes: Notes = { ballastUsed: false, listsDamaged: false };
  try {
    connection = new Connection(databaseFile(folder), `write-${durability}`);
    migrate(connection, databaseFile(folder), now);
    withoutAccessTimes(`${databaseFile(folder)}-wal`, now);
    // So that the log carries it from its first commit on, and tells whose it is (folder.ts).
    connection.db.exec(`PRAGMA application_id = ${connection.number('PRAGMA application_id')}`);
    inPlace = new InPlace(folder);
    group = new Group(connection, notes, () => {
      if (!hasBallast(folder)) return false;
      rmSync(ballastFile(folder));
      return true;
    });
  } catch (error) {
    const { code, detail } = openingError(databaseFile(folder), error);
    report({ kind: 'refused', code, detail });
    return;
  }
  port.on('message', (order: Order) => {
    if (order.kind === 'close') {
      connection.close();
      report({ kind: 'closed' });
      port.close();
      return;
    }
    try {
      Object.assign(notes, { ballastUsed: false, listsDamaged: false });
      const answers = group.write(order.jobs, order.now);
      const lost = inPlace.lost();
      if (lost !== undefined)
        throw new DiskFailed('Written to nowhere', { cause: `${lost} was removed or replaced` });
      report({ kind: 'written', answers, notes });
      group.checkpoint();
    } catch (error) {
      const cause = error instanceof DiskFailed ? String(error.cause) : String(error);
      report({ kind: 'failed', detail: cause });
      port.close();
    }
  });
  report({ kind: 'ready' });
}

const TEN_YEARS_MS = 10 * 365 * 86_400_000;

/**
 * Linux notes when a file is first read after a write, and the next commit then has more to make durable: of the log,
 * which is read and written in turn, that is every commit after a read. A file that was last read in the future is left alone.
 */
function withoutAccessTimes(file: string, now: Millis): void {
  try {
    utimesSync(file, new Date(now + TEN_YEARS_MS), new Date(now));
  } catch {
    // Somebody else's file: the commits take a little longer.
  }
}

start();
