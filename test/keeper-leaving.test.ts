import { describe, expect, test } from 'vitest';
import type { Gone } from '../src/keeper/keeper.ts';
import { gate, never, shelf, state } from './keeper-shelf.ts';
import type { Owner } from './keeper-shelf.ts';

const HOUR = 3_600_000;

describe('putting away', () => {
  test('flushes, disposes, is gone, and then tells; with the reason, the generation and how long it was idle', async () => {
    const told: Gone<string, Owner>[] = [];
    const seen: unknown[] = [];
    const { keeper, clock, touch, news } = shelf(
      {},
      {
        notify: (gone) => {
          told.push(gone);
          seen.push(keeper.peek('a'), keeper.stats().leaving);
        },
      },
    );
    (await keeper.use('a', { project: 'p' })).release();
    await clock.advance(700);

    expect(await keeper.evict('a', 'memory')).toBe(true);

    expect(news()).toEqual(['make a1', 'flush a1 memory', 'dispose a1 memory', 'gone a1 memory']);
    expect(told).toEqual([
      { key: 'a', context: { project: 'p' }, reason: 'memory', generation: 1, idleMs: 700 },
    ]);
    expect(seen).toEqual([null, 0]);
    await touch('a');
  });

  test('the same key is not made again before the old one is disposed of', async () => {
    const disposing = gate();
    const { keeper, touch, news, clock } = shelf({}, { dispose: disposing.wait });
    await touch('a');
    void keeper.evict('a', 'idle');

    const again = keeper.use('a', {});
    await clock.advance(0);
    expect(news()).toEqual(['make a1', 'flush a1 idle', 'dispose a1 idle']);
    disposing.open();

    expect((await again).generation).toBe(2);
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('hook');
      },
    ],
    ['rejects', () => Promise.reject(new Error('hook'))],
    ['hangs', never],
  ] as const)(
    'a hook that %s fails nobody: the thing goes, the others go, and it is counted',
    async (_, hook) => {
      const { keeper, clock, touch, news, logged } = shelf(
        { idleMsMax: 1_000, closeMsMax: 50 },
        { flush: hook, dispose: hook, notify: hook },
      );
      await touch('a', 'b');
      await clock.advance(1_001);

      const swept = keeper.sweep();
      const other = await keeper.use('c', {});
      await clock.advance(150);

      expect(await swept).toEqual(['a', 'b']);
      expect(other.thing.key).toBe('c');
      expect(news().filter((line) => /[ab]/.test(line.split(' ')[1] ?? '')).length).toBe(8);
      expect(keeper.stats()).toMatchObject({ flushFailed: 2, disposeFailed: 2, notifyFailed: 2, leaving: 0 });
      expect(logged.length).toBe(6);
    },
  );

  test('a hook that asks for the same key again is bounded, not deadlocked', async () => {
    const inner: Promise<unknown>[] = [];
    const { keeper, clock, touch } = shelf(
      { closeMsMax: 50 },
      {
        dispose: async (key, { generation }) => {
          if (generation > 1) return;
          const again = keeper.use(key, {});
          inner.push(again);
          await again;
        },
      },
    );
    await touch('a');
    const evicted = keeper.evict('a', 'idle');
    await clock.advance(50);

    expect(await evicted).toBe(true);
    await Promise.all(inner);
    expect(keeper.peek('a')).toMatchObject({ generation: 2 });
  });

  test.each(['close', 'retire'] as const)(
    'to %s what is leaving already ends when it is gone and everybody has been told',
    async (verb) => {
      const disposing = gate();
      const { keeper, touch, news } = shelf({}, { dispose: disposing.wait });
      await touch('a');
      const evicted = keeper.evict('a', 'idle');

      const ended = keeper[verb]('a', 'closed');

      expect(await state(ended)).toBe('pending');
      disposing.open();
      await ended;
      expect(news().at(-1)).toBe('gone a1 idle');
      await evicted;
    },
  );

  test('no hook runs before the call that put it away has returned', async () => {
    const { keeper, touch, news } = shelf({ liveMax: 1 });
    await touch('a');
    news();

    keeper.reserve('b', {});

    expect(news()).toEqual([]);
    expect(await keeper.evict('a', 'idle')).toBe(true);
    expect(news()).toEqual(['flush a1 capacity', 'dispose a1 capacity', 'gone a1 capacity']);
  });

  test('who is told that it is gone may ask for it again at once', async () => {
    const { keeper, touch } = shelf(
      {},
      {
        notify: async ({ key, generation }) => {
          if (generation === 1) (await keeper.use(key, {})).release();
        },
      },
    );
    await touch('a');

    expect(await keeper.evict('a', 'idle')).toBe(true);

    expect(keeper.peek('a')).toMatchObject({ generation: 2, state: 'ready' });
    expect(keeper.stats()).toMatchObject({ notifyFailed: 0 });
  });

  test('what has left can be told apart by its reason', async () => {
    const { keeper, clock, touch } = shelf({ liveMax: 3, idleMsMax: 1_000 });
    await touch('idle');
    await clock.advance(1_001);
    await touch('pushed', 'remade', 'closed', 'freed');
    await keeper.close('closed');
    await keeper.evict('freed', 'memory');
    keeper.mark(() => true, 'config');
    await touch('remade');
    await keeper.shutdown(0);

    expect(keeper.stats().evicted).toEqual({
      idle: 1,
      capacity: 1,
      memory: 1,
      closed: 1,
      remade: 1,
      deadline: 0,
      shutdown: 1,
      error: 0,
    });
  });
});

