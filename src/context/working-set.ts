// Working set: what the next turn of one session may see, made from its log and from nothing else.
//
// Owns: which content stays, what stands for what left, what all of it takes of the window. Does not own: when something
// leaves (`session/compaction.ts`), by what plan (`budget.ts`), how a digest is made (`digest.ts`).
//
//   W1. Feeding the same events gives the same set, from the start or behind a checkpoint. Nothing else changes it.
//   W2. One set a session, and none is shared: it lives and dies with the live session.
import type { Limits } from '../kernel/limits.ts';
import { type Checkpoint, Transcript, TRANSCRIPT_KINDS } from '../log/transcript.ts';
import type { Seq, StoredEvent } from '../store/store.ts';
import type { ContextView, Pressure } from '../wire/context.ts';
import type { Message, Part } from '../wire/message.ts';

export type { Checkpoint };

/** The kinds it is made of: what to read when it is built from the store. */
export const WORKING_SET_KINDS: readonly string[] = TRANSCRIPT_KINDS;

export interface WorkingSetOptions {
  windowTokens: number;
  /** Names the family tokens are counted by, until a model's usage names its own. */
  model: string | undefined;
  limits: Pick<Limits, 'contextMild' | 'contextAggressive' | 'contextEmergency'>;
}

/** What can leave, as a plan sees it: the standing digest of turns, or an ended turn. */
export interface Piece {
  kind: 'digest' | 'turn';
  /** Null of a digest. */
  turn: string | null;
  /** The first and the last of its events; those of other turns may lie between them. */
  from: Seq;
  to: Seq;
  /** The id of the task it belongs to; of a digest the last one's. */
  task: string | null;
  /** As it is shown now. */
  tokens: number;
  /** Those of `tokens` that are what people said in it. */
  saidTokens: number;
  calls: readonly PieceCall[];
}

/** A call of a tool that was answered, by the turn and the call's own id: a call's id may come again in another turn. */
export interface PieceCall {
  turn: string;
  call: string;
  name: string;
  /** Of its `tool.returned`. */
  seq: Seq;
  /** Input and result, as shown now. */
  tokens: number;
  digested: boolean;
  /** The pair as it was, for a summariser. */
  messages(): readonly Message[];
}

export class WorkingSet {
  #options: WorkingSetOptions;
  /** Recovery asks it for inputs and offers. */
  readonly transcript: Transcript;

  constructor(options: WorkingSetOptions, transcript = new Transcript()) {
    this.#options = options;
    this.transcript = transcript;
  }

  static from(checkpoint: Checkpoint, options: WorkingSetOptions): WorkingSet {
    return new WorkingSet(options, Transcript.from(checkpoint));
  }

  /** Its agent was replaced by another one. */
  measureBy(options: WorkingSetOptions): void {
    this.#options = options;
  }

  /** Ahead of being asked, while nobody waits for it. Idempotent. */
  unpack(): void {
    this.transcript.unpack();
  }

  /** Undefined when it would be larger than `charsMax`. */
  checkpoint(charsMax: number): Checkpoint | undefined {
    return this.transcript.checkpoint(charsMax);
  }

  /** Events in order; those seen before are passed over. The only way it changes (W1). */
  feed(events: readonly StoredEvent[]): void {
    this.transcript.feed(events);
  }

  get lastSeq(): Seq {
    return this.transcript.lastSeq;
  }

  /** About what it holds in memory. */
  get bytes(): number {
    return this.transcript.bytes;
  }

  /** Some message refers to a file: what was said has to be restored before an agent sees it. */
  get hasRefs(): boolean {
    return this.transcript.hasRefs;
  }

  /** What an agent sees of the time before its turn, oldest first. */
  history(): readonly Message[] {
    return this.transcript.history();
  }

  /**
   * Resolves when the counts below can be trusted near the window; at once where the set is far from it. Before a plan
   * is made from them it is awaited; what is read before that is an estimate that is never too low.
   */
  counted(): Promise<void> {
    return Promise.resolve();
  }

  /** Of `history()`. */
  get tokens(): number {
    return 0;
  }

  /** What a prompt has besides, as the provider's figures tell. */
  get overheadTokens(): number {
    return 0;
  }

  get windowTokens(): number {
    return this.#options.windowTokens;
  }

  /** Of what may come to it: the inputs of a turn. */
  count(_said: readonly { readonly parts: readonly Part[] }[]): number {
    return 0;
  }

  get pressure(): Pressure {
    return 'none';
  }

  /** Oldest first: the standing digest, then the ended turns that were not dropped. */
  pieces(): readonly Piece[] {
    return [];
  }

  /** As they were said, for a summariser: of a digest nothing, its text is `earlier`. */
  messagesOf(_piece: Piece): readonly Message[] {
    return [];
  }

  /** The text of the standing `turns` digest. */
  get earlier(): string | undefined {
    return undefined;
  }

  view(): Omit<ContextView, 'session' | 'artifacts' | 'marks'> {
    return {
      seq: this.lastSeq,
      windowTokens: this.windowTokens,
      overheadTokens: this.overheadTokens,
      tokens: this.tokens,
      pressure: this.pressure,
      counting: this.#options.model ?? 'unknown',
      entries: [],
      calls: { pending: [], returned: 0, digested: 0 },
      compactions: { count: 0, tokensSaved: 0, lastSeq: null },
      tasks: [],
      earlierTasks: 0,
    };
  }
}
