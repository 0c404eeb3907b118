// Listing: what a user sees of all sessions, in order, page by page, whether they are in memory or not.
//
// Shown here, by what a user sees (A: traps of session routing; A.2: its checklist):
//   A-23  'sessions are listed newest activity first, page by page, each once'
//   A-23  'a list is filtered by what a session is'
//   A-23  'a summary is the beginning of what was said first, and short'
//   A-23  'a damaged session stands in no other session's way'
//   A-24  "a host's own sessions stand among ours, and ours win where both know one"
//   A-28  'a page has at most two hundred, and a limit that is none is refused'
//   A.2   'the number of live sessions is known without asking each'
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { functionAgent } from '../src/agent/function/function.ts';
import { hostCaller } from '../src/runtime/access.ts';
import type { HostSession } from '../src/runtime/hooks.ts';
import { databaseFile } from '../src/store/sqlite/folder.ts';
import { testRuntime } from '../src/testing/test-runtime.ts';
import type { SessionQuery } from '../src/wire/calls.ts';
import type { SessionView } from '../src/wire/session.ts';
import { refusal, say, seen, send, Stage } from './session-stage.ts';

const keys = ({ sessions }: { sessions: readonly SessionView[] }) => sessions.map(({ key }) => key);

test('sessions are listed newest activity first, page by page, each once', async () => {
  await using world = await testRuntime();
  for (let index = 0; index < 7; index += 1) {
    await world.runtime.open(`chat ${index}`);
    await world.clock.advance(index === 3 ? 0 : 10); // Two at the same moment.
  }
  await say(world, 'chat 0', 'hello');

  const found: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await world.runtime.sessions({ limit: 3, ...(cursor === undefined ? {} : { cursor }) });
    found.push(...keys(page));
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);

  expect(found).toEqual(['chat 0', 'chat 6', 'chat 5', 'chat 4', 'chat 3', 'chat 2', 'chat 1']);
  expect(await refusal(world.runtime.sessions({ cursor: 'nonsense' }))).toBe('cursor.invalid');
});

test('a page has at most two hundred, and a limit that is none is refused', async () => {
  await using world = await testRuntime();
  await Promise.all(Array.from({ length: 210 }, (_each, index) => world.runtime.open(`chat ${index}`)));

  expect((await world.runtime.sessions()).sessions).toHaveLength(50);
  expect((await world.runtime.sessions({ limit: 1_000 })).sessions).toHaveLength(200);
  for (const limit of [0, -1, 1.5, Number.NaN]) {
    expect(await refusal(world.runtime.sessions({ limit }))).toBe('input.invalid');
  }
});

test('a list is filtered by what a session is', async () => {
  const stage = new Stage();
  const echo = functionAgent(async function* () {
    yield 'hi';
  });
  await using world = await testRuntime({ agents: { echo, stage } });
  await world.runtime.addProject('other');
  await world.runtime.open('alice', { owner: 'alice', labels: ['red', 'big'], title: 'Holiday in Málaga' });
  await world.runtime.open('bob', { owner: 'bob', labels: ['red'], agent: 'stage' });
  await world.runtime.open('elsewhere', { owner: 'alice' }, hostCaller('other'));
  await say(world, 'echo', 'where is the invoice?');
  await send(world, 'bob', 'work');
  await (await stage.next()).turn.spawn('stage', 'help');
  const child = await stage.next();
  await world.runtime.close('echo');
  const found = async (query: SessionQuery) => keys(await world.runtime.sessions(query)).toSorted();

  expect(await found({ owner: 'alice' })).toEqual(['alice']);
  expect(await found({ label: 'red' })).toEqual(['alice', 'bob']);
  expect(await found({ label: 'red', owner: 'bob' })).toEqual(['bob']);
  expect(await found({ agent: 'echo' })).toEqual(['alice', 'echo']);
  expect(await found({ state: 'closed' })).toEqual(['echo']);
  expect(await found({ state: 'running' })).toEqual(['bob', child.turn.session.key].toSorted());
  expect(await found({ parent: 'bob' })).toEqual([child.turn.session.key]);
  expect(await found({ q: 'INVOICE' })).toEqual(['echo']);
  expect(await found({ q: 'malaga' })).toEqual(['alice']);
  expect(await found({ q: 'nothing like it' })).toEqual([]);
  expect(keys(await world.runtime.sessions({}, hostCaller('other')))).toEqual(['elsewhere']);
});

test('a summary is the beginning of what was said first, and short', async () => {
  await using world = await testRuntime();

  await say(world, 'long', `  Tell\n\nme ${'\ud83d\ude00'.repeat(50_000)}`);
  await say(world, 'short', 'hello');
  await say(world, 'short', 'something else');
  await say(world, 'none', {
    input: [{ type: 'file', mediaType: 'image/png', url: 'https://example.com/a.png' }],
  });
  const summary = async (key: string) => (await world.runtime.session(key)).summary;

  const long = (await summary('long')) ?? '';
  expect(Array.from(long)).toHaveLength(200);
  expect(long.startsWith('Tell me \ud83d\ude00')).toBe(true);
  expect(long.isWellFormed()).toBe(true);
  expect([await summary('short'), await summary('none')]).toEqual(['hello', '']);
});

