// Maker: carries out makings and remakings, one at a time per entry. What a keeper does with the outcome it is told by
// `ends`. The rules K1, K3, K4 and K8 are the keeper's.
import { SojournError } from '../kernel/errors.ts';
import { Attempt } from './attempt.ts';
import type { Outcome } from './attempt.ts';
import type { Entry, Incarnation, StateOf } from './entry.ts';
import { Holds } from './hold.ts';
import type { Waiter } from './hold.ts';
import type { EvictReason, Gone, KeeperOptions, Making, Remade } from './options.ts';
import type { Order } from './order.ts';
import type { Reaper } from './reaper.ts';
import type { Roster } from './roster.ts';

export interface MakerCounts {
  made: number;
  makeFailed: number;
  remade: number;
  remakeFailed: number;
  openTimeouts: number;
}

/** Called in a step of its own, with the entry still in the state of the making; each moves it on (K8). */
export interface MakerEnds<Key extends string, Thing, Context> {
  arrived(entry: Entry<Key, Thing, Context>, one: Incarnation<Thing>, wanted: Wanted<Thing>): void;
  /** The remaking failed; the old one stays, or is back. */
  kept(entry: Entry<Key, Thing, Context>, one: Incarnation<Thing>, wanted: Wanted<Thing>): void;
  /** There is nothing. */
  failed(entry: Entry<Key, Thing, Context>, wanted: Wanted<Thing>, error: unknown): void;
}

/** Who holds it across a remaking, and who waits for it. */
export interface Wanted<Thing> {
  readonly holds: Holds;
  readonly waiters: Order<Waiter<Thing>>;
}

export class Maker<Key extends string, Thing, Context> {
  readonly counts: MakerCounts = { made: 0, makeFailed: 0, remade: 0, remakeFailed: 0, openTimeouts: 0 };
  readonly #options: KeeperOptions<Key, Thing, Context>;
  readonly #roster: Roster<Key, Thing, Context>;
  readonly #reaper: Reaper<Key, Thing, Context>;
  readonly #ends: MakerEnds<Key, Thing, Context>;
  #epoch = 0;
  #generation = 0;

  constructor(
    options: KeeperOptions<Key, Thing, Context>,
    roster: Roster<Key, Thing, Context>,
    reaper: Reaper<Key, Thing, Context>,
    ends: MakerEnds<Key, Thing, Context>,
  ) {
    this.#options = options;
    this.#roster = roster;
    this.#reaper = reaper;
    this.#ends = ends;
  }

  /** All of `entries` are dirty from now on, however far their making is (K3). */
  mark(entries: readonly Entry<Key, Thing, Context>[], reason: string): void {
    this.#epoch++;
    for (const entry of entries) {
      entry.markedAt = this.#epoch;
      entry.markReason = reason;
    }
  }

  /** The entry waits, has its place and has room; nothing is leaving of its key. */
  make(entry: Entry<Key, Thing, Context>, waiters: Order<Waiter<Thing>>): void {
    const attempt = this.#begin(entry, 'make');
    const state: StateOf<'making', Thing> = { kind: 'making', attempt, waiters, holds: new Holds() };
    this.#roster.move(entry, state);
    void this.#awaitMaking(entry, state, attempt); // Never rejects; whoever moves the entry on takes it over (K8).
  }

  /** Nobody uses `one`. */
  remake(
    entry: Entry<Key, Thing, Context>,
    one: Incarnation<Thing>,
    { holds, waiters }: Wanted<Thing>,
  ): void {
    if (this.#isExclusive(entry, one)) {
      const state: StateOf<'reopening', Thing> = { kind: 'reopening', attempt: null, waiters, holds };
      this.#roster.move(entry, state);
      void this.#awaitReopening(entry, state, one); // As above.
    } else {
      const state: StateOf<'remaking', Thing> = { kind: 'remaking', one, attempt: null, waiters, holds };
      this.#roster.move(entry, state);
      void this.#awaitRemaking(entry, state); // As above.
    }
  }

