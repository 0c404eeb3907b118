// Words: how text is folded for search, the same for what is stored and for what is asked.
//
//   W1. Case and accents are gone; anything that is neither letter, digit nor symbol parts words; letters of scripts
//       written without blanks stand alone, so that any run of them can be found.
//   W2. Each blank-separated part of a query must occur: its words in a row, the last as the beginning of a word.

const LONE =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/gu;
const WORD = /[\p{L}\p{N}\p{S}]+/gu;
const PARTS_MAX = 16;

/** Words with one blank between them. */
export function fold(text: string): string {
  const plain = text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase().replace(LONE, ' $& ');
  return (plain.match(WORD) ?? []).join(' ');
}

/** What a session is found by. */
export function wordsOf(session: { key: string; title: string | null; summary: string | null }): string {
  return fold(`${session.key} ${session.title ?? ''} ${session.summary ?? ''}`);
}

/** The parts of a query (W2), at most 16; none where it has no letter, digit or symbol. */
export function queryParts(q: string): readonly string[] {
  const parts = q.split(/\s+/u).map(fold);
  return parts.filter((part) => part !== '').slice(0, PARTS_MAX);
}

/** Whether folded words hold every part. */
export function matches(words: string, parts: readonly string[]): boolean {
  const padded = ` ${words}`;
  return parts.length > 0 && parts.every((part) => padded.includes(` ${part}`));
}
