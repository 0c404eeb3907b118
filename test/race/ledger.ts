// Ledger: what callers asked for and what they were told, and whether it is so.
//
//   L1. What is acknowledged is on disk at that moment, once, and ends.
//   L2. What is refused was never written. A failure that says neither may be either, but not both.
//   L3. Who cancelled may send: it is not refused as busy.
import { SojournError, type ErrorCode } from '../../src/kernel/errors.ts';
import type { CancelResult } from '../../src/wire/calls.ts';
import type { Policy, Receipt } from '../../src/wire/turn.ts';
import type { Run } from './agents.ts';
import { attempt, FAILURES } from './attempt.ts';
import { check } from './check.ts';
import type { Process } from './process.ts';
import { bodyIn, nameIn } from './reading.ts';
import type { LogReading } from './rules.ts';
import { AGENT_OF, type Key } from './setting.ts';
import type { World } from './world.ts';

export interface Sent {
  readonly name: string;
  readonly key: Key;
  readonly call: { input: string; policy: Policy; agent: string; deadlineMs?: number };
  readonly once: string | undefined;
  /** The world's tick when it was first sent. */
  readonly tick: number;
  tries: number;
  refusals: number;
  unsure: number;
  acks: Receipt[];
}

/** They say that nothing was written. */
const REFUSALS: readonly ErrorCode[] = [
  'session.busy',
  'session.closed',
  'mailbox.full',
  'capacity',
  'agent.cannot_rewind',
  'runtime.draining',
];
export class Ledger {
  readonly sent: Sent[] = [];
  readonly #world: World;
  /** Turns that somebody wanted stopped, and sessions of which all were. */
  readonly stopped = new Set<string>();
  /** Calls under way that may make a session busy, and how many there were. */
  readonly #underWay = new Map<Key, { now: number; ever: number }>();
  /** Of each session, the tick of every mark that was answered, and when it was. */
  readonly #marks: { session: string; tick: number; answeredTick: number }[] = [];
  /** Cancelled while it had not begun, by a process that had it in memory. */
  readonly #mustNotBegin = new Map<string, Process>();
  readonly closed = new Map<Key, number>();
  /** Which process took a turn in. */
  readonly #ackedBy = new Map<string, Process>();

  constructor(world: World) {
    this.#world = world;
  }

  send(
    process: Process,
    key: Key,
    call: { ops: string; policy: Policy; once: boolean; deadlineMs?: number },
    mayNotBeBusy = false,
  ): void {
    const name = this.#world.nextName();
    const sent: Sent = {
      name,
      key,
      call: {
        input: `${name} ${call.ops}`,
        policy: call.policy,
        agent: AGENT_OF[key],
        ...(call.deadlineMs === undefined ? {} : { deadlineMs: call.deadlineMs }),
      },
      once: call.once ? name : undefined,
      tick: this.#world.tick(),
      tries: 0,
      refusals: 0,
      unsure: 0,
      acks: [],
    };
    this.sent.push(sent);
    process.watch(`send ${sent.call.input} (${call.policy})`, this.try(process, sent, mayNotBeBusy));
  }

  /** Sends it, or sends it again. */
  async try(process: Process, sent: Sent, mayNotBeBusy = false): Promise<void> {
    const { runtime } = process;
    if (runtime === undefined) return;
    const isOver = this.#begin(sent.key);
    const isAlone = this.#quiet(sent.key, 1);
    sent.tries += 1;
    const closedTick = this.closed.get(sent.key);
    try {
      const options = sent.once === undefined ? {} : { idempotencyKey: sent.once };
      const receipt = await runtime.send(sent.key, sent.call, options);
      if (process.isGone) return;
      this.#acknowledged(sent, receipt);
      if (receipt.disposition !== 'replayed') this.#ackedBy.set(receipt.turn, process);
      check(closedTick === undefined || receipt.disposition === 'replayed', () => {
        return `${sent.name} was accepted after session ${sent.key} was closed`;
      });
    } catch (error) {
      if (process.isGone) return;
      if (!(error instanceof SojournError)) throw error;
      if (mayNotBeBusy && isAlone())
        check(error.code !== 'session.busy', () => `after a cancel, ${sent.name} was refused as busy`);
      if (REFUSALS.includes(error.code)) sent.refusals += 1;
      else if (FAILURES.includes(error.code) && process.faults > 0) sent.unsure += 1;
      else throw error;
    } finally {
      isOver();
    }
  }

