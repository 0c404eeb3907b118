// Check: how a broken rule is told.

export class BrokenRule extends Error {
  override name = 'BrokenRule';
}

export function check(condition: unknown, what: () => string): asserts condition {
  if (!condition) throw new BrokenRule(what());
}