test('the number of live sessions is known without asking each', async () => {
  await using world = await testRuntime({ limits: { idleMsMax: 1_000, sweepMs: 0 } });
  for (const key of ['a', 'b']) await say(world, key, 'hello');
  const before = world.runtime.stats().live;

  await world.clock.advance(1_001);
  const after = world.runtime.stats();

  expect([before, after.live, after.evictions['idle']]).toEqual([2, 0, 0]);
});

test("a damaged session stands in no other session's way", async () => {
  await using world = await testRuntime();
  await say(world, 'well', 'hello');
  await say(world, 'ill', 'hello');
  await world.kill();
  const database = new DatabaseSync(databaseFile(world.folder));
  database.exec(`UPDATE chunks SET bodies = replace(bodies, 'hello', 'HELLO')
    WHERE session = (SELECT num FROM sessions WHERE key = 'ill')`);
  database.close();
  await world.start();

  const first = await say(world, 'ill', '/count'); // Nobody knew.
  const read = await refusal(world.runtime.transcript('ill'));
  await world.restart();
  const refused = await refusal(send(world, 'ill', '/count'));
  const list = await world.runtime.sessions();

  expect(first).toMatchObject({ outcome: 'failed', error: { code: 'session.damaged' } });
  expect([read, refused]).toEqual(['session.damaged', 'session.damaged']);
  expect(keys(list).toSorted()).toEqual(['ill', 'well']);
  expect((await say(world, 'well', '/count')).text).toBe('2');
});

test("a host's own sessions stand among ours, and ours win where both know one", async () => {
  const asked: unknown[] = [];
  const theirs: HostSession[] = [
    { key: 'draft', lastActiveAt: '2030-01-01T00:00:05.000Z', title: 'Not sent yet' },
    { key: 'chat', lastActiveAt: '2031-01-01T00:00:00.000Z', title: 'Theirs' },
    { key: 'old', lastActiveAt: '2031-01-01T00:00:00.000Z', title: 'Theirs' },
  ];
  await using world = await testRuntime({
    hooks: {
      async listSessions(query) {
        asked.push(query);
        return theirs;
      },
    },
  });
  await world.runtime.open('old');
  await world.clock.advance(1_000);
  await world.runtime.open('chat', { title: 'Ours' });
  await world.clock.advance(10_000);
  await world.runtime.open('newer');

  const all = await world.runtime.sessions();
  const filtered = await world.runtime.sessions({ q: 'draft' });
  const first = await world.runtime.sessions({ limit: 2 });

  expect(all.sessions.map(({ key, title }) => [key, title])).toEqual([
    ['newer', null],
    ['draft', 'Not sent yet'],
    ['chat', 'Ours'],
    ['old', null],
  ]);
  expect(filtered.sessions).toEqual([]);
  expect(keys(first)).not.toContain('old'); // It is ours, and comes on its own page.
  expect(asked).toEqual([
    { project: 'default', limit: 50 },
    { project: 'default', limit: 2 },
  ]);
});

test("a host's list that fails leaves ours", async () => {
  await using world = await testRuntime({
    hooks: { listSessions: () => Promise.reject(new Error('the database of the host is down')) },
  });
  await world.runtime.open('chat');

  expect(keys(await world.runtime.sessions())).toEqual(['chat']);
  expect(world.logged.filter(({ event }) => event === 'hooks.list_sessions_failed')).toHaveLength(1);
});

test("a host's own sessions are shown to whoever may see them", async () => {
  const theirs: HostSession[] = [
    { key: 'of alice', lastActiveAt: '2030-01-01T00:00:05.000Z', owner: 'alice' },
    { key: 'of nobody', lastActiveAt: '2030-01-01T00:00:05.000Z' },
  ];
  await using world = await testRuntime({ hooks: { listSessions: async () => theirs } });
  const seenBy = async (owner: string | null, scopes: readonly 'read'[] | readonly ['read', 'operate']) =>
    keys(
      await world.runtime.sessions(
        {},
        { token: 'some token', project: 'default', owner, scopes: new Set(scopes) },
      ),
    ).toSorted();

  expect(await seenBy('alice', ['read'])).toEqual(['of alice']);
  expect(await seenBy('bob', ['read'])).toEqual([]);
  expect(await seenBy('bob', ['read', 'operate'])).toEqual(['of alice', 'of nobody']);
});

test('a tree shows the children of children', async () => {
  const stage = new Stage();
  await using world = await testRuntime({ agents: { stage } });
  await send(world, 'root', 'hello');
  const root = await stage.next();
  await root.turn.spawn('stage', 'dig', { title: 'child' });
  const child = await stage.next();
  await child.turn.spawn('stage', 'dig deeper', { title: 'grandchild' });
  const grandchild = await stage.next();
  for (const act of [grandchild, child, root]) {
    await act.say({ kind: 'usage', usage: { inputTokens: 1 }, costUsd: 0.25 });
    act.end();
    await act.left;
  }
  await world.runtime.waitForIdle('root');
  await seen(world, 'root', 'child.ended');

  const tree = await world.runtime.tree('root');

  expect(tree.children[0]?.session.title).toBe('child');
  expect(tree.children[0]?.children[0]?.session.title).toBe('grandchild');
  expect([tree.costUsd, tree.usage.inputTokens, tree.session.costUsd]).toEqual([0.75, 3, 0.25]);
});
