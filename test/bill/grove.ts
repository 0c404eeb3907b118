// Grove: one tree of sessions over a real runtime, from its first message until nothing is at work any more. Everything that
// may happen sooner or later waits for its turn in one schedule; nothing happens by itself.
import type fc from 'fast-check';
import type { AgentEvent, AgentTurn } from '../../src/agent/agent.ts';
import { inProcessBus } from '../../src/bus/in-process/in-process.ts';
import type { Clock, Timer } from '../../src/kernel/clock.ts';
import { SojournError } from '../../src/kernel/errors.ts';
import { type Logger, silentLogger } from '../../src/kernel/logger.ts';
import { createRuntime } from '../../src/runtime/create.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import { ManualClock } from '../../src/testing/manual-clock.ts';
import { MemoryStore } from '../../src/testing/memory-store.ts';
import type { TreeNode } from '../../src/wire/session.ts';
import { addUsd } from '../../src/wire/usd.ts';
import { check } from '../race/check.ts';
import { agentOf } from './agent.ts';
import { type Befall, childrenOf, type Plan } from './plan.ts';
import { above, type AskedTurn, type Kept, Tally, TalliedDisk } from './tally.ts';

const REST_MS_MAX = 30_000;
const STEPS_MAX = 60_000;
const LIMITS = {
  liveMax: 10_000,
  childrenMax: 1_000,
  childrenPerOwnerMax: 10_000,
  childDepthMax: 6,
  createBurst: 10_000,
  idleMsMax: 0,
};

/** One run of the program. */
export class Life {
  readonly grove: Grove;
  readonly #store: MemoryStore;
  readonly #timers = new Set<Timer>();
  runtime: Runtime | undefined;
  isDead = false;

  constructor(grove: Grove) {
    this.grove = grove;
    const { disk, clock, plan } = grove;
    const gate = async (step: string): Promise<void> => {
      if (plan.isSlow && step === 'commit') await this.gate('commit');
    };
    this.#store = new MemoryStore({ clock, disk, gate });
  }

  async begin(): Promise<void> {
    const ids = { id: () => this.name(), secret: () => this.name() };
    this.runtime = await createRuntime({
      store: this.#store,
      bus: inProcessBus(silentLogger),
      agents: { node: agentOf(this) },
      limits: LIMITS,
      clock: this.#clock(),
      logger: this.#logger(),
      ids,
    });
  }

  kill(): void {
    this.isDead = true;
    this.#store.crash();
    for (const timer of this.#timers) timer.cancel();
  }

  name(): string {
    return this.grove.name();
  }

  /** Waits for its turn in the schedule; leaves when the signal says so. */
  async gate(label: string, signal?: AbortSignal): Promise<void> {
    const turn = this.grove.scheduler.schedule(Promise.resolve(), label);
    if (signal === undefined) await turn;
    else {
      signal.throwIfAborted();
      const left = Promise.withResolvers<never>();
      left.promise.catch(() => undefined);
      const leave = (): void => left.reject(signal.reason as Error);
      signal.addEventListener('abort', leave, { once: true });
      await Promise.race([turn, left.promise]).finally(() => signal.removeEventListener('abort', leave));
    }
    if (this.isDead) await new Promise<never>(() => undefined);
  }

  /** The event, told to the tally in the step in which the runtime gets it. */
  use(turn: AgentTurn, cents: number): AgentEvent {
    const name = this.name();
    this.grove.try(() => this.grove.tally.use(turn.session.id, turn.id, name, cents));
    return { kind: 'usage', usage: { outputTokens: cents }, costUsd: cents / 100, model: name };
  }

  #clock(): Clock {
    const { clock } = this.grove;
    return {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      after: (delay, run) => {
        const timer = clock.after(delay, () => {
          this.#timers.delete(timer);
          if (!this.isDead) run();
        });
        this.#timers.add(timer);
        return timer;
      },
    };
  }

