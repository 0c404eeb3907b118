// Intake: a message on its way into one session, up to its receipt.
//
//   I2. A message's place is reserved in the same step that decides about it; a failed append undoes it.
//   I3. A receipt is given when the input is durable, never before. A refusal writes nothing.
//   I11. The instance of a session that sleeps is woken while the message becomes durable; its agent runs only after that.
//   I12. A turn's start is written with its message where nothing of it can take long: its instance is there and clean, or
//        there is none, none has to leave first, and its agent opens at once. What is draining begins nothing.
//   I9. Messages with the same idempotency key that meet share one receipt; later ones find it in the store.
import { SojournError } from '../kernel/errors.ts';
import type { Millis } from '../kernel/clock.ts';
import { offloads } from '../context/overflow.ts';
import type { Place } from '../keeper/keeper.ts';
import type { Draft, Written } from '../log/session-log.ts';
import type { ArtifactRow, OnceRow, SessionPatch, TurnPatch } from '../store/store.ts';
import type { Offloaded } from '../wire/context.ts';
import type { EventBodies } from '../wire/event.ts';
import { type Input, textOf } from '../wire/message.ts';
import type { Budget } from '../wire/session.ts';
import type { Disposition, Policy, Receipt } from '../wire/turn.ts';
import type { Conduct } from './conduct.ts';
import type { SessionCore } from './core.ts';
import type { Placement } from './mailbox.ts';
import { Turn, type TurnSpec } from './turn.ts';
import { queuedPatch } from './turn-rows.ts';
import { Waking } from './waking.ts';

/** A message as the runtime hands it over: checked, with its large parts moved out. */
export interface Message extends Omit<TurnSpec, 'id' | 'inputs'> {
  input: Input;
  /** The input with its large parts still in it. */
  whole: Input;
  artifacts: readonly ArtifactRow[];
  offloaded: readonly Offloaded[];
  policy: Policy;
  /** What the message itself named, for the log. */
  named: { deadlineMs?: Millis; budget?: Budget };
  /** Remembered for `onceMs` unless it says until when. */
  once?: { key: string; hash: string; expiresAt?: Millis };
  /** It is owed to the session: it waits for a place and is not counted among what may wait. */
  isOwed?: true;
  /** Called in the step that decides about the message; what it throws refuses it. */
  admit?(): void;
}

const SUMMARY_POINTS_MAX = 200;

export class Intake {
  readonly #core: SessionCore;
  readonly #conduct: Conduct;
  /** Keyed messages under way (I9). */
  readonly #sending = new Map<string, { hash: string; receipt: Promise<Receipt> }>();

  constructor(core: SessionCore, conduct: Conduct) {
    this.#core = core;
    this.#conduct = conduct;
  }

  get busy(): boolean {
    return this.#sending.size > 0;
  }

  async send(message: Message): Promise<Receipt> {
    const { once } = message;
    const { host, spending } = this.#core;
    const opening = host.bill.open(spending.account);
    if (opening !== undefined) await opening;
    if (once === undefined) return this.#accept(message);
    const twin = this.#sending.get(once.key);
    if (twin !== undefined) {
      if (twin.hash !== once.hash) throw conflict(once.key);
      const { session, turn, seq } = await twin.receipt;
      return { session, turn, seq, disposition: 'replayed' };
    }
    const receipt = this.#sendOnce(message, once);
    this.#sending.set(once.key, { hash: once.hash, receipt });
    try {
      return await receipt;
    } finally {
      this.#sending.delete(once.key);
    }
  }

