// Passages: the turns of one working set, made from its log.
//
// Owns: which turns there are, what each says, which calls wait for a result, which task each belongs to. Does not own: what
// stands for turns that left, what anything takes of a window.
//
//   PS1. Ended turns stand in the order they started: one runs at a time.
//   PS2. Of a turn that was dropped, never started or left nothing is kept once it is over.
import { type PackedTranscript, Transcript } from '../log/transcript.ts';
import type { StoredEvent } from '../store/store.ts';
import type { Digest } from '../wire/context.ts';
import type { EventBodies } from '../wire/event.ts';
import { type Input, type Part, textOf } from '../wire/message.ts';
import type { Counter } from './counter.ts';
import { shortInput } from './digest.ts';
import { type PackedPassage, Passage } from './passage.ts';
import { type PackedTasks, Tasks } from './tasks.ts';

export interface PendingCall {
  turn: string;
  call: string;
  name: string;
}

export interface PackedPassages {
  transcript: PackedTranscript;
  passages: readonly PackedPassage[];
  pending: readonly PendingCall[];
  returned: number;
  tasks: PackedTasks;
}

export class Passages {
  #transcript = new Transcript();
  #tasks = new Tasks();
  /** Those that ended stand in the order they did (PS1). */
  readonly #passages = new Map<string, Passage>();
  /** Calls without a result. */
  #pending: Map<string, PendingCall> | undefined;
  #returned = 0;

  unpack({ transcript, passages, pending, returned, tasks }: PackedPassages): void {
    this.#transcript = Transcript.of(transcript);
    this.#tasks = Tasks.of(tasks);
    this.#returned = returned;
    for (const call of pending) this.#wait(call);
    for (const each of passages) {
      const passage = Passage.of(each);
      this.#passages.set(passage.turn, passage);
      if (passage.to !== null) this.#enter(passage);
    }
  }

  /** To be written before the next event comes: it shares what it is made of. */
  pack(): PackedPassages {
    return {
      transcript: this.#transcript.pack(),
      passages: Array.from(this.#passages.values(), (passage) => passage.pack()),
      pending: this.pending,
      returned: this.#returned,
      tasks: this.#tasks.pack(),
    };
  }

  get chars(): number {
    return this.#transcript.chars;
  }

  get bytesMost(): number {
    return this.#transcript.bytesMost;
  }

  get hasRefs(): boolean {
    return this.#transcript.hasRefs;
  }

  /** PS1. */
  *ended(): Generator<Passage> {
    for (const passage of this.#passages.values()) if (passage.to !== null) yield passage;
  }

  get tasks(): Tasks {
    return this.#tasks;
  }

  get pending(): PendingCall[] {
    return Array.from(this.#pending?.values() ?? [], (call) => ({ ...call }));
  }

  /** Results, since the session began. */
  get returned(): number {
    return this.#returned;
  }

  get(turn: string): Passage | undefined {
    return this.#passages.get(turn);
  }

  inputs(turn: string): Input[] {
    return this.#transcript.inputs(turn);
  }

  feed(event: StoredEvent): void {
    this.#transcript.feed([event]);
    if (event.turn !== null) this.#apply(event, event.turn);
  }

  /** From now on these stand for the results of their calls. Answers how many do: a turn may have left meanwhile. */
  digest(calls: NonNullable<Digest['calls']>, counter: Counter): number {
    const turns = Map.groupBy(calls, ({ turn }) => turn);
    let count = 0;
    for (const [turn, gone] of turns) {
      const passage = this.#passages.get(turn);
      if (passage === undefined || passage.to === null) continue;
      const digestible = passage.digestible();
      const texts = new Map(gone.map(({ call, text }) => [call, text] as const));
      for (const call of texts.keys()) if (!digestible.has(call)) texts.delete(call);
      if (texts.size === 0) continue;
      this.#transcript.shorten(turn, (part) => shortened(part, texts));
      passage.digest([...texts.keys()], this.#transcript.said(turn), counter);
      count += texts.size;
    }
    return count;
  }

  /** PS2. They left. */
  release(turns: Iterable<string>): void {
    for (const turn of turns) {
      const passage = this.#passages.get(turn);
      // One that runs cannot leave.
      if (passage === undefined || passage.to === null) continue;
      this.#remove(passage);
    }
  }

  #apply(event: StoredEvent, turn: string): void {
    switch (event.kind) {
      case 'turn.accepted': {
        const { kind, disposition } = JSON.parse(event.body) as EventBodies['turn.accepted'];
        if (disposition !== 'steered') this.#accept({ turn, kind, from: event.seq, origin: null });
        return;
      }
      case 'turn.requeued': {
        const { turn: next } = JSON.parse(event.body) as EventBodies['turn.requeued'];
        const from = this.#passages.get(turn);
        const kind = from?.kind ?? 'user';
        this.#accept({ turn: next, kind, from: event.seq, origin: from?.task ?? null });
        return;
      }
      case 'turn.started':
        return this.#start(event, turn);
      case 'turn.dropped':
        return this.#drop((JSON.parse(event.body) as EventBodies['turn.dropped']).turn);
      case 'turn.ended':
        return this.#end(event, turn);
      default:
        return this.#work(event, this.#passages.get(turn));
    }
  }

  /** What a turn does while it runs. */
  #work(event: StoredEvent, passage: Passage | undefined): void {
    if (passage === undefined) return;
    const { turn, task } = passage;
    if (event.kind === 'tool.called') {
      const { call, name } = JSON.parse(event.body) as EventBodies['tool.called'];
      this.#wait({ turn, call, name });
      if (task !== null) this.#tasks.tool(task, name);
    }
    if (event.kind === 'tool.returned') {
      const { call } = JSON.parse(event.body) as EventBodies['tool.returned'];
      this.#pending?.delete(keyOf(turn, call));
      this.#returned += 1;
      passage.returned(call, event.seq);
    }
    if (event.kind === 'child.started' && task !== null) {
      this.#tasks.child(task, (JSON.parse(event.body) as EventBodies['child.started']).session);
    }
  }

  #wait(call: PendingCall): void {
    this.#pending ??= new Map();
    this.#pending.set(keyOf(call.turn, call.call), call);
  }

  #accept(accepted: Pick<PackedPassage, 'turn' | 'kind' | 'from' | 'origin'>): void {
    if (this.#passages.has(accepted.turn)) return; // Another input of it.
    this.#passages.set(accepted.turn, new Passage(accepted));
  }

  #start(event: StoredEvent, turn: string): void {
    const passage = this.#passages.get(turn);
    if (passage === undefined) return;
    const { goesOn } = JSON.parse(event.body) as EventBodies['turn.started'];
    if (goesOn !== true) {
      passage.begin();
      this.#forget(turn);
    }
    if (passage.task !== null) return; // A later attempt.
    const text = this.#transcript
      .inputs(turn)
      .map(({ parts }) => textOf(parts))
      .join('\n');
    const { kind, from, origin } = passage;
    passage.task = this.#tasks.begin({ turn, kind, origin, text, from, at: event.at });
  }

