// A process in which several authors post until it is killed. Started by timeline-crash.test.ts.
//
//   node test/timeline-writer.ts FOLDER AUTHORS
//
// It prints `ack ID CONTENT` for each post that was acknowledged.
import { silentLogger } from '../src/kernel/logger.ts';
import { inProcessBus } from '../src/bus/in-process/in-process.ts';
import { systemClock } from '../src/kernel/clock.ts';
import { DEFAULT_LIMITS } from '../src/kernel/limits.ts';
import { Timeline } from '../src/log/timeline.ts';
import { sqliteStore } from '../src/store/sqlite/sqlite.ts';

const [folder = '', authors = '1'] = process.argv.slice(2);
const store = await sqliteStore({ folder, limits: { freeBytesMin: 0, ballastBytes: 0 } });
const timeline = new Timeline({
  store: store.timelines,
  bus: inProcessBus(silentLogger),
  clock: systemClock,
  limits: { ...DEFAULT_LIMITS, postBurst: 1_000_000 },
});

await Promise.all(
  Array.from({ length: Number(authors) }, async (_each, index) => {
    const name = `a${index}`;
    const author = {
      identity: name,
      name,
      context: null,
      displayName: name,
      identityKey: name,
      avatarSeed: '',
    };
    for (let count = 0; ; count += 1) {
      const content = `${process.pid}-${name}-${count}`;
      const { id } = await timeline.post({ project: 'default', author, content });
      process.stdout.write(`ack ${id} ${content}\n`);
    }
  }),
);
