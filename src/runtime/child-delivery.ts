// Child delivery: what a parent's log says of the turns it asked for, and how a result becomes a turn of the parent.
//
//   CD1. The parent's log has one `child.started` and one `child.ended` for each turn it asked for, whatever dies in
//        between: both go by once-keys, and the child's turn stays open in the store until they are there.
//   CD2. `whenDone: 'turn'` makes one turn of the parent, when nothing else runs; it waits for a place, also of a parent
//        that sleeps. Where the parent itself ended the turn there is nobody to wake.
//   CD3. A parent that can take nothing (erased, damaged) keeps no child open for ever; one that is closed or has spent its
//        budget still has the result in its log.
//   CD4. What a turn asked for does not go on after a crash when that turn ended early.
import { SojournError } from '../kernel/errors.ts';
import { offloads } from '../context/overflow.ts';
import { bodyOf } from '../log/event.ts';
import type { SessionCore } from '../session/core.ts';
import type { SessionHost } from '../session/host.ts';
import type { Session } from '../session/session.ts';
import type { Stop, Turn } from '../session/turn.ts';
import type { SessionRow, TurnRow } from '../store/store.ts';
import type { InputPart } from '../wire/message.ts';
import type { Budget } from '../wire/session.ts';
import type { ParentTurn } from '../wire/turn.ts';
import { type ChildEnd, type EndBody, endOf } from './child-end.ts';
import type { ChildProgress } from './child-progress.ts';
import type { ChildResults } from './child-results.ts';
import { prepareMessage } from './message.ts';
import type { SessionRouter } from './router.ts';

/** A result is remembered as long as the log that has it. */
export const FOREVER = Number.MAX_SAFE_INTEGER;

export class ChildDelivery {
  readonly #host: SessionHost & { readonly router: SessionRouter };
  readonly #results: ChildResults;
  readonly #progress: ChildProgress;

  constructor(
    host: SessionHost & { readonly router: SessionRouter },
    results: ChildResults,
    progress: ChildProgress,
  ) {
    this.#host = host;
    this.#results = results;
    this.#progress = progress;
  }

  /** CD1. */
  async announce(
    parent: SessionCore,
    child: SessionRow,
    turn: string,
    asked: ParentTurn,
    budget?: Budget,
  ): Promise<void> {
    const body = { session: child.id, key: child.key, agent: child.agent, turn, spawn: asked.spawn };
    await parent.append(
      [
        {
          kind: 'child.started',
          turn: turnIn(parent, asked),
          body: { ...body, ...(budget === undefined ? {} : { budget }) },
        },
      ],
      {
        row: {},
        once: { key: `started:${child.id}:${turn}`, hash: '', receipt: '{}', expiresAt: FOREVER },
      },
    );
  }

