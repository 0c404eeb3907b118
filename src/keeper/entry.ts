// Entry: one key's state, and the moves it may make. It decides nothing.
//
//   E1. The state is one value; `enter` is the only line that writes it, and only along MOVES.
//   E2. `absent` is where an entry begins and ends. A thing being put away is no entry's any more (see reaper).
import { assert } from '../kernel/errors.ts';
import type { Millis } from '../kernel/clock.ts';
import type { Attempt } from './attempt.ts';
import type { Holds, Waiter } from './hold.ts';
import type { EvictReason, KeeperOptions } from './options.ts';
import type { Order, Seat } from './order.ts';

/** A thing that has been made. */
export interface Incarnation<Thing> {
  readonly thing: Thing;
  readonly generation: number;
  /** The keeper's epoch when its making began: it knows every mark up to then. */
  readonly madeAt: number;
  weight: number;
}

export type State<Thing> =
  | { kind: 'absent' }
  /** Wanted, and nothing of it yet: in line for a place, or, placed, for room. */
  | { kind: 'waiting'; waiters: Order<Waiter<Thing>>; placed: boolean; seat: Seat<unknown> }
  /** Nothing but a place. */
  | { kind: 'reserved' }
  | { kind: 'making'; attempt: Attempt<Thing>; waiters: Order<Waiter<Thing>>; holds: Holds }
  /** Idle: nobody holds it, and it may leave. */
  | { kind: 'ready'; one: Incarnation<Thing>; sinceMs: Millis; seats: readonly Seat<unknown>[] }
  | { kind: 'held'; one: Incarnation<Thing>; holds: Holds }
  /** Held by those who hold it already, and by nobody else. */
  | {
      kind: 'closing';
      one: Incarnation<Thing>;
      holds: Holds;
      reason: EvictReason;
      over: PromiseWithResolvers<void>;
    }
  /** The old one lives, its replacement is being made (no attempt yet: it waits for what is leaving of the key). */
  | {
      kind: 'remaking';
      one: Incarnation<Thing>;
      attempt: Attempt<Thing> | null;
      waiters: Order<Waiter<Thing>>;
      holds: Holds;
    }
  /** The new one lives, the old one is being put away. */
  | { kind: 'swapping'; one: Incarnation<Thing>; waiters: Order<Waiter<Thing>>; holds: Holds }
  /** The old one was exclusive: it is being put away (no attempt), or its replacement is being made. */
  | {
      kind: 'reopening';
      attempt: Attempt<Thing> | null;
      waiters: Order<Waiter<Thing>>;
      holds: Holds;
    };

export type Kind = State<unknown>['kind'];
export type StateOf<K extends Kind, Thing> = Extract<State<Thing>, { kind: K }>;

const MOVES: Record<Kind, readonly Kind[]> = {
  absent: ['waiting', 'reserved'],
  waiting: ['waiting', 'making', 'reserved', 'absent'], // to itself: it got its place
  reserved: ['waiting', 'absent'],
  making: ['held', 'remaking', 'reopening', 'reserved', 'absent'], // remaking: it was marked meanwhile
  ready: ['held', 'remaking', 'reopening', 'absent'],
  held: ['ready', 'closing', 'remaking', 'reopening', 'reserved', 'absent'],
  closing: ['reserved', 'absent'], // never back: it refuses new uses
  remaking: ['remaking', 'swapping', 'held', 'closing', 'reserved', 'absent'], // held: the old one stays
  swapping: ['held', 'closing', 'remaking', 'reopening', 'reserved', 'absent'],
  reopening: ['reopening', 'held', 'remaking', 'reserved', 'absent'],
};

type Traits<Key extends string, Context> = Pick<
  KeeperOptions<Key, unknown, Context>,
  'project' | 'owner' | 'idleMsMax' | 'limits'
>;

export class Entry<Key extends string, Thing, Context> {
  readonly key: Key;
  /** Of whoever asked first: it stays while the entry does. */
  readonly context: Context;
  readonly project: string;
  readonly owner: string | null;
  /** Infinity for never. */
  readonly idleMsMax: Millis;
  /** Places promised and not yet used or given back. */
  promised = 0;
  /** The epoch and the reason of the last mark. */
  markedAt = 0;
  markReason = '';
  #state: State<Thing> = { kind: 'absent' };

  constructor(key: Key, context: Context, options: Traits<Key, Context>) {
    this.key = key;
    this.context = context;
    this.project = options.project(context);
    this.owner = options.owner(context);
    this.idleMsMax = Math.min(options.limits.idleMsMax || Infinity, options.idleMsMax?.(context) || Infinity);
  }

  get state(): State<Thing> {
    return this.#state;
  }

  isDirty(one: Incarnation<Thing>): boolean {
    return this.markedAt > one.madeAt; // K3
  }

  /** Whether nobody has moved it on since it entered `state`. */
  isStill(state: State<Thing>): boolean {
    return this.#state === state;
  }

  enter(next: State<Thing>): void {
    assert(MOVES[this.#state.kind].includes(next.kind), `${this.key}: ${this.#state.kind} -> ${next.kind}`);
    this.#state = next;
  }
}

/** Whether the entry counts against the limits. */
export function hasPlace<Thing>(state: State<Thing>): boolean {
  return state.kind === 'waiting' ? state.placed : state.kind !== 'absent';
}

/** Whether something of it is in memory, or about to be. */
export function isLiving<Thing>({ kind }: State<Thing>): boolean {
  return kind !== 'absent' && kind !== 'waiting' && kind !== 'reserved';
}

/** What it has been made into, where it has. */
export function incarnation<Thing>(state: State<Thing>): Incarnation<Thing> | undefined {
  return 'one' in state ? state.one : undefined;
}
