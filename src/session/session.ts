// Session: one conversation, as the runtime holds it in memory.
//
// Owns: its core (row, log, mailbox), the way in (intake), the way through (conduct). Does not own: the agent's
// instance (the registry keeps it), who may call (the runtime checks), other sessions.
//
//   I5. When the log breaks everything in memory is given up and the session is forgotten; the store knows the rest.
//   I6. Nothing holds a session in memory that neither works, nor is live, nor is being asked something.
//   I10. Closing is single-flight: cancel, wait, put away, then say so in the log. Until that is durable it is not closed.
import { SojournError } from '../kernel/errors.ts';
import type { WorkingSetOptions } from '../context/gauge.ts';
import { catchUp } from '../context/reading.ts';
import { WorkingSet } from '../context/working-set.ts';
import type { Draft } from '../log/session-log.ts';
import type { EvictReason } from '../keeper/keeper.ts';
import type { NewSession, SessionPatch, SessionRow, StoredEvent } from '../store/store.ts';
import type { AnswerCall, CancelResult } from '../wire/calls.ts';
import type { Receipt, TurnKind } from '../wire/turn.ts';
import { Conduct } from './conduct.ts';
import { SessionCore } from './core.ts';
import type { SessionHost } from './host.ts';
import { Intake, type Message } from './intake.ts';
import type { Left, LiveSession } from './live.ts';
import { recover } from './recovery.ts';
import type { Stop, Turn } from './turn.ts';

/** Where a stop comes from: nobody above is told of one that came from there. */
type Whence = Pick<Stop, 'byParent'>;

export class Session {
  readonly core: SessionCore;
  readonly conduct: Conduct;
  readonly #intake: Intake;
  /** Other keys it was found by. */
  readonly aliases = new Set<string>();
  /** Callers that are working with it right now (I6). */
  #users = 0;
  /** Instances in memory, also those on their way out (I6). */
  readonly #lives = new Set<LiveSession>();
  #closing: Promise<void> | undefined;

  /** `fresh` is what the first append makes; without it the row is in the store. */
  constructor(host: SessionHost, row: SessionRow, fresh?: NewSession) {
    this.core = new SessionCore(host, row, fresh, {
      wake: (turn) => this.conduct.wake(turn),
      broken: (error) => this.#broken(error),
    });
    this.conduct = new Conduct(this.core, () => this.#complete());
    this.#intake = new Intake(this.core, this.conduct);
  }

  get id(): string {
    return this.core.row.id;
  }

  /** Takes up what a crash left; the session accepts messages when it resolves. */
  recover(): Promise<void> {
    return recover(this.core, this.conduct);
  }

  send(message: Message): Promise<Receipt> {
    return this.#intake.send(message);
  }

  /** Makes it without a message. Does nothing when it is there. */
  async create(): Promise<void> {
    const drafts = this.core.creation();
    if (drafts.length > 0) await this.core.append(drafts, { row: {} });
    else if (this.core.log.num === undefined) await this.core.log.settled();
  }

  /** Changes columns that no event speaks of. */
  async update(patch: SessionPatch): Promise<void> {
    const { core } = this;
    const { spending, host } = core;
    if (patch.budget !== undefined) {
      await host.bill.open(spending.account);
      spending.budget = JSON.parse(patch.budget) as typeof spending.budget;
      await host.bill.open(spending.account);
    }
    if (patch.parent !== undefined) await host.bill.move(spending.account, patch.parent);
    await core.append([], { row: patch });
  }

  /** The turn in memory with this id. */
  turn(id: string): Turn | undefined {
    return this.turns().find((turn) => turn.id === id);
  }

  /** The current turn and those that wait, in order. */
  turns(): readonly Turn[] {
    const { current, mailbox } = this.core;
    return current === undefined ? [...mailbox.waiting] : [current, ...mailbox.waiting];
  }

  get working(): boolean {
    return this.turns().length > 0 || this.#intake.busy || this.#closing !== undefined;
  }

  /** Resolves when the turn has unwound, with the outcome it really had. */
  async cancel(turn: Turn, reason: string, from: Whence = {}): Promise<CancelResult> {
    const changed = this.conduct.stop(turn, { outcome: 'cancelled', reason, ...from });
    const { outcome } = await turn.over;
    return { outcome, changed: changed && outcome === 'cancelled' };
  }

  /** Undefined for one whose acceptance did not become durable. */
  async #cancelIfThere(turn: Turn, reason: string, from: Whence): Promise<CancelResult | undefined> {
    try {
      return await this.cancel(turn, reason, from);
    } catch (error) {
      if (SojournError.is(error, 'turn.not_found')) return undefined;
      throw error;
    }
  }

