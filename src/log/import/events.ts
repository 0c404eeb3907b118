// Events: a log of another agent as the events that a session of ours would have had.
//
//   EV1. Each turn is accepted, started, and ended; each call is called and returned, and one whose result is not there is
//        sealed as unknown. Messages hold the calls and results, as those of our own turns do.
//   EV2. Times only move forward; what has none has the time of what came before it, and the first one `now`.
//   EV3. What was used is summed where the turn ends. There are no `usage` events: they would say of another agent's
//        instructions and tools what is to be said of ours.
//   EV4. A call that another of its turn is named like gets a name of its own; a result goes to the call before it.
import type { Millis } from '../../kernel/clock.ts';
import type { EventBodies, EventKind } from '../../wire/event.ts';
import type { InputPart, Part } from '../../wire/message.ts';
import { addUsage, noUsage, type Usage } from '../../wire/session.ts';
import type { Outcome } from '../../wire/turn.ts';
import type { ForeignLog, ForeignTurn, Step } from './foreign.ts';

/** Not yet made smaller: outputs and parts may be of any size. */
export type ForeignEvent = {
  [Kind in EventKind]: { at: Millis; kind: Kind; turn: string; body: EventBodies[Kind] };
}[EventKind];

export interface EventsOptions {
  newId: () => string;
  now: Millis;
  channel: string | null;
  /** Each call of the model becomes a turn of its own. */
  turnPerStep: boolean;
}

/** What stands for what nobody said, where a step becomes a turn. */
const GO_ON = 'Go on.';

export function* eventsOf(log: ForeignLog, options: EventsOptions): Generator<ForeignEvent> {
  const turns = options.turnPerStep ? log.turns.flatMap(stepsOf) : log.turns;
  let at = timeBefore(turns, options.now);
  for (const turn of turns) {
    const writer = new TurnWriter(turn, options, at);
    yield* writer.events();
    at = writer.at;
  }
}

/** EV2. */
function timeBefore(turns: readonly ForeignTurn[], now: Millis): Millis {
  for (const turn of turns) {
    if (turn.at !== undefined) return turn.at;
    for (const { at } of turn.steps) if (at !== undefined) return at;
  }
  return now;
}

/** Cut where the model is called again. */
function stepsOf(turn: ForeignTurn): ForeignTurn[] {
  const turns: ForeignTurn[] = [];
  let isDone = false;
  for (const step of turn.steps) {
    const last = turns.at(-1);
    const isNext: boolean = step.kind === 'asked' && isDone;
    isDone = step.kind === 'said' || step.kind === 'called' || (isDone && !isNext);
    if (last !== undefined && !isNext) last.steps.push(step);
    else {
      const inputs = last === undefined ? turn.inputs : [[{ type: 'text' as const, text: GO_ON }]];
      turns.push({
        ...(step.at === undefined ? {} : { at: step.at }),
        inputs,
        steps: [step],
        outcome: 'completed',
      });
    }
  }
  const last = turns.at(-1);
  if (last === undefined) return [turn];
  last.outcome = turn.outcome;
  return turns;
}

class TurnWriter {
  at: Millis;
  readonly #turn: ForeignTurn;
  readonly #options: EventsOptions;
  readonly #id: string;
  #messages = 0;
  #said: Part[] = [];
  #results: Part[] = [];
  #text = '';
  readonly #usage: Usage = noUsage();
  #costUsd = 0;
  /** Called and not returned: by the name in the log, the name that it has here. */
  readonly #open = new Map<string, { call: string; name: string }>();
  /** Names that are taken, and the number that the next one like it tries first. */
  readonly #calls = new Map<string, number>();

  constructor(turn: ForeignTurn, options: EventsOptions, at: Millis) {
    this.#turn = turn;
    this.#options = options;
    this.#id = options.newId();
    this.at = at;
  }

