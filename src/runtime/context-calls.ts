// Context calls: what the next turn of a session would see, for whoever may read it.
//
//   CC1. Asking wakes nothing and changes nothing: of a session that is not live the set is made from its log and forgotten.
//        Who asks while it is being made shares it.
//   CC2. Of an agent that owns its history nothing is shown as if it were what that agent sees: tasks, calls and artifacts only.
import type { Agent } from '../agent/agent.ts';
import { catchUp } from '../context/reading.ts';
import { WorkingSet } from '../context/working-set.ts';
import { leftOf } from '../session/live.ts';
import type { SessionRow } from '../store/store.ts';
import type { Caller } from '../wire/access.ts';
import type { ContextView } from '../wire/context.ts';
import { rowOf } from './finding.ts';
import { Flights } from './flights.ts';
import type { RuntimeHost } from './host.ts';
import { measure } from './registry.ts';

export class ContextCalls {
  readonly #host: RuntimeHost;
  readonly #making = new Flights<WorkingSet>();

  constructor(host: RuntimeHost) {
    this.#host = host;
  }

  async context(key: string, caller: Caller): Promise<ContextView> {
    const row = await rowOf(this.#host, caller, key);
    const { store, limits } = this.#host;
    const agent = this.#host.agent(row.agent);
    const set = await this.#setOf(row, agent);
    await set.counted();
    const view = set.view();
    const artifacts = await store.artifacts(row.num);
    const bytes = artifacts.reduce((sum, artifact) => sum + artifact.bytes, 0);
    const { contextMild: mild, contextAggressive: aggressive, contextEmergency: emergency } = limits;
    return {
      session: row.id,
      ...view,
      seq: Math.max(view.seq, row.headSeq),
      ...(agent?.capabilities.ownsHistory === true ? UNSEEN : {}),
      marks: { mild, aggressive, emergency },
      artifacts: { count: artifacts.length, bytes },
    };
  }

  /** CC1. */
  #setOf(row: SessionRow, agent: Agent | undefined): Promise<WorkingSet> {
    const live = this.#host.router.peek(row.id)?.core.workingSet;
    if (live !== undefined) return Promise.resolve(live);
    // By its head: what is being made may be of a moment before.
    return this.#making.share(`${row.headSeq} ${row.id}`, () => this.#made(row, agent));
  }

  async #made(row: SessionRow, agent: Agent | undefined): Promise<WorkingSet> {
    const { store, limits } = this.#host;
    const options = measure(this.#host, agent ?? {});
    const snapshot = await store.snapshot(row.num);
    const checkpoint = snapshot === null ? undefined : leftOf(snapshot).conversation;
    const set = checkpoint === undefined ? new WorkingSet(options) : WorkingSet.from(checkpoint, options);
    await catchUp(set, row.num, { store, limits });
    return set;
  }
}

/** CC2. */
const UNSEEN = { ownsHistory: true, entries: [], tokens: 0, overheadTokens: 0, pressure: 'none' } as const;
