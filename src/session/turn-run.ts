// Turn run: drives one attempt of one turn through the agent's instance.
//
//   R1. Events are appended in the order the agent yields them. `tool.called` is durable before the agent is pulled
//       again; other events are pipelined while the log has room.
//   R2. After a stop only results and usage of what had begun are kept: what was said before stays, nothing is added.
//   R3. An agent that does not end within `cancelMsMax` of its signal is given up; the caller retires it.
//   R4. The deadline counts running time: it stands still while a person is asked.
//   R5. Every tool call that was begun has a result when the attempt is over; what nobody knows is `unknown`.
//   R6. What goes into a tool and comes out of it is kept without our own secrets; the agent has the real ones.
//   R7. What no event can hold is stood in for: its size does not end a turn.
import { SojournError } from '../kernel/errors.ts';
import type { Clock, Millis, Timer } from '../kernel/clock.ts';
import type { AgentEvent, AgentTurn } from '../agent/agent.ts';
import { offloads, type Overflow } from '../context/overflow.ts';
import type { Also, Draft, SessionLog } from '../log/session-log.ts';
import type { ArtifactRow } from '../store/store.ts';
import type { ToolResultPart } from '../wire/message.ts';
import type { TurnError } from '../wire/turn.ts';
import { checkName, checkNames } from './agent-names.ts';
import { Composer } from './composer.ts';
import { keptOf, keptPart } from './kept.ts';
import type { LiveSession } from './live.ts';
import type { Spending } from './spending.ts';
import { isTooLarge, standIn } from './stand-in.ts';
import type { Stop, Turn } from './turn.ts';

export type RunEnd =
  | { kind: 'completed' }
  | { kind: 'failed'; error: TurnError }
  | { kind: 'stopped'; stop: Stop; gaveUp: boolean }
  /** It asked a person, and goes on in a new attempt. */
  | { kind: 'suspended'; gaveUp: boolean }
  /** The log broke: there is nothing more to say. */
  | { kind: 'lost'; error: unknown };

export interface Closing {
  drafts: readonly Draft[];
  artifacts: readonly ArtifactRow[];
}

export interface TurnRunOptions {
  turn: Turn;
  live: LiveSession;
  log: SessionLog;
  overflow: Overflow;
  spending: Spending;
  clock: Clock;
  abort: AbortController;
  /** Running time of all attempts, and how the turn ends when it is used up. */
  deadlineMs: Millis;
  deadlineOutcome: 'expired' | 'budget';
  cancelMsMax: Millis;
}

/** A text piece of more characters is cut into several events. */
const DELTA_CHARS_MAX = 32_768;

export class TurnRun {
  readonly #options: TurnRunOptions;
  readonly #composer = new Composer();
  /** Called and not returned. */
  readonly #calls = new Map<string, string>();
  readonly #artifacts: ArtifactRow[] = [];
  #deadline: Timer | undefined;
  #grace: Timer | undefined;
  /** Since when the deadline runs; undefined while it stands still (R4). */
  #runningSince: Millis | undefined;
  #asking = 0;
  #suspended = false;
  #gaveUp = false;
  #isOver = false;
  #giveUp: (() => void) | undefined;

  constructor(options: TurnRunOptions) {
    this.#options = options;
  }

  get text(): string {
    return this.#composer.text;
  }

