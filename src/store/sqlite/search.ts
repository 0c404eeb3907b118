// Search: which settled sessions a text search finds, newest activity first, without ever sorting the many.
//
//   S1. The newest sessions of the list are tested one by one. That answers what is common; and it tells which words
//       are rare.
//   S2. Where the page is not full by then, the rare words are looked up in the word index, and what it names is
//       tested and sorted. Only where even those are many, the list is walked on.
//   S3. The word index knows words and their beginnings, nothing else: whether a query's parts occur is always tested
//       on the words themselves, so that both ways agree with each other and with `matches`.
import type { SessionNum } from '../store.ts';
import type { Connection, Value } from './connection.ts';
import { matches } from './words.ts';

export interface Spot {
  at: number;
  num: SessionNum;
}

export interface Condition {
  sql: string;
  values: readonly Value[];
}

/** Where to look, in SQL: `from` names the sessions `s`, walked in `order`. */
export interface Walk {
  from: string;
  where: Condition;
  order: string;
  /** The same as `where`, about `s` alone. */
  alone: Condition;
}

const TESTED_MIN = 1_000;
/** In the sample; a word above it is not worth looking up. */
const RARE_SHARE = 0.05;
/** About where looking them all up costs as much as walking on to the end of a page. */
const HITS_MAX = 4_000;

export function searchSpots(
  connection: Connection,
  walk: Walk,
  parts: readonly string[],
  limit: number,
): readonly Spot[] {
  const testedMax = Math.max(TESTED_MIN, limit * 10);
  const tested = connection.rows<Spot & { words: string }>(
    `SELECT s.num, s.listedAt AS at, c.c0 AS words FROM ${walk.from} CROSS JOIN search_content c ON c.id = s.num
     WHERE ${walk.where.sql} ORDER BY ${walk.order} LIMIT ?`,
    ...walk.where.values,
    testedMax,
  );
  const found = tested.filter(({ words }) => matches(words, parts));
  if (found.length >= limit || tested.length < testedMax) return found.slice(0, limit);
  const rare = rareWords(
    parts,
    tested.map(({ words }) => words),
  );
  const isNarrow = rare.length > 0 && countHits(connection, rare.join(' AND ')) <= HITS_MAX;
  if (!isNarrow) return walkOn(connection, walk, parts, limit);
  // Where every part is one rare word, the index has tested all there is to test.
  const isTested = rare.length === parts.length && parts.every((part) => !part.includes(' '));
  return hitSpots(connection, walk, rare.join(' AND '), isTested ? [] : parts, limit);
}

/** For `MATCH`: the words of the query that few of the sample have. Folded words hold no quote, so nothing is syntax. */
function rareWords(parts: readonly string[], sample: readonly string[]): readonly string[] {
  const rare: string[] = [];
  const padded = sample.map((words) => ` ${words} `);
  for (const part of parts) {
    const words = part.split(' ');
    for (const [index, word] of words.entries()) {
      const isLast = index === words.length - 1;
      const needle = isLast ? ` ${word}` : ` ${word} `;
      const share = padded.filter((text) => text.includes(needle)).length / padded.length;
      if (share <= RARE_SHARE) rare.push(`"${word}"${isLast ? ' *' : ''}`);
    }
  }
  return rare;
}

function countHits(connection: Connection, expression: string): number {
  return connection.number(
    'SELECT count(*) FROM (SELECT 1 FROM search WHERE search MATCH ? LIMIT ?)',
    expression,
    HITS_MAX + 1,
  );
}

const tests = (parts: readonly string[]): string => parts.map(() => `AND instr(' ' || c.c0, ?)`).join(' ');
const needles = (parts: readonly string[]): Value[] => parts.map((part) => ` ${part}`);

function hitSpots(
  connection: Connection,
  walk: Walk,
  expression: string,
  parts: readonly string[],
  limit: number,
): readonly Spot[] {
  const words = parts.length === 0 ? '' : 'CROSS JOIN search_content c ON c.id = f.rowid';
  return connection.rows<Spot>(
    `SELECT s.num, s.listedAt AS at FROM search f ${words} CROSS JOIN sessions s ON s.num = f.rowid
     WHERE f.search MATCH ? ${tests(parts)} AND ${walk.alone.sql} ORDER BY s.listedAt DESC, s.num DESC LIMIT ?`,
    expression,
    ...needles(parts),
    ...walk.alone.values,
    limit,
  );
}

function walkOn(
  connection: Connection,
  walk: Walk,
  parts: readonly string[],
  limit: number,
): readonly Spot[] {
  return connection.rows<Spot>(
    `SELECT s.num, s.listedAt AS at FROM ${walk.from} CROSS JOIN search_content c ON c.id = s.num
     WHERE ${walk.where.sql} ${tests(parts)} ORDER BY ${walk.order} LIMIT ?`,
    ...walk.where.values,
    ...needles(parts),
    limit,
  );
}
