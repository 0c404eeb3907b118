// Waking: an instance that is being got for a turn while the turn's acceptance becomes durable.
//
//   WK1. Whoever has it either takes its use or lets it sleep; a use that comes after that is given back.
//   WK2. Where the turn's start is written with its acceptance, what is written is handed over first: nothing of the waking
//        keeps it.
import type { Place, Use } from '../keeper/keeper.ts';
import type { SessionCore } from './core.ts';
import type { LiveSession } from './live.ts';

export class Waking {
  readonly use: Promise<Use<LiveSession>>;
  readonly abort = new AbortController();
  /** The turn's start is in the append of its acceptance. */
  readonly hasStarted: boolean;

  /** Uses up the place. */
  constructor(core: SessionCore, place: Place, hasStarted: boolean) {
    this.hasStarted = hasStarted;
    const { host, row, context } = core;
    const wake = (): Promise<Use<LiveSession>> =>
      host.registry.use(row.id, context, { place, signal: this.abort.signal });
    // A group of appends leaves at the end of the event loop's turn (Q1 of the commit queue): behind it.
    this.use = hasStarted ? new Promise((resolve) => setImmediate(resolve)).then(wake) : wake();
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
