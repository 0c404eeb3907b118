// Damage: a database that is not whole is refused and left alone; damage inside one is found and never shown.
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { Connection } from '../src/store/sqlite/connection.ts';
import { inspect } from '../src/store/sqlite/doctor.ts';
import { readPage } from '../src/store/sqlite/event-pages.ts';
import { bodyOf, codeOf, PAGE, StoreFolder, write } from './store-folder.ts';

const at = new StoreFolder();

describe('a database that is not whole', () => {
  const cases: Record<string, () => void> = {
    'it is empty': () => truncateSync(at.database, 0),
    'it is not a SQLite database': () => writeFileSync(at.database, 'x'.repeat(50_000)),
    'its end is missing': () => truncateSync(at.database, statSync(at.database).size - 8_192),
    'it is cut inside its header': () => truncateSync(at.database, 50),
    'it is missing and its log is there': () => renameSync(at.database, `${at.database}-wal`),
    'its end is missing, and there is a log': () => {
      const log = at.logOf('UPDATE heads SET epoch = epoch + 1');
      truncateSync(at.database, statSync(at.database).size - 8 * 4_096);
      writeFileSync(`${at.database}-wal`, log);
    },
    'its log is garbage': () => writeFileSync(`${at.database}-wal`, Buffer.alloc(50_000, 0x55)),
    'its log is a link': () => symlinkSync(join(at.above, 'elsewhere'), `${at.database}-wal`),
    'it is a link': () => {
      renameSync(at.database, join(at.above, 'elsewhere.db'));
      symlinkSync(join(at.above, 'elsewhere.db'), at.database);
    },
    'it is a folder': () => {
      rmSync(at.database);
      mkdirSync(at.database);
    },
    'it is of another program': () => at.edit('PRAGMA user_version = 0'),
    'its first page is garbage': () => {
      const bytes = readFileSync(at.database);
      bytes.fill(0xaa, 100, 4_096);
      writeFileSync(at.database, bytes);
    },
  };

  const bytes = (): Buffer =>
    statSync(at.database, { throwIfNoEntry: false })?.isFile() ? readFileSync(at.database) : Buffer.alloc(0);

  for (const [name, damage] of Object.entries(cases)) {
    test(`is refused and left alone when ${name}`, async () => {
      await at.written();
      damage();
      const before = bytes();

      const error: unknown = await at.open().catch((reason: unknown) => reason);

      expect(error).toMatchObject({ code: 'store.damaged' });
      expect(String(error)).toContain(at.database);
      expect(bytes().equals(before)).toBe(true);
      expect((await inspect(at.folder)).findings.map(({ level }) => level)).toContain('error');
    });
  }

  test('is refused when its log belongs to another database', async () => {
    await at.written();
    const mine = at.folder;
    at.folder = join(at.above, 'other');
    const other = await at.open();
    await write(other, 'x', 300);
    copyFileSync(`${at.database}-wal`, join(mine, 'sojourn.db-wal'));
    await other.close();
    at.folder = mine;

    expect(await codeOf(at.open())).toBe('store.damaged');
  });

  test('is refused when its log would lose commits that were acknowledged, with the way to go on without them', async () => {
    await crashed();
    const log = readFileSync(`${at.database}-wal`);
    flipBit(log, Math.floor(log.length / 2));
    writeFileSync(`${at.database}-wal`, log);

    const error = String(await at.open().catch((reason: unknown) => reason));

    expect(error).toMatch(/store\.damaged: .*sojourn\.db-wal: frame \d+ is damaged/);
    const bytes = Number(/truncate -s (\d+)/.exec(error)?.[1]);
    expect(await codeOf(at.open())).toBe('store.damaged');
    truncateSync(`${at.database}-wal`, bytes);
    const events = await (await at.open()).read(1, 0, PAGE);
    expect(events.length).toBeGreaterThan(10);
    expect(events.every(({ seq, body }) => body === bodyOf('a', seq - 1))).toBe(true);
  });

  test('opens when only the last commit of its log is torn, as a power loss may leave it', async () => {
    await crashed();
    const log = readFileSync(`${at.database}-wal`);
    flipBit(log, log.length - 5_000);
    writeFileSync(`${at.database}-wal`, log);

    expect((await (await at.open()).read(1, 0, PAGE)).length).toBe(57);
  });

  test('a schema of a newer version is refused before anything is written', async () => {
    await at.written();
    at.edit('PRAGMA user_version = 99');
    const before = readFileSync(at.database);

    expect(await codeOf(at.open())).toBe('store.schema');
    expect(readFileSync(at.database).equals(before)).toBe(true);
    expect((await inspect(at.folder)).ok).toBe(false);
  });

  test('a first start that was cut off is begun anew', async () => {
    mkdirSync(at.folder, { mode: 0o700 });
    writeFileSync(join(at.folder, 'sojourn.db.new'), 'half');
    writeFileSync(join(at.folder, 'lock.db'), '');

    expect(await write(await at.open(), 'a')).toBe(1);
  });
});

