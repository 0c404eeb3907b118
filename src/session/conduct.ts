// Conduct: takes the turns of one session from the mailbox to their outcome, one at a time.
//
//   I1. At most one turn is current; it is the only one that uses the instance.
//   I4. A turn ends by one `turn.ended`, in the append that also says what comes next. The next one starts when that
//       is durable, so its history is complete.
//   I7. Whoever waits for an outcome is told after the place is free: a new message is not refused as busy.
//   I8. Nothing here rejects: a broken log is `lost` once, and the store knows the rest.
import { SojournError } from '../kernel/errors.ts';
import { offloads } from '../context/overflow.ts';
import type { Use } from '../keeper/keeper.ts';
import type { Draft } from '../log/session-log.ts';
import type { SessionPatch, TurnPatch } from '../store/store.ts';
import type { Input } from '../wire/message.ts';
import type { HandOff, Outcome, TurnError } from '../wire/turn.ts';
import { agentTurn } from './agent-turn.ts';
import { closingOf } from './closing.ts';
import type { SessionCore } from './core.ts';
import type { LiveSession } from './live.ts';
import { keepSnapshot } from './snapshot.ts';
import { abortReason, type Stop, Turn } from './turn.ts';
import { donePatch, owesEnd, queuedPatch, shifted, startedPatch, stopError } from './turn-rows.ts';
import { type Closing, type RunEnd, TurnRun, turnError } from './turn-run.ts';
import type { Waking } from './waking.ts';

/** How a turn ends, before it is written. */
interface Ending {
  outcome: Outcome;
  error?: TurnError;
  text: string;
  partial: boolean;
  run?: TurnRun;
  left?: Left;
}

/** What the agent leaves with the turn's end, besides what it said. */
interface Left {
  completed: boolean;
  handOff?: HandOff;
}

/** A child has less time to hear its signal: whoever stops a tree of sessions waits for all of it. */
const CHILD_CANCEL_MS_MAX = 1_500;
const NOTHING: Closing = { drafts: [], artifacts: [] };

export class Conduct {
  readonly #core: SessionCore;
  /** The agent said that the session is over. */
  readonly complete: () => void;
  /** What runs on the instance, and what ran last. */
  #run: Promise<unknown> = Promise.resolve();

  constructor(core: SessionCore, complete: () => void) {
    this.#core = core;
    this.complete = complete;
  }

  /** Resolves when nothing runs on the instance any more: a turn that was stopped or abandoned has let go. */
  async unwound(): Promise<void> {
    await this.#run.catch(() => undefined); // Its own caller hears of it.
  }

  /** Starts the next turn when there is one and nothing is current. */
  pump(): void {
    const core = this.#core;
    if (core.current !== undefined || core.log.broken) return;
    // Nothing new begins, but a shutdown waits to hear that this turn is over.
    if (core.host.draining || core.completedBy !== undefined) return core.host.changed(core);
    const next = core.mailbox.take();
    if (next === undefined) return core.host.changed(core);
    core.current = next;
    this.begin(next);
  }

  /** Gets an instance for the current turn, records that it starts, and runs it. */
  begin(turn: Turn, waking?: Waking): void {
    void this.#begin(turn, waking); // I8
  }

  /** Runs the current turn, whose start is durable, and ends or parks it. */
  drive(turn: Turn, use: Use<LiveSession>): void {
    void this.#drive(turn, use); // I8
  }