  /** CD1, CD4. */
  async resume(child: SessionCore, turn: Turn): Promise<Stop | undefined> {
    const asked = turn.spec.parent;
    if (asked === null || child.row.parent === null) return undefined;
    const found = await this.#above(child, async (above) => {
      const parent = above.core;
      const { budget } = turn.spec;
      await this.announce(
        parent,
        child.row,
        turn.id,
        asked,
        Object.keys(budget).length === 0 ? undefined : budget,
      );
      if (asked.session !== parent.row.id) return undefined;
      if (parent.row.state === 'closed') return stopped('its parent was closed');
      if (above.turn(asked.turn)?.stop !== undefined) return stopped("its parent's turn was stopped");
      const row = await this.#host.store.turn(parent.row.num, asked.turn);
      const isOver = row?.state === 'done' && row.outcome !== 'completed';
      return isOver ? stopped(`its parent's turn ended ${row.outcome}`) : undefined;
    });
    return found;
  }

  /** CD1, CD2, CD3. */
  async deliver(child: SessionCore, turn: string): Promise<() => void> {
    const { store, clock } = this.#host;
    const { num } = child.log;
    const row = num === undefined ? null : await store.turn(num, turn);
    const end = row === null ? undefined : await endOf(store, child.row, row, clock.now());
    if (row === null || end === undefined) return () => undefined;
    const asked = await this.#asked(child, row);
    this.#progress.over(child.row.id, turn);
    if (asked !== undefined) {
      await this.#above(child, async (parent) => {
        await this.#record(parent.core, end, asked);
        child.spending.release(turn);
        const isQuiet = child.current?.id === turn && child.current.stop?.byParent === true;
        if (asked.whenDone === 'turn' && !isQuiet)
          await this.#asTurn(parent, child.row, end.body, asked.canAsk ?? true);
      });
    }
    return () => this.#results.tell(end.body);
  }

  /** CD3. */
  async #above<Result>(
    child: SessionCore,
    work: (parent: Session) => Promise<Result>,
  ): Promise<Result | undefined> {
    if (child.row.parent === null) return undefined;
    try {
      return (await this.#host.router.usingById(child.row.parent, work)) ?? undefined;
    } catch (error) {
      if (!SojournError.is(error, 'session.damaged')) throw error;
      this.#host.logger.warn('child.parent_damaged', {
        session: child.row.id,
        parent: child.row.parent,
        error,
      });
      return undefined;
    }
  }

  async #record(
    parent: SessionCore,
    { body, artifacts, offloaded }: ChildEnd,
    asked: ParentTurn,
  ): Promise<void> {
    const turn = turnIn(parent, asked);
    await parent.append([...offloads(turn, offloaded), { kind: 'child.ended', turn, body }], {
      row: {},
      artifacts,
      once: {
        key: `child:${body.session}:${body.turn}`,
        hash: '',
        receipt: JSON.stringify(body),
        expiresAt: FOREVER,
      },
    });
  }

  /** CD2. */
  async #asTurn(parent: Session, child: SessionRow, end: EndBody, canAsk: boolean): Promise<void> {
    const { session, turn, outcome, images = [] } = end;
    const input: InputPart[] = [{ type: 'text', text: news(child, end) }, ...images];
    const message = await prepareMessage(
      this.#host,
      parent,
      { input, kind: 'child', canAsk, metadata: { child: { session, turn, outcome } } },
      { author: null, once: { key: `child-turn:${session}:${turn}`, hash: '', expiresAt: FOREVER } },
    );
    try {
      await parent.send({ ...message, isOwed: true });
    } catch (error) {
      const isRefused =
        SojournError.is(error, 'session.closed') ||
        SojournError.is(error, 'budget.exceeded') ||
        SojournError.is(error, 'agent.unknown');
      if (!isRefused) throw error;
      this.#host.logger.warn('child.no_turn', { session, turn, parent: parent.id, error }); // CD3
    }
  }

  async #asked(child: SessionCore, row: TurnRow): Promise<ParentTurn | undefined> {
    if (child.current?.id === row.id) return child.current.spec.parent ?? undefined;
    const [event] = await this.#host.store.read(row.session, row.acceptedSeq - 1, {
      eventsMax: 1,
      bytesMax: 1,
    });
    return event?.kind === 'turn.accepted' ? bodyOf(event, 'turn.accepted').parent : undefined;
  }
}

/** The turn of this parent's log that asked; none of its own where the child was handed on to it. */
const turnIn = (parent: SessionCore, asked: ParentTurn): string | null =>
  asked.session === parent.row.id ? asked.turn : null;

const stopped = (reason: string): Stop => ({ outcome: 'cancelled', reason, byParent: true });

/** What the parent's agent is told, in words. */
function news(child: SessionRow, { outcome, text, error, handOff, ref }: EndBody): string {
  const title = child.title === null ? '' : ` (${child.title})`;
  const lines = [`Sub-agent ${child.agent}${title}, session ${child.id}, ended its turn: ${outcome}.`];
  if (error !== undefined) lines.push(`${error.code}: ${error.message}`);
  if (text !== '') lines.push('', text);
  if (ref !== undefined)
    lines.push(`(The beginning of ${ref.bytes} bytes; the whole is artifact:${ref.artifact}.)`);
  if (handOff === undefined) return lines.join('\n');
  lines.push('', `Hand-off: ${handOff.summary}`);
  for (const [name, items] of [
    ['Changed files', handOff.changedFiles],
    ['Decisions', handOff.decisions],
    ['Blockers', handOff.blockers],
    ['Follow-ups', handOff.followUps],
  ] as const) {
    if (items !== undefined && items.length > 0) lines.push(`${name}: ${items.join('; ')}`);
  }
  return lines.join('\n');
}
