import { describe, expect, test } from 'vitest';
import { queue, shelf, state } from './keeper-shelf.ts';
import type { Item, Shelf } from './keeper-shelf.ts';

describe('memory', () => {
  const sized = (bytes: Record<string, number>, limits: Parameters<typeof shelf>[0]): Shelf =>
    shelf(limits, { weight: (thing: Item) => bytes[thing.key] ?? 0 });

  test('idle ones leave, oldest first, until what is left is light enough', async () => {
    const { keeper, touch } = sized({ a: 40, b: 40, c: 90 }, { liveBytesMax: 100 });
    await touch('a', 'b');
    expect(keeper.stats().bytes).toBe(80);

    const heavy = await keeper.use('c', {});

    expect(keeper.keys()).toEqual(['c']);
    expect(keeper.stats()).toMatchObject({ bytes: 90, evicted: { memory: 2 } });
    heavy.release();
  });

  test('what runs stays, however heavy; a new one is refused, and one that waits comes in afterwards', async () => {
    const kept = sized({ a: 200 }, { liveBytesMax: 100 });
    const heavy = await kept.keeper.use('a', {});

    expect(() => kept.keeper.reserve('b', {})).toThrow('capacity');
    const given = queue(kept, ['b']);
    await kept.clock.advance(0);
    expect(given).toEqual([]);
    heavy.release();
    await kept.clock.advance(0);

    expect(given).toEqual(['b']);
    expect(kept.keeper.keys()).toEqual(['b']);
  });

  test('what grew while it ran is weighed when it is let go', async () => {
    const bytes = { a: 10, b: 10 };
    const { keeper, touch } = sized(bytes, { liveBytesMax: 100 });
    await touch('b');
    const use = await keeper.use('a', {});
    bytes.a = 95;

    use.release();

    expect(keeper.keys()).toEqual(['a']);
    expect(keeper.stats().bytes).toBe(95);
  });

  test('when all of it is used, the oldest idle one makes way for the next', async () => {
    const { keeper, touch } = sized({ a: 50, b: 50 }, { liveBytesMax: 100 });
    await touch('a', 'b');

    keeper.reserve('c', {});

    expect(keeper.keys()).toEqual(['b']);
  });

  test('what one frees that leaves for its project is free: no other leaves for it', async () => {
    const { keeper } = sized({ a: 50, b: 50 }, { liveBytesMax: 100, livePerProjectMax: 1 });
    (await keeper.use('b', { project: 'q' })).release();
    (await keeper.use('a', { project: 'p' })).release();

    keeper.reserve('c', { project: 'p' });

    expect(keeper.keys()).toEqual(['b']);
  });

  test('a remade one weighs what the new one weighs', async () => {
    const bytes = { a: 10 };
    const { keeper, touch } = sized(bytes, { liveBytesMax: 100 });
    await touch('a');
    bytes.a = 30;
    keeper.mark(() => true, 'config');

    await touch('a');

    expect(keeper.stats().bytes).toBe(30);
    await keeper.evict('a', 'idle');
    expect(keeper.stats().bytes).toBe(0);
  });

  test.each([Number.NaN, -5, Infinity])('a weight of %d counts as nothing', async (weight) => {
    const { keeper, touch } = shelf({ liveBytesMax: 100 }, { weight: () => weight });

    await touch('a', 'b');

    expect(keeper.stats().bytes).toBe(0);
    expect(keeper.size).toBe(2);
  });

  test('a scale that throws fails nobody', async () => {
    const { keeper, touch, logged } = shelf(
      { liveBytesMax: 100 },
      {
        weight: () => {
          throw new Error('scale');
        },
      },
    );

    await touch('a');

    expect(await state(keeper.use('a', {}))).toBe('resolved');
    expect(logged).toContain('keeper.weight_failed');
  });
});
