import { expect, test } from 'vitest';
import { ManualClock } from '../src/testing/manual-clock.ts';

test('timers fire in the order they are due, those due together in the order they were set', async () => {
  const clock = new ManualClock();
  const fired: string[] = [];
  const set = (name: string, ms: number): void => {
    clock.after(ms, () => fired.push(`${name} at ${clock.monotonic()}`));
  };
  set('late', 20);
  set('first', 10);
  set('second', 10);
  set('negative', -5);

  await clock.advance(15);
  expect(fired).toEqual(['negative at 0', 'first at 10', 'second at 10']);
  expect(clock.pending).toBe(1);

  await clock.advance(5);
  expect(fired.at(-1)).toBe('late at 20');
});

test('what a timer sets off settles before the next one fires, and may set timers of its own', async () => {
  const clock = new ManualClock();
  const seen: string[] = [];
  clock.after(1, () => {
    void Promise.resolve()
      .then(() => {})
      .then(() => {
        seen.push('settled');
        clock.after(1, () => seen.push('set on the way'));
      });
  });
  clock.after(3, () => seen.push('last'));

  await clock.advance(3);

  expect(seen).toEqual(['settled', 'set on the way', 'last']);
});

test('a cancelled timer does not fire, nor does one that is never due', async () => {
  const clock = new ManualClock();
  let fired = 0;
  const cancelled = clock.after(1, () => fired++);
  clock.after(Infinity, () => fired++);
  cancelled.cancel();
  cancelled.cancel();

  await clock.advance(1_000_000);

  expect(fired).toBe(0);
});

test('both clocks move together until one is made to jump', async () => {
  const clock = new ManualClock(1_000);
  await clock.advance(5);
  expect([clock.now(), clock.monotonic()]).toEqual([1_005, 5]);

  clock.jumpWall(-500);
  expect([clock.now(), clock.monotonic()]).toEqual([505, 5]);

  let fired = false;
  clock.after(10, () => (fired = true));
  clock.jumpMonotonic(20);
  expect([clock.now(), clock.monotonic(), fired]).toEqual([505, 25, false]);
  await clock.advance(0);
  expect(fired).toBe(true);
  expect(() => clock.jumpMonotonic(-1)).toThrow('never goes back');
  await expect(clock.advance(-1)).rejects.toThrow('goes forward');
});
