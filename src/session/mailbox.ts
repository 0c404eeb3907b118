// Mailbox: the turns of one session that wait, and what a new message does when it meets a busy session.
// Pure and synchronous: it decides and reserves in one step, before anything is written.
//
//   M1. At most `inputsMax` inputs wait. One more is refused and changes nothing; what is owed to the session comes in:
//       there is no more of it than children were asked for.
//   M2. `undo` of a placement leaves the mailbox as if the message had never come.
import { SojournError } from '../kernel/errors.ts';
import type { Policy } from '../wire/turn.ts';
import type { Turn } from './turn.ts';

export type Placement =
  /** Nothing runs or waits: it is the current turn. */
  | { kind: 'start'; turn: Turn }
  | { kind: 'queue'; turn: Turn; position: number; stops?: Turn }
  /** It joins a turn that waits. */
  | { kind: 'collect'; turn: Turn }
  /** It is offered to the running turn. */
  | { kind: 'steer'; turn: Turn };

export interface Incoming {
  policy: Policy;
  /** Made only where the message becomes a turn of its own. */
  turn(): Turn;
  kind: string;
  author: string | null;
  /** It is never refused for want of room. */
  isOwed: boolean;
}

export class Mailbox {
  readonly #inputsMax: number;
  readonly #waiting: Turn[] = [];

  constructor(inputsMax: number) {
    this.#inputsMax = inputsMax;
  }

  get waiting(): readonly Turn[] {
    return this.#waiting;
  }

  /** How many wait whose end is not in the log. */
  get queued(): number {
    return this.#waiting.filter((turn) => !turn.endLogged).length;
  }

  /** Throws `session.busy`, `mailbox.full` or `agent.cannot_rewind`; then nothing has changed. */
  place(message: Incoming, current: Turn | undefined, can: { steers: boolean; rewinds: boolean }): Placement {
    if (message.policy === 'rollback' && !can.rewinds) {
      throw new SojournError(
        'agent.cannot_rewind',
        'The agent of this session keeps a memory that cannot forget a turn',
      );
    }
    if (current === undefined && this.#waiting.length === 0) return { kind: 'start', turn: message.turn() };
    if (message.policy === 'reject') {
      const waiting = this.#waiting.length;
      throw new SojournError(
        'session.busy',
        `Turn ${current?.id ?? this.#waiting[0]?.id} runs and ${waiting} wait`,
      );
    }
    if (
      message.policy === 'steer' &&
      can.steers &&
      current?.state.kind === 'running' &&
      current.stop === undefined
    ) {
      this.#assertRoom(current.inbox.length);
      return { kind: 'steer', turn: current };
    }
    if (!message.isOwed) this.#assertRoom(0);
    if (message.policy === 'collect') {
      const last = this.#waiting.at(-1);
      // What is being cancelled still stands in the line, and would take the message with it.
      if (last?.stop === undefined && last?.spec.kind === message.kind && last.spec.author === message.author)
        return { kind: 'collect', turn: last };
    }
    if (message.policy === 'interrupt' || message.policy === 'rollback') {
      const turn = message.turn();
      // Before the current one, too: after a crash that may wait again.
      turn.rank = Math.min(0, current?.rank ?? 0, this.#waiting[0]?.rank ?? 0) - 1;
      this.#waiting.unshift(turn);
      return { kind: 'queue', turn, position: 1, ...ended(message.policy, current) };
    }
    const turn = message.turn();
    this.#waiting.push(turn);
    return { kind: 'queue', turn, position: this.#waiting.length };
  }

  undo(placement: Placement): void {
    if (placement.kind === 'queue') this.remove(placement.turn); // M2
  }

  /** For turns that wait already: what recovery finds, and what a turn did not take. */
  put(turn: Turn, where: 'first' | 'last'): void {
    if (where === 'last') {
      this.#waiting.push(turn);
      return;
    }
    turn.rank = Math.min(0, this.#waiting[0]?.rank ?? 0) - 1;
    this.#waiting.unshift(turn);
  }

  /** The next turn, when it may start. */
  take(): Turn | undefined {
    const next = this.#waiting[0];
    if (next === undefined || next.state.kind !== 'queued' || next.joining) return undefined;
    return this.#waiting.shift();
  }

  remove(turn: Turn): boolean {
    const index = this.#waiting.indexOf(turn);
    if (index >= 0) this.#waiting.splice(index, 1);
    return index >= 0;
  }

  #assertRoom(more: number): void {
    let inputs = more;
    for (const turn of this.#waiting) inputs += Math.max(1, turn.spec.inputs.length);
    if (inputs >= this.#inputsMax) {
      throw new SojournError('mailbox.full', `${inputs} inputs wait and at most ${this.#inputsMax} may`, {
        retryAfterMs: 1_000,
      });
    }
  }
}

/** What is being stopped already is not stopped again; one that is only interrupted can still be taken back. */
function ended(policy: 'interrupt' | 'rollback', current: Turn | undefined): { stops?: Turn } {
  if (current === undefined || current.state.kind === 'ending') return {};
  const settled = policy === 'rollback' ? current.dropped : current.stop !== undefined;
  return settled ? {} : { stops: current };
}
