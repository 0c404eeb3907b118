// Closing: what an attempt that has let go of its instance still has to say, as the log can hold it.
//
//   CL1. It is said as a running attempt says it: what is too large to stay is moved out first. That happens right before the
//        append, so that nothing is kept for an append that never comes.
//   CL2. A log is never refused for what its turns said: what no event can hold is stood in for.
import { offloads } from '../context/overflow.ts';
import type { Draft } from '../log/session-log.ts';
import type { ArtifactRow } from '../store/store.ts';
import type { SessionCore } from './core.ts';
import { standIn } from './stand-in.ts';
import type { Turn } from './turn.ts';
import type { Closing } from './turn-run.ts';

/** Of what is left with the turn. Rejects only for what keeps artifacts from being written. */
export async function closingOf({ overflow, log }: SessionCore, turn: Turn): Promise<Closing> {
  const drafts: Draft[] = [];
  const artifacts: ArtifactRow[] = [];
  for (const draft of turn.left.drafts) {
    if (draft.kind !== 'message') {
      drafts.push(draft);
      continue;
    }
    const moved = await overflow.message(draft.body.parts); // CL1
    artifacts.push(...moved.artifacts);
    const body = { ...draft.body, parts: moved.value };
    drafts.push(...offloads(turn.id, moved.offloaded), { ...draft, body });
  }
  return { drafts: drafts.map((draft) => (log.fits(draft) ? draft : standIn(draft))), artifacts }; // CL2
}
