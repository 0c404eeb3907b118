import { describe, expect, test } from 'vitest';
import { gate, never, shelf, state } from './keeper-shelf.ts';
import type { Item } from './keeper-shelf.ts';

const HOUR = 3_600_000;

describe('what is held', () => {
  test('a turn longer than the idle time is not cut short, by the timer or by a lookup', async () => {
    const { keeper, clock, news } = shelf({ idleMsMax: 1_000, sweepMs: 100 });
    const turn = await keeper.use('a', {});

    await clock.advance(HOUR);
    keeper.peek('a');
    await keeper.sweep();
    expect(await keeper.evict('a', 'memory')).toBe(false);

    expect(news()).toEqual(['make a1']);
    turn.release();
  });

  test('a queued turn, a question or a job keeps it in memory as a turn does', async () => {
    const { keeper, clock, touch } = shelf({ idleMsMax: 1_000, sweepMs: 100, liveMax: 1 });
    await touch('a');
    const queued = keeper.stay('a');
    const question = keeper.stay('a');

    await clock.advance(5_000);
    queued?.release();
    expect(() => keeper.reserve('b', {})).toThrow('capacity');
    question?.release();

    expect(() => keeper.reserve('b', {})).not.toThrow();
  });

  test('idle begins when the last one lets go', async () => {
    const { keeper, clock, touch } = shelf({ idleMsMax: 1_000, sweepMs: 100 });
    await touch('a');
    const job = keeper.stay('a');
    await clock.advance(900);
    job?.release();

    await clock.advance(1_000);
    expect(keeper.peek('a')).toMatchObject({ idleMs: 1_000 });
    await clock.advance(100);
    expect(keeper.peek('a')).toBeNull();
  });

  test('letting go twice lets go once, and of nobody else’s', async () => {
    const { keeper } = shelf();
    const mine = await keeper.use('a', {});
    const theirs = await keeper.use('a', {});

    mine.release();
    mine.release();

    expect(await keeper.evict('a', 'idle')).toBe(false);
    theirs.release();
    expect(await keeper.evict('a', 'idle')).toBe(true);
  });

  test('a job may hold what is still being made', async () => {
    const door = gate<Item>();
    const { keeper, clock } = shelf({}, { make: door.wait });
    const leaver = new AbortController();
    const left = keeper.use('a', {}, { signal: leaver.signal }).catch(() => 'left');
    const job = keeper.stay('a');
    leaver.abort();
    await left;

    door.open({ key: 'a', generation: 1 });
    await clock.advance(0);
    expect(keeper.peek('a')).toMatchObject({ state: 'held' });

    job?.release();
    expect(keeper.peek('a')).toMatchObject({ state: 'ready' });
  });

  test('there is nothing to hold of what is absent, only promised, closing or expired', async () => {
    const { keeper, clock, touch } = shelf({ idleMsMax: 1_000 });
    keeper.reserve('promised', {});
    await touch('expired');
    await clock.advance(1_001);
    const use = await keeper.use('closing', {});
    const closed = keeper.close('closing');

    const stays = ['absent', 'promised', 'closing', 'expired'].map((key) => keeper.stay(key));

    expect(stays).toEqual([null, null, null, null]);
    use.release();
    await closed;
  });
});

