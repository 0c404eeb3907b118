// Spending: what the turns of one session use, and the budgets that end them.
//
//   B1. A budget is checked when something is spent and before a tool runs; what is over ends the turn with outcome
//       `budget`. At most the step that went over was spent too much.
//   B2. A turn's own budget and its session's both apply: whichever is reached first.
import type { Limits } from '../kernel/limits.ts';
import type { Millis } from '../kernel/clock.ts';
import { type Budget, type Usage, noUsage } from '../wire/session.ts';
import type { Turn } from './turn.ts';

/** What a session has spent, all its turns together. */
export interface Spent {
  usage: Usage;
  costUsd: number;
  turns: number;
  toolCalls: number;
  ms: Millis;
}

export class Spending {
  readonly #limits: Pick<Limits, 'toolCallsMax'>;
  readonly spent: Spent;
  budget: Budget;

  constructor(limits: Pick<Limits, 'toolCallsMax'>, spent: Spent, budget: Budget) {
    this.#limits = limits;
    this.spent = spent;
    this.budget = budget;
  }

  /** The name of what another turn would exceed, or undefined. */
  exhausted(): string | undefined {
    const { budget, spent } = this;
    if (budget.turns !== undefined && spent.turns >= budget.turns) return `${budget.turns} turns`;
    if (budget.usd !== undefined && spent.costUsd >= budget.usd) return `$${budget.usd}`;
    if (budget.tokens !== undefined && tokens(spent.usage) >= budget.tokens) return `${budget.tokens} tokens`;
    if (budget.ms !== undefined && spent.ms >= budget.ms) return `${budget.ms} ms`;
    if (budget.toolCalls !== undefined && spent.toolCalls >= budget.toolCalls)
      return `${budget.toolCalls} tool calls`;
    return undefined;
  }

  /** Adds to the turn and the session; stops the turn when that is over a budget (B1). */
  spend(turn: Turn, part: Partial<Usage>, costUsd: number): Usage {
    const usage = this.recall(turn, part, costUsd);
    const own = turn.spec.budget;
    if (over(turn.costUsd, own.usd) || over(this.spent.costUsd, this.budget.usd))
      this.#stop(turn, 'its budget in dollars');
    if (over(tokens(turn.usage), own.tokens) || over(tokens(this.spent.usage), this.budget.tokens)) {
      this.#stop(turn, 'its budget of tokens');
    }
    return usage;
  }

  /** Adds what was spent before a crash; nothing is stopped. */
  recall(turn: Turn, part: Partial<Usage>, costUsd: number): Usage {
    const usage = { ...noUsage(), ...part };
    add(turn.usage, usage);
    add(this.spent.usage, usage);
    turn.costUsd += costUsd;
    this.spent.costUsd += costUsd;
    return usage;
  }

  /** What has been spent but for these turns. */
  without(turns: readonly Turn[]): Spent {
    const rest = { ...this.spent, usage: { ...this.spent.usage } };
    for (const { usage, costUsd, toolCalls } of turns) {
      for (const name of USAGES) rest.usage[name] -= usage[name];
      rest.costUsd -= costUsd;
      rest.toolCalls -= toolCalls;
    }
    return rest;
  }

  recallTool(turn: Turn): void {
    turn.toolCalls += 1;
    this.spent.toolCalls += 1;
  }

  /** Counts a call; false, and the turn is stopped, when there is none left. */
  callTool(turn: Turn): boolean {
    const most = Math.min(this.#limits.toolCallsMax, turn.spec.budget.toolCalls ?? Infinity);
    const left = (this.budget.toolCalls ?? Infinity) - this.spent.toolCalls;
    if (turn.toolCalls >= most || left <= 0) {
      this.#stop(turn, `its ${turn.toolCalls} tool calls`);
      return false;
    }
    this.recallTool(turn);
    return true;
  }

  /** The running time a turn may take: its deadline, or less when a budget says so. */
  budgetMs(turn: Turn): Millis {
    return Math.min(turn.spec.budget.ms ?? Infinity, (this.budget.ms ?? Infinity) - this.spent.ms);
  }

  #stop(turn: Turn, what: string): void {
    turn.stopFor({ outcome: 'budget', reason: `the turn used up ${what}` });
  }
}

const tokens = (usage: Usage): number => usage.inputTokens + usage.outputTokens;
const over = (spent: number, most: number | undefined): boolean => most !== undefined && spent > most;

const USAGES = ['inputTokens', 'outputTokens', 'cacheReadTokens', 'cacheWriteTokens'] as const;

function add(sum: Usage, part: Usage): void {
  for (const name of USAGES) sum[name] += part[name];
}
