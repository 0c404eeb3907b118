// Compaction among everything else that happens to a session, in orders made up by chance: messages, models that are slow
// or fail, kills, restarts, evictions and new versions. A run that fails prints its seed.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { TestRuntime } from '../src/testing/test-runtime.ts';
import type { Compacted } from '../src/wire/context.ts';
import { outcome, refusal, say, send } from './session-stage.ts';
import { compactions, hands, page, reader, small, weigh, WINDOW } from './compaction-scene.ts';

const STEPS = [
  'say',
  'say',
  'say',
  'read',
  'read',
  'two',
  'large',
  'answer',
  'answer',
  'fail',
  'wait',
] as const;
const ENDS = ['evict', 'crash', 'restart', 'dirty'] as const;
type Step = (typeof STEPS)[number] | (typeof ENDS)[number];

const steps = fc.array(fc.constantFrom<Step>(...STEPS, ...STEPS, ...ENDS), { minLength: 20, maxLength: 40 });

/** What was made up is done to one session. Answers what its agent was shown. */
async function live(
  world: TestRuntime,
  made: readonly Step[],
  summariser: ReturnType<typeof hands>,
): Promise<void> {
  const acts: Record<Step, () => Promise<unknown>> = {
    say: () => say(world, 'chat', 'say 120'),
    read: () => say(world, 'chat', 'read 200\nread 100\nsay 20'),
    two: async () => {
      const receipts = [await send(world, 'chat', 'say 60'), await send(world, 'chat', 'read 90')];
      for (const { turn } of receipts) await outcome(world, 'chat', turn);
    },
    large: () => say(world, 'chat', `say 1\n${page(7, 1_000)}`),
    answer: async () => summariser.waiting.shift()?.answer({ text: 'A short account.', costUsd: 0.01 }),
    fail: async () => summariser.waiting.shift()?.answer(new Error('overloaded')),
    wait: () => world.clock.advance(5_000),
    evict: () => refusal(world.runtime.evict('chat')),
    crash: () => world.crash(),
    restart: () => world.restart(),
    dirty: () => world.runtime.dirty({ key: 'chat', reason: 'a new version' }),
  };
  for (const step of made) await acts[step]();
}

/** Each digest goes on where the one before it ended, and nothing leaves twice. */
function checkChain(all: readonly Compacted[]): void {
  const digests = all.flatMap(({ digests: each }) => each);
  const folds = digests.filter(({ kind }) => kind === 'turns');
  const turns = folds.flatMap((fold) => fold.turns);
  const calls = digests.flatMap((digest) => (digest.calls ?? []).map(({ turn, call }) => `${turn} ${call}`));
  expect(new Set(turns).size).toBe(turns.length);
  expect(new Set(calls).size).toBe(calls.length);
  for (const [index, fold] of folds.entries()) {
    expect(fold.from).toBe(folds[0]?.from);
    expect(fold.to).toBeGreaterThan(folds[index - 1]?.to ?? 0);
  }
  for (const { tokensBefore, tokensAfter } of digests) expect(tokensAfter).toBeLessThan(tokensBefore);
}

test('whatever happens, prompts fit, nothing leaves twice, and what a set holds is what its log says', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (made) => {
      const summariser = hands();
      const { agent, histories } = reader({ summariser });
      await using world = await small(agent);

      await live(world, made, summariser);
      await say(world, 'chat', 'say 1');
      await world.runtime.evict('chat');
      const before = await world.runtime.context('chat');
      await world.crash();
      const after = await world.runtime.context('chat');
      const turns = await world.runtime.turns('chat', { limit: 200 });

      checkChain(await compactions(world, 'chat'));
      expect(Math.max(...(await weigh(histories)))).toBeLessThan(WINDOW);
      expect(after.entries).toEqual(before.entries);
      for (const { outcome: ended, error } of turns) expect(error?.code ?? ended).toBe('completed');
    }),
    { numRuns: 4 },
  );
});
