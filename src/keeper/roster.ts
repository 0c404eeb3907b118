// Roster: the entries there are, what they add up to, and who would have to leave for another to come.
// It decides nothing and runs no outside code.
//
//   S1. Every move of an entry goes through `move`, so that sums, lines and the idle order cannot drift from the states.
//   S2. The idle order is by the start of idleness on a clock that never goes back: the due are at its front, and
//       finding them, or a victim, costs the same however many there are. Those that are due sooner than others have a
//       line of their own.
//   S3. A limit that is not set costs nothing: only set ones are counted by project and by owner.
import type { Clock, Millis } from '../kernel/clock.ts';
import { Entry, hasPlace, incarnation, isLiving } from './entry.ts';
import type { Incarnation, Kind, State } from './entry.ts';
import type { Waiter } from './hold.ts';
import type { EvictReason, KeeperLimits } from './options.ts';
import { Order } from './order.ts';
import type { Seat } from './order.ts';

export interface Victim<Key extends string, Thing, Context> {
  entry: Entry<Key, Thing, Context>;
  reason: EvictReason;
}

/** Who must leave to make room (often nobody), or which kind of limit stands in the way. */
export type Room<Key extends string, Thing, Context> =
  | readonly Victim<Key, Thing, Context>[]
  | 'full'
  | 'share full';

