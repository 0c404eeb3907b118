// Sub-agent sessions: sessions that a turn of another session started.
//
//   D1. A spawn is recorded by turn and key: a later attempt gets the same child and the same result.
//   D2. Spawning never waits for a place: it answers `capacity`, and then nothing was made.
//   D3. The end of a child's turn reaches its parent's log exactly once, whatever dies in between: the child stays
//       unfinished in the store until it has, and the parent's log takes it by a once-key.
//   D4. Depth and number are bounded: spawns of one session go one after another. A child has its parent's owner and project.
//   D5. A child outlives no turn that ended early, however far its starting was.
import { SojournError } from '../kernel/errors.ts';
import type { Child, ChildResult, SpawnOptions } from '../agent/agent.ts';
import { bodyOf } from '../log/event.ts';
import type { Stay } from '../keeper/keeper.ts';
import type { SessionRow } from '../store/store.ts';
import type { Part } from '../wire/message.ts';
import type { SessionCore } from '../session/core.ts';
import type { SessionHost } from '../session/host.ts';
import type { Session } from '../session/session.ts';
import { abortReason, type Turn } from '../session/turn.ts';
import { checkKey } from './access.ts';
import { prepareMessage } from './message.ts';
import type { Making, SessionRouter } from './router.ts';

/** A result is remembered as long as the parent's log: it is what a later attempt finds. */
const FOREVER = Number.MAX_SAFE_INTEGER;

type ChildrenHost = SessionHost & { readonly router: SessionRouter };

export class SubAgentSessions {
  readonly #host: ChildrenHost;
  /** Who waits for a result, by child session and turn. */
  readonly #waiters = new Map<string, Set<(result: ChildResult) => void>>();
  /** The last spawn of a session that is under way; none of them rejects. */
  readonly #spawning = new Map<string, Promise<void>>();

  constructor(host: ChildrenHost) {
    this.#host = host;
  }

