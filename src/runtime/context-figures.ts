// Context figures: what has left the working sets of all sessions since the start, counted from what became durable.
import { bodyOf } from '../log/event.ts';
import type { StoredEvent } from '../store/store.ts';
import type { StatsView } from '../wire/calls.ts';

export class ContextFigures {
  readonly #counts = {
    offloads: 0,
    offloadedBytes: 0,
    compactions: 0,
    tokensSaved: 0,
    byRules: 0,
    collectedFiles: 0,
    collectedBytes: 0,
  };

  get counts(): StatsView['context'] {
    return { ...this.#counts };
  }

  /** Files of artifacts that nobody needed any more. */
  collected(files: number, bytes: number): void {
    this.#counts.collectedFiles += files;
    this.#counts.collectedBytes += bytes;
  }

  /** What became durable in a session's log. */
  heard(events: readonly StoredEvent[]): void {
    const counts = this.#counts;
    for (const event of events) {
      if (event.kind === 'context.offloaded') {
        counts.offloads += 1;
        counts.offloadedBytes += bodyOf(event, 'context.offloaded').bytes;
      } else if (event.kind === 'context.compacted') {
        const { tokensBefore, tokensAfter, instead } = bodyOf(event, 'context.compacted');
        counts.compactions += 1;
        counts.tokensSaved += tokensBefore - tokensAfter;
        counts.byRules += instead === undefined ? 0 : 1;
      }
    }
  }
}
