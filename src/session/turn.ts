// Turn: one entry of the mailbox, from its acceptance to its one outcome.
//
//   N1. Moves are those of MOVES; `enter` is the only line that writes the state.
//   N2. The first stop wins: what ends a turn early is decided once.
//   N3. While an input is joining (its append is under way) the turn neither starts nor ends without it.
import { assert } from '../kernel/errors.ts';
import type { Millis } from '../kernel/clock.ts';
import type { JsonObject } from '../kernel/json.ts';
import type { Answer, Question } from '../agent/agent.ts';
import type { Draft } from '../log/session-log.ts';
import type { Input } from '../wire/message.ts';
import { type Budget, noUsage, type Usage } from '../wire/session.ts';
import type { Outcome, ParentTurn, TurnError, TurnKind } from '../wire/turn.ts';

export type TurnState =
  /** Its place is reserved; its acceptance is not durable yet. */
  | { kind: 'accepting' }
  | { kind: 'queued' }
  /** It is next, and waits for its instance. */
  | { kind: 'starting'; abort: AbortController }
  | { kind: 'running'; abort: AbortController }
  /** A person has to answer; no instance is held. */
  | { kind: 'parked' }
  | { kind: 'ending' }
  | { kind: 'done'; outcome: Outcome };

const MOVES: Record<TurnState['kind'], readonly TurnState['kind'][]> = {
  accepting: ['queued', 'starting', 'running', 'done'],
  queued: ['starting', 'ending', 'done'],
  starting: ['running', 'ending', 'done'],
  running: ['parked', 'ending', 'done'],
  parked: ['starting', 'ending', 'done'],
  ending: ['done'],
  done: [],
};

/** Why a turn ends early. */
export interface Stop {
  outcome: 'cancelled' | 'expired' | 'budget' | 'interrupted';
  reason: string;
  /** Whoever asked for the turn ended it: there is nobody to wake with its result. */
  byParent?: boolean;
}

/** A question of this turn. Kept by key, so that a later attempt finds its answer. */
export interface Ask {
  request: string;
  question: Question;
  /** Of the exact call that it is about; empty for a question that is about none. */
  hash: string;
  openedAt: Millis;
  expiresAt: Millis;
  state: { kind: 'open'; answered: (answer: AskEnd) => void } | { kind: 'closed'; end: AskEnd };
}

export type AskEnd = (Answer & { kind: 'answered' }) | { kind: 'expired' } | { kind: 'void' };

export interface TurnSpec {
  id: string;
  kind: TurnKind;
  author: string | null;
  channel: string | null;
  inputs: Input[];
  metadata: JsonObject;
  budget: Budget;
  /** Running time it may take. */
  deadlineMs: Millis;
  canAsk: boolean;
  acceptedAt: Millis;
  /** Its end is owed to the parent session. */
  parent: ParentTurn | null;
}

export class Turn {
  readonly spec: TurnSpec;
  readonly asks = new Map<string, Ask>();
  /** Offered and not taken yet: as the log has them, and whole. */
  readonly inbox: { logged: Input; whole: Input }[] = [];
  /** Taken by this attempt: the next one is offered them again. */
  readonly taken: { logged: Input; whole: Input }[] = [];
  /** The turn its inputs were offered to, where that did not take them. */
  readonly origin: Turn | undefined;
  /** Its end has been handed to the log: rows that are written from then on do not count it. */
  endLogged = false;
  /** What an attempt that has let go of its instance still has to say, should the turn end before another begins. */
  left: { drafts: readonly Draft[]; text: string } = { drafts: [], text: '' };
  attempt = 0;
  crashAttempts = 0;
  rank = 0;
  startedAt: Millis | null = null;
  /** Running time used by all attempts. */
  ranMs: Millis = 0;
  usage: Usage = noUsage();
  costUsd = 0;
  toolCalls = 0;
  /** What of its running time is on the bill. */
  billedMs: Millis = 0;
  /** It was rolled back: the log says so, or is about to. */
  dropped = false;
  #state: TurnState;
  #stop: Stop | undefined;
  #lost = false;
  #joins = 0;
  readonly #joinWaiters: (() => void)[] = [];
  readonly #over: PromiseWithResolvers<{ outcome: Outcome; error?: TurnError }> = Promise.withResolvers();

  constructor(spec: TurnSpec, state: 'accepting' | 'queued' | 'parked', origin?: Turn) {
    this.spec = spec;
    this.origin = origin;
    this.#state = { kind: state };
  }

  get id(): string {
    return this.spec.id;
  }

  get state(): TurnState {
    return this.#state;
  }

  get stop(): Stop | undefined {
    return this.#stop;
  }

  /** Nobody here will say how it ends: the store knows what it was doing. */
  get isLost(): boolean {
    return this.#lost;
  }

  /** Resolves when the outcome is durable; rejects when it cannot become so because the log broke. */
  get over(): Promise<{ outcome: Outcome; error?: TurnError }> {
    return this.#over.promise;
  }

  /** N1. */
  enter(next: TurnState): void {
    assert(
      MOVES[this.#state.kind].includes(next.kind),
      `turn ${this.id}: ${this.#state.kind} to ${next.kind}`,
    );
    this.#state = next;
  }

  /** Records why it ends early and aborts what it is doing; false when something else ends it already (N2). */
  stopFor(stop: Stop): boolean {
    if (this.#stop !== undefined || this.#state.kind === 'ending' || this.#state.kind === 'done')
      return false;
    this.#stop = stop;
    if (this.#state.kind === 'starting' || this.#state.kind === 'running')
      this.#state.abort.abort(abortReason(stop));
    return true;
  }

  /** N3. Returns the call that ends the joining. */
  join(): () => void {
    this.#joins += 1;
    let joining = true;
    return () => {
      if (!joining) return;
      joining = false;
      this.#joins -= 1;
      if (this.#joins === 0) for (const wake of this.#joinWaiters.splice(0)) wake();
    };
  }

  get joining(): boolean {
    return this.#joins > 0;
  }

  joined(): Promise<void> {
    if (this.#joins === 0) return Promise.resolve();
    return new Promise((resolve) => this.#joinWaiters.push(resolve));
  }

  finish(outcome: Outcome, error?: TurnError): void {
    this.enter({ kind: 'done', outcome });
    this.#over.resolve({ outcome, ...(error === undefined ? {} : { error }) });
  }

  /** Its session is given up: what it is doing is aborted, and nobody is told an outcome. */
  abandon(error: unknown): void {
    this.lose(error);
    if (this.#state.kind === 'starting' || this.#state.kind === 'running') this.#state.abort.abort(error);
  }

  /** Its log broke: nobody can say how it ends until the session is opened again. */
  lose(error: unknown): void {
    this.#lost = true;
    this.#over.promise.catch(() => undefined); // Those who wait hear of it; nobody has to.
    this.#over.reject(error);
  }
}

/** What the agent's signal carries: an AbortError, as its libraries expect. */
export function abortReason(stop: Stop): DOMException {
  return new DOMException(`The turn was stopped (${stop.outcome}): ${stop.reason}`, 'AbortError');
}
