// F1 (FULL) and F0' (NORMAL): one commit a turn, when the answer is whole.
//
// A crash in the middle of a turn loses the turn, the user's message included. Under NORMAL a power cut also loses
// turns that were answered.
import { DatabaseSync } from 'node:sqlite';
import { serveFloor, type Said } from './app.ts';

const [folder = '.', synchronous = 'FULL'] = process.argv.slice(2);
const db = new DatabaseSync(`${folder}/floor.db`);
db.exec(`
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = ${synchronous === 'NORMAL' ? 'NORMAL' : 'FULL'};
  CREATE TABLE IF NOT EXISTS sessions (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, last_at INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY, session INTEGER NOT NULL, role TEXT NOT NULL, text TEXT NOT NULL);
  CREATE INDEX IF NOT EXISTS messages_by_session ON messages (session, id);
`);
const touch = db.prepare(
  'INSERT INTO sessions (key, last_at) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET last_at = excluded.last_at RETURNING id',
);
const say = db.prepare('INSERT INTO messages (session, role, text) VALUES (?, ?, ?)');
const history = db.prepare(
  'SELECT role, text FROM messages WHERE session = (SELECT id FROM sessions WHERE key = ?) ORDER BY id',
);

serveFloor({
  load: (key) =>
    history.all(key).map((row): Said => ({
      role: row['role'] === 'user' ? 'user' : 'assistant',
      text: String(row['text']),
    })),
  delta: () => undefined,
  turn(key, input, answer) {
    db.exec('BEGIN IMMEDIATE');
    const id = Number(touch.get(key, Date.now())?.['id']);
    say.run(id, 'user', input);
    say.run(id, 'assistant', answer);
    db.exec('COMMIT');
  },
});
