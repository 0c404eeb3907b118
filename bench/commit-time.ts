// Commit time: what one durable write costs on this disk, in the same run as everything it is compared with.
import { closeSync, fdatasyncSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { sample, type Sample } from './sample.ts';

export interface CommitTime {
  /** 4 KiB written and `fdatasync`: what the disk alone takes. */
  fdatasyncMs: Sample;
  /** One row of 200 bytes in its own FULL transaction. */
  commitMs: Sample;
}

const ROUNDS = 300;

export function commitTime(folder: string): CommitTime {
  mkdirSync(folder, { recursive: true });
  return { fdatasyncMs: timeSync(`${folder}/raw`), commitMs: timeCommit(`${folder}/commit.db`) };
}

function timeSync(path: string): Sample {
  const file = openSync(path, 'w');
  const page = Buffer.alloc(4096, 1);
  const times = timed(() => {
    writeSync(file, page);
    fdatasyncSync(file);
  });
  closeSync(file);
  return times;
}

function timeCommit(path: string): Sample {
  const db = new DatabaseSync(path);
  db.exec(
    'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE row (id INTEGER PRIMARY KEY, text TEXT)',
  );
  const insert = db.prepare('INSERT INTO row (text) VALUES (?)');
  const text = 'x'.repeat(200);
  const times = timed(() => insert.run(text));
  db.close();
  return times;
}

function timed(write: () => void): Sample {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const start = performance.now();
    write();
    times.push(performance.now() - start);
  }
  return sample(times);
}
