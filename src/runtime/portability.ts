// Portability: a session's log as lines that another session, here or elsewhere, can begin with.
//
//   E1. Export is the log as it was when it began: a head line, every event, every artifact, an end line that counts.
//   E2. Import makes a new session whose log has the same events under the same seq. It is all there or not at all.
//   E3. A fork takes the turns up to one, without those that were dropped and without deltas.
//   E4. What was unfinished in an imported log ends as after a crash.
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { SojournError } from '../kernel/errors.ts';
import { bodyOf, eventText } from '../log/event.ts';
import type {
  ArtifactRow,
  NewEvent,
  NewSession,
  SessionRow,
  StoredEvent,
  TurnPatch,
} from '../store/store.ts';
import type { Caller } from '../wire/access.ts';
import type { ForkCall } from '../wire/calls.ts';
import type { Event } from '../wire/event.ts';
import type { SessionView } from '../wire/session.ts';
import { checkKey, requireScope } from './access.ts';
import { rowOf, viewOf } from './finding.ts';
import type { RuntimeHost } from './host.ts';

const FORMAT = 1;
/** One append of an import: many small transactions would show a half session, one large one would not fit in memory. */
const LINE_CHARS_MAX = 96 * 1_024 * 1_024;

interface Head {
  sojourn: number;
  session: Pick<SessionView, 'agent' | 'channel' | 'title' | 'summary' | 'labels' | 'metadata' | 'budget'> & {
    id: string;
  };
}

interface Copy {
  head: Head['session'];
  events: NewEvent[];
  artifacts: ArtifactRow[];
}

export class Portability {
  readonly #host: RuntimeHost;

  constructor(host: RuntimeHost) {
    this.#host = host;
  }

  /** E1. */
  async export(key: string, caller: Caller): Promise<AsyncIterable<string>> {
    const row = await rowOf(this.#host, caller, key);
    const artifacts = await this.#host.store.artifacts(row.num);
    return this.#lines(row, artifacts);
  }

  /** E2. */
  async import(key: string, lines: AsyncIterable<string>, caller: Caller): Promise<SessionView> {
    requireScope(caller, 'send');
    this.#host.admit();
    checkKey(key);
    const copy = await this.#read(lines, caller.project);
    try {
      return await this.#make(key, copy, caller);
    } finally {
      this.#host.files.settled(
        caller.project,
        copy.artifacts.map(({ digest }) => digest),
      );
    }
  }

