// Portability: a session's log as lines that another session, here or elsewhere, can begin with.
//
//   E1. Export is the log as it was when it began: a head line, every event, every artifact, an end line that counts.
//   E2. Import makes a new session whose log has the same events under the same seq. It is all there or not at all.
//   E3. A fork takes the turns up to one, without those that were dropped and without deltas.
//   E4. What was unfinished in an imported log ends as after a crash.
//   E5. Nothing here grows with a session: pages, batches, and one artifact at a time are held.
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { SojournError } from '../kernel/errors.ts';
import { bodyOf, eventText } from '../log/event.ts';
import { pagesOf } from '../log/pages.ts';
import {
  endLine,
  headLine,
  PIECE_BYTES,
  pieceLine,
  PortableReader,
  type PortableHead,
} from '../log/portable.ts';
import type { PortableItem } from '../log/portable.ts';
import type { ArtifactRow, NewEvent, NewSession, SessionRow, StoredEvent } from '../store/store.ts';
import type { Caller } from '../wire/access.ts';
import type { ForkCall, ImportCall, ImportSummary } from '../wire/calls.ts';
import type { SessionView } from '../wire/session.ts';
import { checkKey, requireScope } from './access.ts';
import { rowOf, viewOf } from './finding.ts';
import type { RuntimeHost } from './host.ts';
import { Staging } from './staging.ts';

export class Portability {
  readonly #host: RuntimeHost;

  constructor(host: RuntimeHost) {
    this.#host = host;
  }

  /** E1. */
  async export(key: string, caller: Caller): Promise<AsyncIterable<string>> {
    const row = await rowOf(this.#host, caller, key);
    const artifacts = await this.#host.store.artifacts(row.num);
    // A stable order, whatever was put first here.
    return this.#told(
      row,
      artifacts.toSorted((a, b) => (a.digest < b.digest ? -1 : 1)),
    );
  }