  leftMs(): Millis {
    const { turn, clock, deadlineMs } = this.#options;
    const running = this.#runningSince === undefined ? 0 : clock.monotonic() - this.#runningSince;
    return Math.max(0, Math.min(deadlineMs - turn.ranMs - running, this.#options.spending.leftMs()));
  }

  async drive(agentTurn: AgentTurn): Promise<RunEnd> {
    // What was stopped before is not begun, and needs no grace.
    this.#options.abort.signal.addEventListener('abort', () => this.#armGrace(), { once: true });
    this.#resume();
    try {
      await this.#pullAll(agentTurn);
      return this.#end(undefined);
    } catch (error) {
      return this.#end(error);
    } finally {
      this.#isOver = true;
      this.#pause();
      this.#grace?.cancel();
    }
  }

  /** While a person is asked the deadline stands still. Returns the call that ends the waiting. */
  waiting(): () => void {
    this.#asking += 1;
    if (this.#asking === 1) this.#pause();
    return () => {
      this.#asking -= 1;
      if (this.#asking === 0) this.#resume();
    };
  }

  /** This attempt ends here; the next one finds the answer. */
  suspend(): void {
    this.#suspended = true;
    this.#options.abort.abort(
      new SojournError('turn.suspended', `Turn ${this.#options.turn.id} waits for a person`),
    );
  }

  /** What is left to say when the attempt is over: whole messages and the results of open calls (R5). */
  async closing(partial: boolean): Promise<Closing> {
    const drafts: Draft[] = [];
    const { turn, log } = this.#options;
    for (const [call, name] of this.#calls) {
      drafts.push({ kind: 'tool.returned', turn: turn.id, body: { call, isError: true, unknown: true } });
      this.#composer.returned({ type: 'tool-result', call, name, output: 'unknown', isError: true });
    }
    this.#calls.clear();
    await this.#flush(drafts, partial);
    return { drafts: fitting(drafts, log), artifacts: this.#artifacts };
  }

  async #pullAll(agentTurn: AgentTurn): Promise<void> {
    const { live, log } = this.#options;
    if (this.#stopped) return; // What was stopped before it began does not begin.
    const iterator = live.instance.run(agentTurn)[Symbol.asyncIterator]();
    for (;;) {
      const room = log.room();
      if (room !== undefined) await room;
      const step = await this.#pull(() => iterator.next());
      if (step === undefined || step.done === true) return;
      let isTaken = false;
      try {
        await this.#take(step.value);
        isTaken = !this.#stopped;
      } finally {
        // It stands at a yield: it ends there, without going on to what it would have done next (R2).
        if (!isTaken) await this.#pull(async () => iterator.return?.());
      }
      if (!isTaken) return;
    }
  }

  get #stopped(): boolean {
    const { turn } = this.#options;
    return this.#suspended || turn.stop !== undefined || turn.isLost;
  }

  /** Undefined when it was given up (R3). One promise a pull: nothing piles up on a long-lived one. */
  #pull<Step>(step: () => Promise<Step>): Promise<Step | undefined> {
    if (this.#gaveUp) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      this.#giveUp = () => resolve(undefined);
      step().then(resolve, reject);
    });
  }

  #armGrace(): void {
    if (this.#isOver) return; // It was stopped between its last event and its end.
    const { clock, cancelMsMax } = this.#options;
    this.#grace = clock.after(cancelMsMax, () => {
      this.#gaveUp = true;
      this.#giveUp?.();
    });
  }

  #resume(): void {
    const { clock, turn } = this.#options;
    if (this.#runningSince !== undefined || this.#isOver) return;
    const expire = (): void => {
      const reason = `it ran longer than ${this.#options.deadlineMs} ms`;
      turn.stopFor({ outcome: this.#options.deadlineOutcome, reason });
    };
    const leftMs = Math.max(0, this.#options.deadlineMs - turn.ranMs);
    this.#deadline = clock.after(leftMs, expire, 'keeps-alive'); // A process does not end under a turn.
    this.#runningSince = clock.monotonic();
    this.#options.spending.run(turn);
  }

  #pause(): void {
    this.#deadline?.cancel();
    if (this.#runningSince === undefined) return;
    this.#options.turn.ranMs += this.#options.clock.monotonic() - this.#runningSince;
    this.#runningSince = undefined;
    this.#options.spending.pause();
  }

  #end(thrown: unknown): RunEnd {
    const { turn, log } = this.#options;
    // A turn that was abandoned goes on after the restart: it has no outcome yet.
    if (log.broken || turn.isLost)
      return { kind: 'lost', error: thrown ?? new SojournError('log.poisoned', 'The log broke') };
    if (turn.stop !== undefined) return { kind: 'stopped', stop: turn.stop, gaveUp: this.#gaveUp };
    if (this.#suspended) return { kind: 'suspended', gaveUp: this.#gaveUp };
    if (thrown === undefined) return { kind: 'completed' };
    return { kind: 'failed', error: turnError(thrown) };
  }

  async #take(event: AgentEvent): Promise<void> {
    const { turn } = this.#options;
    const stopped = this.#stopped;
    if (typeof event === 'string') {
      if (!stopped) await this.#say('text', event);
      return;
    }
    if (stopped && event.kind !== 'tool.returned' && event.kind !== 'usage') return; // R2
    switch (event.kind) {
      case 'text.delta':
        return this.#say('text', event.text, event.message);
      case 'reasoning.delta':
        return this.#say('reasoning', event.text, event.message);
      case 'message':
        return this.#said(event);
      case 'tool.called':
        return this.#called(event);
      case 'tool.returned':
        return this.#returned(event);
      case 'tool.progress': {
        const { kind, ...body } = event;
        checkName('call', body.call);
        return this.#push({ kind, turn: turn.id, body });
      }
      case 'usage': {
        const billed = this.#options.spending.spend(turn, event);
        const model = event.model === undefined ? {} : { model: event.model };
        return this.#bill({ kind: 'usage', turn: turn.id, body: { ...billed, ...model } });
      }
      case 'custom':
        return this.#custom(event);
      default:
        throw new SojournError('agent.failed', `The agent yielded an event of unknown kind ${kindOf(event)}`);
    }
  }

  /** R7. */
  #push(draft: Draft): void {
    const { log } = this.#options;
    try {
      log.push(draft);
    } catch (error) {
      if (!isTooLarge(error)) throw error;
      log.push(standIn(draft));
    }
  }

  /** R7. Nothing of an append was taken where one of its events is too large. */
  async #append(drafts: readonly Draft[], also: Also): Promise<void> {
    const { log } = this.#options;
    try {
      await log.append(drafts, also);
    } catch (error) {
      if (!isTooLarge(error)) throw error;
      await log.append(fitting(drafts, log), also);
    }
  }

  /** An agent that goes on after a crash must not tell again what is on the bill: what it remembers of it is kept with it. */
  async #bill(draft: Draft): Promise<void> {
    const { live } = this.#options;
    const snapshot = await live.unkept();
    if (snapshot === undefined) this.#push(draft);
    else await this.#append([draft], { snapshot });
  }

  async #say(type: 'text' | 'reasoning', text: string, message?: string): Promise<void> {
    if (text === '') return;
    if (message !== undefined) checkName('message', message);
    if (this.#composer.begins(message)) await this.#flushNow();
    const name = this.#composer.say(type, text, message);
    const kind = type === 'text' ? 'text.delta' : 'reasoning.delta';
    for (const piece of pieces(text)) {
      this.#push({ kind, turn: this.#options.turn.id, body: { text: piece, message: name } });
    }
  }

  async #said(event: Extract<AgentEvent, { kind: 'message' }>): Promise<void> {
    const { overflow, turn } = this.#options;
    checkNames(event);
    const { value: parts, artifacts, offloaded } = await overflow.message(event.parts.map(keptPart)); // R6
    const message = this.#composer.said(event.role, event.parts, event.message);
    const draft: Draft = { kind: 'message', turn: turn.id, body: { message, role: event.role, parts } };
    if (artifacts.length > 0) await this.#append([...offloads(turn.id, offloaded), draft], { artifacts });
    else this.#push(draft);
  }

  async #called(event: Extract<AgentEvent, { kind: 'tool.called' }>): Promise<void> {
    const { turn, spending, overflow } = this.#options;
    if (this.#composer.begins()) await this.#flushNow();
    const { call, name } = event;
    checkName('call', call);
    checkName('tool', name);
    if (!spending.callTool(turn)) return;
    const { whole, ...json } = await keptOf(event.input); // R6
    const carrier = { from: event.kind, call, name, ...json };
    const { value, artifacts, offloaded } = await overflow.json(whole, carrier);
    const { short: input, ...ref } = value;
    const body = { call, name, input, ...ref };
    const drafts = [...offloads(turn.id, offloaded), { kind: event.kind, turn: turn.id, body }];
    await this.#append(drafts, { artifacts }); // R1
    this.#composer.called(call, name, input);
    this.#calls.set(call, name);
  }

  async #returned(event: Extract<AgentEvent, { kind: 'tool.returned' }>): Promise<void> {
    const { overflow, turn } = this.#options;
    const { call } = event;
    const name = this.#calls.get(call);
    if (name === undefined) return; // Never called, or its call was over budget: there is nothing to answer.
    const isError = event.isError ?? false;
    const { whole, ...json } = await keptOf(event.output); // R6
    const carrier = { from: event.kind, call, name, ...json };
    const { value, artifacts, offloaded } = await overflow.output(whole, carrier);
    this.#calls.delete(call);
    const part: ToolResultPart =
      'output' in value
        ? { type: 'tool-result', call, name, output: value.output, isError }
        : { type: 'tool-result', call, name, ref: value, isError };
    this.#composer.returned(part);
    const draft: Draft = { kind: 'tool.returned', turn: turn.id, body: { call, isError, ...value } };
    if (artifacts.length > 0) await this.#append([...offloads(turn.id, offloaded), draft], { artifacts });
    else this.#push(draft);
  }

  async #custom({ kind, name, data }: Extract<AgentEvent, { kind: 'custom' }>): Promise<void> {
    const { overflow, turn } = this.#options;
    const { value, artifacts, offloaded } = await overflow.json(data, { from: kind });
    const { short, ...ref } = value;
    const draft: Draft = { kind, turn: turn.id, body: { name, data: short, ...ref } };
    if (artifacts.length > 0) await this.#append([...offloads(turn.id, offloaded), draft], { artifacts });
    else this.#push(draft);
  }

  async #flushNow(): Promise<void> {
    const drafts: Draft[] = [];
    await this.#flush(drafts, false);
    if (this.#artifacts.length > 0) {
      await this.#append(drafts, { artifacts: this.#artifacts.splice(0) });
    } else for (const draft of drafts) this.#push(draft);
  }

  async #flush(drafts: Draft[], partial: boolean): Promise<void> {
    const { overflow, turn } = this.#options;
    for (const { message, role, parts } of this.#composer.close()) {
      const { value, artifacts, offloaded } = await overflow.message(parts);
      this.#artifacts.push(...artifacts);
      const mark: { partial?: true } = partial && role === 'assistant' ? { partial: true } : {};
      drafts.push(...offloads(turn.id, offloaded), {
        kind: 'message',
        turn: turn.id,
        body: { message, role, parts: value, ...mark },
      });
    }
  }
}

/** R7. */
function fitting(drafts: readonly Draft[], log: SessionLog): Draft[] {
  return drafts.map((draft) => (log.fits(draft) ? draft : standIn(draft)));
}

/** What a caller may know of what an agent threw. */
export function turnError(thrown: unknown): TurnError {
  if (thrown instanceof SojournError) return { code: thrown.code, message: thrown.detail.slice(0, 2_000) };
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return { code: 'agent.failed', message: message.slice(0, 2_000) };
}

function kindOf(event: unknown): string {
  return JSON.stringify((event as { kind?: unknown } | null)?.kind)?.slice(0, 64) ?? 'undefined';
}

function* pieces(text: string): Generator<string> {
  for (let start = 0; start < text.length;) {
    let end = Math.min(text.length, start + DELTA_CHARS_MAX);
    const last = text.charCodeAt(end - 1);
    if (end < text.length && last >= 0xd800 && last <= 0xdbff) end -= 1;
    yield text.slice(start, end);
    start = end;
  }
}
