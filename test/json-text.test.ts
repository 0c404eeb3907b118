// JSON of very large values: what JSON.stringify says, and others come in between.
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { imprintOf } from '../src/context/imprint.ts';
import { charsUpTo, jsonText } from '../src/context/json-text.ts';

const LONG = `${'x'.repeat(1_048_575)}\u{1f600}"\n\ud800`;

const VALUES: readonly unknown[] = [
  null,
  undefined,
  'a "text"',
  LONG,
  [],
  {},
  { none: undefined, call: () => 1, deep: { list: [undefined, Symbol('s'), 1, { a: [{ b: [[LONG]] }] }] } },
  [new Date(0), { toJSON: () => ['own'] }, new Map([[1, 2]]), Object.create(null), new String('boxed')],
  Array.from({ length: 30_000 }, (_, id) => ({ id, name: `row ${id}`, none: undefined })),
  { first: undefined, rows: Array.from({ length: 30_000 }, (_, id) => [id, { id }]) },
];

test.each(VALUES.map((value, index) => [index, value]))(
  'value %i is written as JSON has it',
  async (_index, value) => {
    const expected = (JSON.stringify(value) as string | undefined) ?? 'null';

    expect((await jsonText(value)) === expected).toBe(true);
    expect(charsUpTo(value, Infinity) || 4).toBe(expected.length);
  },
);

test('what has no JSON is refused also where it is large', async () => {
  const circle: unknown[] = [LONG];
  circle.push({ circle });

  await expect(jsonText(circle)).rejects.toThrow(TypeError);
  await expect(jsonText([LONG, 10n])).rejects.toThrow(TypeError);
});

test('others come in between while a large value is written and named', async () => {
  let turns = 0;
  let isOver = false;
  const others = (): void => {
    turns += 1;
    if (!isOver) setImmediate(others);
  };
  setImmediate(others);

  const text = await jsonText(Array.from({ length: 20 }, () => LONG));
  const between = turns;
  const bytes = Buffer.from(text);
  const { digest, lines } = await imprintOf(bytes);
  isOver = true;

  expect(between).toBeGreaterThan(9);
  expect(turns - between).toBeGreaterThan(9);
  expect([digest, lines]).toEqual([createHash('sha256').update(bytes).digest('hex'), 1]);
});
