// Schema: the tables of sojourn.db, and the way from each version to the next.
//
//   M1. A migration is one transaction and moves `user_version` by one; it is never changed after a release.
//   M2. A version above the newest known is refused before anything is written (`store.schema`).
//   M3. A session with `listedAt` null is *unsettled*: it moved lately and stands in no list index, so that its appends
//       touch none. The writer settles the oldest few once there are many; lists read both kinds (list.ts).
import { SojournError } from '../../kernel/errors.ts';
import type { Connection } from './connection.ts';

interface Migration {
  name: string;
  sql: string;
}

const FIRST = `
CREATE TABLE migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, at REAL NOT NULL) STRICT;

CREATE TABLE sessions (
  num INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  project TEXT NOT NULL, key TEXT NOT NULL, agent TEXT NOT NULL,
  owner TEXT, maker TEXT, channel TEXT, parent TEXT, title TEXT, summary TEXT,
  labels TEXT NOT NULL, metadata TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'idle', turn TEXT, queued INTEGER NOT NULL DEFAULT 0,
  inputTokens REAL NOT NULL DEFAULT 0, outputTokens REAL NOT NULL DEFAULT 0,
  cacheReadTokens REAL NOT NULL DEFAULT 0, cacheWriteTokens REAL NOT NULL DEFAULT 0,
  costUsd REAL NOT NULL DEFAULT 0, budget TEXT NOT NULL,
  turnsEnded INTEGER NOT NULL DEFAULT 0, toolCalls INTEGER NOT NULL DEFAULT 0, turnMs REAL NOT NULL DEFAULT 0,
  createdAt REAL NOT NULL, lastActiveAt REAL NOT NULL, listedAt REAL
) STRICT;
CREATE INDEX unsettled ON sessions (listedAt) WHERE listedAt IS NULL;
CREATE INDEX listAll ON sessions (project, listedAt) WHERE listedAt IS NOT NULL;
CREATE INDEX listState ON sessions (state, project, listedAt) WHERE listedAt IS NOT NULL;
CREATE INDEX listAgent ON sessions (project, agent, listedAt) WHERE listedAt IS NOT NULL;
CREATE INDEX listOwner ON sessions (project, owner, listedAt) WHERE listedAt IS NOT NULL AND owner IS NOT NULL;
CREATE INDEX listMaker ON sessions (project, maker, listedAt) WHERE listedAt IS NOT NULL AND maker IS NOT NULL;
CREATE INDEX listParent ON sessions (parent, listedAt) WHERE listedAt IS NOT NULL AND parent IS NOT NULL;

-- The fence, apart from the wide row: an append without a patch writes a dozen bytes here and nothing there.
CREATE TABLE heads (
  session INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, seq INTEGER NOT NULL, damaged INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE names (
  project TEXT NOT NULL, name TEXT NOT NULL, session INTEGER NOT NULL, isAlias INTEGER NOT NULL,
  PRIMARY KEY (project, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX aliases ON names (session) WHERE isAlias = 1;

CREATE TABLE labels (
  project TEXT NOT NULL, label TEXT NOT NULL, listedAt REAL NOT NULL, session INTEGER NOT NULL,
  PRIMARY KEY (project, label, listedAt, session)
) STRICT, WITHOUT ROWID;

-- Words come folded and parted by blanks (words.ts), so that the tokenizer only splits.
CREATE VIRTUAL TABLE search USING fts5(
  words, detail = none, tokenize = "unicode61 remove_diacritics 0 categories 'L* M* N* P* S* C*'"
);
INSERT INTO search (search, rank) VALUES ('secure-delete', 1);

CREATE TABLE chunks (
  place INTEGER PRIMARY KEY, session INTEGER NOT NULL, seq INTEGER NOT NULL, count INTEGER NOT NULL,
  at REAL NOT NULL, turn TEXT, meta TEXT NOT NULL, bodies TEXT NOT NULL, crc INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX chunksOfSession ON chunks (session, seq);
CREATE VIEW events AS
  SELECT c.session, c.seq + m.key AS seq, c.at + (m.value ->> 0) AS at, m.value ->> 1 AS kind,
    CASE json_array_length(m.value) WHEN 3 THEN c.turn ELSE m.value ->> 3 END AS turn, b.value AS body
  FROM chunks c, json_each(c.meta) m, json_each(c.bodies) b WHERE b.key = m.key;

CREATE TABLE turns (
  place INTEGER PRIMARY KEY, id TEXT NOT NULL, session INTEGER NOT NULL,
  state TEXT NOT NULL DEFAULT 'queued', outcome TEXT, kind TEXT NOT NULL DEFAULT 'user',
  attempt INTEGER NOT NULL DEFAULT 0, crashAttempts INTEGER NOT NULL DEFAULT 0, rank REAL NOT NULL DEFAULT 0,
  dropped INTEGER NOT NULL DEFAULT 0, acceptedAt REAL NOT NULL DEFAULT 0, startedAt REAL, endedAt REAL,
  acceptedSeq INTEGER NOT NULL, startSeq INTEGER, endSeq INTEGER,
  inputTokens REAL NOT NULL DEFAULT 0, outputTokens REAL NOT NULL DEFAULT 0,
  cacheReadTokens REAL NOT NULL DEFAULT 0, cacheWriteTokens REAL NOT NULL DEFAULT 0, costUsd REAL NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX turnsById ON turns (id, session);
CREATE INDEX turnsOfSession ON turns (session, acceptedSeq);
CREATE INDEX turnsOpen ON turns (session, rank, acceptedSeq) WHERE state <> 'done';

CREATE TABLE requests (
  place INTEGER PRIMARY KEY, id TEXT NOT NULL, session INTEGER NOT NULL, project TEXT NOT NULL,
  turn TEXT NOT NULL DEFAULT '', key TEXT NOT NULL DEFAULT '', state TEXT NOT NULL DEFAULT 'open',
  openedAt REAL NOT NULL DEFAULT 0, expiresAt REAL NOT NULL DEFAULT 0, openedSeq INTEGER NOT NULL, closedSeq INTEGER
) STRICT;
CREATE UNIQUE INDEX requestsById ON requests (id, session);
CREATE INDEX requestsOfTurn ON requests (session, turn, openedSeq);
CREATE INDEX requestsOpen ON requests (project, openedAt, session) WHERE state = 'open';

CREATE TABLE once (
  session INTEGER NOT NULL, key TEXT NOT NULL, hash TEXT NOT NULL, receipt TEXT NOT NULL, seq INTEGER NOT NULL,
  expiresAt REAL NOT NULL, PRIMARY KEY (session, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX onceByExpiry ON once (expiresAt);

CREATE TABLE artifacts (
  session INTEGER NOT NULL, digest TEXT NOT NULL, project TEXT NOT NULL, bytes INTEGER NOT NULL,
  mediaType TEXT NOT NULL, name TEXT, at REAL NOT NULL, PRIMARY KEY (session, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX artifactsByDigest ON artifacts (project, digest);

CREATE TABLE snapshots (session INTEGER PRIMARY KEY, snapshot TEXT NOT NULL) STRICT;

CREATE TABLE tokens (
  project TEXT NOT NULL, id TEXT NOT NULL, hash TEXT NOT NULL UNIQUE, name TEXT NOT NULL, scopes TEXT NOT NULL,
  owner TEXT, createdAt REAL NOT NULL, expiresAt REAL, PRIMARY KEY (project, id)
) STRICT;
CREATE TABLE projects (name TEXT PRIMARY KEY, createdAt REAL NOT NULL) STRICT;
`;

