// Transcript: one session's conversation, made from its log and from nothing else.
//
//   X1. Feeding the same events gives the same messages, whether they come from memory or from the store.
//   X2. Turns stand in the order they first started; a turn's own messages in the order they were said.
//   X3. `turn.started` voids what earlier attempts of the turn said, unless it goes on with it; inputs that were steered into
//       it stay.
//   X4. A dropped turn is marked, and hidden from agents.
//   X5. What is packed stands for the events so far; unpacked and fed with those after them, it is the same transcript.
//   X6. Nothing is given up by itself: who keeps it small releases turns that are over, and what it shortens stays short.
import { Buffer } from 'node:buffer';
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

interface Said {
  seq: number;
  message: TranscriptMessage;
}

interface TurnBlock {
  id: string;
  inputs: { input: Input; at: string }[];
  steered: Input[];
  said: Said[];
  started: boolean;
  ended: boolean;
  dropped: boolean;
  /** Of the bodies it was made of. */
  chars: number;
}

/** As JSON: nothing in it that the log does not say (X5). */
export interface PackedTranscript {
  lastSeq: number;
  hasRefs: boolean;
  hasFiles: boolean;
  wide: number;
  turns: readonly TurnBlock[];
  offered: readonly { input: Input; turn: string }[];
}

export class Transcript {
  /** Those that started stand in the order they did (X2). */
  readonly #turns = new Map<string, TurnBlock>();
  /** Inputs offered to a running turn, by input id, until they are taken or requeued. */
  readonly #offered = new Map<string, { input: Input; turn: string }>();
  #lastSeq = 0;
  #chars = 0;
  #hasRefs = false;
  #hasFiles = false;
  /** How many more bytes than characters the bodies had, also of those that were released. */
  #wide = 0;

  /** Takes over what it is given. */
  static of({ lastSeq, hasRefs, hasFiles, wide, turns, offered }: PackedTranscript): Transcript {
    const transcript = new Transcript();
    transcript.#lastSeq = lastSeq;
    transcript.#hasRefs = hasRefs;
    transcript.#hasFiles = hasFiles;
    transcript.#wide = wide;
    for (const turn of turns) {
      transcript.#turns.set(turn.id, turn);
      transcript.#chars += turn.chars;
    }
    for (const offer of offered) transcript.#offered.set(offer.input.id, offer);
    return transcript;
  }

