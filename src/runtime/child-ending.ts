// Child ending: how children end with what is above them, or are handed on.
//
//   CN1. All below hear of it at once, in parallel, however deep they stand; one that fails stops no other.
//   CN2. Whoever ends with its children waits `CASCADE_MS_MAX` for them and goes on then: they unwind by themselves.
//   CN3. What was stopped from above frees its instance: whoever goes on with it wakes it.
//   CN4. A child that is handed on belongs to the nearest session above that goes on, or to nobody.
import type { SessionCore } from '../session/core.ts';
import type { SessionHost } from '../session/host.ts';
import type { Session } from '../session/session.ts';
import { bodyOf } from '../log/event.ts';
import { within } from '../keeper/within.ts';
import type { SessionRow } from '../store/store.ts';
import type { ParentTurn } from '../wire/turn.ts';
import type { SessionRouter } from './router.ts';

const CASCADE_MS_MAX = 2_000;

interface EndingCalls {
  /** Resolves when nothing is being started any more that was being started for this parent. */
  started(parent: string): Promise<void>;
  /** The child keeps no parent in memory any more. */
  letGo(child: string): void;
  announce(parent: SessionCore, child: SessionRow, turn: string, asked: ParentTurn): Promise<void>;
}

/** Children on their way out. */
interface Ending {
  count: number;
  /** Never rejects. */
  over: Promise<unknown>;
}

export class ChildEnding {
  readonly #host: SessionHost & { readonly router: SessionRouter };
  readonly #calls: EndingCalls;

  constructor(host: SessionHost & { readonly router: SessionRouter }, calls: EndingCalls) {
    this.#host = host;
    this.#calls = calls;
  }

  /** Never rejects. */
  async stop(parent: SessionCore, turn: string, reason: string): Promise<void> {
    const { id } = parent.row;
    try {
      await this.#within(id, await this.#stopping(parent, turn, reason));
    } catch (error) {
      this.#failed(id, error);
    }
  }

  stopSoon(parent: SessionCore, turn: string, reason: string): void {
    this.#stopping(parent, turn, reason).catch((error: unknown) => this.#failed(parent.row.id, error));
  }

