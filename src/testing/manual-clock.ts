// ManualClock: time that moves only when a test moves it.
//
//   T1. Timers fire in the order of their due times, those due together in the order they were set, each with the
//       clocks standing at its due time.
//   T2. `advance` lets everything that a timer set off settle before it fires the next, and before it resolves.
//   T3. The wall clock and the monotonic clock jump apart only when told to; jumping fires nothing.
import { breathe } from '../kernel/breath.ts';
import type { Clock, Millis, Timer } from '../kernel/clock.ts';
import { assert } from '../kernel/errors.ts';

interface Alarm {
  readonly dueMs: Millis;
  readonly order: number;
  readonly run: () => void;
}

export class ManualClock implements Clock {
  #wallMs: Millis;
  #monotonicMs: Millis = 0;
  #order = 0;
  readonly #alarms = new Set<Alarm>();

  constructor(startMs: Millis = Date.UTC(2030, 0, 1)) {
    this.#wallMs = startMs;
  }

  now(): Millis {
    return this.#wallMs;
  }

  monotonic(): Millis {
    return this.#monotonicMs;
  }

  after(delay: Millis, run: () => void): Timer {
    assert(!Number.isNaN(delay), 'a delay is a number');
    const alarm = { dueMs: this.#monotonicMs + Math.max(0, delay), order: ++this.#order, run };
    this.#alarms.add(alarm);
    return { cancel: () => void this.#alarms.delete(alarm) };
  }

  /** Timers that are set and have not fired: 0 when everything has been cleaned up. */
  get pending(): number {
    return this.#alarms.size;
  }

  /** Both clocks move `ms` on, firing what falls due on the way (T1, T2). `advance(0)` only lets things settle. */
  async advance(ms: Millis): Promise<void> {
    assert(ms >= 0, 'time goes forward: use jumpWall to set the wall clock back');
    const untilMs = this.#monotonicMs + ms;
    await settle();
    for (let alarm = this.#next(untilMs); alarm; alarm = this.#next(untilMs)) {
      this.#moveTo(Math.max(alarm.dueMs, this.#monotonicMs));
      this.#alarms.delete(alarm);
      alarm.run();
      await settle();
    }
    this.#moveTo(Math.max(untilMs, this.#monotonicMs));
  }

  /** T3. The wall clock is set, as by a person or by NTP; ages do not change. */
  jumpWall(ms: Millis): void {
    this.#wallMs += ms;
  }

  /** Only the monotonic clock moves on, as while the event loop is blocked: due timers wait for `advance`. */
  jumpMonotonic(ms: Millis): void {
    assert(ms >= 0, 'a monotonic clock never goes back');
    this.#monotonicMs += ms;
  }

  #next(untilMs: Millis): Alarm | undefined {
    let next: Alarm | undefined;
    for (const alarm of this.#alarms) {
      if (alarm.dueMs > untilMs) continue;
      if (!next || alarm.dueMs < next.dueMs || (alarm.dueMs === next.dueMs && alarm.order < next.order)) {
        next = alarm;
      }
    }
    return next;
  }

  #moveTo(monotonicMs: Millis): void {
    this.#wallMs += monotonicMs - this.#monotonicMs;
    this.#monotonicMs = monotonicMs;
  }
}

/** One turn of the event loop: every microtask that is queued now, and those they queue, have run. */
async function settle(): Promise<void> {
  await breathe();
}
