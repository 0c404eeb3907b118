// Working set: what the next turn of one session may see, made from its log and from nothing else.
//
// Owns: which content stays, what stands for what left, what all of it takes of the window. Does not own: when something
// leaves (`session/compaction.ts`), by what plan (`budget.ts`), how a digest is made (`digest.ts`).
//
//   W1. Feeding the same events shows the same messages, from the start or behind a checkpoint. Nothing else changes them.
//   W2. One set a session, and none is shared: it lives and dies with the live session.
//   W3. What a digest of turns stands for is given up, and so is a turn that was dropped or never started: what is held in
//       memory is bounded by the window, not by the log.
//   W4. What is counted is exact once `counted()` resolves near the window; before that, far from it, and where nothing could
//       count it in time, it is an estimate, and the pressure rather too high than too low. Looking at it asks nobody to count.
//   W5. A checkpoint is taken apart when something is asked or fed first, or ahead of that, while nobody waits for it.
//   W6. A provider's figure is taken only for a prompt that can have held just this set and its turn's inputs.
import { breathe } from '../kernel/breath.ts';
import { timeText } from '../log/event.ts';
import type { Seq, StoredEvent } from '../store/store.ts';
import type { ContextEntry, ContextView, Digest, Pressure } from '../wire/context.ts';
import type { EventBodies } from '../wire/event.ts';
import type { Message, Part } from '../wire/message.ts';
import { type Asking, FirstPrompt } from './first-prompt.ts';
import {
  COUNTED_AT_ONCE,
  COUNTED_WINDOWS,
  Gauge,
  type PackedGauge,
  type WorkingSetOptions,
} from './gauge.ts';
import { type Passage, passageEntry, passagePiece } from './passage.ts';
import { type PackedPassages, Passages } from './passages.ts';
import type { Piece } from './piece.ts';
import { WORKING_SET_KINDS } from './reading.ts';
import {
  type Standing,
  standingCounts,
  type StandingCounts,
  standingEntry,
  standingMessage,
  standingPiece,
} from './standing.ts';
import type { Count } from './tokens.ts';
import { isGuess, Total } from './total.ts';

/** A working set at one moment, as it is stored. */
export interface Checkpoint {
  lastSeq: Seq;
  /** JSON. */
  packed: string;
}

/** Of what a checkpoint holds: one of another format is passed over, and the log read instead. */
export const CHECKPOINT_FORMAT = 6;

interface Tally {
  digested: number;
  compactions: number;
  tokensSaved: number;
  lastCompaction: Seq | null;
}

interface Packed {
  passages: PackedPassages;
  gauge: PackedGauge;
  tally: Tally;
  standing?: Standing;
  asking?: Asking;
}

export class WorkingSet {
  readonly #passages = new Passages();
  readonly #gauge: Gauge;
  #lastSeq: Seq = 0;
  #standing: Standing | undefined;
  #tally: Tally = { digested: 0, compactions: 0, tokensSaved: 0, lastCompaction: null };
  readonly #firstPrompt = new FirstPrompt();
  /** Of a checkpoint, until it is taken apart (W5). */
  #packed: string | undefined;
  #history: readonly Message[] | undefined;
  #total: Total | undefined;

  constructor(options: WorkingSetOptions) {
    this.#gauge = new Gauge(options);
  }

  static from({ lastSeq, packed }: Checkpoint, options: WorkingSetOptions): WorkingSet {
    const set = new WorkingSet(options);
    set.#lastSeq = lastSeq;
    set.#packed = packed;
    return set;
  }

  /** Its agent was replaced by another one. */
  measureBy(options: WorkingSetOptions): void {
    this.#gauge.options = options;
  }

