// What happens when the files of a store are taken away while it is open: what is acknowledged must be found again.
import { copyFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { codeOf, PAGE, StoreFolder, write } from './store-folder.ts';

const at = new StoreFolder();

test.skipIf(process.platform === 'win32').each<[string, () => void]>([
  ['the whole folder is removed', () => rmSync(at.folder, { recursive: true })],
  ['the folder is moved', () => renameSync(at.folder, join(at.above, 'elsewhere'))],
  ['the database is removed', () => rmSync(at.database)],
  ['the write-ahead log is removed', () => rmSync(`${at.database}-wal`)],
  ['the lock is removed', () => rmSync(join(at.folder, 'lock.db'))],
  [
    'a backup is put over the database',
    () => {
      copyFileSync(at.database, join(at.above, 'backup.db'));
      renameSync(join(at.above, 'backup.db'), at.database);
    },
  ],
])('nothing more is acknowledged once %s under a running store', async (_what, take) => {
  const store = await at.open();
  await write(store, 'a');

  take();

  expect(await codeOf(write(store, 'b'))).toBe('store.failed');
  expect(String(await store.failed)).toContain(at.folder);
  expect(await codeOf(write(store, 'c'))).toBe('store.failed');
});

test('a folder whose lock was removed under its owner has one owner again as soon as that one writes', async () => {
  const store = await at.open();
  await write(store, 'a');
  rmSync(join(at.folder, 'lock.db'));
  const other = await at.open();

  expect(await codeOf(write(store, 'b'))).toBe('store.failed');
  expect(await write(other, 'c')).toBeGreaterThan(1);
  expect((await other.read(1, 0, PAGE)).length).toBe(10);
});
