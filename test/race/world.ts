// World: one disk, the processes that run over it one after the other, the callers and readers, and time. Everything that
// may happen sooner or later waits for its turn in one schedule; nothing happens by itself.
import type fc from 'fast-check';
import { ManualClock } from '../../src/testing/manual-clock.ts';
import { MemoryDisk, type GroupStep, type KeptSession } from '../../src/testing/memory-store.ts';
import { Told } from './agents.ts';
import { Books } from './books.ts';
import { check } from './check.ts';
import { Ledger } from './ledger.ts';
import { Process } from './process.ts';
import { Reader } from './readers.ts';
import { LogReading } from './rules.ts';
import { CANCEL_MS, CLOSE_MS, type Key, OPEN_MS, REQUEST_MS, type Setting, TURN_MS } from './setting.ts';

export type Break = 'open' | 'close';
export type BreakHow = 'fails' | 'hangs';

/** Steps and milliseconds after which a world that has not come to rest never will. */
const STEPS_MAX = 4_000;
const REST_MS_MAX = 5_000;

export class World {
  readonly scheduler: fc.Scheduler;
  readonly setting: Setting;
  readonly clock = new ManualClock();
  readonly disk = new MemoryDisk();
  readonly books: Books;
  readonly ledger: Ledger;
  readonly readers: Reader[];
  readonly processes: Process[] = [];
  isCalm = false;
  isMarked = false;
  remakeFailures = 0;
  #failure: unknown;
  #tick = 0;
  #ids = 0;
  #names = 0;
  #steps = 0;
  #faults: GroupStep[] = [];
  #breaks: { what: Break; how: BreakHow }[] = [];
  #stuck: (() => void)[] = [];

  constructor(scheduler: fc.Scheduler, setting: Setting) {
    this.scheduler = scheduler;
    this.setting = setting;
    this.books = new Books(this);
    this.ledger = new Ledger(this);
    this.readers = setting.keys.flatMap((key) => [new Reader(this, key), new Reader(this, key)]);
    this.begin();
  }

  /** The one that is not dead. */
  get process(): Process {
    const last = this.processes.at(-1);
    if (last === undefined) throw new Error('There is no process');
    return last;
  }

  tick(): number {
    return ++this.#tick;
  }

  nextId(): string {
    return `i${++this.#ids}`;
  }

  nextName(): string {
    return `m${++this.#names}`;
  }

  kept(id: string): KeptSession | undefined {
    for (const kept of this.disk.sessions.values()) if (kept.row.id === id) return kept;
    return undefined;
  }

  keptOf(key: Key): KeptSession | undefined {
    return this.disk.find('default', key);
  }

  /** The first broken rule is told; what follows from it is not. */
  fail(error: unknown): void {
    this.#failure ??= error;
  }

