// Sign-ins and their store: what it is asked for, what becomes of its failures, and what it never holds. Where each trap is
// shown:
//
//   D-9   'what a store throws comes out as an error of ours that says nothing of its statements'
//   D-10  'a store that cannot answer is unavailable, never a sign-in that does not count'
//   D-11  'a use that could not be written changes nothing for who is using it'
//   D-12  'a hundred validations read and write nothing, and what they leave unwritten is written on closing'
//   D-15  'a list is a copy: whoever changes it changes nobody'
//   D-17  'a new folder knows nobody, and no list shows a secret or its hash'
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { KnownSignIn, KnownSignIns } from '../src/identity/known.ts';
import { MINUTE, SignInWorld } from './identity-world.ts';

const ALL = { activeSince: 0, now: 0 };
const HAL = { name: 'Hal' };

test('a hundred validations read and write nothing, and what they leave unwritten is written on closing', async () => {
  const world = await SignInWorld.open();
  const { token, id } = await world.signIns.signIn(HAL);
  world.calls.length = 0;
  await world.clock.advance(59_999);

  for (let ask = 0; ask < 100; ask++) expect(await world.kind(token)).toBe('live');
  expect(world.calls).toEqual([]);
  const used = world.clock.now();
  await world.restart();
  expect((await world.stored(id))?.lastActiveAt).toBe(used);
});

test('in steady use it is written once a minute', async () => {
  const world = await SignInWorld.open({ signInSweepMs: Infinity });
  const { token } = await world.signIns.signIn(HAL);
  world.calls.length = 0;
  for (let second = 0; second < 600; second++) {
    await world.kind(token);
    await world.settled();
    await world.clock.advance(1_000);
  }

  expect(world.calls).toEqual(Array.from({ length: 9 }, () => 'touch'));
});

test('after a crash it is known when it was used, but for the last minute', async () => {
  const world = await SignInWorld.open();
  const { token } = await world.signIns.signIn(HAL);
  await world.clock.advance(29 * MINUTE);
  await world.kind(token);
  await world.clock.advance(0);
  await world.crash();
  await world.start();
  await world.clock.advance(30 * MINUTE);

  expect(await world.kind(token)).toBe('live');
});

test('after a crash what could not be written does not count, however long ago the last write was', async () => {
  const world = await SignInWorld.open({ signInSweepMs: Infinity });
  const { token, createdAt, id } = await world.signIns.signIn(HAL);
  world.before = (call) => {
    if (call === 'touch') throw new Error('disk I/O error');
  };
  for (const at of [10, 20]) {
    await world.clock.advance(10 * MINUTE);
    expect([at, await world.kind(token)]).toEqual([at, 'live']);
  }
  await world.clock.advance(0);
  await world.crash();
  world.before = () => undefined;
  await world.start();

  expect((await world.stored(id))?.lastActiveAt).toBe(Date.parse(createdAt));
  await world.clock.advance(10 * MINUTE + 1);
  expect(await world.kind(token)).toBe('idle');
});

test('a use that could not be written changes nothing for who is using it', async () => {
  const world = await SignInWorld.open();
  const { token, id } = await world.signIns.signIn(HAL);
  await world.clock.advance(20 * MINUTE);
  world.before = (call) => {
    if (call === 'touch') throw new Error('disk I/O error');
  };

  expect([await world.kind(token), await world.kind(token)]).toEqual(['live', 'live']);
  await world.clock.advance(20 * MINUTE);
  expect(await world.kind(token)).toBe('live');
  await world.clock.advance(0);
  expect(world.logged.some(({ event }) => event === 'sign-in.touch_failed')).toBe(true);
  world.before = () => undefined;
  const used = world.clock.now();
  await world.restart();
  expect((await world.stored(id))?.lastActiveAt).toBe(used);
});

