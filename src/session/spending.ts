// Spending: what the turns of one session use, and the budgets that end them.
//
//   B1. Budgets are looked at before a turn is accepted and before it begins, with each use, and before a tool runs; what
//       is over ends the turn with outcome `budget`. At most the step that went over was spent too much.
//   B2. A turn's own budget, its session's and those of the sessions above all apply: whichever is reached first. The
//       outcome says whose it was.
//   B3. The account is what others see of it. It says what is known here, once that is all there is to know: a session
//       that a crash left at work is silent until its log has been read.
import { SojournError } from '../kernel/errors.ts';
import type { Limits } from '../kernel/limits.ts';
import type { Clock, Millis } from '../kernel/clock.ts';
import type { SessionPatch, SessionRow } from '../store/store.ts';
import { addUsage, type Budget, noUsage, type Usage, USAGES } from '../wire/session.ts';
import { addUsd, usd } from '../wire/usd.ts';
import { type Account, amountText, type Amounts, type Dimension, DIMENSIONS, type Left } from './account.ts';
import { costOf, type Prices } from './prices.ts';
import type { Turn } from './turn.ts';

/** What a session has spent, all its turns together. */
export interface Spent {
  usage: Usage;
  costUsd: number;
  turns: number;
  toolCalls: number;
  ms: Millis;
}

/** A part of it. */
export type Recalled = Omit<Spent, 'turns'>;

/** What one step has used, as an agent says it. */
export interface Used {
  usage: Partial<Usage>;
  costUsd?: number;
  model?: string;
}

/** As it is on the bill; `unpriced` where its cost is not known. */
export type Billed = Usage & { costUsd: number; unpriced?: true };

/** What is said to whoever watches over the whole tree. None of them may throw. */
export interface BillWatch {
  /** Running times are about to be looked at. */
  settleTimes(account: Account): void;
  /** It begins to run, or no longer does, or may run longer or shorter. */
  paces(spending: Spending): void;
  /** A budget in dollars applies to what this model has used, and its cost is not known. */
  unpriced(spending: Spending, model: string | undefined): void;
}

export interface SpendingParts {
  row: SessionRow;
  limits: Pick<Limits, 'toolCallsMax'>;
  prices: Prices;
  clock: Clock;
  account: Account;
  watch: BillWatch;
}

export class Spending {
  readonly account: Account;
  readonly spent: Spent;
  readonly #parts: SpendingParts;
  /** Accepted and not ended. */
  readonly #open = new Set<Turn>();
  #isKnown: boolean;
  #running: { turn: Turn; since: Millis } | undefined;

