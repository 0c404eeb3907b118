// Reading: pages of a log, bounded, complete, and the reader's own.
import type { TestRunner } from '../agent-conformance.ts';
import type { OpenStore } from '../store-conformance.ts';
import { codeOf, event, texts, Trial } from './trial.ts';

const MANY = { eventsMax: 10_000, bytesMax: 10_000_000 };

export function reading({ test, expect }: TestRunner, open: OpenStore): void {
  test(
    'pages of any size put together are the log, whatever the appends were',
    Trial.run(open, async (trial) => {
      const owned = await trial.make('a');
      await trial.say(owned, ...texts(1, 1));
      await trial.say(owned, ...texts(2, 1_200));
      await trial.say(owned, ...texts(1_201, 1_203));

      for (const eventsMax of [1, 7, 256, 1_000, 5_000]) {
        const read: string[] = [];
        for (let after = 0; ;) {
          const page = await trial.store.read(owned.num, after, { eventsMax, bytesMax: 1_000_000 });
          if (page.length === 0) break;
          expect(page.length <= eventsMax).toBe(true);
          read.push(...page.map(({ body }) => String(JSON.parse(body))));
          after = page.at(-1)?.seq ?? 0;
        }
        expect(read).toEqual(texts(1, 1_203));
      }
    }),
  );

  test(
    'a page ends at its bytes, but never before its first event',
    Trial.run(open, async (trial) => {
      const big = 'x'.repeat(1_000);
      const { num } = await trial.make('a', {}, [big, big, big]);
      const count = async (bytesMax: number): Promise<number> =>
        (await trial.store.read(num, 0, { eventsMax: 10, bytesMax })).length;

      expect([await count(1), await count(2_500), await count(5_000)]).toEqual([1, 2, 3]);
    }),
  );

  test(
    'with kinds only those are read, with their numbers',
    Trial.run(open, async (trial) => {
      const { num, epoch } = await trial.make('a');
      for (let index = 0; index < 300; index++) {
        await trial.write({
          session: num,
          epoch,
          events: [event('d'), event('m', { kind: index % 100 === 0 ? 'message' : 'delta' }), event('d')],
        });
      }

      const found = await trial.store.read(num, 2, { ...MANY, kinds: ['message', 'nothing'] });

      expect(found.map(({ seq, kind }) => [seq, kind])).toEqual([
        [302, 'message'],
        [602, 'message'],
      ]);
      expect(await trial.store.read(num, 0, { ...MANY, kinds: [] })).toEqual([]);
    }),
  );

  test(
    'at or behind the head there is nothing, and of a session that is not there nothing can be read',
    Trial.run(open, async (trial) => {
      const { num } = await trial.make('a', {}, ['one']);

      expect(await trial.store.read(num, 1, MANY)).toEqual([]);
      expect(await trial.store.read(num, 99, MANY)).toEqual([]);
      expect(await codeOf(trial.store.read(num + 1, 0, MANY))).toBe('session.not_found');
    }),
  );

  test(
    'bodies come back as they were, whatever is in them',
    Trial.run(open, async (trial) => {
      const bodies = [
        '{"a":[1,2,{"b":null}],"c":"]"}',
        '{\n  "spread": "over lines"\n}',
        JSON.stringify('quotes " and \\ and \u2028 and \u0000 and 🎉 and 中文'),
        '""',
        '[]',
        JSON.stringify('y'.repeat(300_000)),
        '0',
      ];
      const { num } = await trial.write({
        session: trial.session('a'),
        epoch: 0,
        events: bodies.map((body, index) => ({ at: 1_000.5 - index, kind: `k"${index}`, turn: null, body })),
      });

      const events = await trial.log(num);

      expect(events.map(({ body }) => body)).toEqual(bodies);
      expect(events.map(({ kind }) => kind)).toEqual(bodies.map((_, index) => `k"${index}`));
      expect(events.map(({ at }) => at)).toEqual(bodies.map((_, index) => 1_000.5 - index));
    }),
  );

  test(
    'what was acknowledged is in every read that begins after it',
    Trial.run(open, async (trial) => {
      const owned = await trial.make('a');
      const behind: number[] = [];

      for (let seq = 1; seq <= 200; seq++) {
        await trial.say(owned, String(seq));
        const [last] = (await trial.store.read(owned.num, seq - 1, MANY)).slice(-1);
        if (last?.seq !== seq) behind.push(seq);
      }

      expect(behind).toEqual([]);
    }),
  );

  test(
    'what a read returns is the reader’s own',
    Trial.run(open, async (trial) => {
      const { num } = await trial.make('a', { labels: ['x'] }, ['one']);
      const [first] = await trial.log(num);
      const row = await trial.store.byKey('default', 'a');
      if (first !== undefined) first.body = 'changed';
      if (row !== null) Object.assign(row, { title: 'changed', labels: ['changed'] });

      expect(await trial.texts(num)).toEqual(['one']);
      expect((await trial.store.byKey('default', 'a'))?.labels).toEqual(['x']);
    }),
  );
}
