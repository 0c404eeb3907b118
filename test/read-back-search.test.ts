import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Search } from '../src/context/search.ts';
import { systemClock } from '../src/kernel/clock.ts';
import { SojournError } from '../src/kernel/errors.ts';
import { MemoryStore } from '../src/testing/memory-store.ts';
import type { ReadBackCall } from '../src/wire/context.ts';
import { type Scene, scene } from './read-back-scene.ts';

/** From `next` to `next`: what was found, in one text. */
async function searched(
  session: Scene,
  call: ReadBackCall,
): Promise<{ text: string; matches: number; calls: number }> {
  let text = '';
  let matches = 0;
  let calls = 0;
  for (let next: ReadBackCall | undefined = call; next !== undefined;) {
    const page = await session.read(next);
    text += page.text;
    matches += page.matches ?? 0;
    calls += 1;
    next = page.next;
  }
  return { text, matches, calls };
}

/** The plain way: every line that is near enough to a match. */
function grep(lines: readonly string[], around: number): string {
  const near = (index: number): boolean =>
    lines.slice(Math.max(0, index - around), index + around + 1).includes('match');
  let text = '';
  let last: number | undefined;
  for (const [index, line] of lines.entries()) {
    if (!near(index)) continue;
    if (last !== undefined && index > last + 1) text += '--\n';
    text += `${index + 1}${line === 'match' ? ':' : '-'} ${line}\n`;
    last = index;
  }
  return text;
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return error instanceof SojournError ? `${error.code}: ${error.detail}` : String(error);
}

