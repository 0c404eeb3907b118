// What is left to see of a text that is moved out, and about what it would have taken of a prompt.
import { Buffer } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { expect, test } from 'vitest';
import { estimate } from '../src/context/estimate.ts';
import { excerptOf } from '../src/context/excerpt.ts';

const at = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');
const rows = Array.from({ length: 500 }, (_, id) => ({ id, name: `row ${id}`, value: Math.sin(id) }));

test.each([
  ['prose', at('../CONTRIBUTING.md')],
  ['code', at('../src/session/conduct.ts')],
  ['a table of JSON', JSON.stringify(rows)],
  ['JSON with indentation', JSON.stringify(rows, null, 2)],
  [
    'a log',
    rows
      .map(({ id }) => `2026-11-20T17:28:00.${id}Z INFO [w-${id % 8}] GET /v1/a/${id} 200 ${id}ms`)
      .join('\n'),
  ],
  ['numbers', rows.map(({ id }) => String((id * 7_919) % 1_000_003)).join('\n')],
  ['Chinese', '会话运行时保持每个用户的对话耐久，并且一次只运行一个回合。'.repeat(200)],
  ['Russian', 'Сессия остаётся долговечной, и в ней идёт только один ход. '.repeat(200)],
])('about how many tokens %s takes is known without a table', (_kind, text) => {
  const share = estimate(text) / countTokens(text);

  expect([share > 0.75, share < 1.35]).toEqual([true, true]);
});

test('a text of 64 MiB is measured in a moment, by places all over it', () => {
  const text = Buffer.concat([
    Buffer.alloc(32 * 1_024 * 1_024, 'the words of a sentence, '),
    Buffer.alloc(32 * 1_024 * 1_024, '8 1 2 '),
  ]);

  const { tokens } = excerptOf(text, 'text/plain', 2_048);

  expect(tokens).toBeGreaterThan(20_000_000);
  expect(tokens).toBeLessThan(30_000_000);
});

test('beginning and end never meet, and lines are those a reader would count', () => {
  const excerpt = (text: string, bytesMax: number) => excerptOf(Buffer.from(text), 'text/plain', bytesMax);

  expect(excerpt('one\ntwo\nthree', 100)).toMatchObject({ preview: 'one\ntwo\nthree', lines: 3 });
  expect(excerpt('one\ntwo\nthree', 100).tail).toBe(undefined);
  expect(excerpt('one\ntwo\n', 10)).toMatchObject({ preview: 'one\ntw', tail: 'o\n', lines: 2 });
  expect(excerpt('', 10)).toMatchObject({ preview: '', lines: 0, tokens: 0 });
});

test('of what is no text nothing is shown', () => {
  const bytes = Buffer.from([0xff, 0xfe, 0x00, ...Buffer.alloc(10_000, 0x80)]);

  for (const type of ['image/png', 'application/octet-stream', 'text/plain']) {
    const { preview, tail, lines } = excerptOf(bytes, type, 2_048);
    expect([preview, tail, lines]).toEqual(['', undefined, undefined]);
  }
});
