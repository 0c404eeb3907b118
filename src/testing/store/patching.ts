// Patching: the typed rows that travel with an append.
import type { TestRunner } from '../agent-conformance.ts';
import type { OpenStore } from '../store-conformance.ts';
import { event, texts, Trial } from './trial.ts';

type Tests = Pick<TestRunner, 'test' | 'expect'>;

export function patching({ test, expect }: TestRunner, open: OpenStore): void {
  test(
    'a patch of the session changes what it names and nothing else',
    Trial.run(open, async (trial) => {
      const { num, epoch } = await trial.make('a', { title: 'before', owner: 'alice' });
      const before = await trial.store.byKey('default', 'a');
      const patch = { state: 'running', turn: 't', labels: ['x', 'y'], costUsd: 0.25, turnMs: 1.5 } as const;

      await trial.write({ session: num, epoch, events: [], row: { ...patch, summary: undefined } });

      expect(await trial.store.byKey('default', 'a')).toEqual({ ...before, ...patch });
      expect(await trial.store.byId('id of a')).toEqual({ ...before, ...patch });
    }),
  );

  turns({ test, expect }, open);
  requests({ test, expect }, open);
  rest({ test, expect }, open);
}

function turns({ test, expect }: Tests, open: OpenStore): void {
  test(
    'a turn is made by its first patch and changed by the next, with the numbers of its events',
    Trial.run(open, async (trial) => {
      const { num, epoch } = await trial.make('a', {}, ['zero']);
      await trial.write({
        session: num,
        epoch,
        events: [event('accepted'), event('started')],
        turns: [{ id: 't', kind: 'schedule', state: 'running', acceptedEvent: 0, startEvent: 1, rank: -1 }],
      });
      await trial.write({
        session: num,
        epoch,
        events: [event('ended')],
        turns: [{ id: 't', state: 'done', outcome: 'completed', endEvent: 0, endedAt: 9, dropped: true }],
      });

      expect(await trial.store.turn(num, 't')).toEqual({
        id: 't',
        session: num,
        state: 'done',
        outcome: 'completed',
        kind: 'schedule',
        attempt: 0,
        crashAttempts: 0,
        rank: -1,
        dropped: true,
        acceptedAt: 0,
        startedAt: null,
        endedAt: 9,
        acceptedSeq: 2,
        startSeq: 3,
        endSeq: 4,
        inputTokens: 0,
        outputTokens: 0,
        cacheReadTokens: 0,
        cacheWriteTokens: 0,
        costUsd: 0,
      });
    }),
  );

  test(
    'turns are listed newest first, the open ones by rank and then in the order they came',
    Trial.run(open, async (trial) => {
      const { num, epoch } = await trial.make('a');
      for (const id of texts(1, 5)) {
        await trial.write({
          session: num,
          epoch,
          events: [event(id)],
          turns: [{ id, acceptedEvent: 0, rank: id === '4' ? -1 : 0, state: id === '2' ? 'done' : 'queued' }],
        });
      }
      const ids = async (options: { limit: number; before?: number }): Promise<string[]> =>
        (await trial.store.turns(num, options)).map(({ id }) => id);

      expect(await ids({ limit: 2 })).toEqual(['5', '4']);
      expect(await ids({ limit: 9, before: 4 })).toEqual(['3', '2', '1']);
      expect((await trial.store.openTurns(num)).map(({ id }) => id)).toEqual(['4', '1', '3', '5']);
    }),
  );

  test(
    'turns of two sessions with one name stay apart',
    Trial.run(open, async (trial) => {
      const [a, b] = [await trial.make('a'), await trial.make('b')];
      for (const { num, epoch } of [a, b]) {
        await trial.write({
          session: num,
          epoch,
          events: [event('x')],
          turns: [{ id: 't', acceptedEvent: 0, outcome: String(num) }],
        });
      }

      expect((await trial.store.turn(a.num, 't'))?.outcome).toBe(String(a.num));
      expect((await trial.store.turn(b.num, 't'))?.outcome).toBe(String(b.num));
    }),
  );
}

