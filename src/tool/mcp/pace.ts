// Pace: says things at most ten times a second, the newest where there were more.
//
//   PA1. The first is said at once; of those that come within the next `PAUSE_MS` the last is said then.
//   PA2. After `end` nothing is said.
import type { Clock, Timer } from '../../kernel/clock.ts';

const PAUSE_MS = 100;

type State<Thing> =
  | { kind: 'free' }
  | { kind: 'pausing'; timer: Timer; next: { thing: Thing } | undefined }
  | { kind: 'ended' };

export class Pace<Thing> {
  readonly #clock: Clock;
  readonly #say: (thing: Thing) => void;
  #state: State<Thing> = { kind: 'free' };

  constructor(clock: Clock, say: (thing: Thing) => void) {
    this.#clock = clock;
    this.#say = say;
  }

  /** PA1. */
  say(thing: Thing): void {
    if (this.#state.kind === 'pausing') this.#state.next = { thing };
    if (this.#state.kind !== 'free') return;
    const timer = this.#clock.after(PAUSE_MS, () => this.#paused());
    this.#state = { kind: 'pausing', timer, next: undefined };
    this.#say(thing);
  }

  /** PA2. Idempotent. */
  end(): void {
    if (this.#state.kind === 'pausing') this.#state.timer.cancel();
    this.#state = { kind: 'ended' };
  }

  #paused(): void {
    if (this.#state.kind !== 'pausing') return;
    const { next } = this.#state;
    this.#state = { kind: 'free' };
    if (next !== undefined) this.say(next.thing);
  }
}