describe('an agent that ignores its signal', () => {
  test('is retired under its turn, and the next turn gets a new one as soon as it is gone', async () => {
    const disposing = gate();
    const { keeper, news, clock } = shelf({}, { dispose: disposing.wait });
    const deaf = await keeper.use('a', {});
    const retired = keeper.retire('a', 'deadline');
    const next = keeper.use('a', {});
    await clock.advance(0);
    expect(news()).toEqual(['make a1', 'flush a1 deadline', 'dispose a1 deadline']);

    disposing.open();

    expect((await next).generation).toBe(2);
    await retired;
    expect(deaf.thing).toEqual({ key: 'a', generation: 1 });
  });

  test('holds nothing any more: what it lets go of later is not the new one', async () => {
    const { keeper, touch } = shelf();
    const deaf = await keeper.use('a', {});
    const job = keeper.stay('a');
    await keeper.retire('a', 'deadline');
    const next = await keeper.use('a', {});

    deaf.release();
    job?.release();

    expect(keeper.peek('a')).toMatchObject({ generation: 2, state: 'held' });
    next.release();
    await touch('a');
    expect(keeper.stats()).toMatchObject({ evicted: { deadline: 1 } });
  });

  test('and one that is still opening is given up too', async () => {
    const door = gate<Item>();
    const { keeper, clock, news } = shelf({}, { make: door.wait });
    const use = keeper.use('a', {});
    use.catch(() => {});
    await clock.advance(0);

    const retired = keeper.retire('a', 'deadline');
    await expect(use).rejects.toMatchObject({ code: 'keeper.gone' });
    expect(await state(retired)).toBe('pending');
    door.open({ key: 'a', generation: 1 });
    await retired;

    expect(news()).toEqual(['make a1', 'dispose a1 deadline']);
  });

  test('retiring what is absent, or what only waits, does nothing', async () => {
    const { keeper, clock } = shelf({ liveMax: 1 });
    const use = await keeper.use('a', {});
    const waiting = keeper.use('b', {});

    await keeper.retire('nobody', 'deadline');
    await keeper.retire('b', 'deadline');
    expect(await state(waiting)).toBe('pending');

    use.release();
    await clock.advance(0);
    expect((await waiting).thing.key).toBe('b');
  });
});

describe('closing', () => {
  test('what is absent answers false and does nothing', async () => {
    const { keeper, news } = shelf();

    expect(await keeper.close('a')).toBe(false);

    expect(news()).toEqual([]);
  });

  test('an idle one puts it away once, however often it is asked', async () => {
    const { keeper, touch, news } = shelf();
    await touch('a');

    expect(await Promise.all([keeper.close('a'), keeper.close('a')])).toEqual([true, true]);

    expect(news()).toEqual(['make a1', 'flush a1 closed', 'dispose a1 closed', 'gone a1 closed']);
    expect(await keeper.close('a')).toBe(false);
  });

  test('one with a running turn waits for it, and refuses new ones meanwhile', async () => {
    const { keeper, news } = shelf();
    const turn = await keeper.use('a', {});
    const job = keeper.stay('a');
    const closed = Promise.all([keeper.close('a'), keeper.close('a')]);

    await expect(keeper.use('a', {})).rejects.toMatchObject({ code: 'keeper.gone' });
    turn.release();
    expect(await state(closed)).toBe('pending');
    expect(news()).toEqual(['make a1']);
    job?.release();

    expect(await closed).toEqual([true, true]);
    expect(news()).toEqual(['flush a1 closed', 'dispose a1 closed', 'gone a1 closed']);
    expect((await keeper.use('a', {})).generation).toBe(2);
  });

  test('one whose turn never ends is over when it is retired', async () => {
    const { keeper } = shelf();
    await keeper.use('a', {});
    const closed = keeper.close('a');

    await keeper.retire('a', 'deadline');

    expect(await closed).toBe(true);
  });

  test('a key that is being made does not appear afterwards', async () => {
    const door = gate<Item>();
    const { keeper, news } = shelf({}, { make: door.wait });
    const use = keeper.use('a', {});
    use.catch(() => {});
    await state(use);

    const closed = keeper.close('a');
    await expect(use).rejects.toMatchObject({ code: 'keeper.gone' });
    expect(keeper.stay('a')).toBeNull();
    door.open({ key: 'a', generation: 1 });

    expect(await closed).toBe(true);
    expect(news()).toEqual(['make a1', 'dispose a1 closed']);
    expect(keeper.keys()).toEqual([]);
  });

  test('before its making has begun, nothing is made at all', async () => {
    const { keeper, clock, news } = shelf();
    const use = keeper.use('a', {});
    const closed = keeper.close('a');

    await expect(use).rejects.toMatchObject({ code: 'keeper.gone' });
    expect(await closed).toBe(true);
    await clock.advance(1_000);
    expect(news()).toEqual([]);
  });

  test('one that waits for a place refuses it, and gives its line up', async () => {
    const { keeper, clock } = shelf({ liveMax: 1 });
    const held = await keeper.use('a', {});
    const waiting = keeper.use('b', {});
    waiting.catch(() => {});
    const behind = keeper.use('c', {});

    expect(await keeper.close('b')).toBe(true);
    await expect(waiting).rejects.toMatchObject({ code: 'keeper.gone' });
    held.release();
    await clock.advance(0);

    expect((await behind).thing.key).toBe('c');
  });

  test('leaves what was promised: the next turn of that key gets its place', async () => {
    const { keeper } = shelf({ liveMax: 1 });
    const turn = await keeper.use('a', {});
    const place = keeper.reserve('a', {});
    const closed = keeper.close('a');
    turn.release();
    await closed;

    expect(() => keeper.reserve('b', {})).toThrow('capacity');
    expect(await keeper.close('a')).toBe(false);
    expect((await keeper.use('a', {}, { place })).generation).toBe(2);
  });

  test('what is put away once is not put away again by a later reason', async () => {
    const flushing = gate();
    const { keeper, touch, news } = shelf({}, { flush: flushing.wait });
    await touch('a');

    const evicted = keeper.evict('a', 'memory');
    const again = keeper.evict('a', 'idle');
    const closed = keeper.close('a');
    const retired = keeper.retire('a', 'error');
    await state(evicted);
    flushing.open();

    expect(await Promise.all([evicted, again, closed])).toEqual([true, true, true]);
    await retired;
    expect(news()).toEqual(['make a1', 'flush a1 memory', 'dispose a1 memory', 'gone a1 memory']);
  });

  test('after it hangs, goes on without it and says so', async () => {
    const { keeper, touch, clock, logged } = shelf({ closeMsMax: 50 }, { dispose: never });
    await touch('a');
    const closed = keeper.close('a');

    await clock.advance(49);
    expect(await state(closed)).toBe('pending');
    await clock.advance(1);

    expect(await closed).toBe(true);
    expect(logged).toEqual(['keeper.dispose_hung']);
    expect(keeper.stats()).toMatchObject({ disposeFailed: 1, leaving: 0 });
  });
});

