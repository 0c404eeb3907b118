// testTurn: an AgentTurn made by hand, so that an adapter can be driven without a runtime.
//
// Owns no rules of the runtime: it records what the agent asks and spawns, and answers as it was told.
import type { Clock, Millis } from '../kernel/clock.ts';
import { SojournError } from '../kernel/errors.ts';
import { silentLogger } from '../kernel/logger.ts';
import type { ReadBack, ReadBackCall } from '../wire/context.ts';
import type { Input, InputPart, Message, Part } from '../wire/message.ts';
import { noUsage } from '../wire/session.ts';
import type {
  AgentEvent,
  AgentTurn,
  Answer,
  ChildResult,
  Children,
  OpenContext,
  Question,
  SessionFacts,
  SpawnOptions,
} from '../agent/agent.ts';

export interface TestTurnOptions {
  id?: string;
  /** One message, or several that were collected into one turn. @default 'hello' */
  input?: string | readonly (string | readonly InputPart[])[];
  history?: readonly Message[];
  attempt?: number;
  afterCrash?: boolean;
  /** @default allow */
  answer?: (key: string, question: Question) => Answer | Promise<Answer>;
  /** How a spawned child ends. @default completed, with its input as text */
  child?: (
    agent: string,
    input: string | readonly Part[],
  ) => Partial<ChildResult> | Promise<Partial<ChildResult>>;
  /** @default as one whose log has nothing of that name */
  readBack?: (call: ReadBackCall) => ReadBack | Promise<ReadBack>;
  /** @default all of it */
  shown?: AgentTurn['shown'];
  /** @default all of it fits */
  fitted?: AgentTurn['fitted'];
  /** @default every delay is over at once, and recorded in `waits` */
  clock?: Clock;
}

interface Spawned {
  agent: string;
  input: string | readonly Part[];
  options?: SpawnOptions;
}

export interface TestTurn {
  readonly turn: AgentTurn;
  /** In order of asking. */
  readonly asks: readonly { key: string; question: Question }[];
  readonly spawns: readonly Spawned[];
  readonly reads: readonly ReadBackCall[];
  /** Every delay that the default clock was asked for. */
  readonly waits: readonly Millis[];
  readonly sessionCompleted: boolean;
  abort: (reason?: unknown) => void;
  /** Lays an input into the inbox. */
  steer: (text: string) => void;
  /** Steered inputs that were not taken. */
  untaken: () => number;
}

const TEST_SESSION: SessionFacts = Object.freeze({
  id: 'test-session',
  key: 'test',
  project: 'default',
  agent: 'test',
  owner: null,
  parent: null,
  metadata: {},
});

export function testTurn(options: TestTurnOptions = {}): TestTurn {
  const { id = 'turn-1', answer = () => ({ decision: 'allow' }), readBack = nothingThere } = options;
  const controller = new AbortController();
  const asks: { key: string; question: Question }[] = [];
  const spawns: Spawned[] = [];
  const reads: ReadBackCall[] = [];
  const waits: Millis[] = [];
  const inbox: Input[] = [];
  let steered = 0;
  let completed = false;

  const children = testChildren(spawns, options.child);

  const turn: AgentTurn = {
    id,
    session: TEST_SESSION,
    kind: 'user',
    author: null,
    channel: null,
    attempt: options.attempt ?? 1,
    afterCrash: options.afterCrash ?? false,
    inputs: inputsOf(id, options.input ?? 'hello'),
    history: options.history ?? [],
    metadata: {},
    signal: controller.signal,
    leftMs: () => Infinity,
    clock: options.clock ?? hurriedClock(waits),
    inbox: { take: () => inbox.splice(0) },
    async ask(key, question) {
      asks.push({ key, question });
      return await answer(key, question);
    },
    children,
    spawn: (agent, input, more) => children.spawn(agent, input, more),
    progress: () => undefined,
    handOff: () => undefined,
    resource: keeping(),
    pinned: pinning(),
    readBack: async (call) => {
      reads.push(call);
      return await readBack(call);
    },
    ...shownBy(options),
    completeSession: () => void (completed = true),
  };

  return {
    turn,
    asks,
    spawns,
    reads,
    waits,
    get sessionCompleted() {
      return completed;
    },
    abort: (reason) => controller.abort(reason),
    steer: (text) => void inbox.push({ id: `steered-${(steered += 1)}`, parts: [{ type: 'text', text }] }),
    untaken: () => inbox.length,
  };
}

