// Live session: an agent's instance with everything that lives and dies with it.
//
//   V1. A resource is opened once per name, however many ask; a failed opening is not remembered.
//   V2. Closing closes the instance first, then its resources, last opened first, each within `closeMsMax`;
//       one failure stops none of the others.
//   V3. A closed live session opens nothing, and its instance is asked nothing: what it left is what it gave before.
import { crc32 } from 'node:zlib';
import { SojournError } from '../kernel/errors.ts';
import type { Clock, Millis } from '../kernel/clock.ts';
import type { Json } from '../kernel/json.ts';
import type { Logger } from '../kernel/logger.ts';
import type { Agent, Instance, SessionFacts } from '../agent/agent.ts';
import { type Checkpoint, CHECKPOINT_FORMAT, type WorkingSet } from '../context/working-set.ts';

export interface LiveParts {
  facts: SessionFacts;
  agent: Agent;
  instance: Instance;
  /** Something is stored that its last predecessor left. */
  isRestored: boolean;
  /** What of an instance is stored. */
  stored: Json | undefined;
  /** Fed with the session's events while it lives. None where the agent keeps the conversation itself. */
  workingSet: WorkingSet | undefined;
  clock: Clock;
  logger: Logger;
  closeMsMax: Millis;
}

const OWN_BYTES = 4_096;

/** A working set of more is made from its log. As JSON, what fills a window takes some characters for each token. */
const CHECKPOINT_CHARS = 1_024 * 1_024;
const CHECKPOINT_TOKEN_CHARS = 8;

/** What a live session leaves behind for its successor. */
export interface Left {
  instance?: Json;
  conversation?: Checkpoint;
  /** Events that are written with it and say nothing of the conversation. */
  quiet?: number;
}

/** As it is stored: a line of JSON, and the working set behind it as it is, so that it need not be read at once. */
export function leftText({ conversation, ...left }: Left): string {
  if (conversation === undefined) return JSON.stringify(left);
  const { lastSeq, packed } = conversation;
  return `${JSON.stringify({ ...left, lastSeq, format: CHECKPOINT_FORMAT, crc: crc32(packed) })}\n${packed}`;
}

/**
 * Without the working set where it is of another version, or not what was written: the log says all of it. Throws
 * `session.damaged` where that holds for what the agent left, which no log says.
 */
export function leftOf(text: string): Left & { torn?: true } {
  const end = text.indexOf('\n');
  const { lastSeq, format, crc, ...left } = headOf(end < 0 ? text : text.slice(0, end));
  if (end < 0 || lastSeq === undefined || format !== CHECKPOINT_FORMAT) return left;
  const packed = text.slice(end + 1);
  return crc === crc32(packed) ? { ...left, conversation: { lastSeq, packed } } : { ...left, torn: true };
}

function headOf(line: string): Left & { lastSeq?: number; format?: number; crc?: number } {
  try {
    const head: unknown = JSON.parse(line);
    if (typeof head === 'object' && head !== null) return head;
  } catch {
    // As below.
  }
  throw new SojournError('session.damaged', 'What its agent left when it was put away cannot be read');
}

interface Resource {
  name: string;
  thing: unknown;
  close(): Promise<void>;
}

export class LiveSession {
  readonly facts: SessionFacts;
  readonly agent: Agent;
  readonly instance: Instance;
  readonly workingSet: WorkingSet | undefined;
  readonly #parts: LiveParts;
  readonly #opened: Resource[] = [];
  readonly #opening = new Map<string, Promise<unknown>>();
  /** What the instance gave when it was last asked. */
  #given: { snapshot: Json | undefined } | undefined;
  /** What was stored last while it lived. */
  #kept: string | undefined;
  #closed = false;

  constructor(parts: LiveParts) {
    this.#parts = parts;
    this.facts = parts.facts;
    this.agent = parts.agent;
    this.instance = parts.instance;
    this.workingSet = parts.workingSet;
  }

  /** About what it holds in memory, in bytes: its conversation, and a little for itself. */
  get weight(): number {
    return OWN_BYTES + (this.workingSet?.bytes ?? 0);
  }

