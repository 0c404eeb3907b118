// One bill: what a call costs whose agent does not say it.
import { ToolLoopAgent } from 'ai';
import { expect, test } from 'vitest';
import { aiSdkAgent } from '../src/agent/ai-sdk/ai-sdk.ts';
import { costOf, DEFAULT_PRICES } from '../src/session/prices.ts';
import { testRuntime } from '../src/testing/test-runtime.ts';
import { noUsage } from '../src/wire/session.ts';
import { finish, model, text, used } from './model-stand-in.ts';
import { bodies, outcome, send, Stage } from './session-stage.ts';

const MILLION = 1_000_000;
const prices = {
  'big-1': { input: 2, output: 8, cacheRead: 0.2, cacheWrite: 2.5 },
  plain: { input: 1, output: 1 },
};

test('a call that names its model and no cost is priced by the table of the runtime', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage }, prices });
  const { turn } = await send(world, 'chat', 'hello');
  const act = await stage.next();
  const usage = { inputTokens: 1_000, outputTokens: 500, cacheReadTokens: 10_000, cacheWriteTokens: 400 };

  await act.say({ kind: 'usage', usage, model: 'big-1' });
  act.end();

  const costUsd = 0.009;
  expect(await outcome(world, 'chat', turn)).toMatchObject({ outcome: 'completed', costUsd });
  expect(await bodies(world, 'chat', 'usage')).toEqual([{ ...usage, costUsd, model: 'big-1' }]);
});

test('what an agent says a call has cost is believed, also that it was free', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage }, prices });
  const { turn } = await send(world, 'chat', 'hello');
  const act = await stage.next();
  const usage = { inputTokens: MILLION };

  await act.say(
    { kind: 'usage', usage, model: 'big-1', costUsd: 0.5 },
    { kind: 'usage', usage, model: 'big-1', costUsd: 0 },
  );
  act.end();

  expect((await outcome(world, 'chat', turn)).costUsd).toBe(0.5);
});

test('a budget in dollars ends a turn by the prices of the table', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage }, prices });
  const { turn } = await send(world, 'chat', { input: 'hello', budget: { usd: 1 } });
  const act = await stage.next();

  act.utter({ kind: 'usage', usage: { inputTokens: MILLION }, model: 'big-1' });

  expect((await outcome(world, 'chat', turn)).outcome).toBe('budget');
});

test('a model is found by its name, with its provider or its date as without', () => {
  const usage = { ...noUsage(), inputTokens: MILLION };
  const names = ['plain', 'acme/plain', 'plain-20260102', 'acme/plain-2026-01-02', 'plain@20260102'];

  expect(names.map((name) => costOf(prices, usage, name))).toEqual([1, 1, 1, 1, 1]);
  expect(costOf(prices, usage, 'plainer')).toBe(undefined);
  expect(costOf(prices, usage, 'toString')).toBe(undefined);
  expect(costOf(prices, usage, undefined)).toBe(undefined);
});

test('a model without a price is logged once where a budget in dollars applies, and each use of it says so', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage }, prices });
  const usage = { inputTokens: MILLION };
  const use = async (key: string, ...models: readonly string[]): Promise<void> => {
    const { turn } = await send(world, key, 'hello');
    const act = await stage.next();
    await act.say(...models.map((model) => ({ kind: 'usage', usage, model }) as const));
    act.end();
    expect(await outcome(world, key, turn)).toMatchObject({ outcome: 'completed' });
  };
  const logged = () => world.logged.filter(({ event }) => event === 'usage.unpriced');

  await use('free', 'odd');
  expect(logged()).toEqual([]);

  await world.runtime.open('chat', { agent: 'stage' });
  await world.runtime.update('chat', { budget: { usd: 5 } });
  await use('chat', 'odd', 'big-1', 'odd', 'odder');

  const { session } = await world.runtime.session('chat').then(({ id }) => ({ session: id }));
  const warning = { level: 'warn', event: 'usage.unpriced' };
  expect(logged()).toEqual([
    { ...warning, fields: { session, key: 'chat', model: 'odd' } },
    { ...warning, fields: { session, key: 'chat', model: 'odder' } },
  ]);
  const unpriced = { ...noUsage(), ...usage, costUsd: 0, unpriced: true };
  expect(await bodies(world, 'chat', 'usage')).toEqual([
    { ...unpriced, model: 'odd' },
    { ...noUsage(), ...usage, costUsd: 2, model: 'big-1' },
    { ...unpriced, model: 'odd' },
    { ...unpriced, model: 'odder' },
  ]);
});

test('what is in no table and used nothing is not unpriced, nor is what says it was free', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage }, prices });
  const { turn } = await send(world, 'chat', { input: 'hello', budget: { usd: 1 } });
  const act = await stage.next();

  await act.say({ kind: 'usage', usage: {} }, { kind: 'usage', usage: { inputTokens: 1 }, costUsd: 0 });
  act.end();
  await outcome(world, 'chat', turn);

  expect(JSON.stringify(await bodies(world, 'chat', 'usage'))).not.toContain('unpriced');
  expect(world.logged.filter(({ event }) => event === 'usage.unpriced')).toEqual([]);
});

test('a table of your own replaces the one that is built in', async () => {
  const usage = { ...noUsage(), inputTokens: MILLION };
  const [name = ''] = Object.keys(DEFAULT_PRICES);
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage }, prices });
  const { turn } = await send(world, 'chat', 'hello');
  const act = await stage.next();

  await act.say({ kind: 'usage', usage, model: name });
  act.end();

  expect(costOf(DEFAULT_PRICES, usage, name)).toBeGreaterThan(0);
  expect((await outcome(world, 'chat', turn)).costUsd).toBe(0);
});

test('a usage that is no number fails the turn that yields it, and leaves the bill as it is', async () => {
  for (const used of [{ usage: { inputTokens: Number.NaN } }, { usage: {}, costUsd: -1 }]) {
    const stage = new Stage();
    await using world = await testRuntime({ agents: { stage } });
    const { turn } = await send(world, 'chat', 'hello');
    (await stage.next()).utter({ kind: 'usage', ...used });

    const { outcome: end, error } = await outcome(world, 'chat', turn);
    expect([end, error?.code]).toEqual(['failed', 'agent.failed']);
    expect(await world.runtime.session('chat')).toMatchObject({ usage: noUsage(), costUsd: 0 });
  }
});

test('a table with a price that is none is refused before anything is started', async () => {
  const wrong = { ...prices, cheap: { input: -1, output: 0 } };

  await expect(testRuntime({ prices: wrong })).rejects.toThrow(
    'config.invalid: Price input of model cheap is -1; it must be a number of at least 0',
  );
});

test("an AI SDK agent's calls are priced by the same table", async () => {
  const answered = { type: 'response-metadata', id: 'r1', modelId: 'acme/big-1' } as const;
  const { mock } = model([answered, ...text('hi'), finish('stop', used(1_000, 500))]);
  await using world = await testRuntime({
    agents: { sdk: aiSdkAgent(new ToolLoopAgent({ model: mock })) },
    prices,
  });

  const { turn } = await send(world, 'chat', 'hello');

  expect((await outcome(world, 'chat', turn)).costUsd).toBe(0.006);
});
