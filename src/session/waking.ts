// Waking: an instance that is being got for a turn while the turn's acceptance becomes durable.
//
//   WK1. Whoever has it either takes its use or lets it sleep; a use that comes after that is given back.
import type { Place, Use } from '../keeper/keeper.ts';
import type { SessionCore } from './core.ts';
import type { LiveSession } from './live.ts';

export class Waking {
  readonly use: Promise<Use<LiveSession>>;
  readonly abort = new AbortController();

  /** Uses up the place. */
  constructor(core: SessionCore, place: Place) {
    const { host, row, context } = core;
    this.use = host.registry.use(row.id, context, { place, signal: this.abort.signal });
    this.use.catch(() => undefined); // Whoever awaits it hears of it.
  }

  /** The turn it was for does not come (WK1). */
  letSleep(): void {
    this.abort.abort();
    void this.use.then(
      (use) => use.release(),
      () => undefined,
    );
  }
}
