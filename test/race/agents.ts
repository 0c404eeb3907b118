// Agents: they do what their messages say, word by word, each step in its turn of the schedule, and keep books about it.
//
// A message is `NAME OP,OP,...`: its name, unique in the world, and what to do about it.
import type {
  Agent,
  AgentCapabilities,
  AgentEvent,
  AgentTurn,
  Instance,
  OpenContext,
} from '../../src/agent/agent.ts';
import type { Json } from '../../src/kernel/json.ts';
import { textOf } from '../../src/wire/message.ts';
import type { Input } from '../../src/wire/message.ts';
import { type FamilyOp, isFamilyOp, raise } from './family.ts';
import { nameIn } from './reading.ts';
import { BrokenRule, check, guard } from './check.ts';
import type { Process } from './process.ts';
import { CANCEL_MS, CLOSE_MS } from './setting.ts';

export const OPS = [
  'say',
  'say2',
  'whole',
  'tool',
  'ask',
  'take',
  'deaf',
  'stuck',
  'fail',
  'end',
  'use',
  'kid',
  'kids',
] as const;
export type Op = (typeof OPS)[number] | FamilyOp;
export type AgentName = 'safe' | 'plain' | 'own';

/** What was told to go wrong, and is nobody's defect. */
export class Told extends Error {
  override name = 'Told';
}

/** An instance. */
export interface Living {
  readonly name: string;
  readonly session: string;
  readonly agent: AgentName;
  /** The world's tick when its opening began. */
  readonly openTick: number;
  readonly signal: AbortSignal;
  stage: 'opening' | 'live' | 'closing' | 'closed' | 'failed';
  running: AgentTurn | undefined;
  abortedMs: number | undefined;
  /** From then on the keeper may go on without it. */
  excusedMs: number;
  /** What an agent that owns its history remembers. */
  memory: string[];
}

/** One attempt of a turn, as the agent had it. */
export interface Run {
  readonly turn: string;
  readonly session: string;
  readonly agent: AgentName;
  readonly attempt: number;
  readonly process: Process;
  readonly living: Living;
  readonly inputs: readonly string[];
  readonly taken: string[];
  readonly startTick: number;
  end: 'returned' | 'threw' | undefined;
}

const CAPABILITIES: Record<AgentName, AgentCapabilities> = {
  safe: { rerun: 'safe', steers: true, rewinds: true, forks: true, ownsHistory: false },
  plain: { rerun: 'never', steers: true, rewinds: true, forks: true, ownsHistory: false },
  own: { rerun: 'never', steers: false, rewinds: false, forks: false, ownsHistory: true },
};

export function agentsOf(process: Process): Record<AgentName, Agent> {
  const agent = (name: AgentName): Agent => ({
    capabilities: CAPABILITIES[name],
    exclusive: name === 'own',
    opensAtOnce: process.world.setting.opensAtOnce,
    open: (context, previous) => open(process, name, context, previous),
  });
  return { safe: agent('safe'), plain: agent('plain'), own: agent('own') };
}

async function open(
  process: Process,
  agent: AgentName,
  context: OpenContext,
  previous: Json | undefined,
): Promise<Instance> {
  const { world } = process;
  const living: Living = {
    name: `${context.session.key} ${process.number}.${process.livings.length}`,
    session: context.session.id,
    agent,
    openTick: world.tick(),
    signal: context.signal,
    stage: 'opening',
    running: undefined,
    abortedMs: undefined,
    excusedMs: Infinity,
    memory: (previous as string[] | undefined) ?? [],
  };
  guard(process, () => checkOpening(process, living));
  process.livings.push(living);
  context.signal.addEventListener('abort', () => {
    living.excusedMs = world.clock.monotonic() + CLOSE_MS;
  });
  try {
    await process.gate('open');
    await world.maybe(process, 'open');
  } catch (error) {
    living.stage = 'failed';
    throw error;
  }
  living.stage = 'live';
  return {
    run: (turn) => run(process, living, turn),
    snapshot: () => {
      guard(process, () => {
        check(
          living.stage === 'live',
          () => `a snapshot was asked of ${living.name}, which is ${living.stage}`,
        );
      });
      return agent === 'own' ? [...living.memory] : undefined;
    },
    close: (reason) => close(process, living, reason),
  };
}

async function close(process: Process, living: Living, reason: string): Promise<void> {
  const { clock } = process.world;
  guard(process, () => {
    check(living.stage === 'live', () => `${living.name} is closed (${reason}) and was ${living.stage}`);
    const { running, abortedMs } = living;
    if (running === undefined) return;
    check(
      abortedMs !== undefined,
      () => `${living.name} is closed (${reason}) while turn ${running.id} runs`,
    );
    const waitedMs = clock.monotonic() - abortedMs;
    check(waitedMs >= CANCEL_MS, () => {
      return `${living.name} is closed (${reason}) ${waitedMs} ms after turn ${running.id} was told to stop`;
    });
  });
  living.stage = 'closing';
  living.excusedMs = Math.min(living.excusedMs, clock.monotonic() + CLOSE_MS);
  try {
    await process.gate('close');
    await process.world.maybe(process, 'close');
  } finally {
    living.stage = 'closed';
  }
}

