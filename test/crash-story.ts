// Story: all that moves something out of a log, makes room, or takes away what is not needed any more, step by step.
//
//   ST1. What an agent does is told by the message alone, so that a turn that runs again does the same again.
//   ST2. Each step says what it was told, and goes on when the runtime is at rest. A step that is refused is over.
//   ST3. Its messages carry a key: told once more after a crash, all of it is there once.
import { createRuntime } from '../src/runtime/create.ts';
import type { Agent, AgentEvent, AgentTurn } from '../src/agent/agent.ts';
import { functionAgent } from '../src/agent/function/function.ts';
import { inProcessBus } from '../src/bus/in-process/in-process.ts';
import { SojournError } from '../src/kernel/errors.ts';
import { silentLogger } from '../src/kernel/logger.ts';
import type { Runtime } from '../src/runtime/runtime.ts';
import type { Store } from '../src/store/store.ts';
import { inProcessEncoder } from '../src/testing/in-process-encoder.ts';
import type { ManualClock } from '../src/testing/manual-clock.ts';
import { textOf } from '../src/wire/message.ts';
import { page } from './compaction-scene.ts';

const WINDOW = 2_400;
const MINUTE = 60_000;

export const LIMITS = {
  inlineBytesMax: 2_048,
  inlineTextBytesMax: 4_096,
  artifactGraceMs: 0,
  artifactSweepMs: 5 * MINUTE,
  idleMsMax: 0,
  crashAttemptsMax: 1_000,
};

/** Of the limits of the store: no disk of a test is short of room. */
export const STORE_LIMITS = { freeBytesMin: 0, ballastBytes: 0 };

/** What is moved out when it is read: about five bytes a word. */
const LARGE = 700;

/**
 * To each line: `read SEED WORDS` reads so much, `look SEED WORDS` asks what would be shown of it and does not read it,
 * `say SEED WORDS` says so much.
 */
async function* act(turn: AgentTurn): AsyncGenerator<AgentEvent> {
  const lines = turn.inputs.flatMap(({ parts }) => textOf(parts).split('\n'));
  for (const [index, line] of lines.entries()) {
    const [verb, seed, words] = line.split(' ');
    const text = page(Number(seed), Number(words));
    const call = `c${index}`;
    if (verb === 'look') await turn.shown(text);
    if (verb === 'say') yield { kind: 'message', role: 'assistant', parts: [{ type: 'text', text }] };
    if (verb !== 'read') continue;
    yield { kind: 'tool.called', call, name: 'read', input: { path: `pages/${seed}.txt` } };
    yield { kind: 'tool.returned', call, output: text };
  }
}

const plain = functionAgent(act, { rerun: 'safe' });

export const AGENTS: Readonly<Record<string, Agent>> = {
  rules: { ...plain, context: { windowTokens: WINDOW } },
  told: {
    ...plain,
    context: {
      windowTokens: WINDOW,
      summariser: {
        name: 'teller',
        summarise: async ({ messages }) => ({ text: `Of ${messages.length} messages.`, costUsd: 0.25 }),
      },
    },
  },
};

export function storyRuntime(store: Store, clock: ManualClock): Promise<Runtime> {
  const parts = { store, bus: inProcessBus(silentLogger), clock, logger: silentLogger };
  return createRuntime({ ...parts, encoder: inProcessEncoder(), agents: AGENTS, limits: LIMITS });
}

export interface Teller {
  runtime: Runtime;
  clock: ManualClock;
  /** Nothing is on its way, and nothing is being done. */
  rest(): Promise<void>;
  /** The caller has been told. */
  told(step: Told): void;
}

export type Told =
  | { kind: 'sent'; key: string; turn: string; input: string; once: string }
  | { kind: 'imported' | 'erased'; key: string }
  | { kind: 'refused'; what: string; code: string }
  /** Where it was not killed. */
  | { kind: 'over'; written: readonly string[] };

/** A message, by the key it is sent with. */
export interface Line {
  key: string;
  agent: string;
  input: string;
  once: string;
}

const filler = (from: number, count: number, words: number): string[] =>
  Array.from({ length: count }, (_, index) => `say ${from + index} ${words}`);

const lines = (key: string, agent: string, inputs: readonly string[], from = 0): readonly Line[] =>
  inputs.map((input, index) => ({ key, agent, input, once: `${key} ${from + index}` }));

