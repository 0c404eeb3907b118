// Search over more sessions than are tested one by one, against looking at every session.
import { describe, expect, test } from 'vitest';
import { fold } from '../src/store/sqlite/words.ts';
import { newSession, StoreFolder } from './store-folder.ts';

const at = new StoreFolder();

describe('long lists', () => {
  /** More than a search tests one by one, and than a group may hold. */
  const COUNT = 3_000;
  const titleOf = (index: number): string =>
    [index % 2 ? 'odd' : 'even', index % 700 === 3 ? 'rare bird' : 'common fowl', `number-${index}`].join(
      ' ',
    );

  test('a search finds the same as looking at every session, whether many match or few', async () => {
    const store = await at.open();
    const all = Array.from({ length: COUNT }, (_, index) => index).reverse();
    await Promise.all(
      all.map((index) =>
        store.append(() => ({
          session: newSession(`k${index}`, {
            title: titleOf(index),
            at: index,
            labels: index % 3 === 0 ? ['third'] : [],
            agent: index < 10 ? 'old' : 'echo',
          }),
          epoch: 0,
          events: [],
        })),
      ),
    );
    const find = async (q: string, more: object = {}): Promise<number[]> => {
      const found: number[] = [];
      for (let cursor: string | undefined; ;) {
        const filter = { project: 'default', limit: 60, q, ...more, ...(cursor && { cursor }) };
        const page = await store.list(filter);
        found.push(...page.sessions.map(({ lastActiveAt }) => lastActiveAt));
        if (page.nextCursor === null) return found;
        cursor = page.nextCursor;
      }
    };
    const expected = (...parts: string[]): number[] =>
      all.filter((index) =>
        parts.every((part) => ` ${fold(`k${index} ${titleOf(index)}`)}`.includes(` ${part}`)),
      );

    expect(await find('rare')).toEqual(expected('rare'));
    expect(await find('rare bird')).toEqual(expected('rare bird'));
    expect(await find('bird-number')).toEqual(expected('bird number'));
    expect(await find('RARE odd')).toEqual(expected('rare', 'odd'));
    expect(await find('number-12')).toEqual(expected('number 12'));
    expect(await find('number-7')).toEqual(expected('number 7'));
    expect(await find('odd')).toEqual(expected('odd'));
    expect(await find('rare', { label: 'third' })).toEqual(
      expected('rare').filter((index) => index % 3 === 0),
    );
    expect(await find('k7', { label: 'third' })).toEqual(expected('k7').filter((index) => index % 3 === 0));
    expect(await find('number-5', { agent: 'old' })).toEqual([5]);
    expect(await find('bird common')).toEqual([]);
  });
});