  /** L1. */
  #acknowledged(sent: Sent, receipt: Receipt): void {
    const { name } = sent;
    sent.acks.push(receipt);
    const kept = this.#world.kept(receipt.session);
    const event = kept?.events.find(
      (found) => found.kind === 'turn.accepted' && nameIn(bodyIn(found, 'turn.accepted').input) === name,
    );
    check(event !== undefined, () => `${name} was acknowledged, and is not on disk`);
    check(
      event.turn === receipt.turn,
      () => `${name} is in turn ${event.turn}, and was said to be in ${receipt.turn}`,
    );
    const [first] = sent.acks;
    check(
      first?.turn === receipt.turn,
      () => `${name} was acknowledged as ${first?.turn} and as ${receipt.turn}`,
    );
    check(receipt.seq < event.seq && event.seq <= receipt.seq + 2, () => {
      return `${name} is event ${event.seq}, and its receipt says to read from ${receipt.seq}`;
    });
    const fresh = sent.acks.filter(({ disposition }) => disposition !== 'replayed').length;
    check(fresh <= 1, () => `${name} was accepted ${fresh} times`);
    if (receipt.stopped !== undefined) this.stopped.add(receipt.stopped);
  }

  async cancelTurn(process: Process, key: Key, turn: string): Promise<void> {
    const { runtime } = process;
    if (runtime === undefined) return;
    this.stopped.add(turn);
    const { running, waiting, queued } = runtime.stats();
    const alone = this.#openTurns(key).includes(turn) && running + waiting + queued === 1;
    const stillQuiet = this.#quiet(key);
    if (process.faults === 0 && this.#isKnown(process, key, turn)) {
      process.watch(
        'a step',
        this.#world.afterStep(() => this.#mustNotBegin.set(turn, process)),
      );
    }
    const result = await attempt(process, runtime.cancelTurn(key, turn, 'as told'));
    if (result === undefined) return;
    this.#checkOutcome(key, turn, result);
    const isLeft = this.#world
      .keptOf(key)
      ?.events.some((event) => event.kind === 'turn.requeued' && event.turn === turn);
    if (alone && isLeft !== true && stillQuiet()) this.#probe(process, key);
  }

  async cancelAll(process: Process, key: Key): Promise<void> {
    const { runtime } = process;
    if (runtime === undefined) return;
    for (const turn of this.#openTurns(key)) this.stopped.add(turn);
    this.stopped.add(key);
    const stillQuiet = this.#quiet(key);
    const result = await attempt(process, runtime.cancel(key, 'as told'));
    if (result === undefined) return;
    for (const turn of result.cancelled)
      this.#checkOutcome(key, turn, { outcome: 'cancelled', changed: true });
    if (stillQuiet()) this.#probe(process, key);
  }

  /** L3. */
  #probe(process: Process, key: Key): void {
    if (this.closed.has(key) || process.state !== 'up' || process.faults > 0) return;
    this.send(process, key, { ops: 'say', policy: 'reject', once: false }, true);
  }

  #checkOutcome(key: Key, turn: string, { outcome, changed }: CancelResult): void {
    const event = this.#world
      .keptOf(key)
      ?.events.find((found) => found.kind === 'turn.ended' && found.turn === turn);
    const logged = event === undefined ? undefined : bodyIn(event, 'turn.ended').outcome;
    check(logged === outcome, () => `a cancel of turn ${turn} said ${outcome}, and the disk says ${logged}`);
    check(!changed || outcome === 'cancelled', () => `a cancel changed turn ${turn} to ${outcome}`);
  }

  async close(process: Process, key: Key): Promise<void> {
    const { runtime } = process;
    if (runtime === undefined) return;
    this.stopped.add(key);
    this.#begin(key);
    const view = await attempt(process, runtime.close(key, { reason: 'as told' }));
    if (view === undefined) return;
    const state = this.#world.keptOf(key)?.row.state;
    check(state === 'closed', () => `session ${key} was said to be closed, and the disk says ${state}`);
    this.closed.set(key, this.#world.tick());
  }

  async dirty(process: Process, key: Key | undefined): Promise<void> {
    const { runtime } = process;
    if (runtime === undefined) return;
    const tick = this.#world.tick();
    // Also one that fails to be answered may have marked.
    const marked = process.livings.filter(({ stage }) => stage === 'live' || stage === 'opening');
    this.#world.isMarked = true;
    const found = await attempt(
      process,
      runtime.dirty({ ...(key === undefined ? {} : { key }), reason: 'as told' }),
    );
    if (found === undefined || found.marked === 0) return;
    for (const { session } of marked) {
      if (key === undefined || this.#world.keptOf(key)?.row.id === session)
        this.#marks.push({ session, tick, answeredTick: this.#world.tick() });
    }
  }

  async answer(process: Process, n: number): Promise<void> {
    const { runtime } = process;
    if (runtime === undefined) return;
    const open = await attempt(process, runtime.requests());
    const chosen = open?.[n % open.length];
    if (chosen === undefined) return;
    const said = `yes${n}`;
    this.#begin(chosen.key as Key);
    const call = runtime.answer(chosen.key, chosen.id, { decision: 'allow', answer: said });
    const done = await attempt(process, call, ['request.closed', 'request.not_found']);
    if (done === undefined) return;
    const event = this.#world
      .kept(chosen.session)
      ?.events.find(
        (found) => found.kind === 'request.closed' && bodyIn(found, 'request.closed').request === chosen.id,
      );
    const logged = event === undefined ? undefined : bodyIn(event, 'request.closed').answer;
    check(logged === said, () => `${chosen.id} was answered ${said}, and the disk says ${logged}`);
  }

  evict(process: Process, key: Key): Promise<unknown> {
    return attempt(process, process.runtime?.evict(key) ?? Promise.resolve(false));
  }

  /** An agent is about to run a turn. */
  begins(run: Run): void {
    const isForbidden = this.#mustNotBegin.get(run.turn) === run.process && run.process.faults === 0;
    check(!isForbidden, () => `turn ${run.turn} begins, and was cancelled before`);
  }

  /** The last mark of the session that was answered before the turn was sent by anybody. */
  markBefore(run: Run): number | undefined {
    const sent = this.sent.filter(
      ({ acks, tries }) => acks.length > 0 && tries === 1 && acks[0]?.turn === run.turn,
    );
    const [first] = sent;
    if (first === undefined || sent.length > 1 || this.#failedRemaking(run)) return undefined;
    const marks = this.#marks.filter(
      ({ session, answeredTick }) => session === run.session && answeredTick < first.tick,
    );
    return marks.at(-1)?.tick;
  }

  /** The old one stayed, as it should. */
  #failedRemaking({ session }: Run): boolean {
    const events = this.#world.kept(session)?.events ?? [];
    const isLogged = events.some(
      (event) => event.kind === 'session.remade' && bodyIn(event, 'session.remade').error !== undefined,
    );
    return isLogged || this.#world.remakeFailures > 0;
  }

  /** When it is all over. */
  checkEnd(readings: ReadonlyMap<string, LogReading>): void {
    for (const sent of this.sent) {
      const { name, key, acks, refusals, tries } = sent;
      const id = this.#world.keptOf(key)?.row.id;
      const reading = id === undefined ? undefined : readings.get(id);
      const place = reading?.accepted.get(name);
      if (acks.length > 0) check(place !== undefined, () => `${name} was acknowledged, and is lost`);
      if (refusals === tries) check(place === undefined, () => `${name} was refused, and was written`);
      if (place === undefined) continue;
      const turn = reading?.turns.get(place.turn);
      for (const { stopped } of acks) {
        const outcome = stopped === undefined ? undefined : reading?.turns.get(stopped)?.outcome;
        // Its deadline may have stopped it just before.
        check(outcome === undefined || outcome === 'cancelled' || outcome === 'expired', () => {
          return `${name} was said to stop turn ${stopped}, which ended ${outcome}`;
        });
      }
      check(
        turn?.outcome !== undefined,
        () => `${name} was accepted into turn ${place.turn}, which never ended`,
      );
    }
  }

  #openTurns(key: Key): string[] {
    const turns = this.#world.keptOf(key)?.turns.values() ?? [];
    return [...turns].filter(({ state }) => state !== 'done').map(({ id }) => id);
  }

  /** It was acknowledged by this process, waits, and no attempt of it has begun. */
  #isKnown(process: Process, key: Key, turn: string): boolean {
    const isOpen = this.#openTurns(key).includes(turn);
    const hasRun = this.#world.books.runs.some((run) => run.turn === turn);
    return isOpen && !hasRun && process.state === 'up' && this.#ackedBy.get(turn) === process;
  }

  /** Returns the call that says it is over. */
  #begin(key: Key): () => void {
    const calls = this.#underWay.get(key) ?? { now: 0, ever: 0 };
    this.#underWay.set(key, calls);
    calls.now += 1;
    calls.ever += 1;
    return () => (calls.now -= 1);
  }

  /** Answers whether nobody but the caller has done anything meanwhile. */
  #quiet(key: Key, own = 0): () => boolean {
    const calls = this.#underWay.get(key);
    const [now, ever] = [calls?.now ?? 0, calls?.ever ?? 0];
    return () => now === own && ever === (this.#underWay.get(key)?.ever ?? 0);
  }
}
