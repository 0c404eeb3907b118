// The data folder of the SQLite store: who may open it, what it looks like, and what the doctor says of it.
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { checkVersion } from '../src/store/sqlite/connection.ts';
import { inspect } from '../src/store/sqlite/doctor.ts';
import { bodyOf, codeOf, newSession, StoreFolder, write } from './store-folder.ts';

const at = new StoreFolder();

describe('the data folder', () => {
  test('a second process is refused at once, and may open it when the first has ended', async () => {
    const writer = fileURLToPath(new URL('store-writer.ts', import.meta.url));
    const child = spawn(process.execPath, [writer, at.folder, '1'], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    child.stdout.resume();

    expect(await codeOf(at.open())).toBe('store.in_use');

    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('close', resolve));
    expect((await (await at.open()).byKey('default', 's0'))?.key).toBe('s0');
  });

  test('a second opener in the same process is refused, and leaves the first one its lock', async () => {
    await at.open();

    expect(await codeOf(at.open())).toBe('store.in_use');
    expect(await codeOf(at.open())).toBe('store.in_use');
  });

  test('everything in it can be read by its owner only, and looser modes are mended and reported', async () => {
    await at.written();
    const modes = (): number[] =>
      [at.folder, ...readdirSync(at.folder).map((name) => join(at.folder, name))].map(
        (path) => statSync(path).mode & 0o077,
      );
    const made = modes();
    chmodSync(at.folder, 0o755);
    chmodSync(at.database, 0o644);

    await at.open();

    expect(made.every((mode) => mode === 0)).toBe(true);
    expect(modes().every((mode) => mode === 0)).toBe(true);
    const mended = at.said
      .filter(([event]) => event === 'store.mode_mended')
      .map(([, fields]) => fields?.['path']);
    expect(mended).toEqual([at.folder, at.database]);
  });

  test('ballast is laid down when there is room for it', async () => {
    const store = await at.open({ ballastBytes: 3_000_000 });
    await write(store, 'a');
    await store.close();

    expect(statSync(join(at.folder, 'ballast')).size).toBe(3_000_000);
  });

  test('ballast that a crash left half made is laid down anew', async () => {
    await at.written();
    writeFileSync(join(at.folder, 'ballast'), 'half');

    const store = await at.open({ ballastBytes: 3_000_000 });
    await write(store, 'd');
    await store.close();

    expect(statSync(join(at.folder, 'ballast')).size).toBe(3_000_000);
  });

  test('below the floor of free space new sessions are refused, and those that exist go on', async () => {
    const store = await at.open();
    const num = await write(store, 'a');
    await store.close();
    const tight = await at.open({ freeBytesMin: Number.MAX_SAFE_INTEGER });

    expect(await codeOf(write(tight, 'b'))).toBe('store.full');
    expect(await codeOf(write(tight, 'c'))).toBe('store.full');
    await tight.append(() => ({ session: num, epoch: 1, events: [] }));
    expect(at.said.filter(([event]) => event === 'store.space_low').length).toBe(1);
  });

  test('an older SQLite is refused', () => {
    expect(() => checkVersion('3.51.2')).toThrow(/config\.invalid/);
    expect(() => checkVersion('3.9.9')).toThrow(/config\.invalid/);
    expect(() => checkVersion(undefined)).toThrow(/config\.invalid/);
    for (const fine of ['3.51.3', '3.52.0', '4.0.0']) checkVersion(fine);
  });
});

