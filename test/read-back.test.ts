import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SojournError } from '../src/kernel/errors.ts';
import { ManualClock } from '../src/testing/manual-clock.ts';
import { hashOf, scene } from './read-back-scene.ts';

const numbered = (count: number): string =>
  Array.from({ length: count }, (_, index) => `line ${index + 1}\n`).join('');

/** What a model is answered in a tool's result. */
const jsonBytes = (text: string): number => Buffer.byteLength(JSON.stringify({ text }));

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return error instanceof SojournError ? `${error.code}: ${error.detail}` : String(error);
}

describe('the whole', () => {
  test('a text comes from its start, in pages that end with a line, and says how to go on', async () => {
    const session = await scene();
    const ref = await session.artifact(numbered(2_000));

    const first = await session.read({ ref });

    expect(first).toMatchObject({ ref, mediaType: 'text/plain; charset=utf-8', bytes: 18_893 });
    expect(first.text.startsWith('line 1\nline 2\n')).toBe(true);
    expect(first.text.endsWith('\n')).toBe(true);
    expect(first.range).toEqual({ from: 0, to: Buffer.byteLength(first.text) });
    expect(first.next).toEqual({ ref, bytes: { from: first.range?.to } });
    expect((await session.walk({ ref })).bytes.toString()).toBe(numbered(2_000));
  });

  test.each([
    ['an empty one', ''],
    ['one without a last line break', 'one\ntwo'],
    ['one with line ends of Windows', 'one\r\ntwo\r\n'.repeat(3_000)],
    ['one with NUL in it', 'a\0b\n'.repeat(5_000)],
    ['one that begins with a byte order mark', `\uFEFF${'x\n'.repeat(10_000)}`],
    ['one of quotes, which take twice their room', '"\\'.repeat(10_000)],
    ['one of control characters, which take six times theirs', '\u0001'.repeat(30_000)],
    ['one of characters of four bytes', '🧭'.repeat(8_000)],
    ['one line of a hundred thousand characters', 'é'.repeat(100_000)],
  ])('%s comes back byte for byte, and no answer is ever moved out again', async (_, text) => {
    const session = await scene();
    const ref = await session.artifact(text);

    const pages: string[] = [];
    for (let page = await session.read({ ref }); ; page = await session.read(page.next)) {
      expect(page.encoding).toBeUndefined();
      pages.push(page.text);
      if (page.next === undefined) break;
    }

    expect(hashOf(Buffer.from(pages.join('')))).toBe(hashOf(Buffer.from(text)));
    expect(Math.max(...pages.map(jsonBytes))).toBeLessThan(8_192);
    for (const page of pages) expect(page.isWellFormed()).toBe(true);
  });

  test('what is no UTF-8 comes as base64 of exactly its bytes', async () => {
    const session = await scene();
    const bytes = Buffer.from(Array.from({ length: 40_000 }, (_, index) => (index * 7) % 256));
    const ref = await session.artifact(bytes, 'application/octet-stream');

    const first = await session.read({ ref });

    expect(first.encoding).toBe('base64');
    expect(Buffer.from(first.text, 'base64')).toEqual(bytes.subarray(0, first.range?.to));
    expect(hashOf((await session.walk({ ref })).bytes)).toBe(hashOf(bytes));
  });

  test('a text with a broken byte in it comes back with that byte', async () => {
    const session = await scene();
    const bytes = Buffer.concat([
      Buffer.from('ü\n'.repeat(9_000)),
      Buffer.from([0xc3]),
      Buffer.from('ü\n'.repeat(9_000)),
    ]);
    const ref = await session.artifact(bytes);

    expect(hashOf((await session.walk({ ref })).bytes)).toBe(hashOf(bytes));
  });

  test('one line of 60 MiB is read at its start, in its middle and at its end', async () => {
    const session = await scene();
    const line = Buffer.alloc(60 * 1_048_576, 'abcdefgh');
    const ref = await session.artifact(line);

    const middle = await session.read({ ref, bytes: { from: 30_000_000, to: 30_000_016 } });
    const end = await session.read({ ref, bytes: { from: line.byteLength - 4 } });
    const first = await session.read({ ref, lines: { from: 1, to: 1 } });
    const found = await session.read({ ref, search: { pattern: 'h$' } });

    expect(middle.text).toBe('abcdefghabcdefgh');
    expect(end).toMatchObject({ text: 'efgh' });
    expect(end.next).toBeUndefined();
    expect(first.next).toEqual({ ref, bytes: { from: first.range?.to } });
    expect(found.text).toMatch(/^1 at byte 62914559: …[a-h]+\n$/);
    expect(found.next).toBeUndefined();
  }, 30_000);

  test('whatever bytes there are, from next to next they come whole', async () => {
    const session = await scene({ inlineBytesMax: 1_024 });
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 900 }),
      fc.string({ unit: 'binary', maxLength: 900 }).map((text) => Buffer.from(text)),
      fc
        .constantFrom('\n', '\r\n', '\0', '"'.repeat(700), 'x'.repeat(1_500), '漢'.repeat(400))
        .map((text) => Buffer.from(text)),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 8 }), fc.nat(), fc.nat(), async (pieces, a, b) => {
        const bytes = Buffer.concat(pieces);
        const ref = await session.artifact(bytes);
        const [from = 0, to = 0] = [a % (bytes.byteLength + 1), b % (bytes.byteLength + 1)].toSorted(
          (x, y) => x - y,
        );

        const whole = await session.walk({ ref });
        const part = await session.walk({ ref, bytes: { from, to } });

        expect(whole.bytes.equals(bytes)).toBe(true);
        expect(bytes.subarray(Math.max(0, from - 3), to + 3).includes(part.bytes)).toBe(true);
        expect(part.bytes.includes(bytes.subarray(from, to))).toBe(true);
      }),
      { numRuns: 200 },
    );
  });
});

