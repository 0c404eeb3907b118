// What texts count, and how it is learned: a little at a time, and never at the cost of whoever asks.
import { expect, test } from 'vitest';
import { CountedTexts, type Encoder } from '../src/context/counted-texts.ts';
import type { Logger } from '../src/kernel/logger.ts';
import { ManualClock } from '../src/testing/manual-clock.ts';

interface Asked {
  texts: readonly string[];
  answer(): void;
  fail(): void;
}

/** An encoder that answers when the test does: a token a character. */
function scene() {
  const asked: Asked[] = [];
  const takers: ((asked: Asked) => void)[] = [];
  const warned: string[] = [];
  const clock = new ManualClock();
  const logger: Logger = { info() {}, warn: (event) => void warned.push(event), error() {} };
  const encoder: Encoder = {
    encode: (texts) =>
      new Promise((resolve, reject) => {
        const one: Asked = {
          texts,
          answer: () => resolve(texts.map(({ length }) => length)),
          fail: () => reject(new Error('no thread')),
        };
        const taker = takers.shift();
        if (taker === undefined) asked.push(one);
        else taker(one);
      }),
    close: async () => {
      for (const each of asked.splice(0)) each.fail();
    },
  };
  /** The next list, in order. */
  const next = (): Promise<Asked> => {
    const first = asked.shift();
    return first === undefined ? new Promise((resolve) => takers.push(resolve)) : Promise.resolve(first);
  };
  return { texts: new CountedTexts({ encoder, clock, logger }), clock, warned, asked, next };
}

test('what was learned is known, and is not asked for again', async () => {
  const { texts, asked, next } = scene();

  const learned = texts.learn(new Set(['one', 'three']));
  expect(texts.get('one')).toBeUndefined();
  (await next()).answer();
  await learned;
  await texts.learn(new Set(['one', '']));

  expect([texts.get('one'), texts.get('three'), texts.get('')]).toEqual([3, 5, 0]);
  expect(asked).toEqual([]);
});

test('much is asked for a little at a time, one list after the other, and each text once', async () => {
  const { texts, asked, next } = scene();
  const all = Array.from({ length: 100 }, (_, index) => String(index).padEnd(4_096));

  const both = [texts.learn(new Set(all)), texts.learn(new Set(all))];
  const lists: (readonly string[])[] = [];
  for (let seen = 0; seen < all.length;) {
    const list = await next();
    expect(asked).toEqual([]); // It waits for the one before.
    lists.push(list.texts);
    seen += list.texts.length;
    list.answer();
  }
  await Promise.all(both);

  expect(lists.flat()).toEqual(all);
  expect(Math.max(...lists.map((list) => list.join('').length))).toBeLessThanOrEqual(132_000);
});

test('where nothing can count all go on, the log says so once, and after a while it is tried again', async () => {
  const { texts, clock, warned, asked, next } = scene();

  const waiting = [texts.learn(new Set(['one'])), texts.learn(new Set(['two']))];
  (await next()).fail();
  await Promise.all(waiting);
  await texts.learn(new Set(['three']));
  expect([texts.get('one'), texts.get('two'), asked]).toEqual([undefined, undefined, []]);

  await clock.advance(60_000);
  const again = texts.learn(new Set(['one']));
  (await next()).fail();
  await again;
  expect(warned).toEqual(['context.uncounted']);

  await clock.advance(60_000);
  const atLast = texts.learn(new Set(['one']));
  (await next()).answer();
  await atLast;
  expect(texts.get('one')).toBe(3);
});

test('nobody waits for long; what comes too late is known to the next who asks', async () => {
  const { texts, clock, next } = scene();

  const learned = texts.learn(new Set(['one']));
  const late = await next();
  await clock.advance(3_000);
  await learned;
  expect(texts.get('one')).toBeUndefined();
  const again = texts.learn(new Set(['one']));
  late.answer();
  await again;

  expect(texts.get('one')).toBe(3);
});

test('once it is closed nobody waits, and nothing is asked for', async () => {
  const { texts, warned, asked } = scene();

  const learned = texts.learn(new Set(['one']));
  await texts.close();
  await learned;
  await texts.learn(new Set(['two']));

  expect([texts.get('one'), asked, warned]).toEqual([undefined, [], []]);
});

test('of very much what was used last is remembered', async () => {
  const { texts, next } = scene();
  const all = Array.from({ length: 1_100 }, (_, index) => String(index).padEnd(4_096));

  const learned = texts.learn(new Set(all));
  for (let seen = 0; seen < all.length;) {
    const list = await next();
    seen += list.texts.length;
    texts.get('0'.padEnd(4_096));
    list.answer();
  }
  await learned;

  const known = all.map((text) => texts.get(text) !== undefined);
  expect([known[0], known[1], known.at(-1)]).toEqual([true, false, true]);
  expect(known.filter(Boolean).length).toBeGreaterThan(900);
});

test('very many short texts are learned, and forgotten, in moments', async () => {
  const { texts, next } = scene();
  const all = new Set(Array.from({ length: 200_000 }, (_, index) => `text ${index}`));

  const learned = texts.learn(all);
  for (let seen = 0; seen < all.size;) {
    const list = await next();
    seen += list.texts.length;
    list.answer();
  }
  await learned;

  expect([texts.get('text 0'), texts.get('text 199999')]).toEqual([undefined, 11]);
}, 5_000);
