// InProcessEncoder: counts tokens in the thread it is asked in, for tests: they need no thread for each runtime, and may hold up
// their event loop.
import type { Encoder } from '../context/counted-texts.ts';
import { encoding } from '../context/encoding.ts';

export function inProcessEncoder(): Encoder {
  return {
    encode: async (texts) => texts.map(await encoding()),
    close: () => Promise.resolve(),
  };
}
