// Sign-ins: how long they live, how they end, and what the store is asked for. Where each trap is shown:
//
//   D-1   'idle for 24 hours it is refused, and asking does not revive it', 'exactly at thirty minutes it lives, a moment later it does not'
//   D-2   'what has expired stays dead after a restart, whatever the new settings say'
//   D-3   'signed out is signed out: at once, after a restart, and for good'
//   D-4   'two hundred that sign in at once under one name are one identity'
//   D-5   'a second sign-in of an identity leaves the first alone, also after a restart'
//   D-9   'what a store throws comes out as an error of ours that says nothing of its statements'
//   D-10  'a store that cannot answer is unavailable, never a sign-in that does not count'
//   D-11  'a use that could not be written changes nothing for who is using it'
//   D-12  'a hundred validations read and write nothing, and what they leave unwritten is written on closing'
//   D-15  'a list is a copy: whoever changes it changes nobody', 'live sign-ins of one identity are bounded, and those that are over do not count'
//   D-16  'a wall clock that is set back makes no sign-in live longer', 'times are told in UTC'
//   D-17  'a new folder knows nobody, and no list shows a secret or its hash'
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createSignIns } from '../src/identity/identity.ts';
import { KnownSignIn, KnownSignIns } from '../src/identity/known.ts';
import { MemoryStore } from '../src/testing/memory-store.ts';
import { ManualClock } from '../src/testing/manual-clock.ts';
import { codeOf, HOUR, MINUTE, SignInWorld } from './identity-world.ts';

const ALL = { activeSince: 0, now: 0 };
const HAL = { name: 'Hal' };

describe('an identity', () => {
  test('is made at its first sign-in and found again by the next', async () => {
    const { signIns } = await SignInWorld.open();

    const first = await signIns.signIn({ name: 'Hal', context: 'bridge' });
    const again = await signIns.signIn({ name: ' HAL', context: 'Bridge ' });
    const other = await signIns.signIn(HAL);

    expect(again.identity).toEqual(first.identity);
    expect(first.identity.displayName).toBe('Hal - bridge');
    expect(other.identity.id).not.toBe(first.identity.id);
    expect(new Set([first.token, again.token, other.token]).size).toBe(3);
    expect(await signIns.find('default', { name: 'hal', context: 'BRIDGE' })).toEqual(first.identity);
    expect(await signIns.find('other', { name: 'hal', context: 'BRIDGE' })).toBe(null);
  });

  test('two hundred that sign in at once under one name are one identity', async () => {
    const world = await SignInWorld.open();

    const all = await Promise.all(Array.from({ length: 200 }, () => world.signIns.signIn(HAL)));
    await world.restart();

    expect(new Set(all.map(({ identity }) => identity.id)).size).toBe(1);
    expect((await world.signIns.identities()).identities.length).toBe(1);
    expect(await world.signIns.count()).toBe(200);
    const kinds = await Promise.all(all.map(({ token }) => world.kind(token)));
    expect(new Set(kinds)).toEqual(new Set(['live']));
  });

  test('a second sign-in of an identity leaves the first alone, also after a restart', async () => {
    const world = await SignInWorld.open();
    const first = await world.signIns.signIn(HAL);
    const second = await world.signIns.signIn(HAL);

    expect([await world.kind(first.token), await world.kind(second.token)]).toEqual(['live', 'live']);
    await world.restart();
    expect([await world.kind(first.token), await world.kind(second.token)]).toEqual(['live', 'live']);
    await world.signIns.signOut(first.token);
    expect([await world.kind(first.token), await world.kind(second.token)]).toEqual(['signed-out', 'live']);
  });

  test('live sign-ins of one identity are bounded, and those that are over do not count', async () => {
    const world = await SignInWorld.open({ signInsPerIdentityMax: 2, identitiesMax: 1 });
    const { signIns, clock } = world;
    const { token } = await signIns.signIn(HAL);
    await signIns.signIn(HAL);

    expect(await codeOf(signIns.signIn(HAL))).toBe('sign-in.limit');
    expect(await codeOf(signIns.signIn({ name: 'Eve' }))).toBe('identity.limit');
    await signIns.signOut(token);
    expect(await codeOf(signIns.signIn(HAL))).toBe('none');
    await clock.advance(31 * MINUTE);
    expect(await signIns.count()).toBe(0);
    expect(await codeOf(signIns.signIn(HAL))).toBe('none');
  });
});

