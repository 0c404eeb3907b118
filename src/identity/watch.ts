// Watch: one who is to hear that a sign-in ended.
//
//   W1. Told at most once, and never after having stopped. While somebody watches, the sign-in stays in memory (K2 of known.ts).
//   W2. The time of its end moves as it is used: at each moment that might be it, it is looked at again.
import type { Clock, Millis, Timer } from '../kernel/clock.ts';
import type { SignInEnd } from '../store/store.ts';
import type { KnownSignIn, Moment } from './known.ts';

export interface Watching {
  readonly clock: Clock;
  readonly idleMsMax: Millis;
  moment(): Moment;
  /** Ends it, and so tells all who watch. */
  lapse(entry: KnownSignIn, why: SignInEnd): void;
}

export function watchKnown(entry: KnownSignIn, watching: Watching, ended: () => void): () => void {
  const { clock, idleMsMax } = watching;
  let timer: Timer | undefined;
  const look = (): void => {
    const at = watching.moment();
    const standing = entry.standing(at, idleMsMax);
    if (standing === 'live') timer = clock.after(entry.leftMs(at, idleMsMax) + 1, look); // W2
    else if (entry.signIn.end === null) watching.lapse(entry, standing);
    else tell(); // It ended before anybody watched.
  };
  const stop = (): void => {
    timer?.cancel();
    entry.watchers.delete(tell);
  };
  const tell = (): void => {
    stop(); // W1
    ended();
  };
  entry.watchers.add(tell);
  look();
  return stop;
}

/** For one that has yet to be looked up: undefined where it is over. A look-up that fails counts as the end. */
export function watchLater(
  finding: Promise<KnownSignIn | undefined>,
  watching: Watching,
  ended: () => void,
): () => void {
  let stop: (() => void) | undefined;
  let isStopped = false;
  const begin = (entry: KnownSignIn | undefined): void => {
    if (isStopped) return;
    if (entry === undefined) ended();
    else stop = watchKnown(entry, watching, ended);
  };
  void finding.then(begin, () => begin(undefined)); // What `ended` throws is its owner's to catch.
  return () => {
    isStopped = true;
    stop?.();
  };
}
