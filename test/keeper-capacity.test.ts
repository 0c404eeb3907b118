import { describe, expect, test } from 'vitest';
import { gate, queue, shelf } from './keeper-shelf.ts';

describe('when all places are taken', () => {
  test('the least recently used idle one makes way, and nothing that runs', async () => {
    const { keeper, touch } = shelf({ liveMax: 3 });
    await touch('old', 'older-but-used-again');
    const running = await keeper.use('running', {});
    await touch('older-but-used-again');

    await touch('new');

    expect([...keeper.keys()].sort()).toEqual(['new', 'older-but-used-again', 'running']);
    running.release();
  });

  test('and all of them run, a new one is refused with a hint when to come back, and nobody is stopped for it', async () => {
    const { keeper, news } = shelf({ liveMax: 2 });
    await keeper.use('a', {});
    await keeper.use('b', {});
    news();

    expect(() => keeper.reserve('c', {})).toThrow(
      expect.objectContaining({ code: 'capacity', retryAfterMs: expect.any(Number) }),
    );

    expect(news()).toEqual([]);
    expect(keeper.keys()).toEqual(['a', 'b']);
    expect(keeper.stats()).toMatchObject({ refused: 1 });
  });

  test('those used in the same millisecond leave in the order in which they were let go', async () => {
    const { keeper, touch } = shelf({ liveMax: 3 });
    await touch('a', 'b', 'c', 'a');

    await touch('d');
    expect(keeper.keys()).toEqual(['a', 'c', 'd']);
    await touch('e');
    expect(keeper.keys()).toEqual(['a', 'd', 'e']);
  });

  test('coming back to a key that is there pushes nobody out', async () => {
    const { keeper, touch, news } = shelf({ liveMax: 2 });
    await touch('a', 'b');
    news();

    await touch('a');
    keeper.reserve('b', {}).release();
    keeper.mark(() => true, 'config');
    await touch('a', 'b');

    expect(news().filter((line) => line.endsWith('capacity'))).toEqual([]);
  });

  test('one that was closed makes way with its last hold, before any idle one has to', async () => {
    const { keeper, touch, news } = shelf({ liveMax: 2 });
    await touch('idle');
    const closing = await keeper.use('closing', {});
    const closed = keeper.close('closing');
    closing.release();
    await closed;
    news();

    await touch('new');

    expect(news()).toEqual(['make new3']);
    expect(keeper.keys()).toEqual(['idle', 'new']);
  });

  test('never more are in memory than liveMax, however slowly the old ones leave', async () => {
    const disposing = gate();
    const { keeper, touch, news, clock } = shelf({ liveMax: 1 }, { dispose: disposing.wait });
    await touch('a');
    const place = keeper.reserve('b', {});

    const use = keeper.use('b', {}, { place });
    await clock.advance(0);
    expect(news()).toEqual(['make a1', 'flush a1 capacity', 'dispose a1 capacity']);
    disposing.open();

    expect((await use).thing.key).toBe('b');
  });
});