export class Roster<Key extends string, Thing, Context> {
  readonly #limits: KeeperLimits;
  readonly #clock: Clock;
  readonly #entries = new Map<Key, Entry<Key, Thing, Context>>();
  readonly #idle = new Order<Entry<Key, Thing, Context>>();
  /** Those with a shorter limit, by that limit. */
  readonly #sooner = new Map<Millis, Order<Entry<Key, Thing, Context>>>();
  readonly #projects: Shares<Entry<Key, Thing, Context>>;
  readonly #owners: Shares<Entry<Key, Thing, Context>>;
  /** Those who wait for a place, and those who have one and wait until what left is gone. Oldest first. */
  readonly placeless = new Order<Entry<Key, Thing, Context>>();
  readonly roomless = new Order<Entry<Key, Thing, Context>>();
  readonly #kinds: Record<Kind, number> = {
    absent: 0,
    waiting: 0,
    reserved: 0,
    making: 0,
    ready: 0,
    held: 0,
    closing: 0,
    remaking: 0,
    swapping: 0,
    reopening: 0,
  };
  #placed = 0;
  #living = 0;
  #bytes = 0;

  constructor({ limits, clock }: { limits: KeeperLimits; clock: Clock }) {
    this.#limits = limits;
    this.#clock = clock;
    this.#projects = new Shares(limits.livePerProjectMax);
    this.#owners = new Shares(limits.livePerOwnerMax);
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** How many are living: at most `liveMax`, with those that are leaving, before another may be made. */
  get living(): number {
    return this.#living;
  }

  get oldestIdle(): Entry<Key, Thing, Context> | undefined {
    return this.#idle.oldest;
  }

  count(...kinds: Kind[]): number {
    return kinds.reduce((sum, kind) => sum + this.#kinds[kind], 0);
  }

  get(key: Key): Entry<Key, Thing, Context> | undefined {
    return this.#entries.get(key);
  }

  /** Safe against changes while it runs. */
  all(): readonly Entry<Key, Thing, Context>[] {
    return [...this.#entries.values()];
  }

  move(entry: Entry<Key, Thing, Context>, next: State<Thing>): void {
    const was = entry.state;
    entry.enter(next); // S1
    this.#kinds[was.kind]--;
    this.#kinds[next.kind]++;
    if (was.kind === 'waiting') was.seat.leave();
    if (was.kind === 'ready') for (const seat of was.seats) seat.leave();
    this.#place(entry, Number(hasPlace(next)) - Number(hasPlace(was)));
    this.#living += Number(isLiving(next)) - Number(isLiving(was));
    this.#bytes += (incarnation(next)?.weight ?? 0) - (incarnation(was)?.weight ?? 0);
    if (was.kind === 'absent') this.#entries.set(entry.key, entry);
    if (next.kind === 'absent') this.#entries.delete(entry.key);
  }

  wait(entry: Entry<Key, Thing, Context>, waiters: Order<Waiter<Thing>>, placed: boolean): void {
    const seat = (placed ? this.roomless : this.placeless).add(entry);
    this.move(entry, { kind: 'waiting', waiters, placed, seat });
  }

  rest(entry: Entry<Key, Thing, Context>, one: Incarnation<Thing>): void {
    const seats: Seat<unknown>[] = [this.#idle.add(entry)];
    const sooner = this.#soonerThanOthers(entry);
    if (sooner) seats.push(sooner.add(entry));
    const inProject = this.#projects.of(entry.project)?.idle.add(entry);
    if (inProject) seats.push(inProject);
    const ofOwner = this.#owners.of(entry.owner)?.idle.add(entry);
    if (ofOwner) seats.push(ofOwner);
    this.move(entry, { kind: 'ready', one, sinceMs: this.#clock.monotonic(), seats });
  }

  weigh(one: Incarnation<Thing>, bytes: number): void {
    this.#bytes += bytes - one.weight;
    one.weight = bytes;
  }

  /** 0 for what is held. */
  idleMs(state: State<Thing>): Millis {
    return state.kind === 'ready' ? this.#clock.monotonic() - state.sinceMs : 0;
  }

  /** The one predicate of liveness: idle for strictly longer than its `idleMsMax` is gone, swept or not. */
  isExpired(entry: Entry<Key, Thing, Context>): boolean {
    return this.idleMs(entry.state) > entry.idleMsMax;
  }

  /** Those idle for too long, each once; of those with one limit the oldest first (S2). */
  *expired(): Generator<Entry<Key, Thing, Context>, void> {
    const idleMsMax = this.#limits.idleMsMax || Infinity;
    for (const entry of this.#idle) {
      if (this.idleMs(entry.state) <= idleMsMax) break;
      if (entry.idleMsMax === idleMsMax) yield entry;
    }
    for (const line of this.#sooner.values()) {
      for (const entry of line) {
        if (!this.isExpired(entry)) break;
        yield entry;
      }
    }
  }

  #soonerThanOthers({
    idleMsMax,
  }: Entry<Key, Thing, Context>): Order<Entry<Key, Thing, Context>> | undefined {
    if (idleMsMax === (this.#limits.idleMsMax || Infinity)) return undefined;
    const line = this.#sooner.get(idleMsMax) ?? new Order<Entry<Key, Thing, Context>>();
    this.#sooner.set(idleMsMax, line);
    return line;
  }

  /** Who must leave so that one more of this project and owner may come. Changes nothing. */
  room(project: string, owner: string | null): Room<Key, Thing, Context> {
    const victims: Victim<Key, Thing, Context>[] = [];
    const leaves = (entry: Entry<Key, Thing, Context>): boolean =>
      victims.some((victim) => victim.entry === entry);

    const ownerShare = this.#owners.of(owner);
    if (ownerShare && ownerShare.placed >= this.#limits.livePerOwnerMax) {
      const entry = ownerShare.idle.oldest;
      if (!entry) return 'share full';
      victims.push({ entry, reason: 'capacity' });
    }
    const projectShare = this.#projects.of(project);
    const leavesProject = victims.some((victim) => victim.entry.project === project);
    if (projectShare && projectShare.placed - Number(leavesProject) >= this.#limits.livePerProjectMax) {
      const entry = projectShare.idle.oldest;
      if (!entry) return 'share full';
      victims.push({ entry, reason: 'capacity' });
    }
    let bytes = this.#bytes;
    for (const { entry } of victims) bytes -= incarnation(entry.state)?.weight ?? 0;
    for (const entry of this.#idle) {
      const reason = this.#tooMany(victims.length, bytes);
      if (!reason) break;
      if (leaves(entry)) continue;
      victims.push({ entry, reason });
      bytes -= incarnation(entry.state)?.weight ?? 0;
    }
    return this.#tooMany(victims.length, bytes) ? 'full' : victims;
  }

  #tooMany(leaving: number, bytes: number): EvictReason | undefined {
    if (this.#placed - leaving + 1 > this.#limits.liveMax) return 'capacity';
    return bytes >= this.#limits.liveBytesMax ? 'memory' : undefined;
  }

  #place(entry: Entry<Key, Thing, Context>, change: number): void {
    if (change === 0) return;
    this.#placed += change;
    this.#projects.place(entry.project, change);
    this.#owners.place(entry.owner, change);
  }
}

interface Share<Item> {
  placed: number;
  readonly idle: Order<Item>;
}

/** What each project, or each owner, has of the places; nothing when there is no limit on it (S3). */
class Shares<Item> {
  readonly #isLimited: boolean;
  readonly #shares = new Map<string, Share<Item>>();

  constructor(max: number) {
    this.#isLimited = max !== Infinity;
  }

  of(name: string | null): Share<Item> | undefined {
    return name === null ? undefined : this.#shares.get(name);
  }

  place(name: string | null, change: number): void {
    if (!this.#isLimited || name === null) return;
    const share = this.#shares.get(name) ?? { placed: 0, idle: new Order<Item>() };
    share.placed += change;
    if (share.placed === 0) this.#shares.delete(name);
    else this.#shares.set(name, share);
  }
}
