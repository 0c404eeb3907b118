// Connection: one open SQLite database, set as this store needs it, with its prepared statements.
//
//   N1. Settings that protect: nothing is mapped into memory, the schema is not trusted, foreign keys are on.
//   N2. No iterator is left open: rows are read to the end or the statement is reset before a call returns.
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { SojournError } from '../../kernel/errors.ts';

export type Value = SQLInputValue;
export type Row = Record<string, Value>;

/** The first version in which a WAL reset under load cannot lose frames. */
const VERSION_MIN = [3, 51, 3] as const;

/** Of one connection: filters of lists can be combined in many ways. */
const STATEMENTS_MAX = 500;

export type Use = 'read' | 'write-power-loss' | 'write-process-crash';

export class Connection {
  readonly db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #tuples = new Map<string, StatementSync>();

  constructor(file: string, use: Use) {
    this.db = new DatabaseSync(file, { readOnly: use === 'read', timeout: 5_000 });
    const synchronous = use === 'write-process-crash' ? 'NORMAL' : 'FULL';
    this.db.exec('PRAGMA mmap_size = 0; PRAGMA trusted_schema = OFF; PRAGMA foreign_keys = ON');
    this.db.exec('PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16000');
    if (use === 'read') return;
    this.db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${synchronous}`);
    this.db.exec('PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON; PRAGMA wal_autocheckpoint = 0');
    this.db.exec('PRAGMA secure_delete = FAST');
  }

  /** The statement for this text, prepared once and kept while there are not too many. */
  sql(text: string): StatementSync {
    return this.#prepared(this.#statements, text);
  }

  #prepared(statements: Map<string, StatementSync>, text: string): StatementSync {
    let statement = statements.get(text);
    if (statement === undefined) {
      const [first] = statements.keys();
      if (first !== undefined && statements.size >= STATEMENTS_MAX) statements.delete(first);
      statement = this.db.prepare(text);
      if (statements === this.#tuples) statement.setReturnArrays(true);
      statements.set(text, statement);
    }
    return statement;
  }

  row<T>(text: string, ...values: Value[]): T | undefined {
    return this.sql(text).get(...values) as T | undefined;
  }

  rows<T>(text: string, ...values: Value[]): T[] {
    return this.sql(text).all(...values) as T[];
  }

  /** Rows without names: their columns in the order they were asked for. */
  tuples<T extends readonly Value[]>(text: string, ...values: Value[]): T[] {
    return this.#prepared(this.#tuples, text).all(...values) as Iterable<unknown> as T[];
  }

  /** The first column of the first row. */
  number(text: string, ...values: Value[]): number {
    return Number(Object.values(this.row<Row>(text, ...values) ?? {})[0] ?? 0);
  }

  /** All or nothing; takes the write lock at the start, because waiting for it later cannot work. */
  transaction<T>(run: () => T): T {
    return this.#within('BEGIN IMMEDIATE', run);
  }

  /** Several reads of one state of the database. */
  snapshot<T>(run: () => T): T {
    return this.#within('BEGIN', run);
  }

  #within<T>(begin: string, run: () => T): T {
    this.sql(begin).run();
    try {
      const result = run();
      this.sql('COMMIT').run();
      return result;
    } finally {
      if (this.db.isTransaction) this.sql('ROLLBACK').run();
    }
  }

  close(): void {
    if (this.db.isOpen) this.db.close();
  }
}

/** Throws `config.invalid` where the SQLite inside this Node is too old to trust. */
export function checkVersion(version: string | undefined): void {
  const parts = (version ?? '0').split('.').map(Number);
  for (const [index, least] of VERSION_MIN.entries()) {
    const part = parts[index] ?? 0;
    if (part > least) return;
    if (part < least) {
      throw new SojournError(
        'config.invalid',
        `This Node carries SQLite ${version ?? 'none'}, and ${VERSION_MIN.join('.')} is needed`,
      );
    }
  }
}

export type Fault = 'full' | 'damage' | 'busy' | 'disk' | 'other';

const FAULTS: Readonly<Record<number, Fault>> = {
  5: 'busy',
  6: 'busy',
  8: 'disk',
  10: 'disk',
  11: 'damage',
  13: 'full',
  14: 'disk',
  26: 'damage',
};

/** What kind of trouble an error of SQLite is. */
export function faultOf(error: unknown): Fault {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return 'other';
  return FAULTS[error.errcode & 0xff] ?? 'other';
}

/** As an error of the contract, where SQLite reports trouble. */
export function asStoreError(error: unknown): unknown {
  const fault = faultOf(error);
  if (fault === 'damage') return new SojournError('store.damaged', String(error), { cause: error });
  if (fault === 'other') return error;
  return new SojournError('store.failed', String(error), { cause: error });
}
