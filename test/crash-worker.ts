// A process that tells the story of crash-story.ts, and dies or fails at one of its writes. Started by crash-context.test.ts.
//
//   node test/crash-worker.ts FOLDER NTH WAY
//   node test/crash-worker.ts FOLDER LIFE busy      works on and on instead, until it is killed
//
// It prints a line of JSON for everything that its caller was told, and at its end what was written.
import { writeSync } from 'node:fs';
import { encoding } from '../src/context/encoding.ts';
import { silentLogger } from '../src/kernel/logger.ts';
import { sqliteStore } from '../src/store/sqlite/sqlite.ts';
import { ManualClock } from '../src/testing/manual-clock.ts';
import { Faults, type Way } from './crash-faults.ts';
import { atRest } from './crash-rest.ts';
import { STORE_LIMITS, storyRuntime, tell, workOn } from './crash-story.ts';

const [folder = '', nth = '0', way = 'before'] = process.argv.slice(2);
const isBusy = way === 'busy';
const faults = new Faults({ nth: isBusy ? 0 : Number(nth), way: way as Way });
/** A pipe is written at once: what was said is with the reader when the process is killed. */
const say = (line: unknown): void => void writeSync(1, `${JSON.stringify(line)}\n`);

await encoding();
await faults.replaceFiles();
const clock = new ManualClock();
try {
  const store = await sqliteStore({
    folder,
    clock,
    logger: silentLogger,
    limits: STORE_LIMITS,
    durability: 'process-crash',
  });
  const runtime = await storyRuntime(faults.watch(store), clock);
  const rest = (): Promise<void> => atRest(() => faults.open === 0);
  await rest();
  const teller = { runtime, clock, rest, told: say };
  if (isBusy) await workOn(teller, Number(nth));
  await tell(teller);
  await runtime.shutdown(0);
} catch (error) {
  say({ kind: 'refused', what: 'the start', code: String(error) });
}
say({ kind: 'over', written: faults.written });
process.exit(0);