  /** X5. To be written before the next event comes: it shares what it is made of. */
  pack(): PackedTranscript {
    return {
      lastSeq: this.#lastSeq,
      hasRefs: this.#hasRefs,
      hasFiles: this.#hasFiles,
      wide: this.#wide,
      turns: [...this.#turns.values()],
      offered: [...this.#offered.values()],
    };
  }

  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** Of the bodies it is made of: about what it is as JSON. */
  get chars(): number {
    return this.#chars;
  }

  /** In UTF-8, or more. Infinite where files and references are among it: what they stand for is not told by their length. */
  get bytesMost(): number {
    return this.#hasRefs || this.#hasFiles ? Infinity : this.#chars + this.#wide;
  }

  /** Events in order; those seen before are passed over. */
  feed(events: readonly StoredEvent[]): void {
    for (const event of events) {
      if (event.seq <= this.#lastSeq) continue;
      this.#lastSeq = event.seq;
      if (!KINDS.has(event.kind) || event.turn === null) continue;
      this.#hasRefs ||= event.body.includes('"ref":{');
      this.#hasFiles ||= event.body.includes('"type":"file"');
      this.#wide += Buffer.byteLength(event.body) - event.body.length;
      this.#apply(event, event.turn);
    }
  }

  /** All there is, for people: dropped turns are marked. */
  messages(): TranscriptMessage[] {
    return this.#started.flatMap((turn) =>
      [...asked(turn), ...turn.said.map(({ message }) => message)].map((message) => marked(message, turn)),
    );
  }

  /** What an agent sees of a turn, while it is not dropped (X4). */
  said(turn: string): Message[] {
    const block = this.#turns.get(turn);
    if (block === undefined || !block.started || block.dropped) return [];
    return asked(block).concat(block.said.map(({ message }) => whole(message)));
  }

  /** What an agent sees: ended turns that were not dropped. */
  history(): Message[] {
    return this.#started.filter(({ ended }) => ended).flatMap(({ id }) => this.said(id));
  }

  /** Some message refers to a file: what was said has to be restored before an agent sees it. */
  get hasRefs(): boolean {
    return this.#hasRefs;
  }

  /** Inputs of a turn: what it was accepted with, and what was requeued to it. */
  inputs(turn: string): Input[] {
    return (this.#turns.get(turn)?.inputs ?? []).map(({ input }) => input);
  }

  /** Inputs that were offered to a turn and neither taken nor requeued. */
  offered(turn: string): Input[] {
    return [...this.#offered.values()].filter((offer) => offer.turn === turn).map(({ input }) => input);
  }

  /** Inputs a turn took while it ran: a later attempt is offered them again. */
  steered(turn: string): readonly Input[] {
    return this.#turns.get(turn)?.steered ?? [];
  }

  /** X6. Of a turn that is over nothing is kept. */
  release(turn: string): void {
    const block = this.#turns.get(turn);
    if (block === undefined) return;
    this.#turns.delete(turn);
    this.#chars -= block.chars;
  }

  /** X6. Parts of what a turn said; `seq` is of the message they stand in. Those that stay as they are are given back. */
  shorten(turn: string, change: (part: Part, seq: number) => Part): void {
    const block = this.#turns.get(turn);
    if (block === undefined) return;
    for (const said of block.said) {
      const parts = said.message.parts.map((part) => {
        const short = change(part, said.seq);
        if (short !== part) this.#grow(block, JSON.stringify(short).length - JSON.stringify(part).length);
        return short;
      });
      if (parts.some((part, index) => part !== said.message.parts[index])) {
        said.message = { ...said.message, parts };
      }
    }
  }

  get #started(): TurnBlock[] {
    return [...this.#turns.values()].filter(({ started }) => started);
  }

  #apply(event: StoredEvent, turn: string): void {
    const block = this.#turns.get(turn);
    if (event.kind === 'turn.ended') {
      if (block !== undefined) end(block);
      return;
    }
    const at = timeText(event.at);
    const body: unknown = JSON.parse(event.body);
    switch (event.kind) {
      case 'turn.started':
        return this.#start(this.#block(turn), body as EventBodies['turn.started']);
      case 'turn.accepted': {
        const { input, disposition } = body as EventBodies['turn.accepted'];
        if (disposition === 'steered') this.#offered.set(input.id, { input, turn });
        else this.#take(turn, { input, at }, event.body.length);
        return;
      }
      case 'turn.steered': {
        const { input } = body as EventBodies['turn.steered'];
        this.#offered.delete(input.id);
        const taker = this.#block(turn);
        if (taker.steered.some((taken) => taken.id === input.id)) return; // A later attempt took it again.
        taker.steered.push(input);
        return this.#say(taker, event, { role: 'user', parts: input.parts, turn, at });
      }
      case 'turn.requeued': {
        const { input, turn: next } = body as EventBodies['turn.requeued'];
        this.#offered.delete(input.id);
        return this.#take(next, { input, at }, event.body.length);
      }
      case 'turn.dropped': {
        const dropped = this.#turns.get((body as EventBodies['turn.dropped']).turn);
        if (dropped !== undefined) dropped.dropped = true; // X4
        return;
      }
      default: {
        const { role, parts, partial } = body as EventBodies['message'];
        const said = { role, parts: tidyParts(parts), turn, at };
        return this.#say(this.#block(turn), event, partial ? { ...said, partial } : said);
      }
    }
  }

  #take(turn: string, taken: { input: Input; at: string }, chars: number): void {
    const block = this.#block(turn);
    block.inputs.push(taken);
    this.#grow(block, chars);
  }

  #say(block: TurnBlock, { seq, body }: StoredEvent, message: TranscriptMessage): void {
    block.said.push({ seq, message });
    this.#grow(block, body.length);
  }

  #grow(block: TurnBlock, chars: number): void {
    block.chars += chars;
    this.#chars += chars;
  }

  #block(id: string): TurnBlock {
    let block = this.#turns.get(id);
    if (block === undefined) {
      block = {
        id,
        inputs: [],
        steered: [],
        said: [],
        started: false,
        ended: false,
        dropped: false,
        chars: 0,
      };
      this.#turns.set(id, block);
    }
    return block;
  }

  #start(turn: TurnBlock, { goesOn }: EventBodies['turn.started']): void {
    if (!turn.started) {
      this.#turns.delete(turn.id);
      this.#turns.set(turn.id, turn); // X2
    }
    turn.started = true;
    if (goesOn !== true) turn.said = turn.said.filter(({ message }) => message.role === 'user'); // X3
  }
}

/** What grows has room to grow, and more of it than most turns ever fill. */
function end(turn: TurnBlock): void {
  turn.ended = true;
  turn.inputs = turn.inputs.slice();
  turn.said = turn.said.slice();
}

function asked(turn: TurnBlock): Message[] {
  return turn.inputs.map(({ input, at }) => ({ role: 'user', parts: input.parts, turn: turn.id, at }));
}

function marked(message: TranscriptMessage, turn: TurnBlock): TranscriptMessage {
  return turn.dropped ? { ...message, dropped: true } : message;
}

/** For an agent it makes no difference whether more would have been said. */
function whole(message: TranscriptMessage): Message {
  if (message.partial === undefined) return message;
  const { role, parts, turn, at } = message;
  return { role, parts, turn, at };
}

/** Without empty texts: some providers refuse them in a history. */
function tidyParts(parts: readonly Part[]): readonly Part[] {
  return parts.filter((part) => part.type !== 'text' || part.text !== '' || part.metadata !== undefined);
}
