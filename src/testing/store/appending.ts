// Appending: one transaction each, numbered without gaps, many in one commit (S1, S2, S4 of the contract).
import type { TestRunner } from '../agent-conformance.ts';
import type { OpenStore } from '../store-conformance.ts';
import { codeOf, event, texts, Trial } from './trial.ts';

export function appending({ test, expect }: TestRunner, open: OpenStore): void {
  test(
    'a session is made together with its first events, which are numbered from 1',
    Trial.run(open, async (trial) => {
      const done = await trial.write({
        session: trial.session('a'),
        epoch: 0,
        events: [event('one'), event('two', { at: 7, kind: 'other', turn: 'turn 1' })],
      });

      expect(done).toEqual({ kind: 'appended', num: done.num, epoch: 1, headSeq: 2 });
      expect(await trial.log(done.num)).toEqual([
        { seq: 1, at: 1, kind: 'said', turn: null, body: '"one"' },
        { seq: 2, at: 7, kind: 'other', turn: 'turn 1', body: '"two"' },
      ]);
      expect((await trial.store.byKey('default', 'a'))?.headSeq).toBe(2);
    }),
  );

  test(
    'what is appended at once to many sessions is in order and without gaps in each of them',
    Trial.run(open, async (trial) => {
      const sessions = await Promise.all(texts(1, 16).map((key) => trial.make(key)));
      const heads = await Promise.all(
        texts(1, 40).flatMap((text) => sessions.map((owned) => trial.say(owned, text, `${text}'`))),
      );

      const expected = texts(1, 40).flatMap((text) => [text, `${text}'`]);
      for (const { num } of sessions) expect(await trial.texts(num)).toEqual(expected);
      expect(heads.filter((head) => head === 80).length).toBe(16);
    }),
  );

  test(
    'take runs once for each append, in the order of the calls',
    Trial.run(open, async (trial) => {
      const { num, epoch } = await trial.make('a');
      const taken: number[] = [];

      await Promise.all(
        Array.from({ length: 50 }, (_, index) =>
          trial.store.append(() => {
            taken.push(index);
            return { session: num, epoch, events: [event(String(index))] };
          }),
        ),
      );

      expect(taken).toEqual(Array.from({ length: 50 }, (_, index) => index));
    }),
  );

  test(
    'an append whose take throws fails alone',
    Trial.run(open, async (trial) => {
      const owned = await trial.make('a');

      const outcomes = await Promise.allSettled([
        trial.say(owned, 'before'),
        trial.store.append(() => {
          throw new Error('nothing to take');
        }),
        trial.say(owned, 'after'),
      ]);

      expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
      expect(await trial.texts(owned.num)).toEqual(['before', 'after']);
    }),
  );

  test(
    'an append that cannot be written leaves nothing behind, and others of its group are written',
    Trial.run(open, async (trial) => {
      const broken = await trial.make('broken');
      const other = await trial.make('other');

      const outcomes = await Promise.allSettled([
        trial.say(other, 'before'),
        trial.write({
          session: broken.num,
          epoch: broken.epoch,
          events: [event('lost')],
          row: { title: 'lost' },
          snapshot: 'lost',
          turns: [{ id: 'turn', acceptedEvent: 99 }],
        }),
        trial.say(other, 'after'),
      ]);

      expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
      expect(await trial.texts(broken.num)).toEqual([]);
      expect(await trial.texts(other.num)).toEqual(['before', 'after']);
      expect((await trial.store.byId('id of broken'))?.title).toBe(null);
      expect(await trial.store.snapshot(broken.num)).toBe(null);
      expect(await trial.store.turn(broken.num, 'turn')).toBe(null);
    }),
  );

  onlyOneMakes({ test, expect }, open);
}

function onlyOneMakes({ test, expect }: Pick<TestRunner, 'test' | 'expect'>, open: OpenStore): void {
  test(
    'of two that make the same session at once one does, and the other is told of it and writes nothing',
    Trial.run(open, async (trial) => {
      const makers = ['first', 'second'].map((id) =>
        trial.append({
          session: trial.session('same', { id }),
          epoch: 0,
          events: [event(id)],
          turns: [{ id: `turn of ${id}`, acceptedEvent: 0 }],
        }),
      );
      const [first, second] = await Promise.all(makers);

      expect([first?.kind, second?.kind]).toEqual(['appended', 'exists']);
      const row = await trial.store.byKey('default', 'same');
      expect(second).toEqual({ kind: 'exists', row });
      expect(row?.id).toBe('first');
      expect(await trial.texts(row?.num ?? 0)).toEqual(['first']);
      expect(await trial.store.byId('second')).toBe(null);
      expect(await trial.store.turns(row?.num ?? 0, { limit: 10 })).toEqual([
        await trial.store.turn(row?.num ?? 0, 'turn of first'),
      ]);
    }),
  );

  test(
    'a thousand sessions made at once are a thousand sessions',
    Trial.run(open, async (trial) => {
      const made = await Promise.all(texts(1, 1_000).map((key) => trial.make(key, {}, [key])));

      expect(new Set(made.map(({ num }) => num)).size).toBe(1_000);
      expect(await trial.texts(made[999]?.num ?? 0)).toEqual(['1000']);
      expect(trial.store.stats().pending).toBe(0);
    }),
  );

  test(
    'an append to a session that is not there is refused',
    Trial.run(open, async (trial) => {
      const refused = trial.append({ session: 12_345, epoch: 1, events: [event('x')] });

      expect(await codeOf(refused)).toBe('session.not_found');
    }),
  );
}
