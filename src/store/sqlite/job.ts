// Job: what travels between the store and its writer's thread. Plain values only, so that they can be cloned; events
// travel packed, because cloning a string costs a tenth of cloning the objects in it.
import type { ErrorCode } from '../../kernel/errors.ts';
import type { Millis } from '../../kernel/clock.ts';
import type { Append, Appended, Epoch, NewSession, SessionNum } from '../store.ts';
import { pack, type Chunk } from './chunk.ts';
import type { CallName } from './call.ts';

/** An append without its events and session. Absent where there is nothing but events. */
export type Extras = Pick<Append, 'row' | 'turns' | 'requests' | 'artifacts' | 'once' | 'snapshot' | 'key'>;

export interface AppendJob {
  session: SessionNum | NewSession;
  epoch: Epoch;
  claim: boolean;
  chunks: readonly Chunk[];
  extras: Extras | null;
}

export interface CallJob {
  call: CallName;
  args: readonly unknown[];
}

export type Job = AppendJob | CallJob;

export interface Refusal {
  kind: 'refused';
  code: ErrorCode;
  detail: string;
}

export type Answer = Appended | { kind: 'called'; result: unknown } | Refusal;

/** To the writer. */
export type Order = { kind: 'group'; now: Millis; jobs: readonly Job[] } | { kind: 'close' };

/** What happened on the way that somebody should hear of. */
export interface Notes {
  ballastUsed: boolean;
  listsDamaged: boolean;
}

/** From the writer. `ready` comes first, once. After `failed` nothing else comes. */
export type Report =
  | { kind: 'ready' }
  | { kind: 'refused'; code: ErrorCode; detail: string }
  | { kind: 'written'; answers: readonly Answer[]; notes: Notes }
  | { kind: 'failed'; detail: string }
  | { kind: 'closed' };

export interface WriterStart {
  folder: string;
  durability: 'power-loss' | 'process-crash';
  now: Millis;
}

/** Copies what it keeps: the caller may go on using its append. */
export function jobOf(append: Append): AppendJob {
  const { session, epoch, claim = false, events, ...extras } = append;
  const bare = Object.values(extras).every((value) => value === undefined);
  return { session, epoch, claim, chunks: pack(events), extras: bare ? null : extras };
}

/** Roughly, for the bound of a group. */
export function unitsOf(job: AppendJob): number {
  let units = 512;
  for (const chunk of job.chunks) units += chunk.bodies.length + chunk.meta.length;
  return units + (job.extras?.snapshot?.length ?? 0);
}
