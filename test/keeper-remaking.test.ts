import { describe, expect, test } from 'vitest';
import { gate, never, shelf, state } from './keeper-shelf.ts';
import type { Item } from './keeper-shelf.ts';

const item = (key: string, generation: number): Item => ({ key, generation });
const all = (): boolean => true;

describe('a change of configuration', () => {
  test('marking alone remakes nothing; the next use gets a new one, and the old one is put away first', async () => {
    const { keeper, touch, news, clock } = shelf();
    await touch('a');
    news();

    expect(keeper.mark(all, 'config')).toBe(1);
    await clock.advance(0);
    expect(news()).toEqual([]);
    expect(keeper.peek('a')).toMatchObject({ dirty: true, generation: 1 });

    expect((await keeper.use('a', {})).generation).toBe(2);
    expect(news().slice(0, 3)).toEqual(['remake a2', 'flush a1 remade', 'dispose a1 remade']);
    expect(keeper.peek('a')).toMatchObject({ dirty: false, generation: 2 });
    expect(keeper.stats()).toMatchObject({ remade: 1, evicted: { remade: 1 } });
  });

  test('the replacement is given the old one, alive, and lives before the old one is closed', async () => {
    const previous: (Item | undefined)[] = [];
    const { touch, keeper, log } = shelf(
      {},
      {
        make: async ({ key, generation }, old) => {
          previous.push(old);
          return item(key, generation);
        },
      },
    );
    await touch('a');
    keeper.mark(all, 'config');
    await touch('a');

    expect(previous).toEqual([undefined, item('a', 1)]);
    expect(log.indexOf('remake a2')).toBeLessThan(log.indexOf('dispose a1 remade'));
  });

  test('two callers who meet a dirty thing remake it once', async () => {
    const { keeper, touch, news } = shelf();
    await touch('a');
    keeper.mark(all, 'config');
    news();

    const [first, second] = await Promise.all([keeper.use('a', {}), keeper.use('a', {})]);

    expect(first.thing).toBe(second.thing);
    expect(news().filter((line) => line.startsWith('remake'))).toEqual(['remake a2']);
  });

  test('a running turn keeps the instance it began on, and the next one gets the new one', async () => {
    const { keeper, news } = shelf();
    const running = await keeper.use('a', {});
    keeper.mark(all, 'config');

    const beside = await keeper.use('a', {});
    expect(beside.thing).toBe(running.thing);
    expect(news()).toEqual(['make a1']);

    running.release();
    beside.release();
    expect((await keeper.use('a', {})).generation).toBe(2);
  });

  test('a change while the session is waking up is not missed', async () => {
    const door = gate<Item>();
    const { keeper, news } = shelf({}, { make: door.wait });
    const first = keeper.use('a', {});
    await state(first);

    expect(keeper.mark(all, 'config')).toBe(1);
    door.open(item('a', 1));
    (await first).release();

    expect(keeper.peek('a')).toMatchObject({ dirty: true });
    const second = keeper.use('a', {});
    await state(second);
    door.open(item('a', 2));
    expect((await second).generation).toBe(2);
    expect(news().slice(0, 2)).toEqual(['make a1', 'remake a2']);
  });

  test('who asks after the change never runs on what was begun before it', async () => {
    const door = gate<Item>();
    const { keeper } = shelf({}, { make: door.wait });
    const leaver = new AbortController();
    const before = keeper.use('a', {}, { signal: leaver.signal }).catch(() => 'left');
    await state(before);
    keeper.mark(all, 'config');
    const after = keeper.use('a', {});
    leaver.abort();

    door.open(item('a', 1));
    expect(await state(after)).toBe('pending');
    door.open(item('a', 2));

    expect((await after).generation).toBe(2);
  });

  test('a change that arrives while it is being remade is not lost', async () => {
    const door = gate<Item>();
    const { keeper } = shelf(
      {},
      { make: ({ generation, key }) => (generation === 1 ? Promise.resolve(item(key, 1)) : door.wait()) },
    );
    (await keeper.use('a', {})).release();
    keeper.mark(all, 'first');
    const second = keeper.use('a', {});
    await state(second);

    keeper.mark(all, 'second');
    door.open(item('a', 2));
    (await second).release();

    expect(keeper.peek('a')).toMatchObject({ generation: 2, dirty: true });
    const third = keeper.use('a', {});
    await state(third);
    door.open(item('a', 3));
    expect((await third).generation).toBe(3);
    expect(keeper.peek('a')).toMatchObject({ dirty: false });
  });

  test('a caller waits for one remaking, however often the configuration changes meanwhile', async () => {
    const made: number[] = [];
    const { keeper } = shelf(
      {},
      {
        make: async ({ key, generation }) => {
          made.push(generation);
          keeper.mark(all, 'and again');
          return item(key, generation);
        },
      },
    );

    (await keeper.use('a', {})).release();
    const use = await keeper.use('a', {});

    expect(use.generation).toBe(2);
    expect(made).toEqual([1, 2]);
    expect(keeper.peek('a')).toMatchObject({ dirty: true });
  });

  test('marking counts what matches, also what is being made, but not what is absent, leaving or expired', async () => {
    const { keeper, clock, touch } = shelf({ idleMsMax: 1_000 }, { flush: never });
    await touch('expired');
    await clock.advance(1_001);
    await touch('leaving', 'kept', 'other');
    void keeper.evict('leaving', 'idle');
    const making = keeper.use('making', {});

    expect(keeper.mark((key) => key !== 'other', 'config')).toBe(2);

    await making;
    expect(keeper.peek('making')).toMatchObject({ dirty: true });
    expect(keeper.peek('other')).toMatchObject({ dirty: false });
  });

  test('what is closing is not marked: nobody will use it again', async () => {
    const { keeper } = shelf();
    const use = await keeper.use('a', {});
    const closed = keeper.close('a');

    expect(keeper.mark(all, 'config')).toBe(0);

    use.release();
    await closed;
  });

  test('a session stays in the project it came with: marking another one does not touch it', async () => {
    const contexts: (string | undefined)[] = [];
    const { keeper } = shelf(
      {},
      {
        make: async ({ key, generation, context }) => {
          contexts.push(context.project);
          return item(key, generation);
        },
      },
    );
    (await keeper.use('a', { project: 'first' })).release();
    (await keeper.use('a', { project: 'later' })).release();

    expect(keeper.mark((_, context) => context.project === 'later', 'config')).toBe(0);
    expect(keeper.mark((_, context) => context.project === 'first', 'config')).toBe(1);
    (await keeper.use('a', { project: 'later' })).release();

    expect(contexts).toEqual(['first', 'first']);
  });

  test('a background job keeps the session in memory, and does not stop it from being remade', async () => {
    const { keeper, touch, clock } = shelf({ idleMsMax: 1_000 });
    await touch('a');
    const job = keeper.stay('a');
    keeper.mark(all, 'config');

    const use = await keeper.use('a', {});
    expect(use.generation).toBe(2);
    use.release();

    await clock.advance(5_000);
    expect(await keeper.evict('a', 'idle')).toBe(false);
    job?.release();
    expect(await keeper.evict('a', 'idle')).toBe(true);
  });
});

