// A session's working set over HTTP: what is shown, to whom, and that looking changes nothing.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect, type Client, type ContextView } from '../src/client/client.ts';
import { contextView } from '../src/wire/context-schema.ts';
import { testServer, type TestServer } from './cli-server.ts';
import { Stage } from './session-stage.ts';

const LIMITS = { contextTokens: 4_000 };

let server: TestServer;
let client: Client;
let token: string;

beforeAll(async () => {
  server = await testServer({ limits: LIMITS, agents: { keeper: new Stage({ ownsHistory: true }) } });
  token = readFileSync(join(server.folder, 'token'), 'utf8').trim();
  client = connect({ url: server.url, token });
});
afterAll(() => server.close());

const get = (path: string, bearer = token): Promise<Response> =>
  fetch(`${server.url}${path}`, { headers: { Authorization: `Bearer ${bearer}` } });

describe('what the next turn would see', () => {
  test('is shown with its sizes, oldest first, and each piece by a reference', async () => {
    const session = client.session('sizes');
    await session.sendAndWait('Hello there');
    await session.sendAndWait('/big 100000');

    const view = await session.context();

    expect(view.windowTokens).toBe(4_000);
    expect(view.marks).toEqual({ mild: 0.5, aggressive: 0.85, emergency: 0.95 });
    expect(view.seq).toBe((await session.view()).headSeq);
    expect(view.session).toBe((await session.view()).id);
    expect(view.entries.map(({ kind, text }) => [kind, text])).toEqual([
      ['turn', expect.stringContaining('Hello there')],
      ['turn', expect.stringContaining('/big 100000')],
    ]);
    for (const { ref } of view.entries) expect(ref).toMatch(/^log:\d+-\d+$/);
    expect(view.tokens).toBe(view.entries.reduce((sum, { tokens }) => sum + tokens, 0));
    expect(view.tokens).toBeGreaterThan(0);
    expect(view.tokens).toBeLessThan(2_000); // Not the 100,000 bytes.
    expect(view.entries[1]).toMatchObject({ offloaded: 1, digested: 0 });
    expect(view.calls).toEqual({ pending: [], returned: 1, digested: 0 });
    expect(view.artifacts).toEqual({ count: 1, bytes: 100_000 });
    expect(view.tasks.map(({ title, state }) => [title, state])).toEqual([
      ['Hello there', 'done'],
      ['/big 100000', 'done'],
    ]);
  });

  test('is the same of a session that sleeps as it was while it was live, also after a restart, and wakes nobody', async () => {
    const session = client.session('asleep');
    await session.sendAndWait('/tool look {"at": "the sea"}');
    await session.sendAndWait('/big 20000');
    const live = await session.context();

    await session.evict();
    const asleep = await session.context();
    await server.restart();
    const restarted = await session.context();

    expect((await session.view()).live).toBe(false);
    expect({ ...asleep, seq: live.seq }).toEqual(live);
    expect(restarted).toEqual(asleep);
  });

  test('is small after many large results, and says what was digested and how to get it back', async () => {
    const session = client.session('long');
    for (let turn = 0; turn < 30; turn += 1) await session.sendAndWait('/big 3000');
    await session.evict(); // Not before what is being digested is.

    const view = await session.context();

    expect(view.tokens).toBeLessThan(6_000); // Of 45,000.
    expect(view.compactions.count).toBeGreaterThan(0);
    expect(view.compactions.tokensSaved).toBeGreaterThan(0);
    expect(view.entries[0]).toMatchObject({
      kind: 'digest',
      turn: null,
      ref: expect.stringMatching(/^log:2-\d+$/),
    });
    expect(view.entries.at(-1)).toMatchObject({ kind: 'turn', digested: 0 });
    const { events } = await session.events();
    const compacted = events.filter(({ seq, kind }) => seq <= view.seq && kind === 'context.compacted');
    expect(compacted).toHaveLength(view.compactions.count);
    expect(compacted.at(-1)?.seq).toBe(view.compactions.lastSeq);
  });

  test('is nothing that is measured where the agent keeps the conversation itself', async () => {
    await client.session('kept').open({ agent: 'keeper' });

    const view = await client.session('kept').context();

    expect(view).toMatchObject({ ownsHistory: true, entries: [], tokens: 0, pressure: 'none' });
  });

  test('of an internal session it is all there is, however much', async () => {
    const { runtime } = server.serving;
    await runtime.open('own', { internal: true });
    for (let turn = 0; turn < 3; turn += 1) await client.session('own').sendAndWait('/big 3000');

    const view = await client.session('own').context();

    expect(view.entries).toHaveLength(3);
    expect(view.tokens).toBeGreaterThan(4_000);
    expect([view.pressure, view.compactions.count]).toEqual(['emergency', 0]);
  });

  test('of a session without a turn it is empty', async () => {
    await client.session('empty').open();

    const view = await client.session('empty').context();

    expect(view).toMatchObject({
      tokens: 0,
      entries: [],
      tasks: [],
      earlierTasks: 0,
      artifacts: { count: 0, bytes: 0 },
    });
  });

  test('is of the shape that the published document says', async () => {
    await client.session('shape').sendAndWait('/big 20000');

    const answer = (await (await get('/v1/sessions/shape/context')).json()) as ContextView;

    expect(contextView.parse(answer)).toEqual(answer);
  });

  test('needs the right to read, a session that is there, and a format there is', async () => {
    const { secret } = await server.serving.runtime.addToken({ name: 'sender', scopes: ['send'] });
    const others = await server.serving.runtime.addToken({ name: 'owned', scopes: ['read'], owner: 'eve' });
    await client.session('mine').open();

    const answers = await Promise.all([
      get('/v1/sessions/mine/context', secret),
      get('/v1/sessions/mine/context', others.secret),
      get('/v1/sessions/nobody/context'),
      get('/v1/sessions/mine/context?format=xml'),
    ]);

    expect(answers.map(({ status }) => status)).toEqual([403, 404, 404, 400]);
  });
});

describe('the map of a session’s tasks', () => {
  test('comes as the text of a Mermaid diagram, in which no title can be more than a title', async () => {
    const session = client.session('map');
    await session.sendAndWait('Plan the trip "end"] --> x; click x "javascript:alert(1)"\nsubgraph evil');
    await session.sendAndWait('/big 20000');

    const map = await session.taskMap();
    const answer = await get('/v1/sessions/map/context?format=mermaid');

    expect(answer.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    const lines = map.trimEnd().split('\n');
    expect(lines[0]).toMatch(/^flowchart (TD|LR|TB)$/);
    expect(lines.filter((line) => /^\s*(click|subgraph|end\b)/.test(line))).toEqual([]);
    expect(map).toContain('Plan the trip');
    expect(map).not.toContain('"end"]');
  });
});

describe('the figures of a server', () => {
  test('say how much was moved out, and how many tokens digests have saved', async () => {
    await client.session('figures').sendAndWait('/big 50000');

    const { context } = await client.stats();
    const metrics = await (await get('/metrics')).text();

    expect(context?.offloads).toBeGreaterThan(0);
    expect(context?.offloadedBytes).toBeGreaterThanOrEqual(50_000);
    expect(context?.byRules).toBe(0);
    expect(metrics).toContain(`sojourn_offloads_total ${context?.offloads}\n`);
    expect(metrics).toMatch(/^sojourn_tokens_saved_total \d+$/m);
  });
});
