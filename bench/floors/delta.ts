// F2: a FULL commit for every delta before it is sent; the user's message shares the first, the end is one more.
//
// This is the plain way to promise what Sojourn promises: whatever a reader has seen is on disk.
import { DatabaseSync } from 'node:sqlite';
import { serveFloor, type Said } from './app.ts';

const [folder = '.'] = process.argv.slice(2);
const db = new DatabaseSync(`${folder}/floor.db`);
db.exec(`
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  CREATE TABLE IF NOT EXISTS sessions (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, last_at INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS events (id INTEGER PRIMARY KEY, session INTEGER NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL);
  CREATE INDEX IF NOT EXISTS events_by_session ON events (session, id);
`);
const touch = db.prepare(
  'INSERT INTO sessions (key, last_at) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET last_at = excluded.last_at RETURNING id',
);
const idOf = db.prepare('SELECT id FROM sessions WHERE key = ?');
const note = db.prepare('INSERT INTO events (session, kind, text) VALUES (?, ?, ?)');
const history = db.prepare(
  `SELECT kind, text FROM events WHERE session = (SELECT id FROM sessions WHERE key = ?) AND kind <> 'delta' ORDER BY id`,
);
const ids = new Map<string, number>();

serveFloor({
  load(key) {
    const id = idOf.get(key)?.['id'];
    if (id !== undefined) ids.set(key, Number(id));
    return history.all(key).map((row): Said => ({
      role: row['kind'] === 'user' ? 'user' : 'assistant',
      text: String(row['text']),
    }));
  },
  delta(key, input, n, text) {
    if (n > 1) {
      note.run(ids.get(key) ?? null, 'delta', text);
      return;
    }
    db.exec('BEGIN IMMEDIATE');
    const id = Number(touch.get(key, Date.now())?.['id']);
    ids.set(key, id);
    note.run(id, 'user', input);
    note.run(id, 'delta', text);
    db.exec('COMMIT');
  },
  turn(key, _input, answer) {
    note.run(ids.get(key) ?? null, 'assistant', answer);
  },
});
