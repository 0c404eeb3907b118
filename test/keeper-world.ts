// World: a keeper among hooks that fail, hang and come late, and what must be true of it at every moment. It keeps its own
// books of what was made, held, marked and disposed of, and throws as soon as the keeper does something they forbid.
import type fc from 'fast-check';
import { Keeper } from '../src/keeper/keeper.ts';
import type { EvictReason, Making, Place, Stay, Use } from '../src/keeper/keeper.ts';
import { DEFAULT_LIMITS } from '../src/kernel/limits.ts';
import type { Limits } from '../src/kernel/limits.ts';
import { silentLogger } from '../src/kernel/logger.ts';
import { ManualClock } from '../src/testing/manual-clock.ts';
import {
  type Behaviour,
  check,
  checkLeaving,
  checkShares,
  checkTogether,
  isCode,
  type Key,
  name,
  newThing,
  ownerOf,
  projectOf,
  type Thing,
} from './keeper-thing.ts';

/** A place, and the thing that was there when it was reserved, which it keeps. */
export interface Promised {
  readonly place: Place;
  readonly thing: Thing | undefined;
}

interface Asked {
  readonly key: Key;
  readonly marked: number;
  readonly afterShutdown: boolean;
  /** Whether nobody else was given the key meanwhile, and no remaking failed. */
  alone: boolean;
}

const OPEN_MS = 20;
const CLOSE_MS = 8;
const FAULT = new Error('as told');

export class World {
  readonly clock = new ManualClock();
  readonly keeper: Keeper<Key, Thing, Key>;
  readonly things: Thing[] = [];
  readonly uses: Use<Thing>[] = [];
  readonly stays: { stay: Stay; thing: Thing | undefined }[] = [];
  readonly places: Promised[] = [];
  readonly leavers: AbortController[] = [];
  /** What must be over at the end: uses asked for, closings, retirements, sweeps. */
  readonly pending = new Set<Promise<unknown>>();
  readonly #scheduler: fc.Scheduler;
  readonly #behaviours: readonly Behaviour[];
  readonly #limits: Limits;
  readonly #asked = new Set<Asked>();
  readonly #marked = new Map<Key, number>();
  #thaw: (() => void)[] = [];
  #hooks = 0;
  #tick = 0;
  #isCalm = false;
  #isDown = false;

  constructor(scheduler: fc.Scheduler, behaviours: readonly Behaviour[], limits: Partial<Limits>) {
    this.#scheduler = scheduler;
    this.#behaviours = behaviours;
    this.#limits = {
      ...DEFAULT_LIMITS,
      idleMsMax: 30,
      sweepMs: 7,
      openMsMax: OPEN_MS,
      closeMsMax: CLOSE_MS,
      ...limits,
    };
    this.keeper = new Keeper<Key, Thing, Key>({
      make: (making, previous) => this.#make(making, previous),
      flush: (key, thing, reason) => this.#flush(key, thing, reason),
      dispose: (key, thing) => this.#dispose(key, thing),
      notify: ({ key }) => this.#hook('notify', key),
      onRemade: ({ key, error }) => {
        if (error !== undefined) this.#crowd(key);
        if (this.#behave() === 'throws') throw FAULT;
      },
      exclusive: (thing) => thing.key === 'e',
      weight: (thing) => 10 + thing.generation,
      project: projectOf,
      owner: ownerOf,
      limits: this.#limits,
      clock: this.clock,
      logger: silentLogger,
    });
  }

  /** From now on every hook ends well, and those that hung do too. */
  calm(): void {
    this.#isCalm = true;
    this.thaw(Infinity);
  }

  thaw(count: number): void {
    const woken = this.#thaw.slice(0, count);
    this.#thaw = this.#thaw.slice(count);
    for (const wake of woken) wake();
  }

  use(key: Key, promised?: Promised, signal?: AbortSignal): void {
    const isHeld = this.uses.some((use) => use.thing.key === key && use.thing.stage === 'live');
    const asked: Asked = {
      key,
      marked: this.#marked.get(key) ?? 0,
      afterShutdown: this.#isDown,
      alone: !isHeld,
    };
    this.#asked.add(asked);
    if (promised?.thing) promised.thing.places--;
    const options = { ...(promised && { place: promised.place }), ...(signal && { signal }) };
    const use = this.keeper.use(key, key, options).then(
      (given) => this.#given(given, asked),
      (error: unknown) => this.#refused(error, asked),
    );
    this.watch(use);
  }

