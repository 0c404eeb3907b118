// Keeper: keeps costly things by key. Each is made once, held while used, remade when it is out of date, put away.
// It owns which things are in memory and which leave; not what they are, nor what is done with them.
//
//   K1. One thing per key, counting one being made: making, remaking and putting away are single-flight, callers that
//       meet share one outcome, and making waits for what is leaving of that key. Two only while one replaces the other.
//   K2. What is held is never put away, except by `retire` and at the end of `shutdown`. A `use`, a `stay` and a place
//       all hold; only a `use` keeps a dirty thing from being remade.
//   K3. Dirty is an epoch: a thing is dirty when it was marked after its making began. So a mark that arrives while it is
//       made or remade is not lost, and the oldest caller waits for at most one remaking.
//   K4. Make before break: the old one lives until the new one does; when that fails the old one stays, and stays dirty.
//       An exclusive one is closed first, and opened again when its replacement fails.
//   K5. At most `liveMax` have a place, and with those still leaving at most `liveMax` are in memory. Beyond it: the old
//       one beside its replacement, and what was given up after `closeMsMax`. `liveBytesMax` is passed by what is held.
//   K6. Capacity is refused when a place is reserved, and never later: who was promised a place, or waits for one, gets it,
//       oldest first among those whose limits allow it. Victims are idle ones, least recently used first; what has been
//       closed needs no order, because it leaves with its last hold.
//   K7. Idle begins at the last release. Expiry is decided before anything is touched, by one predicate that every read
//       uses, on a monotonic clock: exactly `idleMsMax` is still alive.
//   K8. Who moves an entry out of a state owns what that state had under way: its attempt, its waiters, its thing. Code
//       that awaited looks first whether the entry is still in the state it left it in.
//   K9. No outside code that could call back runs inside a step of the keeper; no await stands between a look and a move.
//   K10. One caller's trouble is its own: a hook that throws, hangs or calls back here fails nobody else.
import { SojournError, assert } from '../kernel/errors.ts';
import { validLimits } from '../kernel/limits.ts';
import { Entry, hasPlace, isLiving } from './entry.ts';
import type { Incarnation } from './entry.ts';
import { Hold, Holds, PlaceHold, UseHold, Waiter, refuseAll } from './hold.ts';
import type { Place, Stay, Use } from './hold.ts';
import { Maker } from './maker.ts';
import type { Wanted } from './maker.ts';
import type { EvictReason, KeeperOptions, KeeperStats, Peeked, UseOptions } from './options.ts';
import { Order } from './order.ts';
import { Reaper } from './reaper.ts';
import { Roster } from './roster.ts';
import { Usher } from './usher.ts';
import { within } from './within.ts';

export type * from './options.ts';
export type { Place, Stay, Use } from './hold.ts';

/** When to try again after `capacity`: nobody can know, but turns end within seconds. */
const CAPACITY_RETRY_MS = 1_000;

export class Keeper<Key extends string, Thing, Context> {
  readonly #options: KeeperOptions<Key, Thing, Context>;
  readonly #roster: Roster<Key, Thing, Context>;
  readonly #reaper: Reaper<Key, Thing, Context>;
  readonly #usher: Usher<Key, Thing, Context>;
  readonly #maker: Maker<Key, Thing, Context>;
  readonly #counts = { hits: 0, misses: 0, refused: 0 };
  #shutdown: Promise<void> | undefined;

