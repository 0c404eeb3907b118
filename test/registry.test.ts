// Registry: which sessions are live, who holds them, and which one leaves when another comes.
//
// Shown here, by what a host sees (B: traps of the working state of sessions; B.n: lines of its checklist, see traps-b.test.ts):
//   B-1   'a hundred that ask for a sleeping session at once, by whatever name, get one and the same'
//   B-2   'what is leased is not put away: not by hand, not for room, not for its age'
//   B-3   'what is leased is not put away: not by hand, not for room, not for its age'
//   B-3   'a session that is asked for while it is put away comes after that, and there are never two'
//   B-4   'another session under the same key is another session, and the lease on the first one is over'
//   B-5   'who was used longest ago leaves, whatever the clock says, and never the one that was asked for'
//   B-6   'how many are live is a setting, and when all of them are held the next one is refused as such'
//   B-6   'how often a session was found live, and why others left, is counted and shown'
//   B-7   'watching changes nothing: not who leaves next, not what is there, not the log'
//   B-7   'what a watcher is given is a copy of that moment, and frozen'
//   B-18  'who names no session gets none, and no other one instead'
//   B.2   'a lease says whose it is and what its next turn has, as it is now'
//   B.3   'a hundred that ask for a sleeping session at once, by whatever name, get one and the same'
//   B.5   'asking for a live one makes nothing, and is a use of it'
//   B.6   'who was used longest ago leaves, whatever the clock says, and never the one that was asked for'
import { expect, test } from 'vitest';
import type { SessionLease } from '../src/runtime/leases.ts';
import { testRuntime, type TestRuntime, type TestRuntimeOptions } from '../src/testing/test-runtime.ts';
import { gate, outcome, refusal, say, seen, send, Stage } from './session-stage.ts';

const HOUR = 3_600_000;

/** A runtime with sessions of these keys, all asleep. */
const asleep = async (
  keys: readonly string[],
  options: TestRuntimeOptions = {},
): Promise<{ world: TestRuntime; ids: Readonly<Record<string, string>> }> => {
  const world = await testRuntime(options);
  const ids: Record<string, string> = {};
  for (const key of keys) ids[key] = (await world.runtime.open(key)).session.id;
  return { world, ids };
};

const resolve = (world: TestRuntime, key: string): Promise<SessionLease> =>
  world.runtime.registry.resolve({ key });

/** A use and nothing more. */
const use = async (world: TestRuntime, key: string): Promise<void> => (await resolve(world, key)).release();

const live = (world: TestRuntime): readonly string[] =>
  world.runtime.registry
    .keys()
    .map(({ key }) => key)
    .sort((a, b) => (a < b ? -1 : 1));

test('a hundred that ask for a sleeping session at once, by whatever name, get one and the same', async () => {
  const making = gate();
  const stage = new Stage({ opening: () => making.opened });
  const { world, ids } = await asleep(['chat'], { agents: { stage } });
  await using _ = world;
  await world.runtime.addAlias('chat', 'alias');
  const names = [{ key: 'chat' }, { id: ids.chat ?? '' }, { key: 'alias', project: 'default' }];

  const asking = Array.from({ length: 100 }, (_each, index) =>
    world.runtime.registry.resolve(names[index % 3] ?? { key: 'chat' }),
  );
  making.open();
  const leases = await Promise.all(asking);

  expect(new Set(leases.map(({ session }) => session.id))).toEqual(new Set([ids.chat]));
  expect([stage.opened.length, world.runtime.registry.size]).toEqual([1, 1]);
});

test('a session that is asked for while it is put away comes after that, and there are never two', async () => {
  const [leaving, gone] = [gate(), gate()];
  const order: string[] = [];
  const stage = new Stage({
    opening: ({ number }) => void order.push(`opened ${number}`),
    closing: async ({ number }) => {
      leaving.open();
      await gone.opened;
      order.push(`closed ${number}`);
    },
  });
  const { world } = await asleep(['chat'], { agents: { stage } });
  await using _ = world;
  await use(world, 'chat');

  const evicted = world.runtime.evict('chat');
  await leaving.opened;
  const [asked, askedToo] = [resolve(world, 'chat'), resolve(world, 'chat')];
  const found = await world.runtime.registry.get({ key: 'chat' });
  gone.open();
  await Promise.all([asked, askedToo, evicted]);

  expect(found).toBe(null);
  expect(order).toEqual(['opened 1', 'closed 1', 'opened 2']);
});

