// Pages: a log read a page after the other, so that no more of it than one page is held.
import { DEFAULT_LIMITS, type Limits } from '../kernel/limits.ts';
import type { EventStore, Seq, SessionNum, StoredEvent } from '../store/store.ts';

export interface PagesOptions {
  /**
   * Events with a larger seq are read.
   *
   * @default 0
   */
  after?: Seq;
  /**
   * The last that is.
   *
   * @default the head, as it is when it is reached
   */
  to?: Seq;
  /** @default all kinds */
  kinds?: readonly string[];
  /** @default DEFAULT_LIMITS */
  limits?: Pick<Limits, 'pageEventsMax' | 'pageBytesMax'>;
}

/** Ascending. Throws what the store's `read` throws. */
export async function* pagesOf(
  store: Pick<EventStore, 'read'>,
  session: SessionNum,
  { after = 0, to = Infinity, kinds, limits = DEFAULT_LIMITS }: PagesOptions = {},
): AsyncGenerator<readonly StoredEvent[]> {
  const { pageEventsMax: eventsMax, pageBytesMax: bytesMax } = limits;
  const bounds = { eventsMax, bytesMax, ...(kinds === undefined ? {} : { kinds }) };
  for (let last = after; last < to;) {
    const page = await store.read(session, last, bounds);
    const end = page.at(-1)?.seq;
    if (end === undefined) return;
    yield end > to ? page.filter(({ seq }) => seq <= to) : page;
    last = end;
  }
}
