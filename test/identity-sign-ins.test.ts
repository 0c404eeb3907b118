// Sign-ins: how long they live and how they end. Where each trap is shown:
//
//   D-1   'idle for 24 hours it is refused, and asking does not revive it', 'exactly at thirty minutes it lives, a moment later it does not'
//   D-2   'what has expired stays dead after a restart, whatever the new settings say'
//   D-3   'signed out is signed out: at once, after a restart, and for good'
//   D-4   'two hundred that sign in at once under one name are one identity'
//   D-5   'a second sign-in of an identity leaves the first alone, also after a restart'
//   D-15  'live sign-ins of one identity are bounded, and those that are over do not count'
//   D-16  'a wall clock that is set back makes no sign-in live longer', 'times are told in UTC'
import { describe, expect, test } from 'vitest';
import { createSignIns } from '../src/identity/identity.ts';
import { MemoryStore } from '../src/testing/memory-store.ts';
import { ManualClock } from '../src/testing/manual-clock.ts';
import { codeOf, HOUR, MINUTE, SignInWorld } from './identity-world.ts';

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

  test('a watch after a restart hears of the end, also when somebody else finds it at that moment', async () => {
    const world = await SignInWorld.open();
    const [kept, left] = [await world.signIns.signIn(HAL), await world.signIns.signIn(HAL)];
    await world.clock.advance(20 * MINUTE);
    await world.kind(kept.token);
    await world.restart();
    await world.clock.advance(11 * MINUTE);
    const heard: string[] = [];

    world.signIns.watch(kept.id, () => heard.push('kept'));
    world.signIns.watch(left.id, () => heard.push('left'));
    world.signIns.watch('nobody', () => heard.push('nobody'));
    expect(await world.kind(left.token)).toBe('idle');
    await world.settled();
    await world.clock.advance(0);

    expect(heard.toSorted()).toEqual(['left', 'nobody']);
    await world.signIns.signOut(kept.token);
    expect(heard.at(-1)).toBe('kept');
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
