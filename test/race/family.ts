// Family: what the turns of a race do with their children, and what they must be told.
import type { AgentTurn } from '../../src/agent/agent.ts';
import { guard } from './check.ts';
import type { Process } from './process.ts';

export const FAMILY_OPS = ['more', 'wake', 'wait', 'cancelKid', 'closeKid', 'list'] as const;
export type FamilyOp = (typeof FAMILY_OPS)[number];

export const isFamilyOp = (op: string): op is FamilyOp => (FAMILY_OPS as readonly string[]).includes(op);

/** `key` is its own for each of them in one attempt, and the same in the next attempt. */
export async function raise(process: Process, turn: AgentTurn, key: string, op: FamilyOp): Promise<void> {
  const { children } = turn;
  const told = (childTurn: string, outcome: string): void =>
    guard(process, () => process.world.books.bore(turn, childTurn, outcome));
  const spawn = (options = {}) => turn.spawn('plain', `${turn.id}-${key} say,say`, { key, ...options });
  if (op === 'wake') return void (await spawn({ whenDone: 'turn' }));
  if (op === 'list' || op === 'wait') {
    const [newest] = await children.list();
    if (op === 'list' || newest === undefined || newest.turn === null) return;
    const { outcome } = await children.wait(newest.session, { turn: newest.turn });
    return told(newest.turn, outcome);
  }
  const child = await spawn();
  if (op === 'more') {
    const more = await children.continue(child.session, `${turn.id}-${key}more say`, { key: `${key}more` });
    const [first, second] = [await child.result(), await more.result()];
    told(child.turn, first.outcome);
    return told(more.turn, second.outcome);
  }
  if (op === 'cancelKid') await children.cancel(child.session);
  else await children.close(child.session);
  const { outcome } = await child.result();
  told(child.turn, outcome);
}
