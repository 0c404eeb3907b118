// scriptedAgent: needs no model and no key; it obeys the commands of its table and knows thirty real conversations.
//
// Owns nothing between turns: what it counts and recalls it reads from `turn.history` and `turn.inputs`, so the same
// turn always gives the same answer.
//
//   R1. A command it cannot read is answered with how to write it; the turn completes.
//   R2. Every wait ends at once on abort, but for `/deaf`, which is there to be in the way.
//   R3. Several inputs of one turn are answered in order, a line break between the answers.
//   R4. Steered inputs are taken between two words, and acknowledged in the text.
import type { Millis } from '../../kernel/clock.ts';
import type { Input } from '../../wire/message.ts';
import type { Agent, AgentEvent, AgentTurn } from '../agent.ts';
import { COMMANDS, saidAtOnce, spoken, wordsOf, type Script } from './command.ts';
import { MT_BENCH } from './mt-bench.ts';

export { MT_BENCH, type MtBenchConversation } from './mt-bench.ts';

export interface ScriptedOptions {
  /**
   * Pause between two words of a recorded answer. 0 says everything at once.
   *
   * @default 30
   */
  wordMs?: Millis;

  /**
   * What `/crash` does on a turn's first attempt: it must not return. Without it the turn fails.
   */
  crash?: () => never;
}

const ANSWERS: ReadonlyMap<string, string> = new Map(
  MT_BENCH.flatMap(({ turns }) => turns.map(({ question, answer }) => [question, answer])),
);

export function scriptedAgent({ wordMs = 30, crash }: ScriptedOptions = {}): Agent {
  async function* run(turn: AgentTurn): AsyncIterable<AgentEvent> {
    let ordinal = 0;
    for (const input of turn.inputs) {
      turn.signal.throwIfAborted();
      if (ordinal > 0) yield '\n'; // R3
      yield* answer({ turn, input, ordinal, wordMs, crash });
      ordinal += 1;
    }
  }

  return {
    capabilities: { rerun: 'safe', steers: true, rewinds: true, forks: true, ownsHistory: false },
    opensAtOnce: true,
    open: () => ({ run, snapshot: () => undefined, close: () => undefined }),
  };
}

function answer(script: Script): AsyncIterable<AgentEvent> | Iterable<AgentEvent> {
  const text = wordsOf(script.input.parts);
  const recorded = ANSWERS.get(text.trim());
  if (recorded !== undefined) return spoken(script.turn, recorded, script.wordMs);

  const [, name = '', rest = ''] = /^\s*\/([a-z]+&?)(?:\s+([\s\S]*))?$/.exec(text) ?? [];
  const command = COMMANDS.get(name);
  if (command !== undefined) return command(script, rest.trim());

  return saidAtOnce(`You said: ${text}${filesOf(script.input)}`);
}

function filesOf(input: Input): string {
  let files = '';
  for (const part of input.parts) {
    if (part.type === 'file') files += ` [file: ${part.name ?? part.mediaType}]`;
  }
  return files;
}
