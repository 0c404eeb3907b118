// Transcript: one session's conversation, made from its log and from nothing else.
//
//   X1. Feeding the same events gives the same messages, whether they come from memory or from the store.
//   X2. Turns stand in the order they first started; a turn's own messages in the order they were said.
//   X3. `turn.started` voids what earlier attempts of the turn said, unless it goes on with it; inputs that were steered into
//       it stay.
//   X4. A dropped turn is marked, and hidden from agents.
//   X5. A checkpoint stands for the events up to its `lastSeq`; fed with those after it, it is the same transcript.
//   X6. A checkpoint is taken apart when something is asked or fed first, or ahead of that, while nobody waits for it.
import type { StoredEvent } from '../store/store.ts';
import type { EventBodies } from '../wire/event.ts';
import type { Input, Message, Part, TranscriptMessage } from '../wire/message.ts';
import { timeText } from './event.ts';

/** The kinds a transcript is made of: what to read when it is built from the store. */
export const TRANSCRIPT_KINDS = [
  'turn.accepted',
  'turn.steered',
  'turn.requeued',
  'turn.started',
  'turn.dropped',
  'turn.ended',
  'message',
] as const;

const KINDS = new Set<string>(TRANSCRIPT_KINDS);

interface TurnBlock {
  id: string;
  inputs: { input: Input; at: string }[];
  steered: Input[];
  said: TranscriptMessage[];
  started: boolean;
  ended: boolean;
  dropped: boolean;
}

/** A transcript at one moment, as it is stored: nothing in it that the log does not say (X5). */
export interface Checkpoint {
  lastSeq: number;
  /** JSON. */
  packed: string;
}

interface Packed {
  chars: number;
  hasRefs: boolean;
  turns: readonly TurnBlock[];
  /** Ids of turns in the order they started. */
  order: readonly string[];
  offered: readonly { input: Input; turn: string }[];
}

export class Transcript {
  readonly #turns = new Map<string, TurnBlock>();
  /** Turns in the order they started (X2). */
  readonly #order: TurnBlock[] = [];
  /** Inputs offered to a running turn, by input id, until they are taken or requeued. */
  readonly #offered = new Map<string, { input: Input; turn: string }>();
  #lastSeq = 0;
  #chars = 0;
  #hasRefs = false;
  /** Follows the ended turns that were not dropped. */
  #history: Message[] = [];

  /** Of a checkpoint, until it is taken apart (X6). */
  #packed: string | undefined;

  static from({ lastSeq, packed }: Checkpoint): Transcript {
    const transcript = new Transcript();
    transcript.#lastSeq = lastSeq;
    transcript.#packed = packed;
    return transcript;
  }