describe('a folder in which something else lies where a file of the store belongs', () => {
  const elsewhere = (): string => join(at.above, 'elsewhere');
  const cases: Record<string, [file: string, put: (path: string) => void]> = {
    'garbage, in place of the lock': ['lock.db', (path) => writeFileSync(path, 'x'.repeat(5_000))],
    'a folder, in place of the lock': ['lock.db', (path) => mkdirSync(path)],
    'a link to nothing, in place of the lock': ['lock.db', (path) => symlinkSync(elsewhere(), path)],
    'a file, in place of the artifacts': ['artifacts', (path) => writeFileSync(path, 'x')],
    'a link to a folder, in place of the artifacts': [
      'artifacts',
      (path) => {
        mkdirSync(elsewhere());
        symlinkSync(elsewhere(), path);
      },
    ],
  };

  for (const [name, [file, put]] of Object.entries(cases)) {
    test(`is refused by name, and the doctor says so: ${name}`, async () => {
      await at.written();
      const path = join(at.folder, file);
      rmSync(path, { recursive: true });
      put(path);

      const error: unknown = await at.open().catch((reason: unknown) => reason);

      expect(error).toMatchObject({ code: 'store.damaged' });
      expect(String(error)).toContain(path);
      const { findings } = await inspect(at.folder);
      expect(findings.some(({ level, what }) => level === 'error' && what.includes(path))).toBe(true);
    });
  }
});