  async #begin(turn: Turn, waking?: Waking): Promise<void> {
    const { host, log, row, spending } = this.#core;
    const hasStarted = waking?.hasStarted === true;
    if (turn.isLost || (host.draining && !hasStarted)) {
      waking?.letSleep();
      if (!turn.isLost && turn.state.kind === 'accepting') this.queued(turn); // It waits for the next start.
      return;
    }
    const abort = waking?.abort ?? new AbortController();
    spending.begin(turn);
    turn.enter({ kind: 'starting', abort });
    if (turn.stop !== undefined) abort.abort(abortReason(turn.stop));
    let use: Use<LiveSession> | undefined;
    try {
      use = await this.#use(turn, abort, waking);
      if (use === undefined) return;
      if (hasStarted) return await this.#drive(turn, use);
      if (host.draining)
        throw new SojournError('runtime.draining', `Turn ${turn.id} begins after the restart`);
      // What the attempt before said stays where this one goes on with it.
      const goesOn = turn.attempt > 0 && use.thing.agent.capabilities.rerun === 'waiting';
      const { drafts: said, artifacts } = goesOn ? await closingOf(this.#core, turn) : NOTHING;
      turn.attempt += 1;
      turn.left = { drafts: [], text: '' };
      turn.inbox.unshift(...turn.taken.splice(0));
      turn.startedAt ??= host.clock.now();
      const body = { attempt: turn.attempt, ...(goesOn ? { goesOn } : {}) };
      const started: Draft = { kind: 'turn.started', turn: turn.id, body };
      const turns = [startedPatch(turn, said.length)];
      await this.#core.append([...said, started], { turns, artifacts, row: this.#core.columns('running') });
    } catch (error) {
      use?.release();
      return this.#lose(turn, error);
    }
    host.logger.info('turn.started', {
      session: row.id,
      turn: turn.id,
      attempt: turn.attempt,
      seq: log.headSeq,
    });
    await this.#drive(turn, use);
  }

  async #drive(turn: Turn, use: Use<LiveSession>): Promise<void> {
    const { host, log, overflow, spending, row } = this.#core;
    const abort = new AbortController();
    abort.signal.addEventListener('abort', () => this.#stopBelow(turn), { once: true });
    try {
      if (turn.isLost) return use.release(); // It was given up while its start became durable.
      turn.enter({ kind: 'running', abort });
      if (turn.stop !== undefined) abort.abort(abortReason(turn.stop));
      const budgetMs = turn.spec.budget.ms ?? Infinity;
      const run = new TurnRun({
        turn,
        live: use.thing,
        log,
        overflow,
        spending,
        clock: host.clock,
        abort,
        deadlineMs: Math.min(turn.spec.deadlineMs, budgetMs),
        deadlineOutcome: budgetMs < turn.spec.deadlineMs ? 'budget' : 'expired',
        cancelMsMax: Math.min(host.limits.cancelMsMax, row.parent === null ? Infinity : CHILD_CANCEL_MS_MAX),
      });
      host.changed(this.#core);
      await keepSnapshot(this.#core, use.thing);
      const ran = await this.#perform(turn, use, run, abort);
      if (ran.end.kind !== 'lost') await keepSnapshot(this.#core, use.thing);
      const end = stoppedAtLast(ran.end, turn);
      if (end.kind === 'lost') return this.#lose(turn, end.error, use);
      if (end.kind === 'suspended') return await this.#park(turn, use, run, end.gaveUp);
      turn.enter({ kind: 'ending' });
      await this.#end(turn, endingOf(end, run, ran.left), use, end.kind === 'stopped' && end.gaveUp);
    } catch (error) {
      this.#lose(turn, error, use);
    }
  }

  /** Ends a turn that runs nowhere: it waited in the mailbox, for an instance, or for a person. */
  async #endIdle(turn: Turn, outcome: Outcome, error: TurnError): Promise<void> {
    try {
      turn.enter({ kind: 'ending' });
      const { text } = turn.left;
      await this.#end(turn, { outcome, text, partial: false, error });
    } catch (thrown) {
      this.#lose(turn, thrown);
    }
  }

  #endStopped(turn: Turn, stop: Stop): Promise<void> {
    return this.#endIdle(turn, stop.outcome, stopError(stop));
  }

  /** A turn whose acceptance has become durable waits now, unless it was stopped meanwhile. */
  queued(turn: Turn): void {
    turn.enter({ kind: 'queued' });
    if (turn.stop !== undefined) void this.#endStopped(turn, turn.stop); // I8
  }

  /** Ends a turn early, wherever it is; false when it ends already. Its `over` says when it has unwound. */
  stop(turn: Turn, stop: Stop): boolean {
    if (!turn.stopFor(stop)) return false;
    const { kind } = turn.state;
    // Starting and running turns unwind through their signal, an accepting one when its acceptance is durable.
    if (kind === 'queued' || kind === 'parked') void this.#endStopped(turn, stop); // I8
    return true;
  }

  /** A person answered, or the question expired: the next attempt finds out. */
  wake(turn: Turn): void {
    if (turn.state.kind === 'parked' && this.#core.current === turn) this.begin(turn);
  }

  /** Undefined when the turn was ended here instead. */
  async #use(
    turn: Turn,
    abort: AbortController,
    waking: Waking | undefined,
  ): Promise<Use<LiveSession> | undefined> {
    const { host, row, context } = this.#core;
    try {
      if (turn.stop !== undefined) {
        waking?.letSleep();
      } else if (waking !== undefined) {
        return await waking.use;
      } else {
        const { signal } = abort;
        return host.registry.tryUse(row.id) ?? (await host.registry.use(row.id, context, { signal }));
      }
    } catch (error) {
      if (turn.stop === undefined) {
        if (host.draining) throw error; // It runs after the restart.
        await this.#endIdle(turn, 'failed', turnError(error));
        return undefined;
      }
    }
    await this.#endStopped(turn, turn.stop);
    return undefined;
  }

  async #perform(
    turn: Turn,
    use: Use<LiveSession>,
    run: TurnRun,
    abort: AbortController,
  ): Promise<{ end: RunEnd; left: Left }> {
    const core = this.#core;
    const { host, log, questions, overflow } = core;
    const left: Left = { completed: false };
    if (turn.stop !== undefined) return { end: { kind: 'stopped', stop: turn.stop, gaveUp: false }, left };
    const inputs: Input[] = [];
    try {
      for (const input of turn.spec.inputs) inputs.push(await overflow.restoreInput(input));
    } catch (error) {
      return { end: { kind: 'failed', error: turnError(error) }, left };
    }
    const tooLarge = await core.compaction.makeRoom(inputs);
    if (tooLarge !== undefined) return { end: { kind: 'failed', error: tooLarge }, left };
    const said = core.workingSet?.history() ?? [];
    const history = core.workingSet?.hasRefs === true ? await overflow.restore(said) : said;
    const view = agentTurn({
      session: core,
      host,
      turn,
      live: use.thing,
      log,
      questions,
      run,
      abort,
      inputs,
      history,
      afterCrash: turn.crashAttempts > 0,
      left,
    });
    const driving = run.drive(view);
    this.#run = driving;
    return { end: await driving, left };
  }