  /** E3. */
  async fork(key: string, call: ForkCall, caller: Caller): Promise<SessionView> {
    requireScope(caller, 'send');
    this.#host.admit();
    checkKey(call.key);
    const row = await rowOf(this.#host, caller, key);
    if (this.#host.agents.get(row.agent)?.capabilities.forks === false) {
      throw new SojournError(
        'agent.cannot_fork',
        `Agent ${row.agent} of session ${key} keeps a memory that cannot be copied`,
      );
    }
    const events: StoredEvent[] = [];
    for await (const page of this.#pages(row)) events.push(...page);
    const kept = forked(events, row, call);
    const { agent, channel, title, summary, labels } = row;
    const { metadata, budget } = viewOf(this.#host, row);
    const artifacts = [...(await this.#host.store.artifacts(row.num))];
    const head = { id: row.id, agent, channel, title, summary, labels, metadata, budget };
    return this.#make(call.key, { head, events: kept, artifacts }, caller, row.owner);
  }

  async *#lines(row: SessionRow, artifacts: readonly ArtifactRow[]): AsyncGenerator<string> {
    const view = viewOf(this.#host, row);
    const { id, agent, channel, title, summary, labels, metadata, budget } = view;
    const head: Head = {
      sojourn: FORMAT,
      session: { id, agent, channel, title, summary, labels, metadata, budget },
    };
    yield `${JSON.stringify(head)}\n`;
    let events = 0;
    for await (const page of this.#pages(row)) {
      events += page.length;
      yield page.map((event) => `${eventText(event)}\n`).join('');
    }
    for (const artifact of artifacts) {
      const bytes = await this.#host.files.read(row.project, artifact.digest);
      const { digest, mediaType, name } = artifact;
      yield `${JSON.stringify({ artifact: digest, mediaType, name, data: Buffer.from(bytes).toString('base64') })}\n`;
    }
    yield `${JSON.stringify({ end: true, events, artifacts: artifacts.length })}\n`;
  }

  /** Up to the head there was at the beginning. */
  async *#pages(row: SessionRow): AsyncGenerator<readonly StoredEvent[]> {
    const { pageEventsMax: eventsMax, pageBytesMax: bytesMax } = this.#host.limits;
    for (let after = 0; after < row.headSeq;) {
      const page = await this.#host.store.read(row.num, after, { eventsMax, bytesMax });
      const events = page.filter((event) => event.seq <= row.headSeq);
      if (events.length === 0) return;
      after = events.at(-1)?.seq ?? after;
      yield events;
    }
  }

  async #read(lines: AsyncIterable<string>, project: string): Promise<Copy> {
    const copy: Copy = { head: undefined as never, events: [], artifacts: [] };
    let number = 0;
    let ended: { events: number; artifacts: number } | undefined;
    for await (const text of lines) {
      number += 1;
      const line = parseLine(text, number);
      if (ended !== undefined) throw broken(number, 'comes after the end');
      if (number === 1) copy.head = checkHead(line);
      else if (line['end'] === true) ended = line as never;
      else if (typeof line['artifact'] === 'string')
        copy.artifacts.push(await this.#artifact(line, number, project));
      else copy.events.push(checkEvent(line, number, copy.events.length + 1));
    }
    if (ended === undefined) throw broken(number, 'is not the end: the export was cut off');
    if (ended.events !== copy.events.length || ended.artifacts !== copy.artifacts.length) {
      throw broken(
        number,
        `counts ${ended.events} events and ${ended.artifacts} artifacts; there were ${copy.events.length} and ${copy.artifacts.length}`,
      );
    }
    return copy;
  }

  async #artifact(line: Record<string, unknown>, number: number, project: string): Promise<ArtifactRow> {
    const { artifact, mediaType, name, data } = line;
    if (typeof data !== 'string' || typeof mediaType !== 'string') throw broken(number, 'is no artifact');
    const bytes = Buffer.from(data, 'base64');
    const digest = createHash('sha256').update(bytes).digest('hex');
    if (digest !== artifact) throw broken(number, 'has another digest than it says');
    await this.#host.files.put(project, bytes);
    return {
      digest,
      bytes: bytes.byteLength,
      mediaType,
      name: typeof name === 'string' ? name : null,
      at: this.#host.clock.now(),
    };
  }

  async #make(key: string, copy: Copy, caller: Caller, owner = caller.owner): Promise<SessionView> {
    const host = this.#host;
    const { router } = host;
    const { agent, channel, title, summary, labels, metadata, budget } = copy.head;
    const session: NewSession = {
      id: host.ids.id(),
      project: caller.project,
      key,
      agent,
      owner,
      maker: caller.token,
      channel,
      parent: null,
      title,
      summary,
      labels,
      metadata: JSON.stringify(metadata),
      budget: JSON.stringify(budget),
      at: host.clock.now(),
    };
    const { turns, open } = turnsOf(copy.events);
    const made = await host.store.append(() => ({
      session,
      epoch: 0,
      events: copy.events,
      turns,
      artifacts: copy.artifacts,
      row: {
        state: open ? 'running' : 'idle',
        turnsEnded: turns.filter((turn) => turn.state === 'done').length,
      },
    }));
    if (made.kind !== 'appended') throw new SojournError('session.exists', `A session ${key} exists`);
    await router.findById(session.id); // E4
    return viewOf(this.#host, await rowOf(this.#host, caller, key));
  }
}

function forked(events: readonly StoredEvent[], row: SessionRow, call: ForkCall): NewEvent[] {
  const until = call.afterTurn;
  const end = events.find((event) => event.kind === 'turn.ended' && event.turn === until);
  if (until !== undefined && end === undefined) {
    throw new SojournError('turn.not_found', `Session ${row.key} has no ended turn ${until.slice(0, 64)}`);
  }
  const last = end?.seq ?? row.headSeq;
  const seen = events.filter((event) => event.seq <= last);
  const ended = new Set(seen.filter((event) => event.kind === 'turn.ended').map((event) => event.turn));
  const dropped = new Set(events.filter((event) => event.kind === 'turn.dropped').map((event) => event.turn));
  const skipped = new Set(['text.delta', 'reasoning.delta', 'turn.dropped']);
  const isKept = (turn: string | null): boolean => ended.has(turn) && !dropped.has(turn);
  const kept = seen.filter(
    (event) =>
      isKept(event.turn) &&
      !skipped.has(event.kind) &&
      // What became the next turn goes with that one.
      (event.kind !== 'turn.requeued' || isKept(bodyOf(event, 'turn.requeued').turn)),
  );
  const { agent, owner, channel, parent } = row;
  const body = { agent, owner, channel, parent, forkedFrom: { session: row.id, seq: last } };
  const created: NewEvent = {
    at: events[0]?.at ?? row.createdAt,
    kind: 'session.created',
    turn: null,
    body: JSON.stringify(body),
  };
  return [created, ...kept.map(({ at, kind, turn, body: text }) => ({ at, kind, turn, body: text }))];
}

/** The turns' rows, read from their events. */
function turnsOf(events: readonly NewEvent[]): { turns: TurnPatch[]; open: boolean } {
  const turns = new Map<string, TurnPatch>();
  events.forEach((event, index) => {
    const stored = { ...event, seq: index + 1 };
    const { turn: id } = event;
    if (id === null) return;
    const turn = turns.get(id);
    if (event.kind === 'turn.accepted' && turn === undefined) {
      const { kind } = bodyOf(stored, 'turn.accepted');
      turns.set(id, {
        id,
        state: 'queued',
        kind,
        attempt: 0,
        rank: 0,
        acceptedAt: event.at,
        acceptedEvent: index,
      });
    }
    if (event.kind === 'turn.requeued') {
      const next = bodyOf(stored, 'turn.requeued').turn;
      if (!turns.has(next))
        turns.set(next, {
          id: next,
          state: 'queued',
          kind: 'user',
          attempt: 0,
          rank: 0,
          acceptedAt: event.at,
          acceptedEvent: index,
        });
    }
    if (turn === undefined) return;
    if (event.kind === 'turn.started') {
      Object.assign(turn, {
        state: 'running',
        attempt: bodyOf(stored, 'turn.started').attempt,
        startedAt: event.at,
        startEvent: index,
      });
    }
    if (event.kind === 'turn.dropped') turn.dropped = true;
    if (event.kind === 'turn.ended') {
      const { outcome, usage, costUsd } = bodyOf(stored, 'turn.ended');
      Object.assign(turn, { state: 'done', outcome, endedAt: event.at, endEvent: index, ...usage, costUsd });
    }
  });
  const rows = [...turns.values()];
  return { turns: rows, open: rows.some((turn) => turn.state !== 'done') };
}

function parseLine(text: string, number: number): Record<string, unknown> {
  if (text.length > LINE_CHARS_MAX) throw broken(number, `is longer than ${LINE_CHARS_MAX} characters`);
  try {
    const line: unknown = JSON.parse(text);
    if (line !== null && typeof line === 'object' && !Array.isArray(line))
      return line as Record<string, unknown>;
  } catch (error) {
    throw broken(number, 'is not JSON', error);
  }
  throw broken(number, 'is not an object');
}

function checkHead(line: Record<string, unknown>): Head['session'] {
  const { sojourn, session } = line as Partial<Head>;
  if (sojourn !== FORMAT || typeof session?.agent !== 'string')
    throw broken(1, `is not the head of an export of format ${FORMAT}`);
  return {
    id: session.id,
    agent: session.agent,
    channel: session.channel ?? null,
    title: session.title ?? null,
    summary: session.summary ?? null,
    labels: session.labels ?? [],
    metadata: session.metadata ?? {},
    budget: session.budget ?? {},
  };
}

function checkEvent(line: Record<string, unknown>, number: number, seq: number): NewEvent {
  const { at, kind, turn, body } = line as Partial<Event>;
  const ms = typeof at === 'string' ? Date.parse(at) : Number.NaN;
  if (line['seq'] !== seq) throw broken(number, `has seq ${JSON.stringify(line['seq'])}; ${seq} comes next`);
  if (
    Number.isNaN(ms) ||
    typeof kind !== 'string' ||
    (turn !== null && typeof turn !== 'string') ||
    typeof body !== 'object' ||
    body === null ||
    Array.isArray(body)
  ) {
    throw broken(number, 'is no event');
  }
  return { at: ms, kind, turn, body: JSON.stringify(body) };
}

function broken(number: number, what: string, cause?: unknown): SojournError {
  return new SojournError('input.invalid', `Line ${number} ${what}`, cause === undefined ? {} : { cause });
}