describe('time', () => {
  test('exactly at thirty minutes it lives, a moment later it does not', async () => {
    const world = await SignInWorld.open();
    const kept = await world.signIns.signIn(HAL);
    const left = await world.signIns.signIn(HAL);
    await world.clock.advance(30 * MINUTE);

    expect(await world.kind(kept.token)).toBe('live');
    await world.clock.advance(1);
    expect(await world.kind(left.token)).toBe('idle');
    await world.clock.advance(30 * MINUTE - 1);
    expect(await world.kind(kept.token)).toBe('live');
  });

  test('idle for 24 hours it is refused, and asking does not revive it', async () => {
    const world = await SignInWorld.open();
    const { token } = await world.signIns.signIn(HAL);
    await world.clock.advance(24 * HOUR);

    for (let ask = 0; ask < 3; ask++) expect(await world.kind(token)).not.toBe('live');
    expect(await codeOf(world.signIns.speaker(token))).toBe('sign-in.expired');
  });

  test('idle for 24 hours while nobody swept it is refused, after a restart too', async () => {
    const world = await SignInWorld.open({ signInSweepMs: Infinity });
    const { token } = await world.signIns.signIn(HAL);
    await world.stop();
    await world.clock.advance(24 * HOUR);
    await world.start();

    expect([await world.kind(token), await world.kind(token)]).toEqual(['expired', 'expired']);
  });

  test('used all the time it is over after twelve hours all the same', async () => {
    const world = await SignInWorld.open();
    const { token, expiresAt } = await world.signIns.signIn(HAL);
    for (let spent = 0; spent < 12 * HOUR; spent += 30 * MINUTE) {
      expect(await world.kind(token)).toBe('live');
      await world.clock.advance(30 * MINUTE);
    }

    expect(await world.kind(token)).toBe('live');
    expect(new Date(world.clock.now()).toISOString()).toBe(expiresAt);
    await world.clock.advance(1);
    expect(await world.kind(token)).toBe('expired');
  });

  test('what has expired stays dead after a restart, whatever the new settings say', async () => {
    const world = await SignInWorld.open();
    const asked = await world.signIns.signIn(HAL);
    const swept = await world.signIns.signIn(HAL);
    await world.clock.advance(31 * MINUTE);
    expect(await world.kind(asked.token)).toBe('idle');
    await world.clock.advance(10 * MINUTE);
    await world.swept();

    await world.restart({ signInIdleMsMax: 10 * HOUR });
    world.clock.jumpWall(-40 * MINUTE);

    expect([await world.kind(asked.token), await world.kind(swept.token)]).toEqual(['idle', 'idle']);
  });

  test('a wall clock that is set back makes no sign-in live longer', async () => {
    const world = await SignInWorld.open();
    const { token } = await world.signIns.signIn(HAL);
    const used = await world.signIns.signIn(HAL);
    world.clock.jumpWall(-HOUR);
    await world.clock.advance(29 * MINUTE);
    expect(await world.kind(used.token)).toBe('live');
    await world.clock.advance(2 * MINUTE);

    expect([await world.kind(token), await world.kind(used.token)]).toEqual(['idle', 'live']);
    world.clock.jumpWall(24 * HOUR);
    expect(await world.kind(used.token)).not.toBe('live');
    world.clock.jumpWall(-24 * HOUR);
    expect(await world.kind(used.token)).not.toBe('live');
  });

  test('times are told in UTC', async () => {
    const { signIns, clock } = await SignInWorld.open();
    const { createdAt, lastActiveAt, expiresAt, identity, idleMsMax } = await signIns.signIn(HAL);
    const now = new Date(clock.now()).toISOString();

    expect([createdAt, lastActiveAt, identity.createdAt, identity.lastActiveAt]).toEqual([
      now,
      now,
      now,
      now,
    ]);
    expect(expiresAt).toBe(new Date(clock.now() + 12 * HOUR).toISOString());
    expect(idleMsMax).toBe(30 * MINUTE);
  });

  test.each([0, -1, Number.NaN, '5' as unknown as number])('a bound of %s is refused', (bad) => {
    const store = new MemoryStore({ clock: new ManualClock() });

    for (const limit of ['signInIdleMsMax', 'signInMsMax', 'signInTouchMs', 'signInSweepMs'])
      expect(() => createSignIns({ store, limits: { [limit]: bad } })).toThrow(limit);
  });

  test('bounds beyond any clock mean that time ends no sign-in', async () => {
    const world = await SignInWorld.open({ signInIdleMsMax: Infinity, signInMsMax: Infinity });
    const { token, expiresAt } = await world.signIns.signIn(HAL);
    world.signIns.watch((await world.signIns.list()).signIns[0]?.id ?? '', () => expect.unreachable());
    await world.clock.advance(40 * 24 * HOUR);

    expect(await world.kind(token)).toBe('live');
    expect(expiresAt.slice(0, 4)).toBe('9999');
  });
});

