// Questions: what the turns of one session ask a person, and how the answers find their way back.
//
//   Q1. A question is recorded by turn and key. The same key asked again gets the recorded answer.
//   Q2. It is closed exactly once: answered, expired, or void because its turn is over.
//   Q3. Expiry is decided by the stored time before an answer is taken; the timer only wakes those who wait.
//   Q4. An approval is bound to the hash of the exact input it shows.
//   Q5. What a person said to remember is kept with the session, in the append that closes the question: it outlives
//       instances and processes, answers that very call again, and goes when the session is erased.
//   Q6. An input that is too large for the log is kept exactly, as an artifact that the question refers to.
//   Q7. An answer that is too large is refused before anything changes: the question stays open for another.
import { hash } from 'node:crypto';
import { canonicalJson } from '../kernel/json.ts';
import { SojournError } from '../kernel/errors.ts';
import type { Clock, Millis, Timer } from '../kernel/clock.ts';
import type { Ids } from '../kernel/ids.ts';
import type { Answer, Question } from '../agent/agent.ts';
import { offloads, type Overflow } from '../context/overflow.ts';
import type { Also, Draft, Written } from '../log/session-log.ts';
import { timeText } from '../log/event.ts';
import type { ArtifactRow, RequestPatch } from '../store/store.ts';
import type { AnswerCall } from '../wire/calls.ts';
import type { Offloaded } from '../wire/context.ts';
import type { ArtifactRef } from '../wire/message.ts';
import type { Ask, AskEnd, Turn } from './turn.ts';

const ANSWER_BYTES_MAX = 65_536;

export interface QuestionsOptions {
  clock: Clock;
  ids: Ids;
  requestMs: Millis;
  overflow: Overflow;
  /** Appends with the turn's and the session's rows as they are after the change. */
  append(turn: Turn, drafts: readonly Draft[], also: Also): Promise<Written>;
  /** Whether an event may be this large. */
  fits(draft: Draft): boolean;
  /** What an append kept under this once-key. */
  kept(key: string): Promise<string | null>;
  /** An answer arrived for a turn that holds no instance, or its question expired. */
  wake(turn: Turn): void;
}

/** What a question shows of its call's input. */
export interface ShownInput {
  input: unknown;
  ref?: ArtifactRef;
  /** To be appended with the question. */
  artifacts: readonly ArtifactRow[];
  offloaded: readonly Offloaded[];
}

export class Questions {
  readonly #options: QuestionsOptions;
  readonly #open = new Map<string, { turn: Turn; ask: Ask; key: string; timer: Timer; closing: boolean }>();

  constructor(options: QuestionsOptions) {
    this.#options = options;
  }

  isOpen(request: string): boolean {
    return this.#open.has(request);
  }

  /** Q5. Of the call that an approval is about; no other question is remembered. */
  async remembered({ tool }: Question): Promise<Answer | undefined> {
    const kept = tool === undefined ? null : await this.#options.kept(rememberKey(toolHash(tool)));
    return kept === null ? undefined : (JSON.parse(kept) as Answer);
  }