describe('a part', () => {
  test('a range of bytes that would cut a character is widened to hold it', async () => {
    const session = await scene();
    const ref = await session.artifact('aéz');

    const cut = await session.read({ ref, bytes: { from: 2, to: 4 } });

    expect(cut).toMatchObject({ text: 'éz', range: { from: 1, to: 4 } });
  });

  test('lines are counted from 1, with the last one in', async () => {
    const session = await scene();
    const ref = await session.artifact('one\r\ntwo\r\nthree');

    expect((await session.read({ ref, lines: { from: 2, to: 3 } })).text).toBe('two\r\nthree');
    expect((await session.read({ ref, lines: { from: 2 } })).text).toBe('two\r\nthree');
    expect((await session.read({ ref, lines: { from: 1, to: 1 } })).text).toBe('one\r\n');
    expect((await session.read({ ref, head: 2 })).text).toBe('one\r\ntwo\r\n');
    expect((await session.read({ ref, head: 9 })).text).toBe('one\r\ntwo\r\nthree');
    expect((await session.read({ ref, tail: 1 })).text).toBe('three');
    expect((await session.read({ ref, tail: 2 })).text).toBe('two\r\nthree');
    expect((await session.read({ ref, tail: 9 })).text).toBe('one\r\ntwo\r\nthree');
  });

  test('a last line break ends a line and begins none', async () => {
    const session = await scene();
    const ref = await session.artifact('one\ntwo\n');

    expect((await session.read({ ref, tail: 1 })).text).toBe('two\n');
    expect(await codeOf(session.read({ ref, lines: { from: 3 } }))).toBe(
      `read-back.invalid: ${ref} has 2 lines, and none from 3 on`,
    );
  });

  test.each([1, 3, 100, 20_000, 29_999, 30_000, 30_001])(
    'the last %i lines are those, of a long text',
    async (count) => {
      const session = await scene();
      const ref = await session.artifact(numbered(30_000));

      const { bytes } = await session.walk({ ref, tail: count });

      expect(bytes.toString()).toBe(numbered(30_000).slice(numbered(Math.max(0, 30_000 - count)).length));
    },
  );

  test('lines that do not fit on a page go on, and stop where they were told to', async () => {
    const session = await scene();
    const ref = await session.artifact(numbered(5_000));

    const lines = await session.walk({ ref, lines: { from: 101, to: 3_000 } });
    const tail = await session.walk({ ref, tail: 2_000 });

    expect(lines.bytes.toString()).toBe(numbered(3_000).slice(numbered(100).length));
    expect(tail.bytes.toString()).toBe(numbered(5_000).slice(numbered(3_000).length));
    expect(lines.calls).toBeGreaterThan(2);
  });

  test('of an empty text there is no line and nothing to say', async () => {
    const session = await scene();
    const ref = await session.artifact('');

    for (const call of [
      {},
      { head: 3 },
      { tail: 3 },
      { lines: { from: 1 } },
      { lines: { from: 1, to: 2 } },
      { bytes: { from: 0 } },
    ]) {
      const { text, next } = await session.read({ ref, ...call });
      expect({ text, next }).toEqual({ text: '', next: undefined });
    }
  });

  test.each([
    [{ lines: { from: 0 } }, 'lines.from is a whole number of at least 1'],
    [{ lines: { from: 4, to: 2 } }, 'lines.to is a whole number of at least 4'],
    [{ bytes: { from: -1 } }, 'bytes.from is a whole number of at least 0'],
    [{ bytes: { from: 99 } }, 'has 3 bytes, and none from 99 on'],
    [{ head: 1.5 }, 'head is a whole number of at least 1'],
    [{ tail: 1e9 }, 'tail is a whole number from 1 to 100000'],
    [{ head: 1, tail: 1 }, 'There is one way of reading at a time, not head and tail'],
    [{ path: '' }, 'path is a text of 1 to 1000 characters'],
    [{ search: { pattern: 'x', around: 99 } }, 'around is a whole number from 0 to 20'],
  ])('%j is answered with what is wrong with it', async (call, said) => {
    const session = await scene();
    const ref = await session.artifact('abc');

    expect(await codeOf(session.read({ ref, ...call }))).toContain(said);
  });
});