describe('signing out', () => {
  test('signed out is signed out: at once, after a restart, and for good', async () => {
    const world = await SignInWorld.open();
    const { token } = await world.signIns.signIn(HAL);
    await world.kind(token);

    expect(await world.signIns.signOut(token)).toBe(true);
    expect(await world.kind(token)).toBe('signed-out');
    expect(await world.signIns.signOut(token)).toBe(false);
    await world.restart();
    expect(await world.kind(token)).toBe('signed-out');
    expect(await codeOf(world.signIns.speaker(token))).toBe('sign-in.ended');
    await world.clock.advance(24 * HOUR);
    await world.swept();
    expect(await world.kind(token)).toBe('signed-out');
    await world.clock.advance(1);
    await world.swept();
    expect(await world.kind(token)).toBe('unknown');
  });

  test('it survives a look-up that began before it and ends after it', async () => {
    const world = await SignInWorld.open();
    const { token, id } = await world.signIns.signIn(HAL);
    await world.restart();
    const held = Promise.withResolvers<void>();
    // The row has been read, and its reader is still on its way.
    const reached = Promise.withResolvers<void>();
    world.after = async (call) => {
      if (call !== 'byHash') return;
      world.after = () => undefined;
      reached.resolve();
      await held.promise;
    };
    const looking = world.kind(token);
    await reached.promise;
    await world.signIns.end('default', id);
    held.resolve();

    expect(await looking).toBe('signed-out');
    expect(await world.kind(token)).toBe('signed-out');
  });

  test('what nobody knows is signed out without a word', async () => {
    const { signIns } = await SignInWorld.open();

    for (const token of [
      '',
      'x',
      'soj_in_',
      `soj_in_${'a'.repeat(43)}000000`,
      undefined as unknown as string,
    ])
      expect(await signIns.signOut(token)).toBe(false);
  });

  test('one that is not written has not happened, and can be tried again', async () => {
    const world = await SignInWorld.open();
    const { token } = await world.signIns.signIn(HAL);
    world.before = (call) => {
      if (call === 'end') throw new Error('disk I/O error');
    };

    expect(await codeOf(world.signIns.signOut(token))).toBe('store.failed');
    expect(await world.kind(token)).toBe('live');
    world.before = () => undefined;
    expect(await world.signIns.signOut(token)).toBe(true);
    expect(await world.kind(token)).toBe('signed-out');
  });

  test('who listens hears of every end once: by hand, by time, by another owner', async () => {
    const world = await SignInWorld.open();
    const { signIns, clock } = world;
    const heard: string[] = [];
    signIns.onEnd(() => {
      throw new Error('a bad listener');
    });
    const stop = signIns.onEnd(({ signIn, why }) => heard.push(`${names.get(signIn)} ${why}`));
    const names = new Map<string, string>();
    const signIn = async (name: string) => {
      const made = await signIns.signIn({ name });
      names.set(made.id, name);
      return made;
    };
    const [out, idle, claimed] = [await signIn('out'), await signIn('idle'), await signIn('claimed')];
    signIns.watch(idle.id, () => heard.push('watched'));

    await signIns.signOut(out.token);
    await signIns.setOwner('default', claimed.identity.id, 'alice');
    expect(heard).toEqual(['out signed-out', 'claimed claimed']);
    await clock.advance(30 * MINUTE + 1);
    expect(heard.slice(2)).toEqual(['watched', 'idle idle']);
    await clock.advance(HOUR);
    stop();
    await signIns.signOut((await signIn('later')).token);

    expect(heard.length).toBe(4);
    expect(world.logged.some(({ event }) => event === 'sign-in.listener_failed')).toBe(true);
  });

  test('a watch ends to the millisecond, later when it was used, and tells at once of what is over', async () => {
    const world = await SignInWorld.open({ signInSweepMs: Infinity });
    const { signIns, clock } = world;
    const { token, id } = await signIns.signIn(HAL);
    let ended = 0;
    signIns.watch(id, () => (ended += 1));
    signIns.watch(id, () => (ended += 100))();
    await clock.advance(20 * MINUTE);
    await world.kind(token);
    await clock.advance(30 * MINUTE);

    expect(ended).toBe(0);
    await clock.advance(1);
    expect(ended).toBe(1);
    signIns.watch(id, () => (ended += 10));
    await clock.advance(0);
    expect(ended).toBe(11);
    await signIns.close();
    expect(clock.pending).toBe(0);
  });
});

describe('the store', () => {
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
});