/** At most one instance of a session, or two while one replaces the other. */
function checkOpening(process: Process, { session, agent, name }: Living): void {
  const nowMs = process.world.clock.monotonic();
  const there = process.livings.filter(
    (living) =>
      living.session === session &&
      living.stage !== 'closed' &&
      living.stage !== 'failed' &&
      nowMs < living.excusedMs,
  );
  const [old] = there;
  if (old === undefined) return;
  const isReplaced = there.length === 1 && agent !== 'own' && old.stage === 'live' && process.world.isMarked;
  check(isReplaced, () => `${name} is opened beside ${there.map((living) => living.name).join()}`);
  check(old.running === undefined, () => `${name} is opened to replace ${old.name}, which runs`);
}

async function* run(process: Process, living: Living, turn: AgentTurn): AsyncGenerator<AgentEvent> {
  const { world } = process;
  const record: Run = {
    turn: turn.id,
    session: living.session,
    agent: living.agent,
    attempt: turn.attempt,
    process,
    living,
    inputs: turn.inputs.map(nameIn),
    taken: [],
    startTick: world.tick(),
    end: undefined,
  };
  guard(process, () => {
    check(living.stage === 'live', () => `turn ${turn.id} runs on ${living.name}, which is ${living.stage}`);
    check(living.running === undefined, () => `two turns run on ${living.name}`);
    world.books.begins(record, turn);
  });
  world.books.runs.push(record);
  living.running = turn;
  living.abortedMs = turn.signal.aborted ? world.clock.monotonic() : undefined;
  turn.signal.addEventListener('abort', () => (living.abortedMs ??= world.clock.monotonic()));
  const speech = { words: 0, calls: 0, asks: 0, kids: 0 };
  let isOver = false;
  try {
    for (const input of turn.inputs) yield* obey(process, record, turn, input, speech);
    record.end = 'returned';
    isOver = true;
  } catch (error) {
    record.end = 'threw';
    isOver = true;
    if (error instanceof BrokenRule) world.fail(error);
    throw error;
  } finally {
    if (!isOver) record.end = 'threw'; // Returned from outside, at a yield.
    living.running = undefined;
    if (record.end === 'returned') living.memory.push(turn.id);
  }
}

interface Speech {
  words: number;
  calls: number;
  asks: number;
  kids: number;
}

async function* obey(
  process: Process,
  record: Run,
  turn: AgentTurn,
  input: Input,
  speech: Speech,
): AsyncGenerator<AgentEvent> {
  const ops = (textOf(input.parts).split(' ')[1] ?? '').split(',') as Op[];
  const step = async (): Promise<void> => {
    await process.gate('agent');
    turn.signal.throwIfAborted();
  };
  for (const op of ops) {
    if (op === 'deaf') for (let i = 0; i < 3; i++) await process.gate('deaf');
    else await step();
    if (op === 'say' || op === 'say2') yield `w${++speech.words} `;
    if (op === 'say2') yield `w${++speech.words} `;
    if (op === 'whole') {
      const text = `whole ${++speech.calls} `;
      yield { kind: 'message', role: 'assistant', parts: [{ type: 'text', text }] };
    }
    if (op === 'use') yield { kind: 'usage', usage: { outputTokens: 1 } };
    if (op === 'stuck') await process.world.stuck();
    if (op === 'fail') throw new Told('as told');
    if (op === 'end') turn.completeSession();
    if (op === 'tool') yield* callTool(process, turn, `${turn.id}.${++speech.calls}`);
    if (op === 'ask') {
      const key = `q${++speech.asks}`;
      const { answer = '' } = await turn.ask(key, { kind: 'question', text: key });
      process.world.books.answered(turn.id, key, answer);
    }
    if (op === 'kid' || op === 'kids') await bear(process, turn, `k${++speech.kids}`, op === 'kid');
    if (isFamilyOp(op)) await raise(process, turn, `k${++speech.kids}`, op);
    if (op === 'take') {
      for (const taken of turn.inbox.take()) {
        record.taken.push(nameIn(taken));
        yield* obey(process, record, turn, taken, speech);
      }
    }
  }
}

/** Starts a child, and waits for it or not. */
async function bear(process: Process, turn: AgentTurn, key: string, isAwaited: boolean): Promise<void> {
  const child = await turn.spawn('plain', `${turn.id}-${key} say,say`, { key });
  if (!isAwaited) return;
  const { outcome } = await child.result();
  guard(process, () => process.world.books.bore(turn, child.turn, outcome));
}

async function* callTool(process: Process, turn: AgentTurn, call: string): AsyncGenerator<AgentEvent> {
  yield { kind: 'tool.called', call, name: 'count', input: {} };
  guard(process, () => process.world.books.called(turn, call));
  await process.gate('tool');
  yield { kind: 'tool.returned', call, output: 'done' };
}
