// functionAgent: an async generator is an agent.
//
// Owns the defaults of the plainest agent, nothing else: no state lives here, so an instance costs next to nothing.
import { SojournError } from '../../kernel/errors.ts';
import type { Agent, AgentCapabilities, AgentFunction, Instance } from '../agent.ts';

/** True of any generator whose memory is `turn.history`; who does something else says so. */
const PLAIN: AgentCapabilities = {
  rerun: 'never',
  steers: false,
  rewinds: true,
  forks: true,
  ownsHistory: false,
};

/**
 * `run` is called once a turn. Where it asks a model itself: `turn.history` is all that the model is to know of earlier turns;
 * `turn.shown(output)` is what to tell it of a result, which is yielded whole; `turn.fitted(messages)`, before each call, keeps
 * a long loop of tools within the window; `turn.readBack(call)` reads what was moved out.
 *
 * Say `rerun: 'safe'` only when running it twice for one turn does no harm.
 *
 * Throws `config.invalid` when `run` is not a function; a turn fails when `run` gives nothing to iterate.
 *
 * @example
 * functionAgent(async function* (turn) {
 *   let prompt = [...turn.history, ...asked(turn.inputs)];
 *   for (;;) {
 *     prompt = await turn.fitted(prompt);
 *     const { text, call, name, input } = await myModel(prompt, { signal: turn.signal });
 *     if (call === undefined) return yield text;
 *     yield { kind: 'tool.called', call, name, input };
 *     const output = await myTools[name](input);
 *     yield { kind: 'tool.returned', call, output };
 *     prompt = [...prompt, ...pair(call, name, input, await turn.shown(output))];
 *   }
 * });
 */
export function functionAgent(run: AgentFunction, capabilities: Partial<AgentCapabilities> = {}): Agent {
  if (typeof run !== 'function') {
    throw new SojournError('config.invalid', `An agent function is needed, not ${typeof run}`);
  }
  const open = (): Instance => ({
    run(turn) {
      const events = run(turn);
      if (typeof events?.[Symbol.asyncIterator] === 'function') return events;
      throw new SojournError(
        'agent.failed',
        `${run.name || 'The agent'} gave nothing to iterate: write it as async function*`,
      );
    },
    snapshot: () => undefined,
    close: () => undefined,
  });
  return { capabilities: Object.freeze({ ...PLAIN, ...capabilities }), opensAtOnce: true, open };
}