  /** W5. Idempotent. */
  unpack(): void {
    if (this.#packed === undefined) return;
    const { passages, gauge, tally, standing, asking } = JSON.parse(this.#packed) as Packed;
    this.#packed = undefined;
    this.#passages.unpack(passages);
    this.#gauge.unpack(gauge);
    this.#tally = tally;
    this.#standing = standing;
    this.#firstPrompt.resume(asking);
  }

  /** Undefined when it would be larger than `charsMax`, or there is nothing in it. */
  checkpoint(charsMax: number): Checkpoint | undefined {
    const packed = this.#packed ?? this.#pack(charsMax);
    return packed === undefined || packed.length > charsMax ? undefined : { lastSeq: this.#lastSeq, packed };
  }

  #pack(charsMax: number): string | undefined {
    const { chars } = this.#passages;
    if (chars > charsMax || (chars === 0 && this.#standing === undefined)) return undefined;
    const { asking } = this.#firstPrompt;
    const packed: Packed = {
      passages: this.#passages.pack(),
      gauge: this.#gauge.pack(),
      tally: this.#tally,
      ...(this.#standing === undefined ? {} : { standing: this.#standing }),
      ...(asking === undefined ? {} : { asking }),
    };
    return JSON.stringify(packed);
  }

  get lastSeq(): Seq {
    return this.#lastSeq;
  }

  /** About what it holds in memory. */
  get bytes(): number {
    return 2 * (this.#packed?.length ?? this.#passages.chars + (this.#standing?.text.length ?? 0));
  }

  /** Some message refers to a file: what was said has to be restored before an agent sees it. */
  get hasRefs(): boolean {
    this.unpack();
    return this.#passages.hasRefs;
  }

  /** Events in order; those seen before are passed over. The only way it changes (W1). */
  feed(events: readonly StoredEvent[]): void {
    if (events.length > 0) this.unpack();
    for (const event of events) {
      if (event.seq <= this.#lastSeq) continue;
      this.#lastSeq = event.seq;
      if (!WORKING_SET_KINDS.has(event.kind)) continue;
      if (this.#firstPrompt.feed(event)) this.#used(event);
      if (event.kind === 'context.compacted') this.#compact(event);
      else this.#passages.feed(event);
      if (event.kind === 'turn.ended') this.#append(event);
      else if (CHANGES_HISTORY.has(event.kind)) this.#history = this.#total = undefined;
    }
  }

  /** A turn that has ended stands last; of one that left nothing there is nothing to show. */
  #append({ turn, seq }: StoredEvent): void {
    const passage = turn === null ? undefined : this.#passages.get(turn);
    if (passage?.to !== seq) return;
    this.#history = this.#history?.concat(passage.messages);
    this.#total?.add(this.#counts(passage));
  }

  /** What an agent sees of the time before its turn, oldest first. The same messages as long as nothing changes. */
  history(): readonly Message[] {
    this.unpack();
    this.#history ??= this.#shown().slice(); // Without the room that was left to grow.
    return this.#history;
  }

  #shown(): Message[] {
    const turns = [...this.#passages.ended()].flatMap(({ messages }) => messages);
    return this.#standing === undefined ? turns : [standingMessage(this.#standing), ...turns];
  }

  /**
   * Resolves when the counts below, and that of what is `said` next, can be trusted (W4); at once where all of it, with the tokens
   * that come `besides`, is far from the window. To be awaited before a plan: it takes a bounded time, and never rejects.
   */
  async counted(said: readonly { readonly parts: readonly Part[] }[] = [], besides = 0): Promise<void> {
    const gauge = this.#gauge;
    const { counter } = gauge;
    const next = besides + gauge.scaled(gauge.count(said, counter), counter.by);
    if (this.#isFar(next)) return;
    await this.estimated();
    if (!gauge.near(this.tokens + next)) return;
    const texts = new Set<string>();
    gauge.gather(said, texts);
    if (this.#standing !== undefined && isGuess(this.#standing.counts, gauge.wanted))
      gauge.gather([standingMessage(this.#standing)], texts);
    await this.#each(this.#uncounted(), (passage) => gauge.gather(passage.messages, texts));
    await gauge.options.texts.learn(texts);
    if (isGuess(this.#standing?.counts, gauge.wanted)) delete this.#standing?.counts;
    this.#total = undefined;
    await this.#each(this.#uncounted(), (passage) => {
      passage.recount(gauge.counter);
      this.#total = undefined;
    });
  }

  /** Resolves when the counts below take no longer than a look at each turn. To be awaited before they are asked for. */
  async estimated(): Promise<void> {
    this.unpack();
    const unseen = [...this.#passages.ended()].filter(({ isEstimated }) => !isEstimated);
    if (unseen.length > 0) await this.#each(unseen, () => undefined);
  }

  /** What `make` answers, by counts that can be trusted. It takes a bounded time; the set may be another one then. */
  exactly<Made>(make: (count: Count) => Made): Promise<Made> {
    this.unpack();
    return this.#gauge.exactly(make);
  }

  /** Newest first, as far as they may stand in a prompt: what is older leaves, whatever its count. */
  #uncounted(): Passage[] {
    let left = COUNTED_WINDOWS * this.windowTokens;
    return [...this.#passages.ended()].toReversed().filter((passage) => {
      if (left < 0) return false;
      left -= this.#counts(passage).tokens;
      return !passage.isCounted(this.#gauge.wanted);
    });
  }

  async #each(passages: readonly Passage[], look: (passage: Passage) => void): Promise<void> {
    let tokens = 0;
    for (const passage of passages) {
      look(passage);
      tokens += this.#counts(passage).tokens;
      if (tokens < COUNTED_AT_ONCE) continue;
      await breathe();
      tokens = 0;
    }
  }

  /** Of `history()`. */
  get tokens(): number {
    this.unpack();
    return [...this.#all()].reduce((sum, { tokens, by }) => sum + this.#gauge.scaled(tokens, by), 0);
  }

  /** Rather too many, as long as some of them were guessed (W4). */
  get tokensMost(): number {
    this.unpack();
    const each = ({ tokens, guessed, by }: StandingCounts): number => this.#gauge.most(tokens, guessed, by);
    return [...this.#all()].reduce((sum, counts) => sum + each(counts), 0);
  }

  /** Of the digest of turns that stands first, and of each turn. */
  *#all(): Generator<Readonly<StandingCounts>> {
    if (this.#standing !== undefined) yield standingCounts(this.#standing, this.#gauge);
    for (const passage of this.#passages.ended()) yield this.#counts(passage);
  }

  get #sum(): Total {
    const by = this.#gauge.wanted;
    if (this.#total?.by !== by) this.#total = new Total(by, this.#all());
    return this.#total;
  }

  /** What a prompt has besides, as the provider's figures tell. */
  get overheadTokens(): number {
    this.unpack();
    return this.#gauge.overheadTokens;
  }

  get windowTokens(): number {
    return this.#gauge.windowTokens;
  }

  /** Of what may come to it: the inputs of a turn. */
  count(said: readonly { readonly parts: readonly Part[] }[]): number {
    this.unpack();
    const { counter } = this.#gauge;
    return this.#gauge.scaled(this.#gauge.count(said, counter), counter.by);
  }

  /** Rather too many, as long as some of them were guessed (W4). */
  countMost(said: readonly { readonly parts: readonly Part[] }[]): number {
    this.unpack();
    const { counter } = this.#gauge;
    const tokens = this.#gauge.count(said, counter);
    return this.#gauge.most(tokens, counter.by === 'estimate' ? tokens : counter.guessed, counter.by);
  }

  /** As long as it is the same, the same messages count the same. */
  get basis(): string {
    this.unpack();
    return this.#gauge.basis;
  }

  /** It and what is `said` next are so small that nothing of it needs to be counted. */
  isFar(said: readonly { readonly parts: readonly Part[] }[]): boolean {
    return this.#isFar(this.countMost(said));
  }

  #isFar(besides: number): boolean {
    this.unpack();
    return this.#standing === undefined && this.#gauge.isFar(this.#passages.bytesMost + besides);
  }

  get pressure(): Pressure {
    if (this.#isFar(0)) return 'none';
    return this.#gauge.pressure(this.tokensMost);
  }

  /** Where the log tells what a call returned. */
  returnedAt(turn: string, call: string): Seq | undefined {
    this.unpack();
    return this.#passages.get(turn)?.returnedAt(call);
  }

  /** Oldest first: the standing digest, then the ended turns that were not dropped. Of what was guessed, rather too much (W4). */
  pieces(): readonly Piece[] {
    this.unpack();
    const turns = [...this.#passages.ended()].map((passage) => passagePiece(passage, this.#gauge));
    return this.#standing === undefined ? turns : [standingPiece(this.#standing, this.#gauge), ...turns];
  }

  /** As they are shown, for a summariser: of a digest nothing, its text is `earlier`. */
  messagesOf(piece: Piece): readonly Message[] {
    this.unpack();
    return piece.turn === null ? [] : (this.#passages.get(piece.turn)?.messages ?? []);
  }

  /** The text of the standing `turns` digest. */
  get earlier(): string | undefined {
    this.unpack();
    return this.#standing?.text;
  }

  view(): Omit<ContextView, 'session' | 'artifacts' | 'marks'> {
    const { tokens, pressure } = this;
    const { pending, returned, tasks } = this.#passages;
    const { digested, compactions: count, tokensSaved, lastCompaction: lastSeq } = this.#tally;
    return {
      seq: this.#lastSeq,
      windowTokens: this.windowTokens,
      overheadTokens: this.overheadTokens,
      tokens,
      pressure,
      counting: this.#sum.isGuessed ? 'estimate' : this.#gauge.wanted,
      entries: this.#entries(),
      calls: { pending, returned, digested },
      compactions: { count, tokensSaved, lastSeq },
      tasks: tasks.views(),
      earlierTasks: tasks.earlier,
    };
  }

  #entries(): ContextEntry[] {
    const turns = [...this.#passages.ended()].map((passage) => passageEntry(passage, this.#gauge));
    return this.#standing === undefined ? turns : [standingEntry(this.#standing, this.#gauge), ...turns];
  }

  #counts(passage: Passage): ReturnType<Passage['counts']> {
    return passage.counts(this.#gauge.counter);
  }

  #compact(event: StoredEvent): void {
    const { digests, tokensBefore, tokensAfter } = JSON.parse(event.body) as EventBodies['context.compacted'];
    for (const digest of digests) {
      if (digest.kind === 'turns') this.#stand(digest, timeText(event.at));
      else this.#tally.digested += this.#passages.digest(digest.calls ?? [], this.#gauge.counter);
    }
    this.#tally.compactions += 1;
    this.#tally.tokensSaved += Math.max(0, tokensBefore - tokensAfter);
    this.#tally.lastCompaction = event.seq;
  }

  /** W3. It stands for the digest before it, too. */
  #stand({ from, to, ref, turns, text = '' }: Digest, at: string): void {
    const last = turns.findLast((turn) => this.#passages.get(turn) !== undefined);
    const task = last === undefined ? undefined : this.#passages.get(last)?.task;
    this.#standing = { from, to, ref, text, task: task ?? this.#standing?.task ?? null, at };
    this.#passages.release(turns);
  }

  /** W6. */
  #used({ turn, body }: StoredEvent): void {
    if (turn === null) return;
    const { model, inputTokens, cacheReadTokens, cacheWriteTokens } = JSON.parse(
      body,
    ) as EventBodies['usage'];
    if (model !== undefined) this.#gauge.named(model);
    const { counter } = this.#gauge;
    let tokens = this.#gauge.count(this.#passages.inputs(turn), counter);
    const shown = this.#sum;
    if (counter.by !== 'estimate' && (counter.guessed > 0 || shown.isGuessed)) return;
    tokens += shown.tokens;
    this.#gauge.note(tokens, inputTokens + cacheReadTokens + cacheWriteTokens, counter.by);
  }
}

const CHANGES_HISTORY = new Set(['turn.dropped', 'context.compacted']);
