// Exchange: one prompt to an agent, and everything that comes of it, as the events of one turn.
//
//   X1. A prompt ends before its turn does: answered, or cancelled and answered, or its process group is gone. From the
//       signal to that it takes `cancelMs`, and the time the system needs to kill.
//   X2. Questions to people do not hold up what else the agent says. When the prompt is over, none is left open.
//   X3. What `turn.ask` rejects with passes through unchanged; only a question that expired is a refusal.
//   X4. What a stopped prompt has cost is on the bill, also where the agent says so only when it is stopped.
import type {
  ContentBlock,
  PromptResponse,
  RequestPermissionRequest,
  RequestPermissionResponse,
  SessionUpdate,
  UsageUpdate,
} from '@agentclientprotocol/sdk';
import type { Millis, Timer } from '../../kernel/clock.ts';
import { SojournError } from '../../kernel/errors.ts';
import type { Logger } from '../../kernel/logger.ts';
import type { AgentEvent, AgentTurn, Answer } from '../agent.ts';
import { Calls, type KnownCall } from './calls.ts';
import { Mail } from './mail.ts';
import { type Peer, type Listener } from './peer.ts';
import { type Asked, CANCELLED, questionOf, responseTo } from './permission.ts';
import { type Cost, Updates } from './updates.ts';
import { usageEvent } from './usage.ts';

export interface ExchangeParts {
  peer: Peer;
  turn: AgentTurn;
  prompt: ContentBlock[];
  asked: Asked;
  cost: Cost;
  name: string;
  resultCharsMax: number;
  cancelMs: Millis;
  logger: Logger;
}

interface Permission {
  request: RequestPermissionRequest;
  reply: (response: RequestPermissionResponse) => void;
}

type Arrival =
  | { kind: 'update'; update: SessionUpdate }
  | ({ kind: 'permission' } & Permission)
  | { kind: 'event'; event: AgentEvent }
  | { kind: 'quiet' }
  | { kind: 'answered'; response: PromptResponse }
  | { kind: 'failed'; error: unknown }
  | { kind: 'aborted' };

/** What an agent may say ahead of the log. */
const MAIL_CHARS_MAX = 1_024 * 1_024;

/** Arguments of a call that do not change for so long are all there are. */
const FORMING_MS: Millis = 250;

export class Exchange implements Listener {
  readonly #parts: ExchangeParts;
  readonly #mail = new Mail<Arrival>(MAIL_CHARS_MAX);
  readonly #calls: Calls;
  readonly #updates: Updates;
  readonly #open = new Set<Permission>();
  /** Settles when the prompt is over, with its answer where it has one. Never rejects. */
  #over: Promise<PromptResponse | undefined> = Promise.resolve(undefined);
  #isOver = false;
  #quiet: Timer | undefined;
  #hasIgnored = false;
  /** The newest sum that was heard and is not on the bill yet. */
  #unbilled: UsageUpdate | undefined;

  constructor(parts: ExchangeParts) {
    this.#parts = parts;
    const { turn, cost, resultCharsMax } = parts;
    this.#calls = new Calls(resultCharsMax);
    this.#updates = new Updates({ turn, calls: this.#calls, cost });
  }

