// Staging: sessions that are put together where nobody sees them, and get their key when they are whole.
import type { TestRunner } from '../agent-conformance.ts';
import type { OpenStore } from '../store-conformance.ts';
import { event, Trial } from './trial.ts';

const STAGED = '\u0001staged';

export function staging({ test, expect }: TestRunner, open: OpenStore): void {
  test(
    'a staged session is in no list, and is found by who clears up',
    Trial.run(open, async (trial) => {
      const { num } = await trial.make(`${STAGED} a`, { title: 'Wanted', agent: 'echo' });
      await trial.make(`${STAGED} b`, { project: 'other' });
      const seen = await trial.make('seen', { title: 'Wanted', agent: 'echo' });

      for (const filter of [{}, { q: 'wanted' }, { agent: 'echo' }, { agent: 'echo', q: 'want' }]) {
        const page = await trial.store.list({ project: 'default', limit: 10, ...filter });
        expect(page.sessions.map((row) => row.num)).toEqual([seen.num]);
      }
      const staged = await trial.store.staged(10);
      expect(staged.map((row) => row.key)).toEqual([`${STAGED} a`, `${STAGED} b`]);
      expect((await trial.store.staged(1)).map((row) => row.num)).toEqual([num]);
    }),
  );

  test(
    'a staged session gets its key together with the last of what it is made of',
    Trial.run(open, async (trial) => {
      const { num, epoch } = await trial.make(STAGED, { title: 'Wanted' }, ['one']);

      const events = [event('two', { turn: 't' })];
      const turns = [{ id: 't', state: 'done' as const, endEvent: 0 }];
      await trial.write({ session: num, epoch, events, turns, key: 'a', row: { turnsEnded: 1 } });

      const row = await trial.store.byKey('default', 'a');
      expect([row?.num, row?.key, row?.headSeq, row?.turnsEnded]).toEqual([num, 'a', 2, 1]);
      expect(await trial.store.byKey('default', STAGED)).toBe(null);
      expect(await trial.store.staged(10)).toEqual([]);
      expect((await trial.store.turn(num, 't'))?.endSeq).toBe(2);
      for (const q of ['a', 'wanted']) {
        const page = await trial.store.list({ project: 'default', limit: 10, q });
        expect(page.sessions.map((row) => row.num)).toEqual([num]);
      }
      expect(await trial.texts(num)).toEqual(['one', 'two']);
      await trial.make(STAGED, { id: 'another' });
    }),
  );

  test(
    'where the key is taken nothing is written, and another one will do',
    Trial.run(open, async (trial) => {
      const taken = await trial.make('taken');
      await trial.store.addAlias(taken.num, 'alias');
      const { num, epoch } = await trial.make(STAGED);

      for (const key of ['taken', 'alias']) {
        const events = [event('lost')];
        const answer = await trial.append({ session: num, epoch, events, key, row: { title: 'lost' } });
        expect([answer.kind, answer.kind === 'exists' && answer.row.num]).toEqual(['exists', taken.num]);
      }
      expect(await trial.texts(num)).toEqual([]);
      await trial.write({ session: num, epoch, events: [event('kept')], key: 'free' });
      const row = await trial.store.byKey('default', 'free');
      expect([row?.num, row?.title, row?.headSeq]).toEqual([num, null, 1]);
    }),
  );

  test(
    'of two that want the same key at once one gets it',
    Trial.run(open, async (trial) => {
      const one = await trial.make(`${STAGED} 1`);
      const two = await trial.make(`${STAGED} 2`);

      const answers = await Promise.all(
        [one, two].map(({ num, epoch }) => trial.append({ session: num, epoch, events: [], key: 'a' })),
      );

      expect(answers.map(({ kind }) => kind)).toEqual(['appended', 'exists']);
      expect((await trial.store.byKey('default', 'a'))?.num).toBe(one.num);
      expect((await trial.store.staged(10)).map((row) => row.num)).toEqual([two.num]);
    }),
  );

  test(
    'what a crash leaves staged is there to be erased, and its key is free then',
    Trial.run(open, async (trial) => {
      const { num } = await trial.make(STAGED, {}, ['half']);
      await trial.reopen();

      const [left] = await trial.store.staged(10);
      await trial.store.erase(left?.num ?? 0);

      expect(left?.num).toBe(num);
      expect(await trial.store.staged(10)).toEqual([]);
      await trial.make(STAGED, { id: 'another' });
    }),
  );
}