describe('what may be idle for a shorter time than others', () => {
  const shorter = { idleMsMax: ({ owner }: { owner?: string }) => (owner === 'short' ? 300 : Infinity) };

  test('leaves sooner, each counted once, whatever was idle before it', async () => {
    const { keeper, clock, touch } = shelf({ idleMsMax: 1_000 }, shorter);
    await touch('before');
    (await keeper.use('short', { owner: 'short' })).release();
    await touch('after');

    await clock.advance(300);
    const atLimit = [...keeper.keys(), keeper.size];
    await clock.advance(1);
    const past = [...keeper.keys(), keeper.size];
    await clock.advance(700);
    const later = [...keeper.keys(), keeper.size];

    expect(atLimit).toEqual(['before', 'short', 'after', 3]);
    expect(past).toEqual(['before', 'after', 2]);
    expect(later).toEqual([0]);
    expect(await keeper.sweep()).toEqual(['before', 'after', 'short']);
  });

  test('never stays longer than the others', async () => {
    const { keeper, clock } = shelf({ idleMsMax: 100 }, shorter);
    (await keeper.use('short', { owner: 'short' })).release();

    await clock.advance(101);

    expect(keeper.peek('short')).toBeNull();
  });

  test('leaves also where nothing else ever does', async () => {
    const { keeper, clock, touch } = shelf({ idleMsMax: 0 }, shorter);
    await touch('a');
    (await keeper.use('short', { owner: 'short' })).release();

    await clock.advance(HOUR);

    expect(keeper.keys()).toEqual(['a']);
  });

  test('does not leave under its work', async () => {
    const { keeper, clock } = shelf({ idleMsMax: 1_000, sweepMs: 50 }, shorter);
    const use = await keeper.use('short', { owner: 'short' });

    await clock.advance(10_000);
    const during = keeper.keys();
    use.release();
    await clock.advance(400);

    expect([during, keeper.keys()]).toEqual([['short'], []]);
  });
});