  /** Nobody waits for the attempt any more. The caller moves the entry on in the same step (K8). */
  giveUp(entry: Entry<Key, Thing, Context>, attempt: Attempt<Thing>, reason: EvictReason): void {
    attempt.giveUp(new SojournError('keeper.gone', `The making of ${entry.key} was given up (${reason})`));
    this.#awaitLate(entry, attempt, reason);
  }

  weightOf(key: Key, thing: Thing): number {
    const bytes = this.#ask(key, 'weight', () => this.#options.weight?.(thing), 0);
    return bytes > 0 && bytes < Infinity ? bytes : 0;
  }

  async #awaitMaking(
    entry: Entry<Key, Thing, Context>,
    state: StateOf<'making', Thing>,
    attempt: Attempt<Thing>,
  ): Promise<void> {
    const outcome = await attempt.outcome;
    if (!entry.isStill(state)) return; // K8
    if (outcome.kind === 'made') {
      this.counts.made++;
      this.#ends.arrived(entry, this.#born(entry, attempt, outcome.thing), state);
    } else {
      this.counts.makeFailed++;
      this.#ifHung(entry, attempt, outcome);
      this.#ends.failed(entry, state, outcome.error);
    }
  }

  async #awaitRemaking(
    entry: Entry<Key, Thing, Context>,
    waiting: StateOf<'remaking', Thing>,
  ): Promise<void> {
    const { one: old, holds, waiters } = waiting;
    await this.#reaper.cleared(entry.key); // K1
    if (!entry.isStill(waiting)) return; // K8
    const attempt = this.#begin(entry, 'remake', old.thing);
    const state: StateOf<'remaking', Thing> = { ...waiting, attempt };
    this.#roster.move(entry, state);

    const outcome = await attempt.outcome;
    if (!entry.isStill(state)) return; // K8
    if (outcome.kind !== 'made') {
      this.#remakeFailed(entry, attempt, outcome);
      this.#ends.kept(entry, old, state); // K4
      return;
    }
    const one = this.#born(entry, attempt, outcome.thing);
    const swapping: StateOf<'swapping', Thing> = { kind: 'swapping', one, waiters, holds };
    this.#roster.move(entry, swapping);
    await this.#reaper.putAway(old.thing, this.#gone(entry, old, 'remade')).gone;
    this.#remade(entry, attempt);
    if (!entry.isStill(swapping)) return; // K8
    this.#ends.arrived(entry, one, swapping);
  }

  async #awaitReopening(
    entry: Entry<Key, Thing, Context>,
    closing: StateOf<'reopening', Thing>,
    old: Incarnation<Thing>,
  ): Promise<void> {
    void this.#reaper.putAway(old.thing, this.#gone(entry, old, 'remade')); // `cleared` waits for it.
    await this.#reaper.cleared(entry.key); // K1
    if (!entry.isStill(closing)) return; // K8
    const attempt = this.#begin(entry, 'remake', old.thing);
    const state: StateOf<'reopening', Thing> = { ...closing, attempt };
    this.#roster.move(entry, state);

    const outcome = await attempt.outcome;
    if (!entry.isStill(state)) return; // K8
    if (outcome.kind === 'made') {
      const one = this.#born(entry, attempt, outcome.thing);
      this.#remade(entry, attempt);
      this.#ends.arrived(entry, one, state);
      return;
    }
    this.#remakeFailed(entry, attempt, outcome);
    await this.#restore(entry, closing, old);
  }

  /** Opens the old one again; it is as dirty as it was (K4). */
  async #restore(
    entry: Entry<Key, Thing, Context>,
    empty: StateOf<'reopening', Thing>,
    old: Incarnation<Thing>,
  ): Promise<void> {
    this.#roster.move(entry, empty);
    await this.#reaper.cleared(entry.key); // The failed replacement may still hold what is exclusive.
    if (!entry.isStill(empty)) return; // K8
    const attempt = this.#begin(entry, 'restore', old.thing);
    const state: StateOf<'reopening', Thing> = { ...empty, attempt };
    this.#roster.move(entry, state);

    const outcome = await attempt.outcome;
    if (!entry.isStill(state)) return; // K8
    if (outcome.kind === 'made') {
      const one = this.#born(entry, attempt, outcome.thing);
      this.#ends.kept(entry, { ...one, madeAt: old.madeAt }, state);
    } else {
      this.counts.makeFailed++;
      this.#ifHung(entry, attempt, outcome);
      this.#ends.failed(entry, state, outcome.error);
    }
  }

  #begin(
    entry: Entry<Key, Thing, Context>,
    intent: Making<Key, Context>['intent'],
    previous?: Thing,
  ): Attempt<Thing> {
    const { key, context } = entry;
    const generation = ++this.#generation;
    return new Attempt({
      key,
      generation,
      madeAt: this.#epoch,
      clock: this.#options.clock,
      msMax: this.#options.limits.openMsMax,
      make: (signal) => this.#options.make({ key, context, generation, intent, signal }, previous),
    });
  }

  #born(
    entry: Entry<Key, Thing, Context>,
    { generation, madeAt }: Attempt<Thing>,
    thing: Thing,
  ): Incarnation<Thing> {
    return { thing, generation, madeAt, weight: this.weightOf(entry.key, thing) };
  }

  #gone(
    entry: Entry<Key, Thing, Context>,
    { generation }: { generation: number },
    reason: EvictReason,
  ): Gone<Key, Context> {
    return { key: entry.key, context: entry.context, reason, generation, idleMs: 0 };
  }

  #ifHung(entry: Entry<Key, Thing, Context>, attempt: Attempt<Thing>, outcome: Outcome<Thing>): void {
    if (outcome.kind !== 'hung') return;
    this.counts.openTimeouts++;
    this.#awaitLate(entry, attempt, 'error');
  }

  #awaitLate(entry: Entry<Key, Thing, Context>, attempt: Attempt<Thing>, reason: EvictReason): void {
    void this.#reaper.awaitLate(attempt.made, this.#gone(entry, attempt, reason)); // The reaper is its owner.
  }

  #remade(entry: Entry<Key, Thing, Context>, { generation }: Attempt<Thing>): void {
    this.counts.remade++;
    this.#report({ key: entry.key, reason: entry.markReason, generation });
  }

  #remakeFailed(
    entry: Entry<Key, Thing, Context>,
    attempt: Attempt<Thing>,
    outcome: Exclude<Outcome<Thing>, { kind: 'made' }>,
  ): void {
    const { generation } = attempt;
    this.counts.remakeFailed++;
    this.#ifHung(entry, attempt, outcome);
    this.#report({ key: entry.key, reason: entry.markReason, generation, error: outcome.error });
  }

  /** In a step of its own (K9); what it throws, or rejects with, is nobody's trouble (K10). */
  #report(remade: Remade<Key>): void {
    void Promise.resolve()
      .then(() => this.#options.onRemade?.(remade))
      .catch((error: unknown) => this.#failed('on_remade', remade.key, error));
  }

  #isExclusive(entry: Entry<Key, Thing, Context>, { thing }: Incarnation<Thing>): boolean {
    return this.#ask(entry.key, 'exclusive', () => this.#options.exclusive?.(thing), false);
  }

  #ask<Answer>(key: Key, name: string, question: () => Answer | undefined, otherwise: Answer): Answer {
    try {
      return question() ?? otherwise;
    } catch (error) {
      this.#failed(name, key, error);
      return otherwise;
    }
  }

  #failed(name: string, key: Key, error: unknown): void {
    this.#options.logger.error(`keeper.${name}_failed`, { key, error });
  }
}
