// Tally: what the disk says, kept up with every commit: who stands below whom, what each has spent and was given. And what
// the agents did, in the order in which they did it. All of it is worked out here anew; nothing of the runtime's is asked.
//
//   TA1. No overspend beyond one step: of a turn at most one use happens after a budget above it was used up, or what is
//        left of it was kept for others. Tool calls and turns are never more than allowed.
//   TA2. What has been spent under a budget, and what is kept for children below it, is no more than the budget and one
//        step for each session that may be at work there.
//   TA3. A turn that ends early leaves none at work that it asked for. One that a crash left at work may, until it has begun
//        again.
//   TA4. Each turn of a child is told once that it began and once that it ended, as it ended; one that is to become a
//        turn of its parent becomes one at most.
import type { Millis } from '../../src/kernel/clock.ts';
import type { Append, Appended } from '../../src/store/store.ts';
import { MemoryDisk } from '../../src/testing/memory-store.ts';
import type { EventBodies, EventKind } from '../../src/wire/event.ts';
import type { Budget } from '../../src/wire/session.ts';
import { addUsd } from '../../src/wire/usd.ts';
import { check } from '../race/check.ts';
import { CENTS_MAX } from './plan.ts';

const STEP_USD = CENTS_MAX / 100;

export interface Kept {
  readonly id: string;
  readonly key: string;
  readonly parent: Kept | undefined;
  readonly children: Kept[];
  budget: Budget;
  /** Own, as the log has it. */
  usd: number;
  tokens: number;
  toolCalls: number;
  turns: number;
  /** Of it and all below it, in cents, as their agents did it. */
  done: number;
  /** What is on its way to be added to its budget. */
  raising: number;
  readonly open: Set<string>;
}

export interface AskedTurn {
  readonly id: string;
  readonly session: Kept;
  readonly asked: EventBodies['turn.accepted']['parent'];
  readonly budget: Budget | undefined;
  end: EventBodies['turn.ended'] | undefined;
  /** Uses after a budget was over. */
  late: number;
  /** By a crash, and it has not begun again. */
  isLeft: boolean;
}

export class Tally {
  readonly sessions = new Map<string, Kept>();
  readonly turns = new Map<string, AskedTurn>();
  readonly uses = new Set<string>();
  readonly #told = new Map<string, { started: number; ended: number; turns: number }>();
  /** Uses that an agent has made and the log does not have. */
  #pending = new Map<string, { session: string; cents: number }>();

  /** An agent is about to say what it used (TA1). */
  use(session: string, turn: string, use: string, cents: number): void {
    const kept = this.#kept(session);
    const asked = this.turns.get(turn);
    const over = this.#overAbove(kept);
    if (over !== undefined && asked !== undefined) {
      asked.late += 1;
      check(asked.late <= 1, () => {
        return `turn ${turn} of ${kept.key} used again after the $${over.budget.usd} of ${over.key} were used up or kept`;
      });
    }
    for (const at of above(kept)) at.done += cents;
    this.#pending.set(use, { session, cents });
  }

  /** Whose budget has been spent, or is kept for others. Above one that it is kept for, only spending counts. */
  #overAbove(kept: Kept): Kept | undefined {
    let isCovered = false;
    for (const at of above(kept)) {
      const most = 100 * ((at.budget.usd ?? Infinity) + at.raising) + 1e-6;
      if ((isCovered ? at.done : this.#committed(at)) > most) return at;
      isCovered ||= this.#isKept(at, 'usd') && this.#committed(at) <= most;
    }
    return undefined;
  }

  /** In cents: what its agents and those below have used, or what is kept for them. */
  #committed(at: Kept): number {
    let sum = at.done;
    for (const child of at.children) {
      const below = this.#committed(child);
      const level = this.#isKept(child, 'usd') ? 100 * (child.budget.usd ?? 0) : 0;
      sum += Math.max(level, below) - child.done;
    }
    return sum;
  }

