// Session core: what the parts of one session share. Its row and its log have this one owner.
//
//   Z1. The row in memory is what the store will hold when all appends under way are durable.
//   Z2. `columns` is the only place where the state of a session is worked out.
//   Z3. What is pinned is written once: of two that meet, the first in the log stays, and both are answered with it.
import type { SessionFacts } from '../agent/agent.ts';
import type { JsonObject } from '../kernel/json.ts';
import { SojournError } from '../kernel/errors.ts';
import type { Agent } from '../agent/agent.ts';
import type { Overflow } from '../context/overflow.ts';
import type { WorkingSet } from '../context/working-set.ts';
import { type Also, type Draft, SessionLog, type Written } from '../log/session-log.ts';
import { logTopic } from '../log/tail.ts';
import type {
  NewSession,
  SessionPatch,
  SessionRow,
  StoredEvent,
  StoredState,
  TurnPatch,
} from '../store/store.ts';
import { Compaction } from './compaction.ts';
import type { LiveContext, SessionHost } from './host.ts';
import { Mailbox } from './mailbox.ts';
import { Questions } from './questions.ts';
import { Spending } from './spending.ts';
import type { Turn } from './turn.ts';

const RECENT_MAX = 16;
const PIN_NAME_BYTES_MAX = 500;
const PIN_CHARS_MAX = 64 * 1_024;

export class SessionCore {
  readonly host: SessionHost;
  readonly row: SessionRow;
  readonly facts: SessionFacts;
  readonly log: SessionLog;
  readonly mailbox: Mailbox;
  readonly questions: Questions;
  readonly spending: Spending;
  readonly overflow: Overflow;
  readonly compaction: Compaction;
  /** The turn that is being started, runs, waits for a person or is ending. */
  current: Turn | undefined;
  /** It is being closed: nothing more is accepted. */
  closing = false;
  /** With this turn its agent said that it is over: it is at work until that is in the log, also after a crash (Y9). */
  completedBy: string | undefined;
  /** Fed with what becomes durable, while the session is live. None where the agent keeps the conversation itself. */
  workingSet: WorkingSet | undefined;
  /** The last durable events of the running turn, in order: a reader that comes with the turn needs no store. */
  recent: readonly StoredEvent[] = [];
  /** What became durable while the working set was being read. */
  arriving: StoredEvent[] | undefined;
  #uncreated: boolean;

  constructor(
    host: SessionHost,
    row: SessionRow,
    fresh: NewSession | undefined,
    hooks: { wake(turn: Turn): void; broken(error: unknown): void },
  ) {
    this.host = host;
    this.row = row;
    this.#uncreated = fresh !== undefined;
    this.facts = factsOf(row);
    this.mailbox = new Mailbox(host.limits.queueMax);
    this.overflow = host.overflow(row.project, () => this.log.num);
    const { limits, clock, bill } = host;
    const account = bill.account(row, fresh !== undefined);
    this.spending = new Spending({ row, limits, clock, prices: bill.prices, account, watch: bill });
    bill.enter(this.spending);
    this.log = new SessionLog({
      store: host.store,
      flow: host.flow,
      clock: host.clock,
      session: fresh ?? row.num,
      epoch: row.epoch,
      headSeq: row.headSeq,
      coalesce: host.coalesceDeltas,
      inFlightBytesMax: host.limits.inFlightBytesMax,
      eventBytesMax: host.limits.eventBytesMax,
      onDurable: (events) => this.#durable(events),
      onArtifacts: (rows) => this.overflow.settled(rows),
      onBroken: (error) => hooks.broken(error),
    });
    this.compaction = new Compaction(this);
    this.questions = new Questions({
      clock: host.clock,
      ids: host.ids,
      requestMs: host.limits.requestMs,
      overflow: this.overflow,
      append: (turn, drafts, also) => this.#appendAsked(turn, drafts, also),
      fits: (draft) => this.log.fits(draft),
      kept: (key) => this.#kept(key),
      wake: (turn) => hooks.wake(turn),
    });
  }

  get context(): LiveContext {
    const { project, owner, agent, key, parent } = this.row;
    return { project, owner, agent, key, isChild: parent !== null };
  }

