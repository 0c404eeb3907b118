// Turn tally: the rows of turns, read from their events as these go by.
//
//   TT1. Only turns that are under way are remembered; of others the store is asked.
//   TT2. At most OPEN_MAX turns are under way at once: more would run as soon as the log is taken up.
import { SojournError } from '../kernel/errors.ts';
import { bodyOf } from '../log/event.ts';
import type { NewEvent, TurnPatch } from '../store/store.ts';
import type { Outcome } from '../wire/turn.ts';

const OPEN_MAX = 1_000;

export class TurnTally {
  /** Has the store a row of this turn? */
  readonly #isStored: (turn: string) => Promise<boolean>;
  readonly #open = new Set<string>();
  /** Of the batch that is being put together, by turn. */
  #patches = new Map<string, TurnPatch>();
  ended = 0;

  constructor(isStored: (turn: string) => Promise<boolean>) {
    this.#isStored = isStored;
  }

  /** Turns that have not ended. */
  get open(): number {
    return this.#open.size;
  }

  /** `index` is the event's place in its batch. */
  async count(event: NewEvent, index: number): Promise<void> {
    const { kind, turn: id } = event;
    if (id === null) return;
    const stored = { ...event, seq: index + 1 };
    if (kind === 'turn.accepted') return this.#accept(id, bodyOf(stored, kind).kind, event.at, index);
    if (kind === 'turn.requeued') return this.#accept(bodyOf(stored, kind).turn, 'user', event.at, index);
    if (kind === 'turn.dropped') {
      const { turn } = bodyOf(stored, kind);
      if (await this.#isKnown(turn)) this.#patch(turn, { dropped: true });
      return;
    }
    if ((kind !== 'turn.started' && kind !== 'turn.ended') || !(await this.#isKnown(id))) return;
    if (kind === 'turn.started') {
      const { attempt } = bodyOf(stored, kind);
      this.#patch(id, { state: 'running', attempt, startedAt: event.at, startEvent: index });
    } else {
      const { outcome, usage, costUsd } = bodyOf(stored, kind);
      const { inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens } = usage;
      const spent = { inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens, costUsd };
      this.#patch(id, {
        state: 'done',
        outcome: outcome satisfies Outcome,
        endedAt: event.at,
        endEvent: index,
        ...spent,
      });
      if (this.#open.delete(id)) this.ended += 1;
    }
  }

  /** What the batch says of turns; the next one begins. */
  take(): readonly TurnPatch[] {
    const patches = [...this.#patches.values()];
    this.#patches = new Map();
    return patches;
  }

  async #accept(id: string, kind: string, at: number, index: number): Promise<void> {
    if (await this.#isKnown(id)) return;
    this.#open.add(id);
    // TT2.
    if (this.#open.size > OPEN_MAX)
      throw new SojournError('input.invalid', `More than ${OPEN_MAX} turns of it are under way at once`);
    this.#patch(id, { state: 'queued', kind, attempt: 0, rank: 0, acceptedAt: at, acceptedEvent: index });
  }

  async #isKnown(id: string): Promise<boolean> {
    return this.#open.has(id) || this.#patches.has(id) || (await this.#isStored(id)); // TT1
  }

  #patch(id: string, patch: Omit<TurnPatch, 'id'>): void {
    this.#patches.set(id, { ...this.#patches.get(id), ...patch, id });
  }
}
