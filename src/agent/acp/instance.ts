// Instance: the agent of one session, over all the processes it takes.
//
//   I1. One process at a time. One that has ended is started anew by the next turn, which takes up the ACP session where
//       the agent can. Where it cannot, the turn says first that the agent remembers nothing.
//   I2. The snapshot names the ACP session, what it has cost, and what is being asked.
//   I3. A later attempt of a turn is there because a person answered: the agent is asked to go on, and not to begin
//       again. Without its memory it would begin again, so then the turn fails and says why.
//   I4. Between two turns it can do without its process, where another one can take up the ACP session.
import type { Json, JsonObject } from '../../kernel/json.ts';
import { SojournError } from '../../kernel/errors.ts';
import type { AgentEvent, AgentTurn, Instance, OpenContext } from '../agent.ts';
import { toBlocks } from './content.ts';
import { Exchange } from './exchange.ts';
import type { Memory, Peer } from './peer.ts';
import type { Places, Resident } from './places.ts';
import { Asked, type AskedSnapshot } from './permission.ts';
import type { Cost } from './updates.ts';

export interface InstanceParts {
  name: string;
  context: OpenContext;
  resultCharsMax: number;
  cancelMs: number;
  resumes: boolean;
  places: Places;
  /** Starts a process of the agent; nothing is open in it. Ends it when the signal aborts. */
  start(signal: AbortSignal): Promise<Peer>;
}

interface Snapshot {
  session: string;
  costUsd: number;
  asked?: AskedSnapshot;
}

const GO_ON =
  'You were stopped while you waited for a permission, and have been started again since. A person has answered ' +
  'meanwhile. Go on with the task where you stopped: call the tool again exactly as before, and the answer will be found.';

const FORGOTTEN =
  'The agent was started anew and could not take up its earlier session: it does not remember what was said before.';

export class AcpInstance implements Instance, Resident {
  readonly #parts: InstanceParts;
  readonly #cost: Cost;
  #peer: Peer | undefined;
  #session: string | undefined;
  #memory: Memory = 'new';
  #asked: Asked | undefined;
  #before: AskedSnapshot | undefined;
  /** Nothing was said in the ACP session: there is nothing in it to be taken up. */
  #isBlank = false;
  #resting: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(parts: InstanceParts, previous: Json | undefined) {
    const left = snapshotOf(previous);
    this.#parts = parts;
    this.#session = left?.session;
    this.#before = left?.asked;
    this.#cost = { usd: left?.costUsd ?? 0 };
  }

  async open(signal: AbortSignal): Promise<void> {
    await this.#open(signal);
    this.#idle();
  }

  /** I4. */
  rest(): Promise<void> {
    const peer = this.#peer;
    this.#peer = undefined;
    if (this.#isBlank) this.#session = undefined;
    this.#resting = peer === undefined ? Promise.resolve() : peer.stop();
    return this.#resting;
  }

  /** I1. */
  async #open(signal: AbortSignal): Promise<Peer> {
    const peer = await this.#parts.start(signal);
    let memory: Memory;
    try {
      memory = await peer.open(this.#session, signal);
    } catch (error) {
      await peer.kill().catch(() => undefined); // The first error is the one to tell.
      throw error;
    }
    this.#memory = this.#memory === 'lost' ? 'lost' : memory;
    this.#isBlank = memory !== 'kept';
    this.#session = peer.session;
    if (this.#memory === 'lost') this.#cost.usd = 0;
    this.#peer = peer;
    peer.keepAlive(false);
    return peer;
  }

  async *run(turn: AgentTurn): AsyncIterable<AgentEvent> {
    turn.signal.throwIfAborted();
    this.#parts.places.work(this);
    await this.#resting.catch(() => undefined); // I1. Told to whoever wanted its place.
    if (this.#peer?.isAlive !== true) await this.rest();
    const peer = this.#peer ?? (await this.#open(turn.signal));
    peer.keepAlive(true);
    this.#isBlank = false;
    try {
      yield* this.#remembered(turn);
      this.#asked = new Asked(turn.id, this.#before);
      this.#before = undefined;
      const isLater = turn.attempt > 1;
      const takes = peer.capabilities.promptCapabilities ?? {};
      const { name, resultCharsMax, cancelMs, context } = this.#parts;
      const exchange = new Exchange({
        peer,
        turn,
        prompt: isLater ? [{ type: 'text', text: GO_ON }] : toBlocks(turn.inputs, takes),
        asked: this.#asked,
        cost: this.#cost,
        name,
        resultCharsMax,
        cancelMs,
        logger: context.logger,
      });
      yield* exchange.events();
    } finally {
      if (peer.isAlive) peer.keepAlive(false);
      this.#idle();
    }
  }

  /** I2. */
  snapshot(): Json | undefined {
    if (this.#session === undefined) return undefined;
    const asked = this.#asked?.snapshot() ?? this.#before;
    return {
      session: this.#session,
      costUsd: this.#cost.usd,
      ...(asked === undefined || asked.open.length === 0 ? {} : { asked: { ...asked } }),
    };
  }

  async close(): Promise<void> {
    const { places } = this.#parts;
    this.#isClosed = true;
    places.work(this);
    const going = Promise.all([this.#resting, this.#peer?.stop()]);
    places.leave(going);
    await going;
  }

  /** I4. */
  #idle(): void {
    const { places, resumes } = this.#parts;
    if (resumes && !this.#isClosed && this.#peer?.keepsSession === true) places.idle(this);
  }

  /** I1, I3. */
  *#remembered(turn: AgentTurn): Iterable<AgentEvent> {
    if (this.#memory !== 'lost') return;
    if (turn.attempt > 1) {
      const why = `${this.#parts.name} could not take up its session again, so the answer cannot reach it`;
      throw new SojournError('agent.failed', `${why}; send the message again`);
    }
    this.#memory = 'new';
    yield {
      kind: 'message',
      role: 'system',
      parts: [{ type: 'text', text: FORGOTTEN }],
      message: 'forgotten',
    };
  }
}

function snapshotOf(previous: Json | undefined): Snapshot | undefined {
  if (typeof previous !== 'object' || previous === null || Array.isArray(previous)) return undefined;
  const { session, costUsd, asked } = previous as JsonObject;
  if (typeof session !== 'string') return undefined;
  return {
    session,
    costUsd: typeof costUsd === 'number' ? costUsd : 0,
    ...(isAsked(asked) ? { asked } : {}),
  };
}

/** Written by `snapshot` and by nobody else. */
function isAsked(value: unknown): value is AskedSnapshot {
  return (
    typeof value === 'object' && value !== null && 'turn' in value && 'counts' in value && 'open' in value
  );
}