describe('a place', () => {
  test('that was promised is kept: its turn never fails for want of one', async () => {
    const kept = shelf({ liveMax: 2 });
    const place = kept.keeper.reserve('mine', {});
    const given = queue(kept, ['x'], ['y']);
    await kept.clock.advance(0);

    expect(given).toEqual(['x']);
    const use = await kept.keeper.use('mine', {}, { place });

    expect(use.thing.key).toBe('mine');
  });

  test('that is given back goes to who waits', async () => {
    const kept = shelf({ liveMax: 1 });
    const place = kept.keeper.reserve('mine', {});
    const given = queue(kept, ['x']);

    place.release();
    place.release();
    await kept.clock.advance(0);

    expect(given).toEqual(['x']);
  });

  test('that was used is used up: giving it back later changes nothing', async () => {
    const { keeper } = shelf({ liveMax: 1 });
    const place = keeper.reserve('a', {});
    const use = await keeper.use('a', {}, { place });

    place.release();

    expect(() => keeper.reserve('b', {})).toThrow('capacity');
    use.release();
    expect(() => keeper.reserve('b', {})).not.toThrow();
  });

  test('keeps an idle one from being put away before its turn begins', async () => {
    const { keeper, touch, clock } = shelf({ liveMax: 1, idleMsMax: 1_000 });
    await touch('a');
    const place = keeper.reserve('a', {});

    expect(await keeper.evict('a', 'memory')).toBe(false);
    expect(() => keeper.reserve('b', {})).toThrow('capacity');
    await clock.advance(5_000);

    expect((await keeper.use('a', {}, { place })).generation).toBe(1);
  });

  test('is shared by those who reserve the same key, and kept until the last gives it back', async () => {
    const { keeper } = shelf({ liveMax: 1 });
    const first = keeper.reserve('a', {});
    const second = keeper.reserve('a', {});

    first.release();
    expect(() => keeper.reserve('b', {})).toThrow('capacity');
    second.release();

    expect(() => keeper.reserve('b', {})).not.toThrow();
  });

  test('outlives a failed making: the next try needs no other', async () => {
    const { keeper } = shelf(
      { liveMax: 1 },
      {
        make: async ({ key, generation }) => {
          if (generation === 1) throw new Error('no model');
          return { key, generation };
        },
      },
    );
    const first = keeper.reserve('a', {});
    const second = keeper.reserve('a', {});
    await expect(keeper.use('a', {}, { place: first })).rejects.toThrow('no model');

    expect(() => keeper.reserve('b', {})).toThrow('capacity');
    expect((await keeper.use('a', {}, { place: second })).generation).toBe(2);
  });

  test('stays promised when one of those who wait for it leaves, and nothing is made for nobody', async () => {
    const disposing = gate();
    const { keeper, touch, news, clock } = shelf({ liveMax: 1 }, { dispose: disposing.wait });
    await touch('a');
    const place = keeper.reserve('b', {});
    keeper.reserve('b', {});
    const leaving = new AbortController();
    const use = keeper.use('b', {}, { place, signal: leaving.signal });
    await clock.advance(0);
    news();

    leaving.abort(new Error('left'));
    await expect(use).rejects.toThrow('left');
    disposing.open();
    await clock.advance(0);

    expect(news()).toEqual(['gone a1 capacity']);
    expect(() => keeper.reserve('c', {})).toThrow('capacity');
  });

  test('is not for another key', async () => {
    const { keeper } = shelf();

    await expect(keeper.use('b', {}, { place: keeper.reserve('a', {}) })).rejects.toMatchObject({
      code: 'internal',
    });
  });
});

describe('waiting for a place', () => {
  test('the oldest is served first, and nobody who comes later overtakes', async () => {
    const kept = shelf({ liveMax: 1 });
    const running = await kept.keeper.use('running', {});
    const given = queue(kept, ['x'], ['y'], ['x']);

    running.release();
    expect(() => kept.keeper.reserve('late', {})).toThrow('capacity');
    await kept.clock.advance(0);

    expect(given).toEqual(['x', 'x']);
    await kept.keeper.retire('x', 'deadline');
    await kept.clock.advance(0);
    expect(given).toEqual(['x', 'x', 'y']);
  });

  test('who leaves the line lets the next one come', async () => {
    const kept = shelf({ liveMax: 1 });
    const running = await kept.keeper.use('running', {});
    const leaver = new AbortController();
    const left = kept.keeper.use('left', {}, { signal: leaver.signal }).catch(() => 'left');
    const given = queue(kept, ['x']);
    leaver.abort();
    await left;

    running.release();
    await kept.clock.advance(0);

    expect(given).toEqual(['x']);
    expect(kept.news()).not.toContain('make left2');
  });

  test('who leaves with a place in hand leaves it to the next in line, not to whoever comes then', async () => {
    const disposing = gate();
    const kept = shelf({ liveMax: 1 }, { dispose: disposing.wait });
    await kept.touch('a');
    const leaving = new AbortController();
    const use = kept.keeper.use('b', {}, { signal: leaving.signal });
    const given = queue(kept, ['c']);
    await kept.clock.advance(0);

    leaving.abort(new Error('left'));

    expect(() => kept.keeper.reserve('d', {})).toThrow('capacity');
    await expect(use).rejects.toThrow('left');
    disposing.open();
    await kept.clock.advance(0);
    expect(given).toEqual(['c']);
  });

  test('a failed making gives its place to the next', async () => {
    const kept = shelf(
      { liveMax: 1 },
      {
        make: async ({ key, generation }) => {
          if (key === 'x') throw new Error('broken');
          return { key, generation };
        },
      },
    );

    const given = queue(kept, ['x'], ['y']);
    await kept.clock.advance(0);

    expect(given).toEqual(['x: Error: broken', 'y']);
  });

  test('a thousand who wait are all served, in order', async () => {
    const kept = shelf({ liveMax: 10, sweepMs: 0 });
    const given: number[] = [];
    const all = Array.from({ length: 1_000 }, async (_, i) => {
      const use = await kept.keeper.use(`k${i}`, {});
      given.push(i);
      use.release();
    });

    await Promise.all(all);

    expect(given).toEqual(Array.from({ length: 1_000 }, (_, i) => i));
  });
});

