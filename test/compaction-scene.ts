// Scene: an agent that reads as much as it is told, with a small window, and summarisers in a test's hands.
import { functionAgent } from '../src/agent/function/function.ts';
import type { Agent, AgentContext, AgentTurn, Summariser, Summary } from '../src/agent/agent.ts';
import { encoding } from '../src/context/encoding.ts';
import { RATIO, tokensOf } from '../src/context/tokens.ts';
import { testRuntime, type TestRuntime, type TestRuntimeOptions } from '../src/testing/test-runtime.ts';
import type { Compacted, Pressure } from '../src/wire/context.ts';
import type { Event } from '../src/wire/event.ts';
import { type Message, textOf } from '../src/wire/message.ts';
import { events, say, seen } from './session-stage.ts';

export const WINDOW = 8_000;

/** Words that no two calls share, and that count as tokens do in real results. */
export function page(seed: number, words: number): string {
  const lines: string[] = [];
  for (let index = 0; index < words; index += 8) {
    const numbers = Array.from(
      { length: 8 },
      (_, at) => `w${(seed * 7_919 + (index + at) * 104_729) % 9_973}`,
    );
    lines.push(numbers.join(' '));
  }
  return lines.join('\n');
}

/** What it saw of the past, turn by turn. */
export interface Reader {
  agent: Agent;
  histories: (readonly Message[])[];
  turns: AgentTurn[];
}

/**
 * `read N` reads a page of N words, `say N` answers with so many; several, one to a line. `seen` is called while a turn
 * runs, before it says anything.
 */
export function reader(context: AgentContext = {}, seen?: (turn: AgentTurn) => Promise<void> | void): Reader {
  const histories: (readonly Message[])[] = [];
  const turns: AgentTurn[] = [];
  const agent = functionAgent(
    async function* (turn) {
      histories.push(turn.history);
      turns.push(turn);
      await seen?.(turn);
      const lines = turn.inputs.flatMap(({ parts }) => textOf(parts).split('\n'));
      for (const [index, line] of lines.entries()) {
        const [verb, words] = line.split(' ');
        const text = page(histories.length * 100 + index, Number(words ?? 0));
        if (verb === 'say') yield `${text}. Read so far: ${histories.length}.`;
        if (verb !== 'read') continue;
        const call = `c${index}`;
        yield { kind: 'tool.called', call, name: 'read', input: { path: `pages/${histories.length}.txt` } };
        yield { kind: 'tool.returned', call, output: text };
      }
      yield `done ${histories.length}`;
    },
    { rerun: 'safe', steers: true },
  );
  return { agent: { ...agent, context: { windowTokens: WINDOW, ...context } }, histories, turns };
}

export function small(agent: Agent, options: TestRuntimeOptions = {}): Promise<TestRuntime> {
  return testRuntime({ ...options, agents: { reader: agent } });
}

/** What a prompt of these takes, by the encoding that the set is counted with. */
export async function weigh(prompts: readonly (readonly Message[])[]): Promise<readonly number[]> {
  const encoder = await encoding();
  const count = (text: string): number => Math.ceil(encoder(text) * RATIO.other);
  return prompts.map((messages) => {
    let tokens = 0;
    for (const { parts } of messages) for (const part of parts) tokens += tokensOf(part, count);
    return tokens;
  });
}

export interface Asked {
  text: string;
  earlier: string | undefined;
  tokensMax: number;
  signal: AbortSignal;
  answer(summary: Summary | Error): void;
}

export interface Hands extends Summariser {
  next(): Promise<Asked>;
  /** Asked, and nobody has taken it with `next`; also those that nobody waits for any more. */
  readonly waiting: Asked[];
  asked: number;
  /** The most that were open at one time. */
  atOnce: number;
}

/** A summariser that answers when the test does. `next` gives what it is asked, in order. */
export function hands(): Hands {
  const waiting: Asked[] = [];
  const takers: ((asked: Asked) => void)[] = [];
  let open = 0;
  const self = {
    name: 'hands',
    waiting,
    asked: 0,
    atOnce: 0,
    next: () => {
      const first = waiting.shift();
      return first === undefined
        ? new Promise<Asked>((resolve) => takers.push(resolve))
        : Promise.resolve(first);
    },
    summarise: (
      stretch: Parameters<Summariser['summarise']>[0],
      options: { tokensMax: number; signal: AbortSignal },
    ) =>
      new Promise<Summary>((resolve, reject) => {
        self.asked += 1;
        open += 1;
        self.atOnce = Math.max(self.atOnce, open);
        let isOpen = true;
        const close = (): void => {
          if (isOpen) open -= 1;
          isOpen = false;
        };
        const asked: Asked = {
          ...options,
          text: stretch.messages.map(({ parts }) => textOf(parts)).join('\n'),
          earlier: stretch.earlier,
          answer: (summary) => {
            close();
            if (summary instanceof Error) reject(summary);
            else resolve(summary);
          },
        };
        options.signal.addEventListener('abort', close, { once: true });
        const taker = takers.shift();
        if (taker === undefined) waiting.push(asked);
        else taker(asked);
      }),
  };
  return self;
}

export async function compactions(world: TestRuntime, key: string): Promise<readonly Compacted[]> {
  return (await allEvents(world, key)).flatMap((event) =>
    event.kind === 'context.compacted' ? [event.body] : [],
  );
}

export async function compacted(world: TestRuntime, key: string, after = 0): Promise<Compacted> {
  return (await seen(world, key, 'context.compacted', after)).body;
}

export async function allEvents(world: TestRuntime, key: string): Promise<readonly Event[]> {
  return events(world, key);
}

/** Turns of text alone, until the set is past this mark. */
export async function fillUp(world: TestRuntime, key: string, mark: Pressure = 'aggressive'): Promise<void> {
  for (let turn = 0; turn < 40; turn += 1) {
    await say(world, key, 'say 100');
    if ((await world.runtime.context(key)).pressure === mark) return;
  }
  throw new Error(`It never came past ${mark}`);
}

/** The first `context.compacted`, and where it stands. */
export function firstCompaction(
  world: TestRuntime,
  key: string,
): ReturnType<typeof seen<'context.compacted'>> {
  return seen(world, key, 'context.compacted');
}