  /**
   * The running turn and all that wait; those that wait first, so that none of them starts. What was offered to one of
   * them and not taken waits, too: it goes with it. With `only`, those of that kind.
   */
  async cancelAll(reason: string, { only, ...from }: Whence & { only?: TurnKind } = {}): Promise<string[]> {
    const cancelled: string[] = [];
    const meant = this.turns().filter(({ spec }) => only === undefined || spec.kind === only);
    for (let turns = meant.toReversed(); turns.length > 0;) {
      const results = await Promise.all(turns.map((turn) => this.#cancelIfThere(turn, reason, from)));
      const changed = turns.filter((_, index) => results[index]?.changed).map((turn) => turn.id);
      cancelled.push(...changed.toReversed());
      const over = new Set(turns);
      turns = this.turns().filter(({ origin }) => origin !== undefined && over.has(origin));
    }
    return cancelled;
  }

  async answer(request: string, call: AnswerCall, by: string | null): Promise<void> {
    await this.core.questions.answer(request, call, by);
  }

  /** Throws `session.busy` while it is in use; a turn that only waits for a person is not. False: it was not live. */
  async evict(reason: EvictReason): Promise<boolean> {
    const { registry } = this.core.host;
    const busy = this.turns().find(({ state }) => state.kind !== 'parked');
    if (busy !== undefined) throw new SojournError('session.busy', `Turn ${busy.id} has not ended`);
    await this.core.compaction.stop();
    if (await registry.evict(this.id, reason)) return true;
    if (registry.peek(this.id) === null) return false;
    throw new SojournError(
      'session.busy',
      `Session ${this.core.row.key} is held: a child, a job or a lease has not ended`,
    );
  }

  /** I10. */
  close(reason: string, from: Whence = {}): Promise<void> {
    if (this.#closing === undefined && this.core.row.state === 'closed') return Promise.resolve();
    this.#closing ??= this.#close(reason, from).finally(() => {
      this.#closing = undefined;
      this.core.host.changed(this.core);
    });
    return this.#closing;
  }

  async #close(reason: string, from: Whence): Promise<void> {
    const { core } = this;
    core.closing = true;
    try {
      await Promise.all([
        this.cancelAll(`the session is being closed: ${reason}`, from),
        core.host.children.end(core, 'its parent was closed'),
        core.compaction.stop(),
      ]);
      await core.host.registry.close(core.row.id, 'closed');
      await core.append([{ kind: 'session.closed', turn: null, body: { reason } }], {
        row: { state: 'closed', turn: null, queued: 0, lastActiveAt: core.host.clock.now() },
      });
    } finally {
      core.closing = false;
    }
  }

