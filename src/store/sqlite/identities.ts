// SqliteIdentities: identities and sign-ins in sojourn.db. Reads run here, writes on the writer's thread.
import type { Millis } from '../../kernel/clock.ts';
import type {
  DueSignIns,
  IdentifiedSignIn,
  IdentityFilter,
  IdentityRow,
  IdentityStore,
  LiveBounds,
  NewSignIn,
  SignedIn,
  SignInEnd,
  SignInFilter,
} from '../store.ts';
import type { CommitQueue } from './commit-queue.ts';
import type { Connection, Row } from './connection.ts';
import {
  identifiedSignIn,
  IDENTITY_COLUMNS,
  LIVE,
  numOfCursor,
  pageCursor,
  SELECT_SIGN_IN,
} from './identity-rows.ts';

const PAGE_MAX = 200;

type Read = <T>(read: (connection: Connection) => T) => T;

export class SqliteIdentities implements IdentityStore {
  readonly #queue: CommitQueue;
  readonly #read: Read;

  constructor(queue: CommitQueue, read: Read) {
    this.#queue = queue;
    this.#read = read;
  }

  async signIn(call: NewSignIn): Promise<SignedIn> {
    return this.#queue.call('signIn', call);
  }

  async byHash(hash: string): Promise<IdentifiedSignIn | null> {
    return this.#signIn('hash', hash);
  }

  async byId(id: string): Promise<IdentifiedSignIn | null> {
    return this.#signIn('id', id);
  }

  #signIn(column: 'hash' | 'id', value: string): IdentifiedSignIn | null {
    return this.#read((connection) => {
      const stored = connection.row<Row>(`${SELECT_SIGN_IN} WHERE signIns.${column} = ?`, value);
      return stored === undefined ? null : identifiedSignIn(stored);
    });
  }

  async touch(touches: readonly { id: string; at: Millis }[]): Promise<void> {
    await this.#queue.call('touchSignIns', touches);
  }

  async end(project: string, id: string, why: SignInEnd, at: Millis): Promise<boolean> {
    return this.#queue.call('endSignIn', project, id, why, at);
  }

  async endDue(live: LiveBounds, limit: number): Promise<DueSignIns> {
    return this.#queue.call('endDueSignIns', live, limit);
  }

  async forget(endedBefore: Millis, limit: number): Promise<number> {
    return this.#queue.call('forgetSignIns', endedBefore, limit);
  }

  async signIns(
    filter: SignInFilter,
  ): Promise<{ signIns: readonly IdentifiedSignIn[]; nextCursor: string | null }> {
    const { project, identity, live } = filter;
    const before = numOfCursor(filter.cursor);
    const of = identity === undefined ? '' : ' AND identity = ?';
    const { rows, nextCursor } = this.#page(
      filter.limit,
      `${SELECT_SIGN_IN} WHERE signIns.project = ? AND signIns.num < ? AND ${LIVE}${of}
       ORDER BY signIns.num DESC LIMIT ?`,
      [project, before, live.activeSince, live.now, ...(identity === undefined ? [] : [identity])],
    );
    return { signIns: rows.map(identifiedSignIn), nextCursor };
  }

  async countLive(project: string | null, live: LiveBounds): Promise<number> {
    const within = project === null ? '' : ' AND project = ?';
    return this.#read((connection) =>
      connection.number(
        `SELECT count(*) FROM signIns WHERE ${LIVE}${within}`,
        live.activeSince,
        live.now,
        ...(project === null ? [] : [project]),
      ),
    );
  }

  async identity(project: string, id: string): Promise<IdentityRow | null> {
    return this.#identity('id', project, id);
  }

  async identityByKey(project: string, key: string): Promise<IdentityRow | null> {
    return this.#identity('key', project, key);
  }

  #identity(column: 'id' | 'key', project: string, value: string): IdentityRow | null {
    return this.#read((connection) => {
      const stored = connection.row<IdentityRow>(
        `SELECT ${IDENTITY_COLUMNS} FROM identities WHERE project = ? AND ${column} = ?`,
        project,
        value,
      );
      return stored === undefined ? null : { ...stored };
    });
  }

  async identities(
    filter: IdentityFilter,
  ): Promise<{ identities: readonly IdentityRow[]; nextCursor: string | null }> {
    const { rows, nextCursor } = this.#page(
      filter.limit,
      `SELECT ${IDENTITY_COLUMNS}, num FROM identities WHERE project = ? AND num < ? ORDER BY num DESC LIMIT ?`,
      [filter.project, numOfCursor(filter.cursor)],
    );
    const identities = rows.map(({ num: _num, ...row }) => row as unknown as IdentityRow);
    return { identities, nextCursor };
  }

  async setOwner(
    project: string,
    id: string,
    owner: string | null,
    at: Millis,
  ): ReturnType<IdentityStore['setOwner']> {
    return this.#queue.call('setIdentityOwner', project, id, owner, at);
  }

  async removeIdentity(project: string, id: string): Promise<readonly string[] | null> {
    return this.#queue.call('removeIdentity', project, id);
  }

  /** One more than asked for tells whether there are more. */
  #page(
    asked: number,
    sql: string,
    values: readonly (string | number)[],
  ): { rows: readonly Row[]; nextCursor: string | null } {
    const limit = Math.min(Math.max(Math.trunc(asked), 1), PAGE_MAX);
    const found = this.#read((connection) => connection.rows<Row>(sql, ...values, limit + 1));
    const rows = found.slice(0, limit);
    const last = rows.at(-1)?.['num'];
    return { rows, nextCursor: found.length > limit ? pageCursor(Number(last)) : null };
  }
}