  /** Never rejects. */
  async end(parent: SessionCore, reason: string): Promise<void> {
    const { id } = parent.row;
    const ended: string[] = [];
    try {
      const ending = await this.#eachSession(id, open, async (child) => {
        if (await this.#isHandedOn(child)) return this.#handOn(child, parent.row);
        ended.push(child.id);
        await child.close(reason, { byParent: true });
      });
      await this.#within(id, ending);
    } catch (error) {
      this.#failed(id, error);
    }
    for (const child of ended) this.#calls.letGo(child);
  }

  /** The session and all below it; the turns that were stopped. CN2: one bound, however deep it goes. */
  async cancel(id: string, reason: string): Promise<readonly string[]> {
    const stopped = new Set<string>();
    await this.#bounded(id, this.#cancelling(id, reason, stopped));
    return Array.from(stopped);
  }

  async cancelBelow(id: string, reason: string): Promise<readonly string[]> {
    const stopped = new Set<string>();
    await this.#bounded(id, this.#cancellingBelow(id, reason, stopped));
    return Array.from(stopped);
  }

  /** Rejects when the session itself cannot be stopped. */
  async #cancelling(id: string, reason: string, stopped: Set<string>): Promise<void> {
    const own = this.#host.router.usingById(id, (session) => stopAll(session, reason, stopped));
    const [mine] = await Promise.allSettled([own, this.#cancellingBelow(id, reason, stopped)]);
    if (mine.status === 'rejected') throw mine.reason;
    await this.#host.registry.evict(id, 'idle'); // CN3
  }

  async #cancellingBelow(id: string, reason: string, stopped: Set<string>): Promise<void> {
    const { over } = await this.#each(id, open, (row) =>
      working(row) // One that is not need not be brought into memory.
        ? this.#cancelling(row.id, reason, stopped)
        : this.#cancellingBelow(row.id, reason, stopped),
    );
    await over;
  }

  #stopping(parent: SessionCore, turn: string, reason: string): Promise<Ending> {
    return this.#eachSession(parent.row.id, working, async (child) => {
      const turns = child.turns().filter(({ spec }) => spec.parent?.turn === turn);
      if (turns.length === 0 || (parent.closing && (await this.#isHandedOn(child)))) return;
      await Promise.all(turns.toReversed().map((each) => child.cancel(each, reason, { byParent: true })));
      await this.#host.registry.evict(child.id, 'idle'); // CN3
    });
  }

  #eachSession(
    parent: string,
    matches: (row: SessionRow) => boolean,
    work: (child: Session) => Promise<void>,
  ): Promise<Ending> {
    const { router } = this.#host;
    return this.#each(parent, matches, (row) => router.usingById(row.id, work));
  }

  /** CN1. Rejects when the children cannot be found. */
  async #each(
    parent: string,
    matches: (row: SessionRow) => boolean,
    work: (row: SessionRow) => Promise<unknown>,
  ): Promise<Ending> {
    const { store, logger } = this.#host;
    await this.#calls.started(parent);
    const rows = (await store.children(parent)).filter(matches);
    const works = rows.map(async (row) => {
      try {
        await work(row);
      } catch (error) {
        logger.warn('child.not_ended', { session: row.id, parent, error });
      }
    });
    return { count: rows.length, over: Promise.all(works) };
  }

  /** CN2. */
  async #within(parent: string, { count, over }: Ending): Promise<void> {
    if (count > 0) await this.#bounded(parent, over);
  }

  /** CN2. What goes on behind the bound says itself when it fails; what it frees is the registry's, which a shutdown waits for. */
  async #bounded(id: string, over: Promise<unknown>): Promise<void> {
    const { clock, logger, draining } = this.#host;
    const msMax = draining ? Infinity : CASCADE_MS_MAX; // A shutdown has bounds of its own.
    if (await within(clock, msMax, over)) return;
    logger.warn('children.still_unwinding', { session: id, ms: CASCADE_MS_MAX });
    over.catch((error: unknown) => this.#failed(id, error));
  }

  #failed(parent: string, error: unknown): void {
    this.#host.logger.warn('children.not_ended', { session: parent, error });
  }

  /** As its first turn was asked for. */
  async #isHandedOn(child: Session): Promise<boolean> {
    const { num } = child.core.log;
    if (num === undefined) return false;
    const bounds = { eventsMax: 1, bytesMax: 1, kinds: ['turn.accepted'] };
    const [first] = await this.#host.store.read(num, 0, bounds);
    return first !== undefined && bodyOf(first, 'turn.accepted').parent?.whenParentEnds === 'handOn';
  }

  /** CN4. */
  async #handOn(child: Session, parent: SessionRow): Promise<void> {
    const heir = await this.#heir(parent);
    this.#calls.letGo(child.id);
    await child.update({ parent: heir });
    if (heir === null) return;
    await this.#host.router.usingById(heir, async ({ core }) => {
      for (const { id, spec, endLogged } of child.turns()) {
        if (spec.parent !== null && !endLogged)
          await this.#calls.announce(core, child.core.row, id, spec.parent);
      }
    });
  }

  async #heir(parent: SessionRow): Promise<string | null> {
    const { store, router } = this.#host;
    for (let id = parent.parent; id !== null;) {
      const core = router.peek(id)?.core;
      const row = core?.row ?? (await store.byId(id));
      if (row === null) return null;
      if (row.state !== 'closed' && core?.closing !== true) return id;
      id = row.parent;
    }
    return null;
  }
}

/** A turn counts as stopped as soon as it is told to, unless it turns out to have ended otherwise. */
async function stopAll(session: Session, reason: string, stopped: Set<string>): Promise<void> {
  const told = session.turns().filter(({ stop }) => stop === undefined);
  for (const { id } of told) stopped.add(id);
  const ended = new Set(await session.cancelAll(reason, { byParent: true }));
  for (const { id } of told) if (!ended.has(id)) stopped.delete(id);
  for (const id of ended) stopped.add(id);
}

const open = ({ state }: SessionRow): boolean => state !== 'closed';
const working = ({ state }: SessionRow): boolean => state !== 'closed' && state !== 'idle';
