// What the races found, each as the user met it, small enough to read.
import { expect, test } from 'vitest';
import type { AgentCapabilities, AgentFunction } from '../src/agent/agent.ts';
import { functionAgent } from '../src/agent/function/function.ts';
import { inProcessBus } from '../src/bus/in-process/in-process.ts';
import { silentLogger, type Logger } from '../src/kernel/logger.ts';
import { createRuntime, type RuntimeOptions } from '../src/runtime/create.ts';
import type { Runtime } from '../src/runtime/runtime.ts';
import { ManualClock } from '../src/testing/manual-clock.ts';
import { MemoryDisk, MemoryStore } from '../src/testing/memory-store.ts';

interface Scene {
  runtime: Runtime;
  store: MemoryStore;
  clock: ManualClock;
  /** From now on commits wait. */
  hold: () => void;
  /** The commits that wait go on, and no later ones wait. */
  release: () => void;
  settle: () => Promise<void>;
}

async function scene(
  run: AgentFunction,
  capabilities: Partial<AgentCapabilities> = {},
  more: Partial<RuntimeOptions> & { disk?: MemoryDisk; logger?: Logger } = {},
): Promise<Scene> {
  const clock = new ManualClock();
  const { disk = new MemoryDisk(), logger = silentLogger, ...options } = more;
  let held: PromiseWithResolvers<void> | undefined;
  const gate = async (step: string): Promise<void> => {
    if (step === 'commit') await held?.promise;
  };
  const store = new MemoryStore({ clock, disk, gate });
  const agents = { agent: functionAgent(run, capabilities) };
  const runtime = await createRuntime({
    store,
    bus: inProcessBus(logger),
    agents,
    clock,
    logger,
    ...options,
  });
  return {
    runtime,
    store,
    clock,
    hold: () => (held ??= Promise.withResolvers()),
    release: () => {
      held?.resolve();
      held = undefined;
    },
    settle: () => clock.advance(0),
  };
}

test('a turn that is cancelled while its question is on the way to the disk leaves no rejection behind', async () => {
  const unhandled: unknown[] = [];
  const onUnhandled = (error: unknown): void => void unhandled.push(error);
  process.on('unhandledRejection', onUnhandled);
  const go = Promise.withResolvers<void>();
  const { runtime, hold, release, settle } = await scene(async function* (turn) {
    await go.promise;
    yield (await turn.ask('sure', { kind: 'question', text: 'Sure?' })).decision;
  });
  const { turn } = await runtime.send('key', { input: 'hello' });
  await settle();
  hold();
  go.resolve();
  await settle();
  const cancelled = runtime.cancelTurn('key', turn);
  await settle();
  release();

  expect(await cancelled).toEqual({ outcome: 'cancelled', changed: true });
  await settle();
  process.off('unhandledRejection', onUnhandled);
  expect(unhandled).toEqual([]);
});
