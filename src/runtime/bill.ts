// Bill: the accounts of all sessions that are in memory and of those around them, so that what a tree of sessions spends
// is known where it is spent.
//
// Owns which accounts there are, and the time that several sessions spend of one budget. Owns no sums: accounts move theirs.
//
//   BL1. The rows and the logs in the store are the truth; what is here can be read again from there at any time.
//   BL2. What limits a session is in memory before it is asked for the first time: those above it, and everything below
//        the topmost of them that has a budget. From then on nobody waits between looking at a budget and spending.
//   BL3. Under a budget, accounts of one tree stay as long as one of its sessions is in memory, and go together. Where there
//        is none, each goes with its session and those below it: a session may have any number of children in its life.
//   BL4. Time is put on the bill while it goes by: where several turns run on one budget, it is up that much sooner, and
//        one timer for each tree finds that moment.
//   BL5. A model that is used under a budget in dollars and has no price is logged, once for each.
import type { Clock, Millis, Timer } from '../kernel/clock.ts';
import { SojournError } from '../kernel/errors.ts';
import type { Logger } from '../kernel/logger.ts';
import { Account } from '../session/account.ts';
import type { SessionBill } from '../session/host.ts';
import type { Prices } from '../session/prices.ts';
import { readOpen } from '../session/recall.ts';
import { amountsOf, type Spending, spentOf } from '../session/spending.ts';
import type { SessionRow, Store } from '../store/store.ts';
import type { Budget } from '../wire/session.ts';
import { Flights } from './flights.ts';

/** Names of models are an agent's to make up: after so many, no more are logged. */
const UNPRICED_MAX = 100;

export interface BillParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly prices: Prices;
}

export class Bill implements SessionBill {
  readonly prices: Prices;
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #accounts = new Map<string, Account>();
  /** Of the sessions in memory. */
  readonly #held = new Map<Account, Spending>();
  readonly #loading = new Flights<void>();
  #loads = 0;
  /** Made or left while something was being read: looked at when that is over (BL3). */
  readonly #loose = new Set<Account>();
  readonly #running = new Set<Spending>();
  readonly #alarms = new Map<Account, Timer>();
  /** What is known to have no price (BL5). */
  readonly #unpriced = new Set<string | undefined>();

  constructor({ store, clock, logger, prices }: BillParts) {
    this.#store = store;
    this.#clock = clock;
    this.#logger = logger;
    this.prices = prices;
  }

  /** Accounts in memory. */
  get size(): number {
    return this.#accounts.size;
  }

  account(row: SessionRow, isFresh: boolean): Account {
    const known = this.#accounts.get(row.id);
    if (known !== undefined) return known;
    return this.#make(row, isFresh);
  }

  enter(spending: Spending): void {
    this.#held.set(spending.account, spending);
  }

  /** BL2. */
  open(account: Account): Promise<void> | undefined {
    if (isComplete(account)) return undefined;
    return this.#loading.share(account.id, () => this.#load(account));
  }

