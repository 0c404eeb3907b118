// A question outlives the process that asked it. The turn waits without an instance; the answer runs it to its end.
import { createRuntime, defineAgent, type Runtime } from 'sojourn';
import { inProcessBus } from 'sojourn/bus/in-process';
import { sqliteStore } from 'sojourn/store/sqlite';
import { scratchFolder } from './scratch.ts';

const clerk = defineAgent(
  async function* (turn) {
    const { decision, answer } = await turn.ask('refund', {
      kind: 'approval',
      text: 'Refund 40 EUR to Ada?',
    });
    yield decision === 'allow' ? `Refunded. ${answer ?? ''}` : 'Not refunded.';
  },
  { rerun: 'safe' },
);

const folder = scratchFolder();
const start = async (): Promise<Runtime> =>
  createRuntime({ store: await sqliteStore({ folder }), bus: inProcessBus(), agents: { clerk } });

const before = await start();
const { turn } = await before.send('ada', { input: 'I want my money back' });
const tail = await before.tail('ada');
for (let asked = false; !asked;) asked = (await tail.next()).some((event) => event.kind === 'request.opened');
tail.close();
await before.shutdown();

const after = await start();
const [request] = await after.requests();
console.log('asked:', request?.text);
await after.answer('ada', request?.id ?? '', { decision: 'allow', answer: 'Sorry for the trouble.' });
const done = await after.finished('ada', turn, { waitMs: 5_000 });
console.log(`${done?.outcome} in attempt ${done?.attempt}: ${done?.text}`);
await after.shutdown();

// prints:
// asked: Refund 40 EUR to Ada?
// completed in attempt 2: Refunded. Sorry for the trouble.