  #complete(): void {
    this.close('completed').catch((error: unknown) => {
      this.core.host.logger.error('session.close_failed', { session: this.id, error });
    });
  }

  /** A turn has begun, or its start is on the way to the disk, and it has not ended. */
  get begun(): boolean {
    const { current } = this.core;
    const isBegun = current !== undefined && current.attempt > 0 && current.state.kind !== 'parked';
    return isBegun && !this.#asks;
  }

  /** Its turn waits for a person, and goes on waiting in the next process. */
  get #asks(): boolean {
    const { current, questions, host, row } = this.core;
    if (current === undefined || !questions.waits(current)) return false;
    return current.state.kind === 'running' && host.agent(row.agent)?.capabilities.rerun === 'waiting';
  }

  /** The grace is over: a turn that may go on is left to the next start, any other ends `interrupted`. */
  async stopForShutdown(): Promise<void> {
    const { core } = this;
    await core.compaction.stop();
    const turn = core.current;
    if (turn === undefined || !(this.begun || this.#asks)) return; // What has not begun waits in the store.
    if (this.#asks || core.host.agent(core.row.agent)?.capabilities.rerun === 'safe') {
      core.host.giveUp(
        core,
        new SojournError('runtime.draining', `Turn ${turn.id} goes on after the restart`),
      );
      return this.conduct.unwound();
    }
    this.conduct.stop(turn, { outcome: 'interrupted', reason: 'the runtime is shutting down' });
    await turn.over.catch(() => undefined); // Lost: recovery ends it.
  }

  /**
   * Reads the working set and keeps it up to date from then on; what became durable meanwhile is not missed. Rejects
   * with the signal's reason when nobody waits for it any more: somebody else may be reading.
   */
  async readWorkingSet(
    signal: AbortSignal,
    options: WorkingSetOptions,
    left: Left = {},
  ): Promise<WorkingSet> {
    const { core } = this;
    const { conversation, quiet = 0 } = left;
    const set = conversation === undefined ? new WorkingSet(options) : WorkingSet.from(conversation, options);
    const arriving: StoredEvent[] = [];
    core.arriving = arriving;
    // What is under way arrives when it is durable; of a session that is being made there is nothing to read.
    const { num } = core.log;
    const isWhole = core.log.headSeq <= set.lastSeq + quiet;
    try {
      if (num !== undefined && !isWhole) {
        const { store, limits } = core.host;
        await catchUp(set, num, { store, limits, signal });
      }
    } finally {
      if (core.arriving === arriving) core.arriving = undefined;
    }
    signal.throwIfAborted();
    set.feed(arriving);
    core.workingSet = set;
    return set;
  }

  /** An instance of it is in memory (I6). */
  entered(live: LiveSession): void {
    this.#lives.add(live);
  }

  /** What must not be lost when an instance leaves memory. Rejects when it could not say all of it. */
  async flush(live: LiveSession, reason: EvictReason): Promise<void> {
    const { core } = this;
    const isRemade = reason === 'remade'; // Then `session.remade` says so.
    const drafts: Draft[] = isRemade ? [] : [{ kind: 'session.evicted', turn: null, body: { reason } }];
    let left: { snapshot?: string | null } = {};
    try {
      // An instance that was given up is asked nothing.
      if (reason !== 'deadline' && reason !== 'error') {
        left = await live.left(isRemade ? 'remade' : 'other', drafts.length);
      }
    } finally {
      if (drafts.length > 0 || left.snapshot !== undefined) await core.append(drafts, { ...left, row: {} });
    }
  }

  /** The live session left memory. Its successor may have taken over the conversation. */
  left(live: LiveSession): void {
    if (!this.#lives.delete(live)) return;
    const { core } = this;
    if (core.workingSet !== live.workingSet) return;
    for (const other of this.#lives) if (other.workingSet === live.workingSet) return;
    core.workingSet = undefined;
  }

  /** Keeps the session in memory while `work` runs. */
  async using<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#users += 1;
    try {
      return await work();
    } finally {
      this.#users -= 1;
      if (this.#users === 0) this.core.host.changed(this.core);
    }
  }

  /** I6. */
  get needed(): boolean {
    return this.#users > 0 || this.#lives.size > 0 || this.working || this.core.log.inFlightBytes > 0;
  }

  /** It leaves memory: nothing more is written, nothing is waited for. */
  drop(error: unknown): void {
    this.core.log.abandon(error);
    this.core.compaction.drop();
    this.core.questions.drop();
    for (const turn of this.turns()) turn.abandon(error);
  }

  /** I5. */
  #broken(error: unknown): void {
    this.core.host.logger.error('log.broken', { session: this.id, error });
    this.core.host.giveUp(this.core, error);
  }
}