  /** What the log does not have was never spent. */
  crash(): void {
    for (const { session, cents } of this.#pending.values())
      for (const at of above(this.#kept(session))) at.done -= cents;
    this.#pending = new Map();
    for (const turn of this.turns.values()) {
      turn.late = 0;
      turn.isLeft = turn.end === undefined;
    }
  }

  /** What has just been written of a session. */
  written(id: string, append: Append): void {
    const kept = this.#sessionOf(id, append);
    for (const { kind, turn, body } of append.events) this.#event(kept, kind, turn ?? '', JSON.parse(body));
    if (append.row?.budget !== undefined) kept.budget = JSON.parse(append.row.budget) as Budget;
    if (append.events.length > 0) for (const at of above(kept)) this.#checkBudget(at);
  }

  #sessionOf(id: string, { session }: Append): Kept {
    if (typeof session === 'number') return this.#kept(id);
    const parent = session.parent === null ? undefined : this.sessions.get(session.parent);
    const budget = JSON.parse(session.budget) as Budget;
    const spent = { usd: 0, tokens: 0, toolCalls: 0, turns: 0, done: 0, raising: 0 };
    const kept: Kept = { id, key: session.key, parent, children: [], budget, ...spent, open: new Set() };
    this.sessions.set(kept.id, kept);
    parent?.children.push(kept);
    return kept;
  }

  #event(kept: Kept, kind: string, turn: string, body: unknown): void {
    if (kind === 'turn.accepted') this.#accepted(kept, turn, bodyAs(body, kind));
    if (kind === 'turn.started') this.#begun(turn);
    if (kind === 'tool.called') kept.toolCalls += 1;
    if (kind === 'child.started') this.#toldOf(bodyAs(body, kind).turn).started += 1;
    if (kind === 'child.ended') this.#endTold(bodyAs(body, kind));
    if (kind === 'turn.ended') this.#ended(kept, turn, bodyAs(body, kind));
    if (kind !== 'usage') return;
    const { costUsd, outputTokens, inputTokens, model = '' } = bodyAs(body, kind);
    kept.usd = addUsd(kept.usd, costUsd);
    kept.tokens += inputTokens + outputTokens;
    this.#pending.delete(model);
    this.uses.add(model);
  }

  #accepted(kept: Kept, turn: string, body: EventBodies['turn.accepted']): void {
    const { parent: asked, budget, metadata } = body;
    const of = { id: turn, session: kept, asked, budget, end: undefined, late: 0, isLeft: false };
    this.turns.set(turn, of);
    kept.turns += 1;
    kept.open.add(turn);
    const child = metadata?.['child'] as { turn: string } | undefined;
    if (child === undefined) return;
    const told = this.#toldOf(child.turn);
    told.turns += 1;
    check(told.turns === 1, () => `the end of ${child.turn} became ${told.turns} turns of ${kept.key}`); // TA4
  }

