// Foreign import: what was read of another agent's log becomes a session, with what is large in it moved out as ever.
//
//   FI1. A call's result has to find room, or nothing is imported (`artifact.quota`).
//   FI2. What no event can hold goes into an artifact: inputs of calls, which are shown in short, and what is noted. A
//        message is cut between its parts.
import { Buffer } from 'node:buffer';
import { SojournError } from '../kernel/errors.ts';
import { shortInput } from '../context/digest.ts';
import type { Overflow } from '../context/overflow.ts';
import { artifactRef } from '../context/reference.ts';
import type { Read } from '../log/import/detect.ts';
import { eventsOf, type ForeignEvent } from '../log/import/events.ts';
import type { NewEvent } from '../store/store.ts';
import type { ImportCall, ImportSummary } from '../wire/calls.ts';
import type { Offloaded } from '../wire/context.ts';
import { type Part, textOf } from '../wire/message.ts';
import type { RuntimeHost } from './host.ts';
import type { Staging } from './staging.ts';

export class ForeignImport {
  readonly #host: RuntimeHost;
  readonly #staging: Staging;
  readonly #overflow: Overflow;
  readonly #summary = { turns: 0, calls: 0, events: 0, artifacts: 0, offloadedBytes: 0 };
  readonly #artifacts = new Set<string>();
  /** Of the turn's calls: the names of their tools, and the inputs that were moved out, in short. */
  readonly #names = new Map<string, string>();
  readonly #shortened = new Map<string, unknown>();

  constructor(host: RuntimeHost, staging: Staging, project: string) {
    this.#host = host;
    this.#staging = staging;
    this.#overflow = host.overflow(project, () => staging.num);
  }

  async write({ format, log, rest }: Read, call: ImportCall, created: NewEvent): Promise<ImportSummary> {
    const { ids, clock } = this.#host;
    const options = {
      newId: () => ids.id(),
      now: clock.now(),
      channel: null,
      turnPerStep: call.turnPerStep === true,
    };
    let isFirst = true;
    for (const event of eventsOf(log, options)) {
      if (isFirst) await this.#add({ ...created, at: event.at });
      isFirst = false;
      await this.#write(event);
    }
    return { format, ...this.#summary, leftOut: rest.leftOut, notUnderstood: rest.notUnderstood };
  }

  async #write(event: ForeignEvent): Promise<void> {
    switch (event.kind) {
      case 'turn.accepted':
      case 'turn.steered': {
        const { value, ...moved } = await this.#overflow.input(event.body.input.parts);
        await this.#moved(event, moved);
        return this.#push(event, { ...event.body, input: { ...event.body.input, parts: value } });
      }
      case 'tool.called':
        return this.#called(event);
      case 'tool.returned': {
        const { call, isError, unknown, output } = event.body;
        if (unknown === true) return this.#push(event, event.body);
        const name = this.#names.get(call) ?? '';
        const { value, ...moved } = await this.#overflow.whole(output, { from: event.kind, call, name }); // FI1
        await this.#moved(event, moved);
        return this.#push(event, { call, isError, ...value });
      }
      case 'message':
        return this.#message(event);
      case 'custom':
        return this.#push(event, { ...event.body, data: await this.#fitted(event, event.body.data) });
      case 'turn.ended': {
        this.#summary.turns += 1;
        this.#names.clear();
        this.#shortened.clear();
        const { value, ...moved } = await this.#overflow.text(event.body.text, event.kind);
        await this.#moved(event, moved);
        return this.#push(event, { ...event.body, ...value });
      }
      default:
        return this.#push(event, event.body);
    }
  }

