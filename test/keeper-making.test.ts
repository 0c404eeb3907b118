import { describe, expect, test } from 'vitest';
import { Keeper } from '../src/keeper/keeper.ts';
import { systemClock } from '../src/kernel/clock.ts';
import { DEFAULT_LIMITS } from '../src/kernel/limits.ts';
import { silentLogger } from '../src/kernel/logger.ts';
import { gate, never, shelf, state } from './keeper-shelf.ts';
import type { Item } from './keeper-shelf.ts';

const item = (key: string, generation: number): Item => ({ key, generation });

describe('making', () => {
  test('two callers who ask at the same moment get one thing, made once', async () => {
    const { keeper, log } = shelf();

    const [first, second] = await Promise.all([keeper.use('a', {}), keeper.use('a', {})]);

    expect(first.thing).toBe(second.thing);
    expect(log).toEqual(['make a1']);
    expect(keeper.stats()).toMatchObject({ made: 1, misses: 2, hits: 0 });
  });

  test('asking again gives the thing that is there', async () => {
    const { keeper, log } = shelf();

    const first = await keeper.use('a', {});
    first.release();
    const second = await keeper.use('a', {});

    expect(second.thing).toBe(first.thing);
    expect(second.generation).toBe(first.generation);
    expect(log).toEqual(['make a1']);
    expect(keeper.stats()).toMatchObject({ hits: 1, misses: 1 });
  });

  test('a making that fails fails everyone who waited, and the next one tries again', async () => {
    const door = gate<Item>();
    const { keeper, log } = shelf({}, { make: door.wait });
    const first = keeper.use('a', {});
    const second = keeper.use('a', {});
    await state(first);

    door.fail(new Error('no model'));

    await expect(first).rejects.toThrow('no model');
    await expect(second).rejects.toThrow('no model');
    expect(keeper.peek('a')).toBeNull();
    const third = keeper.use('a', {});
    await state(third);
    door.open(item('a', 2));
    expect((await third).generation).toBe(2);
    expect(log).toEqual(['make a1', 'make a2']);
    expect(keeper.stats()).toMatchObject({ made: 1, makeFailed: 1 });
  });

  test('a factory that throws before it returns a promise is a failed making, no more', async () => {
    const { keeper } = shelf(
      {},
      {
        make: () => {
          throw new TypeError('not even a promise');
        },
      },
    );

    await expect(keeper.use('a', {})).rejects.toThrow('not even a promise');

    expect(keeper.stats()).toMatchObject({ makeFailed: 1, making: 0, live: 0 });
  });

  test('a making that never ends is given up exactly at openMsMax, and told so', async () => {
    const signals: AbortSignal[] = [];
    const { keeper, clock } = shelf(
      { openMsMax: 100 },
      {
        make: ({ signal }) => {
          signals.push(signal);
          return never();
        },
      },
    );
    const use = keeper.use('a', {});
    use.catch(() => {});

    await clock.advance(99);
    expect(await state(use)).toBe('pending');
    await clock.advance(1);

    await expect(use).rejects.toMatchObject({ code: 'keeper.hung' });
    expect(signals[0]?.reason).toMatchObject({ code: 'keeper.hung' });
    expect(keeper.stats()).toMatchObject({ openTimeouts: 1, makeFailed: 1 });
  });

  test('what a given-up making brings late is disposed of, and is never served', async () => {
    const door = gate<Item>();
    const { keeper, clock, news } = shelf({ openMsMax: 100, closeMsMax: 50 }, { make: door.wait });
    const first = keeper.use('a', {}).catch(() => 'hung');
    await clock.advance(100);
    expect(await first).toBe('hung');
    const second = keeper.use('a', {});
    await clock.advance(0);
    expect(news()).toEqual(['make a1']); // The second waits for the first to clear away.

    door.open(item('a', 1));
    await clock.advance(0);
    expect(news()).toEqual(['dispose a1 error', 'make a2']);
    door.open(item('a', 2));

    expect((await second).thing).toEqual(item('a', 2));
  });

  test('a making that ignores its signal holds its key up for closeMsMax, not for ever', async () => {
    const door = gate<Item>();
    const { keeper, clock, news, logged } = shelf({ openMsMax: 100, closeMsMax: 50 }, { make: door.wait });
    const first = keeper.use('a', {}).catch(() => 'hung');
    await clock.advance(100);
    await first;
    const second = keeper.use('a', {});

    await clock.advance(49);
    expect(door.calls()).toBe(1);
    await clock.advance(1);
    expect(door.calls()).toBe(2);
    expect(logged).toEqual(['keeper.make_hung']);

    door.open(item('a', 1)); // Later still: the first result comes while the second is being made.
    door.open(item('a', 2));
    expect((await second).thing).toEqual(item('a', 2));
    expect(news()).toEqual(['make a1', 'make a2', 'dispose a1 error']);
  });

  test('a factory that asks for its own key is stopped by the bound, not deadlocked', async () => {
    const box: { inner?: Promise<unknown> } = {};
    const { keeper, clock } = shelf(
      {},
      {
        make: async ({ key, generation }) => {
          if (generation === 1) await (box.inner = keeper.use(key, {}));
          return item(key, generation);
        },
      },
    );
    const outer = keeper.use('a', {});
    const both = Promise.allSettled([outer, clock.advance(0).then(() => box.inner)]);

    await clock.advance(100);

    expect((await both).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await clock.advance(50);
    expect((await keeper.use('a', {})).generation).toBe(2);
  });

  test('a bound longer than a timer can count does not pass at once', async () => {
    const keeper = new Keeper<string, Item, object>({
      make: async ({ key, generation }) => {
        await new Promise((resolve) => setImmediate(resolve));
        return item(key, generation);
      },
      flush: async () => {},
      dispose: async () => {},
      project: () => 'p',
      owner: () => null,
      limits: { ...DEFAULT_LIMITS, openMsMax: 2 ** 31, idleMsMax: 2 ** 40, closeMsMax: Infinity },
      clock: systemClock,
      logger: silentLogger,
    });

    const use = await keeper.use('a', {});

    expect(use.generation).toBe(1);
    use.release();
    await keeper.shutdown(Infinity);
  });

  test.each([
    ['idleMsMax', Number.NaN],
    ['idleMsMax', -1],
    ['sweepMs', -5],
    ['openMsMax', 0],
    ['closeMsMax', Number.NaN],
    ['liveMax', 0],
    ['liveMax', Number.NaN],
    ['livePerOwnerMax', -1],
    ['liveBytesMax', Number.NaN],
  ])('%s: %d is refused when the keeper is made', (name, value) => {
    expect(() => shelf({ [name]: value })).toThrow(name);
  });
});

describe('leaving the wait', () => {
  test('one of two who wait leaves, and the other still gets it', async () => {
    const door = gate<Item>();
    const { keeper } = shelf({}, { make: door.wait });
    const leaver = new AbortController();
    const left = keeper.use('a', {}, { signal: leaver.signal });
    const stayed = keeper.use('a', {});
    await state(stayed);

    leaver.abort(new Error('tab closed'));

    await expect(left).rejects.toThrow('tab closed');
    door.open(item('a', 1));
    expect((await stayed).generation).toBe(1);
  });

  test('when nobody waits any more, the making is told and its result is disposed of', async () => {
    const door = gate<Item>();
    const signals: AbortSignal[] = [];
    const { keeper, clock, news } = shelf(
      {},
      {
        make: ({ signal }) => {
          signals.push(signal);
          return door.wait();
        },
      },
    );
    const leaver = new AbortController();
    const left = keeper.use('a', {}, { signal: leaver.signal }).catch(() => 'left');
    await clock.advance(0);

    leaver.abort();
    await left;

    expect(signals[0]?.aborted).toBe(true);
    expect(keeper.stats()).toMatchObject({ making: 0, leaving: 1 });
    door.open(item('a', 1));
    await clock.advance(0);
    expect(news()).toEqual(['make a1', 'dispose a1 idle']);
    expect(keeper.peek('a')).toBeNull();
  });

  test('a making that calls back when it is told to stop finds a keeper in order', async () => {
    const door = gate<Item>();
    const answers: Promise<unknown>[] = [];
    const { keeper, clock, news } = shelf(
      {},
      {
        make: ({ key, signal, generation }) => {
          if (generation > 1) return Promise.resolve(item(key, generation));
          signal.addEventListener('abort', () => {
            answers.push(keeper.close(key), keeper.retire(key, 'error'), keeper.use(key, {}));
          });
          return door.wait();
        },
      },
    );
    const first = keeper.use('a', {});
    first.catch(() => {});
    await clock.advance(0);

    const closed = keeper.close('a');
    await expect(first).rejects.toMatchObject({ code: 'keeper.gone' });
    await clock.advance(0);
    door.open(item('a', 1));

    expect(await closed).toBe(true);
    expect(await Promise.all(answers)).toMatchObject([true, undefined, { generation: 2 }]);
    expect(news()).toEqual(['make a1', 'dispose a1 closed', 'make a2']);
  });

  test('a making that a place still waits for goes on when its only caller leaves', async () => {
    const door = gate<Item>();
    const { keeper, clock } = shelf({}, { make: door.wait });
    const leaver = new AbortController();
    const left = keeper.use('a', {}, { signal: leaver.signal }).catch(() => 'left');
    const place = keeper.reserve('a', {});
    await clock.advance(0);

    leaver.abort();
    await left;
    door.open(item('a', 1));
    await clock.advance(0);

    expect(keeper.peek('a')).toMatchObject({ generation: 1, state: 'held' });
    expect((await keeper.use('a', {}, { place })).generation).toBe(1);
  });

  test('who has left before asking gets nothing made, and the place is given back', async () => {
    const { keeper, log } = shelf({ liveMax: 1 });
    const place = keeper.reserve('a', {});

    await expect(keeper.use('a', {}, { place, signal: AbortSignal.abort() })).rejects.toThrow('aborted');

    expect(log).toEqual([]);
    expect(() => keeper.reserve('b', {})).not.toThrow();
  });

  test('leaving after it was given changes nothing', async () => {
    const { keeper, clock } = shelf();
    const leaver = new AbortController();
    const use = await keeper.use('a', {}, { signal: leaver.signal });

    leaver.abort();
    await clock.advance(0);

    expect(keeper.peek('a')).toMatchObject({ state: 'held' });
    use.release();
    expect(keeper.peek('a')).toMatchObject({ state: 'ready' });
  });
});

describe('tryUse', () => {
  test('gives what is there at once, and nothing that is absent, used, dirty, closing or expired', async () => {
    const { keeper, clock, touch } = shelf({ idleMsMax: 1_000 });

    expect(keeper.tryUse('a')).toBeNull();
    await touch('a');
    const use = keeper.tryUse('a');
    expect(use?.generation).toBe(1);
    expect(keeper.tryUse('a')).toBeNull();

    const stay = keeper.stay('a');
    use?.release();
    keeper.tryUse('a')?.release(); // A stay is no use: it stands in nobody's way.
    expect(keeper.stats().hits).toBe(2);
    const closing = keeper.close('a');
    expect(keeper.tryUse('a')).toBeNull();
    stay?.release();
    await closing;

    await touch('b', 'c');
    keeper.mark((key) => key === 'b', 'changed');
    expect(keeper.tryUse('b')).toBeNull();
    await clock.advance(1_001);
    expect(keeper.tryUse('c')).toBeNull();
  });
});
