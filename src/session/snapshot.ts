// Snapshot: what an instance would leave behind, stored while it lives.
import type { SessionCore } from './core.ts';
import type { LiveSession } from './live.ts';

/** Resolves when it is durable; at once when nothing has changed, and for agents that do not go on after a crash. */
export async function keepSnapshot(core: SessionCore, live: LiveSession): Promise<void> {
  const snapshot = await live.unkept();
  if (snapshot !== undefined) await core.append([], { snapshot, row: {} });
}