describe('shares', () => {
  test('one project cannot take more than its share, and its own idle one makes way for it', async () => {
    const { keeper } = shelf({ livePerProjectMax: 2, liveMax: 10 });
    const use = async (key: string, project: string): Promise<void> =>
      (await keeper.use(key, { project })).release();
    await use('q-oldest', 'q');
    await use('p1', 'p');
    await use('p2', 'p');

    await use('p3', 'p');

    expect(keeper.keys()).toEqual(['q-oldest', 'p2', 'p3']);
    await Promise.all([keeper.use('p2', { project: 'p' }), keeper.use('p3', { project: 'p' })]);
    expect(() => keeper.reserve('p4', { project: 'p' })).toThrow('capacity');
    expect(() => keeper.reserve('q2', { project: 'q' })).not.toThrow();
  });

  test('one owner cannot push out the sessions of others', async () => {
    const { keeper } = shelf({ livePerOwnerMax: 1, liveMax: 2 });
    const use = async (key: string, owner: string): Promise<void> =>
      (await keeper.use(key, { owner })).release();
    await use('hers', 'alice');
    for (let i = 0; i < 5; i++) await use(`his${i}`, 'bob');

    expect(keeper.keys()).toEqual(['hers', 'his4']);
  });

  test('sessions without an owner have no share to fill', async () => {
    const { keeper } = shelf({ livePerOwnerMax: 1, liveMax: 3 });

    for (const key of ['a', 'b', 'c']) await keeper.use(key, {});

    expect(keeper.size).toBe(3);
  });

  test('who waits for a full project does not hold up the others', async () => {
    const kept = shelf({ livePerProjectMax: 1, liveMax: 10 });
    await kept.keeper.use('running', { project: 'p' });

    const given = queue(kept, ['waits', 'p'], ['goes', 'q']);
    await kept.clock.advance(0);

    expect(given).toEqual(['goes']);
  });

  test('nobody is put away for one who cannot come in anyway', async () => {
    const { keeper, news } = shelf({ livePerOwnerMax: 1, livePerProjectMax: 1, liveMax: 10 });
    (await keeper.use('bobs', { owner: 'bob', project: 'q' })).release();
    await keeper.use('running', { owner: 'alice', project: 'p' });
    news();

    expect(() => keeper.reserve('x', { owner: 'bob', project: 'p' })).toThrow('capacity');

    expect(news()).toEqual([]);
    expect(keeper.size).toBe(2);
  });

  test('one that leaves for its owner counts for its project too', async () => {
    const { keeper } = shelf({ livePerOwnerMax: 1, livePerProjectMax: 2, liveMax: 2 });
    (await keeper.use('a', { owner: 'alice', project: 'p' })).release();
    (await keeper.use('b', { owner: 'bob', project: 'p' })).release();

    (await keeper.use('c', { owner: 'bob', project: 'p' })).release();

    expect(keeper.keys()).toEqual(['a', 'c']);
  });
});