  spawn(
    parent: SessionCore,
    turn: Turn,
    agent: string,
    input: string | readonly Part[],
    options: SpawnOptions & { key: string },
  ): Promise<Child> {
    const { id } = parent.row;
    const before = this.#spawning.get(id) ?? Promise.resolve();
    const spawned = before.then(() => this.#spawn(parent, turn, agent, input, options)); // D4
    const over = spawned.then(
      () => undefined,
      () => undefined, // Told to whoever spawned.
    );
    this.#spawning.set(id, over);
    void over.then(() => this.#spawning.get(id) === over && this.#spawning.delete(id)); // Never rejects.
    return spawned;
  }

  async #spawn(
    parent: SessionCore,
    turn: Turn,
    agent: string,
    input: string | readonly Part[],
    options: SpawnOptions & { key: string },
  ): Promise<Child> {
    if (turn.stop !== undefined) throw abortReason(turn.stop);
    const host = this.#host;
    if (host.agent(agent) === undefined)
      throw new SojournError('agent.unknown', `No agent ${agent} is registered`);
    const key = checkKey(`child:${turn.id}:${options.key}`);
    if ((await this.#host.router.find(parent.row.project, key)) === null) await this.#checkBounds(parent);
    const making = (): Making => ({
      agent,
      owner: parent.row.owner,
      maker: parent.row.maker,
      channel: parent.row.channel,
      parent: parent.row.id,
      title: options.title ?? null,
      summary: null,
      labels: [],
      metadata: JSON.stringify({ spawn: { turn: turn.id, key: options.key } }),
      budget: JSON.stringify(options.budget ?? {}),
    });
    return this.#host.router.using(
      () => this.#host.router.findOrMake(parent.row.project, key, making),
      ({ session, made }) => this.#start(parent, turn, session, made, agent, key, input, options),
    );
  }

  async #start(
    parent: SessionCore,
    turn: Turn,
    child: Session,
    made: boolean,
    agent: string,
    key: string,
    input: string | readonly Part[],
    options: SpawnOptions & { key: string },
  ): Promise<Child> {
    const host = this.#host;
    if (!made && child.core.row.parent !== parent.row.id)
      throw new SojournError('session.exists', `A session ${key} exists`);
    const stay = host.registry.stay(parent.row.id);
    try {
      const parts =
        typeof input === 'string'
          ? input
          : input.filter((part) => part.type === 'text' || part.type === 'file');
      const budget = options.budget === undefined ? {} : { budget: options.budget };
      const message = await prepareMessage(
        host,
        child,
        { input: parts, kind: 'child', ...budget },
        { author: null, once: { key: 'spawn', hash: '' } }, // D1
      );
      const receipt = await child.send(message); // D2
      await parent.append(
        [
          {
            kind: 'child.started',
            turn: turn.id,
            body: { session: child.id, key, agent, turn: receipt.turn, spawn: options.key },
          },
        ],
        {
          row: {},
          once: { key: `spawn:${turn.id}:${options.key}`, hash: '', receipt: '{}', expiresAt: FOREVER },
        }, // D1
      );
      if (turn.stop !== undefined) {
        await child.cancelAll("its parent's turn ended while it was started"); // D5
        throw abortReason(turn.stop);
      }
      const started = child.turn(receipt.turn);
      releaseAfter(stay, started);
      return {
        session: child.id,
        turn: receipt.turn,
        result: () => this.#result(parent, turn, child.id, receipt.turn),
      };
    } catch (error) {
      stay?.release();
      throw error;
    }
  }

  /** D3. */
  async deliver(child: SessionCore, turnId: string): Promise<void> {
    const host = this.#host;
    const num = child.log.num;
    const row = num === undefined ? null : await host.store.turn(num, turnId);
    if (num === undefined || row?.endSeq === undefined || row.endSeq === null || child.row.parent === null)
      return;
    const [event] = await host.store.read(num, row.endSeq - 1, { eventsMax: 1, bytesMax: 1 });
    if (event?.kind !== 'turn.ended') return;
    const { outcome, text, error, usage, costUsd, sessionCompleted } = bodyOf(event, 'turn.ended');
    const rest = { ...(error === undefined ? {} : { error }), usage, costUsd };
    const completed = sessionCompleted === true;
    const result: ChildResult = {
      outcome,
      text,
      isError: outcome !== 'completed',
      ...rest,
      sessionCompleted: completed,
      images: [],
    };
    const body = {
      session: child.row.id,
      turn: turnId,
      outcome,
      text,
      ...rest,
      ...(completed ? { sessionCompleted } : {}),
    };
    await host.router.usingById(child.row.parent, (parent) =>
      parent.core.append([{ kind: 'child.ended', turn: spawnTurn(child.row), body }], {
        row: {},
        once: {
          key: `child:${child.row.id}:${turnId}`,
          hash: '',
          receipt: JSON.stringify(result),
          expiresAt: FOREVER,
        },
      }),
    );
    const waiters = this.#waiters.get(`${child.row.id}:${turnId}`);
    this.#waiters.delete(`${child.row.id}:${turnId}`);
    for (const tell of waiters ?? []) tell(result);
  }

  /** Stops what runs in children of this turn, or in all of the session's, and waits until it has unwound. */
  async cancel(parent: SessionCore, turn: string | null, reason: string): Promise<void> {
    await this.#spawning.get(parent.row.id); // D5
    const rows = await this.#host.store.children(parent.row.id);
    const chosen = rows.filter((row) => working(row) && (turn === null || spawnTurn(row) === turn));
    await Promise.all(
      chosen.map(async (row) => {
        await this.#host.router.usingById(row.id, (child) => child.cancelAll(reason));
      }),
    );
  }

  async #checkBounds(parent: SessionCore): Promise<void> {
    const host = this.#host;
    const { childDepthMax, childrenMax } = host.limits;
    let depth = 1;
    for (let above = parent.row.parent; above !== null; depth += 1) {
      above = (await host.store.byId(above))?.parent ?? null;
    }
    if (depth > childDepthMax) {
      throw new SojournError(
        'child.depth',
        `A child of ${parent.row.key} would stand ${depth} deep; ${childDepthMax} is the most`,
      );
    }
    const children = await host.store.children(parent.row.id);
    if (children.filter(working).length >= childrenMax) {
      throw new SojournError('child.limit', `Session ${parent.row.key} has ${childrenMax} children at work`);
    }
  }

  async #result(parent: SessionCore, turn: Turn, child: string, childTurn: string): Promise<ChildResult> {
    const { store, clock } = this.#host;
    const place = `${child}:${childTurn}`;
    const { signal } = turn.state.kind === 'running' ? turn.state.abort : { signal: AbortSignal.abort() };
    signal.throwIfAborted();
    return new Promise<ChildResult>((resolve, reject) => {
      const waiters = this.#waiters.get(place) ?? new Set();
      this.#waiters.set(place, waiters);
      const leave = (): void => {
        waiters.delete(tell);
        reject(signal.reason);
      };
      const tell = (result: ChildResult): void => {
        signal.removeEventListener('abort', leave);
        waiters.delete(tell);
        resolve(result);
      };
      waiters.add(tell);
      signal.addEventListener('abort', leave, { once: true });
      // It may have been delivered before: then the parent's own record of it answers.
      const num = parent.log.num;
      const known =
        num === undefined ? Promise.resolve(null) : store.once(num, `child:${place}`, clock.now());
      known.then((row) => row !== null && tell(JSON.parse(row.receipt) as ChildResult), reject);
    });
  }
}

const working = (row: SessionRow): boolean => row.state !== 'idle' && row.state !== 'closed';

function spawnTurn(row: SessionRow): string | null {
  const { spawn } = JSON.parse(row.metadata) as { spawn?: { turn?: string } };
  return spawn?.turn ?? null;
}

/** The parent stays in memory while its child runs. */
function releaseAfter(stay: Stay | null, turn: Turn | undefined): void {
  const release = (): void => stay?.release();
  if (turn === undefined) release();
  else turn.over.then(release, release);
}
