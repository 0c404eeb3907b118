// Stage: an agent whose turns are played by a test, line by line, and small words for looking at what a user sees.
//
//   G1. `next` gives the turns in the order they began to run, each once.
//   G2. What an act says has been taken by the runtime when `say` resolves: a `tool.called` is durable by then.
//   G3. An act hears its signal and stops, unless it is deaf.
import type {
  Agent,
  AgentCapabilities,
  AgentEvent,
  AgentTurn,
  Instance,
  OpenContext,
} from '../src/agent/agent.ts';
import { SojournError } from '../src/kernel/errors.ts';
import type { Json } from '../src/kernel/json.ts';
import { parseEvent } from '../src/log/event.ts';
import type { TestRuntime } from '../src/testing/test-runtime.ts';
import type { SendOptions, TurnCall } from '../src/wire/calls.ts';
import type { Event, EventBodies, EventKind } from '../src/wire/event.ts';
import { type Message, textOf } from '../src/wire/message.ts';
import type { Receipt, TurnView } from '../src/wire/turn.ts';

export interface StageOptions extends Partial<AgentCapabilities> {
  exclusive?: boolean;
  /** Its acts do not hear their signal. */
  deaf?: boolean;
  /** Called in `open`; what it throws fails the opening. */
  opening?: (opened: Opened) => Promise<void> | void;
  snapshot?: (opened: Opened) => Promise<Json | undefined> | Json | undefined;
  closing?: (opened: Opened, reason: string) => Promise<void> | void;
}

/** One instance that was opened. */
export interface Opened {
  /** From 1. */
  number: number;
  context: OpenContext;
  previous: Json | undefined;
  /** Why it was closed; undefined while it lives. */
  closed: string | undefined;
}

export class Stage implements Agent {
  readonly capabilities: AgentCapabilities;
  readonly exclusive: boolean;
  readonly opened: Opened[] = [];
  readonly #options: StageOptions;
  readonly #acts = new Line<Act>();

  constructor(options: StageOptions = {}) {
    const { rerun = 'never', steers = true, rewinds = true, forks = true, ownsHistory = false } = options;
    this.capabilities = { rerun, steers, rewinds, forks, ownsHistory };
    this.exclusive = options.exclusive ?? false;
    this.#options = options;
  }

  /** Those that were not closed. */
  get alive(): readonly Opened[] {
    return this.opened.filter(({ closed }) => closed === undefined);
  }

  /** G1. */
  next(): Promise<Act> {
    return this.#acts.take();
  }

  async open(context: OpenContext, previous?: Json): Promise<Instance> {
    const opened: Opened = { number: this.opened.length + 1, context, previous, closed: undefined };
    await this.#options.opening?.(opened);
    this.opened.push(opened);
    return {
      run: (turn) => this.#run(turn, opened),
      snapshot: () => this.#options.snapshot?.(opened),
      close: async (reason) => {
        opened.closed = reason;
        await this.#options.closing?.(opened, reason);
      },
    };
  }

  async *#run(turn: AgentTurn, opened: Opened): AsyncGenerator<AgentEvent> {
    const act = new Act(turn, opened);
    this.#acts.put(act);
    const left = Promise.withResolvers<never>();
    left.promise.catch(() => undefined);
    if (this.#options.deaf !== true) {
      turn.signal.addEventListener('abort', () => left.reject(turn.signal.reason as Error), { once: true });
      turn.signal.throwIfAborted();
    }
    try {
      for (;;) {
        const cue = await Promise.race([act.cues.take(), left.promise]);
        if (cue.kind === 'end') return;
        if (cue.kind === 'fail') throw cue.error;
        yield cue.event;
        cue.taken();
      }
    } finally {
      act.leave();
    }
  }
}

type Cue =
  | { kind: 'say'; event: AgentEvent; taken: () => void }
  | { kind: 'end' }
  | { kind: 'fail'; error: unknown };

/** One turn that runs, in the hands of the test. */
export class Act {
  readonly turn: AgentTurn;
  readonly instance: Opened;
  readonly cues = new Line<Cue>();
  readonly #left = Promise.withResolvers<void>();

  constructor(turn: AgentTurn, instance: Opened) {
    this.turn = turn;
    this.instance = instance;
  }

