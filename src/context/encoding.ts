// Encoding: the one table that texts are counted by. Whoever imports it into the thread of an event loop holds that up: it is
// 60 MB, and takes a fifth of a second to load.
//
//   EN1. The time a count takes is bounded: a run without a space is cut, since an encoder is quadratic in the length of a word.
//   EN2. Counting never throws: what is counted may hold the names of an encoding's control tokens.
import type { Count } from './tokens.ts';

/** The longest run of characters that the encoder is given (EN1). */
const RUN_CHARS_MAX = 256;

/** How many words' counts the encoder keeps. */
const WORDS_REMEMBERED_MAX = 10_000;

export async function encoding(): Promise<Count> {
  const { countTokens, setMergeCacheSize } = await import('gpt-tokenizer/encoding/o200k_base');
  setMergeCacheSize(WORDS_REMEMBERED_MAX);
  return (text) => inRuns(text, (run) => countTokens(run, { disallowedSpecial: new Set() })); // EN2
}

/** EN1. */
function inRuns(text: string, encoder: Count): number {
  if (text.length <= RUN_CHARS_MAX) return encoder(text);
  let tokens = 0;
  for (let from = 0; from < text.length;) {
    const until = from + RUN_CHARS_MAX;
    // Behind the last space, so that no word is cut that need not be.
    const space = until < text.length ? text.lastIndexOf(' ', until) : until;
    const end = space > from ? space : until;
    tokens += encoder(text.slice(from, end));
    from = end;
  }
  return tokens;
}