  /** What its successor is opened with (V3). */
  async snapshot(): Promise<Json | undefined> {
    if (this.#closed) return this.#given?.snapshot;
    const snapshot = await this.instance.snapshot();
    this.#given = { snapshot };
    return snapshot;
  }

  /** What is to be stored because it is not yet, as JSON text: what a crash must not lose of an agent that goes on after one. */
  async unkept(): Promise<string | undefined> {
    if (this.agent.capabilities.rerun !== 'waiting') return undefined;
    const instance = await this.snapshot();
    const text = instance === undefined ? undefined : JSON.stringify({ instance } satisfies Left);
    if (text === undefined || text === this.#kept) return undefined;
    this.#kept = text;
    return text;
  }

  /**
   * What is stored, with the working set as it is now: after a crash only what came behind it is read. As JSON text;
   * undefined where the set is too large, and of an agent whose own snapshots are stored as they come.
   */
  checkpoint(): string | undefined {
    const conversation = this.#conversation();
    if (conversation === undefined || this.#closed || this.agent.capabilities.rerun === 'waiting')
      return undefined;
    const { stored } = this.#parts;
    return leftText({ ...(stored === undefined ? {} : { instance: stored }), conversation });
  }

  /**
   * What its successor was opened with; asked for where there is none yet. As JSON text: null removes what is stored.
   * `quiet` is how many events that say nothing of the conversation are written in the same append.
   */
  async left(reason: 'remade' | 'other', quiet: number): Promise<{ snapshot?: string | null }> {
    const instance =
      reason === 'remade' && this.#given !== undefined ? this.#given.snapshot : await this.snapshot();
    // Its successor after a remaking has the conversation in memory.
    const conversation = reason === 'remade' ? undefined : this.#conversation();
    const left: Left = {
      ...(instance === undefined ? {} : { instance }),
      ...(conversation === undefined ? {} : { conversation, quiet }),
    };
    if (Object.keys(left).length > 0) return { snapshot: leftText(left) };
    return this.#parts.isRestored || this.#kept !== undefined ? { snapshot: null } : {};
  }

  #conversation(): Checkpoint | undefined {
    const set = this.workingSet;
    return set?.checkpoint(Math.max(CHECKPOINT_CHARS, CHECKPOINT_TOKEN_CHARS * set.windowTokens));
  }

  /** V1. The caller names the type; one name is one type. */
  resource<Thing>(
    name: string,
    open: () => Promise<Thing>,
    close: (thing: Thing) => Promise<void>,
  ): Promise<Thing> {
    if (this.#closed) return Promise.reject(this.#gone(name));
    const known = this.#opening.get(name);
    if (known !== undefined) return known as Promise<Thing>;
    const opening = this.#open(name, open, close);
    this.#opening.set(name, opening);
    return opening;
  }

  async #open<Thing>(
    name: string,
    open: () => Promise<Thing>,
    close: (thing: Thing) => Promise<void>,
  ): Promise<Thing> {
    try {
      const thing = await open();
      const resource = { name, thing, close: () => close(thing) };
      if (this.#closed) {
        await this.#bounded(`resource ${name}`, resource.close); // V3
        throw this.#gone(name);
      }
      this.#opened.push(resource);
      return thing;
    } catch (error) {
      this.#opening.delete(name);
      throw error;
    }
  }

  /** V2. Idempotent; never rejects. */
  async close(reason: string): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#bounded('instance', async () => this.instance.close(reason));
    for (const resource of this.#opened.splice(0).toReversed()) {
      await this.#bounded(`resource ${resource.name}`, () => resource.close());
    }
  }

  async #bounded(what: string, close: () => Promise<void>): Promise<void> {
    const { clock, logger, closeMsMax, facts } = this.#parts;
    try {
      await new Promise<void>((resolve, reject) => {
        const timer = clock.after(closeMsMax, () =>
          reject(new SojournError('keeper.hung', `Closing ${what} took over ${closeMsMax} ms`)),
        );
        Promise.resolve()
          .then(close)
          .then(resolve, reject)
          .finally(() => timer.cancel());
      });
    } catch (error) {
      logger.warn('live.close_failed', { session: facts.id, what, error });
    }
  }

  #gone(name: string): SojournError {
    return new SojournError('keeper.gone', `Session ${this.facts.id} is being put away and opens no ${name}`);
  }
}