  get agent(): Agent {
    const agent = this.host.agent(this.row.agent);
    if (agent === undefined) {
      throw new SojournError(
        'agent.unknown',
        `Session ${this.row.key} belongs to agent ${this.row.agent}, which is not registered`,
      );
    }
    return agent;
  }

  /** What the first append of a new session begins with. */
  creation(): Draft[] {
    if (!this.#uncreated) return [];
    this.#uncreated = false;
    const { agent, owner, channel, parent } = this.row;
    return [{ kind: 'session.created', turn: null, body: { agent, owner, channel, parent } }];
  }

  /** Z2. The columns that follow from what is in memory; `state` where the caller knows what comes next. */
  columns(state: StoredState = this.#state()): SessionPatch {
    const working = state === 'running' || state === 'waiting';
    const current = this.#open();
    const waiting = this.mailbox.queued + (current !== undefined && !working ? 1 : 0);
    const turn = this.completedBy ?? current?.id ?? null;
    return { state, turn: working ? turn : null, queued: state === 'idle' ? 0 : waiting };
  }

  /** Appends with rows; the row in memory follows at once (Z1). */
  append(drafts: readonly Draft[], also: Also & { row: SessionPatch }): Promise<Written> {
    Object.assign(this.row, also.row);
    return this.log.append(drafts, also);
  }

  /** Z3. Throws `input.too_large`. */
  async pinned(name: string, value?: string): Promise<string | undefined> {
    if (Buffer.byteLength(name) > PIN_NAME_BYTES_MAX || (value?.length ?? 0) > PIN_CHARS_MAX)
      throw new SojournError('input.too_large', `What is pinned as ${name.slice(0, 64)} is too large`);
    const key = `pin:${name}`;
    const kept = await this.#kept(key);
    if (kept !== null || value === undefined) return kept ?? undefined;
    const once = { key, hash: '', receipt: value, expiresAt: Number.MAX_SAFE_INTEGER };
    const written = await this.append([], { row: {}, once });
    return written.kind === 'once' ? written.row.receipt : value;
  }

  async #kept(key: string): Promise<string | null> {
    const { num } = this.log;
    const row = num === undefined ? null : await this.host.store.once(num, key, this.host.clock.now());
    return row?.receipt ?? null;
  }

  async #appendAsked(turn: Turn, drafts: readonly Draft[], also: Also): Promise<Written> {
    const asking = this.questions.waits(turn) || turn.state.kind === 'parked';
    const state = asking ? 'waiting' : 'running';
    const turns: TurnPatch[] = [{ id: turn.id, state }];
    const written = await this.append(drafts, { ...also, turns, row: this.columns(state) });
    this.host.changed(this);
    return written;
  }

  /** The current turn, unless its end is in the log. */
  #open(): Turn | undefined {
    return this.current?.endLogged === true ? undefined : this.current;
  }

  #state(): StoredState {
    const current = this.#open();
    if (this.row.state === 'closed') return 'closed';
    if (this.completedBy !== undefined) return 'running';
    if (current === undefined) return this.mailbox.queued > 0 ? 'queued' : 'idle';
    if (current.state.kind === 'running') return this.questions.waits(current) ? 'waiting' : 'running';
    if (current.state.kind === 'parked') return 'waiting';
    // It has begun, or its start is on the way to the disk: what is written meanwhile does not make it wait again.
    return current.state.kind === 'ending' || current.attempt > 0 ? 'running' : 'queued';
  }

  #durable(events: readonly StoredEvent[]): void {
    const last = events.at(-1);
    this.row.headSeq = last?.seq ?? this.row.headSeq;
    const isOver =
      last === undefined || last.kind === 'turn.ended' || this.recent.length + events.length > RECENT_MAX;
    this.recent = isOver ? [] : [...this.recent, ...events];
    this.workingSet?.feed(events);
    this.arriving?.push(...events);
    const { num } = this.log;
    this.row.num = num ?? this.row.num;
    if (num !== undefined) this.host.bus.publish(logTopic(num), events);
    this.host.heard(this, events);
    if (this.row.parent !== null) this.host.children.heard(this, events);
  }
}

function factsOf(row: SessionRow): SessionFacts {
  return Object.freeze({
    id: row.id,
    key: row.key,
    project: row.project,
    agent: row.agent,
    owner: row.owner,
    parent: row.parent,
    metadata: JSON.parse(row.metadata) as JsonObject,
  });
}