const IDENTITIES = `
CREATE TABLE identities (
  num INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, project TEXT NOT NULL, key TEXT NOT NULL,
  name TEXT NOT NULL, context TEXT, avatarSeed TEXT NOT NULL, owner TEXT, maker TEXT,
  createdAt REAL NOT NULL, lastActiveAt REAL NOT NULL
) STRICT;
CREATE UNIQUE INDEX identitiesByKey ON identities (project, key);
CREATE INDEX identitiesListed ON identities (project, num);

CREATE TABLE signIns (
  num INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, hash TEXT NOT NULL UNIQUE,
  project TEXT NOT NULL, identity TEXT NOT NULL, owner TEXT, token TEXT,
  createdAt REAL NOT NULL, lastActiveAt REAL NOT NULL, expiresAt REAL NOT NULL, endedAt REAL, "end" TEXT
) STRICT;
CREATE INDEX signInsListed ON signIns (project, num) WHERE endedAt IS NULL;
CREATE INDEX signInsOfIdentity ON signIns (identity, lastActiveAt, expiresAt) WHERE endedAt IS NULL;
CREATE INDEX signInsOfToken ON signIns (token) WHERE endedAt IS NULL AND token IS NOT NULL;
CREATE INDEX signInsByActivity ON signIns (lastActiveAt) WHERE endedAt IS NULL;
CREATE INDEX signInsByExpiry ON signIns (expiresAt) WHERE endedAt IS NULL;
CREATE INDEX signInsEnded ON signIns (endedAt) WHERE endedAt IS NOT NULL;
CREATE INDEX tokensById ON tokens (id);
`;

