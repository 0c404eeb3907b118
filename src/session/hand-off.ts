// Hand-off: what a turn leaves for whoever goes on, cut to what its end can carry.
import type { HandOff } from '../wire/turn.ts';

const SUMMARY_CHARS_MAX = 8_192;
const LINE_CHARS_MAX = 512;
const LINES_MAX = 50;

/** Whatever an agent gives: texts that are too long are cut, what is no text is left out. */
export function boundedHandOff(given: HandOff): HandOff {
  const handOff: HandOff = { summary: cut(given.summary, SUMMARY_CHARS_MAX) };
  for (const name of ['changedFiles', 'decisions', 'blockers', 'followUps'] as const) {
    const lines: unknown = given[name];
    if (!Array.isArray(lines)) continue;
    const texts = lines.filter((line) => typeof line === 'string').slice(0, LINES_MAX);
    handOff[name] = texts.map((line) => cut(line, LINE_CHARS_MAX));
  }
  return handOff;
}

/** The beginning, cut between code points. */
export function cut(text: unknown, charsMax: number): string {
  if (typeof text !== 'string') return '';
  if (text.length <= charsMax) return text;
  const begun = text.slice(0, charsMax);
  return begun.isWellFormed() || !text.isWellFormed() ? begun : begun.slice(0, -1);
}