describe('a remaking that fails', () => {
  test('keeps the old one, with everything it has, and says so; the next use tries again', async () => {
    const failures: unknown[] = [];
    const { keeper, touch, news } = shelf(
      {},
      {
        make: async ({ key, generation }) => {
          if (generation === 2) throw new Error('bad config');
          return item(key, generation);
        },
        onRemade: ({ error, reason }) =>
          void failures.push([reason, error instanceof Error && error.message]),
      },
    );
    await touch('a');
    keeper.mark(all, 'config');
    news();

    const use = await keeper.use('a', {});

    expect(use.generation).toBe(1);
    expect(news()).toEqual(['remake a2', 'remade a2 failed']);
    expect(failures).toEqual([['config', 'bad config']]);
    expect(keeper.peek('a')).toMatchObject({ dirty: true });
    use.release();
    expect((await keeper.use('a', {})).generation).toBe(3);
    expect(keeper.stats()).toMatchObject({ remade: 1, remakeFailed: 1 });
  });

  test('because it hangs gives the old one after openMsMax, and the late one is disposed of', async () => {
    const door = gate<Item>();
    const { keeper, clock, touch, news } = shelf(
      { openMsMax: 100 },
      {
        make: ({ key, generation }) =>
          generation === 2 ? door.wait() : Promise.resolve(item(key, generation)),
      },
    );
    await touch('a');
    keeper.mark(all, 'config');
    const use = keeper.use('a', {});
    await clock.advance(99);
    expect(await state(use)).toBe('pending');

    await clock.advance(1);

    expect((await use).generation).toBe(1);
    news();
    door.open(item('a', 2));
    await clock.advance(0);
    expect(news()).toEqual(['dispose a2 error']);
    expect(keeper.peek('a')).toMatchObject({ generation: 1, state: 'held' });
  });

  test('because it hangs is over before the next one begins: never three of a key', async () => {
    const door = gate<Item>();
    const { keeper, clock, touch, news } = shelf(
      { openMsMax: 100, closeMsMax: 50 },
      { make: ({ key, generation }) => (generation === 1 ? Promise.resolve(item(key, 1)) : door.wait()) },
    );
    await touch('a');
    keeper.mark(all, 'config');
    const first = keeper.use('a', {});
    await clock.advance(100);
    (await first).release();
    news();

    const second = keeper.use('a', {});
    await clock.advance(10);
    expect(news()).toEqual([]);
    door.open(item('a', 2));
    await clock.advance(0);
    expect(news()).toEqual(['dispose a2 error', 'remake a3']);
    door.open(item('a', 3));

    expect((await second).generation).toBe(3);
  });

  test('by its own observer is nobody else’s trouble', async () => {
    let calls = 0;
    const { keeper, touch, logged } = shelf(
      {},
      {
        onRemade: () => {
          calls++;
          if (calls === 1) throw new Error('observer');
          return Promise.reject(new Error('observer, later')) as unknown as undefined;
        },
      },
    );
    await touch('a');
    for (let i = 0; i < 2; i++) {
      keeper.mark(all, 'config');
      await touch('a');
    }

    expect(keeper.peek('a')?.generation).toBe(3);
    await state(never());
    expect(logged).toEqual(['keeper.on_remade_failed', 'keeper.on_remade_failed']);
  });
});
