// What a message does when it meets a busy session: six policies, chosen per message. Every receipt says what was done.
import { createRuntime, SojournError, type Policy } from 'sojourn';
import { inProcessBus } from 'sojourn/bus/in-process';
import { scriptedAgent } from 'sojourn/agent/scripted';
import { sqliteStore } from 'sojourn/store/sqlite';
import { scratchFolder } from './scratch.ts';

const store = await sqliteStore({ folder: scratchFolder() });
const runtime = await createRuntime({ store, bus: inProcessBus(), agents: { scripted: scriptedAgent() } });

async function meet(policy: Policy): Promise<string> {
  const key = `busy/${policy}`;
  const running = await runtime.send(key, { input: '/words 1000 5' });
  const tail = await runtime.tail(key, { after: running.seq });
  for (let said = false; !said;) said = (await tail.next()).some((event) => event.kind === 'text.delta');
  tail.close();
  // Somebody waits already, so that `collect` has a turn to join.
  if (policy === 'collect') await runtime.send(key, { input: 'first' });
  try {
    const { disposition, position, stopped } = await runtime.send(key, { input: 'second', policy });
    await runtime.cancel(key);
    const outcome = (await runtime.turn(key, running.turn)).outcome;
    return `${disposition}${position === undefined ? '' : ` at ${position}`}${stopped === undefined ? '' : ', stopping the running one'} (it ended ${outcome})`;
  } catch (error) {
    if (!(error instanceof SojournError)) throw error;
    await runtime.cancel(key);
    return `refused: ${error.code}`;
  }
}

for (const policy of ['reject', 'queue', 'collect', 'interrupt', 'rollback', 'steer'] as const) {
  console.log(`${policy}: ${await meet(policy)}`);
}
await runtime.shutdown();

// prints:
// reject: refused: session.busy
// queue: queued at 1 (it ended cancelled)
// collect: collected (it ended cancelled)
// interrupt: queued at 1, stopping the running one (it ended cancelled)
// rollback: queued at 1, stopping the running one (it ended cancelled)
// steer: steered (it ended cancelled)
