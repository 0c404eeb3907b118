// Options: what a keeper is told about the things it keeps, and what it tells.
import type { Clock, Millis } from '../kernel/clock.ts';
import type { Limits } from '../kernel/limits.ts';
import type { Logger } from '../kernel/logger.ts';
import type { Place } from './hold.ts';
import type { MakerCounts } from './maker.ts';
import type { ReaperCounts } from './reaper.ts';

/** Why a thing left memory. */
export const EVICT_REASONS = [
  'idle',
  'capacity',
  'memory',
  'closed',
  'remade',
  'deadline',
  'shutdown',
  'error',
] as const;
export type EvictReason = (typeof EVICT_REASONS)[number];

export interface Making<Key, Context> {
  readonly key: Key;
  readonly context: Context;
  /** Every making has its own number, larger than all before it; of any key. */
  readonly generation: number;
  /**
   * `make`: there is none. `remake`: it replaces `previous`. `restore`: `previous` was exclusive, so it was
   * closed first, and its replacement failed: make it again as it was.
   */
  readonly intent: 'make' | 'remake' | 'restore';
  /** Aborts when nobody waits for it any more, or it took longer than `openMsMax`. A late result is disposed of. */
  readonly signal: AbortSignal;
}

export interface Gone<Key, Context> {
  readonly key: Key;
  readonly context: Context;
  readonly reason: EvictReason;
  readonly generation: number;
  /** How long it had been idle; 0 when it was held. */
  readonly idleMs: Millis;
}

export interface Remade<Key> {
  readonly key: Key;
  /** The reason of the last mark. */
  readonly reason: string;
  /** Of the attempt, also of one that failed. */
  readonly generation: number;
  /** Present when it failed: the old one stays, and stays dirty. */
  readonly error?: unknown;
}

export type KeeperLimits = Pick<
  Limits,
  | 'liveMax'
  | 'livePerProjectMax'
  | 'livePerOwnerMax'
  | 'liveBytesMax'
  | 'idleMsMax'
  | 'sweepMs'
  | 'openMsMax'
  | 'closeMsMax'
>;

export interface KeeperOptions<Key extends string, Thing, Context> {
  /** Makes the thing of a key. `previous` is what it will replace: still alive, unless it is exclusive. */
  make(making: Making<Key, Context>, previous?: Thing): Promise<Thing>;
  /** Before disposal: writes what must not be lost. When it fails or hangs, disposal goes on. */
  flush(key: Key, thing: Thing, reason: EvictReason): Promise<void>;
  /** Frees everything of it. Called once for each thing made. */
  dispose(key: Key, thing: Thing, reason: EvictReason): Promise<void>;
  /** After a thing that was in use or kept is gone; the key may be made again meanwhile. */
  notify?(gone: Gone<Key, Context>): void | Promise<void>;
  /** After a remaking, or after one that failed. */
  onRemade?(remade: Remade<Key>): void;
  /** Must be closed before its replacement opens: a port, a browser profile, a subprocess. Pure. */
  exclusive?(thing: Thing): boolean;
  /** Bytes of memory; asked when it has been made and at the end of each use. Pure. */
  weight?(thing: Thing): number;
  /** Whose places it takes. Asked once, when the key comes to be present. Pure. */
  project(context: Context): string;
  owner(context: Context): string | null;
  /** How long this one may be idle, where that is shorter than `limits.idleMsMax`. Asked once. One of a few values. Pure. */
  idleMsMax?(context: Context): Millis;
  readonly limits: KeeperLimits;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface UseOptions {
  /** From `reserve`, for the same key. It is used up, whatever becomes of the use. */
  place?: Place;
  /** Aborting leaves the wait. */
  signal?: AbortSignal;
}

export interface Peeked<Thing> {
  thing: Thing;
  generation: number;
  dirty: boolean;
  state: 'ready' | 'held' | 'closing' | 'remaking' | 'swapping';
  /** 0 when it is held. */
  idleMs: number;
}

export interface KeeperStats extends MakerCounts, ReaperCounts {
  /** Uses that found the thing, and uses that had to make or remake it, or met that. */
  hits: number;
  misses: number;
  /** Places refused with `capacity`. */
  refused: number;
  evicted: Record<EvictReason, number>;
  /** Now: present; being made or remade; waiting for a place or for room; being put away; bytes by weight. */
  live: number;
  making: number;
  waiting: number;
  leaving: number;
  bytes: number;
}
