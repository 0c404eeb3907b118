// Identifying: identities and sign-ins.
import type { NewSignIn, SignedIn } from '../../store/store.ts';
import type { TestRunner } from '../agent-conformance.ts';
import type { OpenStore } from '../store-conformance.ts';
import { codeOf, Trial } from './trial.ts';

type Given = Partial<Omit<NewSignIn, 'identity' | 'signIn'>> & {
  identity?: Partial<NewSignIn['identity']>;
  signIn?: Partial<NewSignIn['signIn']>;
};

const ALWAYS = { activeSince: 0, now: 0 };
let made = 0;

/** Each has an id of its own, as those that meet in a store do. */
function signInCall(key: string, { identity, signIn, ...more }: Given = {}): NewSignIn {
  const id = String(++made);
  return {
    identity: {
      id: `identity ${id}`,
      project: 'default',
      key,
      name: key,
      context: null,
      avatarSeed: 'seed',
      ...identity,
    },
    signIn: {
      id: `sign-in ${id}`,
      hash: `hash ${id}`,
      owner: null,
      token: null,
      expiresAt: 1_000,
      ...signIn,
    },
    claim: false,
    at: 1,
    live: ALWAYS,
    identitiesMax: 100,
    signInsMax: 100,
    ...more,
  };
}

export function identifying(runner: TestRunner, open: OpenStore): void {
  finding(runner, open);
  ending(runner, open);
  claiming(runner, open);
}

function finding({ test, expect }: TestRunner, open: OpenStore): void {
  test(
    'all who sign in at once under one key speak as one identity, made once',
    Trial.run(open, async ({ store: { identities } }) => {
      const calls = Array.from({ length: 100 }, () => signInCall('["hal",null]'));

      const all = await Promise.all(calls.map((call) => identities.signIn(call)));
      const other = await identities.signIn(
        signInCall('["hal",null]', { identity: { project: 'other', name: 'HAL' } }),
      );

      expect(new Set(all.map(({ identity }) => identity.id)).size).toBe(1);
      expect(all.filter((one) => one.made).length).toBe(1);
      expect(new Set(all.map(({ signIn }) => signIn.id)).size).toBe(100);
      expect([other.made, other.identity.name]).toEqual([true, 'HAL']);
      expect((await identities.identities({ project: 'default', limit: 9 })).identities.length).toBe(1);
    }),
  );

  test(
    'a sign-in is found by the hash of its secret, with its identity, also after opening again',
    Trial.run(open, async (trial) => {
      const { made: _made, ended: _ended, ...row } = await trial.store.identities.signIn(signInCall('a'));
      await trial.store.identities.signIn(signInCall('b'));
      await trial.reopen();
      const { identities } = trial.store;

      expect(await identities.byHash(row.signIn.hash)).toEqual(row);
      expect(await identities.byHash('another')).toBe(null);
      expect(await identities.byId(row.signIn.id)).toEqual(row);
      expect(await identities.byId(row.signIn.hash)).toBe(null);
      expect(await identities.identity('default', row.identity.id)).toEqual(row.identity);
      expect(await identities.identityByKey('default', 'a')).toEqual(row.identity);
      expect(await identities.identity('other', row.identity.id)).toBe(null);
      expect(await identities.identityByKey('other', 'a')).toBe(null);
    }),
  );

  test(
    'lists go from the newest to the oldest, page by page, and do not jump when somebody joins',
    Trial.run(open, async ({ store: { identities } }) => {
      const rows: SignedIn[] = [];
      for (const key of ['a', 'b', 'c']) rows.push(await identities.signIn(signInCall(key)));
      const first = await identities.identities({ project: 'default', limit: 2 });
      const signIns = await identities.signIns({ project: 'default', limit: 2, live: ALWAYS });
      await identities.signIn(signInCall('d'));
      const cursor = first.nextCursor ?? '';
      const second = await identities.identities({ project: 'default', limit: 2, cursor });
      const rest = await identities.signIns({
        project: 'default',
        limit: 2,
        live: ALWAYS,
        cursor: signIns.nextCursor ?? '',
      });

      expect(first.identities.map(({ key }) => key)).toEqual(['c', 'b']);
      expect(second.identities.map(({ key }) => key)).toEqual(['a']);
      expect(second.nextCursor).toBe(null);
      expect(signIns.signIns.map(({ identity }) => identity.key)).toEqual(['c', 'b']);
      expect(rest.signIns.map(({ identity }) => identity.key)).toEqual(['a']);
      const ofB = rows[1]?.identity.id ?? '';
      const own = await identities.signIns({ project: 'default', identity: ofB, limit: 9, live: ALWAYS });
      expect(own.signIns.map(({ signIn }) => signIn.identity)).toEqual([ofB]);
      expect(await codeOf(identities.identities({ project: 'default', limit: 2, cursor: 'x' }))).toBe(
        'cursor.invalid',
      );
    }),
  );

  test(
    'a project has no more identities, and an identity no more live sign-ins, than is asked for',
    Trial.run(open, async ({ store: { identities } }) => {
      await identities.signIn(signInCall('a', { at: 1, signIn: { expiresAt: 10 } }));

      expect(await codeOf(identities.signIn(signInCall('b', { identitiesMax: 1 })))).toBe('identity.limit');
      expect(await codeOf(identities.signIn(signInCall('a', { signInsMax: 1 })))).toBe('sign-in.limit');
      const later = { live: { activeSince: 0, now: 11 }, signInsMax: 1 };
      expect((await identities.signIn(signInCall('a', later))).made).toBe(false);
    }),
  );
}