  tryUse(key: Key): void {
    const use = this.keeper.tryUse(key);
    if (!use) return;
    this.#crowd(key);
    check(use.thing.stage === 'live', `tryUse gave ${name(use.thing)}, which is ${use.thing.stage}`);
    check(use.thing.begun > (this.#marked.get(key) ?? 0), `tryUse gave ${name(use.thing)}, which is dirty`);
    use.thing.uses++;
    use.thing.wasGiven = true;
    this.uses.push(use);
  }

  release(index: number): void {
    const [use] = this.uses.splice(index % (this.uses.length || 1), 1);
    if (!use) return;
    use.thing.uses--;
    use.release();
    use.release();
  }

  reserve(key: Key): void {
    try {
      const place = this.keeper.reserve(key, key);
      const thing = this.keeper.peek(key)?.thing;
      if (thing) thing.places++;
      this.places.push({ place, thing });
    } catch (error) {
      check(isCode(error, 'capacity') || isCode(error, 'runtime.draining'), `reserve threw ${String(error)}`);
    }
  }

  takePlace(index: number): Promised | undefined {
    return this.places.splice(index % (this.places.length || 1), 1)[0];
  }

  giveBack({ place, thing }: Promised): void {
    if (thing) thing.places--;
    place.release();
  }

  stay(key: Key): void {
    const stay = this.keeper.stay(key);
    if (!stay) return;
    const thing = this.keeper.peek(key)?.thing;
    if (thing) thing.stays++;
    this.stays.push({ stay, thing });
  }

  leave(index: number): void {
    const [held] = this.stays.splice(index % (this.stays.length || 1), 1);
    if (!held) return;
    if (held.thing) held.thing.stays--;
    held.stay.release();
  }

  mark(keys: readonly Key[]): void {
    const tick = ++this.#tick;
    const marked: Key[] = [];
    const count = this.keeper.mark((key) => keys.includes(key) && marked.push(key) > 0, 'config');
    check(count === marked.length, `mark answered ${count} for ${marked.length}`);
    for (const key of marked) this.#marked.set(key, tick);
  }

  /** Only when everything has settled: a making that was given up hears of it a moment later. */
  markWhenSettled(keys: readonly Key[]): void {
    const making = this.things.filter(({ stage, signal }) => stage === 'making' && !signal.aborted);
    this.mark(keys);
    for (const { key } of making) {
      check(
        !keys.includes(key) || this.#marked.get(key) === this.#tick,
        `mark missed ${key}, which is being made`,
      );
    }
  }

  shutdown(graceMs: number): Promise<void> {
    this.#isDown = true;
    this.places.length = 0;
    return this.keeper.shutdown(graceMs).then(() => {
      const left = this.things.filter((thing) => this.#counts(thing));
      check(left.length === 0, `${left.map(name).join()} are there after shutdown`);
    });
  }

  watch(promise: Promise<unknown>): void {
    const watched = promise.finally(() => this.pending.delete(watched));
    this.pending.add(watched);
    watched.catch((error: unknown) => this.fail(error));
  }

  /** The first thing that went wrong in a callback; thrown by `verify`. */
  failure: unknown;
  fail(error: unknown): void {
    this.failure ??= error;
  }

  /** What is true at every moment. */
  verify(): void {
    if (this.failure !== undefined) throw this.failure;
    const counted = this.things.filter((thing) => this.#counts(thing));
    const keys = new Set(counted.map(({ key }) => key));
    check(
      keys.size <= this.#limits.liveMax,
      `${[...keys].join()} are in memory, liveMax ${this.#limits.liveMax}`,
    );
    checkTogether(counted);
    this.#verifyPlaces();
    const { live, bytes } = this.keeper.stats();
    check(live === this.keeper.size && live === this.keeper.keys().length, 'size, keys and stats agree');
    check(
      this.keeper.keys().every((key) => this.keeper.peek(key)),
      'peek shows what keys names',
    );
    check(bytes >= 0, `${bytes} bytes`);
  }

  /** Who has a place, or was promised one, stays within the limits; who waits has a reason to. */
  #verifyPlaces(): void {
    const placed = new Set(this.places.map(({ place }) => place.key as Key));
    for (const { key, stage, signal } of this.things) {
      if ((stage === 'live' || stage === 'making') && !signal.aborted) placed.add(key);
    }
    const { livePerProjectMax, livePerOwnerMax } = this.#limits;
    checkShares([...placed], this.#limits);
    const isUnshared = livePerProjectMax === Infinity && livePerOwnerMax === Infinity;
    const { waiting, leaving } = this.keeper.stats();
    const idle = this.keeper.keys().filter((key) => this.keeper.peek(key)?.state === 'ready');
    check(
      !isUnshared || waiting === 0 || leaving > 0 || idle.length === 0,
      `somebody waits while ${idle.join()} are idle`,
    );
  }

  /** What is true when it is all over, late results included. */
  verifyEnd(): void {
    this.verify();
    for (const thing of this.things) {
      if (thing.stage === 'failed') continue;
      check(thing.stage === 'gone', `${name(thing)} is ${thing.stage} after shutdown`);
      check(thing.disposals === 1, `${name(thing)} was disposed of ${thing.disposals} times`);
      const mayMiss = thing.wasGiven ? 1 : 0;
      check(
        thing.flushes <= 1 && thing.flushes >= mayMiss,
        `${name(thing)} was flushed ${thing.flushes} times`,
      );
    }
    check(this.pending.size === 0, `${this.pending.size} calls never ended`);
    const { live, making, waiting, leaving, bytes } = this.keeper.stats();
    check(live + making + waiting + leaving + bytes === 0, 'nothing is left');
    check(this.clock.pending === 0, `${this.clock.pending} timers are left`);
  }

  #given(use: Use<Thing>, asked: Asked): void {
    this.#asked.delete(asked);
    this.#crowd(asked.key);
    const { thing } = use;
    thing.wasGiven = true;
    check(!asked.afterShutdown, `${name(thing)} was given although the keeper is shutting down`);
    const beside = this.things.filter(
      (other) => other.key === thing.key && other !== thing && this.#counts(other) && !other.signal.aborted,
    );
    check(beside.length === 0, `${name(thing)} was given beside ${beside.map(name).join()}`);
    check(thing.key === asked.key, `${name(thing)} was given to who asked for ${asked.key}`);
    check(thing.generation === use.generation || thing.intent === 'restore', 'a use names its generation');
    // It may be retired in the moment between the giving and the hearing of it.
    check(thing.stage === 'live' || thing.wasForced, `${name(thing)} was given, and is ${thing.stage}`);
    const isFresh = thing.begun > asked.marked;
    check(
      isFresh || !asked.alone,
      `${name(thing)} was given, begun before a mark that came before the asking`,
    );
    thing.uses++;
    this.uses.push(use);
    if (this.#isCalm) this.release(this.uses.length - 1);
  }

  #refused(error: unknown, asked: Asked): void {
    this.#asked.delete(asked);
    const isExpected =
      error === FAULT ||
      (error instanceof DOMException && error.name === 'AbortError') ||
      (['keeper.gone', 'keeper.hung', 'runtime.draining'] as const).some((code) => isCode(error, code));
    check(isExpected, `a use was refused with ${String(error)}`);
  }

  /** Whoever waits for the key is not alone with it any more. */
  #crowd(key: Key): void {
    for (const asked of this.#asked) if (asked.key === key) asked.alone = false;
  }

  async #make(making: Making<Key, Key>, previous?: Thing): Promise<Thing> {
    const { key, generation, intent, signal } = making;
    const begun = ++this.#tick;
    const thing = newThing(making, intent === 'restore' ? (previous?.begun ?? 0) : begun);
    this.#guard(() => {
      const last = this.things.at(-1)?.generation ?? 0;
      check(generation > last, `generation ${generation} came after ${last}`);
      const there = this.things.filter((other) => other.key === key && this.#counts(other));
      const may = intent === 'remake' && key !== 'e' ? [previous] : [];
      check(
        there.every((other) => may.includes(other)),
        `${intent} ${key}${generation} began beside ${there.map(name).join()}`,
      );
    });
    this.things.push(thing);
    signal.addEventListener('abort', () => {
      thing.excusedMs = this.clock.monotonic() + CLOSE_MS;
      if (this.#behave() === 're-enters') this.#reenter(key);
    });
    try {
      await this.#hook('make', key);
      thing.stage = 'live';
      return thing;
    } catch (error) {
      thing.stage = 'failed';
      throw error;
    }
  }

  async #flush(key: Key, thing: Thing, reason: EvictReason): Promise<void> {
    this.#guard(() => checkLeaving(thing, reason));
    // What held it is inert, or holds its replacement; the books do not follow it there.
    for (const held of this.stays) if (held.thing === thing) held.thing = undefined;
    thing.stage = 'leaving';
    thing.excusedMs = Math.min(thing.excusedMs, this.clock.monotonic() + 2 * CLOSE_MS);
    await this.#hook('flush', key);
  }

  async #dispose(key: Key, thing: Thing): Promise<void> {
    this.#guard(() => check(++thing.disposals === 1, `${name(thing)} is disposed of again`));
    thing.stage = 'leaving';
    thing.excusedMs = Math.min(thing.excusedMs, this.clock.monotonic() + CLOSE_MS);
    try {
      await this.#hook('dispose', key);
    } finally {
      thing.stage = 'gone';
    }
  }

