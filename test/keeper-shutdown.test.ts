import { describe, expect, test } from 'vitest';
import { gate, never, shelf, state } from './keeper-shelf.ts';
import type { Item } from './keeper-shelf.ts';

describe('shutting down', () => {
  test('refuses new work with a code that says to come back, and puts away what is idle', async () => {
    const { keeper, touch, news } = shelf();
    await touch('a');
    const place = keeper.reserve('promised', {});
    news();

    const down = keeper.shutdown(1_000);

    expect(() => keeper.reserve('b', {})).toThrow('runtime.draining');
    expect(keeper.tryUse('a')).toBeNull();
    await expect(keeper.use('b', {})).rejects.toMatchObject({ code: 'runtime.draining' });
    await expect(keeper.use('promised', {}, { place })).rejects.toMatchObject({ code: 'runtime.draining' });
    await down;
    place.release();
    expect(news()).toEqual(['flush a1 shutdown', 'dispose a1 shutdown', 'gone a1 shutdown']);
    await expect(keeper.use('a', {})).rejects.toMatchObject({ code: 'runtime.draining' });
  });

  test('waits for a running turn within its grace', async () => {
    const { keeper, clock, news } = shelf();
    const turn = await keeper.use('a', {});
    const down = keeper.shutdown(1_000);
    await clock.advance(999);
    expect(await state(down)).toBe('pending');
    expect(news()).toEqual(['make a1']);

    turn.release();
    await down;

    expect(news()).toEqual(['flush a1 shutdown', 'dispose a1 shutdown', 'gone a1 shutdown']);
    expect(clock.pending).toBe(0);
  });

  test('retires what is still held when the grace is over', async () => {
    const { keeper, clock, news } = shelf({ sweepMs: 100 });
    const turn = await keeper.use('a', {});
    const job = keeper.stay('a');
    const down = keeper.shutdown(1_000);

    await clock.advance(1_000);
    await down;

    expect(news()).toEqual(['make a1', 'flush a1 shutdown', 'dispose a1 shutdown', 'gone a1 shutdown']);
    turn.release();
    job?.release();
    expect(clock.pending).toBe(0);
    expect(keeper.stats()).toMatchObject({ live: 0, leaving: 0, making: 0, waiting: 0 });
  });

  test('is one shutdown, however often it is asked for', async () => {
    const { keeper, touch, news } = shelf();
    await touch('a');
    const first = keeper.shutdown(1_000);
    expect(keeper.shutdown(0)).toBe(first);
    await first;

    await keeper.shutdown(5);

    expect(news().filter((line) => line.startsWith('dispose'))).toEqual(['dispose a1 shutdown']);
  });

  test('does not wait for what is idle and only promised', async () => {
    const { keeper, touch, news } = shelf();
    await touch('a');
    keeper.reserve('a', {});
    news();

    const down = keeper.shutdown(1_000);

    expect(await state(down)).toBe('resolved');
    expect(news()).toEqual(['flush a1 shutdown', 'dispose a1 shutdown', 'gone a1 shutdown']);
  });

  test('refuses those who wait for a place, and lets a making that was asked for end', async () => {
    const door = gate<Item>();
    const { keeper, news, clock } = shelf({ liveMax: 1 }, { make: door.wait });
    const opening = keeper.use('a', {});
    const waiting = keeper.use('b', {});
    waiting.catch(() => {});
    await clock.advance(0);
    const down = keeper.shutdown(1_000);

    await expect(waiting).rejects.toMatchObject({ code: 'runtime.draining' });
    door.open({ key: 'a', generation: 1 });
    (await opening).release();
    await down;

    expect(news()).toEqual(['make a1', 'flush a1 shutdown', 'dispose a1 shutdown', 'gone a1 shutdown']);
  });

  test('gives up a making that outlasts the grace; what comes after the shutdown is disposed of', async () => {
    const door = gate<Item>();
    const { keeper, news, clock } = shelf({ closeMsMax: 50, openMsMax: Infinity }, { make: door.wait });
    const opening = keeper.use('a', {});
    opening.catch(() => {});
    const down = keeper.shutdown(100);
    await clock.advance(100);
    await expect(opening).rejects.toMatchObject({ code: 'keeper.gone' });
    await clock.advance(50);
    await down;
    expect(news()).toEqual(['make a1']);

    door.open({ key: 'a', generation: 1 });
    await clock.advance(0);

    expect(news()).toEqual(['dispose a1 shutdown']);
    expect(clock.pending).toBe(0);
  });

  test('is not held up by one that cannot be closed: the others are closed, and it ends', async () => {
    const { keeper, clock, touch, news } = shelf(
      { closeMsMax: 50 },
      {
        dispose: (key) =>
          key === 'b' ? never() : key === 'a' ? Promise.reject(new Error('no')) : Promise.resolve(),
      },
    );
    await touch('a', 'b', 'c');
    news();

    const down = keeper.shutdown(Infinity);
    await clock.advance(50);
    await down;

    expect(
      news()
        .filter((line) => line.startsWith('gone'))
        .sort(),
    ).toEqual(['gone a1 shutdown', 'gone b2 shutdown', 'gone c3 shutdown']);
  });

  test('in the middle of a remaking leaves neither the old one nor the new one', async () => {
    const door = gate<Item>();
    const { keeper, clock, touch, news } = shelf(
      {},
      {
        make: ({ key, generation }) =>
          generation === 1 ? Promise.resolve({ key, generation }) : door.wait(),
      },
    );
    await touch('a');
    keeper.mark(() => true, 'config');
    const use = keeper.use('a', {});
    use.catch(() => {});
    await clock.advance(0);
    news();

    const down = keeper.shutdown(0);
    await expect(use).rejects.toMatchObject({ code: 'keeper.gone' });
    door.open({ key: 'a', generation: 2 });
    await down;

    expect(
      news()
        .filter((line) => line.startsWith('dispose'))
        .sort(),
    ).toEqual(['dispose a1 shutdown', 'dispose a2 shutdown']);
  });

  test('of an empty keeper ends at once, whatever the grace', async () => {
    const { keeper, clock } = shelf({ sweepMs: 100 });

    await keeper.shutdown(Infinity);

    expect(clock.pending).toBe(0);
  });

  test.each([Number.NaN, -1])('a grace of %d is refused', (graceMs) => {
    expect(() => shelf().keeper.shutdown(graceMs)).toThrow('config.invalid');
  });
});