function ending({ test, expect }: TestRunner, open: OpenStore): void {
  test(
    'what has ended stays ended: no touch, no later end and no opening again changes it',
    Trial.run(open, async (trial) => {
      const { signIn, identity } = await trial.store.identities.signIn(signInCall('a'));

      expect(await trial.store.identities.end('other', signIn.id, 'signed-out', 5)).toBe(false);
      expect(await trial.store.identities.end('default', signIn.id, 'signed-out', 5)).toBe(true);
      expect(await trial.store.identities.end('default', signIn.id, 'expired', 6)).toBe(false);
      await trial.store.identities.touch([{ id: signIn.id, at: 7 }]);
      await trial.reopen();
      const found = await trial.store.identities.byHash(signIn.hash);

      expect([found?.signIn.end, found?.signIn.endedAt, found?.signIn.lastActiveAt]).toEqual([
        'signed-out',
        5,
        1,
      ]);
      expect(found?.identity).toEqual(identity);
      expect(await trial.store.identities.countLive('default', ALWAYS)).toBe(0);
    }),
  );

  test(
    'a touch moves the last activity of a sign-in and of its identity forward only',
    Trial.run(open, async ({ store: { identities } }) => {
      const { signIn } = await identities.signIn(signInCall('a', { at: 5 }));

      await identities.touch([
        { id: signIn.id, at: 9 },
        { id: 'nobody', at: 9 },
      ]);
      await identities.touch([{ id: signIn.id, at: 7 }]);
      const found = await identities.byHash(signIn.hash);

      expect([found?.signIn.lastActiveAt, found?.identity.lastActiveAt]).toEqual([9, 9]);
    }),
  );

  test(
    'exactly at a bound a sign-in lives; what is due ends with its reason, a few at a time, and is forgotten later',
    Trial.run(open, async ({ store: { identities } }) => {
      const old = await identities.signIn(signInCall('a', { at: 1, signIn: { expiresAt: 50 } }));
      const idle = await identities.signIn(signInCall('a', { at: 9 }));
      const live = await identities.signIn(signInCall('a', { at: 10, signIn: { expiresAt: 60 } }));
      const at = { activeSince: 10, now: 60 };

      expect(await identities.countLive(null, at)).toBe(1);
      expect(await identities.countLive('other', at)).toBe(0);
      expect(await identities.endDue(at, 1)).toEqual({ expired: [old.signIn.id], idle: [] });
      expect(await identities.endDue(at, 9)).toEqual({ expired: [], idle: [idle.signIn.id] });
      expect(await identities.endDue(at, 9)).toEqual({ expired: [], idle: [] });
      const ends = await Promise.all(
        [old, idle, live].map(async ({ signIn }) => (await identities.byHash(signIn.hash))?.signIn.end),
      );
      expect(ends).toEqual(['expired', 'idle', null]);
      expect(await identities.forget(60, 9)).toBe(0);
      expect(await identities.forget(61, 1)).toBe(1);
      expect(await identities.forget(61, 9)).toBe(1);
      expect(await identities.byHash(old.signIn.hash)).toBe(null);
      expect((await identities.byHash(live.signIn.hash))?.signIn.id).toBe(live.signIn.id);
    }),
  );

  test(
    'a sign-in ends with the token it was made with, and none is made with a token that is gone',
    Trial.run(open, async ({ store }) => {
      const token = { name: 'n', scopes: ['send'], owner: null, createdAt: 1, expiresAt: 400 };
      await store.addProject('p', 1);
      await store.addToken({ ...token, id: 't', hash: 'h', project: 'default' });
      await store.addToken({ ...token, id: 'u', hash: 'i', project: 'p' });
      const withT = signInCall('a', { signIn: { token: 't' } });
      const mine = await store.identities.signIn(withT);
      const theirs = await store.identities.signIn(signInCall('a', { signIn: { token: 'u' } }));
      const inside = await store.identities.signIn(signInCall('a', { identity: { project: 'p' } }));

      expect(mine.signIn.expiresAt).toBe(400);
      await store.removeToken('default', 't');
      await store.removeProject('p');

      expect((await store.identities.byHash(mine.signIn.hash))?.signIn.end).toBe('revoked');
      expect((await store.identities.byHash(theirs.signIn.hash))?.signIn.end).toBe('revoked');
      expect(await store.identities.byHash(inside.signIn.hash)).toBe(null);
      expect(await store.identities.identity('p', inside.identity.id)).toBe(null);
      expect(await codeOf(store.identities.signIn(signInCall('a', { signIn: { token: 't' } })))).toBe(
        'auth.required',
      );
    }),
  );
}