  /** What is logged as a defect is one. */
  #logger(): Logger {
    const look = (event: string, { error }: Record<string, unknown> = {}): void => {
      if (this.isDead) return;
      const isDefect =
        error instanceof TypeError || error instanceof RangeError || SojournError.is(error, 'internal');
      if (isDefect) this.grove.fail(new Error(`${event}: ${String(error)}`, { cause: error }));
    };
    return { info: look, warn: look, error: look };
  }
}

export class Grove {
  readonly scheduler: fc.Scheduler;
  readonly plan: Plan;
  /** By place: who is below it. */
  readonly kids: readonly (readonly number[])[];
  readonly clock = new ManualClock();
  readonly tally = new Tally();
  readonly disk = new TalliedDisk(this.tally, (error) => this.fail(error));
  #life: Life;
  #failure: unknown;
  #names = 0;
  #steps = 0;
  #pending = 0;

  constructor(scheduler: fc.Scheduler, plan: Plan) {
    this.scheduler = scheduler;
    this.plan = plan;
    this.kids = childrenOf(plan.nodes);
    this.#life = new Life(this);
  }

  name(): string {
    return `i${++this.#names}`;
  }

  /** The first broken rule is told; what follows from it is not. */
  fail(error: unknown): void {
    this.#failure ??= error;
  }

  try(rules: () => void): void {
    try {
      rules();
    } catch (error) {
      this.fail(error);
    }
  }

  /** A budget may be more than the disk says until the call is over. */
  raise(session: string, usd: number): () => void {
    const kept = this.tally.sessions.get(session);
    if (kept === undefined) return () => undefined;
    kept.raising += usd;
    return () => void (kept.raising -= usd);
  }

  async grow(): Promise<void> {
    this.#watch(this.#plant());
    while (this.#pending > 0) await this.#step(1);
    for (const befall of this.plan.befalls) {
      await this.#step(befall.steps);
      await this.#befall(befall);
    }
    await this.#rest();
    this.tally.checkEnd();
    await this.#checkSums();
  }

  async #plant(): Promise<void> {
    const life = this.#life;
    await life.begin();
    await life.runtime?.open('top', { agent: 'node' });
    await life.runtime?.update('top', { budget: this.plan.top });
    await unlessSpent(life.runtime?.send('top', { input: '0' }));
  }

