// Account: what one session and everything below it have spent, and what a budget still leaves. Accounts stand in trees,
// as their sessions do. Pure and synchronous: who asks and then spends finds nothing changed in between.
//
//   A1. `spent` is the session's own and that of all accounts below; `committed` counts for a child what is kept for it,
//       where that is more. Both move with whatever moves below them.
//   A2. What is kept for a child's turn is what the child's budget leaves it: no sibling can spend it, and the child's
//       own spending does not count twice. It is given back when the turn is over, or rather the last such turn.
//   A3. What is left is the least that this account's budget and those above leave. Above an account that something is
//       kept for, only what has really been spent counts against it: it does not stand in its own light.
import { SojournError } from '../kernel/errors.ts';
import type { Budget } from '../wire/session.ts';
import { usd } from '../wire/usd.ts';

export type Dimension = keyof Budget;
export type Amounts = Record<Dimension, number>;
export const DIMENSIONS = ['usd', 'tokens', 'turns', 'toolCalls', 'ms'] as const;

export const noAmounts = (): Amounts => ({ usd: 0, tokens: 0, turns: 0, toolCalls: 0, ms: 0 });

/** What limits most, and whose it is. */
export interface Left {
  amount: number;
  account: Account;
}

export class Account {
  readonly id: string;
  readonly key: string;
  /** The id of the session above it. */
  above: string | null;
  readonly children = new Set<Account>();
  /** Every session below it has its account among `children`, or theirs. */
  isWhole: boolean;
  /** It has what the store says. */
  #isKnown = false;
  readonly #own = noAmounts();
  readonly #spent = noAmounts();
  readonly #committed = noAmounts();
  /** By turn: what of the budget is kept for it (A2). */
  readonly #kept = new Map<string, Budget>();
  #budget: Budget;
  #parent: Account | undefined;
  #isLinked: boolean;

  constructor(
    session: { id: string; key: string; parent: string | null },
    budget: Budget,
    { isWhole = false } = {},
  ) {
    this.id = session.id;
    this.key = session.key;
    this.above = session.parent;
    this.#budget = budget;
    this.#isLinked = session.parent === null;
    this.isWhole = isWhole;
  }

  get parent(): Account | undefined {
    return this.#parent;
  }

  /** What stands above it is known. */
  get isLinked(): boolean {
    return this.#isLinked;
  }

  get root(): Account {
    return this.#parent?.root ?? this;
  }

