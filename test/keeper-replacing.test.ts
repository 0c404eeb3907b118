import { describe, expect, test } from 'vitest';
import { gate, shelf, state } from './keeper-shelf.ts';
import type { Hooks, Item } from './keeper-shelf.ts';

const item = (key: string, generation: number): Item => ({ key, generation });
const all = (): boolean => true;

describe('what is exclusive', () => {
  const exclusive = { exclusive: () => true };

  test('is closed before its replacement opens', async () => {
    const { keeper, touch, news } = shelf({}, exclusive);
    await touch('a');
    keeper.mark(all, 'config');
    news();

    await touch('a');

    expect(news()).toEqual([
      'flush a1 remade',
      'dispose a1 remade',
      'gone a1 remade',
      'remake a2',
      'remade a2',
    ]);
  });

  test('is opened again when its replacement fails, and is still dirty', async () => {
    const previous: unknown[] = [];
    const { keeper, touch, news } = shelf(
      {},
      {
        ...exclusive,
        make: async ({ key, generation }, old) => {
          previous.push(old);
          if (generation === 2) throw new Error('port in use');
          return item(key, generation);
        },
      },
    );
    await touch('a');
    keeper.mark(all, 'config');
    news();

    const use = await keeper.use('a', {});

    expect(use.generation).toBe(3);
    expect(news().filter((line) => /make|restore/.test(line))).toEqual(['remake a2', 'restore a3']);
    expect(previous).toEqual([undefined, item('a', 1), item('a', 1)]);
    expect(keeper.peek('a')).toMatchObject({ dirty: true });
    use.release();
    expect((await keeper.use('a', {})).generation).toBe(4);
    expect(keeper.peek('a')).toMatchObject({ dirty: false });
  });

  test('waits for a replacement that hangs to let go before it is opened again', async () => {
    const door = gate<Item>();
    const { keeper, clock, touch, news } = shelf(
      { openMsMax: 100, closeMsMax: 50 },
      {
        ...exclusive,
        make: ({ key, generation }) =>
          generation === 2 ? door.wait() : Promise.resolve(item(key, generation)),
      },
    );
    await touch('a');
    keeper.mark(all, 'config');
    const use = keeper.use('a', {});
    await clock.advance(100);
    news();
    await clock.advance(20);
    expect(news()).toEqual([]);

    door.open(item('a', 2));
    expect((await use).generation).toBe(3);

    expect(news().slice(0, 2)).toEqual(['dispose a2 error', 'restore a3']);
  });

  test('that can neither be replaced nor opened again fails its callers, and the next one makes it', async () => {
    const { keeper, touch } = shelf(
      {},
      {
        ...exclusive,
        make: async ({ key, generation }) => {
          if (generation === 2 || generation === 3) throw new Error(`broken ${generation}`);
          return item(key, generation);
        },
      },
    );
    await touch('a');
    keeper.mark(all, 'config');
    const stay = keeper.stay('a');

    await expect(keeper.use('a', {})).rejects.toThrow('broken 3');

    expect(keeper.peek('a')).toBeNull();
    stay?.release(); // Inert: what it kept is gone.
    const use = await keeper.use('a', {});
    expect(use.generation).toBe(4);
    expect(keeper.peek('a')).toMatchObject({ dirty: false, state: 'held' });
  });

  test('in doubt is not: a question that throws is logged, and the thing is replaced make before break', async () => {
    const { keeper, touch, news, logged } = shelf(
      {},
      {
        exclusive: () => {
          throw new Error('who knows');
        },
      },
    );
    await touch('a');
    keeper.mark(all, 'config');
    news();

    await touch('a');

    expect(news()[0]).toBe('remake a2');
    expect(logged).toEqual(['keeper.exclusive_failed']);
  });
});

describe('closing in the middle of a remaking', () => {
  const remaking = async (hooks: Partial<Hooks> = {}) => {
    const door = gate<Item>();
    const make: Hooks['make'] = ({ key, generation }) =>
      generation === 1 ? Promise.resolve(item(key, 1)) : door.wait();
    const kept = shelf({ closeMsMax: 50 }, { make, ...hooks });
    await kept.touch('a');
    kept.keeper.mark(all, 'config');
    const use = kept.keeper.use('a', {});
    use.catch(() => {});
    await state(use);
    kept.news();
    return { ...kept, door, use };
  };

  test('refuses the caller, puts the old one away, and the replacement when it comes', async () => {
    const { keeper, door, use, news } = await remaking();

    const closed = keeper.close('a');

    await expect(use).rejects.toMatchObject({ code: 'keeper.gone' });
    expect(await state(closed)).toBe('pending');
    door.open(item('a', 2));
    expect(await closed).toBe(true);
    expect(news().sort()).toEqual([
      'dispose a1 closed',
      'dispose a2 closed',
      'flush a1 closed',
      'gone a1 closed',
    ]);
    expect(keeper.stats()).toMatchObject({ live: 0, making: 0, leaving: 0 });
  });

  test('waits for a background job that holds the old one', async () => {
    const { keeper, door, use, news, clock } = await remaking();
    const job = keeper.stay('a');

    const closed = keeper.close('a');
    await expect(use).rejects.toMatchObject({ code: 'keeper.gone' });
    door.open(item('a', 2));
    await clock.advance(0);
    expect(news()).toEqual(['dispose a2 closed']);
    expect(keeper.peek('a')).toMatchObject({ generation: 1, state: 'closing' });

    job?.release();
    expect(await closed).toBe(true);
    expect(news()).toEqual(['flush a1 closed', 'dispose a1 closed', 'gone a1 closed']);
  });

  test('when the only caller leaves, the old one stays as it was', async () => {
    const door = gate<Item>();
    const { keeper, clock, touch, news } = shelf(
      {},
      { make: ({ key, generation }) => (generation === 1 ? Promise.resolve(item(key, 1)) : door.wait()) },
    );
    await touch('a');
    keeper.mark(all, 'config');
    const leaver = new AbortController();
    const left = keeper.use('a', {}, { signal: leaver.signal }).catch(() => 'left');
    await clock.advance(0);
    news();

    leaver.abort();
    await left;

    expect(keeper.peek('a')).toMatchObject({ generation: 1, dirty: true, state: 'ready' });
    door.open(item('a', 2));
    await clock.advance(0);
    expect(news()).toEqual(['dispose a2 idle']);
  });

  test('while the old one is being put away, the new one goes too', async () => {
    const flushing = gate();
    const { keeper, door, use, news, clock } = await remaking({ flush: flushing.wait });
    door.open(item('a', 2));
    await clock.advance(0);
    expect(keeper.peek('a')).toMatchObject({ generation: 2, state: 'swapping' });

    const retired = keeper.retire('a', 'deadline');
    await expect(use).rejects.toMatchObject({ code: 'keeper.gone' });
    await clock.advance(0);
    flushing.open();
    flushing.open();
    await retired;

    expect(news()).toEqual([
      'flush a1 remade',
      'flush a2 deadline',
      'dispose a1 remade',
      'dispose a2 deadline',
      'gone a1 remade',
      'gone a2 deadline',
      'remade a2',
    ]);
  });

  test('an exclusive one that is already closed does not come back', async () => {
    const { keeper, door, use, news } = await remaking({ exclusive: () => true });
    expect(keeper.peek('a')).toBeNull();

    const closed = keeper.close('a');
    await expect(use).rejects.toMatchObject({ code: 'keeper.gone' });
    door.open(item('a', 2));
    expect(await closed).toBe(true);

    expect(news()).toEqual(['dispose a2 closed']);
    expect(keeper.keys()).toEqual([]);
  });
});
