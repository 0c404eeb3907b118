// PointReads: single rows and short lists, on the connection that reads. All of them are a few microseconds of work.
import type { Millis } from '../../kernel/clock.ts';
import type {
  ArtifactRow,
  OnceRow,
  RequestRow,
  Seq,
  SessionNum,
  SessionRow,
  TokenRow,
  TurnRow,
} from '../store.ts';
import type { Connection } from './connection.ts';
import * as rows from './rows.ts';

const SELECT_TURN = `SELECT ${rows.TURN_COLUMNS} FROM turns`;
const SELECT_REQUEST = `SELECT ${rows.REQUEST_COLUMNS} FROM requests`;
const SELECT_ARTIFACT = 'SELECT digest, bytes, mediaType, name, at FROM artifacts WHERE session = ?';
const SELECT_TOKEN = `SELECT ${rows.TOKEN_COLUMNS} FROM tokens`;

export class PointReads {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  byKey(project: string, name: string): SessionRow | null {
    return this.#session(
      'JOIN names n ON n.session = s.num WHERE n.project = ? AND n.name = ?',
      project,
      name,
    );
  }

  byId(id: string): SessionRow | null {
    return this.#session('WHERE s.id = ?', id);
  }

  #session(rest: string, ...values: (string | number)[]): SessionRow | null {
    return rows.sessionsOf(this.#connection, rest, ...values)[0] ?? null;
  }

  aliases(session: SessionNum): readonly string[] {
    const names = this.#connection.rows<{ name: string }>(
      'SELECT name FROM names WHERE session = ? AND isAlias = 1 ORDER BY name',
      session,
    );
    return names.map(({ name }) => name);
  }

  turn(session: SessionNum, id: string): TurnRow | null {
    const stored = this.#connection.row<rows.StoredTurn>(
      `${SELECT_TURN} WHERE id = ? AND session = ?`,
      id,
      session,
    );
    return stored === undefined ? null : rows.turnRow(stored);
  }

  turns(session: SessionNum, limit: number, before: Seq): readonly TurnRow[] {
    const stored = this.#connection.rows<rows.StoredTurn>(
      `${SELECT_TURN} WHERE session = ? AND acceptedSeq < ? ORDER BY acceptedSeq DESC, place DESC LIMIT ?`,
      session,
      before,
      limit,
    );
    return stored.map(rows.turnRow);
  }

  openTurns(session: SessionNum): readonly TurnRow[] {
    const stored = this.#connection.rows<rows.StoredTurn>(
      `${SELECT_TURN} WHERE session = ? AND state <> 'done' ORDER BY rank, acceptedSeq, place`,
      session,
    );
    return stored.map(rows.turnRow);
  }

  request(session: SessionNum, id: string): RequestRow | null {
    const row = this.#connection.row<RequestRow>(
      `${SELECT_REQUEST} WHERE id = ? AND session = ?`,
      id,
      session,
    );
    return row === undefined ? null : { ...row };
  }

  requestsOfTurn(session: SessionNum, turn: string): readonly RequestRow[] {
    const found = this.#connection.rows<RequestRow>(
      `${SELECT_REQUEST} WHERE session = ? AND turn = ? ORDER BY openedSeq, place`,
      session,
      turn,
    );
    return found.map((row) => ({ ...row }));
  }

  openRequests(project: string, limit: number): readonly { request: RequestRow; session: SessionRow }[] {
    const found = this.#connection.rows<RequestRow>(
      `${SELECT_REQUEST} WHERE project = ? AND state = 'open' ORDER BY openedAt, session, openedSeq LIMIT ?`,
      project,
      limit,
    );
    return found.flatMap((row) => {
      const session = this.#session('WHERE s.num = ?', row.session);
      return session === null ? [] : [{ request: { ...row }, session }];
    });
  }

  once(session: SessionNum, key: string, now: Millis): OnceRow | null {
    const row = this.#connection.row<OnceRow>(
      'SELECT key, hash, receipt, seq, expiresAt FROM once WHERE session = ? AND key = ? AND expiresAt > ?',
      session,
      key,
      now,
    );
    return row === undefined ? null : { ...row };
  }

  artifacts(session: SessionNum): readonly ArtifactRow[] {
    const found = this.#connection.rows<ArtifactRow>(`${SELECT_ARTIFACT} ORDER BY at, digest`, session);
    return found.map((row) => ({ ...row }));
  }

  artifact(session: SessionNum, digest: string): ArtifactRow | null {
    const row = this.#connection.row<ArtifactRow>(`${SELECT_ARTIFACT} AND digest = ?`, session, digest);
    return row === undefined ? null : { ...row };
  }

  artifactBytes(session: SessionNum): number {
    return this.#connection.number(
      'SELECT coalesce(sum(bytes), 0) FROM artifacts WHERE session = ?',
      session,
    );
  }

  /** Each digest once, ascending, behind `after`. */
  artifactsOf(project: string, after: string, limit: number): readonly { digest: string; bytes: number }[] {
    return this.#connection.rows(
      `SELECT digest, max(bytes) AS bytes FROM artifacts WHERE project = ? AND digest > ?
       GROUP BY digest ORDER BY digest LIMIT ?`,
      project,
      after,
      limit,
    );
  }

  referred(project: string, digests: readonly string[]): readonly string[] {
    const other = 'SELECT 1 FROM artifacts WHERE project = ? AND digest = ? LIMIT 1';
    return digests.filter((digest) => this.#connection.row(other, project, digest) !== undefined);
  }

  /** One step of the index a project. */
  artifactProjects(): readonly string[] {
    const found: string[] = [];
    const next = 'SELECT project FROM artifacts WHERE project > ? ORDER BY project LIMIT 1';
    for (let last: string | undefined = ''; last !== undefined;) {
      last = this.#connection.row<{ project: string }>(next, last)?.project;
      if (last !== undefined) found.push(last);
    }
    return found;
  }

  snapshot(session: SessionNum): string | null {
    const row = this.#connection.row<{ snapshot: string }>(
      'SELECT snapshot FROM snapshots WHERE session = ?',
      session,
    );
    return row?.snapshot ?? null;
  }

  tokenByHash(hash: string): TokenRow | null {
    const row = this.#connection.row<rows.StoredToken>(`${SELECT_TOKEN} WHERE hash = ?`, hash);
    return row === undefined ? null : rows.tokenRow(row);
  }

  tokens(project: string): readonly TokenRow[] {
    const found = this.#connection.rows<rows.StoredToken>(
      `${SELECT_TOKEN} WHERE project = ? ORDER BY createdAt, id`,
      project,
    );
    return found.map(rows.tokenRow);
  }

  projects(): readonly { name: string; createdAt: Millis }[] {
    const found = this.#connection.rows<{ name: string; createdAt: Millis }>(
      'SELECT name, createdAt FROM projects ORDER BY createdAt, name',
    );
    return found.map((row) => ({ ...row }));
  }
}