describe('in one text', () => {
  const log = 'start\r\nok 1\nERROR disk\nok 2\nok 3\nok 4\nerror net\nend';

  test('lines that match come with their numbers', async () => {
    const session = await scene();
    const ref = await session.artifact(log);

    const found = await session.read({ ref, search: { pattern: '^(?:ERROR|start)' } });

    expect(found).toMatchObject({ ref, bytes: log.length, matches: 2, text: '1: start\n3: ERROR disk\n' });
    expect(found.next).toBeUndefined();
  });

  test('small and capital letters are the same where that is asked for', async () => {
    const session = await scene();
    const ref = await session.artifact(log);

    const found = await session.read({ ref, search: { pattern: 'error', ignoreCase: true } });

    expect(found.text).toBe('3: ERROR disk\n7: error net\n');
  });

  test('lines around a match are marked, and a gap between them is shown', async () => {
    const session = await scene();
    const ref = await session.artifact(log);

    const found = await session.read({ ref, search: { pattern: 'error', ignoreCase: true, around: 1 } });

    expect(found.text).toBe('2- ok 1\n3: ERROR disk\n4- ok 2\n--\n6- ok 4\n7: error net\n8- end\n');
  });

  test('a search begins at the line it is told, and counts from there', async () => {
    const session = await scene();
    const ref = await session.artifact(log);

    expect((await session.read({ ref, search: { pattern: 'ok', fromLine: 5 } })).text).toBe(
      '5: ok 3\n6: ok 4\n',
    );
  });

  test('nothing that matches is an empty answer', async () => {
    const session = await scene();
    const ref = await session.artifact(log);

    expect(await session.read({ ref, search: { pattern: 'nowhere' } })).toMatchObject({
      text: '',
      matches: 0,
    });
    expect((await session.read({ ref: await session.artifact(''), search: { pattern: '^' } })).matches).toBe(
      0,
    );
  });

  test('a match does not go over the end of a line', async () => {
    const session = await scene();
    const ref = await session.artifact(log);

    expect((await session.read({ ref, search: { pattern: 'ok 1\\s+ERROR' } })).matches).toBe(0);
    expect((await session.read({ ref, search: { pattern: '\\Aok 3\\z' } })).text).toBe('5: ok 3\n');
  });

  test('thousands of matches come page by page, each once', async () => {
    const session = await scene();
    const lines = Array.from({ length: 3_000 }, (_, index) =>
      index % 3 === 0 ? `hit ${index}` : `miss ${index}`,
    );
    const ref = await session.artifact(lines.join('\n'));

    const { text, matches, calls } = await searched(session, { ref, search: { pattern: '^hit' } });

    const expected = lines.flatMap((line, index) =>
      line.startsWith('hit') ? [`${index + 1}: ${line}\n`] : [],
    );
    expect(text).toBe(expected.join(''));
    expect(matches).toBe(1_000);
    expect(calls).toBe(5);
  });

  test('in a text of one long line each match is shown with what stands around it', async () => {
    const session = await scene();
    const ref = await session.artifact(
      JSON.stringify(Array.from({ length: 9_000 }, (_, id) => ({ id, name: `é${id}` }))),
    );

    const found = await session.read({ ref, search: { pattern: '"id":8765,' } });

    const byte = Number(/^1 at byte (\d+): …/.exec(found.text)?.[1]);
    expect(found.matches).toBe(1);
    expect((await session.read({ ref, bytes: { from: byte, to: byte + 10 } })).text).toBe('"id":8765,');
  });

  test('matches in one long line go on where the page was full', async () => {
    const session = await scene();
    const words = Array.from({ length: 250 }, (_, index) => `${'x'.repeat(900)} needle${index}`);
    const ref = await session.artifact(words.join(' '));

    const { text, matches } = await searched(session, { ref, search: { pattern: 'needle\\d+' } });

    const numbers = [...text.matchAll(/needle(\d+)/g)].map(([, number]) => Number(number));
    expect(matches).toBe(250);
    expect(numbers).toEqual(Array.from({ length: 250 }, (_, index) => index));
  });

  test('within a long line, ^ is its beginning only, and $ its end', async () => {
    const session = await scene();
    const ref = await session.artifact(`${'ab'.repeat(200_000)}\nab\n`);

    expect((await session.read({ ref, search: { pattern: '^ab' } })).matches).toBe(2);
    expect((await session.read({ ref, search: { pattern: 'ab$' } })).matches).toBe(2);
  });

  test('a text that is no UTF-8 is searched, and the bytes around a match can be read', async () => {
    const session = await scene();
    const bytes = Buffer.concat([
      Buffer.alloc(5_000, 0xff),
      Buffer.from('needle'),
      Buffer.alloc(5_000, 0xfe),
    ]);
    const ref = await session.artifact(bytes);

    const found = await session.read({ ref, search: { pattern: 'needle' } });

    expect(found.text).toMatch(/^1 at byte 5000: …ÿ+needleþ+…\n$/);
  });

  test.each(['(a+)+$', '(a|a)*b', '(.*)*(.*)*(.*)*z', '(x+x+)+y', '([a-z]{0,9}){0,9}Q'])(
    'the hostile pattern %s ends quickly on a long text',
    async (pattern) => {
      const session = await scene();
      const ref = await session.artifact(`${'a'.repeat(300_000)}!`);

      expect((await session.read({ ref, search: { pattern } })).matches).toBe(0);
    },
    5_000,
  );

  test.each([
    ['(a', 'missing closing'],
    ['(?=a)', 'invalid or unsupported Perl syntax'],
    ['(a)\\1', 'invalid escape sequence'],
    ['a{1001}', 'invalid repeat count'],
  ])('the pattern %s is answered with what is wrong with it', async (pattern, said) => {
    const session = await scene();
    const ref = await session.artifact(log);

    expect(await codeOf(session.read({ ref, search: { pattern } }))).toMatch(
      new RegExp(`^read-back\\.invalid: This cannot be looked for: .*${said}`),
    );
  });

  test('page by page it finds what it finds at once, in whatever text', () => {
    const word = fc.constantFrom(
      'needle',
      'hay',
      '',
      'needle é',
      `${'é'.repeat(2_000)}needle`,
      'x'.repeat(1_100),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 40 }), fc.constantFrom(' ', '\n', '\r\n'), (words, between) => {
        const bytes = Buffer.from(words.join(between));
        const order = { pattern: 'needle', ignoreCase: false, around: 0, matchesMax: 3, bytesMax: 1_500 };

        const pages: string[] = [];
        for (let at: { line: number; byte: number } | undefined = { line: 1, byte: 0 }; at !== undefined;) {
          const search = new Search(order);
          search.begin('', at, /[^\n]$/.exec(bytes.toString('utf8', 0, at.byte))?.[0]);
          search.feed(bytes.subarray(at.byte));
          search.end();
          const found = search.found(true);
          pages.push(found.text);
          at = found.stopped;
        }
        const whole = new Search({ ...order, matchesMax: 1e6, bytesMax: 1e6 });
        whole.begin('', { line: 1, byte: 0 });
        whole.feed(bytes);
        whole.end();

        const needles = (text: string): string[] => text.match(/needle/g) ?? [];
        expect(needles(pages.join(''))).toEqual(needles(whole.found(true).text));
        // How much is shown around a match in a long line depends on where the page began.
        expect(between === ' ' || pages.join('') === whole.found(true).text).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test('lines around matches are those that grep shows, however far apart matches are', () => {
    const quiet = fc.integer({ min: 0, max: 9_000 }).map((count) => Array<string>(count).fill('quiet line'));
    const close = fc.array(fc.constantFrom('match', 'quiet', ''), { maxLength: 8 });
    fc.assert(
      fc.property(
        fc.array(fc.oneof(quiet, close), { maxLength: 6 }),
        fc.integer({ min: 1, max: 4 }),
        (parts, around) => {
          const lines = ['first', ...parts.flat(), 'last'];
          const search = new Search({
            pattern: 'match',
            ignoreCase: false,
            around,
            matchesMax: 1e6,
            bytesMax: 1e9,
          });

          search.begin('', { line: 1, byte: 0 });
          const bytes = Buffer.from(lines.join('\n'));
          for (let at = 0; at < bytes.length; at += 30_000) search.feed(bytes.subarray(at, at + 30_000));
          search.end();

          expect(search.found(true).text).toBe(grep(lines, around));
        },
      ),
      { numRuns: 200 },
    );
  });

  test('a text that arrives byte by byte is the same text', () => {
    const search = new Search({
      pattern: '^é.$',
      ignoreCase: false,
      around: 1,
      matchesMax: 9,
      bytesMax: 999,
    });

    search.begin('', { line: 1, byte: 0 });
    for (const byte of Buffer.from('a\nb\néc\nd')) search.feed(Buffer.from([byte]));
    search.end();

    expect(search.found(true)).toEqual({ text: '2- b\n3: éc\n4- d\n', matches: 1 });
  });

  test('whatever the lines and however they arrive, it finds what matching each line alone finds', () => {
    const word = fc.constantFrom(
      'a',
      'ab',
      'b',
      'éa',
      '',
      'a'.repeat(1_500),
      `${'x'.repeat(70_000)}a`,
      'b\r',
    );
    const pattern = fc.constantFrom('a', '^a', 'a$', 'ab?$', '^$', 'b|éa', '\\bab\\b');
    fc.assert(
      fc.property(
        fc.array(word, { maxLength: 12 }),
        pattern,
        fc.integer({ min: 9_000, max: 200_000 }),
        (words, how, size) => {
          const bytes = Buffer.from(words.join('\n'));
          const order = { pattern: how, ignoreCase: false, around: 0, matchesMax: 1e6, bytesMax: 1e9 };
          const search = new Search(order);

          search.begin('', { line: 1, byte: 0 });
          for (let at = 0; at < bytes.length; at += size) search.feed(bytes.subarray(at, at + size));
          search.end();

          const lines = words.at(-1) === '' ? words.slice(0, -1) : words;
          const expected = lines.flatMap((line, index) =>
            new RegExp(how, 'u').test(line.replace(/\r$/, '')) ? [index + 1] : [],
          );
          const found = [...search.found(true).text.matchAll(/^(\d+)(?=:| at byte)/gm)].map(([, line]) =>
            Number(line),
          );
          expect([...new Set(found)]).toEqual(expected);
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe('when many search', () => {
  test('a session with many searches does not keep another from its own', async () => {
    const store = new MemoryStore({ clock: systemClock });
    const busy = await scene({ store, key: 'busy' });
    const other = await scene({ store, key: 'other' });
    const reading = busy.reading;
    const ref = await busy.artifact('needle\n'.repeat(2_000));
    const own = await other.artifact('needle');
    const done: string[] = [];

    const many = Array.from({ length: 4 }, async (_, index) => {
      await reading.read({ num: busy.num, project: 'default' }, { ref, search: { pattern: 'needle' } });
      done.push(`busy ${index + 1}`);
    });
    const one = reading.read(
      { num: other.num, project: 'default' },
      { ref: own, search: { pattern: 'needle' } },
    );
    await one.then(() => done.push('other'));
    await Promise.all(many);

    expect(done.indexOf('other')).toBeLessThan(2);
    expect(done.filter((name) => name !== 'other')).toEqual(['busy 1', 'busy 2', 'busy 3', 'busy 4']);
  });

  test('past a hundred that wait, the next is told to come again', async () => {
    const session = await scene();
    const ref = await session.artifact('needle');
    const stop = new AbortController();
    const search = (): Promise<unknown> =>
      session.reading.read(
        { num: session.num, project: 'default' },
        { ref, search: { pattern: 'x' } },
        stop.signal,
      );

    const waiting = Array.from({ length: 101 }, search);
    const refused = await codeOf(search());
    stop.abort(new Error('the turn is over'));

    expect(refused).toBe('capacity: 100 searches wait');
    const ends = await Promise.allSettled(waiting);
    expect(ends.every(({ status }) => status === 'rejected')).toBe(true);
  });

  test('a search that is stopped ends at once, with the reason', async () => {
    const session = await scene();
    const ref = await session.artifact('a'.repeat(20_000_000));
    const stop = new AbortController();

    const search = session.reading.read(
      { num: session.num, project: 'default' },
      { ref, search: { pattern: '((a{1,30}){1,30})$' } },
      stop.signal,
    );
    stop.abort(new Error('the turn is over'));

    await expect(search).rejects.toThrow('the turn is over');
  });
});