describe('expiry', () => {
  test('exactly at the idle time it is still alive; one millisecond later it is gone for every reader', async () => {
    const { keeper, clock, touch } = shelf({ idleMsMax: 1_000 });
    await touch('a');

    await clock.advance(1_000);
    expect(keeper.peek('a')).toMatchObject({ idleMs: 1_000 });
    expect([keeper.size, keeper.keys(), keeper.stats().live]).toEqual([1, ['a'], 1]);
    expect(await keeper.sweep()).toEqual([]);

    await clock.advance(1);
    expect(keeper.peek('a')).toBeNull();
    expect([keeper.size, keeper.keys(), keeper.stats().live]).toEqual([0, [], 0]);
    expect(keeper.stay('a')).toBeNull();
    expect(keeper.mark(() => true, 'config')).toBe(0);
  });

  test('a use after the idle time gets a new one, although nothing was swept', async () => {
    const { keeper, clock, touch, news } = shelf({ idleMsMax: 1_000, sweepMs: 0 });
    await touch('a');
    await clock.advance(1_001);

    expect((await keeper.use('a', {})).generation).toBe(2);

    expect(news()).toContain('dispose a1 idle');
  });

  test('looking is not using: reads neither keep it alive nor put it away', async () => {
    const { keeper, clock, touch, news } = shelf({ idleMsMax: 1_000, sweepMs: 0 });
    await touch('a');

    for (let i = 0; i < 3; i++) {
      await clock.advance(400);
      keeper.peek('a');
      keeper.keys();
      keeper.stats();
      expect(keeper.size).toBe(i < 2 ? 1 : 0);
    }

    expect(news()).toEqual(['make a1']);
    expect(await keeper.sweep()).toEqual(['a']);
  });

  test('a quiet keeper frees what nobody asks for, by its timer', async () => {
    const { clock, touch, news } = shelf({ idleMsMax: 1_000, sweepMs: 300 });
    await touch('a');
    news();

    await clock.advance(1_199);
    expect(news()).toEqual([]);
    await clock.advance(1);

    expect(news()).toEqual(['flush a1 idle', 'dispose a1 idle', 'gone a1 idle']);
  });

  test.each([0, Infinity])('a sweep interval of %d sets no timer', (sweepMs) => {
    expect(shelf({ sweepMs }).clock.pending).toBe(0);
  });

  test.each([0, Infinity])('an idle time of %d means never', async (idleMsMax) => {
    const { keeper, clock, touch } = shelf({ idleMsMax, sweepMs: 1_000_000 });
    await touch('a');

    await clock.advance(1_000 * HOUR);

    expect(keeper.size).toBe(1);
  });

  test.each([HOUR, -HOUR])(
    'a wall clock that jumps by %d ms evicts nothing and keeps nothing alive',
    async (ms) => {
      const { keeper, clock, touch } = shelf({ idleMsMax: 1_000 });
      await touch('a');

      clock.jumpWall(ms);
      expect(await keeper.sweep()).toEqual([]);
      await clock.advance(1_000);
      expect(keeper.size).toBe(1);
      await clock.advance(1);

      expect(await keeper.sweep()).toEqual(['a']);
    },
  );

  test('time that passes while no timer could fire counts', async () => {
    const { keeper, clock, touch } = shelf({ idleMsMax: 1_000, sweepMs: 100 });
    await touch('a');

    clock.jumpMonotonic(1_001);

    expect(keeper.tryUse('a')).toBeNull();
    expect(keeper.size).toBe(0);
  });

  test('a sweep costs what is due, however many are alive', async () => {
    const cost = async (alive: number): Promise<number> => {
      const { keeper, clock, touch } = shelf({ idleMsMax: 1_000, liveMax: Infinity });
      for (let i = 0; i < 3; i++) await touch(`due${i}`);
      await clock.advance(1_000);
      for (let i = 0; i < alive; i++) await touch(`alive${i}`);
      await clock.advance(1);
      let reads = 0;
      const monotonic = clock.monotonic.bind(clock);
      clock.monotonic = () => {
        reads++;
        return monotonic();
      };

      expect((await keeper.sweep()).length).toBe(3);

      return reads;
    };

    expect(await cost(2_000)).toBe(await cost(2));
  });
});
