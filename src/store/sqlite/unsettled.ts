// Unsettled: the sessions that moved lately and therefore stand in no list index (M3 of schema.ts).
//
//   U1. A session that moves for the first time leaves the indexes; from then on its moves touch none of them.
//   U2. When there are BATCH above KEPT_MAX, those that moved longest ago go back into the indexes: together, because
//       neighbours share pages and a commit, and no more than BATCH beyond what the group added, so that no commit
//       carries many. Lists look through the unsettled ones one by one: the bounds hold down what that costs.
//   U3. What changes during a group counts once the group is committed; a rolled back group leaves no trace.
import type { SessionNum } from '../store.ts';
import type { Connection } from './connection.ts';
import { wordsOf } from './words.ts';

const KEPT_MAX = 512;
const BATCH = 32;

interface Listed {
  project: string;
  key: string;
  title: string | null;
  summary: string | null;
  labels: string;
  lastActiveAt: number;
  listedAt: number | null;
}

const SELECT_LISTED =
  'SELECT project, key, title, summary, labels, lastActiveAt, listedAt FROM sessions WHERE num = ?';

export class Unsettled {
  readonly #connection: Connection;
  /** Moved longest ago first. */
  readonly #nums: Set<SessionNum>;
  #added: SessionNum[] = [];
  #removed: SessionNum[] = [];

  constructor(connection: Connection) {
    this.#connection = connection;
    const rows = connection.rows<{ num: SessionNum }>(
      'SELECT num FROM sessions INDEXED BY unsettled WHERE listedAt IS NULL ORDER BY lastActiveAt, num',
    );
    this.#nums = new Set(rows.map((row) => row.num));
  }

  /** A session that has just been made, with `listedAt` null. */
  add(num: SessionNum): void {
    this.#nums.add(num);
    this.#added.push(num);
  }

  /** Before anything that is listed of it changes. */
  touch(num: SessionNum): void {
    if (this.#nums.delete(num)) this.#nums.add(num);
    else this.#unlist(num);
  }

  #unlist(num: SessionNum): void {
    const session = this.#connection.row<Listed>(SELECT_LISTED, num);
    if (session === undefined) return;
    this.removeLabels(num, session);
    this.#connection.sql('UPDATE sessions SET listedAt = NULL WHERE num = ?').run(num);
    this.add(num);
  }

  removeLabels(num: SessionNum, session: Pick<Listed, 'project' | 'labels' | 'listedAt'>): void {
    if (session.listedAt === null) return;
    for (const label of JSON.parse(session.labels) as string[]) {
      this.#connection
        .sql('DELETE FROM labels WHERE project = ? AND label = ? AND listedAt = ? AND session = ?')
        .run(session.project, label, session.listedAt, num);
    }
  }

  /** It is gone. */
  drop(num: SessionNum): void {
    if (this.#nums.delete(num)) this.#removed.push(num);
  }

  /** At the end of a group (U2). */
  settleSome(): void {
    if (this.#nums.size < KEPT_MAX + BATCH) return;
    const most = this.#added.length + BATCH;
    const oldest = this.#nums.values();
    for (let settled = 0; settled < most && this.#nums.size > KEPT_MAX; settled++) {
      const next = oldest.next();
      if (next.done) return;
      this.drop(next.value);
      this.#settle(next.value);
    }
  }

  #settle(num: SessionNum): void {
    const session = this.#connection.row<Listed>(SELECT_LISTED, num);
    if (session === undefined) return;
    this.#connection.sql('UPDATE sessions SET listedAt = lastActiveAt WHERE num = ?').run(num);
    for (const label of JSON.parse(session.labels) as string[]) {
      this.#connection
        .sql('INSERT OR IGNORE INTO labels VALUES (?, ?, ?, ?)')
        .run(session.project, label, session.lastActiveAt, num);
    }
    const words = wordsOf(session);
    const known = this.#connection.row<{ words: string }>('SELECT words FROM search WHERE rowid = ?', num);
    if (known === undefined) {
      this.#connection.sql('INSERT INTO search (rowid, words) VALUES (?, ?)').run(num, words);
    } else if (known.words !== words) {
      this.#connection.sql('UPDATE search SET words = ? WHERE rowid = ?').run(words, num);
    }
  }

  committed(): void {
    this.#added = [];
    this.#removed = [];
  }

  rolledBack(): void {
    for (const num of this.#removed) this.#nums.add(num);
    for (const num of this.#added) this.#nums.delete(num);
    this.committed();
  }
}