  async #befall({ act, which }: Befall): Promise<void> {
    const { runtime } = this.#life;
    if (act === 'advance') return this.clock.advance(which % 30);
    if (runtime === undefined) return;
    if (act === 'crash') return this.#crash();
    const sessions = [...this.tally.sessions.values()].slice(which % 20 === 0 ? 0 : 1); // Seldom the top: that ends it all.
    const key = sessions[which % Math.max(1, sessions.length)]?.key;
    if (key === undefined) return;
    if (act === 'cancel') this.#watch(this.#cancel(runtime, key));
    if (act === 'close' && which % 20 !== 0) this.#watch(this.#close(runtime, key));
    if (act === 'evict') this.#watch(runtime.evict(key).catch(unlessBusy));
  }

  #crash(): void {
    this.#life.kill();
    this.#pending = 0;
    this.tally.crash();
    this.#life = new Life(this);
    this.#watch(this.#life.begin());
  }

  /** When it answers, nothing of it is at work any more, nor of what it had asked for. */
  async #cancel(runtime: Runtime, key: string): Promise<void> {
    const life = this.#life;
    const stopped = this.#workOf(key);
    await runtime.cancel(key);
    if (life.isDead) return;
    for (const turn of stopped) {
      check(
        turn.end !== undefined,
        () => `${key} was cancelled and left ${turn.id} of ${turn.session.key} at work`,
      );
    }
  }

  /** When it answers, it and all that was below it are closed. */
  async #close(runtime: Runtime, key: string): Promise<void> {
    const life = this.#life;
    const below = [...this.tally.sessions.values()].filter((at) => isBelow(at, key)).map(({ id }) => id);
    await runtime.close(key);
    if (life.isDead) return;
    for (const { row } of this.disk.sessions.values()) {
      if (!below.includes(row.id)) continue;
      check(row.state === 'closed', () => `${key} was closed and left ${row.key} ${row.state}`);
    }
  }

  #workOf(key: string): ReadonlySet<AskedTurn> {
    const work = new Set<AskedTurn>();
    for (const turn of this.tally.turns.values()) {
      if (turn.end === undefined && isBelow(turn.session, key)) work.add(turn);
    }
    return work;
  }

  #watch(call: Promise<unknown>): void {
    const life = this.#life;
    this.#pending += 1;
    const over = (error?: unknown): void => {
      if (life.isDead) return;
      this.#pending -= 1;
      if (error !== undefined) this.fail(error);
    };
    call.then(() => over(), over);
  }

  async #step(count: number): Promise<void> {
    await settle();
    for (let left = count; left > 0 && this.scheduler.count() > 0; left -= 1) {
      check((this.#steps += 1) < STEPS_MAX, () => `${STEPS_MAX} steps, and it goes on`);
      await this.scheduler.waitNext(1);
      await settle();
      if (this.#failure !== undefined) throw this.#failure;
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #rest(): Promise<void> {
    for (let [ms, more] = [0, 5]; ; ms += more, more *= 1.5) {
      await this.#step(Infinity);
      const open = [...this.disk.sessions.values()].filter(
        ({ row }) => row.state !== 'idle' && row.state !== 'closed',
      );
      if (open.length === 0 && this.#pending === 0) return;
      check(ms < REST_MS_MAX, () => {
        return `it never came to rest: ${this.#pending} calls, ${open.map(({ row }) => `${row.key} ${row.state}`).join()}`;
      });
      await this.clock.advance(more);
    }
  }

  /** Rows, trees and logs say the same, to the billionth; nothing is kept any more. */
  async #checkSums(): Promise<void> {
    const { runtime } = this.#life;
    check(runtime !== undefined, () => 'there is no runtime');
    let total = 0;
    let ms = 0;
    for (const { row, turns } of this.disk.sessions.values()) {
      const kept = this.tally.sessions.get(row.id);
      const said = [kept?.usd, kept?.tokens, kept?.toolCalls, turns.size].join();
      const wrote = [row.costUsd, row.inputTokens + row.outputTokens, row.toolCalls, row.turnsEnded].join();
      check(said === wrote, () => `the row of ${row.key} has ${wrote}, and its log ${said}`);
      total = addUsd(total, row.costUsd);
      ms += row.turnMs;
    }
    const tree = await runtime.tree('top');
    check(tree.costUsd === total, () => `the tree has cost $${tree.costUsd}, and its rows $${total}`);
    for (const node of nodes(tree))
      check(node.reserved === undefined, () => `something is kept for ${node.session.key}`);
    const { usd: most = 0, ms: mostMs = Infinity } = this.plan.top;
    const left = this.plan.top.usd === undefined ? undefined : Math.max(0, addUsd(most, -total));
    check(
      tree.left.usd === left,
      () => `$${tree.left.usd} are left of $${most}, of which $${total} is spent`,
    );
    // A slow disk takes its time: a turn that waits for it is not over before.
    const isPrompt = this.plan.isSlow || ms <= mostMs + this.plan.nodes.length;
    check(isPrompt, () => `${ms} ms were run of ${mostMs}`);
  }
}

/** Or that very one. */
function isBelow(session: Kept, key: string): boolean {
  return [...above(session)].some((at) => at.key === key);
}

function* nodes(tree: TreeNode): Generator<TreeNode> {
  yield tree;
  for (const child of tree.children) yield* nodes(child);
}

async function unlessSpent(sent: Promise<unknown> | undefined): Promise<void> {
  try {
    await sent;
  } catch (error) {
    if (!SojournError.is(error, 'budget.exceeded')) throw error;
  }
}

function unlessBusy(error: unknown): void {
  if (!SojournError.is(error, 'session.busy')) throw error;
}

/** One turn of the event loop: all that can happen without the schedule has happened. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}