  /** Any of this turn's questions still waits. */
  waits(turn: Turn): boolean {
    for (const open of this.#open.values()) if (open.turn === turn && !open.closing) return true;
    return false;
  }

  /** Q6. Before a question is opened. Throws `artifact.quota`. */
  async shown({ tool }: Question): Promise<ShownInput> {
    const carrier = { from: 'request.opened', ...(tool === undefined ? {} : { call: tool.call }) } as const;
    const { value, ...moved } = await this.#options.overflow.whole(tool?.input, carrier);
    if ('output' in value) return { input: tool?.input, ...moved };
    return { input: value.preview, ref: value, ...moved };
  }

  /** Opens a question and resolves when it is durable. Its end arrives at `answered`. */
  async open(
    turn: Turn,
    key: string,
    question: Question,
    { artifacts, offloaded, ...shown }: ShownInput,
    answered: (end: AskEnd) => void,
  ): Promise<Ask> {
    const { clock, ids, requestMs } = this.#options;
    const openedAt = clock.now();
    const expiresAt = openedAt + Math.min(question.expiresMs ?? requestMs, requestMs);
    const hash = questionHash(question);
    const state = { kind: 'open', answered } as const;
    const ask: Ask = { request: ids.id(), question, hash, openedAt, expiresAt, state };
    turn.asks.set(key, ask);
    this.watch(turn, key, ask);
    const body = {
      request: ask.request,
      kind: question.kind,
      key,
      text: question.text,
      expiresAt: timeText(expiresAt),
      ...(question.options === undefined ? {} : { options: question.options }),
      ...(question.tool === undefined ? {} : { tool: { ...question.tool, ...shown, inputHash: hash } }),
    };
    const moved = offloads(turn.id, offloaded);
    const row: RequestPatch = {
      id: ask.request,
      turn: turn.id,
      key,
      state: 'open',
      openedAt,
      expiresAt,
      openedEvent: moved.length,
    };
    try {
      await this.#options.append(turn, [...moved, { kind: 'request.opened', turn: turn.id, body }], {
        requests: [row],
        ...(artifacts.length === 0 ? {} : { artifacts }),
      });
    } catch (error) {
      this.#forget(ask.request, { kind: 'void' }); // It was never asked.
      throw error;
    }
    return ask;
  }

  /** Takes care of a question that is open already: a new one, or one that recovery found. */
  watch(turn: Turn, key: string, ask: Ask): void {
    const delay = Math.max(0, ask.expiresAt - this.#options.clock.now());
    const timer = this.#options.clock.after(delay, () => void this.#expire(ask.request));
    this.#open.set(ask.request, { turn, ask, key, timer, closing: false });
  }

  /** Throws `request.not_found`, `request.closed` or `input.too_large`; resolves when the answer is durable. */
  async answer(request: string, call: AnswerCall, by: string | null): Promise<void> {
    const open = this.#open.get(request);
    if (open === undefined || open.closing) {
      throw new SojournError('request.closed', `Request ${request} is not open any more`);
    }
    if (this.#options.clock.now() > open.ask.expiresAt) {
      await this.#expire(request); // Q3
      throw new SojournError(
        'request.closed',
        `Request ${request} expired at ${timeText(open.ask.expiresAt)}`,
      );
    }
    if (Buffer.byteLength(call.answer ?? '') > ANSWER_BYTES_MAX) throw tooLarge(request); // Q7
    const answer: Answer = {
      decision: call.decision,
      ...(call.answer === undefined ? {} : { answer: call.answer }),
      ...(call.remember === undefined ? {} : { remember: call.remember }),
    };
    await this.#close(request, { kind: 'answered', ...answer }, by);
  }

  /** What an ending turn appends about its questions that nobody answered (Q2). */
  voidAll(turn: Turn): { drafts: Draft[]; requests: RequestPatch[] } {
    const drafts: Draft[] = [];
    const requests: RequestPatch[] = [];
    for (const [request, open] of this.#open) {
      if (open.turn !== turn || open.closing) continue;
      this.#forget(request, { kind: 'void' });
      requests.push({ id: request, state: 'closed', closedEvent: drafts.length });
      drafts.push({ kind: 'request.closed', turn: turn.id, body: { request, decision: 'void', by: null } });
    }
    return { drafts, requests };
  }

  /** The session leaves memory: timers stop, nothing is written. */
  drop(): void {
    for (const open of this.#open.values()) open.timer.cancel();
    this.#open.clear();
  }

  async #expire(request: string): Promise<void> {
    const open = this.#open.get(request);
    if (open === undefined || open.closing) return;
    try {
      await this.#close(request, { kind: 'expired' }, null);
    } catch {
      // The log broke; the session is dropped, and recovery finds the question expired.
    }
  }

  async #close(request: string, end: AskEnd, by: string | null): Promise<void> {
    const open = this.#open.get(request);
    if (open === undefined) return;
    const { turn } = open;
    const decision = end.kind === 'answered' ? end.decision : end.kind;
    const body = {
      request,
      decision,
      by,
      ...(end.kind === 'answered' && end.answer !== undefined ? { answer: end.answer } : {}),
      ...(end.kind === 'answered' && end.remember !== undefined ? { remember: end.remember } : {}),
    };
    const closed: Draft = { kind: 'request.closed', turn: turn.id, body };
    if (!this.#options.fits(closed)) throw tooLarge(request); // Q7
    open.closing = true;
    const drafts = [closed];
    const also: Also = { requests: [{ id: request, state: 'closed', closedEvent: 0 }] };
    const written = await this.#options.append(turn, drafts, { ...also, ...remembering(open.ask, end) });
    // The same call was remembered before, when this question was open already: the first answer stays.
    if (written.kind === 'once') await this.#options.append(turn, drafts, also);
    this.#forget(request, end);
    if (turn.state.kind === 'parked') this.#options.wake(turn);
  }

  #forget(request: string, end: AskEnd): void {
    const open = this.#open.get(request);
    if (open === undefined) return;
    open.timer.cancel();
    this.#open.delete(request);
    const { state } = open.ask;
    open.ask.state = { kind: 'closed', end };
    if (state.kind === 'open') state.answered(end);
  }
}

/** Q5. */
function remembering({ hash }: Ask, end: AskEnd): Pick<Also, 'once'> {
  if (end.kind !== 'answered' || end.remember !== true || hash === '') return {};
  const { kind: _answered, ...answer } = end;
  const receipt = JSON.stringify(answer satisfies Answer);
  return { once: { key: rememberKey(hash), hash: '', receipt, expiresAt: Number.MAX_SAFE_INTEGER } };
}

function tooLarge(request: string): SojournError {
  const detail = `The answer to request ${request} is over what is kept of one, ${ANSWER_BYTES_MAX} bytes at most`;
  return new SojournError('input.too_large', detail);
}

const rememberKey = (hash: string): string => `remember:${hash}`;

/** Of the call that a question is about; empty for none. */
export function questionHash({ tool }: Question): string {
  return tool === undefined ? '' : toolHash(tool);
}

/** Q4. */
export function toolHash(tool: { name: string; input: unknown }): string {
  return hash('sha256', canonicalJson([tool.name, tool.input ?? null]));
}