describe('a path', () => {
  const shop = JSON.stringify({
    book: [
      { by: 'Nigel', price: 8.95 },
      { by: 'Evelyn', price: 12.99 },
    ],
    open: null,
  });

  test('finds values, each a line of JSON', async () => {
    const session = await scene();
    const ref = await session.artifact(shop, 'application/json');

    const by = await session.read({ ref, path: '$.book[*].by' });

    expect(by).toMatchObject({ text: '"Nigel"\n"Evelyn"\n', matches: 2, bytes: shop.length });
    expect((await session.read({ ref, path: '$.book[?@.price > 10].by' })).text).toBe('"Evelyn"\n');
    expect((await session.read({ ref, path: "$.book[?search(@.by, 'ge')]" })).matches).toBe(1);
    expect((await session.read({ ref, path: '$.nothing' })).text).toBe('');
  });

  test('long numbers keep their digits, and what is no member of the text is not found', async () => {
    const session = await scene();
    const json = '{"id":12345678901234567890,"at":[1.5,0.1234567890123456789],"__proto__":{"a":1}}';
    const ref = await session.artifact(json, 'application/json');
    const found = async (path: string): Promise<string> => (await session.read({ ref, path })).text;

    expect(await found('$.id')).toBe('12345678901234567890\n');
    expect(await found('$.at[*]')).toBe('1.5\n0.1234567890123456789\n');
    expect(await found('$')).toBe(`${json}\n`);
    expect(await found('$..*')).toBe(
      '12345678901234567890\n[1.5,0.1234567890123456789]\n{"a":1}\n1.5\n0.1234567890123456789\n1\n',
    );
    expect(await found('$.constructor')).toBe('');
  });

  test('what it finds goes on from page to page', async () => {
    const session = await scene();
    const items = Array.from({ length: 3_000 }, (_, index) => ({ index, name: `item ${index}` }));
    const ref = await session.artifact(JSON.stringify({ items }), 'application/json');

    const names = await session.walk({ ref, path: '$.items[*].name' });

    expect(names.bytes.toString()).toBe(items.map(({ name }) => `"${name}"\n`).join(''));
    expect(names.calls).toBeGreaterThan(3);
  });

  test('a path that is none, a text that is no JSON and one that is too large are answered with what to do', async () => {
    const session = await scene();
    const ref = await session.artifact(shop, 'application/json');
    const text = await session.artifact('not json');
    const large = await session.artifact(`"${'x'.repeat(5_000_000)}"`, 'application/json');

    expect(await codeOf(session.read({ ref, path: '$.[' }))).toMatch(
      /^read-back\.invalid: This cannot be looked for: /,
    );
    expect(await codeOf(session.read({ ref: text, path: '$' }))).toMatch(/not valid JSON/);
    expect(await codeOf(session.read({ ref: large, path: '$' }))).toMatch(/use search/);
  });

  test('a hostile path is given up after ten seconds, and others are answered meanwhile', async () => {
    const clock = new ManualClock();
    const session = await scene({ clock });
    const wide = await session.artifact(
      JSON.stringify(Array.from({ length: 300 }, () => Array(300).fill('a'))),
    );

    const hostile = codeOf(session.read({ ref: wide, path: '$..[?count($..*) > count($..*..*)]' }));
    await clock.advance(9_999);
    const { text } = await session.read({ ref: wide, bytes: { from: 0, to: 3 } });
    await clock.advance(1);

    expect(text).toBe('[["');
    expect(await hostile).toBe(
      'read-back.invalid: This cannot be looked for: it takes longer than 10000 ms: ask for less',
    );
    expect(clock.pending).toBe(0);
  });

  test('a text that is nested too deep, and a pattern that would never end elsewhere, are answered soon', async () => {
    const session = await scene();
    const deep = await session.artifact(`${'['.repeat(200_000)}${']'.repeat(200_000)}`);
    const same = await session.artifact(JSON.stringify(['a'.repeat(50_000)]));

    expect(await codeOf(session.read({ ref: deep, path: '$..*' }))).toMatch(/^read-back\.invalid: /);
    expect((await session.read({ ref: same, path: "$[?match(@, '(a+)+b')]" })).matches).toBe(0);
  });
});