function claiming({ test, expect }: TestRunner, open: OpenStore): void {
  test(
    'only its maker claims an identity; then nobody else signs in as it, and who had ends',
    Trial.run(open, async ({ store: { identities } }) => {
      const by = (owner: string | null, claim = false) => signInCall('a', { claim, signIn: { owner } });
      const first = await identities.signIn(by('alice'));
      const guest = await identities.signIn(by('bob'));

      expect(await codeOf(identities.signIn(by('bob', true)))).toBe('identity.claimed');
      const claimed = await identities.signIn(by('alice', true));

      expect([claimed.identity.owner, claimed.made]).toEqual(['alice', false]);
      expect(claimed.ended).toEqual([guest.signIn.id]);
      expect((await identities.byHash(guest.signIn.hash))?.signIn.end).toBe('claimed');
      expect((await identities.byHash(first.signIn.hash))?.signIn.end).toBe(null);
      for (const owner of ['bob', null])
        expect(await codeOf(identities.signIn(by(owner)))).toBe('identity.claimed');
      expect((await identities.signIn(by('alice'))).identity.owner).toBe('alice');
    }),
  );

  test(
    'an identity is removed with its sign-ins, and who comes under its key is another',
    Trial.run(open, async (trial) => {
      const { identities } = trial.store;
      const first = await identities.signIn(signInCall('a'));
      const ended = await identities.signIn(signInCall('a'));
      const other = await identities.signIn(signInCall('b'));
      await identities.end('default', ended.signIn.id, 'signed-out', 2);

      expect(await identities.removeIdentity('other', first.identity.id)).toBe(null);
      expect(await identities.removeIdentity('default', first.identity.id)).toEqual([first.signIn.id]);
      expect(await identities.removeIdentity('default', first.identity.id)).toBe(null);
      await trial.reopen();
      const again = trial.store.identities;

      expect(await again.identity('default', first.identity.id)).toBe(null);
      expect(await again.byHash(first.signIn.hash)).toBe(null);
      expect(await again.byId(ended.signIn.id)).toBe(null);
      expect((await again.byId(other.signIn.id))?.identity.key).toBe('b');
      const anew = await again.signIn(signInCall('a'));
      expect([anew.made, anew.identity.id === first.identity.id]).toEqual([true, false]);
    }),
  );

  test(
    'an identity is given to another owner, and given free',
    Trial.run(open, async ({ store: { identities } }) => {
      const { identity, signIn } = await identities.signIn(signInCall('a', { signIn: { owner: 'alice' } }));

      const given = await identities.setOwner('default', identity.id, 'bob', 7);
      const freed = await identities.setOwner('default', identity.id, null, 8);

      expect([given?.identity.owner, given?.ended]).toEqual(['bob', [signIn.id]]);
      expect([freed?.identity.owner, freed?.ended]).toEqual([null, []]);
      expect((await identities.byHash(signIn.hash))?.signIn.endedAt).toBe(7);
      expect(await identities.setOwner('other', identity.id, 'bob', 9)).toBe(null);
    }),
  );
}
