// Usher: lets in who waits and sees out who must leave, so that the limits hold. The rules K5 to K8 are the keeper's.
//
//   U1. After each step that frees something, `balance` runs in that same step: nobody who may come in stays outside, so
//       nobody who comes later overtakes. What was idle frees nothing: it would have left for who waits.
import type { Clock, Timer } from '../kernel/clock.ts';
import type { Entry, Incarnation } from './entry.ts';
import type { Maker } from './maker.ts';
import type { EvictReason, KeeperLimits } from './options.ts';
import type { Reaper } from './reaper.ts';
import type { Roster } from './roster.ts';

export interface Swept<Key> {
  readonly key: Key;
  /** Resolves when it is gone and everybody has been told; never rejects. */
  readonly told: Promise<void>;
}

export class Usher<Key extends string, Thing, Context> {
  readonly #limits: KeeperLimits;
  readonly #roster: Roster<Key, Thing, Context>;
  readonly #reaper: Reaper<Key, Thing, Context>;
  readonly #clock: Clock;
  #sweeping: Timer | undefined;
  /** Set once, when shutting down begins; resolves when no entry is left. */
  #emptied: PromiseWithResolvers<void> | undefined;

  constructor(
    options: { limits: KeeperLimits; clock: Clock },
    roster: Roster<Key, Thing, Context>,
    reaper: Reaper<Key, Thing, Context>,
  ) {
    this.#limits = options.limits;
    this.#clock = options.clock;
    this.#roster = roster;
    this.#reaper = reaper;
  }

  get isDraining(): boolean {
    return this.#emptied !== undefined;
  }

  /** From now on nothing rests and no place is kept. Resolves when no entry is left. */
  drain(): Promise<void> {
    this.#emptied ??= Promise.withResolvers();
    this.#sweeping?.cancel();
    if (this.#roster.isEmpty) this.#emptied.resolve();
    return this.#emptied.promise;
  }

  /** Nobody holds it any more. */
  rest(entry: Entry<Key, Thing, Context>, one: Incarnation<Thing>): void {
    if (this.isDraining) void this.putAway(entry, one, 'shutdown'); // Shutting down waits for the reaper.
    else this.#roster.rest(entry, one); // K7
  }

  /** Nothing of it is left here: only what was promised stays. */
  vacate(entry: Entry<Key, Thing, Context>): void {
    const isKept = entry.promised > 0 && !this.isDraining;
    this.#roster.move(entry, { kind: isKept ? 'reserved' : 'absent' });
    if (this.#roster.isEmpty) this.#emptied?.resolve();
  }

  /** Resolves when everybody has been told; never rejects. */
  putAway(entry: Entry<Key, Thing, Context>, one: Incarnation<Thing>, reason: EvictReason): Promise<void> {
    const { key, context, state } = entry;
    const { generation } = one;
    const idleMs = this.#roster.idleMs(state);
    const { told } = this.#reaper.putAway(one.thing, { key, context, reason, generation, idleMs });
    this.vacate(entry);
    if (state.kind === 'closing') void told.then(state.over.resolve); // Never rejects.
    return told;
  }

  /** Puts away what is expired, before anything is touched (K7). */
  expire(): readonly Swept<Key>[] {
    const swept: Swept<Key>[] = [];
    for (const entry of this.#roster.expired()) {
      if (entry.state.kind !== 'ready') continue;
      swept.push({ key: entry.key, told: this.putAway(entry, entry.state.one, 'idle') });
    }
    return swept;
  }

  /** The timer makes a quiet keeper free what nobody asks for. */
  armSweep(): void {
    const { sweepMs } = this.#limits;
    if (sweepMs === 0 || sweepMs === Infinity) return;
    this.#sweeping = this.#clock.after(sweepMs, () => {
      this.armSweep();
      this.expire();
    });
  }

  /** Whether one more may come; who must leave for it is put away (K6). */
  makeRoom(entry: Entry<Key, Thing, Context>): 'made' | 'full' | 'share full' {
    const room = this.#roster.room(entry.project, entry.owner);
    if (typeof room === 'string') return room;
    for (const { entry: victim, reason } of room) {
      if (victim.state.kind === 'ready') void this.putAway(victim, victim.state.one, reason); // The reaper owns it.
    }
    return 'made';
  }

  /** What weighs too much leaves, who waits comes in, who has a place is made when there is room (K5, K6, U1). */
  balance(maker: Maker<Key, Thing, Context>): void {
    while (this.#roster.bytes > this.#limits.liveBytesMax) {
      const oldest = this.#roster.oldestIdle;
      if (oldest?.state.kind !== 'ready') break;
      void this.putAway(oldest, oldest.state.one, 'memory'); // The reaper is its owner.
    }
    for (const entry of this.#roster.placeless) {
      const room = this.makeRoom(entry);
      if (room === 'full') break;
      if (room === 'made' && entry.state.kind === 'waiting')
        this.#roster.wait(entry, entry.state.waiters, true);
    }
    for (const entry of this.#roster.roomless) {
      if (this.#roster.living + this.#reaper.size >= this.#limits.liveMax) break; // K5
      if (this.#reaper.has(entry.key)) continue; // K1
      if (entry.state.kind === 'waiting') maker.make(entry, entry.state.waiters);
    }
  }
}
