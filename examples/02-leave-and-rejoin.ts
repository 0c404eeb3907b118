// Two readers of one session. One leaves in the middle and comes back later; both end with the same log.
// A reader that leaves stops nothing: the turn goes on.
import { createRuntime, type Runtime } from 'sojourn';
import { inProcessBus } from 'sojourn/bus/in-process';
import { scriptedAgent } from 'sojourn/agent/scripted';
import { sqliteStore } from 'sojourn/store/sqlite';
import { scratchFolder } from './scratch.ts';

const store = await sqliteStore({ folder: scratchFolder() });
const runtime = await createRuntime({ store, bus: inProcessBus(), agents: { scripted: scriptedAgent() } });

/** Reads from a cursor on, until idle or until enough has been seen. */
async function read(from: Runtime, after: number, most = Infinity): Promise<number[]> {
  const tail = await from.tail('story', { after, untilIdle: true });
  const seen: number[] = [];
  while (seen.length < most) {
    const events = await tail.next();
    if (events.length === 0) break;
    seen.push(...events.map((event) => event.seq));
  }
  tail.close();
  return seen;
}

await runtime.send('story', { input: '/words 20 10' });
const staying = read(runtime, 0);
const first = await read(runtime, 0, 5);
const rest = await read(runtime, first.at(-1) ?? 0);

const whole = await staying;
console.log(
  'the one who stayed saw no gap:',
  whole.every((seq, index) => seq === index + 1),
);
console.log(
  'the one who came back saw the same:',
  JSON.stringify([...first, ...rest]) === JSON.stringify(whole),
);
console.log('the turn:', (await runtime.turns('story'))[0]?.outcome);
await runtime.shutdown();

// prints:
// the one who stayed saw no gap: true
// the one who came back saw the same: true
// the turn: completed