describe('damage inside', () => {
  test('a changed event is found, its session set aside and reported, and the others work', async () => {
    await at.written();
    at.edit("UPDATE chunks SET bodies = replace(bodies, 'b', 'B') WHERE session = 2 AND seq = 4");
    const store = await at.open();

    expect(await codeOf(store.read(2, 0, PAGE))).toBe('session.damaged');
    expect((await store.read(2, 0, { ...PAGE, eventsMax: 3 })).length).toBe(3);
    expect((await store.byKey('default', 'b'))?.damaged).toBe(true);
    expect(at.said.filter(([event]) => event === 'store.session_damaged').length).toBe(1);
    expect((await store.read(1, 0, PAGE)).length).toBe(10);
    expect((await store.byKey('default', 'a'))?.damaged).toBe(false);
    const claim = store.append(() => ({ session: 2, epoch: 1, claim: true, events: [] }));
    expect(await codeOf(claim)).toBe('session.damaged');
    await store.erase(2);
    expect(await write(store, 'b', 3)).toBe(4);
  });

  test.each([
    ['an event is missing from the middle', 'DELETE FROM chunks WHERE session = 2 AND seq = 4'],
    ['the end is missing', 'DELETE FROM chunks WHERE session = 2 AND seq = 10'],
    ['everything is missing', 'DELETE FROM chunks WHERE session = 2'],
    ['the head is too low', 'UPDATE heads SET seq = 5 WHERE session = 2'],
    ['an event says another moment', 'UPDATE chunks SET at = 2 WHERE session = 2 AND seq = 4'],
    ['an event says another turn', 'UPDATE chunks SET turn = NULL WHERE session = 2 AND seq = 4'],
    [
      'events are of another session',
      'UPDATE chunks SET session = 2, seq = 11 WHERE session = 3 AND seq = 1',
    ],
  ])('a log is not claimed or not read when %s, and the doctor says so', async (_what, sql) => {
    await at.written();
    at.edit(sql);
    const found = await inspect(at.folder);
    const store = await at.open();

    const read = await codeOf(store.read(2, 0, PAGE));
    const claimed = await codeOf(store.append(() => ({ session: 2, epoch: 1, claim: true, events: [] })));

    expect([read, claimed]).toContain('session.damaged');
    expect(found.findings.some(({ what }) => what.includes('session "b"'))).toBe(true);
    expect((await store.read(1, 0, PAGE)).length).toBe(10);
  });

  test('the doctor finds it in a database of an older version, too', async () => {
    await at.written();
    at.edit('PRAGMA user_version = 3');
    wipeListAll();

    expect((await inspect(at.folder)).ok).toBe(false);
  });

  test('damaged lists do not keep anybody from writing', async () => {
    await at.written();
    wipeListAll();
    const store = await at.open();

    for (let index = 0; index < 600; index++) await write(store, `k${index}`, 0);

    expect(at.said.map(([event]) => event)).toEqual(['store.lists_damaged']);
    expect((await store.byKey('default', 'k599'))?.key).toBe('k599');
  });

  test('of hundreds of flipped bits none is ever shown, and nearly all in events are found', async () => {
    const store = await at.open();
    const keys = Array.from({ length: 50 }, (_, index) => `session ${index}`);
    for (const key of keys) await write(store, key, 12);
    await store.close();
    const whole = readFileSync(at.database);
    const copy = join(at.above, 'flipped.db');
    let seed = 42;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
      return seed % below;
    };
    let inEvents = 0;
    let found = 0;

    for (let flip = 0; flip < 300; flip++) {
      const at = random(whole.length);
      const flipped = Buffer.from(whole);
      flipped[at] = (whole[at] ?? 0) ^ (1 << random(8));
      writeFileSync(copy, flipped);
      // Nearby text tells whether the bit lies in what an event says.
      const isInEvent = whole.toString('latin1', at - 12, at + 12).includes('session ');
      const wasFound = readAll(copy, keys);
      if (isInEvent) inEvents += 1;
      if (isInEvent && wasFound) found += 1;
    }

    expect(inEvents).toBeGreaterThan(30);
    expect(found / inEvents).toBeGreaterThan(0.9);
  });
});

/** Writes over the page where the index of all sessions begins. */
function wipeListAll(): void {
  const db = new DatabaseSync(at.database);
  const root = Number(
    db.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'listAll'").get()?.['rootpage'],
  );
  db.close();
  const bytes = readFileSync(at.database);
  bytes.fill(0x55, (root - 1) * 4_096, root * 4_096);
  writeFileSync(at.database, bytes);
}

function flipBit(bytes: Buffer, at: number): void {
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
}

/** Leaves the folder as a process that dies does, with 60 events of `a` in the log. */
async function crashed(): Promise<void> {
  const { folder } = at;
  const store = await at.open();
  await write(store, 'a', 60);
  at.folder = join(at.above, 'crashed');
  cpSync(folder, at.folder, { recursive: true });
}

/** Whether anything was found. Throws where an event is shown that was never written. */
function readAll(file: string, keys: readonly string[]): boolean {
  let found = false;
  let connection: Connection | undefined;
  try {
    connection = new Connection(file, 'read');
    for (const [index, key] of keys.entries()) {
      try {
        const events = readPage(connection, index + 1, 0, PAGE);
        const wrong = events.find(({ body, seq }) => body !== bodyOf(key, seq - 1));
        if (wrong !== undefined) throw new Error(`shown: ${wrong.body}`);
        if (events.length !== 12) found = true;
      } catch (error) {
        if (error instanceof Error && error.message.startsWith('shown')) throw error;
        found = true;
      }
    }
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('shown')) throw error;
    found = true;
  } finally {
    connection?.close();
  }
  return found;
}
