// Children that come late: to a parent that is gone, out of a memory that is just being left, into a runtime that has ended.
//
// Shown here, by what a user saw (C-n: traps of sub-agent sessions, see traps-c.test.ts):
//   C-11  'a child that is put away while somebody goes on with it runs what it was asked, once'
//   C-14  'a turn that outlives the shutdown starts no children any more'
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { databaseFile } from '../src/store/sqlite/folder.ts';
import { dig, family, keyOf, thrown } from './children-family.ts';
import { bodies, outcome } from './session-stage.ts';

test('a child whose parent was erased keeps nothing open: its turn ends, and no start takes it up again', async () => {
  const home = await family({ worker: { rerun: 'safe' } });
  await using world = home.world;
  const { child, digging } = await dig(home, home.act.turn);
  const key = keyOf(digging);
  const boss = await world.store.byKey('default', 'boss');
  await world.store.erase(boss?.num ?? 0);

  await world.crash();
  (await home.worker.next()).end();
  await world.runtime.waitForIdle(key);
  const ended = await outcome(world, key, child.turn);
  await world.restart();

  expect(ended).toMatchObject({ state: 'done', outcome: 'completed', attempt: 2 });
  expect(await world.store.unfinished(0, 10)).toEqual([]);
  expect(home.worker.opened).toHaveLength(2);
});

test('a child whose parent is damaged keeps nothing open: its turn ends, and that it could not be told is on record', async () => {
  const home = await family({ worker: { rerun: 'safe' } });
  await using world = home.world;
  const { child, digging } = await dig(home, home.act.turn);
  const key = keyOf(digging);
  await world.kill();
  const database = new DatabaseSync(databaseFile(world.folder));
  database.exec(`UPDATE chunks SET bodies = replace(bodies, 'hello', 'HELLO')
    WHERE session = (SELECT num FROM sessions WHERE key = 'boss')`);
  database.close();

  await world.start();
  (await home.worker.next()).end();
  await world.runtime.waitForIdle(key);

  expect(await outcome(world, key, child.turn)).toMatchObject({ state: 'done', outcome: 'completed' });
  const row = await world.store.byKey('default', key);
  expect(await world.store.openTurns(row?.num ?? 0)).toEqual([]);
  expect(world.logged.map(({ event }) => event)).toContain('child.parent_damaged');
});

test('a child that is put away while somebody goes on with it runs what it was asked, once', async () => {
  const home = await family();
  await using world = home.world;
  const { child, digging } = await dig(home, home.act.turn);
  digging.end();
  await child.result();
  const outcomes: string[] = [];

  for (let steps = 0; steps < 20; steps += 1) {
    const going = home.act.turn.children.continue(child.session, `deeper ${steps}`);
    for (let step = 0; step < steps; step += 1) await Promise.resolve();
    const leaving = thrown(world.runtime.evict(keyOf(digging))); // It may be too late, and says so.
    const [again, deeper] = await Promise.all([going, home.worker.next()]);
    deeper.end();
    outcomes.push((await again.result()).outcome);
    await leaving;
  }

  expect(home.worker.opened.length).toBeGreaterThan(1); // Some came in time.
  expect(outcomes).toEqual(Array.from({ length: 20 }, () => 'completed'));
  expect((await bodies(world, keyOf(digging), 'turn.started')).map(({ attempt }) => attempt)).toEqual(
    Array.from({ length: 21 }, () => 1),
  );
  expect(await bodies(world, 'boss', 'child.ended')).toHaveLength(21);
});

test('a turn that outlives the shutdown starts no children any more', async () => {
  const home = await family({ boss: { deaf: true }, limits: { cancelMsMax: 1_000 } });
  await using world = home.world;

  const over = world.runtime.shutdown(1_000);
  await world.clock.advance(1_000);
  await world.clock.advance(1_000);
  await over;
  const refused = await thrown(home.act.turn.spawn('worker', 'dig'));
  await world.start();

  expect(refused).toMatchObject({ name: 'AbortError' });
  expect((await world.runtime.tree('boss')).children).toEqual([]);
  expect(home.worker.opened).toEqual([]);
});