// The head of a project's posts outlives them: no id is given twice. `speaker` is the identity, or the session that spoke
// for itself.
const TIMELINE = `
CREATE TABLE timelines (
  project TEXT PRIMARY KEY, head INTEGER NOT NULL, pruned INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE posts (
  project TEXT NOT NULL, id INTEGER NOT NULL, at REAL NOT NULL, identity TEXT, author TEXT NOT NULL,
  content TEXT NOT NULL, metadata TEXT NOT NULL, session TEXT, turn TEXT,
  speaker TEXT NOT NULL, once TEXT, crc INTEGER NOT NULL,
  PRIMARY KEY (project, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX postsOfIdentity ON posts (project, identity, id);
CREATE INDEX postsOfSession ON posts (project, session, id);
CREATE UNIQUE INDEX postsOnce ON posts (project, speaker, once) WHERE once IS NOT NULL;

-- What a session posts by itself, as JSON.
ALTER TABLE sessions ADD COLUMN posts TEXT NOT NULL DEFAULT '[]';
`;

const INTERNAL = `
ALTER TABLE sessions ADD COLUMN internal INTEGER NOT NULL DEFAULT 0;
`;

const MIGRATIONS: readonly Migration[] = [
  { name: 'first', sql: FIRST },
  { name: 'identities', sql: IDENTITIES },
  { name: 'timeline', sql: TIMELINE },
  { name: 'internal', sql: INTERNAL },
];

export const SCHEMA_VERSION = MIGRATIONS.length;

/** The version of an open database. Throws `store.schema` where it is newer than this program (M2). */
export function knownVersion(connection: Connection, file: string): number {
  const version = connection.number('PRAGMA user_version');
  if (version > SCHEMA_VERSION) {
    throw new SojournError(
      'store.schema',
      `${file} has schema version ${version}, and this program knows up to ${SCHEMA_VERSION}`,
    );
  }
  return version;
}

/** Runs what is missing, forward. */
export function migrate(connection: Connection, file: string, at: number): void {
  for (let version = knownVersion(connection, file); version < SCHEMA_VERSION; version++) {
    const migration = MIGRATIONS[version];
    if (migration === undefined) return;
    connection.transaction(() => {
      connection.db.exec(migration.sql);
      connection.sql('INSERT INTO migrations VALUES (?, ?, ?)').run(version + 1, migration.name, at);
      connection.db.exec(`PRAGMA user_version = ${version + 1}`);
    });
  }
}