  /** What it was asked, one text an input. */
  get heard(): readonly string[] {
    return this.turn.inputs.map(({ parts }) => textOf(parts));
  }

  /** What was said before it, as `role: text`. */
  get remembers(): readonly string[] {
    return spoken(this.turn.history);
  }

  /** Resolves when the agent's code of this turn is over. */
  get left(): Promise<void> {
    return this.#left.promise;
  }

  /** G2. */
  async say(...events: readonly AgentEvent[]): Promise<void> {
    for (const event of events) {
      await new Promise<void>((taken) => this.cues.put({ kind: 'say', event, taken }));
    }
  }

  /** For an event after which the runtime does not come back. */
  utter(event: AgentEvent): void {
    this.cues.put({ kind: 'say', event, taken: () => undefined });
  }

  end(): void {
    this.cues.put({ kind: 'end' });
  }

  fail(error: unknown): void {
    this.cues.put({ kind: 'fail', error });
  }

  leave(): void {
    this.#left.resolve();
  }
}

/** First in, first out; taking waits. */
class Line<Item> {
  readonly #items: Item[] = [];
  readonly #takers: ((item: Item) => void)[] = [];

  put(item: Item): void {
    const taker = this.#takers.shift();
    if (taker === undefined) this.#items.push(item);
    else taker(item);
  }

  take(): Promise<Item> {
    const item = this.#items.shift();
    return item === undefined ? new Promise((resolve) => this.#takers.push(resolve)) : Promise.resolve(item);
  }
}

/** Something that is waited for: `opened` resolves when `open` is called. */
export interface Gate {
  readonly opened: Promise<void>;
  open(): void;
}

export function gate(): Gate {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}

/** Sends, and waits for the outcome. */
export async function say(
  world: TestRuntime,
  key: string,
  call: string | TurnCall,
  options: SendOptions = {},
): Promise<TurnView> {
  const { turn } = await send(world, key, call, options);
  return outcome(world, key, turn);
}

export function send(
  world: TestRuntime,
  key: string,
  call: string | TurnCall,
  options: SendOptions = {},
): Promise<Receipt> {
  return world.runtime.send(key, typeof call === 'string' ? { input: call } : call, options);
}

export async function outcome(world: TestRuntime, key: string, turn: string): Promise<TurnView> {
  const view = await world.runtime.finished(key, turn, { waitMs: Infinity });
  if (view === null) throw new Error(`Turn ${turn} has not ended`);
  return view;
}

export async function events(world: TestRuntime, key: string): Promise<readonly Event[]> {
  const page = await world.runtime.events(key, { after: 0 });
  return page.events.map(parseEvent);
}

/** The kinds in the log, in order. */
export async function kinds(world: TestRuntime, key: string): Promise<readonly string[]> {
  return (await events(world, key)).map(({ kind }) => kind);
}

export async function bodies<Kind extends EventKind>(
  world: TestRuntime,
  key: string,
  kind: Kind,
): Promise<readonly EventBodies[Kind][]> {
  return (await events(world, key))
    .filter((event) => event.kind === kind)
    .map((event) => event.body as EventBodies[Kind]);
}

/** The code it is refused with, or `nothing`. */
export async function refusal(call: Promise<unknown> | (() => unknown)): Promise<string> {
  try {
    await (typeof call === 'function' ? call() : call);
    return 'nothing';
  } catch (error) {
    if (error instanceof SojournError) return error.code;
    throw error;
  }
}

/** Messages as `role: text`. */
export function spoken(messages: readonly Pick<Message, 'role' | 'parts'>[]): readonly string[] {
  return messages.map(({ role, parts }) => `${role}: ${textOf(parts)}`);
}

/** Reads the log until an event of this kind comes, from the beginning unless told otherwise. */
export async function seen<Kind extends EventKind>(
  world: TestRuntime,
  key: string,
  kind: Kind,
  after = 0,
): Promise<Extract<Event, { kind: Kind }>> {
  const tail = await world.runtime.tail(key, { after });
  try {
    for (;;) {
      const found = (await tail.next()).find((event) => event.kind === kind);
      if (found !== undefined) return parseEvent(found) as Extract<Event, { kind: Kind }>;
    }
  } finally {
    tail.close();
  }
}