  #counts({ stage, excusedMs }: Thing): boolean {
    return stage !== 'gone' && stage !== 'failed' && this.clock.monotonic() < excusedMs;
  }

  async #hook(hook: string, key: Key): Promise<void> {
    const behaviour = this.#behave();
    if (behaviour === 'throws') throw FAULT;
    if (behaviour === 'hangs') await new Promise<void>((resolve) => this.#thaw.push(resolve));
    if (behaviour === 're-enters') this.#reenter(key);
    await this.#scheduler.schedule(Promise.resolve(), `${hook} ${key}`);
    if (behaviour === 'rejects') throw FAULT;
  }

  /** A hook that calls back, without waiting for the answer: waiting would be for the bound. */
  #reenter(key: Key): void {
    this.use(key);
    this.tryUse(key);
    this.mark([key]);
    this.stay(key);
    if (this.#hooks % 2 === 0) this.watch(this.keeper.close(key));
    this.watch(this.keeper.evict(key, 'idle'));
    this.watch(this.keeper.sweep());
  }

  #behave(): Behaviour {
    if (this.#isCalm) return 'ok';
    return this.#behaviours[this.#hooks++ % this.#behaviours.length] ?? 'ok';
  }

  /** A check inside a hook: the keeper would take its failure for the hook's. */
  #guard(checks: () => void): void {
    try {
      checks();
    } catch (error) {
      this.fail(error);
    }
  }
}