test('what is leased is not put away: not by hand, not for room, not for its age', async () => {
  const { world } = await asleep(['a', 'b', 'c'], { limits: { liveMax: 2, idleMsMax: 10_000 } });
  await using _ = world;
  const lease = await resolve(world, 'a');

  await use(world, 'b');
  await use(world, 'c');
  await world.clock.advance(HOUR);
  const byHand = await refusal(world.runtime.evict('a'));
  const afterAnHour = [live(world), lease.state === null];
  lease.release();
  await world.clock.advance(10_000);
  const asLongAsAllowed = live(world);
  await world.clock.advance(1);

  expect(byHand).toBe('session.busy');
  expect(afterAnHour).toEqual([['a'], false]);
  expect([asLongAsAllowed, live(world)]).toEqual([['a'], []]);
});

test('a lease given back twice gives back one, and not that of another', async () => {
  const { world } = await asleep(['chat']);
  await using _ = world;
  const [first, second] = [await resolve(world, 'chat'), await resolve(world, 'chat')];

  first.release();
  first.release();

  expect(await refusal(world.runtime.evict('chat'))).toBe('session.busy');
  expect(await refusal(() => first.state)).toBe('keeper.gone');
  expect(second.state).not.toBe(null);
});

test('another session under the same key is another session, and the lease on the first one is over', async () => {
  const { world, ids } = await asleep(['chat']);
  await using _ = world;
  const before = await resolve(world, 'chat');

  await world.runtime.close('chat', { erase: true });
  await world.runtime.open('chat');
  const after = await resolve(world, 'chat');
  const byOldId = await refusal(world.runtime.registry.resolve({ id: ids.chat ?? '' }));

  expect(after.session.id).not.toBe(before.session.id);
  expect(await refusal(() => before.state)).toBe('keeper.gone');
  expect(byOldId).toBe('session.not_found');
  expect(live(world)).toEqual(['chat']);
});

test('who was used longest ago leaves, whatever the clock says, and never the one that was asked for', async () => {
  const { world } = await asleep(['a', 'b', 'c', 'd', 'e'], { limits: { liveMax: 3 } });
  await using _ = world;
  for (const key of ['a', 'b', 'c']) await use(world, key); // All in the same millisecond.

  (await world.runtime.registry.get({ key: 'a' }))?.release();
  world.clock.jumpWall(-HOUR);
  const first = await resolve(world, 'd');
  const withoutB = live(world);
  world.clock.jumpWall(48 * HOUR);
  const second = await resolve(world, 'e');

  expect(withoutB).toEqual(['a', 'c', 'd']);
  expect(live(world)).toEqual(['a', 'd', 'e']);
  expect([first.session.key, second.session.key]).toEqual(['d', 'e']);
});

test('how many are live is a setting, and when all of them are held the next one is refused as such', async () => {
  for (const liveMax of [0, -1, Number.NaN])
    expect(await refusal(testRuntime({ limits: { liveMax } }))).toBe('config.invalid');
  const { world } = await asleep(['a', 'b', 'c'], { limits: { liveMax: 2 } });
  await using _ = world;
  const lease = await resolve(world, 'a');
  await resolve(world, 'b');

  const third = await refusal(resolve(world, 'c'));
  lease.release();
  const again = await resolve(world, 'c');

  expect(third).toBe('capacity');
  expect([again.session.key, live(world)]).toEqual(['c', ['b', 'c']]);
});

test('how often a session was found live, and why others left, is counted and shown', async () => {
  const { world } = await asleep(['a', 'b'], { limits: { liveMax: 1, idleMsMax: 10_000 } });
  await using _ = world;

  await use(world, 'a');
  await use(world, 'a');
  await use(world, 'b');
  await world.clock.advance(10_001);
  await use(world, 'b');
  const { registry, evictions } = world.runtime.stats();

  expect(registry).toEqual({ hits: 1, misses: 3 });
  expect(evictions).toMatchObject({ capacity: 1, idle: 1, memory: 0 });
});

test('watching changes nothing: not who leaves next, not what is there, not the log', async () => {
  const writes: unknown[] = [];
  const onWrite = (append: unknown): void => void writes.push(append);
  const { world } = await asleep(['a', 'b', 'c', 'asleep'], { limits: { liveMax: 2 }, onWrite });
  await using _ = world;
  await use(world, 'a');
  await use(world, 'b');
  const { registry } = world.runtime;
  const before = [writes.length, world.runtime.stats().registry];

  for (const key of ['a', 'asleep', 'nobody']) await registry.peek({ key });
  registry.values();
  registry.keys();
  const after = [writes.length, world.runtime.stats().registry];
  const stillLive = live(world);
  await use(world, 'c');

  expect(after).toEqual(before);
  expect(stillLive).toEqual(['a', 'b']);
  expect(live(world)).toEqual(['b', 'c']);
});

