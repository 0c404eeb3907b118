// Sub-agent sessions: sessions that a turn of another session started, and what that turn may do with them.
//
// Owns the verbs. Does not own: how many there may be (child-bounds), what a parent is told (child-delivery, child-progress),
// how they end with those above them (child-ending).
//
//   D1. A spawn or a continuation is recorded by turn and key: a later attempt gets the same child, turn and result.
//   D2. Neither waits for a place: it answers `capacity`, and then nothing was made. Nobody at work is put away for it.
//   D3. Only the children of the session itself can be named; any other answers as one that does not exist. A child has
//       its parent's owner and project.
//   D4. A parent stays in memory while a turn that it asked for is at work, and may be remade.
//   D5. A child's turn outlives no turn that ended early, however far its starting was.
import { SojournError } from '../kernel/errors.ts';
import type {
  Child,
  ChildResult,
  Children,
  ContinueOptions,
  SpawnOptions,
  WaitOptions,
} from '../agent/agent.ts';
import type { Stay } from '../keeper/keeper.ts';
import type { SessionCore } from '../session/core.ts';
import type { Family, SessionHost } from '../session/host.ts';
import type { Session } from '../session/session.ts';
import { abortReason, type Stop, type Turn } from '../session/turn.ts';
import type { SessionRow, StoredEvent } from '../store/store.ts';
import type { InputPart, Part } from '../wire/message.ts';
import type { ParentTurn, Progress, Receipt } from '../wire/turn.ts';
import { checkKey } from './access.ts';
import { ChildBounds } from './child-bounds.ts';
import { ChildDelivery, FOREVER } from './child-delivery.ts';
import { ChildEnding } from './child-ending.ts';
import { childFacts } from './child-facts.ts';
import { ChildProgress } from './child-progress.ts';
import { ChildResults } from './child-results.ts';
import { prepareMessage } from './message.ts';
import type { Making, SessionRouter } from './router.ts';

export type ChildrenHost = SessionHost & { readonly router: SessionRouter };

/** Who asks: one attempt of a turn. */
interface Asking {
  parent: SessionCore;
  turn: Turn;
  signal: AbortSignal;
}

type Keyed<Options> = Options & { key: string };

export class SubAgentSessions implements Family {
  readonly #host: ChildrenHost;
  readonly #bounds: ChildBounds;
  readonly #progress: ChildProgress;
  readonly #results: ChildResults;
  readonly #delivery: ChildDelivery;
  readonly #ending: ChildEnding;
  /** Spawns and continuations under way, by parent (D5); none of them rejects. */
  readonly #starting = new Map<string, Set<Promise<void>>>();
  /** What keeps parents in memory, by child (D4). */
  readonly #stays = new Map<string, Set<Stay>>();