  /** What this attempt said stays, should there be no other. */
  async #park(turn: Turn, use: Use<LiveSession>, run: TurnRun, gaveUp: boolean): Promise<void> {
    const core = this.#core;
    const { drafts, artifacts } = await run.closing(true);
    turn.left = { drafts: [], text: run.text };
    if (drafts.length > 0) await core.append(drafts, { artifacts, row: {} });
    turn.enter({ kind: 'parked' });
    if (gaveUp) await core.host.registry.retire(core.row.id, 'error');
    use.release();
    if (turn.stop !== undefined) return this.#endStopped(turn, turn.stop);
    if (!core.questions.waits(turn)) return this.wake(turn);
    core.host.changed(core);
  }

  /** I4. Rejects when it cannot be made durable. */
  async #end(turn: Turn, ending: Ending, use?: Use<LiveSession>, gaveUp = false): Promise<void> {
    const core = this.#core;
    const { host, row } = core;
    await turn.joined();
    const closing = (await ending.run?.closing(ending.partial)) ?? (await closingOf(core, turn));
    const early = ending.outcome !== 'completed';
    if (early) await host.children.stop(core, turn.id, `its parent's turn ended ${ending.outcome}`);
    const voided = core.questions.voidAll(turn);
    const requests = voided.requests.map((request) => shifted(request, closing.drafts.length));
    const text = await core.overflow.text(ending.text, 'turn.ended');
    const moved = offloads(turn.id, text.offloaded);
    const drafts: Draft[] = [...closing.drafts, ...voided.drafts, ...moved];
    const turns: TurnPatch[] = requeue(core, turn, drafts);
    const completed = ending.left?.completed === true && !early;
    const handOff = ending.left?.handOff;
    const owes = owesEnd(core, turn);
    if (completed) core.completedBy = turn.id;
    turns.push({ ...donePatch(turn, ending.outcome, host.clock.now(), owes), endEvent: drafts.length });
    drafts.push({
      kind: 'turn.ended',
      turn: turn.id,
      body: {
        outcome: ending.outcome,
        ...text.value,
        ...(ending.error === undefined ? {} : { error: ending.error }),
        ...(completed ? { sessionCompleted: true as const } : {}),
        ...(handOff === undefined ? {} : { handOff }),
        usage: turn.usage,
        costUsd: turn.costUsd,
      },
    });
    core.spending.end(turn);
    turn.endLogged = true;
    await core.append(drafts, {
      turns,
      requests,
      artifacts: [...closing.artifacts, ...text.artifacts],
      row: { ...this.#after(owes), ...core.spending.columns() },
    });
    const tell = owes ? await this.#deliver(turn) : undefined;
    if (gaveUp) await host.registry.retire(row.id, 'deadline');
    this.#free(turn, ending, use);
    tell?.();
    if (completed) this.complete();
  }

  /** I7. */
  #free(turn: Turn, ending: Ending, use?: Use<LiveSession>): void {
    const core = this.#core;
    core.compaction.consider();
    use?.release();
    if (core.current === turn) core.current = undefined;
    core.mailbox.remove(turn);
    turn.finish(ending.outcome, ending.error);
    core.host.ended(ending.outcome);
    this.pump();
  }

  async #deliver(turn: Turn): Promise<() => void> {
    const core = this.#core;
    const tell = await core.host.children.deliver(core, turn.id);
    await core.append([], { turns: [{ id: turn.id, state: 'done' }], row: this.#after(false) });
    return tell;
  }

  /** All below it hears of a stop at once: nobody waits for the one above to unwind. */
  #stopBelow(turn: Turn): void {
    const { stop } = turn;
    if (stop === undefined) return;
    this.#core.host.children.stopSoon(this.#core, turn.id, `its parent's turn was stopped: ${stop.reason}`);
  }

  /** The columns once a turn is over. */
  #after(owes: boolean): SessionPatch {
    const core = this.#core;
    return { ...core.columns(owes ? 'running' : undefined), lastActiveAt: core.host.clock.now() };
  }

  /** I8. */
  #lose(turn: Turn, cause: unknown, use?: Use<LiveSession>): void {
    const core = this.#core;
    const error = core.host.draining
      ? new SojournError('runtime.draining', `Turn ${turn.id} goes on after the restart`, { cause })
      : cause;
    use?.release();
    if (core.current === turn) core.current = undefined;
    turn.lose(error);
    core.host.logger.warn('turn.lost', { session: core.row.id, turn: turn.id, error });
    core.host.giveUp(core, error);
  }
}