  /** It and those above it, upwards. */
  *chain(): Generator<Account> {
    yield this;
    if (this.#parent !== undefined) yield* this.#parent.chain();
  }

  /** It and all below it. */
  *tree(): Generator<Account> {
    yield this;
    for (const child of this.children) yield* child.tree();
  }

  /** Of this session and everything below it. */
  get spent(): Readonly<Amounts> {
    return this.#spent;
  }

  /** A1. */
  get committed(): Readonly<Amounts> {
    return this.#committed;
  }

  get own(): Readonly<Amounts> {
    return this.#own;
  }

  set own(next: Readonly<Amounts>) {
    const more = differences(next, this.#own);
    if (DIMENSIONS.every((name) => more[name] === 0)) return;
    Object.assign(this.#own, next);
    this.#add(more, more);
  }

  get budget(): Readonly<Budget> {
    return this.#budget;
  }

  /** Throws `budget.exceeded` where more would be kept for it than those above have left; then nothing has changed. */
  set budget(next: Readonly<Budget>) {
    for (const name of DIMENSIONS) {
      const more = plus(name, next[name] ?? Infinity, -this.#level(name));
      if (more > 0 && this.keeps(name)) this.#demand(name, more);
    }
    this.#moving(() => (this.#budget = { ...next }));
  }

  get isKnown(): boolean {
    return this.#isKnown;
  }

  /** As the store has it. */
  recall(own: Readonly<Amounts>, budget: Budget, kept: ReadonlyMap<string, Budget>): void {
    this.#isKnown = true;
    this.own = own;
    this.#moving(() => {
      this.#budget = { ...budget };
      this.#kept.clear();
      for (const [turn, wanted] of kept) this.#kept.set(turn, wanted);
    });
  }

  /** What is kept for turns of this session, and not spent yet (A2). */
  get reserved(): Budget {
    const reserved: Budget = {};
    for (const name of DIMENSIONS) {
      if (this.keeps(name))
        reserved[name] = Math.max(0, plus(name, this.#level(name), -this.#committed[name]));
    }
    return reserved;
  }

  keeps(name: Dimension): boolean {
    for (const kept of this.#kept.values()) if (kept[name] !== undefined) return true;
    return false;
  }

  /** The account of the session above it, or none: then it stands alone. Also moves it from one to another. */
  link(parent: Account | undefined): void {
    const [spent, held] = [{ ...this.#spent }, this.#held()];
    this.#parent?.children.delete(this);
    if (this.#parent !== undefined)
      this.#parent.#add(differences(noAmounts(), spent), differences(noAmounts(), held));
    this.#parent = parent;
    this.#isLinked = true;
    if (parent === undefined) return;
    parent.children.add(this);
    parent.#add(spent, held);
  }

  /** A3. Undefined where nothing bounds it. */
  left(name: Dimension): Left | undefined {
    let least: Left | undefined;
    let isCovered = false;
    for (const at of this.chain()) {
      const most = at.#budget[name];
      if (most !== undefined) {
        const amount = plus(name, most, -(isCovered ? at.#spent : at.#committed)[name]);
        if (least === undefined || amount < least.amount) least = { amount, account: at };
      }
      isCovered ||= at.keeps(name) && at.#committed[name] <= at.#level(name);
    }
    return least;
  }

  /**
   * Keeps so much of what those above have left for one turn of this session: its budget is from now on what it has
   * spent and that. Throws `budget.exceeded` where less is left; then nothing has changed. Answers the call that takes
   * it back, as if it had never been.
   */
  keep(turn: string, wanted: Budget): () => void {
    for (const name of DIMENSIONS) {
      const amount = wanted[name];
      if (amount === undefined) continue;
      if (!(amount >= 0))
        throw new SojournError('input.invalid', `/budget/${name} is ${amount}; it must be 0 or more`);
      this.#demand(name, amount);
    }
    const before = this.#budget;
    const next = { ...before };
    for (const name of DIMENSIONS) {
      const base = Math.max(this.keeps(name) ? this.#level(name) : 0, this.#committed[name]);
      const amount = wanted[name];
      if (amount !== undefined) next[name] = plus(name, base, amount);
    }
    this.#moving(() => {
      this.#budget = next;
      this.#kept.set(turn, wanted);
    });
    return () => {
      const undone = { ...this.#budget };
      this.#moving(() => {
        this.#kept.delete(turn);
        for (const name of DIMENSIONS) {
          if (wanted[name] === undefined) continue;
          if (this.keeps(name)) undone[name] = plus(name, this.#level(name), -wanted[name]);
          else if (before[name] === undefined) delete undone[name];
          else undone[name] = before[name];
        }
        this.#budget = undone;
      });
    };
  }

  /** The rest is given back (A2). */
  release(turn: string): void {
    this.#moving(() => this.#kept.delete(turn));
  }

  /** Throws where those above have less left. */
  #demand(name: Dimension, amount: number): void {
    const left = this.#parent?.left(name);
    if (left === undefined || amount <= left.amount) return;
    const rest = amountText(name, Math.max(0, left.amount));
    const detail = `Asked for ${amountText(name, amount)}, and session ${left.account.key} has ${rest} left`;
    throw new SojournError('budget.exceeded', detail);
  }

  #level(name: Dimension): number {
    return this.#budget[name] ?? Infinity;
  }

  /** What the account above counts for this one. */
  #held(): Amounts {
    const held = { ...this.#committed };
    for (const name of DIMENSIONS) {
      const level = this.#level(name);
      if (level < Infinity && this.keeps(name)) held[name] = Math.max(held[name], level);
    }
    return held;
  }

  /** A1. What nothing is kept for moves what is above it by as much. */
  #add(spent: Amounts, committed: Amounts): void {
    const held = this.#kept.size > 0 ? this.#held() : undefined;
    for (const name of DIMENSIONS) {
      this.#spent[name] = plus(name, this.#spent[name], spent[name]);
      this.#committed[name] = plus(name, this.#committed[name], committed[name]);
    }
    if (this.#parent === undefined) return;
    this.#parent.#add(spent, held === undefined ? committed : differences(this.#held(), held));
  }

  /** A1. For what changes nothing that is spent. */
  #moving(change: () => void): void {
    const held = this.#held();
    change();
    if (this.#parent !== undefined) this.#parent.#add(noAmounts(), differences(this.#held(), held));
  }
}

export function plus(name: Dimension, a: number, b: number): number {
  return name === 'usd' ? usd(a + b) : a + b;
}

function differences(a: Readonly<Amounts>, b: Readonly<Amounts>): Amounts {
  const more = noAmounts();
  for (const name of DIMENSIONS) more[name] = plus(name, a[name], -b[name]);
  return more;
}

const WORDS: Record<Exclude<Dimension, 'usd'>, string> = {
  tokens: 'tokens',
  turns: 'turns',
  toolCalls: 'tool calls',
  ms: 'ms',
};

export function amountText(name: Dimension, amount: number): string {
  return name === 'usd' ? `$${amount}` : `${amount} ${WORDS[name]}`;
}