describe('the database', () => {
  test('shows events one by one to whoever looks with other tools', async () => {
    const store = await at.open();
    const num = await write(store, 'a', 4);
    await store.append(() => ({
      session: num,
      epoch: 1,
      events: [
        { at: 5, kind: 'x', turn: null, body: '{"n":1}' },
        { at: 7, kind: 'y', turn: 'other', body: '[2]' },
      ],
    }));
    await store.close();
    const db = new DatabaseSync(at.database, { readOnly: true });
    const rows = db.prepare('SELECT * FROM events ORDER BY seq').all();
    db.close();

    expect(rows.length).toBe(6);
    expect(rows[0]).toEqual({ session: num, seq: 1, at: 1, kind: 'said', turn: 't', body: bodyOf('a', 0) });
    expect(rows[4]).toEqual({ session: num, seq: 5, at: 5, kind: 'x', turn: null, body: '{"n":1}' });
    expect(rows[5]).toEqual({ session: num, seq: 6, at: 7, kind: 'y', turn: 'other', body: '[2]' });
  });

  test('keeps nothing of an erased session in its files', async () => {
    const store = await at.open();
    const secret = 'xylophone';
    const made = await store.append(() => ({
      session: newSession(secret, { title: secret, labels: [secret] }),
      epoch: 0,
      events: [{ at: 1, kind: 'said', turn: null, body: JSON.stringify(secret.repeat(2_000)) }],
      snapshot: secret,
      once: { key: secret, hash: secret, receipt: secret, expiresAt: 9 },
    }));
    // So many others that it has been settled into the lists and the words.
    await Promise.all(Array.from({ length: 700 }, (_, index) => write(store, `other ${index}`, 1)));
    expect((await store.list({ project: 'default', q: secret, limit: 1 })).sessions.length).toBe(1);

    await store.erase(made.kind === 'appended' ? made.num : 0);
    await store.close();

    expect(readdirSync(at.folder).filter((name) => name.startsWith('sojourn.db'))).toEqual(['sojourn.db']);
    expect(readFileSync(at.database).includes(secret)).toBe(false);
  });
});

describe('the doctor', () => {
  test('finds nothing wrong with a healthy folder, in use or not, and changes nothing', async () => {
    await at.written();
    const before = readFileSync(at.database);
    expect((await inspect(at.folder)).ok).toBe(true);
    expect(readFileSync(at.database).equals(before)).toBe(true);
    const store = await at.open();
    await write(store, 'd');

    const { ok, findings } = await inspect(at.folder);

    expect(ok).toBe(true);
    expect(findings.filter(({ level }) => level === 'error')).toEqual([]);
    expect(findings.at(-1)?.what).toMatch(/^4 sessions/);
    expect(await write(store, 'e')).toBe(5);
    expect(await codeOf(at.open())).toBe('store.in_use');
  });

  test('names what is missing, loose, left over or damaged, and a way to mend it', async () => {
    const store = await at.open();
    const num = await write(store, 'a');
    const digest = await store.files.put('default', Buffer.from('x'));
    const artifact = { digest, bytes: 1, mediaType: 'text/plain', name: null, at: 1 };
    await store.append(() => ({ session: num, epoch: 1, events: [], artifacts: [artifact] }));
    await store.files.remove('default', digest);
    await store.close();
    chmodSync(at.database, 0o644);
    writeFileSync(join(at.folder, 'artifacts', 'put-1.tmp'), '');
    at.edit('UPDATE chunks SET crc = crc + 1 WHERE seq = 1');

    const { ok, findings } = await inspect(at.folder);

    expect(ok).toBe(false);
    const text = findings.map(({ level, what }) => `${level} ${what}`).join('\n');
    expect(text).toMatch(/error Artifact .* is missing/);
    expect(text).toMatch(/warning .*sojourn\.db can be read by others/);
    expect(text).toMatch(/info .*put-1\.tmp was left/);
    expect(text).toMatch(/error The log of session "a" of default is damaged at event 1/);
    expect(findings.every(({ fix }) => fix.length > 0)).toBe(true);
  });

  test('says when there is no folder, no database or an empty one', async () => {
    expect((await inspect(at.folder)).ok).toBe(false);
    mkdirSync(at.folder, { mode: 0o700 });
    expect((await inspect(at.folder)).ok).toBe(true);
    writeFileSync(at.database, '');
    expect((await inspect(at.folder)).ok).toBe(false);
    writeFileSync(at.database, 'no database'.repeat(1_000));
    expect((await inspect(at.folder)).ok).toBe(false);
  });
});