  async *events(): AsyncIterable<AgentEvent> {
    const { peer, turn } = this.#parts;
    const abort = (): void => this.#mail.push({ kind: 'aborted' });
    turn.signal.throwIfAborted(); // Stopped while the agent was being started: it is asked nothing.
    turn.signal.addEventListener('abort', abort, { once: true });
    this.#begin();
    try {
      for (;;) {
        const arrival = await this.#mail.take();
        if (turn.signal.aborted) {
          const response = await this.#stop();
          // X4: in one event, since behind a stop the runtime takes no second one.
          const costUsd = this.#updates.added(this.#unbilled?.cost);
          yield* usageEvent(response, this.#updates.isCosted ? costUsd : undefined);
          throw turn.signal.reason;
        }
        if (arrival.kind === 'failed') throw arrival.error;
        if (arrival.kind === 'answered') return yield* this.#ended(arrival.response);
        yield* this.#events(arrival);
        this.#waitForMore();
      }
    } finally {
      this.#quiet?.cancel();
      turn.signal.removeEventListener('abort', abort);
      if (!this.#isOver) await this.#stop(); // X1
      peer.listen(undefined);
    }
  }

  heard(update: SessionUpdate, weight: number): void {
    if (update.sessionUpdate === 'usage_update') this.#unbilled = update;
    this.#mail.push({ kind: 'update', update }, weight);
  }

  room(): Promise<void> | undefined {
    return this.#mail.room();
  }

  permission(request: RequestPermissionRequest, signal: AbortSignal): Promise<RequestPermissionResponse> {
    if (this.#isOver) return Promise.resolve(CANCELLED);
    return new Promise((resolve) => {
      const permission: Permission = {
        request,
        reply: (response) => {
          this.#open.delete(permission);
          resolve(response);
        },
      };
      this.#open.add(permission);
      signal.addEventListener('abort', () => permission.reply(CANCELLED), { once: true });
      this.#mail.push({ kind: 'permission', ...permission });
    });
  }

  #begin(): void {
    const { peer, prompt } = this.#parts;
    peer.listen(this);
    this.#over = peer.prompt(prompt).then(
      (response) => {
        this.#isOver = true;
        this.#mail.push({ kind: 'answered', response });
        return response;
      },
      (error: unknown) => {
        this.#isOver = true;
        this.#mail.push({ kind: 'failed', error });
        return undefined;
      },
    );
  }

  #waitForMore(): void {
    this.#quiet?.cancel();
    if (!this.#calls.areForming) return;
    this.#quiet = this.#parts.turn.clock.after(FORMING_MS, () => this.#mail.push({ kind: 'quiet' }));
  }

  *#events(arrival: Exclude<Arrival, { kind: 'answered' | 'failed' }>): Iterable<AgentEvent> {
    if (arrival.kind === 'quiet') yield* this.#calls.settle();
    if (arrival.kind === 'event') yield arrival.event;
    if (arrival.kind === 'update') {
      if (arrival.update === this.#unbilled) this.#unbilled = undefined;
      yield* this.#understood(arrival.update);
    }
    if (arrival.kind !== 'permission') return;
    // Resumed behind `tool.called`, so the call is in the log before anybody can allow it.
    const call = yield* this.#calls.asked(arrival.request.toolCall);
    this.#ask(call, arrival);
  }

  /** What is not as the protocol has it is left out: the turn goes on. */
  *#understood(update: SessionUpdate): Iterable<AgentEvent> {
    const events = this.#updates.events(update)[Symbol.iterator]();
    for (;;) {
      let next: IteratorResult<AgentEvent>;
      try {
        next = events.next();
      } catch (error) {
        const { name: agent, logger } = this.#parts;
        if (!this.#hasIgnored)
          logger.warn('acp.update_ignored', { agent, kind: String(update.sessionUpdate), error });
        this.#hasIgnored = true; // Once a turn: a log is no place for a flood.
        return;
      }
      if (next.done === true) return;
      yield next.value;
    }
  }

  /** X2. */
  #ask(call: KnownCall, { request, reply }: Permission): void {
    const { turn, asked } = this.#parts;
    const { key, answered } = asked.key(call);
    const answers = turn.ask(key, questionOf(call, request)).catch((error: unknown): Answer => {
      if (!SojournError.is(error, 'request.closed')) throw error;
      return { decision: 'deny', answer: 'Nobody answered in time.' }; // X3
    });
    answers.then(
      (answer) => {
        answered();
        reply(responseTo(answer, request.options));
        if (answer.decision === 'allow') return;
        const message = answer.answer === undefined ? 'Denied.' : `Denied: ${answer.answer}`;
        this.#mail.push({ kind: 'event', event: { kind: 'tool.progress', call: call.call, message } });
      },
      (error: unknown) => {
        reply(CANCELLED);
        this.#mail.push({ kind: 'failed', error }); // X3
      },
    );
  }

  *#ended(response: PromptResponse): Iterable<AgentEvent> {
    const { name } = this.#parts;
    yield* usageEvent(response, this.#updates.isCosted ? 0 : undefined); // What it cost has been said.
    const reason = String(response.stopReason);
    if (reason === 'cancelled') throw new SojournError('agent.failed', `${name} stopped the turn by itself`);
    if (reason !== 'end_turn') yield { kind: 'custom', name: 'finish', data: { reason } };
  }

  /** X1. Answers what the agent answered, if it did. */
  async #stop(): Promise<PromptResponse | undefined> {
    const { peer, turn, cancelMs, name, logger } = this.#parts;
    this.#mail.discard();
    const late = Promise.withResolvers<'late'>();
    const timer = turn.clock.after(cancelMs, () => late.resolve('late'), 'keeps-alive');
    // Before the permissions: an agent that hears of these first takes them for refusals, and goes on. One that reads nothing
    // cannot be told; a connection that is over ends the prompt, too.
    if (!this.#isOver) await Promise.race([peer.cancel().catch(() => undefined), late.promise]);
    for (const { reply } of this.#open) reply(CANCELLED);
    const end = await Promise.race([this.#over, late.promise]);
    timer.cancel();
    if (end !== 'late') return end;
    logger.warn('acp.cancel_ignored', { agent: name, turn: turn.id, cancelMs });
    await peer.kill();
    return undefined;
  }
}
