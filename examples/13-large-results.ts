// An agent written as a function, with a tool that returns more than any prompt should hold. The log keeps all of it; the
// model, here a stand-in, is shown the beginning and the end, and reads the one line that it needs by reference.
import { createRuntime, defineAgent } from 'sojourn';
import type { Message } from 'sojourn';
import { inProcessBus } from 'sojourn/bus/in-process';
import { sqliteStore } from 'sojourn/store/sqlite';
import { scratchFolder } from './scratch.ts';

const report = Array.from({ length: 20_000 }, (_, at) =>
  at === 12_344 ? 'door code 4711' : `nothing at ${at}`,
);

/** What a model would do: ask for the report, look for the code in it, answer. */
function model(prompt: readonly Message[]): { tool: 'report' } | { ref: string } | { answer: string } {
  const last = prompt.at(-1)?.parts[0];
  if (last?.type !== 'tool-result') return { tool: 'report' };
  const shown = String(last.output);
  const ref = /artifact:[0-9a-f]{64}/.exec(shown)?.[0];
  return ref === undefined ? { answer: `Line ${shown.trim()}` } : { ref };
}

const clerk = defineAgent(async function* (turn) {
  const at = new Date(turn.clock.now()).toISOString();
  const say = (role: Message['role'], parts: Message['parts']): Message => ({
    role,
    parts,
    turn: turn.id,
    at,
  });
  let prompt: readonly Message[] = [...turn.history, ...turn.inputs.map(({ parts }) => say('user', parts))];
  for (let step = 1; step < 10; step += 1) {
    prompt = await turn.fitted(prompt); // However many steps: never more than the window.
    const next = model(prompt);
    if ('answer' in next) {
      yield next.answer;
      return;
    }
    const [call, name] = [`c${step}`, 'ref' in next ? 'read_back' : next.tool];
    yield { kind: 'tool.called', call, name, input: next };
    const output =
      'ref' in next
        ? (await turn.readBack({ ref: next.ref, search: { pattern: 'door code' } })).text
        : report.join('\n');
    yield { kind: 'tool.returned', call, output }; // The log has all of it.
    const shown = await turn.shown(output);
    console.log(`${name}: ${shown === output ? 'shown whole' : 'shown by its beginning and its end'}`);
    prompt = [
      ...prompt,
      say('assistant', [{ type: 'tool-call', call, name, input: next }]),
      say('tool', [{ type: 'tool-result', call, name, output: shown, isError: false }]),
    ];
  }
});

const store = await sqliteStore({ folder: scratchFolder() });
const runtime = await createRuntime({ store, bus: inProcessBus(), agents: { clerk } });

const { turn } = await runtime.send('house', { input: 'What is the door code?' });
const done = await runtime.finished('house', turn, { waitMs: 5_000 });
console.log(done?.text);
await runtime.shutdown();

// prints:
// report: shown by its beginning and its end
// read_back: shown whole
// Line 12345: door code 4711
