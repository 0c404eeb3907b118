// A session in ten lines: it remembers, and it is still there after the process has gone.
import { createRuntime, defineAgent } from 'sojourn';
import { inProcessBus } from 'sojourn/bus/in-process';
import { sqliteStore } from 'sojourn/store/sqlite';
import { scratchFolder } from './scratch.ts';

const parrot = defineAgent(async function* (turn) {
  yield `Message ${turn.history.length / 2 + 1}: `;
  for (const part of turn.inputs.flatMap((input) => input.parts)) if (part.type === 'text') yield part.text;
});

const store = await sqliteStore({ folder: scratchFolder() });
const runtime = await createRuntime({ store, bus: inProcessBus(), agents: { parrot } });

for (const input of ['hello', 'do you remember?']) {
  const { turn } = await runtime.send('alice', { input });
  const done = await runtime.finished('alice', turn, { waitMs: 5_000 });
  console.log(done?.outcome, '-', done?.text);
}
await runtime.shutdown();

// prints:
// completed - Message 1: hello
// completed - Message 2: do you remember?