test('a store that cannot answer is unavailable, never a sign-in that does not count', async () => {
  const world = await SignInWorld.open();
  const { token } = await world.signIns.signIn(HAL);
  await world.restart();
  world.before = () => {
    throw new Error('SQLITE_IOERR: disk I/O error');
  };
  const { signIns } = world;

  for (const call of [
    signIns.validate(token),
    signIns.speaker(token),
    signIns.signOut(token),
    signIns.signIn(HAL),
    signIns.list(),
    signIns.count(),
    signIns.identities(),
    signIns.identity('default', 'x'),
    signIns.setOwner('default', 'x', null),
  ]) {
    await expect(call).rejects.toMatchObject({ code: 'store.failed' });
  }
  world.before = () => undefined;
  expect(await world.kind(token)).toBe('live');
});

test('what a store throws comes out as an error of ours that says nothing of its statements', async () => {
  const world = await SignInWorld.open();
  world.before = () => {
    throw Object.assign(new Error('near "SELECT secret FROM signIns": syntax error'), { error: 'x' });
  };
  const error: unknown = await world.signIns.signIn(HAL).catch((thrown: unknown) => thrown);

  expect(error).toBeInstanceOf(Error);
  expect(error).toMatchObject({ code: 'store.failed', name: 'SojournError' });
  expect(String(error)).not.toMatch(/SELECT|secret|syntax/);
  expect(error instanceof Error && error.cause).toBeInstanceOf(Error);
});

test('a list is a copy: whoever changes it changes nobody', async () => {
  const world = await SignInWorld.open();
  const made = await world.signIns.signIn(HAL);
  made.identity.name = 'Eve';
  const check = await world.signIns.validate(made.token);
  if (check.kind !== 'live') throw new Error('It does not live');
  check.signIn.identity.owner = 'eve';
  const listed = await world.signIns.list();
  listed.signIns.pop();

  expect((await world.signIns.speaker(made.token)).identity).toMatchObject({ name: 'Hal', owner: null });
  expect((await world.signIns.list()).signIns.length).toBe(1);
});

test('a new folder knows nobody, and no list shows a secret or its hash', async () => {
  const world = await SignInWorld.open();
  expect(await world.signIns.identities()).toEqual({ identities: [], nextCursor: null });
  expect(await world.signIns.count()).toBe(0);
  for (const guess of ['', 'system-init-001', 'soj_in_', 'undefined', 'null', '1'])
    expect(await world.kind(guess)).toBe('unknown');

  const { token } = await world.signIns.signIn(HAL);
  await world.kind(token);
  const shown = JSON.stringify([await world.signIns.list(), await world.signIns.identities()]);
  const { signIns } = await world.store.signIns({
    project: 'default',
    limit: 1,
    live: ALL,
  });
  await world.stop();

  expect(token).toMatch(/^soj_in_[0-9A-Za-z]{40,}$/);
  expect(shown).not.toContain(token);
  expect(shown).not.toContain(signIns[0]?.signIn.hash);
  for (const file of readdirSync(world.folder, { recursive: true, withFileTypes: true })) {
    if (!file.isFile()) continue;
    expect(readFileSync(join(file.parentPath, file.name)).includes(token)).toBe(false);
  }
});

test('when memory is full the one that came first leaves it, but never one that is watched', async () => {
  const world = await SignInWorld.open();
  const known = new KnownSignIns(2);
  const entries: KnownSignIn[] = [];
  for (const name of ['a', 'b', 'c', 'd']) {
    await world.signIns.signIn({ name });
    const { signIns } = await world.store.signIns({ project: 'default', limit: 1, live: ALL });
    for (const row of signIns) entries.push(new KnownSignIn(row, { now: 0, monotonic: 0 }));
  }
  entries[0]?.watchers.add(() => undefined);

  for (const entry of entries) known.add(entry);

  expect(known.all().map(({ identity }) => identity.name)).toEqual(['a', 'd']);
  expect(known.byId(entries[1]?.signIn.id ?? '')).toBe(undefined);
});
