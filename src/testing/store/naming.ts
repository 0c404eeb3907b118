// Naming: keys, aliases, and what is left when a session is erased.
import type { TestRunner } from '../agent-conformance.ts';
import type { OpenStore } from '../store-conformance.ts';
import { codeOf, event, Trial } from './trial.ts';

export function naming({ test, expect }: TestRunner, open: OpenStore): void {
  test(
    'keys are exact: case, accents and blanks tell sessions apart, and so do projects',
    Trial.run(open, async (trial) => {
      const keys = ['a', 'A', 'ä', 'a\u0308', 'a ', '中', 'Straße', 'STRASSE', "'; DROP TABLE sessions; --"];
      for (const key of keys) await trial.make(key);
      await trial.make('a', { project: 'other', id: 'other a' });

      const found = await Promise.all(keys.map((key) => trial.store.byKey('default', key)));

      expect(found.map((row) => row?.id)).toEqual(keys.map((key) => `id of ${key}`));
      expect((await trial.store.byKey('other', 'a'))?.id).toBe('other a');
      expect(await trial.store.byKey('other', 'A')).toBe(null);
    }),
  );

  test(
    'that a session is internal is said when it is made, and stays',
    Trial.run(open, async (trial) => {
      const own = await trial.make('own', { internal: true });
      await trial.make('plain');
      await trial.write({ session: own.num, epoch: own.epoch, events: [], row: { title: 'renamed' } });
      await trial.reopen();

      expect((await trial.store.byKey('default', 'own'))?.internal).toBe(true);
      expect((await trial.store.byKey('default', 'plain'))?.internal).toBe(false);
      const { sessions } = await trial.store.list({ project: 'default', limit: 10 });
      expect(sessions.filter(({ internal }) => internal).map(({ key }) => key)).toEqual(['own']);
    }),
  );

  test(
    'an alias is another key for its session, until it is removed',
    Trial.run(open, async (trial) => {
      const { num } = await trial.make('a');
      await trial.make('b');
      await trial.store.addAlias(num, 'also a');

      expect((await trial.store.byKey('default', 'also a'))?.num).toBe(num);
      expect((await trial.store.byKey('default', 'also a'))?.key).toBe('a');
      expect(await trial.store.byKey('other', 'also a')).toBe(null);
      expect(await trial.store.aliases(num)).toEqual(['also a']);
      for (const taken of ['a', 'b', 'also a']) {
        expect(await codeOf(trial.store.addAlias(num, taken))).toBe('session.exists');
      }
      const made = await trial.append({ session: trial.session('also a'), epoch: 0, events: [] });
      expect([made.kind, made.kind === 'exists' && made.row.num]).toEqual(['exists', num]);
      expect(await trial.store.removeAlias('default', 'a')).toBe(false);
      expect(await trial.store.removeAlias('default', 'also a')).toBe(true);
      expect(await trial.store.removeAlias('default', 'also a')).toBe(false);
      expect(await trial.store.byKey('default', 'also a')).toBe(null);
    }),
  );

  test(
    'erasing leaves nothing, frees the key and its aliases, and names the artifacts nobody else has',
    Trial.run(open, async (trial) => {
      const artifact = (digest: string) => ({ digest, bytes: 1, mediaType: 'text/plain', name: null, at: 1 });
      const { num, epoch } = await trial.make('a', { labels: ['x'] });
      const other = await trial.make('b');
      await trial.store.addAlias(num, 'alias');
      await trial.write({
        session: num,
        epoch,
        events: [event('x')],
        snapshot: '{}',
        turns: [{ id: 't', acceptedEvent: 0 }],
        requests: [{ id: 'r', turn: 't', key: 'k', state: 'open', openedEvent: 0 }],
        artifacts: [artifact('shared'), artifact('own')],
        once: { key: 'o', hash: 'h', receipt: '{}', expiresAt: Number.MAX_SAFE_INTEGER },
      });
      await trial.write({ session: other.num, epoch, events: [], artifacts: [artifact('shared')] });

      expect(await trial.store.erase(num)).toEqual({ orphans: ['own'] });

      expect(await trial.store.byKey('default', 'a')).toBe(null);
      expect(await trial.store.byKey('default', 'alias')).toBe(null);
      expect(await trial.store.byId('id of a')).toBe(null);
      expect(await codeOf(trial.log(num))).toBe('session.not_found');
      expect(await trial.store.turn(num, 't')).toBe(null);
      expect(await trial.store.openRequests('default', 9)).toEqual([]);
      expect(await trial.store.unfinished(0, 9)).toEqual([]);
      expect(await trial.store.once(num, 'o', 0)).toBe(null);
      expect(await trial.store.artifacts(num)).toEqual([]);
      expect(await trial.store.snapshot(num)).toBe(null);
      expect(await codeOf(trial.say({ num, epoch }, 'late'))).toBe('session.not_found');
      expect(await codeOf(trial.store.erase(num))).toBe('session.not_found');
      const again = await trial.make('a', { id: 'another' });
      expect(again.num === num).toBe(false);
      expect(await trial.texts(again.num)).toEqual([]);
    }),
  );
}
