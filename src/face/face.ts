// Face: a way in. It translates and nothing more: it names the caller, parses, calls the runtime, and answers.
//
//   F1. Nothing a peer declares about itself grants anything; a caller comes from `auth.ts`.
//   F2. A face that stops ends what it serves cleanly; it never ends work of the runtime.
import type { Millis } from '../kernel/clock.ts';
import type { RuntimeCalls } from '../runtime/runtime.ts';

export interface Face {
  readonly name: string;
  /** Resolves when callers are served. Throws `config.invalid` when it cannot be, with the setting to correct. */
  start(runtime: RuntimeCalls): Promise<OpenFace>;
}

export interface OpenFace {
  /** Where callers find it, the first one first. */
  readonly urls: readonly string[];
  /** Takes no new callers, ends streams, gives answers under way `graceMs`, then leaves. Idempotent. */
  close(graceMs: Millis): Promise<void>;
}
