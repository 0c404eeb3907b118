// Compaction: keeps the working set of one session within its window, for as long as the session lives.
//
// Owns: when something leaves, and the one append that says so. Does not own: what leaves (`context/budget.ts`), what stands
// for it (`context/digest.ts`, `retelling.ts`), the set itself.
//
//   CP1. One job at a time; it is begun when a turn is over, and holds the live session until it is over, too. Before a turn
//        a job is ended first, and room is made by rules alone.
//   CP2. The set changes when a `context.compacted` is durable, and in no other way: what is lost before that never was, and
//        what comes after a crash is made from the log.
//   CP3. A job stands on what it saw. Where that is gone when it has its text (a turn was dropped, the set was made anew), it
//        is thrown away, and what there is now is looked at again. No await stands between that look and the append.
//   CP4. A job hurts nobody: it fails for itself. Closing, eviction and shutdown end it; it never makes them wait for a model.
//   CP5. What a summariser used is on the session's bill, also where its text was thrown away. Without a budget left it is not
//        asked.
//   CP6. What has left is not read again after a crash: once a job is over, the set is stored as it is now.
//   CP7. However much is to leave, no event is too large for the log: what one leaves is for the next round.
import { breathe } from '../kernel/breath.ts';
import { SojournError } from '../kernel/errors.ts';
import type { Summariser, Summary } from '../agent/agent.ts';
import { FOLD_TOKENS_MIN, isHopeless, plan, type Plan, type Room, takenBy } from '../context/budget.ts';
import {
  digestsOf,
  fitted,
  fittedText,
  foldText,
  isStill,
  learnFold,
  textTokensMax,
} from '../context/planned.ts';
import type { Piece } from '../context/piece.ts';
import type { WorkingSet } from '../context/working-set.ts';
import type { Compacted } from '../wire/context.ts';
import type { Part } from '../wire/message.ts';
import { addUsage, noUsage, type Usage } from '../wire/session.ts';
import type { TurnError } from '../wire/turn.ts';
import { addUsd } from '../wire/usd.ts';
import type { SessionCore } from './core.ts';
import { Retelling } from './retelling.ts';
import { usageOf } from './spending.ts';
import { isTooLarge } from './stand-in.ts';
import { turnError } from './turn-run.ts';

type State =
  | { kind: 'idle' }
  | { kind: 'running'; job: Job }
  /** Its summariser failed, and is asked again in a while. */
  | { kind: 'waiting'; job: Job };

interface Job {
  abort: AbortController;
  /** Never rejects. */
  over: Promise<void>;
}

/** How a stretch of turns was told shorter. */
interface Told {
  text: string | undefined;
  by: string;
  instead?: string;
  bill?: Bill;
}

interface Bill {
  usage: Usage;
  costUsd: number;
  model?: string;
}

/** Each plan gains; what a bound of one append leaves is for the next. Rules ask nobody: they may go on for longer. */
const ROUNDS_MAX = 8;
const RULE_ROUNDS_MAX = 64;
const CALLS_MAX = 500;
const RULES = 'rules';

export class Compaction {
  readonly #core: SessionCore;
  #state: State = { kind: 'idle' };
  /** Room was made, and a crash would still read all that has left. */
  #owesCheckpoint = false;

  constructor(core: SessionCore) {
    this.#core = core;
  }