  /** Whoever reads it may be told no more than that it broke off. */
  async *#told(row: SessionRow, artifacts: readonly ArtifactRow[]): AsyncGenerator<string> {
    try {
      yield* this.#lines(row, artifacts);
    } catch (error) {
      const fix = 'What was exported is not whole. Run `sojourn doctor`.';
      this.#host.logger.error('export.failed', { session: row.id, error, fix });
      throw error;
    }
  }

  /** E2. `lines` begin with the head of an export. */
  async import(
    key: string,
    lines: AsyncIterable<string>,
    call: ImportCall,
    caller: Caller,
  ): Promise<ImportSummary> {
    const reader = new PortableReader();
    const summary = { turns: 0, calls: 0, events: 0, artifacts: 0, offloadedBytes: 0 };
    let staging: Staging | undefined;
    let pieces = new Pieces(this.#host.limits.artifactBytesMax);
    try {
      for await (const text of lines) {
        const item = reader.feed(text);
        if (item?.kind === 'head') staging = new Staging(this.#host, this.#new(key, item.head, call, caller));
        if (staging === undefined || item === undefined) continue;
        if (item.kind === 'event') {
          if (item.event.body.length > this.#host.limits.eventBytesMax)
            throw reader.wrong('holds an event over eventBytesMax', { code: 'log.event_too_large' });
          summary.events += 1;
          if (item.event.kind === 'turn.ended') summary.turns += 1;
          if (item.event.kind === 'tool.called') summary.calls += 1;
          await staging.add(item.event);
        }
        if (item.kind !== 'piece' || !pieces.add(item)) continue;
        const bytes = pieces.whole();
        if (bytes === undefined)
          throw reader.wrong(`ends artifact ${item.digest}, and it has another digest`);
        const { digest, mediaType, name } = item;
        await staging.put(bytes, { digest, bytes: bytes.byteLength, mediaType, name });
        summary.artifacts += 1;
        summary.offloadedBytes += bytes.byteLength;
        pieces = new Pieces(this.#host.limits.artifactBytesMax);
      }
      reader.finish();
      await staging?.place(); // E4
    } catch (error) {
      await staging?.discard();
      throw error;
    }
    return { format: 'sojourn', ...summary, leftOut: {}, notUnderstood: { count: 0, samples: [] } };
  }

  /** E3. */
  async fork(key: string, call: ForkCall, caller: Caller): Promise<SessionView> {
    const host = this.#host;
    requireScope(caller, 'send');
    host.admit();
    checkKey(call.key);
    const row = await rowOf(host, caller, key);
    if (host.agents.get(row.agent)?.capabilities.forks === false) {
      throw new SojournError(
        'agent.cannot_fork',
        `Agent ${row.agent} of session ${key} keeps a memory that cannot be copied`,
      );
    }
    host.router.countNew(caller.project);
    const taken = await this.#taken(row, call);
    const artifacts = await host.store.artifacts(row.num);
    const head = headOf(host, row);
    const staging = new Staging(host, { ...this.#new(call.key, head, {}, caller), owner: row.owner });
    try {
      await staging.share(artifacts);
      await staging.add(created(row, taken));
      for await (const page of this.#pages(row, taken.last))
        for (const event of page) if (isKept(event, taken)) await staging.add(bare(event));
      await staging.place();
    } catch (error) {
      await staging.discard();
      throw error;
    }
    return viewOf(host, await rowOf(host, caller, call.key));
  }

  async *#lines(row: SessionRow, artifacts: readonly ArtifactRow[]): AsyncGenerator<string> {
    yield headLine(headOf(this.#host, row));
    let events = 0;
    for await (const page of this.#pages(row, row.headSeq)) {
      events += page.length;
      yield page.map((event) => `${eventText(event)}\n`).join('');
    }
    for (const artifact of artifacts) yield* this.#pieces(row.project, artifact);
    yield endLine(events, artifacts.length);
  }

  async *#pieces(project: string, artifact: ArtifactRow): AsyncGenerator<string> {
    const { digest, bytes } = artifact;
    for (let from = 0; from === 0 || from < bytes; from += PIECE_BYTES) {
      const piece = await this.#host.files.read(project, digest, from, Math.min(bytes, from + PIECE_BYTES));
      yield pieceLine(artifact, from, piece);
    }
  }

  #pages(row: SessionRow, to: number): AsyncIterable<readonly StoredEvent[]> {
    const { store, limits } = this.#host;
    return pagesOf(store, row.num, { to, limits });
  }

  #new(key: string, head: PortableHead, { agent }: ImportCall, caller: Caller): NewSession {
    const { ids, clock, agents } = this.#host;
    if (agent !== undefined && !agents.has(agent))
      throw new SojournError('agent.unknown', `No agent ${agent} is registered`);
    if (head.internal === true) requireScope(caller, 'operate');
    return {
      id: ids.id(),
      project: caller.project,
      key,
      agent: agent ?? head.agent,
      owner: caller.owner,
      maker: caller.token,
      channel: head.channel,
      parent: null,
      title: head.title,
      summary: head.summary,
      labels: head.labels,
      metadata: JSON.stringify(head.metadata),
      budget: JSON.stringify(head.budget),
      internal: head.internal === true,
      at: clock.now(),
    };
  }

  /** What a fork takes: the first of two ways through the log. */
  async #taken(row: SessionRow, call: ForkCall): Promise<Taken> {
    const taken: Taken = { last: row.headSeq, ended: new Set(), dropped: new Set(), at: row.createdAt };
    let end = call.afterTurn === undefined ? row.headSeq : undefined;
    for await (const page of this.#pages(row, row.headSeq)) {
      for (const event of page) {
        if (event.seq === 1) taken.at = event.at;
        if (event.kind === 'turn.dropped') taken.dropped.add(bodyOf(event, 'turn.dropped').turn);
        if (event.kind !== 'turn.ended' || event.turn === null) continue;
        if (end === undefined || event.seq <= end) taken.ended.add(event.turn);
        if (event.turn === call.afterTurn) end ??= event.seq;
      }
    }
    if (end === undefined) {
      const turn = String(call.afterTurn).slice(0, 64);
      throw new SojournError('turn.not_found', `Session ${row.key} has no ended turn ${turn}`);
    }
    taken.last = end;
    return taken;
  }
}

interface Taken {
  last: number;
  /** Turns that ended by then, and those that were dropped at any time. */
  ended: Set<string>;
  dropped: Set<string>;
  /** When the session began. */
  at: number;
}

const SKIPPED = new Set(['text.delta', 'reasoning.delta', 'turn.dropped']);

function isKept(event: StoredEvent, { ended, dropped }: Taken): boolean {
  const has = (turn: string | null): boolean => turn !== null && ended.has(turn) && !dropped.has(turn);
  if (!has(event.turn) || SKIPPED.has(event.kind)) return false;
  // What became the next turn goes with that one.
  return event.kind !== 'turn.requeued' || has(bodyOf(event, 'turn.requeued').turn);
}

const bare = ({ at, kind, turn, body }: StoredEvent): NewEvent => ({ at, kind, turn, body });

function created(row: SessionRow, { at, last }: Taken): NewEvent {
  const { agent, owner, channel, parent } = row;
  const body = { agent, owner, channel, parent, forkedFrom: { session: row.id, seq: last } };
  return { at, kind: 'session.created', turn: null, body: JSON.stringify(body) };
}

function headOf(host: RuntimeHost, row: SessionRow): PortableHead {
  const { agent, channel, title, summary, labels, metadata, budget, internal = false } = viewOf(host, row);
  return { agent, channel, title, summary, labels, metadata, budget, internal };
}

/** One artifact, as its pieces come. */
class Pieces {
  readonly #bytesMax: number;
  readonly #pieces: Buffer[] = [];
  readonly #hash = createHash('sha256');
  #bytes = 0;
  #digest = '';

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** True with the last one. Throws `artifact.too_large`. */
  add({ digest, bytes, data, line }: Extract<PortableItem, { kind: 'piece' }>): boolean {
    if (bytes > this.#bytesMax) {
      const detail = `The artifact that begins on line ${line} has ${bytes} bytes; ${this.#bytesMax} are allowed`;
      throw new SojournError('artifact.too_large', detail);
    }
    this.#digest = digest;
    this.#pieces.push(data);
    this.#hash.update(data);
    this.#bytes += data.byteLength;
    return this.#bytes === bytes;
  }

  /** Undefined where it is not what its digest says. */
  whole(): Buffer | undefined {
    return this.#hash.digest('hex') === this.#digest ? Buffer.concat(this.#pieces, this.#bytes) : undefined;
  }
}