  #begun(id: string): void {
    const turn = this.turns.get(id);
    if (turn !== undefined) turn.isLeft = false;
  }

  #endTold(body: EventBodies['child.ended']): void {
    const told = this.#toldOf(body.turn);
    told.ended += 1;
    const turn = this.turns.get(body.turn);
    check(told.ended === 1, () => `the end of ${body.turn} was told ${told.ended} times`); // TA4
    const isSame = turn?.end?.outcome === body.outcome && turn.end.costUsd === body.costUsd;
    check(isSame, () => `${body.turn} was told to have ended ${body.outcome}, $${body.costUsd}`);
  }

  #ended(kept: Kept, id: string, body: EventBodies['turn.ended']): void {
    const turn = this.turns.get(id);
    if (turn !== undefined) turn.end = body;
    kept.open.delete(id);
    if (body.outcome === 'completed' || turn?.isLeft === true) return;
    for (const other of this.turns.values()) {
      if (other.asked?.turn !== id) continue;
      check(other.end !== undefined, () => `${id} ended ${body.outcome} and left ${other.id} at work`); // TA3
    }
  }

  /** TA1, TA2. */
  #checkBudget(at: Kept): void {
    const { usd = Infinity, tokens = Infinity, toolCalls = Infinity, turns = Infinity } = at.budget;
    const sum = sumOf(at);
    const isCounted = sum.toolCalls <= toolCalls && sum.turns <= turns;
    check(
      isCounted,
      () => `${at.key} has ${sum.toolCalls} tool calls and ${sum.turns} turns: ${JSON.stringify(at.budget)}`,
    );
    const steps = sum.sessions * STEP_USD;
    const kept = this.#keptBelow(at, 'usd');
    check(
      kept <= usd + steps + 1e-6,
      () => `$${kept} is spent and kept below ${at.key}, which may spend $${usd}`,
    );
    const inTokens = this.#keptBelow(at, 'tokens');
    check(
      inTokens <= tokens + sum.sessions * CENTS_MAX,
      () => `${inTokens} tokens are spent and kept below ${at.key}`,
    );
  }

  /** What it has spent, and for children that something is kept for the whole of it. */
  #keptBelow(at: Kept, name: 'usd' | 'tokens'): number {
    let sum = at[name];
    for (const child of at.children) {
      const below = this.#keptBelow(child, name);
      sum += this.#isKept(child, name) ? Math.max(below, child.budget[name] ?? 0) : below;
    }
    return sum;
  }

  #isKept(kept: Kept, name: 'usd' | 'tokens'): boolean {
    for (const id of kept.open) {
      const turn = this.turns.get(id);
      if (turn?.asked !== undefined && turn.budget?.[name] !== undefined) return true;
    }
    return false;
  }

  #toldOf(turn: string): { started: number; ended: number; turns: number } {
    const told = this.#told.get(turn) ?? { started: 0, ended: 0, turns: 0 };
    this.#told.set(turn, told);
    return told;
  }

  #kept(id: string): Kept {
    const kept = this.sessions.get(id);
    check(kept !== undefined, () => `session ${id} is not on disk`);
    return kept;
  }

  /** TA4. */
  checkEnd(): void {
    for (const { id, session, asked, end } of this.turns.values()) {
      check(end !== undefined, () => `turn ${id} of ${session.key} has no end`);
      if (asked === undefined) continue;
      const { started, ended } = this.#toldOf(id);
      check(
        started === 1 && ended === 1,
        () => `${id} was told to begin ${started} times, to end ${ended} times`,
      );
    }
  }
}

export function* above(kept: Kept): Generator<Kept> {
  for (let at: Kept | undefined = kept; at !== undefined; at = at.parent) yield at;
}

/** The kind is the caller's to know. */
function bodyAs<Kind extends EventKind>(body: unknown, _kind: Kind): EventBodies[Kind] {
  return body as EventBodies[Kind];
}

function sumOf(at: Kept): { toolCalls: number; turns: number; sessions: number } {
  const sum = { toolCalls: at.toolCalls, turns: at.turns, sessions: 1 };
  for (const child of at.children) {
    const below = sumOf(child);
    sum.toolCalls += below.toolCalls;
    sum.turns += below.turns;
    sum.sessions += below.sessions;
  }
  return sum;
}

/** A disk that tells what is written on it. */
export class TalliedDisk extends MemoryDisk {
  readonly #tally: Tally;
  readonly #fail: (error: unknown) => void;

  constructor(tally: Tally, fail: (error: unknown) => void) {
    super();
    this.#tally = tally;
    this.#fail = fail;
  }

  override apply(append: Append, now: Millis): Appended {
    const appended = super.apply(append, now);
    if (appended.kind !== 'appended') return appended;
    try {
      this.#tally.written(this.sessions.get(appended.num)?.row.id ?? '', append);
    } catch (error) {
      this.#fail(error);
    }
    return appended;
  }
}
