// Onlookers: those who change nothing, or nothing of weight. Each call must end, and say what is so.
import type { StoredEvent } from '../../src/store/store.ts';
import { attempt } from './attempt.ts';
import { check } from './check.ts';
import type { Sent } from './ledger.ts';
import type { Process } from './process.ts';
import { AGENT_OF, type Key } from './setting.ts';

/** The small calls: each must end, and say what is so. */
export async function look(process: Process, key: Key, n: number): Promise<void> {
  const { runtime } = process;
  if (runtime === undefined) return;
  if (n % 4 === 0) await attempt(process, runtime.waitForIdle(key));
  if (n % 4 === 1) {
    const title = `title ${process.world.nextName()}`;
    await attempt(process, runtime.update(key, { title }));
  }
  if (n % 4 === 2) await attempt(process, runtime.open(key, { agent: AGENT_OF[key] }));
  const turn = process.world.ledger.sent.findLast((sent) => sent.key === key && sent.acks.length > 0)?.acks[0]
    ?.turn;
  if (n % 4 !== 3 || turn === undefined) return;
  const view = await attempt(process, runtime.finished(key, turn, { waitMs: n % 50 }));
  if (view === undefined || view === null) return;
  const logged = process.world.keptOf(key)?.turns.get(turn);
  check(logged?.state === 'done' && logged.outcome === view.outcome, () => {
    return `turn ${turn} was said to have ended ${view.outcome}, and the disk says ${logged?.outcome}`;
  });
}

/** Follows one turn to its end, or the session until it is idle. */
export async function watch(process: Process, { key, acks }: Sent, isTurn: boolean): Promise<void> {
  const { runtime } = process;
  const [receipt] = acks;
  if (runtime === undefined || receipt === undefined) return;
  const call = { after: receipt.seq, ...(isTurn ? { turn: receipt.turn } : { untilIdle: true }) };
  const tail = await attempt(process, runtime.tail(key, call));
  if (tail === undefined) return;
  const seen: StoredEvent[] = [];
  for (;;) {
    const events = await attempt(process, tail.next());
    if (events === undefined || events.length === 0) break;
    seen.push(...events);
  }
  tail.close();
  const logged = process.world.kept(tail.session)?.events ?? [];
  const head = seen.at(-1)?.seq ?? 0;
  const wanted = logged.filter(
    ({ seq, turn }) => seq > receipt.seq && seq <= head && (!isTurn || turn === receipt.turn),
  );
  const isSame = wanted.length === seen.length && wanted.every(({ seq }, index) => seq === seen[index]?.seq);
  check(isSame, () => `who followed ${receipt.turn} saw ${seen.length} events of ${wanted.length}`);
  const isEnded = seen.some(({ kind, turn }) => kind === 'turn.ended' && turn === receipt.turn);
  check(isEnded || process.state !== 'up', () => `who followed ${receipt.turn} did not see its end`);
}
