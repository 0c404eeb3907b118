// Views: rows, as callers see them.
import type { JsonObject } from '../kernel/json.ts';
import { bodyOf, timeText } from '../log/event.ts';
import type { EventStore, RequestRow, SessionRow, StoredEvent, TurnRow } from '../store/store.ts';
import type { Input } from '../wire/message.ts';
import type { Milestone } from '../wire/post.ts';
import type { Budget, RequestView, SessionView } from '../wire/session.ts';
import type { Outcome, TurnKind, TurnView } from '../wire/turn.ts';

const timeOrNull = (ms: number | null): string | null => (ms === null ? null : timeText(ms));

export interface Liveness {
  live: boolean;
  generation: number;
  dirty: boolean;
}

export function sessionView(row: SessionRow, liveness: Liveness): SessionView {
  const { inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens } = row;
  return {
    id: row.id,
    key: row.key,
    project: row.project,
    agent: row.agent,
    owner: row.owner,
    channel: row.channel,
    title: row.title,
    summary: row.summary,
    labels: [...row.labels],
    metadata: JSON.parse(row.metadata) as JsonObject,
    ...(row.posts.length === 0 ? {} : { posts: row.posts as readonly Milestone[] }),
    ...(row.internal ? { internal: true as const } : {}),
    state: row.state,
    ...liveness,
    headSeq: row.headSeq,
    turn: row.turn,
    queued: row.queued,
    usage: { inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens },
    costUsd: row.costUsd,
    budget: JSON.parse(row.budget) as Budget,
    parent: row.parent,
    createdAt: timeText(row.createdAt),
    lastActiveAt: timeText(row.lastActiveAt),
  };
}

const BOUNDS = { eventsMax: 1_000, bytesMax: 8 * 1_024 * 1_024 };

/** Reads the turn's own events: what it was asked from where it was accepted, what it said from where it ended. */
export async function turnView(store: EventStore, row: TurnRow): Promise<TurnView> {
  const done = row.state === 'done';
  const ended = done ? await eventAt(store, row, row.endSeq, 'turn.ended') : undefined;
  const body = ended === undefined ? undefined : bodyOf(ended, 'turn.ended');
  const { inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens } = row;
  return {
    id: row.id,
    state: row.state,
    // While it is being stopped its outcome may be decided already; it is not one before it is over.
    outcome: done ? (row.outcome as Outcome) : null,
    kind: row.kind as TurnKind,
    attempt: row.attempt,
    input: await inputsOf(store, row),
    text: body?.text ?? '',
    ...(body?.ref === undefined ? {} : { ref: body.ref }),
    usage: body?.usage ?? { inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens },
    costUsd: body?.costUsd ?? row.costUsd,
    error: body?.error ?? null,
    acceptedAt: timeText(row.acceptedAt),
    startedAt: timeOrNull(row.startedAt),
    endedAt: timeOrNull(row.endedAt),
    acceptedSeq: row.acceptedSeq,
    startSeq: row.startSeq,
    endSeq: row.endSeq,
  };
}

async function eventAt(
  store: EventStore,
  row: TurnRow,
  seq: number | null,
  kind: string,
): Promise<StoredEvent | undefined> {
  if (seq === null) return undefined;
  const [event] = await store.read(row.session, seq - 1, { ...BOUNDS, eventsMax: 1 });
  return event?.kind === kind ? event : undefined;
}

/** From its acceptance to its end; inputs of other turns in between are passed over. */
async function inputsOf(store: EventStore, row: TurnRow): Promise<Input[]> {
  const inputs: Input[] = [];
  const kinds = ['turn.accepted', 'turn.steered', 'turn.requeued', 'turn.ended'];
  const events = await store.read(row.session, row.acceptedSeq - 1, { ...BOUNDS, kinds });
  for (const event of events) {
    if (row.endSeq !== null && event.seq > row.endSeq) break;
    if (event.kind === 'turn.requeued') {
      const { input, turn } = bodyOf(event, 'turn.requeued');
      if (turn === row.id) inputs.push(input);
    } else if (event.turn === row.id && event.kind === 'turn.accepted') {
      const { input, disposition } = bodyOf(event, 'turn.accepted');
      if (disposition !== 'steered') inputs.push(input);
    } else if (event.turn === row.id && event.kind === 'turn.steered') {
      const { input } = bodyOf(event, 'turn.steered');
      if (!inputs.some((known) => known.id === input.id)) inputs.push(input);
    }
  }
  return inputs;
}

export async function requestView(
  store: EventStore,
  row: RequestRow,
  session: SessionRow,
): Promise<RequestView | null> {
  const [event] = await store.read(row.session, row.openedSeq - 1, { ...BOUNDS, eventsMax: 1 });
  if (event?.kind !== 'request.opened') return null;
  const { kind, text, options, tool } = bodyOf(event, 'request.opened');
  return {
    id: row.id,
    session: session.id,
    key: session.key,
    turn: row.turn,
    kind,
    text,
    ...(options === undefined ? {} : { options }),
    ...(tool === undefined ? {} : { tool }),
    openedAt: timeText(row.openedAt),
    expiresAt: timeText(row.expiresAt),
  };
}
