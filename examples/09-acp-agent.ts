// An agent of the Agent Client Protocol: a program that talks over its standard input and output, here one that says back what
// it hears. For Claude Code, write `claudeCode({ cwd })`; for others codex, openCode or gemini. It asks before it acts, and
// the question waits for a person even when the server is started again in between.
import { fileURLToPath } from 'node:url';
import { createRuntime, type Runtime } from 'sojourn';
import { acpAgent } from 'sojourn/agent/acp';
import { inProcessBus } from 'sojourn/bus/in-process';
import { sqliteStore } from 'sojourn/store/sqlite';
import { scratchFolder } from './scratch.ts';

const folder = scratchFolder();
const program = fileURLToPath(new URL('../test/acp-echo-agent.ts', import.meta.url));
const echo = acpAgent({
  command: process.execPath,
  args: [program, `memory=${folder}`],
  cwd: folder, // Where it works.
});
const start = async (): Promise<Runtime> =>
  createRuntime({ store: await sqliteStore({ folder }), bus: inProcessBus(), agents: { echo } });

const before = await start();
const hello = await before.send('ada', { input: 'My name is Ada.' });
console.log((await before.finished('ada', hello.turn, { waitMs: 20_000 }))?.text);

const { turn } = await before.send('ada', { input: '/ask pay {"eur":40}' });
const tail = await before.tail('ada');
for (let asked = false; !asked;) asked = (await tail.next()).some((event) => event.kind === 'request.opened');
tail.close();
await before.shutdown();

const after = await start();
const [request] = await after.requests();
console.log('asked:', request?.tool?.name, request?.tool?.input);
await after.answer('ada', request?.id ?? '', { decision: 'allow' });
console.log((await after.finished('ada', turn, { waitMs: 20_000 }))?.text);

const recall = await after.send('ada', { input: '/recall 1' });
console.log((await after.finished('ada', recall.turn, { waitMs: 20_000 }))?.text);
await after.shutdown();

// prints:
// You said: My name is Ada.
// asked: pay { eur: 40 }
// chosen: yes
// My name is Ada.
