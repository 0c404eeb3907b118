// Rules: what is true of every log, whatever happened around it. It is read from its first event to its last.
import type { Epoch, StoredEvent } from '../../src/store/store.ts';
import type { EventBodies, EventKind } from '../../src/wire/event.ts';
import { textOf } from '../../src/wire/message.ts';
import type { Outcome } from '../../src/wire/turn.ts';
import { check } from './check.ts';
import { bodyIn, nameIn } from './reading.ts';

export interface LoggedTurn {
  readonly id: string;
  readonly acceptedSeq: number;
  /** Messages it was accepted with, collected, or requeued with. */
  readonly inputs: string[];
  /** Offered to it and neither taken nor requeued. */
  readonly offered: Set<string>;
  /** Taken in its last attempt. */
  taken: Set<string>;
  attempt: number;
  /** What the last attempt said, piece by piece. */
  said: string;
  /** By message. */
  open: Map<string, string>;
  calls: Set<string>;
  requests: Set<string>;
  dropped: boolean;
  outcome: Outcome | undefined;
}

/** What a turn may fail of: time ran out, a person did not answer, no place for a child, or no disk for it. */
const MAY_FAIL = ['keeper.hung', 'request.closed', 'capacity', 'child.limit', 'store.full', 'log.poisoned'];

export class LogReading {
  readonly turns = new Map<string, LoggedTurn>();
  /** Where each message was accepted, by name. */
  readonly accepted = new Map<string, { turn: string; seq: number }>();
  closedSeq: number | undefined;
  #waiting: string[] = [];
  #running: string | undefined;

  constructor(events: readonly StoredEvent[], epochs: readonly Epoch[]) {
    for (const [index, event] of events.entries()) {
      check(event.seq === index + 1, () => `event ${index + 1} has seq ${event.seq}`);
      const [before = 0, epoch = 0] = [epochs[index - 1], epochs[index]];
      check(before <= epoch, () => `event ${event.seq} is of epoch ${epoch}, the one before it of ${before}`);
      this.#read(event);
    }
  }

  /** Nothing is left to do. */
  checkEnd(): void {
    for (const { id, outcome, offered, requests, calls } of this.turns.values()) {
      check(outcome !== undefined, () => `turn ${id} never ended`);
      check(offered.size === 0, () => `${[...offered].join()} was offered to turn ${id} and is lost`);
      check(requests.size === 0, () => `turn ${id} has ended with an open question`);
      check(calls.size === 0, () => `turn ${id} has ended with an open tool call`);
    }
  }

