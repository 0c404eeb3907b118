// Conversation: a session as its events show it. What runs, what waits, what is asked, and how all that looks.
//
//   V1. Turns and requests are counted by events alone: what others do in the session counts as well.
//   V2. A message of our own is not shown again: it stands where it was typed.
//   V3. A question is shown once, though it may have been open before the first event and come again as one.
import type { Event } from '../wire/event.ts';
import { textOf } from '../wire/message.ts';
import type { RequestView, SessionView } from '../wire/session.ts';
import type { Receipt, TurnView } from '../wire/turn.ts';
import type { ChatScreen } from './chat-screen.ts';
import { eventSummary, jsonText } from './event-text.ts';
import { Reply } from './reply.ts';
import { brief, visible } from './screen.ts';

export type OpenRequest = Pick<RequestView, 'id' | 'kind' | 'text' | 'options'> & { postponed: boolean };

const TEXT_MAX = 400;

export class Conversation {
  readonly #screen: ChatScreen;
  readonly #reply = new Reply();
  /** Accepted and not over, oldest first. */
  readonly #turns = new Set<string>();
  readonly #requests = new Map<string, OpenRequest>();
  readonly #shown = new Set<string>();
  /** Of our own messages that have not been seen in the log yet. */
  readonly #receipts: Receipt[] = [];
  /** That our messages became. */
  readonly #own = new Set<string>();
  #running: string | undefined;
  #failed = false;

  constructor(screen: ChatScreen) {
    this.#screen = screen;
  }

  /** What was there before the first event that is followed; answers from where to follow. */
  begin(session: SessionView, turns: readonly TurnView[], requests: readonly RequestView[]): number {
    let after = session.headSeq;
    for (const turn of turns.toReversed()) {
      if (turn.state === 'done') continue;
      this.#turns.add(turn.id);
      // What a running turn has said so far is shown too.
      if (turn.startSeq !== null) after = Math.min(after, turn.startSeq - 1);
    }
    for (const request of requests) {
      if (request.session === session.id) this.#opened({ ...request, postponed: false });
    }
    return after;
  }

  /** The turn that a cancel should stop. */
  get turn(): string | undefined {
    const [first] = this.#turns;
    return this.#running ?? first;
  }

  /** What a typed line answers. */
  get request(): OpenRequest | undefined {
    return this.#requests.values().find((request) => !request.postponed);
  }

  get asks(): boolean {
    return this.#requests.size > 0;
  }

  /** Nothing of ours is unanswered, and nothing runs or waits. */
  get quiet(): boolean {
    return this.#receipts.length === 0 && this.#turns.size === 0;
  }

  /** One of our messages came to nothing, and nobody wanted that. */
  get failed(): boolean {
    return this.#failed;
  }

  /** Ours to this request is taken: the event that says so may come later. */
  answered(request: OpenRequest): void {
    this.#requests.delete(request.id);
  }

  sent(receipt: Receipt): void {
    this.#receipts.push(receipt);
    this.#own.add(receipt.turn);
  }

  show(event: Event): void {
    switch (event.kind) {
      case 'turn.accepted':
        return this.#accepted(event);
      case 'turn.started':
        this.#running = event.turn ?? undefined;
        // Where nothing had been said, an answered question say, there is nothing to take back.
        if (event.body.attempt > 1 && this.#reply.text !== '')
          this.#note(`attempt ${event.body.attempt}: it ${event.body.goesOn ? 'goes on' : 'begins anew'}`);
        this.#reply.add(event);
        return;
      case 'text.delta':
      case 'message':
        return this.#screen.say(this.#reply.add(event));
      case 'reasoning.delta':
        return this.#screen.say(event.body.text, 'dim');
      case 'turn.requeued':
        this.#turns.add(event.body.turn);
        if (event.turn !== null && this.#own.has(event.turn)) this.#own.add(event.body.turn);
        return this.#note('the running turn did not take it: it is a turn of its own now');
      case 'turn.dropped':
        return this.#note('that turn is forgotten');
      case 'turn.ended':
        return this.#ended(event);
      case 'request.opened':
        return this.#opened({ ...event.body, id: event.body.request, postponed: false });
      case 'request.closed':
        this.#requests.delete(event.body.request);
        return this.#note(eventSummary(event));
      default:
        return this.#aside(event);
    }
  }

  #accepted(event: Extract<Event, { kind: 'turn.accepted' }>): void {
    if (event.turn !== null) this.#turns.add(event.turn);
    const own = this.#receipts.findIndex((receipt) => receipt.turn === event.turn && receipt.seq < event.seq);
    if (own >= 0) {
      this.#receipts.splice(own, 1); // V2
      return;
    }
    const from = event.body.channel ?? event.body.kind;
    this.#note(`[${brief(from, 40)}] ${brief(textOf(event.body.input.parts), TEXT_MAX)}`);
  }

  #ended(event: Extract<Event, { kind: 'turn.ended' }>): void {
    if (event.turn !== null) this.#turns.delete(event.turn);
    if (this.#running === event.turn) this.#running = undefined;
    if (this.#reply.text === '') this.#screen.say(event.body.text);
    this.#screen.pause();
    const { outcome } = event.body;
    if (outcome !== 'completed') this.#note(eventSummary(event));
    const isWanted = outcome === 'completed' || outcome === 'cancelled';
    if (!isWanted && event.turn !== null && this.#own.has(event.turn)) this.#failed = true;
  }

  #opened(request: OpenRequest & Partial<Pick<RequestView, 'tool'>>): void {
    if (this.#shown.has(request.id)) return; // V3
    this.#shown.add(request.id);
    this.#requests.set(request.id, request);
    const tool = request.tool
      ? `\n  ${request.tool.name} ${brief(jsonText(request.tool.input), TEXT_MAX)}`
      : '';
    const ref = request.tool?.ref;
    const more =
      ref === undefined ? '' : `\n  That is the beginning. All ${ref.bytes} bytes: artifact ${ref.artifact}`;
    const options = (request.options ?? []).map((option, index) => `\n  ${index + 1}. ${brief(option, 100)}`);
    this.#screen.pause();
    this.#screen.ask(`? ${visible(request.text)}${tool}${more}${options.join('')}`);
  }

  #aside(event: Event): void {
    switch (event.kind) {
      case 'tool.called':
      case 'tool.returned':
      case 'child.started':
      case 'child.ended':
      case 'context.compacted':
        return this.#note(`${event.kind}: ${eventSummary(event)}`);
      case 'session.remade':
        if (event.body.error) this.#note(`not remade: ${brief(event.body.error, TEXT_MAX)}`);
        return;
      case 'session.closed':
        return this.#note('the session is closed');
      default:
    }
  }

  #note(text: string): void {
    this.#screen.pause();
    this.#screen.note(text);
  }
}
