// One bill, as it is seen over HTTP: prices from the config, the tree with what is spent, left and kept.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ContractServer, THERE } from './contract-server.ts';

/** The boss gives its child forty cents, of which the child uses ten and waits for a file. */
const config = `
  ${THERE}
  import { defineAgent, defineConfig } from 'sojourn';
  const boss = defineAgent(async function* (turn) {
    const child = await turn.spawn('worker', 'dig', { budget: { usd: 0.4 } });
    yield (await child.result()).text;
  });
  const worker = defineAgent(async function* () {
    yield { kind: 'usage', usage: { inputTokens: 100_000 }, model: 'acme/m1' };
    yield 'A hole';
    await there('go');
  });
  export default defineConfig({ agents: { boss, worker }, prices: { m1: { input: 1, output: 2 } } });
`;

let server: ContractServer;

beforeAll(async () => {
  server = await ContractServer.start(config);
});
afterAll(() => server.close());

const tree = async () => (await server.get('/v1/sessions/chat/tree')).body;

test('a tree shows what its sessions spend while they run, by the prices of the config, and what is left and kept', async () => {
  await server.call('PUT', '/v1/sessions/chat', {});
  await server.call('PATCH', '/v1/sessions/chat', { budget: { usd: 1 } });
  await server.send('chat', 'hello');
  const { body: started } = await server.until('chat', ({ kind }) => kind === 'child.started');
  await server.until(encodeURIComponent(String(started['key'])), ({ kind }) => kind === 'text.delta');

  const during = await tree();
  server.write('go', '');
  await server.idle('chat');
  const after = await tree();

  expect(started).toMatchObject({ budget: { usd: 0.4 } });
  expect(during).toMatchObject({ costUsd: 0.1, left: { usd: 0.6 } });
  expect(during.children[0]).toMatchObject({ costUsd: 0.1, left: { usd: 0.3 }, reserved: { usd: 0.3 } });
  expect(after).toMatchObject({ costUsd: 0.1, left: { usd: 0.9 } });
  expect(after.children[0]).not.toHaveProperty('reserved');
});
