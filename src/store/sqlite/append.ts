// Append: what one append does to the tables, inside the group's transaction.
//
//   A1. Whatever may refuse it comes before the first write: once, poison, damage, and the fence itself, which is one
//       statement. So a refusal costs nothing and needs no savepoint; an error after that is a defect, and the writer
//       runs the group again without the job.
//   A2. A claim is refused where the log does not end where its head says: nobody builds on a torn log.
import type { Millis } from '../../kernel/clock.ts';
import type { Appended, Epoch, NewSession, OnceRow, Seq, SessionNum, SessionRow } from '../store.ts';
import { checksum } from './chunk.ts';
import type { Connection } from './connection.ts';
import type { AppendJob, Extras, Refusal } from './job.ts';
import { patchRequest, patchSession, patchTurn } from './patch.ts';
import type { Poison } from './poison.ts';
import { sessionsOf } from './rows.ts';
import type { Unsettled } from './unsettled.ts';

export interface Desk {
  connection: Connection;
  poison: Poison;
  unsettled: Unsettled;
  now: Millis;
}

export function applyAppend(desk: Desk, job: AppendJob): Appended | Refusal {
  if (typeof job.session === 'number') {
    return checkOwner(desk, job, job.session) ?? fence(desk, job, job.session, job.epoch);
  }
  const taken = nameTaken(desk.connection, job.session.project, job.session.key);
  if (taken !== undefined) return { kind: 'exists', row: taken };
  const num = insertSession(desk, job.session);
  return fence(desk, { ...job, claim: false }, num, 1);
}

/** What stands against this append of an existing session; undefined lets it pass (A1). */
function checkOwner(desk: Desk, job: AppendJob, num: SessionNum): Appended | Refusal | undefined {
  const { connection, poison, now } = desk;
  if (job.extras?.once !== undefined) {
    const row = connection.row<OnceRow>(
      'SELECT key, hash, receipt, seq, expiresAt FROM once WHERE session = ? AND key = ? AND expiresAt > ?',
      num,
      job.extras.once.key,
      now,
    );
    if (row !== undefined) return { kind: 'once', row };
  }
  if (!job.claim && poison.has(num, job.epoch)) return poisoned(num, job.epoch);
  const taken = job.extras?.key === undefined ? undefined : keyTaken(connection, num, job.extras.key);
  if (taken !== undefined) return { kind: 'exists', row: taken };
  if (!job.claim) return undefined;
  const head = connection.row<{ seq: Seq; damaged: number }>(
    'SELECT seq, damaged FROM heads WHERE session = ? AND epoch = ?',
    num,
    job.epoch,
  );
  if (head === undefined || (head.damaged === 0 && head.seq === lastSeq(connection, num))) return undefined;
  connection.sql('UPDATE heads SET damaged = 1 WHERE session = ?').run(num);
  return { kind: 'refused', code: 'session.damaged', detail: `The log of session ${num} is not whole` };
}

function poisoned(num: SessionNum, epoch: Epoch): Refusal {
  return {
    kind: 'refused',
    code: 'log.poisoned',
    detail: `Session ${num} had a failed append in epoch ${epoch}`,
  };
}

function lastSeq(connection: Connection, num: SessionNum): Seq {
  return connection.number(
    'SELECT seq + count - 1 FROM chunks WHERE session = ? ORDER BY seq DESC LIMIT 1',
    num,
  );
}

function nameTaken(connection: Connection, project: string, name: string): SessionRow | undefined {
  const rest = 'JOIN names n ON n.session = s.num WHERE n.project = ? AND n.name = ?';
  return sessionsOf(connection, rest, project, name)[0];
}

function keyTaken(connection: Connection, num: SessionNum, key: string): SessionRow | undefined {
  const owner = connection.row<{ project: string }>('SELECT project FROM sessions WHERE num = ?', num);
  return owner === undefined ? undefined : nameTaken(connection, owner.project, key);
}

/** Its old key is free from then on. */
function moveSession({ connection, unsettled }: Desk, num: SessionNum, key: string): void {
  const old = connection.row<{ project: string; key: string }>(
    'SELECT project, key FROM sessions WHERE num = ?',
    num,
  );
  if (old === undefined) return;
  unsettled.touch(num); // Its words are made of the key, too.
  connection.sql('UPDATE sessions SET key = ? WHERE num = ?').run(key, num);
  connection.sql('UPDATE names SET name = ? WHERE project = ? AND name = ?').run(key, old.project, old.key);
}

