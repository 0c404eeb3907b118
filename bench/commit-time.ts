// Commit time: what one durable write costs on this disk, in the same run as everything it is compared with.
import { closeSync, fdatasyncSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { sample, type Sample } from './sample.ts';

export interface CommitTime {
  /** 4 KiB written and `fdatasync`: what the disk alone takes. */
  fdatasyncMs: Sample;
  /** One row of 200 bytes in its own FULL transaction, one after the other. */
  commitMs: Sample;
  /** The same with a pause before each, as a lone user's turns have: disk and processor have gone to rest. */
  loneCommitMs: Sample;
  /** The same with a short pause, as the turns of one user after another have, of whom nobody waits. */
  pacedCommitMs: Sample;
}

const ROUNDS = 300;
const LONE_ROUNDS = 60;
const LONE_PAUSE_MS = 20;
const PACED_PAUSE_MS = 1;

export async function commitTime(folder: string): Promise<CommitTime> {
  mkdirSync(folder, { recursive: true });
  const raw = openSync(`${folder}/raw`, 'w');
  const page = Buffer.alloc(4096, 1);
  const fdatasyncMs = await timed(ROUNDS, 0, () => {
    writeSync(raw, page);
    fdatasyncSync(raw);
  });
  closeSync(raw);

  const db = new DatabaseSync(`${folder}/commit.db`);
  db.exec(
    'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE row (id INTEGER PRIMARY KEY, text TEXT)',
  );
  const insert = db.prepare('INSERT INTO row (text) VALUES (?)');
  const commit = (): void => void insert.run('x'.repeat(200));
  const commitMs = await timed(ROUNDS, 0, commit);
  const loneCommitMs = await timed(LONE_ROUNDS, LONE_PAUSE_MS, commit);
  const pacedCommitMs = await timed(ROUNDS, PACED_PAUSE_MS, commit);
  db.close();
  return { fdatasyncMs, commitMs, loneCommitMs, pacedCommitMs };
}

async function timed(rounds: number, pauseMs: number, write: () => void): Promise<Sample> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    if (pauseMs > 0) await sleep(pauseMs);
    const start = performance.now();
    write();
    times.push(performance.now() - start);
  }
  return sample(times);
}