  async #sendOnce(message: Message, once: { key: string; hash: string }): Promise<Receipt> {
    const { log, host } = this.#core;
    const row = log.num === undefined ? null : await host.store.once(log.num, once.key, host.clock.now());
    return row === null ? this.#accept(message) : replay(row, once);
  }

  #accept(message: Message): Promise<Receipt> {
    const core = this.#core;
    if (core.row.state === 'closed' || core.closing) {
      throw new SojournError('session.closed', `Session ${core.row.key} is closed`);
    }
    message.admit?.();
    const placement = core.mailbox.place(
      {
        isOwed: message.isOwed === true,
        policy: message.policy,
        kind: message.kind,
        author: message.author,
        turn: () => new Turn({ ...message, id: core.host.ids.id(), inputs: [message.input] }, 'accepting'),
      },
      core.current,
      core.agent.capabilities,
    );
    try {
      const isNew = placement.kind === 'start' || placement.kind === 'queue';
      if (!isNew) core.spending.check();
      const unbill = isNew ? core.spending.admit(placement.turn) : undefined;
      const undo = (): void => {
        unbill?.();
        core.mailbox.undo(placement);
      };
      return placement.kind === 'start'
        ? this.#start(message, placement.turn, undo)
        : this.#wait(message, placement, undo);
    } catch (error) {
      core.mailbox.undo(placement);
      throw error;
    }
  }

  /** Nothing runs or waits: it starts in the same append (I12), or when it has an instance. */
  async #start(message: Message, turn: Turn, forget: () => void): Promise<Receipt> {
    const core = this.#core;
    const { registry, clock, draining } = core.host;
    const use = draining ? null : registry.tryUse(core.row.id);
    const waits = use !== null || message.isOwed === true;
    const place = waits ? undefined : this.#reserve(forget);
    const starts = use !== null || (place !== undefined && !draining && this.#opensAtOnce());
    core.current = turn;
    const moved = offloads(turn.id, message.offloaded);
    const drafts = [...core.creation(), ...moved, this.#accepted(message, turn, 'started')];
    const turns: TurnPatch[] = [{ ...queuedPatch(turn, clock.now()), acceptedEvent: drafts.length - 1 }];
    if (starts) {
      turn.attempt = 1;
      turn.startedAt = clock.now();
      turns.push({
        id: turn.id,
        state: 'running',
        attempt: 1,
        startedAt: turn.startedAt,
        startEvent: drafts.length,
      });
      drafts.push({ kind: 'turn.started', turn: turn.id, body: { attempt: 1 } });
    }
    const undo = (): void => {
      forget();
      use?.release();
      waking?.letSleep();
      if (core.current === turn) core.current = undefined;
      turn.lose(neverWas(turn));
    };
    const columns = core.columns(starts ? 'running' : 'queued');
    const writing = this.#append(message, drafts, turns, columns, turn, 'started', undo);
    const waking = place && new Waking(core, place, starts); // I11
    // An instance that comes at once lets the start share this append; a keyed message may turn out not to be new.
    const mayShare = !starts && message.once === undefined;
    if (mayShare) this.#conduct.begin(turn, waking);
    const written = await writing;
    if (written.kind === 'once') return this.#replayed(written.row, message);
    if (use !== null) this.#conduct.drive(turn, use);
    else if (!mayShare) this.#conduct.begin(turn, waking);
    return { session: core.row.id, turn: turn.id, seq: written.firstSeq - 1, disposition: 'started' };
  }

  /** I12. Asked when its place is reserved: what had to leave for that is leaving by then. */
  #opensAtOnce(): boolean {
    const { agent, host, row } = this.#core;
    const { registry } = host;
    return agent.opensAtOnce === true && registry.peek(row.id) === null && registry.stats().leaving === 0;
  }

  /** A place for the instance; where there is none, nothing has happened. */
  #reserve(forget: () => void): Place {
    const { host, row, context } = this.#core;
    try {
      return host.registry.reserve(row.id, context);
    } catch (error) {
      forget();
      throw error;
    }
  }

  /** Something runs or waits already. */
  async #wait(
    message: Message,
    placement: Exclude<Placement, { kind: 'start' }>,
    forget: () => void,
  ): Promise<Receipt> {
    const core = this.#core;
    const { turn } = placement;
    const disposition =
      placement.kind === 'queue' ? 'queued' : placement.kind === 'collect' ? 'collected' : 'steered';
    const stops = placement.kind === 'queue' ? placement.stops : undefined;
    const drafts = offloads(turn.id, message.offloaded);
    const acceptedEvent = drafts.push(this.#accepted(message, turn, disposition, stops)) - 1;
    const turns: TurnPatch[] =
      placement.kind === 'queue' ? [{ ...queuedPatch(turn, core.host.clock.now()), acceptedEvent }] : [];
    if (stops !== undefined) {
      const dropped = message.policy === 'rollback';
      stops.dropped ||= dropped;
      // Its outcome is decided with this message: a crash before it has unwound finds it here.
      const outcome = stops.stop?.outcome ?? 'cancelled';
      turns.push({ id: stops.id, outcome, ...(dropped ? { dropped } : {}) });
      if (dropped) drafts.push({ kind: 'turn.dropped', turn: stops.id, body: { turn: stops.id } });
      this.#conduct.stop(stops, {
        outcome: 'cancelled',
        reason: `another message came with policy ${message.policy}`,
      });
    }
    const joined = placement.kind === 'queue' ? undefined : turn.join();
    const undo = (): void => {
      forget();
      if (placement.kind === 'queue') turn.lose(neverWas(turn));
      joined?.();
    };
    const written = await this.#append(message, drafts, turns, core.columns(), turn, disposition, undo);
    if (written.kind === 'once') return this.#replayed(written.row, message);
    if (placement.kind === 'queue') this.#conduct.queued(turn);
    if (placement.kind === 'collect') turn.spec.inputs.push(message.input);
    if (placement.kind === 'steer') turn.inbox.push({ logged: message.input, whole: message.whole });
    joined?.();
    this.#conduct.pump();
    return {
      session: core.row.id,
      turn: turn.id,
      seq: written.firstSeq - 1,
      disposition,
      ...(placement.kind === 'queue' ? { position: placement.position } : {}),
      ...(stops === undefined ? {} : { stopped: stops.id }),
    };
  }

  async #append(
    message: Message,
    drafts: readonly Draft[],
    turns: readonly TurnPatch[],
    columns: SessionPatch,
    turn: Turn,
    disposition: Disposition,
    undo: () => void,
  ): Promise<Written> {
    const core = this.#core;
    const row: SessionPatch = { ...columns, lastActiveAt: core.host.clock.now() };
    if (core.row.summary === null) row.summary = summaryOf(message.input);
    const budget = JSON.stringify(core.spending.budget);
    if (budget !== core.row.budget) row.budget = budget; // So much is kept for the turn.
    const once = message.once && {
      expiresAt: core.host.clock.now() + core.host.limits.onceMs,
      ...message.once,
      receipt: JSON.stringify({ session: core.row.id, turn: turn.id, disposition }),
    };
    try {
      const also = { row, turns, artifacts: message.artifacts, ...(once === undefined ? {} : { once }) };
      const written = await core.append(drafts, also);
      if (written.kind === 'once') undo();
      return written;
    } catch (error) {
      undo(); // I2
      throw error;
    }
  }

  #accepted(message: Message, turn: Turn, disposition: Disposition, stops?: Turn): Draft {
    const { policy, kind, author, channel, metadata, named, input } = message;
    const body: EventBodies['turn.accepted'] = {
      input,
      policy,
      disposition,
      kind,
      author,
      channel,
      ...named,
    };
    if (Object.keys(metadata).length > 0) body.metadata = metadata;
    if (!message.canAsk) body.canAsk = false;
    if (message.parent !== null) body.parent = message.parent;
    if (stops !== undefined) body.stopped = stops.id;
    return { kind: 'turn.accepted', turn: turn.id, body };
  }

  #replayed(row: OnceRow, message: Message): Receipt {
    this.#conduct.pump();
    return replay(row, message.once ?? { key: row.key, hash: row.hash });
  }
}

function replay(row: OnceRow, once: { key: string; hash: string }): Receipt {
  if (row.hash !== once.hash) throw conflict(once.key);
  const { session, turn } = JSON.parse(row.receipt) as Receipt;
  return { session, turn, seq: row.seq - 1, disposition: 'replayed' };
}

/** Its message turned out to be another's, or was not written: whoever waits for it waits no more. */
function neverWas(turn: Turn): SojournError {
  return new SojournError('turn.not_found', `Turn ${turn.id} was never accepted`);
}

function conflict(key: string): SojournError {
  const given = key.slice(key.indexOf(':') + 1); // Without the kind of call before it.
  return new SojournError('idempotency.conflict', `Idempotency-Key ${given} was used with another body`);
}

/** The beginning of what was said first. */
function summaryOf(input: Input): string {
  const text = textOf(input.parts).replaceAll(/\s+/gu, ' ').trim();
  return Array.from(text.slice(0, SUMMARY_POINTS_MAX * 2))
    .slice(0, SUMMARY_POINTS_MAX)
    .join('');
}
