// Scene: a runtime over a disk that waits and fails as it is told, small enough to see what happens.
import type { AgentCapabilities, AgentFunction } from '../src/agent/agent.ts';
import { functionAgent } from '../src/agent/function/function.ts';
import { inProcessBus } from '../src/bus/in-process/in-process.ts';
import { SojournError } from '../src/kernel/errors.ts';
import { silentLogger } from '../src/kernel/logger.ts';
import { createRuntime, type RuntimeOptions } from '../src/runtime/create.ts';
import type { Runtime } from '../src/runtime/runtime.ts';
import type { Append, Store } from '../src/store/store.ts';
import { ManualClock } from '../src/testing/manual-clock.ts';
import { type Gate, type GroupStep, MemoryDisk, MemoryStore } from '../src/testing/memory-store.ts';

export interface Scene {
  runtime: Runtime;
  store: MemoryStore;
  clock: ManualClock;
  /** From now on commits wait. */
  hold: () => void;
  /** The commits that wait go on, and no later ones wait. */
  release: () => void;
  /** The next commit fails: the disk is full for a moment. Or it is written, and nobody is told. */
  fail: (step?: GroupStep) => void;
  settle: () => Promise<void>;
}

export interface SceneOptions {
  disk?: MemoryDisk;
  around?: Around;
  /** Its whole group is not written. */
  isRefused?: (append: Append) => boolean;
}

export async function scene(
  run: AgentFunction,
  capabilities: Partial<AgentCapabilities> = {},
  more: Partial<RuntimeOptions> & SceneOptions = {},
): Promise<Scene> {
  const clock = new ManualClock();
  const { disk = new MemoryDisk(), around, isRefused = () => false, ...options } = more;
  let held: PromiseWithResolvers<void> | undefined;
  let failing: GroupStep | undefined;
  const gate: Gate = async (step, appends) => {
    if (step === 'commit') await held?.promise;
    if (step === 'commit' && appends.some(isRefused)) throw new SojournError('store.full', 'as told');
    if (step !== failing) return;
    failing = undefined;
    throw new SojournError('store.full', 'as told');
  };
  const store = new MemoryStore({ clock, disk, gate });
  const agents = { agent: functionAgent(run, capabilities) };
  const runtime = await createRuntime({
    store: around === undefined ? store : surrounded(store, around),
    bus: inProcessBus(silentLogger),
    agents,
    clock,
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
    fail: (step = 'commit') => (failing = step),
    settle: () => clock.advance(0),
  };
}

export type Around = (call: string, run: () => Promise<unknown>) => Promise<unknown>;

/** The store, with something that happens around each call. */
export function surrounded(store: MemoryStore, around: Around): Store {
  return new Proxy<Store>(store, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      return (...args: unknown[]): Promise<unknown> =>
        around(String(name), () => Reflect.apply(member, target, args) as Promise<unknown>);
    },
  });
}