/** What was offered to a turn and not taken becomes the next turn. */
export function requeue(core: SessionCore, turn: Turn, drafts: Draft[]): TurnPatch[] {
  const inputs = turn.inbox.splice(0).map(({ logged }) => logged);
  if (inputs.length === 0) return [];
  const { ids, clock } = core.host;
  const { kind, author, channel, deadlineMs, canAsk } = turn.spec;
  const common = { kind, author, channel, deadlineMs, canAsk, metadata: {}, budget: {}, parent: null };
  const next = new Turn({ ...common, id: ids.id(), inputs, acceptedAt: clock.now() }, 'queued', turn);
  core.mailbox.put(next, 'first');
  core.spending.add(next);
  const patch = { ...queuedPatch(next, clock.now()), acceptedEvent: drafts.length };
  for (const input of inputs)
    drafts.push({ kind: 'turn.requeued', turn: turn.id, body: { input, turn: next.id } });
  return [patch];
}

function endingOf(end: Exclude<RunEnd, { kind: 'lost' | 'suspended' }>, run: TurnRun, left: Left): Ending {
  const { text } = run;
  if (end.kind === 'completed') return { outcome: 'completed', text, partial: false, run, left };
  if (end.kind === 'failed') return { outcome: 'failed', text, partial: true, run, left, error: end.error };
  return { outcome: end.stop.outcome, text, partial: true, run, left, error: stopError(end.stop) };
}

/** Whoever stopped it while it was ending was told that it would be cancelled. */
function stoppedAtLast(end: RunEnd, { stop }: Turn): RunEnd {
  if (stop === undefined || (end.kind !== 'completed' && end.kind !== 'failed')) return end;
  return { kind: 'stopped', stop, gaveUp: false };
}