  *events(): Generator<ForeignEvent> {
    const { inputs, steps, outcome, at } = this.#turn;
    this.#move(at);
    const all = inputs.length > 0 ? inputs : [[{ type: 'text' as const, text: GO_ON }]];
    for (const [index, parts] of all.entries())
      yield this.#accepted(parts, index === 0 ? 'started' : 'collected');
    yield this.#event('turn.started', { attempt: 1 });
    for (const step of steps) {
      this.#move(step.at);
      yield* this.#step(step);
    }
    for (const [, { call, name }] of this.#open) {
      yield this.#event('tool.returned', { call, isError: true, unknown: true }); // EV1
      this.#results.push({ type: 'tool-result', call, name, output: 'unknown', isError: true });
    }
    yield* this.#close();
    yield this.#ended(outcome);
  }

  *#step(step: Step): Generator<ForeignEvent> {
    switch (step.kind) {
      case 'asked':
        return;
      case 'said':
        if (this.#results.length > 0) yield* this.#close();
        this.#said.push(...step.parts);
        return;
      case 'called':
        if (this.#results.length > 0) yield* this.#close();
        return yield* this.#called(step);
      case 'returned':
        return yield* this.#returned(step);
      case 'steered': {
        yield* this.#close();
        const input = { id: this.#options.newId(), parts: step.parts };
        yield this.#accepted(step.parts, 'steered', input.id);
        return yield this.#event('turn.steered', { input });
      }
      case 'usage':
        addUsage(this.#usage, step.usage); // EV3
        this.#costUsd += step.costUsd;
        return;
      case 'noted':
        yield this.#event('custom', { name: step.name, data: step.data });
    }
  }

  /** EV4. */
  *#called({ call: given, name, input }: Extract<Step, { kind: 'called' }>): Generator<ForeignEvent> {
    let call = given;
    let again = this.#calls.get(given) ?? 2;
    for (; this.#calls.has(call); again++) call = `${given}-${again}`;
    this.#calls.set(call, 2);
    this.#calls.set(given, again);
    this.#open.set(given, { call, name });
    this.#said.push({ type: 'tool-call', call, name, input });
    yield this.#event('tool.called', { call, name, input });
  }

  *#returned({ call: given, output, isError }: Extract<Step, { kind: 'returned' }>): Generator<ForeignEvent> {
    const open = this.#open.get(given);
    if (open === undefined) {
      // No call is there for it: it is kept, and no model is shown what it cannot place.
      yield this.#event('custom', { name: 'imported.result', data: { call: given, output, isError } });
      return;
    }
    this.#open.delete(given);
    const { call, name } = open;
    this.#results.push({ type: 'tool-result', call, name, output, isError });
    yield this.#event('tool.returned', { call, output, isError });
  }

  /** What was said and returned, as messages. */
  *#close(): Generator<ForeignEvent> {
    const text = this.#said.map((part) => (part.type === 'text' ? part.text : '')).join('');
    if (text !== '') this.#text = text;
    if (this.#said.length > 0) yield this.#message('assistant', this.#said);
    if (this.#results.length > 0) yield this.#message('tool', this.#results);
    this.#said = [];
    this.#results = [];
  }

  #message(role: 'assistant' | 'tool', parts: readonly Part[]): ForeignEvent {
    this.#messages += 1;
    return this.#event('message', { message: `m${this.#messages}`, role, parts });
  }

  #accepted(
    parts: readonly InputPart[],
    disposition: 'started' | 'collected' | 'steered',
    id = this.#options.newId(),
  ): ForeignEvent {
    const policy = disposition === 'started' ? 'queue' : disposition === 'collected' ? 'collect' : 'steer';
    const { channel } = this.#options;
    return this.#event('turn.accepted', {
      input: { id, parts },
      policy,
      disposition,
      kind: 'user',
      author: null,
      channel,
    });
  }

  #ended(outcome: Outcome): ForeignEvent {
    const error =
      outcome === 'completed' ? {} : { error: { code: `turn.${outcome}`, message: 'as the log says' } };
    return this.#event('turn.ended', {
      outcome,
      text: this.#text,
      ...error,
      usage: this.#usage,
      costUsd: this.#costUsd,
    });
  }

  #event<Kind extends EventKind>(kind: Kind, body: EventBodies[Kind]): ForeignEvent {
    return { at: this.at, kind, turn: this.#id, body } as ForeignEvent;
  }

  #move(at: Millis | undefined): void {
    if (at !== undefined && at > this.at) this.at = at;
  }
}