  /** X6. Idempotent. */
  unpack(): void {
    if (this.#packed === undefined) return;
    const { chars, hasRefs, turns, offered, order } = JSON.parse(this.#packed) as Packed;
    this.#packed = undefined;
    this.#chars = chars;
    this.#hasRefs = hasRefs;
    for (const turn of turns) this.#turns.set(turn.id, turn);
    for (const offer of offered) this.#offered.set(offer.input.id, offer);
    for (const id of order) {
      const turn = this.#block(id);
      this.#order.push(turn);
      if (turn.ended) this.#remember(turn);
    }
  }

  /** Undefined when it would stand for more than `charsMax` in the log. */
  checkpoint(charsMax: number): Checkpoint | undefined {
    if (this.#packed !== undefined) return { lastSeq: this.#lastSeq, packed: this.#packed };
    if (this.#chars === 0 || this.#chars > charsMax) return undefined;
    const packed: Packed = {
      chars: this.#chars,
      hasRefs: this.#hasRefs,
      turns: [...this.#turns.values()],
      order: this.#order.map((turn) => turn.id),
      offered: [...this.#offered.values()],
    };
    return { lastSeq: this.#lastSeq, packed: JSON.stringify(packed) };
  }

  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** About what it holds in memory. */
  get bytes(): number {
    return 2 * (this.#packed?.length ?? this.#chars);
  }

  /** Events in order; those seen before are passed over. */
  feed(events: readonly StoredEvent[]): void {
    if (events.length > 0) this.unpack();
    for (const event of events) {
      if (event.seq <= this.#lastSeq) continue;
      this.#lastSeq = event.seq;
      if (!KINDS.has(event.kind) || event.turn === null) continue;
      this.#chars += event.body.length;
      this.#hasRefs ||= event.body.includes('"ref":{');
      this.#apply(event, event.turn);
    }
  }

  /** All there is, for people: dropped turns are marked. */
  messages(): TranscriptMessage[] {
    this.unpack();
    return this.#order.flatMap((turn) =>
      [...asked(turn), ...turn.said].map((message) => marked(message, turn)),
    );
  }

  /** What an agent sees: ended turns that were not dropped. The caller's own array, of shared messages. */
  history(): Message[] {
    this.unpack();
    return this.#history.slice();
  }

  /** Some message refers to a file: what was said has to be restored before an agent sees it. */
  get hasRefs(): boolean {
    this.unpack();
    return this.#hasRefs;
  }

  /** Inputs of a turn: what it was accepted with, and what was requeued to it. */
  inputs(turn: string): Input[] {
    this.unpack();
    return (this.#turns.get(turn)?.inputs ?? []).map(({ input }) => input);
  }

  /** Inputs that were offered to a turn and neither taken nor requeued. */
  offered(turn: string): Input[] {
    this.unpack();
    return [...this.#offered.values()].filter((offer) => offer.turn === turn).map(({ input }) => input);
  }

  /** Inputs a turn took while it ran: a later attempt is offered them again. */
  steered(turn: string): readonly Input[] {
    this.unpack();
    return this.#turns.get(turn)?.steered ?? [];
  }

  #apply(event: StoredEvent, turn: string): void {
    if (event.kind === 'turn.ended') return this.#end(this.#block(turn));
    const at = timeText(event.at);
    const body: unknown = JSON.parse(event.body);
    switch (event.kind) {
      case 'turn.started':
        return this.#start(this.#block(turn), body as EventBodies['turn.started']);
      case 'turn.accepted': {
        const { input, disposition } = body as EventBodies['turn.accepted'];
        if (disposition === 'steered') this.#offered.set(input.id, { input, turn });
        else this.#block(turn).inputs.push({ input, at });
        return;
      }
      case 'turn.steered': {
        const { input } = body as EventBodies['turn.steered'];
        this.#offered.delete(input.id);
        const block = this.#block(turn);
        if (block.steered.some((taken) => taken.id === input.id)) return; // A later attempt took it again.
        block.steered.push(input);
        block.said.push({ role: 'user', parts: input.parts, turn, at });
        return;
      }
      case 'turn.requeued': {
        const { input, turn: next } = body as EventBodies['turn.requeued'];
        this.#offered.delete(input.id);
        this.#block(next).inputs.push({ input, at });
        return;
      }
      case 'turn.dropped':
        return this.#drop(this.#block((body as EventBodies['turn.dropped']).turn));
      default: {
        const { role, parts, partial } = body as EventBodies['message'];
        this.#block(turn).said.push({
          role,
          parts: tidyParts(parts),
          turn,
          at,
          ...(partial ? { partial } : {}),
        });
      }
    }
  }

  /** X4. */
  #drop(turn: TurnBlock): void {
    turn.dropped = true;
    if (turn.ended) this.#history = this.#history.filter((message) => message.turn !== turn.id);
  }

  /** Turns end in the order they started: one runs at a time. One that never started said nothing. */
  #end(turn: TurnBlock): void {
    turn.ended = true;
    this.#remember(turn);
  }

  #remember(turn: TurnBlock): void {
    if (!turn.started || turn.dropped) return;
    this.#history.push(...asked(turn));
    for (const { role, parts, turn: id, at } of turn.said) this.#history.push({ role, parts, turn: id, at });
  }

  #block(id: string): TurnBlock {
    let block = this.#turns.get(id);
    if (block === undefined) {
      block = { id, inputs: [], steered: [], said: [], started: false, ended: false, dropped: false };
      this.#turns.set(id, block);
    }
    return block;
  }

  #start(turn: TurnBlock, { goesOn }: EventBodies['turn.started']): void {
    if (!turn.started) this.#order.push(turn);
    turn.started = true;
    if (goesOn !== true) turn.said = turn.said.filter((message) => message.role === 'user'); // X3
  }
}

function asked(turn: TurnBlock): TranscriptMessage[] {
  return turn.inputs.map(({ input, at }) => ({ role: 'user', parts: input.parts, turn: turn.id, at }));
}

function marked(message: TranscriptMessage, turn: TurnBlock): TranscriptMessage {
  return turn.dropped ? { ...message, dropped: true } : message;
}

/** Without empty texts: some providers refuse them in a history. */
function tidyParts(parts: readonly Part[]): readonly Part[] {
  return parts.filter((part) => part.type !== 'text' || part.text !== '' || part.metadata !== undefined);
}
