// Streams that are opened with a sign-in: each ends when that does, whatever ends it.
//
//   D-3   'a stream of the timeline ends when its sign-in is signed out, ended by an operator, or revoked with its token', 'a stream of the timeline ends when its sign-in was idle for too long', 'the notifications of an older client of the tools end with its sign-in'
import { expect, onTestFinished, test } from 'vitest';
import { opened as openedTools, serve as serveTools, toolsList } from './mcp-support.ts';
import { TimelineServer } from './timeline-server.ts';

const HAL = { name: 'Hal' };
const MINUTE = 60_000;
const EVENTS = { Accept: 'text/event-stream' };

async function opened(): Promise<TimelineServer> {
  const server = await TimelineServer.open();
  onTestFinished(() => server.close());
  return server;
}

/** Resolves when the stream has begun; `rest` when it has ended. */
async function following(server: TimelineServer, token: string): Promise<{ rest: Promise<string> }> {
  const response = await server.call('GET', '/v1/posts', token, undefined, EVENTS);
  expect(response.status).toBe(200);
  return { rest: restOf(response) };
}

async function restOf({ body }: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  if (body !== null) for await (const piece of body) text += decoder.decode(piece, { stream: true });
  return text;
}

async function withinTwoSeconds(end: () => Promise<unknown>): Promise<void> {
  const beganMs = performance.now();
  await end();
  expect(performance.now() - beganMs).toBeLessThan(2_000);
}

test('a stream of the timeline ends when its sign-in is signed out, ended by an operator, or revoked with its token', async () => {
  const server = await opened();
  const { runtime } = server.world;
  const token = await runtime.addToken({ name: 'maker', scopes: ['send'] });
  const [out, ended, stays] = [
    await runtime.signIns.signIn(HAL),
    await runtime.signIns.signIn(HAL),
    await runtime.signIns.signIn(HAL),
  ];
  const maker = await runtime.authenticate(token.secret);
  if (maker === null) throw new Error('The token is not known');
  const revoked = await runtime.signIns.signIn(HAL, maker);
  const streams = await Promise.all([out, ended, revoked].map((one) => following(server, one.token)));
  const open = await following(server, stays.token);

  await withinTwoSeconds(async () => {
    await server.call('DELETE', '/v1/sign-ins/current', out.token);
    await server.call('DELETE', `/v1/sign-ins/${ended.id}`, server.token);
    await server.call('DELETE', `/v1/tokens/${token.id}`, server.token);
    await Promise.all(streams.map(({ rest }) => rest));
  });

  await server.call('POST', '/v1/posts', stays.token, { content: 'still here' });
  await server.call('DELETE', '/v1/sign-ins/current', stays.token);
  expect(await open.rest).toContain('still here');
});

test('an identity is removed with its sign-ins and their streams, and its posts stay as they were', async () => {
  const server = await opened();
  const client = server.client();
  const { token, identity } = await client.signIns.signIn(HAL);
  const { rest } = await following(server, token);
  await client.post('I was here', { signIn: token });

  await withinTwoSeconds(async () => {
    await client.signIns.removeIdentity(identity.id);
    await rest;
  });

  const { posts } = await client.postPage({ identity: identity.id });
  expect(posts.map(({ author, content }) => [author.name, content])).toEqual([['Hal', 'I was here']]);
  expect((await client.signIns.identityPage()).identities).toEqual([]);
  expect((await server.call('GET', '/v1/sign-ins/current', token)).status).toBe(401);
  expect((await server.call('DELETE', `/v1/identities/${identity.id}`, server.token)).status).toBe(404);
  expect((await client.signIns.signIn(HAL)).identity.id).not.toBe(identity.id);
});

test('a stream of the timeline ends when its sign-in was idle for too long', async () => {
  const server = await opened();
  const token = await server.signIn('Hal');
  const { rest } = await following(server, token);
  await server.world.clock.advance(29 * MINUTE);
  await server.call('POST', '/v1/posts', token, { content: 'in use' });
  await server.world.clock.advance(30 * MINUTE);
  const other = await server.signIn('Sal');
  await server.call('POST', '/v1/posts', other, { content: 'to the last moment' });

  await withinTwoSeconds(async () => {
    await server.world.clock.advance(1);
    await rest;
  });

  const seen = await rest;
  expect([seen.includes('in use'), seen.includes('to the last moment')]).toEqual([true, true]);
  const after = await server.call('GET', '/v1/sign-ins/current', token);
  expect([after.status, ((await after.json()) as { code: string }).code]).toEqual([401, 'sign-in.expired']);
});

test('the notifications of an older client of the tools end with its sign-in', async () => {
  const served = await serveTools();
  const { signIns } = served.runtime;
  const [out, ended] = [await signIns.signIn(HAL, served.host), await signIns.signIn(HAL, served.host)];
  const rests = await Promise.all(
    [out, ended].map(async ({ token }) => {
      const headers = { ...(await openedTools(served, token)), ...EVENTS, Authorization: `Bearer ${token}` };
      const stream = await fetch(`${served.url}/mcp`, { headers });
      expect(stream.status).toBe(200);
      return { text: restOf(stream) };
    }),
  );

  await withinTwoSeconds(async () => {
    await signIns.signOut(out.token);
    await signIns.end(ended.id, served.host);
    await Promise.all(rests.map(({ text }) => text));
  });

  for (const { token } of [out, ended]) expect((await served.post(toolsList, { token })).status).toBe(401);
});
