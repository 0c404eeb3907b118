// A server with ACP agents at work is killed as the machine would kill it. Seen from outside: over HTTP, and in the list of
// processes of the machine.
import { randomUUID } from 'node:crypto';
import { afterEach, expect, test } from 'vitest';
import { ECHO, scratch } from './acp-stage.ts';
import { ContractServer } from './contract-server.ts';
import { isRunning, until, withEnvironment } from './process-scene.ts';

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

/** Every process of its agents carries the tag, and what these start as well. */
async function start(): Promise<{ server: ContractServer; tag: string }> {
  const { folder, remove } = scratch();
  const tag = randomUUID();
  const server = await ContractServer.start(`
    import { defineConfig } from 'sojourn';
    import { acpAgent } from 'sojourn/agent/acp';
    const echo = acpAgent({
      command: process.execPath,
      args: [${JSON.stringify(ECHO)}, ${JSON.stringify(`memory=${folder}`)}],
      cwd: ${JSON.stringify(folder)},
      env: { TAG: ${JSON.stringify(tag)} },
      inherit: ['NODE_COMPILE_CACHE'],
    });
    export default defineConfig({ agents: { echo } });
  `);
  open.push(async () => {
    await server.close();
    await until(() => withEnvironment(`TAG=${tag}`).length === 0, 5_000);
    remove();
  });
  return { server, tag };
}

test('kill -9 with three agents at work leaves none of their processes within five seconds, whatever those do', async () => {
  const { server, tag } = await start();
  for (const key of ['a', 'b', 'c']) {
    const { text } = await server.say(key, '/spawn');
    expect(isRunning(Number(text))).toBe(true);
    await server.send(key, key === 'a' ? '/deaf' : '/words 100000 20');
    await server.until(key, ({ kind, body }) => kind === 'text.delta' && !/^\d+$/.test(body.text as string));
  }
  expect(withEnvironment(`TAG=${tag}`)).toHaveLength(6);

  await server.kill();

  expect(await until(() => withEnvironment(`TAG=${tag}`).length === 0, 5_000)).toBeLessThan(5_000);
});

test('a server that is told to end leaves none of them either', async () => {
  const { server, tag } = await start();
  await server.say('a', '/spawn');
  expect(withEnvironment(`TAG=${tag}`)).toHaveLength(2);

  process.kill(server.pid, 'SIGTERM');
  await server.gone();

  expect(await until(() => withEnvironment(`TAG=${tag}`).length === 0, 5_000)).toBeLessThan(5_000);
});

test('a session whose server was killed goes on with what it knew, and a turn that ran is interrupted', async () => {
  const { server } = await start();
  await server.say('chat', 'my name is Ada');
  const { body: receipt } = await server.send('chat', '/words 100000 20');
  await server.until('chat', ({ kind, turn }) => kind === 'text.delta' && turn === receipt.turn);

  await server.restart();

  const { body: turn } = await server.get(`/v1/sessions/chat/turns/${receipt.turn}`);
  expect(turn.outcome).toBe('interrupted');
  expect((await server.say('chat', '/recall 1')).text).toBe('my name is Ada');
});

test('a permission that was asked before the kill is answered after it, and the agent goes on', async () => {
  const { server } = await start();
  const { body: receipt } = await server.send('chat', '/ask pay {"usd":3}');
  await server.until('chat', ({ kind }) => kind === 'request.opened');

  await server.restart();
  const { body: listed } = await server.get('/v1/requests');
  const [request] = listed.requests;
  await server.call('POST', `/v1/sessions/chat/requests/${request.id}`, { decision: 'allow' });
  await server.idle('chat');

  const { body: turn } = await server.get(`/v1/sessions/chat/turns/${receipt.turn}`);
  expect(request).toMatchObject({ key: 'chat', tool: { name: 'pay', input: { usd: 3 } } });
  expect(turn).toMatchObject({ outcome: 'completed', attempt: 2, text: 'chosen: yes' });
});