function shownBy({ shown, fitted }: TestTurnOptions): Pick<AgentTurn, 'shown' | 'fitted'> {
  return {
    shown: shown ?? (async (output) => output),
    fitted: fitted ?? (async (messages) => messages),
  };
}

function nothingThere({ ref = 'nothing' }: ReadBackCall): never {
  throw new SojournError('artifact.not_found', `This session has no ${ref}`);
}

function keeping(): AgentTurn['resource'] {
  const things = new Map<string, Promise<unknown>>();
  return <Thing>(name: string, open: () => Promise<Thing>): Promise<Thing> => {
    const thing = things.get(name) ?? open();
    things.set(name, thing);
    return thing as Promise<Thing>;
  };
}

function pinning(): AgentTurn['pinned'] {
  const pins = new Map<string, string>();
  return async (name, value) => {
    const kept = pins.get(name) ?? value;
    if (kept !== undefined) pins.set(name, kept);
    return kept;
  };
}

export function testContext(clock: Clock = hurriedClock([])): OpenContext {
  return { session: TEST_SESSION, signal: new AbortController().signal, clock, logger: silentLogger };
}

/** A message of an earlier turn. */
export function said(role: Message['role'], content: string | readonly Part[]): Message {
  const parts: readonly Part[] = typeof content === 'string' ? [{ type: 'text', text: content }] : content;
  return { role, parts, turn: 'turn-0', at: '2026-01-01T00:00:00.000Z' };
}

/** Pulls everything, as the runtime would. */
export async function allOf(events: AsyncIterable<AgentEvent>): Promise<AgentEvent[]> {
  const all: AgentEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

/** The text deltas, joined. */
export function textSaid(events: readonly AgentEvent[]): string {
  let text = '';
  for (const event of events) {
    if (typeof event === 'string') text += event;
    else if (event.kind === 'text.delta') text += event.text;
  }
  return text;
}

function inputsOf(turn: string, given: string | readonly (string | readonly InputPart[])[]): Input[] {
  const messages = typeof given === 'string' ? [given] : given;
  return messages.map((message, index) => ({
    id: `${turn}-input-${index + 1}`,
    parts: typeof message === 'string' ? [{ type: 'text', text: message }] : message,
  }));
}

/** Children that end as they were told to; none of them is remembered. */
function testChildren(spawns: Spawned[], end: TestTurnOptions['child']): Children {
  const spawn: Children['spawn'] = async (agent, input, options) => {
    spawns.push({ agent, input, ...(options ? { options } : {}) });
    return {
      session: `child-${spawns.length}`,
      turn: `child-turn-${spawns.length}`,
      result: async () => ({ ...ended(input), ...(await end?.(agent, input)) }),
    };
  };
  return {
    spawn,
    continue: (_child, input, more) => spawn('', input, more),
    wait: async () => ended(''),
    cancel: async () => ({ cancelled: [] }),
    close: async () => undefined,
    list: async () => [],
  };
}

function ended(input: string | readonly Part[]): ChildResult {
  return {
    outcome: 'completed',
    text: typeof input === 'string' ? input : '',
    isError: false,
    usage: noUsage(),
    costUsd: 0,
    sessionCompleted: false,
    images: [],
  };
}

/** Time passes as soon as anybody waits for it. */
function hurriedClock(waits: Millis[]): Clock {
  let atMs = 0;
  return {
    now: () => atMs,
    monotonic: () => atMs,
    after(delay, run) {
      let live = true;
      waits.push(delay);
      queueMicrotask(() => {
        if (!live) return;
        atMs += Math.max(0, delay);
        run();
      });
      return {
        cancel: () => {
          live = false;
        },
      };
    },
  };
}