  /** FI2. */
  async #called(event: Extract<ForeignEvent, { kind: 'tool.called' }>): Promise<void> {
    const { call, name, input } = event.body;
    this.#summary.calls += 1;
    this.#names.set(call, name);
    const { value, ...moved } = await this.#overflow.text(JSON.stringify(input) ?? 'null', event.kind);
    if (value.ref === undefined) return this.#push(event, event.body);
    await this.#moved(event, moved);
    this.#shortened.set(call, shortInput(input));
    return this.#push(event, { call, name, input: shortInput(input), ref: value.ref });
  }

  /** FI2. */
  async #message(event: Extract<ForeignEvent, { kind: 'message' }>): Promise<void> {
    const { message, role, parts } = event.body;
    const fitting: Part[] = [];
    for (const part of parts) {
      if (part.type === 'tool-call' && this.#shortened.has(part.call))
        fitting.push({ ...part, input: this.#shortened.get(part.call) });
      else if (part.type === 'reasoning' && part.text.length > this.#charsMax)
        fitting.push({ type: 'text', text: part.text });
      else fitting.push(part);
    }
    const { value, ...moved } = await this.#overflow.message(fitting);
    await this.#moved(event, moved);
    let from = 0;
    let chars = 0;
    for (const [index, part] of value.entries()) {
      const next = JSON.stringify(part).length;
      if (index > from && chars + next > 2 * this.#charsMax) {
        await this.#push(event, { message: `${message}.${index}`, role, parts: value.slice(from, index) });
        [from, chars] = [index, 0];
      }
      chars += next;
    }
    await this.#push(event, { message, role, parts: value.slice(from) });
  }

  get #charsMax(): number {
    return this.#host.limits.eventBytesMax / 4;
  }

  /** As it is, or where it can be read (FI2). */
  async #fitted(event: ForeignEvent, given: unknown): Promise<unknown> {
    const text = JSON.stringify(given) ?? 'null';
    if (text.length * 3 <= this.#charsMax || Buffer.byteLength(text) <= this.#charsMax) return given;
    const { value, ...moved } = await this.#overflow.whole(given, { from: event.kind });
    if (!('artifact' in value)) return given;
    await this.#moved(event, moved);
    return { ref: artifactRef(value.artifact), bytes: value.bytes, preview: value.preview };
  }

  async #moved(
    event: ForeignEvent,
    { artifacts, offloaded }: { artifacts: readonly Row[]; offloaded: readonly Offloaded[] },
  ): Promise<void> {
    if (artifacts.length > 0) await this.#staging.refer(artifacts, () => this.#overflow.settled(artifacts));
    for (const { digest, bytes } of artifacts) {
      if (this.#artifacts.has(digest)) continue;
      this.#artifacts.add(digest);
      this.#summary.artifacts += 1;
      this.#summary.offloadedBytes += bytes;
    }
    const { at, turn } = event;
    for (const body of offloaded)
      await this.#add({ at, kind: 'context.offloaded', turn, body: JSON.stringify(body) });
  }

  #push({ at, kind, turn }: ForeignEvent, body: object): Promise<void> {
    return this.#add({ at, kind, turn, body: JSON.stringify(body) });
  }

  async #add(event: NewEvent): Promise<void> {
    const { eventBytesMax } = this.#host.limits;
    if (event.body.length > eventBytesMax) {
      const detail = `A ${event.kind} of its turn ${this.#summary.turns + 1} has ${event.body.length} characters; ${eventBytesMax} are allowed`;
      throw new SojournError('log.event_too_large', detail);
    }
    this.#summary.events += 1;
    await this.#staging.add(event);
  }
}

type Row = Parameters<Staging['refer']>[0][number];

const SUMMARY_POINTS_MAX = 200;

/** The beginning of what was said first. */
export function summaryOf({ log }: Read): string | null {
  for (const { inputs } of log.turns) {
    const text = inputs
      .map(textOf)
      .join(' ')
      .slice(0, 4 * SUMMARY_POINTS_MAX);
    const points = Array.from(text.toWellFormed().replaceAll(/\s+/g, ' ').trim());
    if (points.length > 0) return points.slice(0, SUMMARY_POINTS_MAX).join('');
  }
  return null;
}