test('what a watcher is given is a copy of that moment, and frozen', async () => {
  const { world, ids } = await asleep(['a', 'b']);
  await using _ = world;
  await use(world, 'a');
  const { registry } = world.runtime;
  const [keys, values] = [registry.keys(), registry.values()];
  const peeked = await registry.peek({ id: ids.a ?? '' });

  for (const { key } of keys) await world.runtime.evict(key); // Going through it while it changes.
  await use(world, 'b');

  expect(keys).toEqual([{ id: ids.a, project: 'default', key: 'a' }]);
  expect(values).toEqual([{ ...peeked, state: undefined }]);
  expect(peeked).toMatchObject({ session: { id: ids.a, agent: 'scripted', owner: null }, held: false });
  for (const shown of [keys[0], values[0], values[0]?.session, peeked, peeked?.state, peeked?.state?.calls])
    expect(Object.isFrozen(shown)).toBe(true);
});

test('asking for a live one makes nothing, and is a use of it', async () => {
  const { world, ids } = await asleep(['a'], { limits: { idleMsMax: 10_000 } });
  await using _ = world;
  const { registry } = world.runtime;

  const sleeping = [await registry.get({ key: 'a' }), await registry.peek({ key: 'a' })];
  const unknown = [await registry.get({ key: 'nobody' }), await registry.get({ id: 'nobody' })];
  await use(world, 'a');
  await world.clock.advance(9_000);
  const found = await registry.get({ id: ids.a ?? '' });
  found?.release();
  await world.clock.advance(9_000);

  expect([...sleeping, ...unknown]).toEqual([null, null, null, null]);
  expect(found?.session.key).toBe('a');
  expect(live(world)).toEqual(['a']);
  expect((await world.runtime.sessions()).sessions.map(({ key }) => key)).toEqual(['a']);
});

test('one that is not there is not made by asking for it', async () => {
  const { world } = await asleep([]);
  await using _ = world;
  const { registry } = world.runtime;

  const asked = [
    await refusal(registry.resolve({ key: 'nobody' })),
    await refusal(registry.resolve({ id: 'nobody' })),
    await refusal(registry.resolve({ key: 'nobody', id: undefined } as never)),
    await refusal(registry.resolveIfAllowed({ key: 'nobody' })),
  ];

  expect(new Set(asked)).toEqual(new Set(['session.not_found']));
  expect([registry.size, (await world.runtime.sessions()).sessions]).toEqual([0, []]);
});

test('who names no session gets none, and no other one instead', async () => {
  const { world, ids } = await asleep(['a']);
  await using _ = world;
  await use(world, 'a');
  const { registry } = world.runtime;
  const nameless: unknown[] = [
    {},
    { project: 'default' },
    { key: undefined },
    { id: 7 },
    { key: 'a', id: ids.a },
  ];

  for (const target of nameless) {
    expect(await refusal(registry.resolve(target as never))).toBe('input.invalid');
    expect(await refusal(registry.get(target as never))).toBe('input.invalid');
  }
  expect(await refusal(registry.resolve({ key: '' }))).toBe('key.invalid');
  expect(await refusal(registry.resolve({ key: 'a', project: 'other' }))).toBe('session.not_found');
});

test('a lease says whose it is and what its next turn has, as it is now', async () => {
  const { world, ids } = await asleep([]);
  await using _ = world;
  await say(world, 'chat', 'hello');
  const { id } = await world.runtime.session('chat');
  using lease = await resolve(world, 'chat');
  const before = lease.state?.lastSeq ?? 0;

  await say(world, 'chat', 'and more');
  const { headSeq } = await world.runtime.session('chat');

  expect(ids).toEqual({});
  expect(lease.session).toEqual({
    id,
    key: 'chat',
    project: 'default',
    agent: 'scripted',
    owner: null,
    parent: null,
  });
  expect([before < headSeq, lease.state?.lastSeq]).toEqual([true, headSeq]);
});

test('a session that works can be leased without disturbing it, and its turn ends as ever', async () => {
  const stage = new Stage();
  const { world } = await asleep(['chat'], { agents: { stage } });
  await using _ = world;
  const { turn } = await send(world, 'chat', 'work');
  const act = await stage.next();

  using lease = await resolve(world, 'chat');
  act.end();
  const ended = await outcome(world, 'chat', turn);

  expect(ended.outcome).toBe('completed');
  expect(lease.session.key).toBe('chat');
  expect(stage.opened.length).toBe(1);
});

test('a leased session that is out of date is remade for the next who asks, and the lease goes on with it', async () => {
  const stage = new Stage();
  const { world } = await asleep(['chat'], { agents: { stage } });
  await using _ = world;
  using lease = await resolve(world, 'chat');

  await world.runtime.dirty({ key: 'chat', reason: 'new settings' });
  await use(world, 'chat');

  expect(stage.alive.map(({ number }) => number)).toEqual([2]);
  expect(lease.state).not.toBe(null);
  expect((await seen(world, 'chat', 'session.remade')).body.reason).toBe('new settings');
});