/** Results, inputs and answers that are too large, the same one twice, one that is never returned, and pages of small ones. */
export const BEGINNING = lines('work', 'rules', [
  `read 1 ${LARGE}`,
  `${'A long story. '.repeat(400)}\nsay 2 20`,
  `read 3 ${LARGE}\nread 3 ${LARGE}\nread 1 ${LARGE}`,
  `look 4 ${LARGE}`,
  `say 5 ${2 * LARGE}`,
  `read 6 100\nread 7 100`,
  ...filler(8, 6, 100),
]);
const TOLD = lines('told', 'told', [`read 20 ${LARGE}`, ...filler(21, 7, 110)]);
const GONE = lines('gone', 'rules', [`read 40 ${LARGE}`, `read 1 ${LARGE}`]);
const ENDING = lines('work', 'rules', [`read 50 ${LARGE}`], BEGINNING.length);

/** What is in each session in the end, each message once. */
export const STORY: readonly Line[] = [...BEGINNING, ...TOLD, ...GONE, ...ENDING];

export async function tell(teller: Teller): Promise<void> {
  const { runtime } = teller;
  for (const line of BEGINNING) await send(teller, line);
  for (const line of TOLD) await send(teller, line);
  for (const line of GONE) await send(teller, line);
  await step(teller, 'evict', () => runtime.evict('work'));
  const whole = await exported(runtime, 'work').catch(() => []);
  await step(teller, 'import', () => taken(teller, 'copy', whole));
  await step(teller, 'import a part', () => taken(teller, 'part', whole.slice(0, -2)));
  await step(teller, 'erase', async () => {
    await runtime.close('gone', { erase: true });
    teller.told({ kind: 'erased', key: 'gone' });
  });
  await collect(teller);
  for (const line of ENDING) await send(teller, line);
}

/** ST3: what a caller does who was not answered. */
export async function tellAgain(teller: Teller, story: readonly Line[]): Promise<void> {
  for (const line of story) await send(teller, line);
}

/** What a call in a turn with this input returned. */
export function returnedBy(input: string, call: string): string | undefined {
  const [verb, seed, words] = (input.split('\n')[Number(call.slice(1))] ?? '').split(' ');
  return verb === 'read' ? page(Number(seed), Number(words)) : undefined;
}

/** Once nobody refers to it, it is gone. */
export async function collect({ clock, rest }: Pick<Teller, 'clock' | 'rest'>): Promise<void> {
  for (let sweeps = 0; sweeps < 4; sweeps += 1) {
    await clock.advance(LIMITS.artifactSweepMs);
    await rest();
  }
}

async function send(teller: Teller, { key, agent, input, once }: Line): Promise<void> {
  await step(teller, once, async () => {
    const { turn } = await teller.runtime.send(key, { input, agent }, { idempotencyKey: once });
    teller.told({ kind: 'sent', key, turn, input, once });
  });
}

/** ST2. */
async function step(teller: Teller, what: string, take: () => Promise<unknown>): Promise<void> {
  try {
    await take();
  } catch (error) {
    const code = error instanceof SojournError ? error.code : String(error);
    teller.told({ kind: 'refused', what, code });
  }
  await teller.rest();
}

export async function exported(runtime: Runtime, key: string): Promise<string[]> {
  let text = '';
  for await (const piece of await runtime.export(key)) text += piece;
  return text.trimEnd().split('\n');
}

async function taken(teller: Teller, key: string, all: readonly string[]): Promise<void> {
  await teller.runtime.import(
    key,
    (async function* () {
      yield* all;
    })(),
  );
  teller.told({ kind: 'imported', key });
}

const BUSY = ['rules', 'told', 'rules', 'told'] as const;

/** Sessions at work beside each other, until the process is killed. What each life says begins with another number. */
export async function workOn(teller: Teller, life: number): Promise<void> {
  await Promise.all(BUSY.map((agent, index) => workIn(teller, `busy ${index}`, agent, life)));
}

async function workIn(teller: Teller, key: string, agent: string, life: number): Promise<void> {
  const { runtime } = teller;
  for (let count = 1; ; count += 1) {
    const input = busyInput(life * 1_000 + count, count);
    const once = `${key} ${life} ${count}`;
    const { turn } = await runtime.send(key, { input, agent }, { idempotencyKey: once });
    teller.told({ kind: 'sent', key, turn, input, once });
    // Some of them come while another one is at work.
    if (count % 4 !== 0) await runtime.finished(key, turn, { waitMs: Infinity });
    if (count % 4 === 1) await runtime.evict(key);
  }
}

function busyInput(seed: number, count: number): string {
  if (count % 4 === 1) return `read ${seed} ${LARGE}\nread 1 ${LARGE}`;
  if (count % 4 === 2) return `${'A long story. '.repeat(400)}\nsay ${seed} 20`;
  return count % 4 === 3 ? `look ${seed} ${LARGE}\nsay ${seed} ${LARGE}` : `say ${seed} 110`;
}
