// A change of configuration never breaks a running turn: it ends on the old instance, the next one runs on the new.
import { createRuntime, defineAgent, type Agent } from 'sojourn';
import { inProcessBus } from 'sojourn/bus/in-process';
import { sqliteStore } from 'sojourn/store/sqlite';
import { scratchFolder } from './scratch.ts';

const speaker = (version: string, may: Promise<void>): Agent =>
  defineAgent(async function* () {
    yield `${version} begins, `;
    await may;
    yield `${version} ends`;
  });

const gate = Promise.withResolvers<void>();
const store = await sqliteStore({ folder: scratchFolder() });
const runtime = await createRuntime({
  store,
  bus: inProcessBus(),
  agents: { speaker: speaker('v1', gate.promise) },
});

const { turn } = await runtime.send('talk', { input: 'go' });
const tail = await runtime.tail('talk');
for (let said = false; !said;) said = (await tail.next()).some((event) => event.kind === 'text.delta');
tail.close();

runtime.replaceAgents({ speaker: speaker('v2', Promise.resolve()) });
console.log('marked:', (await runtime.dirty({ agent: 'speaker', reason: 'config_changed' })).marked);
gate.resolve();
console.log((await runtime.finished('talk', turn, { waitMs: 5_000 }))?.text);

const next = await runtime.send('talk', { input: 'again' });
console.log((await runtime.finished('talk', next.turn, { waitMs: 5_000 }))?.text);
await runtime.shutdown();

// prints:
// marked: 1
// v1 begins, v1 ends
// v2 begins, v2 ends
