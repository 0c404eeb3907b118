// Week: what a session that works for a week goes through: turns of ten calls of tools, with results as long as recorded ones.
//
//   WK1. What the nth call returns follows from n alone: whoever has the number can compare every byte.
//   WK2. Lengths are drawn, with a seed, from what tools returned in recorded runs of coding agents. One in seven is made longer
//        than an event keeps, and five in a thousand about 1 MB.
//   WK3. The agent does as any that keeps no memory of its own: each call of its model is given what the turn began with and
//        what it did since, as small as the working set makes it.
import { readdirSync, readFileSync } from 'node:fs';
import type { Agent, AgentTurn } from '../src/agent/agent.ts';
import { functionAgent } from '../src/agent/function/function.ts';
import type { Message } from '../src/wire/message.ts';

export const CALLS_A_TURN = 10;
/** In tokens: a small one, so that a week is many times as long. */
export const WINDOW = 32_000;
const SEED = 1_000_000;
const RECORDED = new URL('../test/data/trajectories/', import.meta.url);
const LARGE_SHARE = 1 / 7;
const HUGE_SHARE = 0.005;
const KiB = 1_024;

/** What is looked at while it works. */
export interface Watch {
  /** The agent's code of a turn begins, with this. */
  begins?(messages: readonly Message[]): void;
  /** A model would be sent this. The first of a turn is number 0. */
  prompt?(messages: readonly Message[], number: number): void;
  /** The nth call has returned, and nobody has heard of it. */
  reached?(n: number): Promise<void>;
}

/** What the nth call of a tool returns. */
export type Results = (n: number) => string;

export function recordedResults(): Results {
  const recorded = observations();
  return (n) => {
    const chance = chances(SEED + n);
    const draw = (): string => recorded[Math.floor(chance() * recorded.length)] ?? '';
    const size = chance();
    const text = `result ${n}\n${draw()}`;
    if (size > LARGE_SHARE) return text;
    return size < HUGE_SHARE
      ? lengthened(text, draw, (900 + 200 * chance()) * KiB)
      : lengthened(text, draw, (8 + 40 * chance()) * KiB);
  };
}

/** What tools returned in those runs, one after the other, again and again: ASCII, so that a character is a byte. */
export function recordedText(bytes: number): string {
  const all = observations()
    .join('\n')
    .replace(/[^\t\n -~]/g, '?');
  return all.repeat(Math.ceil(bytes / all.length)).slice(0, bytes);
}

/** A turn of the week is asked for by the number of its first call, and the one behind its last. */
export const asked = (from: number, to = from + CALLS_A_TURN): string => `Go through ${from} to ${to}.`;

/** WK3. */
export function weekAgent(results: Results, watch: Watch): Agent {
  const agent = functionAgent(async function* (turn) {
    const [from, to] = askedOf(turn);
    const at = new Date(turn.clock.now()).toISOString();
    const say = (role: Message['role'], parts: Message['parts']): void =>
      void messages.push({ role, parts, turn: turn.id, at });
    const messages = [...turn.history];
    for (const { parts } of turn.inputs) say('user', parts);
    watch.begins?.(messages);
    watch.prompt?.(await turn.fitted(messages), 0);
    for (let n = from; n < to; n += 1) {
      const tool = { call: `call_${n % CALLS_A_TURN}`, name: n % 3 === 0 ? 'open' : 'bash' };
      const text = `Now I look at ${n}.`;
      yield text;
      yield { kind: 'tool.called', ...tool, input: { n } };
      const output = results(n);
      await watch.reached?.(n);
      const seen = await turn.shown(output);
      yield { kind: 'tool.returned', call: tool.call, output };
      say('assistant', [
        { type: 'text', text },
        { type: 'tool-call', ...tool, input: { n } },
      ]);
      say('tool', [{ type: 'tool-result', ...tool, output: seen, isError: false }]);
      watch.prompt?.(await turn.fitted(messages), n - from + 1);
    }
    yield `I have gone through ${from} to ${to}.`;
  });
  return { ...agent, context: { windowTokens: WINDOW, model: 'gpt-5' } };
}

function askedOf({ inputs }: AgentTurn): [number, number] {
  const [part] = inputs[0]?.parts ?? [];
  const [, from, to] = /^Go through (\d+) to (\d+)/.exec(part?.type === 'text' ? part.text : '') ?? [];
  return [Number(from), Number(to)];
}

function observations(): readonly string[] {
  const found: string[] = [];
  for (const name of readdirSync(RECORDED)
    .filter((each) => each.endsWith('.traj'))
    .toSorted()) {
    const { trajectory } = JSON.parse(readFileSync(new URL(name, RECORDED), 'utf8')) as {
      trajectory: readonly { observation: string }[];
    };
    for (const { observation } of trajectory) found.push(observation);
  }
  return found;
}

function lengthened(text: string, draw: () => string, size: number): string {
  let long = text;
  for (let line = 1; long.length < size; line += 1) long += `\n${line}: ${draw()}`;
  return long;
}

/** Mulberry32: numbers from 0 to below 1, the same for the same seed. */
function chances(seed: number): () => number {
  let state = Math.imul(seed, 0x9e3779b1);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
