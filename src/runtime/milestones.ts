// Milestones: what sessions post by themselves, where they were asked to: a turn has ended, a child has, a budget is used
// up.
//
//   M1. A milestone is made from what is durable in the log, after it is, so that it never tells what did not happen.
//   M2. It never hurts a turn: it is not waited for, and one that fails is logged and gone. After a crash the last one may
//       be missing; none is told twice, because the event's number is its once-key.
//   M3. What an agent said is quoted in one line, and cut. Why something failed is told by its code alone: messages may
//       hold what not everybody in the project should read.
import type { Logger } from '../kernel/logger.ts';
import { avatarSeed, CONTEXT_POINTS_MAX, displayName, NAME_POINTS_MAX } from '../identity/name.ts';
import { bodyOf } from '../log/event.ts';
import { briefContent } from '../log/post.ts';
import type { Posting, Timeline } from '../log/timeline.ts';
import type { SessionRow, Store, StoredEvent } from '../store/store.ts';
import type { Milestone, PostAuthor } from '../wire/post.ts';
import type { Outcome } from '../wire/turn.ts';

interface MilestonesOptions {
  timeline: Timeline;
  store: Pick<Store, 'byId'>;
  logger: Logger;
}

type Told = Pick<Posting, 'content' | 'metadata'>;

const ENDS: Readonly<Record<Outcome, string>> = {
  completed: 'Done',
  failed: 'Failed',
  cancelled: 'Cancelled',
  interrupted: 'Interrupted',
  expired: 'Ran out of time',
  budget: 'Used up its budget',
};

export class Milestones {
  readonly #options: MilestonesOptions;
  readonly #under = new Set<Promise<void>>();

  constructor(options: MilestonesOptions) {
    this.#options = options;
  }

  /** What has become durable in a session's log (M1). Never throws. */
  heard(row: Readonly<SessionRow>, events: readonly StoredEvent[]): void {
    if (row.internal || row.posts.length === 0) return;
    for (const event of events) {
      if (event.kind !== 'turn.ended' && event.kind !== 'child.ended') continue;
      const posting = this.#post({ ...row }, event).catch((error: unknown) => {
        this.#options.logger.warn('timeline.milestone_lost', { session: row.id, seq: event.seq, error }); // M2
      });
      this.#under.add(posting);
      void posting.then(() => this.#under.delete(posting)); // Never rejects.
    }
  }

  /** Resolves when nothing is being posted. */
  async settled(): Promise<void> {
    await Promise.all(this.#under);
  }

  async #post(row: SessionRow, event: StoredEvent): Promise<void> {
    const told = event.kind === 'turn.ended' ? turnTold(row, event) : await this.#childTold(row, event);
    if (told === undefined) return;
    await this.#options.timeline.post({
      ...told,
      project: row.project,
      author: authorOf(row),
      session: row.id,
      once: `seq:${event.seq}`,
      ...(event.turn === null ? {} : { turn: event.turn }),
    });
  }

  async #childTold(row: SessionRow, event: StoredEvent): Promise<Told | undefined> {
    if (!asks(row, 'child')) return undefined;
    const { session, outcome, text, costUsd } = bodyOf(event, 'child.ended');
    const child = await this.#options.store.byId(session);
    const who = child === null ? 'A child' : `Child ${child.title ?? child.agent}`;
    const said = outcome === 'completed' ? text : '';
    const content = briefContent(joined(`${who}: ${ENDS[outcome].toLowerCase()}`, said));
    return { content, metadata: { milestone: 'child', outcome, child: session, costUsd, seq: event.seq } };
  }
}

function turnTold(row: SessionRow, event: StoredEvent): Told | undefined {
  const { outcome, text, error, costUsd, usage } = bodyOf(event, 'turn.ended');
  const isBudget = outcome === 'budget';
  if (!asks(row, 'turn') && !(isBudget && asks(row, 'budget'))) return undefined;
  const milestone: Milestone = isBudget ? 'budget' : 'turn';
  const { inputTokens, outputTokens } = usage;
  const code = outcome === 'failed' && error !== undefined ? ` (${error.code})` : ''; // M3
  return {
    content: briefContent(joined(`${ENDS[outcome]}${code}`, outcome === 'completed' ? text : '')),
    metadata: { milestone, outcome, costUsd, inputTokens, outputTokens, seq: event.seq },
  };
}

const asks = (row: SessionRow, milestone: Milestone): boolean => row.posts.includes(milestone);
const joined = (lead: string, said: string): string => (said.trim() === '' ? lead : `${lead}: ${said}`);

/** The agent, and which of its sessions. */
function authorOf({ agent, key, title }: SessionRow): PostAuthor {
  const name = cut(agent, NAME_POINTS_MAX);
  const context = cut(title ?? '', CONTEXT_POINTS_MAX) || cut(key, CONTEXT_POINTS_MAX) || null;
  return {
    identity: null,
    name,
    context,
    displayName: displayName(name, context),
    identityKey: null,
    avatarSeed: avatarSeed(JSON.stringify([agent, key])),
  };
}

const cut = (text: string, pointsMax: number): string =>
  Array.from(briefContent(text)).slice(0, pointsMax).join('');
