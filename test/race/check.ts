// Check: how a broken rule is told.
import type { Process } from './process.ts';

export class BrokenRule extends Error {
  override name = 'BrokenRule';
}

export function check(condition: unknown, what: () => string): asserts condition {
  if (!condition) throw new BrokenRule(what());
}

/** A rule that is looked at inside the runtime, which would take its failure for the agent's. */
export function guard(process: Process, rules: () => void): void {
  if (process.isGone) return;
  try {
    rules();
  } catch (error) {
    process.world.fail(error);
  }
}
