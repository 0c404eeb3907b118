// What becomes of a timeline whose folder is damaged, old, or full.
import { statfsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { inspect } from '../src/store/sqlite/doctor.ts';
import { codeOf, StoreFolder } from './store-folder.ts';
import { TimelineWorld } from './timeline-world.ts';

const at = new StoreFolder();

test('a post that is not what was written is left out and reported; the others are shown, and the doctor names it', async () => {
  const first = await at.open();
  await new TimelineWorld(first).posts('a', 'b', 'c', 'd');
  await first.close();
  at.edit("UPDATE posts SET content = 'forged' WHERE id = 2");
  at.edit('UPDATE posts SET at = at + 1 WHERE id = 3');

  const own = new TimelineWorld(await at.open());
  const { posts, head } = await own.page();
  const found = await inspect(at.folder);

  expect([posts.map(({ content }) => content), head]).toEqual([['a', 'd'], 4]);
  expect(at.said.filter(([event]) => event === 'store.post_damaged').map(([, fields]) => fields)).toEqual([
    { project: 'default', id: 2 },
    { project: 'default', id: 3 },
  ]);
  expect(found.ok).toBe(false);
  expect(found.findings.map(({ what }) => what)).toEqual(
    expect.arrayContaining(['Post 2 of default is damaged', 'Post 3 of default is damaged']),
  );
});

test('a page that is all damage is passed over, and what stands behind it is found', async () => {
  const first = await at.open();
  await new TimelineWorld(first).posts('a', 'b', 'c');
  await first.close();
  at.edit("UPDATE posts SET content = 'forged' WHERE id < 3");

  const own = new TimelineWorld(await at.open());
  const page = await own.page({ limit: 2 });

  expect(page).toMatchObject({ posts: [], next: 2 });
  expect((await own.page({ from: { after: page.next ?? 0 } })).posts).toMatchObject([{ content: 'c' }]);
});

test('a folder from before there were timelines is taken over, with its sessions, and one can post in it', async () => {
  await at.written();
  const db = new DatabaseSync(at.database);
  db.exec('DROP TABLE posts; DROP TABLE timelines; ALTER TABLE sessions DROP COLUMN posts');
  db.exec('ALTER TABLE sessions DROP COLUMN internal');
  db.exec('DELETE FROM migrations WHERE version > 2; PRAGMA user_version = 2');
  db.close();

  const store = await at.open();
  const { id } = await new TimelineWorld(store).post('first');

  expect(id).toBe(1);
  expect(await store.byKey('default', 'a')).toMatchObject({
    key: 'a',
    posts: [],
    internal: false,
    headSeq: 10,
  });
});

test('where the disk is nearly full a post is refused as new work is, and what was posted can be read', async () => {
  const first = await at.open();
  await new TimelineWorld(first).posts('a');
  await first.close();
  const { bavail, bsize } = statfsSync(at.above);

  const own = new TimelineWorld(await at.open({ freeBytesMin: 2 * bavail * bsize }));

  expect(await codeOf(own.post('b'))).toBe('store.full');
  expect((await own.page()).posts).toMatchObject([{ content: 'a' }]);
});