  constructor(parts: SpendingParts) {
    this.#parts = parts;
    this.account = parts.account;
    this.spent = spentOf(parts.row);
    this.#isKnown = parts.row.state === 'idle' || parts.row.state === 'closed';
    if (this.#isKnown) this.know();
  }

  get budget(): Readonly<Budget> {
    return this.account.budget;
  }

  set budget(next: Readonly<Budget>) {
    this.#parts.watch.settleTimes(this.account);
    this.account.budget = next;
    this.#parts.watch.paces(this);
  }

  /** The turn that runs right now: time is being spent on it. */
  get running(): Turn | undefined {
    return this.#running?.turn;
  }

  /** Puts a turn on the bill. Throws `budget.exceeded`; then nothing has changed. Answers the call that takes it off. */
  admit(turn: Turn): () => void {
    const { account } = this;
    this.#parts.watch.settleTimes(account);
    const giveBack = isKept(turn, account) ? account.keep(turn.id, turn.spec.budget) : undefined;
    this.#open.add(turn);
    this.#publish();
    const undo = (): void => {
      this.#open.delete(turn);
      this.#publish();
      giveBack?.();
      this.#parts.watch.paces(this);
    };
    const over = this.#exhausted() ?? this.#below('turns', 0);
    if (over === undefined) {
      this.#parts.watch.paces(this);
      return undo;
    }
    undo();
    throw new SojournError('budget.exceeded', usedUp(over));
  }

  /** A turn that nobody is asked about: what recovery finds, and what another turn did not take. */
  add(turn: Turn): void {
    this.#open.add(turn);
    this.#publish();
  }

  /** All that the store says of this session has been counted (B3). */
  know(): void {
    this.#isKnown = true;
    const kept = new Map<string, Budget>();
    for (const turn of this.#open) if (isKept(turn, this.account)) kept.set(turn.id, turn.spec.budget);
    const budget = JSON.parse(this.#parts.row.budget) as Budget;
    this.account.recall(amountsOf(this.spent, this.#open.size), budget, kept);
  }

  /** Its session has left memory: what it still does here is nobody's bill. */
  silence(): void {
    this.#isKnown = false;
  }

  /** Throws `budget.exceeded` when nothing is left for what a turn would do. */
  check(): void {
    this.#parts.watch.settleTimes(this.account);
    const over = this.#exhausted();
    if (over !== undefined) throw new SojournError('budget.exceeded', usedUp(over));
  }

  /** Stops a turn that could spend nothing any more, before its agent is told of it. */
  begin(turn: Turn): void {
    this.#parts.watch.settleTimes(this.account);
    const over = turn.attempt === 0 ? this.#exhausted() : this.#over();
    if (over !== undefined) this.#stop(turn, usedUp(over));
  }

  /** Adds to the turn and the session; stops the turn when that is over a budget (B1). Answers what is on the bill. */
  spend(turn: Turn, used: Used): Billed {
    const own = turn.spec.budget;
    const billed = this.#priced(used, own.usd);
    this.#use(turn, { usage: usageOf(billed), costUsd: billed.costUsd, toolCalls: 0, ms: 0 });
    this.#check(turn);
    if (over(turn.costUsd, own.usd))
      this.#stop(turn, `the turn used up its ${amountText('usd', own.usd ?? 0)}`);
    if (over(tokensOf(turn.usage), own.tokens))
      this.#stop(turn, `the turn used up its ${amountText('tokens', own.tokens ?? 0)}`);
    return billed;
  }

  /** The session has nothing left to spend. */
  get isUsedUp(): boolean {
    this.#parts.watch.settleTimes(this.account);
    return this.#exhausted() !== undefined;
  }

  /** What was used for the session beside its turns: on its bill, and nothing is stopped for it before it spends more. */
  spendBeside(used: Used): Billed {
    const billed = this.#priced(used, undefined);
    addUsage(this.spent.usage, usageOf(billed));
    this.spent.costUsd = addUsd(this.spent.costUsd, billed.costUsd);
    this.#publish();
    return billed;
  }

  /** Throws `agent.failed` for what is no usage. `ownUsd` is a budget in dollars that applies besides the session's. */
  #priced(used: Used, ownUsd: number | undefined): Billed {
    const usage = { ...noUsage(), ...used.usage };
    for (const [name, count] of Object.entries({ ...usage, costUsd: used.costUsd ?? 0 })) {
      if (count >= 0 && count < Infinity) continue;
      throw new SojournError('agent.failed', `The agent yielded a usage whose ${name} is ${count}`);
    }
    const known =
      used.costUsd === undefined ? costOf(this.#parts.prices, usage, used.model) : usd(used.costUsd);
    const isUnpriced = known === undefined && USAGES.some((name) => usage[name] > 0);
    if (isUnpriced && (ownUsd ?? this.account.left('usd')) !== undefined)
      this.#parts.watch.unpriced(this, used.model);
    return { ...usage, costUsd: known ?? 0, ...(isUnpriced ? { unpriced: true } : {}) };
  }

  /** Adds what was spent before a crash; nothing is stopped. */
  recall(turn: Turn, spent: Recalled): void {
    this.#use(turn, spent);
  }

  /** Counts a call; false, and the turn is stopped, when there is none left or something else is over. */
  callTool(turn: Turn): boolean {
    const most = Math.min(this.#parts.limits.toolCallsMax, turn.spec.budget.toolCalls ?? Infinity);
    if (turn.toolCalls >= most) this.#stop(turn, `the turn used up its ${turn.toolCalls} tool calls`);
    const none = this.#below('toolCalls', 1);
    if (none !== undefined) this.#stop(turn, usedUp(none));
    this.#check(turn);
    if (turn.stop !== undefined) return false;
    this.#use(turn, { ...nothing(), toolCalls: 1 });
    return true;
  }

  /** From now on its time is spent on this turn. */
  run(turn: Turn): void {
    this.#running = { turn, since: this.#parts.clock.monotonic() };
    this.#parts.watch.paces(this);
  }

  /** It waits, or is over. */
  pause(): void {
    this.settleTime();
    this.#running = undefined;
    this.#parts.watch.paces(this);
  }

  /** Puts the time that has gone by on the bill, in whole milliseconds. */
  settleTime(): void {
    const running = this.#running;
    if (running === undefined) return;
    const ms = Math.floor(this.#parts.clock.monotonic() - running.since);
    this.#use(running.turn, { ...nothing(), ms });
    running.since += ms;
  }

  /** Stops what runs when its time is up. */
  checkTime(): void {
    const turn = this.#running?.turn;
    const out = this.#below('ms', Number.MIN_VALUE);
    if (turn !== undefined && out !== undefined) this.#stop(turn, usedUp(out));
  }

  /** The running time that may still be used; what is left of the turn's deadline is counted elsewhere. */
  leftMs(): Millis {
    this.#parts.watch.settleTimes(this.account);
    return Math.max(0, this.account.left('ms')?.amount ?? Infinity);
  }

  /** Its end is about to be written. */
  end(turn: Turn): void {
    this.#open.delete(turn);
    this.spent.turns += 1;
    this.#publish();
  }

  /** What was kept for it is given back. */
  release(turn: string): void {
    this.account.release(turn);
    this.#parts.watch.paces(this);
  }

  /** What turns that are over have spent: one that is not is billed when it is, also after a crash. */
  columns(): SessionPatch {
    const { spent } = this;
    const usage = { ...spent.usage };
    let { costUsd, toolCalls, ms } = spent;
    for (const turn of this.#open) {
      for (const name of USAGES) usage[name] -= turn.usage[name];
      costUsd = addUsd(costUsd, -turn.costUsd);
      toolCalls -= turn.toolCalls;
      ms -= turn.billedMs;
    }
    return { ...usage, costUsd, turnsEnded: spent.turns, toolCalls, turnMs: ms };
  }

  #use(turn: Turn, { usage, costUsd, toolCalls, ms }: Recalled): void {
    const { spent } = this;
    addUsage(turn.usage, usage);
    addUsage(spent.usage, usage);
    turn.costUsd = addUsd(turn.costUsd, costUsd);
    spent.costUsd = addUsd(spent.costUsd, costUsd);
    turn.toolCalls += toolCalls;
    spent.toolCalls += toolCalls;
    turn.billedMs += ms;
    spent.ms += ms;
    this.#publish();
  }

  #publish(): void {
    if (!this.#isKnown) return; // B3
    this.account.own = amountsOf(this.spent, this.#open.size);
  }

  /** What leaves nothing for another turn. */
  #exhausted(): Over | undefined {
    for (const name of DIMENSIONS) {
      const left = name === 'turns' ? undefined : this.account.left(name);
      if (left !== undefined && left.amount <= 0) return { name, left };
    }
    return undefined;
  }

  /** What has been spent beyond what may be. */
  #over(): Over | undefined {
    for (const name of DIMENSIONS) {
      const over = name === 'turns' ? undefined : this.#below(name, 0);
      if (over !== undefined) return over;
    }
    return undefined;
  }

  #below(name: Dimension, least: number): Over | undefined {
    const left = this.account.left(name);
    return left !== undefined && left.amount < least ? { name, left } : undefined;
  }

  #check(turn: Turn): void {
    this.#parts.watch.settleTimes(this.account);
    const over = this.#over();
    if (over !== undefined) this.#stop(turn, usedUp(over));
  }

  #stop(turn: Turn, reason: string): void {
    turn.stopFor({ outcome: 'budget', reason });
  }
}

const nothing = (): Recalled => ({ usage: noUsage(), costUsd: 0, toolCalls: 0, ms: 0 });

interface Over {
  name: Dimension;
  left: Left;
}

/** B2. */
function usedUp({ name, left }: Over): string {
  const { key, budget } = left.account;
  return `session ${key} has used up ${amountText(name, budget[name] ?? 0)}`;
}

/** A child's turn that came with a budget: so much is kept for it. */
function isKept(turn: Turn, account: Account): boolean {
  return turn.spec.parent !== null && account.above !== null && Object.keys(turn.spec.budget).length > 0;
}

export function spentOf(row: SessionRow): Spent {
  const { inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens } = row;
  return {
    usage: { inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens },
    costUsd: usd(row.costUsd),
    turns: row.turnsEnded,
    toolCalls: row.toolCalls,
    ms: row.turnMs,
  };
}

/** `open` turns are on the bill from the moment they are accepted. */
export function amountsOf(spent: Spent, open: number): Amounts {
  return {
    usd: spent.costUsd,
    tokens: tokensOf(spent.usage),
    turns: spent.turns + open,
    toolCalls: spent.toolCalls,
    ms: spent.ms,
  };
}

export const tokensOf = (usage: Usage): number => usage.inputTokens + usage.outputTokens;
const over = (spent: number, most: number | undefined): boolean => most !== undefined && spent > most;

export function usageOf({ inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens }: Billed): Usage {
  return { inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens };
}