function requests({ test, expect }: Tests, open: OpenStore): void {
  test(
    'open requests of a project are found with their sessions, oldest first, until they are closed',
    Trial.run(open, async (trial) => {
      const { num, epoch } = await trial.make('a');
      const foreign = await trial.make('b', { project: 'other' });
      const ask = (id: string, openedAt: number, key: string) =>
        trial.write({
          session: num,
          epoch,
          events: [event(id)],
          requests: [{ id, turn: 't', key, state: 'open', openedAt, expiresAt: 50, openedEvent: 0 }],
        });
      await ask('late', 20, 'k2');
      await ask('early', 10, 'k1');
      await trial.write({
        session: foreign.num,
        epoch: foreign.epoch,
        events: [],
        requests: [{ id: 'foreign', turn: 't', key: 'k', openedAt: 1 }],
      });
      const found = async (): Promise<string[][]> =>
        (await trial.store.openRequests('default', 9)).map(({ request, session }) => [
          request.id,
          session.key,
        ]);

      expect(await found()).toEqual([
        ['early', 'a'],
        ['late', 'a'],
      ]);
      await trial.write({
        session: num,
        epoch,
        events: [event('closed')],
        requests: [{ id: 'early', state: 'closed', closedEvent: 0 }],
      });
      expect(await found()).toEqual([['late', 'a']]);
      expect(await trial.store.request(num, 'early')).toEqual({
        id: 'early',
        session: num,
        turn: 't',
        key: 'k1',
        state: 'closed',
        openedAt: 10,
        expiresAt: 50,
        openedSeq: 2,
        closedSeq: 3,
      });
      expect((await trial.store.requestsOfTurn(num, 't')).map(({ id }) => id)).toEqual(['late', 'early']);
    }),
  );

  test(
    'recovery finds every session that was at work or waits for a person, in pages',
    Trial.run(open, async (trial) => {
      const made = await Promise.all(texts(1, 700).map((key) => trial.make(key)));
      const patch = async (index: number, more: object): Promise<number> => {
        const { num, epoch } = made[index] ?? { num: 0, epoch: 0 };
        await trial.write({ session: num, epoch, events: [event('x')], ...more });
        return num;
      };
      const nums = [
        await patch(3, { row: { state: 'running' } }),
        await patch(5, { row: { state: 'queued' } }),
        await patch(8, { row: { state: 'waiting' } }),
        await patch(9, { requests: [{ id: 'r', turn: 't', key: 'k', state: 'open', openedEvent: 0 }] }),
      ];
      await patch(10, { row: { state: 'closed' } });
      // So many move afterwards that the first ones are no longer among the newest.
      for (let index = 20; index < 700; index++) await patch(index, { row: { lastActiveAt: index } });

      const page = await trial.store.unfinished(0, 3);
      const rest = await trial.store.unfinished(page.at(-1)?.num ?? 0, 3);

      expect([...page, ...rest].map(({ num }) => num)).toEqual(nums);
    }),
  );
}

function rest({ test, expect }: Tests, open: OpenStore): void {
  test(
    'a snapshot is replaced, kept when nothing is said of it, and removed by null',
    Trial.run(open, async (trial) => {
      const { num, epoch } = await trial.make('a');
      const write = (more: object) => trial.write({ session: num, epoch, events: [], ...more });

      await write({ snapshot: '{"n":1}' });
      await write({ snapshot: '{"n":2}' });
      await write({});
      const kept = await trial.store.snapshot(num);
      await write({ snapshot: null });

      expect(kept).toBe('{"n":2}');
      expect(await trial.store.snapshot(num)).toBe(null);
    }),
  );

  test(
    'an artifact a session refers to twice is one row',
    Trial.run(open, async (trial) => {
      const { num, epoch } = await trial.make('a');
      const artifact = { digest: 'd', bytes: 5, mediaType: 'text/plain', name: 'n.txt', at: 3 };
      await trial.write({ session: num, epoch, events: [], artifacts: [artifact, artifact] });
      await trial.write({ session: num, epoch, events: [], artifacts: [artifact] });

      expect(await trial.store.artifacts(num)).toEqual([artifact]);
      expect(await trial.store.artifact(num, 'd')).toEqual(artifact);
      expect(await trial.store.artifact(num, 'e')).toBe(null);
    }),
  );
}