  /** Throws `config.invalid` when a limit is no bound. */
  constructor(options: KeeperOptions<Key, Thing, Context>) {
    validLimits(options.limits);
    this.#options = options;
    this.#roster = new Roster(options);
    this.#reaper = new Reaper(options, () => this.#balance());
    this.#usher = new Usher(options, this.#roster, this.#reaper);
    this.#maker = new Maker(options, this.#roster, this.#reaper, {
      arrived: (entry, one, wanted) => this.#arrived(entry, one, wanted),
      kept: (entry, one, wanted) => this.#serve(entry, one, wanted),
      failed: (entry, wanted, error) => {
        refuseAll(wanted.waiters, error);
        this.#usher.vacate(entry);
        this.#balance();
      },
    });
    this.#usher.armSweep();
  }

  /**
   * Keeps room for a key, or joins what is there. Throws `capacity` when only held things could make room, and
   * `runtime.draining`. While a place is out, its key's thing stays in memory.
   */
  reserve(key: Key, context: Context): Place {
    this.#refuseWhenDraining();
    this.#usher.expire();
    const entry = this.#roster.get(key) ?? this.#newEntry(key, context);
    if (!hasPlace(entry.state)) {
      if (this.#usher.makeRoom(entry) !== 'made') {
        this.#counts.refused++;
        throw new SojournError('capacity', `No place for ${key}`, { retryAfterMs: CAPACITY_RETRY_MS });
      }
      if (entry.state.kind === 'waiting') this.#roster.wait(entry, entry.state.waiters, true);
      else this.#roster.move(entry, { kind: 'reserved' });
    }
    entry.promised++;
    if (entry.state.kind === 'ready') {
      this.#roster.move(entry, { kind: 'held', one: entry.state.one, holds: new Holds() });
    }
    this.#balance();
    return new PlaceHold(key, () => {
      entry.promised--;
      this.#ifUnwanted(entry);
      this.#balance();
    });
  }

  /** A use of what is there, clean and in nobody's use; null otherwise. Nothing is awaited. */
  tryUse(key: Key): Use<Thing> | null {
    if (this.#usher.isDraining) return null;
    this.#usher.expire();
    const entry = this.#roster.get(key);
    const state = entry?.state;
    if (!entry || (state?.kind !== 'ready' && state?.kind !== 'held')) return null;
    if (entry.isDirty(state.one) || (state.kind === 'held' && state.holds.uses > 0)) return null;
    this.#counts.hits++;
    return this.#hold(entry, state.one, state.kind === 'held' ? state.holds : new Holds());
  }

  /**
   * A use, once there is something to use: it is made, or remade when it is dirty and in nobody's use. Without a place
   * it waits for one (K6). Rejects with what `make` rejected with, `keeper.hung`, `keeper.gone` when it is closed
   * meanwhile, `runtime.draining`, or the signal's reason.
   */
  async use(key: Key, context: Context, options: UseOptions = {}): Promise<Use<Thing>> {
    const { place, signal } = options;
    try {
      assert(!place || place.key === key, 'a place is used for its own key');
      this.#refuseWhenDraining();
      signal?.throwIfAborted();
      this.#usher.expire();
      return this.#ask(this.#roster.get(key) ?? this.#newEntry(key, context), signal);
    } finally {
      place?.release(); // What asked keeps it from here on; when nothing could be asked, it is given back.
    }
  }

  /** Keeps what is there, or being made, in memory; it may be remade. Null when there is nothing, or it is closing. */
  stay(key: Key): Stay | null {
    const entry = this.#roster.get(key);
    if (!entry || this.#roster.isExpired(entry)) return null;
    if (entry.state.kind === 'ready') {
      this.#roster.move(entry, { kind: 'held', one: entry.state.one, holds: new Holds() });
    }
    const { state } = entry;
    if (state.kind === 'closing' || !('holds' in state)) return null;
    const { holds } = state;
    holds.stays++;
    return new Hold(() => this.#released(entry, holds, 'stays'));
  }

  /** Pure. Null for what is absent, expired, leaving, or not made yet. */
  peek(key: Key): Peeked<Thing> | null {
    const entry = this.#roster.get(key);
    return entry ? this.#peek(entry) : null;
  }

  /** Those that `peek` would show. A copy. */
  keys(): readonly Key[] {
    return this.#roster.all().flatMap((entry) => (this.#peek(entry) ? [entry.key] : []));
  }

  /** How many `keys` would name; counting costs only what is due. */
  get size(): number {
    let size = this.#roster.count('ready', 'held', 'closing', 'remaking', 'swapping');
    for (const _ of this.#roster.expired()) size--;
    return size;
  }

  /**
   * Everything made or being made that matches is out of date: it is remade when it is next asked for and in nobody's
   * use. Answers how many.
   */
  mark(match: (key: Key, context: Context) => boolean, reason: string): number {
    const marked = this.#roster
      .all()
      .filter(({ state }) => isLiving(state) && state.kind !== 'closing')
      .filter((entry) => !this.#roster.isExpired(entry) && match(entry.key, entry.context));
    this.#maker.mark(marked, reason);
    return marked.length;
  }

  /** Puts away what is idle. False when it is held, being made, or absent; joins a putting away that is under way. */
  async evict(key: Key, reason: EvictReason): Promise<boolean> {
    this.#usher.expire();
    const entry = this.#roster.get(key);
    if (entry?.state.kind === 'ready') {
      await this.#usher.putAway(entry, entry.state.one, reason);
      return true;
    }
    if ((entry && isLiving(entry.state)) || !this.#reaper.has(key)) return false; // K2
    await this.#reaper.settled(key);
    return true;
  }

  /**
   * Refuses new uses and those that wait, gives up a making, and puts away with the last hold. Resolves when it is gone;
   * false when there was nothing. Places stay promised.
   */
  async close(key: Key, reason: EvictReason = 'closed'): Promise<boolean> {
    this.#usher.expire();
    const entry = this.#roster.get(key);
    if (entry && entry.state.kind !== 'reserved') {
      await this.#end(entry, reason, false);
      return true;
    }
    const isLeaving = this.#reaper.has(key);
    await this.#reaper.settled(key);
    return isLeaving;
  }

  /** Puts away at once, although it is held: those holds become inert. Who asks next gets a new one. */
  async retire(key: Key, reason: EvictReason): Promise<void> {
    this.#usher.expire();
    const entry = this.#roster.get(key);
    if (entry && isLiving(entry.state)) await this.#end(entry, reason, true);
    else await this.#reaper.settled(key);
  }

  /** Puts away what has been idle for too long, and says what. Costs what is due, not what there is. */
  async sweep(): Promise<readonly Key[]> {
    const swept = this.#usher.expire();
    await Promise.all(swept.map(({ told }) => told));
    return swept.map(({ key }) => key);
  }

  /**
   * Refuses new uses and places with `runtime.draining`, puts away what is idle, waits `graceMs` for what is held, then
   * retires it. Later calls join the first. What comes late, even after this, is disposed of.
   */
  shutdown(graceMs: number): Promise<void> {
    if (!(graceMs >= 0))
      throw new SojournError('config.invalid', `graceMs is ${graceMs}; it must be at least 0`);
    this.#shutdown ??= this.#drain(graceMs);
    return this.#shutdown;
  }

  /** A copy. */
  stats(): KeeperStats {
    return {
      ...this.#counts,
      ...this.#maker.counts,
      ...this.#reaper.counts,
      evicted: { ...this.#reaper.evicted },
      live: this.size,
      making: this.#roster.count('making', 'remaking', 'swapping', 'reopening'),
      waiting: this.#roster.count('waiting'),
      leaving: this.#reaper.size,
      bytes: this.#roster.bytes,
    };
  }

  #ask(entry: Entry<Key, Thing, Context>, signal: AbortSignal | undefined): Promise<Use<Thing>> | Use<Thing> {
    const { state } = entry;
    if (state.kind === 'closing') throw new SojournError('keeper.gone', `${entry.key} is closing`);
    if (state.kind === 'ready' || state.kind === 'held') {
      const holds = state.kind === 'held' ? state.holds : new Holds();
      if (holds.uses > 0 || !entry.isDirty(state.one)) {
        this.#counts.hits++;
        return this.#hold(entry, state.one, holds);
      }
      const waiters = new Order<Waiter<Thing>>();
      this.#maker.remake(entry, state.one, { holds, waiters });
      return this.#wait(entry, waiters, signal);
    }
    const waiters = 'waiters' in state ? state.waiters : new Order<Waiter<Thing>>();
    if (!('waiters' in state)) this.#roster.wait(entry, waiters, state.kind === 'reserved');
    const use = this.#wait(entry, waiters, signal);
    this.#balance();
    return use;
  }

  #wait(
    entry: Entry<Key, Thing, Context>,
    waiters: Order<Waiter<Thing>>,
    signal: AbortSignal | undefined,
  ): Promise<Use<Thing>> {
    this.#counts.misses++;
    const waiter = new Waiter<Thing>(entry.markedAt, signal);
    const seat = waiters.add(waiter);
    waiter.onAbort(() => {
      seat.leave();
      this.#ifUnwanted(entry);
      this.#balance();
    });
    return waiter.use;
  }

  #hold(entry: Entry<Key, Thing, Context>, one: Incarnation<Thing>, holds: Holds): Use<Thing> {
    holds.uses++;
    if (entry.state.kind !== 'held') this.#roster.move(entry, { kind: 'held', one, holds });
    return new UseHold(one.thing, one.generation, () => this.#released(entry, holds, 'uses'));
  }

  #released(entry: Entry<Key, Thing, Context>, holds: Holds, which: 'uses' | 'stays'): void {
    holds[which]--;
    const { state } = entry;
    if (!('holds' in state) || state.holds !== holds) return; // It was retired: inert (H2).
    if (which === 'uses' && 'one' in state) {
      this.#roster.weigh(state.one, this.#maker.weightOf(entry.key, state.one.thing));
    }
    this.#ifUnwanted(entry);
    this.#balance();
  }

  #arrived(entry: Entry<Key, Thing, Context>, one: Incarnation<Thing>, wanted: Wanted<Thing>): void {
    const { oldest } = wanted.waiters;
    if (oldest && oldest.markedAt > one.madeAt) this.#maker.remake(entry, one, wanted); // K3
    else this.#serve(entry, one, wanted);
  }

  #serve(
    entry: Entry<Key, Thing, Context>,
    one: Incarnation<Thing>,
    { holds, waiters }: Wanted<Thing>,
  ): void {
    this.#roster.move(entry, { kind: 'held', one, holds });
    for (const waiter of waiters) waiter.grant(this.#hold(entry, one, holds));
    this.#ifUnwanted(entry);
    this.#balance();
  }

  /** After someone left: moves the entry on when nobody else wants it in the state it is in. */
  #ifUnwanted(entry: Entry<Key, Thing, Context>): void {
    const { state } = entry;
    if (state.kind === 'closing' && state.holds.none)
      void this.#usher.putAway(entry, state.one, state.reason); // `over` tells.
    if (entry.promised > 0 && !this.#usher.isDraining) {
      if (state.kind === 'waiting' && state.waiters.size === 0) this.#usher.vacate(entry);
      return;
    }
    if (state.kind === 'reserved') this.#usher.vacate(entry);
    if (state.kind === 'held' && state.holds.none) this.#usher.rest(entry, state.one); // K2
    if (!('waiters' in state) || state.waiters.size > 0) return;
    if (state.kind === 'waiting') this.#usher.vacate(entry);
    if (state.kind === 'making' && state.holds.none) {
      this.#maker.giveUp(entry, state.attempt, 'idle');
      this.#usher.vacate(entry);
    }
    if (state.kind === 'remaking') {
      if (state.attempt) this.#maker.giveUp(entry, state.attempt, 'idle');
      this.#serve(entry, state.one, state);
    }
  }

  /** For `close` and, forced, for `retire`. Resolves when it is gone. */
  async #end(entry: Entry<Key, Thing, Context>, reason: EvictReason, isForced: boolean): Promise<void> {
    const { key, state } = entry;
    const over = state.kind === 'closing' ? state.over : Promise.withResolvers<void>();
    if ('waiters' in state) {
      refuseAll(state.waiters, new SojournError('keeper.gone', `${key} was put away (${reason})`));
    }
    if ('attempt' in state && state.attempt) this.#maker.giveUp(entry, state.attempt, reason);
    if (!('one' in state)) {
      this.#usher.vacate(entry);
    } else if (isForced || !('holds' in state) || state.holds.none) {
      void this.#usher.putAway(entry, state.one, reason); // `settled` waits for it.
    } else {
      if (state.kind !== 'closing') {
        this.#roster.move(entry, { kind: 'closing', one: state.one, holds: state.holds, reason, over });
      }
      await over.promise;
    }
    this.#balance();
    await this.#reaper.settled(key);
  }

  async #drain(graceMs: number): Promise<void> {
    const emptied = this.#usher.drain();
    for (const entry of this.#roster.all()) {
      const { state } = entry;
      if (state.kind === 'waiting') refuseAll(state.waiters, draining());
      if (state.kind === 'waiting' || state.kind === 'reserved') this.#usher.vacate(entry);
      if (state.kind === 'ready' || (state.kind === 'held' && state.holds.none)) {
        void this.#usher.putAway(entry, state.one, 'shutdown'); // The reaper is its owner, and is awaited below.
      }
    }
    if (graceMs > 0) await within(this.#options.clock, graceMs, emptied);
    for (const entry of this.#roster.all()) void this.#end(entry, 'shutdown', true); // As above.
    await this.#reaper.idle();
  }

  #balance(): void {
    this.#usher.balance(this.#maker);
  }

  #refuseWhenDraining(): void {
    if (this.#usher.isDraining) throw draining();
  }

  #newEntry(key: Key, context: Context): Entry<Key, Thing, Context> {
    return new Entry(key, context, this.#options);
  }

  #peek(entry: Entry<Key, Thing, Context>): Peeked<Thing> | null {
    const { state } = entry;
    if (!('one' in state) || this.#roster.isExpired(entry)) return null;
    const { thing, generation } = state.one;
    const dirty = entry.isDirty(state.one);
    return { thing, generation, dirty, state: state.kind, idleMs: this.#roster.idleMs(state) };
  }
}

function draining(): SojournError {
  return new SojournError('runtime.draining', 'Nothing new is begun');
}
