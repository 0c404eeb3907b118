// Lifecycle of a turn's time: what it has used up before a crash is not given again.
//
// Shown here:
//   Y5  'a turn that runs again after a crash has what is left of its deadline'
//   Y5  'a turn that runs again after a crash has what is left of its own budget of time'
import { expect, test } from 'vitest';
import { functionAgent } from '../src/agent/function/function.ts';
import { MemoryDisk } from '../src/testing/memory-store.ts';
import type { TurnCall } from '../src/wire/calls.ts';
import type { TurnView } from '../src/wire/turn.ts';
import { scene } from './race-scene.ts';

/** Runs 800 ms before a crash, and 300 after it. */
async function killedAfter800(call: Partial<TurnCall>): Promise<TurnView> {
  const disk = new MemoryDisk();
  const worked = Promise.withResolvers<void>();
  const agent = functionAgent(
    async function* (turn) {
      yield 'begun ';
      if (turn.attempt === 1) await worked.promise;
      yield 'worked ';
      await new Promise((_, reject) => turn.signal.addEventListener('abort', reject));
    },
    { rerun: 'safe' },
  );
  const more = { agents: { agent }, disk, coalesceDeltas: false };
  const first = await scene(() => null as never, {}, more);
  const { turn } = await first.runtime.send('key', { input: 'go', ...call });
  await first.clock.advance(800);
  worked.resolve();
  await first.settle();
  first.store.crash();

  const { runtime, clock } = await scene(() => null as never, {}, more);
  await clock.advance(300);
  return runtime.turn('key', turn);
}

test('a turn that runs again after a crash has what is left of its deadline', async () => {
  expect(await killedAfter800({ deadlineMs: 1_000 })).toMatchObject({ attempt: 2, outcome: 'expired' });
});

test('a turn that runs again after a crash has what is left of its own budget of time', async () => {
  expect(await killedAfter800({ budget: { ms: 1_000 } })).toMatchObject({ attempt: 2, outcome: 'budget' });
});