  verify(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  // What may go wrong.

  failNext(step: GroupStep): void {
    if (!this.isCalm) this.#faults.push(step);
  }

  takeFault(step: GroupStep): boolean {
    const index = this.#faults.indexOf(step);
    if (index >= 0) this.#faults.splice(index, 1);
    return index >= 0;
  }

  breakNext(what: Break, how: BreakHow): void {
    if (!this.isCalm) this.#breaks.push({ what, how });
  }

  /** Throws or hangs where that was told. */
  async maybe(process: Process, what: Break): Promise<void> {
    const index = process.isGone ? -1 : this.#breaks.findIndex((told) => told.what === what);
    const [told] = index < 0 ? [] : this.#breaks.splice(index, 1);
    if (told === undefined) return;
    if (what === 'open') this.remakeFailures += 1;
    if (told.how === 'fails') throw new Told('as told');
    await this.stuck();
  }

  stuck(): Promise<void> {
    if (this.isCalm) return Promise.resolve();
    return new Promise((resolve) => this.#stuck.push(resolve));
  }

  thaw(): void {
    for (const wake of this.#stuck.splice(0)) wake();
  }

  // Processes.

  begin(): void {
    const process = new Process(this, this.processes.length + 1);
    this.processes.push(process);
    const { liveMax, idleMsMax, queueMax } = this.setting;
    process.watch(
      'start',
      process.start({
        liveMax,
        idleMsMax,
        queueMax,
        sweepMs: 10,
        openMsMax: OPEN_MS,
        closeMsMax: CLOSE_MS,
        cancelMsMax: CANCEL_MS,
        turnMs: TURN_MS,
        requestMs: REQUEST_MS,
      }),
    );
  }

  crash(): void {
    this.process.kill();
    this.begin();
  }

  takeOver(): void {
    if (this.process.state !== 'up') return;
    this.process.overtake();
    this.begin();
  }

  shutdown(graceMs: number): void {
    const { process } = this;
    if (process.state !== 'up' || process.runtime === undefined) return;
    process.state = 'stopping';
    const down = process.runtime.shutdown(graceMs).then(() => {
      if (process.state !== 'stopping') return;
      process.state = 'down';
      process.checkLeft();
      this.begin();
    });
    process.watch('shutdown', down);
  }

  // Time and order.

  async step(count: number): Promise<void> {
    for (let i = 0; i < count && this.scheduler.count() > 0; i++) {
      this.#steps += 1;
      check(this.#steps < STEPS_MAX, () => `${STEPS_MAX} steps, and it goes on`);
      await this.scheduler.waitNext(1);
      await settle();
      this.verify();
    }
  }

  async afterStep(then: () => void): Promise<void> {
    await settle();
    then();
  }

  /** Until nothing is left to do, moving time on, ever faster, where nothing else moves. */
  async rest(isOver: () => boolean, what: () => string): Promise<void> {
    for (let [ms, more] = [0, 2]; ; ms += more, more *= 1.5) {
      await settle();
      await this.step(Infinity);
      this.verify();
      if (isOver() && this.scheduler.count() === 0) return;
      check(ms < REST_MS_MAX, () => `it never came to rest: ${what()}`);
      await this.clock.advance(more);
    }
  }

  /** From now on nothing goes wrong any more. */
  calm(): void {
    this.isCalm = true;
    this.#faults = [];
    this.#breaks = [];
    this.thaw();
  }

  get openWork(): string[] {
    const turns = [...this.disk.sessions.values()].flatMap(({ row, turns }) =>
      [...turns.values()]
        .filter(({ state }) => state !== 'done')
        .map(({ id, state }) => `${row.key}/${id} ${state}`),
    );
    const rows = [...this.disk.sessions.values()].flatMap(({ row }) =>
      row.state === 'idle' || row.state === 'closed' ? [] : [`${row.key} ${row.state}`],
    );
    return [...this.process.pending.values(), ...turns, ...rows];
  }

  /** After faults have stopped: all that was accepted ends, and one more message is answered by each session. */
  async end(): Promise<void> {
    this.calm();
    const isOver = (): boolean => this.process.state === 'up' && this.openWork.length === 0;
    await this.rest(isOver, () => this.openWork.join());
    for (const reader of this.readers) reader.come(this.process);
    await this.rest(isOver, () => this.openWork.join());
    for (const key of this.setting.keys) await this.#hearFrom(key, isOver);
    for (const reader of this.readers) reader.checkEnd();
    await this.#stop();
    const readings = new Map<string, LogReading>();
    for (const { row, events, epochs } of this.disk.sessions.values()) {
      const reading = new LogReading(events, epochs);
      readings.set(row.id, reading);
      reading.checkEnd();
      check(row.state === 'idle' || row.state === 'closed', () => `session ${row.key} is left ${row.state}`);
      check(row.queued === 0 && row.turn === null, () => `session ${row.key} is left with a turn`);
    }
    this.ledger.checkEnd(readings);
    this.books.checkEnd();
    this.verify();
  }

  /** The session answers one more message, once it has a place. Its end is the nudge that every reader gets. */
  async #hearFrom(key: Key, isOver: () => boolean): Promise<void> {
    for (let tries = 0; tries < 10 && this.keptOf(key)?.row.state !== 'closed'; tries++) {
      this.ledger.send(this.process, key, { ops: 'say', policy: 'queue', once: false });
      await this.rest(isOver, () => this.openWork.join());
      if ((this.ledger.sent.at(-1)?.acks.length ?? 0) > 0) return;
      await this.clock.advance(this.setting.idleMsMax + 10);
    }
    check(this.keptOf(key)?.row.state === 'closed', () => `session ${key} accepts nothing any more`);
  }

  async #stop(): Promise<void> {
    const { process } = this;
    process.state = 'stopping';
    const down = process.runtime?.shutdown(20).then(() => (process.state = 'down')) ?? Promise.resolve();
    process.watch('shutdown', down);
    await this.rest(
      () => process.state !== 'stopping' && process.pending.size === 0,
      () => [...process.pending.values()].join(),
    );
    process.checkLeft();
  }
}

/** One turn of the event loop: all that can happen without the schedule has happened. */
export async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}
