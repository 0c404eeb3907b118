// Reading: the part of a log that a working set is made of, and a set that is brought up to date from it.
//
//   RD1. Others have their turn between two pages; a log of one page is read at once.
//   RD2. Whoever does not want it any more is let go before the next page.
import { breathe } from '../kernel/breath.ts';
import type { Limits } from '../kernel/limits.ts';
import { pagesOf } from '../log/pages.ts';
import { TRANSCRIPT_KINDS } from '../log/transcript.ts';
import type { EventStore, SessionNum } from '../store/store.ts';
import type { WorkingSet } from './working-set.ts';

const KINDS: readonly string[] = [
  ...TRANSCRIPT_KINDS,
  'tool.called',
  'tool.returned',
  'child.started',
  'usage',
  'context.offloaded',
  'context.compacted',
];

/** The kinds it is made of. */
export const WORKING_SET_KINDS: ReadonlySet<string> = new Set(KINDS);

export interface ReadingParts {
  store: Pick<EventStore, 'read'>;
  limits: Pick<Limits, 'pageEventsMax' | 'pageBytesMax'>;
  signal?: AbortSignal;
}

/** What is in the log behind the last event that was fed. Throws the signal's reason, and what the store's `read` throws. */
export async function catchUp(
  set: WorkingSet,
  session: SessionNum,
  { store, limits, signal }: ReadingParts,
): Promise<void> {
  let pages = 0;
  for await (const page of pagesOf(store, session, { after: set.lastSeq, kinds: KINDS, limits })) {
    if (pages > 0) await breathe(); // RD1
    signal?.throwIfAborted(); // RD2
    set.feed(page);
    pages += 1;
  }
}
