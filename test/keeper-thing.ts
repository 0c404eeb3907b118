// Thing: what the keeper of the tests keeps, and what the tests note about it.
import type { EvictReason, Making } from '../src/keeper/keeper.ts';
import { SojournError } from '../src/kernel/errors.ts';
import type { Limits } from '../src/kernel/limits.ts';

export const KEYS = ['a', 'b', 'c', 'e'] as const;
export type Key = (typeof KEYS)[number];
export type Behaviour = 'ok' | 'throws' | 'rejects' | 'hangs' | 're-enters';

export interface Thing {
  readonly key: Key;
  readonly generation: number;
  readonly intent: Making<Key, Key>['intent'];
  readonly signal: AbortSignal;
  /** The world's tick when its making began. */
  readonly begun: number;
  /** `leaving`: flushed or disposed of by now. `failed`: never came to be. */
  stage: 'making' | 'live' | 'leaving' | 'gone' | 'failed';
  wasGiven: boolean;
  /** It was taken from whoever held it. */
  wasForced: boolean;
  flushes: number;
  disposals: number;
  /** From when on the keeper may go on without it: it was given up, or its hook hung. */
  excusedMs: number;
  uses: number;
  stays: number;
  places: number;
}

export function projectOf(key: Key): string {
  return key < 'c' ? 'p' : 'q';
}

export function ownerOf(key: Key): string | null {
  return key === 'a' ? null : key < 'e' ? 'x' : 'y';
}

export function name({ key, generation }: Thing): string {
  return `${key}${generation}`;
}

export function isCode(error: unknown, code: SojournError['code']): boolean {
  return SojournError.is(error, code);
}

export function check(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

/** No more keys have a place than the limits allow. */
export function checkShares(
  keys: readonly Key[],
  limits: Pick<Limits, 'liveMax' | 'livePerProjectMax' | 'livePerOwnerMax'>,
): void {
  const { liveMax, livePerProjectMax, livePerOwnerMax } = limits;
  check(keys.length <= liveMax, `${keys.join()} have a place, liveMax ${liveMax}`);
  for (const project of ['p', 'q']) {
    const share = keys.filter((key) => projectOf(key) === project);
    check(share.length <= livePerProjectMax, `${share.join()} of project ${project} have a place`);
  }
  for (const owner of ['x', 'y']) {
    const share = keys.filter((key) => ownerOf(key) === owner);
    check(share.length <= livePerOwnerMax, `${share.join()} of owner ${owner} have a place`);
  }
}

/** Two things of a key only while one replaces the other. */
export function checkTogether(things: readonly Thing[]): void {
  for (const key of new Set(things.map((thing) => thing.key))) {
    const mine = things.filter((thing) => thing.key === key);
    const most = mine.some((thing) => thing.intent === 'remake') ? 2 : 1;
    check(mine.length <= most, `${mine.map(name).join()} are in memory together`);
  }
}

export function newThing({ key, generation, intent, signal }: Making<Key, Key>, begun: number): Thing {
  const counts = { flushes: 0, disposals: 0, uses: 0, stays: 0, places: 0 };
  const state = { stage: 'making', wasGiven: false, wasForced: false, excusedMs: Infinity } as const;
  return { key, generation, intent, signal, begun, ...state, ...counts };
}

/** It leaves: once, and not from under whoever holds it. */
export function checkLeaving(thing: Thing, reason: EvictReason): void {
  check(++thing.flushes === 1 && thing.disposals === 0, `${name(thing)} is flushed again (${reason})`);
  const isForced = reason === 'deadline' || reason === 'shutdown';
  thing.wasForced = isForced;
  check(isForced || thing.uses === 0, `${name(thing)} left (${reason}) while it was in use`);
  const mayStay = isForced || reason === 'remade';
  check(mayStay || thing.stays === 0, `${name(thing)} left (${reason}) while something stayed`);
  const mayBePromised = isForced || reason === 'remade' || reason === 'closed';
  check(
    mayBePromised || thing.places === 0,
    `${name(thing)} left (${reason}) although its place is promised`,
  );
}
