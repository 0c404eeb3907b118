// A tree of sessions whose agents are processes that do not go when they are asked to: how long it takes until none is left. By
// the real clock, since the system kills by no other.
import { randomUUID } from 'node:crypto';
import { afterEach, expect, test } from 'vitest';
import type { Agent } from '../src/agent/agent.ts';
import { inProcessBus } from '../src/bus/in-process/in-process.ts';
import { systemClock } from '../src/kernel/clock.ts';
import { silentLogger } from '../src/kernel/logger.ts';
import { createRuntime } from '../src/runtime/create.ts';
import type { Runtime } from '../src/runtime/runtime.ts';
import { sqliteStore } from '../src/store/sqlite/sqlite.ts';
import { echo, scratch } from './acp-stage.ts';
import { until, withEnvironment } from './process-scene.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** Says when it is at work, and starts a session of `below` before. */
const witnessed = (agent: Agent, atWork: () => void, below?: { agent: string; input: string }): Agent => ({
  ...agent,
  async open(context, previous) {
    const instance = await agent.open(context, previous);
    return {
      async *run(turn) {
        if (below !== undefined) await turn.spawn(below.agent, below.input);
        for await (const event of instance.run(turn)) {
          yield event;
          atWork(); // It has said one thing, and says no second one.
        }
      },
      snapshot: () => instance.snapshot(),
      close: (reason) => instance.close(reason),
    };
  },
});

/** A parent, a child and a grandchild at work, each a process that ignores SIGTERM and that its input is closed. */
async function tree(): Promise<{ runtime: Runtime; tag: string }> {
  const { folder, remove } = scratch();
  const tag = randomUUID();
  const stubborn = echo({ folder, words: ['stubborn=yes'], env: { TAG: tag } });
  let idle = 3;
  const busy = Promise.withResolvers<void>();
  const atWork = (): void => {
    idle -= 1;
    if (idle === 0) busy.resolve();
  };
  const parts = { clock: systemClock, logger: silentLogger };
  const limits = { ballastBytes: 0, freeBytesMin: 0 };
  const store = await sqliteStore({ folder, ...parts, limits, durability: 'process-crash' });
  const runtime = await createRuntime({
    ...parts,
    store,
    bus: inProcessBus(silentLogger),
    agents: {
      parent: witnessed(stubborn, atWork, { agent: 'child', input: '/deaf' }),
      // Obeys at last, and is asked to go then: both bounds, one behind the other.
      child: witnessed(stubborn, atWork, { agent: 'grandchild', input: '/deaf 700' }),
      grandchild: witnessed(stubborn, atWork),
    },
  });
  closing.push(async () => {
    await runtime.shutdown(0);
    remove();
  });
  await runtime.open('chat', { agent: 'parent' });
  await runtime.send('chat', { input: '/deaf' });
  await busy.promise;
  expect(withEnvironment(`TAG=${tag}`)).toHaveLength(3);
  return { runtime, tag: `TAG=${tag}` };
}

test.each(['cancel', 'close'] as const)(
  'parent, child and grandchild that ignore being told to stop are gone two seconds after %s',
  async (verb) => {
    const { runtime, tag } = await tree();

    const since = performance.now();
    const call = runtime[verb]('chat');
    await until(() => withEnvironment(tag).length === 0, 2_000);

    await call;
    expect(performance.now() - since).toBeLessThan(2_000);
  },
);