  #read(event: StoredEvent): void {
    const { kind, seq } = event;
    check((kind === 'session.created') === (seq === 1), () => `event ${seq} is ${kind}`);
    const isOfTurn = event.turn !== null && !kind.startsWith('child.');
    if (!isOfTurn) {
      if (kind === 'session.closed') this.#close(seq);
      return;
    }
    check(this.closedSeq === undefined, () => `event ${seq} (${kind}) came after the session was closed`);
    const rule = (RULES as Partial<Record<string, Rule>>)[kind];
    rule?.call(this, this, event, event.turn ?? '');
  }

  #close(seq: number): void {
    check(this.closedSeq === undefined, () => `the session was closed again at ${seq}`);
    this.closedSeq = seq;
    for (const { id, outcome } of this.turns.values())
      check(outcome !== undefined, () => `the session was closed before turn ${id} had ended`);
  }

  accept(event: StoredEvent, id: string): void {
    const { input, disposition, policy } = bodyIn(event, 'turn.accepted');
    const name = nameIn(input);
    check(!this.accepted.has(name), () => `message ${name} was accepted twice`);
    this.accepted.set(name, { turn: id, seq: event.seq });
    if (disposition === 'steered') {
      this.open(event, id).offered.add(name);
    } else if (disposition === 'collected') {
      const turn = this.open(event, id);
      check(turn.attempt === 0, () => `message ${name} was collected into turn ${id}, which had started`);
      turn.inputs.push(name);
    } else {
      const turn = this.#add(id, event.seq);
      turn.inputs.push(name);
      const first = policy === 'interrupt' || policy === 'rollback';
      if (disposition === 'queued' && first) this.#waiting.unshift(id);
      else this.#waiting.push(id);
      if (disposition !== 'started') return;
      const others = [...this.turns.values()].filter(
        (other) => other !== turn && other.outcome === undefined,
      );
      check(others.length === 0, () => `turn ${id} was started while ${others[0]?.id} was there`);
    }
  }

  requeue(event: StoredEvent, id: string): void {
    const { input, turn: next } = bodyIn(event, 'turn.requeued');
    const name = nameIn(input);
    const from = this.open(event, id);
    check(from.offered.delete(name), () => `message ${name} was requeued, and was not offered to turn ${id}`);
    const isNew = !this.turns.has(next);
    const turn = this.turns.get(next) ?? this.#add(next, event.seq);
    turn.inputs.push(name);
    if (isNew) this.#waiting.unshift(next);
  }

  start(event: StoredEvent, id: string): void {
    const turn = this.open(event, id);
    const { attempt } = bodyIn(event, 'turn.started');
    check(attempt === turn.attempt + 1, () => `turn ${id} started attempt ${attempt} after ${turn.attempt}`);
    const running = this.#running;
    check(running === undefined || running === id, () => `turn ${id} started while ${running} ran`);
    if (attempt === 1) {
      const [first] = this.#waiting;
      check(first === id, () => `turn ${id} started before ${first}, which was ahead of it`);
      this.#waiting.shift();
    }
    turn.attempt = attempt;
    turn.said = '';
    turn.open.clear();
    turn.calls.clear();
    // What was taken before is offered again.
    for (const name of turn.taken) turn.offered.add(name);
    turn.taken = new Set();
    this.#running = id;
  }

  say(event: StoredEvent, id: string): void {
    const turn = this.running(event, id);
    const { text, message } = bodyIn(event, 'text.delta');
    turn.said += text;
    turn.open.set(message, (turn.open.get(message) ?? '') + text);
    const words = turn.said.trim().split(' ');
    const numbers = words.map((word) => Number(word.slice(1)));
    const isWhole = numbers.every((number, index) => number === index + 1);
    check(isWhole, () => `turn ${id} said ${turn.said}`);
  }

  message(event: StoredEvent, id: string): void {
    const turn = this.running(event, id);
    const { message, parts, role } = bodyIn(event, 'message');
    if (role !== 'assistant') return;
    const said = turn.open.get(message);
    const text = textOf(parts);
    turn.open.delete(message);
    if (said !== undefined && !text.startsWith('whole'))
      check(
        said === text,
        () => `message ${message} of turn ${id} is "${text}", and it was said as "${said}"`,
      );
  }

  end(event: StoredEvent, id: string): void {
    const turn = this.open(event, id);
    const { outcome, error } = bodyIn(event, 'turn.ended');
    turn.outcome = outcome;
    const isTold = error?.message === 'as told' || MAY_FAIL.includes(error?.code ?? '');
    check(outcome !== 'failed' || isTold, () => `turn ${id} failed: ${error?.code}, ${error?.message}`);
    const left = [...turn.open.values()];
    check(left.length === 0, () => `turn ${id} ended, and "${left[0]}" is in no message`);
    if (this.#running === id) this.#running = undefined;
    this.#waiting = this.#waiting.filter((waiting) => waiting !== id);
  }

  open(event: StoredEvent, id: string): LoggedTurn {
    const turn = this.turns.get(id);
    check(
      turn !== undefined,
      () => `event ${event.seq} (${event.kind}) is of turn ${id}, which is not there`,
    );
    check(
      turn.outcome === undefined,
      () => `event ${event.seq} (${event.kind}) came after the end of turn ${id}`,
    );
    return turn;
  }

  running(event: StoredEvent, id: string): LoggedTurn {
    const turn = this.open(event, id);
    check(
      this.#running === id,
      () => `event ${event.seq} (${event.kind}) is of turn ${id}, which is not running`,
    );
    return turn;
  }

  #add(id: string, acceptedSeq: number): LoggedTurn {
    check(!this.turns.has(id), () => `turn ${id} was made twice`);
    const turn: LoggedTurn = {
      id,
      acceptedSeq,
      inputs: [],
      offered: new Set(),
      taken: new Set(),
      attempt: 0,
      said: '',
      open: new Map(),
      calls: new Set(),
      requests: new Set(),
      dropped: false,
      outcome: undefined,
    };
    this.turns.set(id, turn);
    return turn;
  }
}

type Rule = (reading: LogReading, event: StoredEvent, turn: string) => void;

const RULES: Partial<Record<EventKind, Rule>> = {
  'turn.accepted': (reading, event, turn) => reading.accept(event, turn),
  'turn.requeued': (reading, event, turn) => reading.requeue(event, turn),
  'turn.started': (reading, event, turn) => reading.start(event, turn),
  'turn.ended': (reading, event, turn) => reading.end(event, turn),
  'text.delta': (reading, event, turn) => reading.say(event, turn),
  message: (reading, event, turn) => reading.message(event, turn),
  'turn.dropped': (reading, event, turn) => {
    reading.open(event, turn).dropped = true;
  },
  'turn.steered': (reading, event, id) => {
    const turn = reading.running(event, id);
    const name = nameIn(bodyIn(event, 'turn.steered').input);
    check(turn.offered.delete(name), () => `turn ${id} took ${name}, which was not offered to it`);
    turn.taken.add(name);
  },
  'tool.called': (reading, event, id) => {
    reading.running(event, id).calls.add(bodyIn(event, 'tool.called').call);
  },
  'tool.returned': (reading, event, id) => {
    const { call } = bodyIn(event, 'tool.returned');
    check(reading.running(event, id).calls.delete(call), () => `call ${call} returned, and was not open`);
  },
  'request.opened': (reading, event, id) => {
    reading.running(event, id).requests.add(bodyIn(event, 'request.opened').request);
  },
  'request.closed': (reading, event, id) => {
    const { request } = bodyIn(event, 'request.closed');
    check(reading.open(event, id).requests.delete(request), () => `${request} was closed, and was not open`);
  },
};

export type Body<Kind extends EventKind> = EventBodies[Kind];
