// A backup while other processes go on, and what is done with it later.
import { copyFileSync, cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { backupFolder } from '../src/store/sqlite/backup.ts';
import { inspect } from '../src/store/sqlite/doctor.ts';
import { artifactPath } from '../src/store/sqlite/files.ts';
import type { Store } from '../src/store/store.ts';
import { codeOf, PAGE, StoreFolder, write } from './store-folder.ts';

const at = new StoreFolder();

async function withArtifact(store: Store, num: number, text: string): Promise<string> {
  const bytes = Buffer.from(text);
  const digest = await store.files.put('default', bytes);
  const artifact = { digest, bytes: bytes.length, mediaType: 'text/plain', name: null, at: 1 };
  await store.append(() => ({ session: num, epoch: 1, events: [], artifacts: [artifact] }));
  return join(at.folder, 'artifacts', artifactPath('default', digest));
}

test('an artifact that the server erases while a backup runs beside it is in the copy, as its session is', async () => {
  const store = await at.open();
  const num = await write(store, 'a');
  const path = await withArtifact(store, num, 'kept');
  const copy = join(at.above, 'copy');

  // The first news of the database come after the artifacts; then another process erases the session.
  await backupFolder(at.folder, copy, (done, all) => {
    if (done > 4 && done < all) rmSync(path, { force: true });
  });

  expect((await inspect(copy)).findings.filter(({ level }) => level === 'error')).toEqual([]);
});

test('an artifact that leaves just before it is copied does not end the backup', async () => {
  const store = await at.open();
  const num = await write(store, 'a');
  const paths = [await withArtifact(store, num, 'one'), await withArtifact(store, num, 'two')];
  const copy = join(at.above, 'copy');

  await backupFolder(at.folder, copy, () => {
    for (const path of paths) rmSync(path, { force: true });
  });

  const errors = (await inspect(copy)).findings.filter(({ level }) => level === 'error');
  expect(errors.map(({ what }) => what)).toEqual([expect.stringMatching(/^Artifact .* is missing$/)]);
});

test.each([1, 50])(
  "a backup's database that is put where a crashed server left its log of %i events is refused, and opens without the log",
  async (events) => {
    const store = await at.open();
    const num = await write(store, 'a', 60);
    const copy = join(at.above, 'copy');
    await store.backup(copy);
    await write(store, 'b', 60);
    await store.close();
    const again = await at.open();
    for (let seq = 0; seq < events; seq += 1) await say(again, num);
    const crashed = join(at.above, 'crashed');
    cpSync(at.folder, crashed, { recursive: true });
    await again.close();
    copyFileSync(join(copy, 'sojourn.db'), join(crashed, 'sojourn.db'));
    at.folder = crashed;

    const error = await at.open().catch((reason: unknown) => String(reason));

    expect(error).toMatch(/store\.damaged: .*sojourn\.db-wal: it belongs to another database/);
    expect((await inspect(at.folder)).ok).toBe(false);
    rmSync(`${at.database}-wal`);
    rmSync(`${at.database}-shm`, { force: true });
    const restored = await at.open();
    expect((await restored.read(num, 0, PAGE)).length).toBe(60);
    expect(await codeOf(write(restored, 'c'))).toBe('none');
  },
);

async function say(store: Store, session: number): Promise<void> {
  await store.append(() => ({ session, epoch: 1, events: [{ at: 1, kind: 'said', turn: 't', body: '1' }] }));
}