  constructor(host: ChildrenHost) {
    this.#host = host;
    this.#bounds = new ChildBounds(host);
    this.#progress = new ChildProgress(host);
    this.#results = new ChildResults(host);
    this.#delivery = new ChildDelivery(host, this.#results, this.#progress);
    this.#ending = new ChildEnding(host, {
      started: (parent) => this.#started(parent),
      letGo: (child) => this.#letGo(child),
      announce: (parent, child, turn, asked) => this.#delivery.announce(parent, child, turn, asked),
    });
  }

  of(parent: SessionCore, turn: Turn, signal: AbortSignal): Children {
    const asking: Asking = { parent, turn, signal };
    let ordinal = 0;
    const keyed = <Options extends ContinueOptions>(options: Options): Keyed<Options> => {
      ordinal += 1;
      return { ...options, key: options.key ?? `${ordinal}` };
    };
    return {
      spawn: (agent, input, options = {}) => {
        const given = keyed<SpawnOptions>(options);
        return this.#track(parent, this.#spawn(asking, agent, input, given));
      },
      continue: (child, input, options = {}) => {
        const given = keyed(options);
        return this.#track(parent, this.#continue(asking, child, input, given));
      },
      wait: (child, options = {}) => this.#wait(asking, child, options),
      cancel: (child, reason = 'its parent asked') => this.#cancel(asking, child, reason),
      close: (child, reason = 'its parent asked') => this.#close(asking, child, reason),
      list: async () => {
        this.#check(asking);
        return childFacts(this.#host, parent.row.id);
      },
    };
  }

  stop(parent: SessionCore, turn: string, reason: string): Promise<void> {
    return this.#ending.stop(parent, turn, reason);
  }

  stopSoon(parent: SessionCore, turn: string, reason: string): void {
    this.#ending.stopSoon(parent, turn, reason);
  }

  end(parent: SessionCore, reason: string): Promise<void> {
    return this.#ending.end(parent, reason);
  }

  /** Stops all that is at work below a session, whichever turn asked for it. */
  cancelBelow(session: string, reason: string): Promise<readonly string[]> {
    return this.#ending.cancelBelow(session, reason);
  }

  resume(child: SessionCore, turn: Turn): Promise<Stop | undefined> {
    return this.#delivery.resume(child, turn);
  }

  deliver(child: SessionCore, turn: string): Promise<() => void> {
    return this.#delivery.deliver(child, turn);
  }

  progress(child: SessionCore, turn: Turn, progress: Progress): void {
    this.#progress.told(child, turn, progress);
  }

  heard(child: SessionCore, events: readonly StoredEvent[]): void {
    this.#progress.heard(child, events);
  }

  async #spawn(
    asking: Asking,
    agent: string,
    input: string | readonly Part[],
    options: Keyed<SpawnOptions>,
  ): Promise<Child> {
    this.#check(asking, options.signal);
    const { router } = this.#host;
    const { row } = asking.parent;
    if (this.#host.agent(agent) === undefined)
      throw new SojournError('agent.unknown', `No agent ${agent} is registered`);
    const key = checkKey(`child:${asking.turn.id}:${options.key}`);
    if ((await router.find(row.project, key)) === null) await this.#bounds.checkStanding(row, agent);
    const making = (): Making => ({
      agent,
      owner: row.owner,
      maker: row.maker,
      channel: row.channel,
      parent: row.id,
      title: options.title ?? null,
      summary: null,
      labels: [],
      metadata: '{}',
      budget: JSON.stringify(options.budget ?? {}),
      internal: row.internal,
    });
    return router.using(
      () => router.findOrMake(row.project, key, making),
      ({ session }) => {
        if (session.core.row.parent !== row.id)
          throw new SojournError('session.exists', `A session ${key} exists`);
        return this.#ask(asking, session, 'spawn', input, options);
      },
    );
  }

  async #continue(
    asking: Asking,
    id: string,
    input: string | readonly Part[],
    options: Keyed<ContinueOptions>,
  ): Promise<Child> {
    this.#check(asking, options.signal);
    const once = checkKey(`continue:${asking.turn.id}:${options.key}`);
    return this.#with(asking, id, (child) => this.#ask(asking, child, once, input, options));
  }

  /** Hands a turn to a child, which the parent's log then says. `once` is its record in the child's log (D1). */
  async #ask(
    asking: Asking,
    child: Session,
    once: string,
    input: string | readonly Part[],
    options: Keyed<SpawnOptions>,
  ): Promise<Child> {
    const { parent, turn, signal } = asking;
    const stay = this.#host.registry.stay(parent.row.id);
    try {
      const asked = parentTurn(asking, options);
      if (options.onProgress !== undefined) this.#progress.listen(asked, options.onProgress);
      const receipt = await this.#send(asking, child, once, input, options, asked);
      await this.#delivery.announce(parent, child.core.row, receipt.turn, asked, options.budget);
      const started = child.turn(receipt.turn);
      const isStopped = turn.stop !== undefined || options.signal?.aborted === true;
      if (isStopped && started !== undefined)
        await child.cancel(started, 'whoever asked for it left while it was started', { byParent: true }); // D5
      if (turn.stop !== undefined) throw abortReason(turn.stop);
      options.signal?.throwIfAborted();
      this.#hold(child.id, stay, started);
      if (started !== undefined) this.#watch(child, started, options);
      const signals = options.signal === undefined ? [signal] : [signal, options.signal];
      return {
        session: child.id,
        turn: receipt.turn,
        result: () => this.#results.wait(parent, child.id, receipt.turn, signals),
      };
    } catch (error) {
      stay?.release();
      throw error;
    }
  }

  async #send(
    { parent }: Asking,
    child: Session,
    once: string,
    input: string | readonly Part[],
    options: Keyed<SpawnOptions>,
    asked: ParentTurn,
  ): Promise<Receipt> {
    const parts = await handedOver(parent, input);
    if (parts.length === 0 || (typeof parts === 'string' && !parts.isWellFormed()))
      throw new SojournError('input.invalid', 'A child is asked with well-formed text, or at least one part');
    const budget = options.budget === undefined ? {} : { budget: options.budget };
    const message = await prepareMessage(
      this.#host,
      child,
      { input: parts, kind: 'child', canAsk: asked.canAsk ?? true, ...budget },
      { author: null, once: { key: once, hash: '', expiresAt: FOREVER } },
    );
    const admit = (): void => this.#bounds.checkNumber(parent.row, child);
    return child.send({ ...message, parent: asked, admit }); // D2
  }

  async #wait(asking: Asking, id: string, options: WaitOptions): Promise<ChildResult> {
    this.#check(asking, options.signal);
    const { parent, signal } = asking;
    const signals = options.signal === undefined ? [signal] : [signal, options.signal];
    const row = await this.#row(asking, id);
    const turn = await this.#with(asking, id, async (child) => {
      const named = options.turn ?? child.turns().at(-1)?.id;
      return named ?? (await this.#host.store.turns(row.num, { limit: 1 }))[0]?.id;
    });
    if (typeof turn !== 'string') throw new SojournError('turn.not_found', `Child ${id} has no such turn`);
    return this.#results.wait(parent, id, turn, signals);
  }

  async #cancel(asking: Asking, id: string, reason: string): Promise<{ cancelled: readonly string[] }> {
    this.#check(asking);
    await this.#row(asking, id);
    return { cancelled: await this.#ending.cancel(id, reason) };
  }

  async #close(asking: Asking, id: string, reason: string): Promise<void> {
    this.#check(asking);
    await this.#with(asking, id, (child) => child.close(reason, { byParent: true }));
  }

  /**
   * Nothing is begun for a turn that is over, that ends, or that goes on in another attempt. During a shutdown a turn may
   * still ask: what it asked for begins after the next start.
   */
  #check({ turn, signal }: Asking, given?: AbortSignal): void {
    signal.throwIfAborted();
    given?.throwIfAborted();
    if (turn.state.kind !== 'running') throw new DOMException(`Turn ${turn.id} is over`, 'AbortError');
  }

  /** D3. */
  async #row({ parent }: Asking, id: string): Promise<SessionRow> {
    if (typeof id !== 'string') throw noChild(id); // An agent may pass on what a model made up.
    const row = this.#host.router.peek(id)?.core.row ?? (await this.#host.store.byId(id));
    if (row === null || row.parent !== parent.row.id) throw noChild(id);
    return row;
  }

  /** Keeps a child in memory during `work`. */
  async #with<Result>(
    asking: Asking,
    id: string,
    work: (child: Session) => Promise<Result>,
  ): Promise<Result> {
    await this.#row(asking, id);
    const found = await this.#host.router.usingById(id, async (child) => ({ result: await work(child) }));
    if (found === null) throw noChild(id);
    return found.result;
  }

  /** D5. */
  #track(parent: SessionCore, starting: Promise<Child>): Promise<Child> {
    const { id } = parent.row;
    const all = this.#starting.get(id) ?? new Set();
    this.#starting.set(id, all);
    const over = starting.then(
      () => undefined,
      () => undefined, // Told to whoever asked.
    );
    all.add(over);
    void over.then(() => {
      all.delete(over);
      if (all.size === 0 && this.#starting.get(id) === all) this.#starting.delete(id);
    });
    return starting;
  }

  async #started(parent: string): Promise<void> {
    await Promise.all(Array.from(this.#starting.get(parent) ?? []));
  }

  /** D4. Until the child's turn is over, or nobody waits for it any more. */
  #hold(child: string, stay: Stay | null, started: Turn | undefined): void {
    if (stay === null || started === undefined) return stay?.release();
    const stays = this.#stays.get(child) ?? new Set();
    this.#stays.set(child, stays);
    stays.add(stay);
    const release = (): void => {
      stay.release();
      stays.delete(stay);
      if (stays.size === 0 && this.#stays.get(child) === stays) this.#stays.delete(child);
    };
    started.over.then(release, release);
  }

  #letGo(child: string): void {
    for (const stay of this.#stays.get(child) ?? []) stay.release();
    this.#stays.delete(child);
  }

  #watch(child: Session, started: Turn, options: ContinueOptions): void {
    const { onProgress, signal } = options;
    const { parent: asked } = started.spec;
    if (onProgress !== undefined && asked !== null) this.#progress.listen(asked, onProgress); // It may have been there.
    if (signal === undefined) return;
    const stop = (): void => {
      child.cancel(started, 'whoever asked for it left', { byParent: true }).catch((error: unknown) => {
        this.#host.logger.warn('child.not_cancelled', { session: child.id, turn: started.id, error });
      });
    };
    const leave = (): void => signal.removeEventListener('abort', stop);
    signal.addEventListener('abort', stop, { once: true });
    started.over.then(leave, leave);
  }
}

/** What the parent's log refers to comes whole: the child has a log of its own. Throws `artifact.not_found`. */
async function handedOver(
  { overflow }: SessionCore,
  input: string | readonly Part[],
): Promise<string | readonly InputPart[]> {
  if (typeof input === 'string') return input;
  const parts = input.filter((part) => part.type === 'text' || part.type === 'file');
  return (await overflow.restoreInput({ id: '', parts })).parts;
}

function parentTurn({ parent, turn }: Asking, options: Keyed<SpawnOptions>): ParentTurn {
  return {
    session: parent.row.id,
    turn: turn.id,
    spawn: options.key,
    ...(options.whenDone === 'turn' ? { whenDone: 'turn' } : {}),
    ...(options.whenParentEnds === 'handOn' ? { whenParentEnds: 'handOn' } : {}),
    ...(turn.spec.canAsk ? {} : { canAsk: false }),
  };
}

function noChild(id: string): SojournError {
  return new SojournError('child.not_found', `This session has no child ${String(id).slice(0, 64)}`);
}