function insertSession({ connection, unsettled }: Desk, made: NewSession): SessionNum {
  const num = connection.number(
    `INSERT INTO sessions (id, project, key, agent, owner, maker, channel, parent, title, summary, labels, metadata,
       budget, posts, internal, createdAt, lastActiveAt)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING num`,
    made.id,
    made.project,
    made.key,
    made.agent,
    made.owner,
    made.maker,
    made.channel,
    made.parent,
    made.title,
    made.summary,
    JSON.stringify(made.labels),
    made.metadata,
    made.budget,
    JSON.stringify(made.posts ?? []),
    made.internal === true ? 1 : 0,
    made.at,
    made.at,
  );
  connection.sql('INSERT INTO heads (session, epoch, seq) VALUES (?, 1, 0)').run(num);
  connection.sql('INSERT INTO names VALUES (?, ?, ?, 0)').run(made.project, made.key, num);
  unsettled.add(num);
  return num;
}

function fence(desk: Desk, job: AppendJob, num: SessionNum, epoch: Epoch): Appended | Refusal {
  const { connection, poison } = desk;
  let count = 0;
  for (const chunk of job.chunks) count += chunk.count;
  const head = connection.row<{ seq: Seq; epoch: Epoch }>(
    'UPDATE heads SET seq = seq + ?, epoch = epoch + ? WHERE session = ? AND epoch = ? RETURNING seq, epoch',
    count,
    job.claim ? 1 : 0,
    num,
    epoch,
  );
  if (head === undefined) return stale(connection, num, epoch);
  if (job.claim) poison.lift(num);
  const firstSeq = head.seq - count + 1;
  insertChunks(connection, job, num, firstSeq);
  if (job.extras !== null) applyExtras(desk, num, firstSeq, count, job.extras);
  return { kind: 'appended', num, epoch: head.epoch, headSeq: head.seq };
}

function stale(connection: Connection, num: SessionNum, epoch: Epoch): Refusal {
  const head = connection.row<{ epoch: Epoch }>('SELECT epoch FROM heads WHERE session = ?', num);
  if (head === undefined) {
    return { kind: 'refused', code: 'session.not_found', detail: `There is no session ${num}` };
  }
  const detail = `Session ${num} is at epoch ${head.epoch}, and the append came with ${epoch}`;
  return { kind: 'refused', code: 'log.fenced', detail };
}

function insertChunks(connection: Connection, job: AppendJob, num: SessionNum, firstSeq: Seq): void {
  let seq = firstSeq;
  for (const chunk of job.chunks) {
    connection
      .sql(
        'INSERT INTO chunks (session, seq, count, at, turn, meta, bodies, crc) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
      )
      .run(num, seq, chunk.count, chunk.at, chunk.turn, chunk.meta, chunk.bodies, checksum(num, seq, chunk));
    seq += chunk.count;
  }
}

function applyExtras(desk: Desk, num: SessionNum, firstSeq: Seq, count: number, extras: Extras): void {
  const { connection, unsettled } = desk;
  const place = { connection, num, firstSeq, count };
  if (extras.key !== undefined) moveSession(desk, num, extras.key);
  if (extras.row !== undefined) patchSession(connection, unsettled, num, extras.row);
  for (const turn of extras.turns ?? []) patchTurn(place, turn);
  for (const request of extras.requests ?? []) patchRequest(place, request);
  for (const { digest, bytes, mediaType, name, at } of extras.artifacts ?? []) {
    connection
      .sql(
        `INSERT INTO artifacts (session, digest, project, bytes, mediaType, name, at)
         SELECT num, ?, project, ?, ?, ?, ? FROM sessions WHERE num = ? ON CONFLICT DO NOTHING`,
      )
      .run(digest, bytes, mediaType, name, at, num);
  }
  if (extras.once !== undefined) {
    const { key, hash, receipt, expiresAt } = extras.once;
    connection
      .sql(
        'INSERT OR REPLACE INTO once (session, key, hash, receipt, seq, expiresAt) VALUES (?, ?, ?, ?, ?, ?)',
      )
      .run(num, key, hash, receipt, firstSeq, expiresAt);
  }
  if (typeof extras.snapshot === 'string') {
    connection.sql('INSERT OR REPLACE INTO snapshots VALUES (?, ?)').run(num, extras.snapshot);
  } else if (extras.snapshot === null) {
    connection.sql('DELETE FROM snapshots WHERE session = ?').run(num);
  }
}