  #end(event: StoredEvent, turn: string): void {
    const passage = this.#passages.get(turn);
    this.#forget(turn);
    if (passage === undefined || passage.to !== null) return;
    const { outcome } = JSON.parse(event.body) as EventBodies['turn.ended'];
    passage.to = event.seq;
    if (passage.task === null || passage.isDropped) return this.#remove(passage); // PS2
    this.#tasks.end(passage.task, outcome, event.seq, event.at);
    this.#transcript.shorten(turn, (part, seq) => {
      if (part.type === 'tool-result') passage.said(part.call, seq);
      return part;
    });
    this.#passages.delete(turn);
    this.#passages.set(turn, passage); // PS1
    this.#enter(passage);
  }

  #drop(turn: string): void {
    const passage = this.#passages.get(turn);
    if (passage === undefined || passage.isDropped) return;
    passage.isDropped = true;
    if (passage.task !== null) this.#tasks.drop(passage.task, turn);
    if (passage.to !== null) this.#remove(passage); // PS2
  }

  #enter(passage: Passage): void {
    passage.show(this.#transcript.said(passage.turn));
  }

  #remove(passage: Passage): void {
    this.#passages.delete(passage.turn);
    this.#transcript.release(passage.turn);
  }

  /** Calls that wait for a result nobody will give any more. */
  #forget(turn: string): void {
    if (this.#pending === undefined) return;
    for (const [key, call] of this.#pending) if (call.turn === turn) this.#pending.delete(key);
  }
}

/** Ids are compared as they are. */
function keyOf(turn: string, call: string): string {
  return JSON.stringify([turn, call]);
}

function shortened(part: Part, texts: ReadonlyMap<string, string>): Part {
  if (part.type === 'tool-call' && texts.has(part.call)) {
    const input = shortInput(part.input);
    return input === part.input ? part : { ...part, input };
  }
  const text = part.type === 'tool-result' ? texts.get(part.call) : undefined;
  if (part.type !== 'tool-result' || text === undefined) return part;
  const { ref: _left, ...rest } = part;
  return { ...rest, output: text };
}
