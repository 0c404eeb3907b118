// Sojourn under measurement: the store, the runtime and the HTTP face with their defaults, and the echo agent.
//
// Three limits are not the defaults: the bounds on new sessions and on posts, which are there to stop what a bench does, and
// `--live-max` for the measurement of memory. Like the floors it writes no line for each request.
import { inProcessBus } from '../src/bus/in-process/in-process.ts';
import { http } from '../src/face/http/http.ts';
import { createRuntime, defineAgent } from '../src/index.ts';
import { systemClock } from '../src/kernel/clock.ts';
import { DEFAULT_LIMITS } from '../src/kernel/limits.ts';
import { silentLogger } from '../src/kernel/logger.ts';
import { sqliteStore } from '../src/store/sqlite/sqlite.ts';
import { textOf } from '../src/wire/message.ts';
import { echo } from './echo.ts';

const [folder = '.', ...flags] = process.argv.slice(2);
const liveMax = Number(
  flags.find((flag) => flag.startsWith('--live-max='))?.slice(11) ?? DEFAULT_LIMITS.liveMax,
);

const agent = defineAgent(async function* (turn) {
  const before = turn.history.filter((message) => message.role === 'user').length;
  const input = turn.inputs.map(({ parts }) => textOf(parts)).join('\n');
  yield* echo(input, before + turn.inputs.length);
});

const store = await sqliteStore({ folder, clock: systemClock, logger: silentLogger });
const runtime = await createRuntime({
  store,
  bus: inProcessBus(silentLogger),
  agents: { echo: agent },
  coalesceDeltas: !flags.includes('--each-delta'),
  limits: { liveMax, createBurst: 1_000_000, postBurst: 1_000_000 },
});
const { secret } = await runtime.addToken({ name: 'bench', scopes: ['read', 'send', 'operate'] });
const face = await http({ port: 0 }).start(runtime);
console.log(`listening on ${face.urls[0]}#${secret}`);

process.once('SIGTERM', () => {
  void face.close(1_000).then(async () => {
    await runtime.shutdown(1_000);
    process.exit();
  });
});