  /** A turn is over, and its instance still held (CP1). Must not throw. */
  consider(): void {
    const { host, row, workingSet, closing, log } = this.#core;
    if (this.#state.kind !== 'idle' || closing || host.draining || log.broken) return;
    if (workingSet === undefined || row.internal) return;
    if (workingSet.pressure === 'none' && !this.#owesCheckpoint) return;
    const stay = host.registry.stay(row.id);
    if (stay === null) return;
    const abort = new AbortController();
    const over = this.#work(abort.signal).finally(() => {
      this.#state = { kind: 'idle' };
      stay.release();
      host.changed(this.#core);
    });
    this.#state = { kind: 'running', job: { abort, over } };
  }

  /** Or it waits to ask its summariser again. */
  get isAtWork(): boolean {
    return this.#state.kind !== 'idle';
  }

  /** Resolves when no job is at work any more. One is ended, not waited for, except for what is on its way to the disk. */
  async stop(): Promise<void> {
    const { job } = this.#abort();
    await job?.over;
  }

  /** The session has left memory. */
  drop(): void {
    this.#abort();
  }

  /** Before a turn: answers why it cannot run, where nothing makes room for what it was given. Rejects when the log breaks. */
  async makeRoom(inputs: readonly { readonly parts: readonly Part[] }[]): Promise<TurnError | undefined> {
    if (await this.#fits(inputs)) return undefined;
    await this.stop(); // CP1
    for (let round = 0; round < RULE_ROUNDS_MAX; round += 1) {
      const set = this.#core.workingSet;
      if (set === undefined || (await this.#fits(inputs))) return undefined;
      await breathe(); // The set may be as large as a log.
      if (this.#core.workingSet !== set) continue;
      const pieces = set.pieces();
      const room = roomOf(set, inputs);
      const least = Math.min(FOLD_TOKENS_MIN, takenBy(pieces));
      const isKept = this.#core.row.internal || isHopeless({ ...room, nextTokens: set.count(inputs) }, least);
      const made = isKept ? undefined : this.#plan(pieces, room);
      if (made === undefined) return tooLarge(set, inputs);
      const told = await this.#byRules(set, made);
      await breathe();
      if (!this.#stands(set, made)) continue; // CP3
      try {
        if (!(await this.#append(set, made, told))) break;
      } catch (error) {
        if (isTooLarge(error)) return turnError(error); // CP7
        throw error;
      }
    }
    const { workingSet: left } = this.#core;
    return left === undefined ? undefined : tooLarge(left, inputs);
  }

  /** Nothing needs to leave before a turn with these inputs. */
  async #fits(inputs: readonly { readonly parts: readonly Part[] }[]): Promise<boolean> {
    const { workingSet: set, host } = this.#core;
    if (set === undefined || set.isFar(inputs)) return true;
    await set.estimated();
    const most = host.limits.contextEmergency * set.windowTokens;
    // Also where counting did not end in time: rather too much leaves than too little.
    const fits = (): boolean => set.overheadTokens + set.tokensMost + set.countMost(inputs) <= most;
    const counting = set.counted(inputs); // Never rejects.
    // No turn waits for a count that changes nothing here; what a provider says of the prompt will be held against it.
    if (fits()) return true;
    await counting;
    return fits();
  }

  #abort(): { job: Job | undefined } {
    const job = this.#state.kind === 'idle' ? undefined : this.#state.job;
    job?.abort.abort(new SojournError('keeper.gone', 'Nobody waits for this digest any more'));
    return { job };
  }

  /** CP4. */
  async #work(signal: AbortSignal): Promise<void> {
    try {
      for (let round = 0; round < ROUNDS_MAX; round += 1) {
        if (await this.#round(signal)) continue;
        await this.#keep();
        return;
      }
    } catch (error) {
      if (signal.aborted) return;
      this.#core.host.logger.warn('context.compaction_failed', { session: this.#core.row.id, error });
    }
  }

  /** False when there is nothing more to do. */
  async #round(signal: AbortSignal): Promise<boolean> {
    const set = this.#core.workingSet;
    if (set === undefined) return false;
    await set.counted();
    signal.throwIfAborted();
    const made = this.#plan(set.pieces(), roomOf(set, []));
    if (made === undefined) return false;
    const told = await this.#tell(set, made, signal);
    signal.throwIfAborted();
    if (this.#stands(set, made)) return this.#append(set, made, told);
    await this.#billOnly(told);
    return true;
  }

  #plan(pieces: readonly Piece[], room: Room): Plan | undefined {
    const { limits } = this.#core.host;
    const made = plan(pieces, room, limits);
    if (made === undefined) return undefined;
    return fitted({ ...made, calls: made.calls.slice(0, CALLS_MAX) }, limits.eventBytesMax); // CP7
  }

  /** CP3. */
  #stands(set: WorkingSet, made: Plan): boolean {
    if (this.#core.workingSet !== set) return false;
    return isStill(made, set.pieces());
  }

  async #tell(set: WorkingSet, made: Plan, signal: AbortSignal): Promise<Told> {
    const summariser = this.#summariser;
    if (made.fold.length === 0 || summariser === undefined) return this.#byRules(set, made);
    const { host, row, spending } = this.#core;
    if (spending.isUsedUp) return { ...(await this.#byRules(set, made)), instead: 'the budget is used up' }; // CP5
    const bills: Bill[] = [];
    const retelling = new Retelling(summariser, {
      clock: host.clock,
      logger: host.logger,
      limits: host.limits,
      session: row.id,
      exactly: (make) => set.exactly(make),
      bill: (summary) => void bills.push(this.#billed(summary)),
      onWaiting: (waits) => this.#waits(waits),
    });
    const { earlier } = set;
    const messages = made.fold.flatMap((piece) => set.messagesOf(piece));
    const tokensMax = await set.exactly((count) => textTokensMax(made, count));
    const retold = await retelling.retell(
      { messages, ...(earlier === undefined ? {} : { earlier }) },
      { tokens: takenBy(made.fold), tokensMax, signal },
    );
    const bill = bills.length === 0 ? {} : { bill: summed(bills) };
    if (retold.text !== undefined) {
      const text = fittedText(retold.text, host.limits.eventBytesMax);
      await learnFold(set, made, text);
      return { text, by: summariser.name, ...bill };
    }
    if (this.#core.workingSet !== set) return { text: undefined, by: RULES, ...bill };
    return { ...(await this.#byRules(set, made)), instead: `${summariser.name}: ${retold.failed}`, ...bill };
  }

  get #summariser(): Summariser | undefined {
    const { host, row } = this.#core;
    return host.agent(row.agent)?.context?.summariser ?? host.summariser;
  }

  #waits(waits: boolean): void {
    if (this.#state.kind === 'idle') return;
    this.#state = { kind: waits ? 'waiting' : 'running', job: this.#state.job };
  }

  /** CP5. */
  #billed({ usage = {}, costUsd, model }: Summary): Bill {
    const named = model === undefined ? {} : { model };
    const used = { usage, ...(costUsd === undefined ? {} : { costUsd }), ...named };
    const billed = this.#core.spending.spendBeside(used);
    return { usage: usageOf(billed), costUsd: billed.costUsd, ...named };
  }

  async #byRules(set: WorkingSet, made: Plan): Promise<Told> {
    if (made.fold.length === 0) return { text: undefined, by: RULES };
    const text = fittedText(await foldText(set, made), this.#core.host.limits.eventBytesMax);
    await learnFold(set, made, text);
    return { text, by: RULES };
  }

  /** CP2. Resolves when it is durable and the set has been told; false where no digest came of the plan. */
  async #append(set: WorkingSet, made: Plan, told: Told): Promise<boolean> {
    const digests = digestsOf(set, made, told.text, this.#core.host.limits.eventBytesMax);
    if (digests.length === 0) return false;
    const saved = digests.reduce((sum, { tokensBefore, tokensAfter }) => sum + tokensBefore - tokensAfter, 0);
    const { tokens } = set;
    const body: Compacted = {
      pressure: made.pressure,
      by: told.by,
      ...(told.instead === undefined ? {} : { instead: told.instead }),
      windowTokens: set.windowTokens,
      tokensBefore: tokens,
      tokensAfter: Math.max(0, tokens - saved),
      digests,
      ...told.bill,
    };
    const row = told.bill === undefined ? {} : this.#core.spending.columns();
    await this.#core.append([{ kind: 'context.compacted', turn: null, body }], { row });
    this.#owesCheckpoint = true;
    return true;
  }

  /** CP6. */
  async #keep(): Promise<void> {
    const { host, row, workingSet } = this.#core;
    if (!this.#owesCheckpoint) return;
    this.#owesCheckpoint = false;
    const live = host.registry.peek(row.id)?.thing;
    const snapshot = live?.workingSet === workingSet ? live?.checkpoint() : undefined;
    if (snapshot !== undefined) await this.#core.append([], { snapshot, row: {} });
  }

  /** CP5. */
  async #billOnly({ bill }: Told): Promise<void> {
    if (bill !== undefined) await this.#core.append([], { row: this.#core.spending.columns() });
  }
}

/** All tries together; the model is the last one's. */
function summed(bills: readonly Bill[]): Bill {
  const sum: Bill = { usage: noUsage(), costUsd: 0 };
  for (const { usage, costUsd, model } of bills) {
    addUsage(sum.usage, usage);
    sum.costUsd = addUsd(sum.costUsd, costUsd);
    if (model !== undefined) sum.model = model;
  }
  return sum;
}

function roomOf(set: WorkingSet, inputs: readonly { readonly parts: readonly Part[] }[]): Room {
  const { windowTokens, overheadTokens } = set;
  return { windowTokens, overheadTokens, nextTokens: inputs.length === 0 ? 0 : set.countMost(inputs) };
}

/** Undefined where it fits after all: it is past `contextEmergency`, but not past the window. On a guess nothing is refused that may fit. */
function tooLarge(
  set: WorkingSet,
  inputs: readonly { readonly parts: readonly Part[] }[],
): TurnError | undefined {
  const { windowTokens } = set;
  const nextTokens = inputs.length === 0 ? 0 : set.count(inputs);
  const tokens = set.overheadTokens + nextTokens + set.tokens;
  if (tokens <= windowTokens) return undefined;
  const message = `A prompt of about ${Math.ceil(tokens)} tokens does not fit into a window of ${windowTokens}; what came takes ${Math.ceil(nextTokens)}`;
  return { code: 'context.too_large', message };
}
