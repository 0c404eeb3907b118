// Within: waiting, but not for ever.
import type { Clock, Millis } from '../kernel/clock.ts';

/** True when `ended` resolves in time, false when the bound passes first; then what comes of `ended` is nobody's. */
export function within(clock: Clock, msMax: Millis, ended: Promise<unknown>): Promise<boolean> {
  if (msMax === Infinity) return ended.then(() => true);
  return new Promise((resolve, reject) => {
    const timer = clock.after(msMax, () => resolve(false));
    ended.then(
      () => {
        timer.cancel();
        resolve(true);
      },
      (error: unknown) => {
        timer.cancel();
        reject(error as Error);
      },
    );
  });
}
