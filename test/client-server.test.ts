import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect, type Client, type Event } from '../src/client/client.ts';
import { testServer, type TestServer } from './cli-server.ts';
import { seededRandom } from './client-stand-in.ts';

let server: TestServer;
let client: Client;

beforeAll(async () => {
  server = await testServer();
  const token = readFileSync(join(server.folder, 'token'), 'utf8').trim();
  client = connect({ url: server.url, token });
});
afterAll(() => server.close());

const seqs = (events: readonly { seq: number }[]): number[] => events.map((event) => event.seq);

test('a session is made, described, found and given another key', async () => {
  const session = client.session('made/here?');

  const opened = await session.open({ title: 'One', labels: ['x'] });
  await session.addAlias('other name');
  const updated = await client.session('other name').update({ title: 'Two' });

  expect(updated).toMatchObject({ id: opened.id, key: 'made/here?', title: 'Two', labels: ['x'] });
});

test('sending and waiting gives the finished turn', async () => {
  const session = client.session('waited');

  const turn = await session.sendAndWait('/words 3 0', { channel: 'test' });

  expect(turn).toMatchObject({ state: 'done', outcome: 'completed', text: 'w1 w2 w3' });
  expect(await session.turn(turn.id)).toEqual(turn);
  expect(await session.turns()).toEqual([turn]);
  expect((await session.transcript()).map((message) => message.role)).toEqual(['user', 'assistant']);
});

test('a client without bounds waits as long as it takes, and sets no timer over and over', async () => {
  const warnings: string[] = [];
  const warned = ({ name }: Error): void => void warnings.push(name);
  process.on('warning', warned);
  const token = readFileSync(join(server.folder, 'token'), 'utf8').trim();
  const unbounded = { stallMs: Infinity, answerMsMax: Infinity, retryMsMax: Infinity };
  const session = connect({ url: server.url, token, ...unbounded }).session('unbounded');

  const turn = await session.sendAndWait('/words 3 20');

  process.off('warning', warned);
  expect(turn.text).toBe('w1 w2 w3');
  expect(warnings).toEqual([]);
});

test('the children of one session are listed, and no others', async () => {
  await client.session('family').sendAndWait('/spawn scripted /spawn scripted Hello');
  await client.session('neighbours').sendAndWait('/spawn scripted Hello');
  const { session, children } = await client.session('family').tree();

  const found = [];
  for await (const child of client.sessions({ parent: 'family' })) found.push(child);

  expect(found.map(({ id, parent }) => [id, parent])).toEqual([[children[0]?.session.id, session.id]]);
});

test('a stream goes on over restarts of the server, without a loss or a repeat', async () => {
  const random = seededRandom(11);
  const session = client.session('restarted');
  const events: Event[] = [];
  let restarts = 0;

  for await (const event of session.stream('/words 60 5')) {
    events.push(event);
    if (event.kind === 'text.delta' && restarts < 3 && random() < 0.2) {
      restarts += 1;
      await server.restart();
    }
  }

  const log: Event[] = [];
  for await (const event of session.history()) log.push(event);
  expect(restarts).toBe(3);
  expect(events).toEqual(log.filter((event) => event.turn === events[0]?.turn));
  expect(seqs(log)).toEqual(log.map((_event, index) => index + 1));
  expect(events.at(-1)).toMatchObject({ kind: 'turn.ended' });
});

test('a steered message that was not taken is followed into the turn it became', async () => {
  const session = client.session('steered');
  const running = await session.send('/deaf 300');
  for await (const event of session.follow()) if (event.kind === 'turn.started') break;

  const turns: (string | null)[] = [];
  for await (const event of session.stream('hello', { policy: 'steer' })) {
    if (event.kind === 'turn.ended') turns.push(event.turn);
  }

  expect(turns).toHaveLength(1);
  expect(turns).not.toContain(running.turn);
});

test('what was too large for the log is read back, whole and by range', async () => {
  const session = client.session('large');
  await session.sendAndWait('/big 200000');

  const [artifact] = await session.artifacts();
  const whole = await session.artifact(artifact?.id ?? '');
  const part = await session.artifact(artifact?.id ?? '', { start: 10, end: 20 });

  expect(whole.byteLength).toBe(artifact?.bytes);
  expect(part).toEqual(whole.slice(10, 20));
});

test('a project has sessions and tokens of its own', async () => {
  await client.addProject('acme');
  const token = readFileSync(join(server.folder, 'token'), 'utf8').trim();
  const acme = connect({ url: server.url, token, project: 'acme' });

  await acme.session('inside').sendAndWait('x');
  const { secret, id } = await acme.addToken({ name: 'bridge', scopes: ['read', 'send'] });
  const bridge = connect({ url: server.url, token: secret });
  await bridge.session('mine').sendAndWait('y');

  await expect(client.session('inside').view()).rejects.toMatchObject({ code: 'session.not_found' });
  const keys: string[] = [];
  for await (const session of bridge.sessions()) keys.push(session.key);
  expect(keys).toEqual(['mine']);
  await acme.removeToken(id);
  await expect(bridge.session('mine').view()).rejects.toMatchObject({ code: 'auth.required' });
  expect((await client.projects()).map((project) => project.name)).toContain('acme');
  await expect(client.removeProject('acme')).rejects.toMatchObject({ code: 'project.in_use' });
});

test('an open stream ends with auth.required when its token is revoked', async () => {
  const { secret, id } = await client.addToken({ name: 'short', scopes: ['read', 'send', 'operate'] });
  const reader = connect({ url: server.url, token: secret });
  await client.session('watched').sendAndWait('x');

  const reading = (async () => {
    for await (const event of reader.session('watched').follow()) {
      if (event.kind === 'turn.ended') await client.removeToken(id);
    }
  })();

  await expect(reading).rejects.toMatchObject({ code: 'auth.required' });
});
