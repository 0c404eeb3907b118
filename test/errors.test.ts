// The table of error codes cannot rot: what is declared, used and documented is the same, in one spelling.
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { errorsPage } from '../scripts/docs/errors-page.ts';
import { MEANINGS } from '../scripts/docs/meanings.ts';
import { parseSources, textOf, walk } from '../scripts/tidy/source.ts';
import { readTree } from '../scripts/tidy/tree.ts';
import { ERRORS, SojournError, type ErrorCode } from '../src/kernel/errors.ts';

const TABLE = 'src/kernel/errors.ts';
const CODES = Object.keys(ERRORS) as ErrorCode[];
const tree = readTree(fileURLToPath(new URL('..', import.meta.url)));
const { sources } = parseSources(tree);

/** Every text in quotes, and where it stands. */
function textsOf(folder: RegExp): { text: string; at: string }[] {
  const texts: { text: string; at: string }[] = [];
  for (const source of sources) {
    if (!folder.test(source.path) || source.path === TABLE) continue;
    walk(source.program, (node) => {
      const text = textOf(node);
      if (text !== undefined) texts.push({ text, at: `${source.path}:${source.line(node.start)}` });
    });
  }
  return texts;
}

test('every code has a sentence that says what happened, and every sentence a code', () => {
  expect(Object.keys(MEANINGS).sort()).toEqual([...CODES].sort());
});

test('docs/errors.md says what the table says (npm run docs:errors writes it)', () => {
  expect(tree.find(({ path }) => path === 'docs/errors.md')?.text).toBe(errorsPage());
});

test('every code is used', () => {
  const used = new Set(textsOf(/^src\//).map(({ text }) => text));

  expect(CODES.filter((code) => !used.has(code))).toEqual([]);
});

test('every code is spelled one way, in code and in documents', () => {
  const bare = (text: string): string => text.toLowerCase().replace(/[^a-z]/g, '');
  const byBare = new Map(CODES.filter((code) => code.includes('.')).map((code) => [bare(code), code]));
  const inCode = textsOf(/^(src|test|examples|bench)\//);
  const inDocuments = tree
    .filter(({ path }) => path.endsWith('.md'))
    .flatMap(({ path, text }) =>
      [...text.matchAll(/`([\w.-]+)`/g)].map((match) => ({ text: match[1] ?? '', at: path })),
    );

  const wrong = [...inCode, ...inDocuments].filter(({ text, at }) => {
    const code = byBare.get(bare(text));
    return (
      /^[\w.-]+$/.test(text) && code !== undefined && text !== code && !at.startsWith('test/errors.test.ts')
    );
  });

  expect(wrong).toEqual([]);
});

test('every code reads as an area and a reason, and its row can be acted on', () => {
  const wrong = CODES.filter((code) => {
    const { http, fix } = ERRORS[code];
    const isNamed = /^[a-z][a-z-]*(\.[a-z]+(_[a-z]+)*)?$/.test(code);
    return !(isNamed && http >= 400 && http < 600 && /^[A-Z][^|]*[^.|]\.$/.test(fix));
  });

  expect(wrong).toEqual([]);
});

test('an error says its code, what happened and what to do, and keeps its cause to itself', () => {
  const cause = new Error('disk on fire');

  const error = new SojournError('store.failed', 'Commit 7 failed', { cause, retryAfterMs: 50 });

  expect(error.message).toBe(`store.failed: Commit 7 failed. ${ERRORS['store.failed'].fix}`);
  expect(error).toMatchObject({ name: 'SojournError', code: 'store.failed', retryAfterMs: 50, cause });
  expect(SojournError.is(error, 'store.failed')).toBe(true);
  expect(SojournError.is(error, 'store.full')).toBe(false);
});