  /** All that limits it from then on is in memory before it moves. */
  move(account: Account, above: string | null): Promise<void> {
    return this.#holding(async () => {
      const parent = above === null ? undefined : await this.#knownById(above);
      if (parent !== undefined) await this.#complete(parent, false);
      account.above = above;
      account.link(parent);
      await this.#complete(account, false);
    });
  }

  /** BL3. */
  leave(spending: Spending): void {
    spending.silence();
    this.#running.delete(spending);
    if (this.#held.get(spending.account) !== spending) return;
    this.#held.delete(spending.account);
    if (this.#loads > 0) this.#loose.add(spending.account);
    else this.#forget(spending.account);
  }

  /** The session has been erased: what it had spent is on nobody's bill. */
  erase(id: string): void {
    this.#accounts.get(id)?.link(undefined);
  }

  /** The account of a session, with everything above and below it in memory during `look`. */
  async viewing<Result>(
    row: SessionRow,
    look: (find: (id: string) => Account | undefined) => Result,
  ): Promise<Result> {
    return this.#holding(async () => {
      const account = await this.#known(row);
      await this.#complete(account, true);
      this.settleTimes(account);
      return look((id) => this.#accounts.get(id));
    });
  }

  settleTimes(account: Account): void {
    if (!isTimed(account)) return;
    for (const spending of this.#runningIn(account.root)) spending.settleTime();
  }

  paces(spending: Spending): void {
    if (spending.running === undefined) this.#running.delete(spending);
    else this.#running.add(spending);
    if (isTimed(spending.account)) this.#pace(spending.account.root);
  }

  /** BL5. */
  unpriced({ account }: Spending, model: string | undefined): void {
    if (this.#unpriced.has(model) || this.#unpriced.size >= UNPRICED_MAX) return;
    this.#unpriced.add(model);
    const named = model === undefined ? {} : { model };
    this.#logger.warn('usage.unpriced', { session: account.id, key: account.key, ...named });
  }

  #load(account: Account): Promise<void> {
    return this.#holding(() => this.#complete(account, false));
  }

  /** What is found meanwhile is not forgotten before it is over (BL3). */
  async #holding<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#loads += 1;
    try {
      return await work();
    } finally {
      this.#loads -= 1;
      if (this.#loads === 0) {
        for (const account of this.#loose) this.#forget(account);
        this.#loose.clear();
      }
    }
  }

  /** BL2. Looks again where something was opened or given a budget meanwhile. */
  async #complete(account: Account, isViewed: boolean): Promise<void> {
    do {
      for (const at of account.chain()) {
        const above = at.isLinked || at.above === null ? undefined : await this.#knownById(at.above);
        if (!at.isLinked) at.link(above);
      }
      const top = topOf(account) ?? (isViewed ? account : undefined);
      if (top !== undefined) await this.#fill(top);
    } while (!isComplete(account));
  }

  async #fill(account: Account): Promise<void> {
    if (account.isWhole) return;
    const rows = await this.#store.children(account.id);
    await Promise.all(
      rows.map(async (row) => {
        const child = await this.#known(row);
        if (!child.isLinked) child.link(account);
        await this.#fill(child);
      }),
    );
    account.isWhole = true;
  }

  /** Undefined for one that has been erased. */
  async #knownById(id: string): Promise<Account | undefined> {
    const known = this.#accounts.get(id);
    if (known?.isKnown === true) return known;
    const row = await this.#store.byId(id);
    return row === null ? undefined : this.#known(row);
  }

  /** One that a crash left at work may be in memory before its session knows what it has spent: it is read here, too. */
  async #known(row: SessionRow): Promise<Account> {
    const known = this.#accounts.get(row.id);
    if (known?.isKnown === true) return known;
    const { own, kept } = await this.#read(row);
    const account = this.account(row, false);
    this.#loose.add(account);
    if (!account.isKnown) account.recall(own, JSON.parse(row.budget) as Budget, kept);
    return account;
  }

  async #read(row: SessionRow): ReturnType<typeof readOpen> {
    const columns = { own: amountsOf(spentOf(row), 0), kept: new Map<string, Budget>() };
    if (row.state === 'idle' || row.state === 'closed') return columns;
    try {
      return await readOpen(this.#store, row);
    } catch (error) {
      if (!SojournError.is(error, 'session.damaged')) throw error;
      return columns; // They are all there is.
    }
  }

  #make(row: SessionRow, isFresh: boolean): Account {
    const account = new Account(row, {}, { isWhole: isFresh });
    this.#accounts.set(row.id, account);
    const parent = row.parent === null ? undefined : this.#accounts.get(row.parent);
    if (parent !== undefined) account.link(parent);
    return account;
  }

  /** BL3. */
  #forget(account: Account): void {
    const { root } = account;
    const isBounded = topOf(account) !== undefined;
    const top = isBounded || !this.#isHeld(root) ? root : account;
    if (this.#isHeld(top)) return;
    for (const at of top.chain()) at.isWhole = false;
    for (const at of top.tree()) {
      this.#accounts.delete(at.id);
      this.#alarms.get(at)?.cancel();
      this.#alarms.delete(at);
    }
    top.link(undefined);
  }

  #isHeld(top: Account): boolean {
    for (const account of top.tree()) if (this.#held.has(account)) return true;
    return false;
  }

  *#runningIn(root: Account): Generator<Spending> {
    for (const spending of this.#running) if (spending.account.root === root) yield spending;
  }

  /** BL4. */
  #pace(root: Account): void {
    this.#alarms.get(root)?.cancel();
    this.#alarms.delete(root);
    const rates = new Map<Account, number>();
    for (const spending of this.#runningIn(root)) {
      spending.settleTime();
      if (spending.running?.stop === undefined) rates.set(spending.account, 1);
    }
    const { soonestMs } = paceOf(root, rates);
    if (soonestMs < Infinity)
      this.#alarms.set(
        root,
        this.#clock.after(soonestMs, () => this.#ring(root)),
      );
  }

  /** Some time may be up. */
  #ring(account: Account): void {
    this.#alarms.delete(account);
    const { root } = account; // It may have been put under another one.
    for (const spending of this.#runningIn(root)) spending.settleTime();
    for (const spending of this.#runningIn(root)) spending.checkTime();
    this.#pace(root);
  }
}

/** BL2. */
function isComplete(account: Account): boolean {
  for (const at of account.chain()) if (!at.isLinked) return false;
  return topOf(account)?.isWhole !== false;
}

/** The topmost that has a budget. */
function topOf(account: Account): Account | undefined {
  let top: Account | undefined;
  for (const at of account.chain()) if (Object.keys(at.budget).length > 0) top = at;
  return top;
}

/** A budget of time bounds it. */
function isTimed(account: Account): boolean {
  for (const at of account.chain()) if (at.budget.ms !== undefined) return true;
  return false;
}

/**
 * How fast time is spent on an account, as the one above counts it, and when the first budget of it and those below is
 * used up: then what it bounds is stopped, so that no pace changes before.
 */
function paceOf(account: Account, rates: ReadonlyMap<Account, number>): { rate: number; soonestMs: Millis } {
  let rate = rates.get(account) ?? 0;
  let soonestMs = Infinity;
  for (const child of account.children) {
    const pace = paceOf(child, rates);
    rate += pace.rate;
    soonestMs = Math.min(soonestMs, pace.soonestMs);
  }
  const { ms } = account.budget;
  if (ms === undefined || rate === 0) return { rate, soonestMs };
  const leftMs = ms - account.committed.ms;
  soonestMs = Math.min(soonestMs, Math.max(0, leftMs) / rate);
  return { rate: account.keeps('ms') && leftMs >= 0 ? 0 : rate, soonestMs };
}
