// The scripted agent of a fresh server, line by line of what is promised about it.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MT_BENCH } from '../src/agent/scripted/mt-bench.ts';
import { ContractServer, said, words } from './contract-server.ts';

let server: ContractServer;

beforeAll(async () => {
  server = await ContractServer.start();
});
afterAll(() => server.close());

test('it is there, and says what it can', async () => {
  expect((await server.get('/v1/agents')).body).toEqual({
    agents: [
      {
        name: 'scripted',
        default: true,
        capabilities: { rerun: 'safe', steers: true, rewinds: true, forks: true, ownsHistory: false },
      },
    ],
  });
});

test.each([
  ['anything else', 'You said: anything else'],
  ['/words 3 0', 'w1 w2 w3'],
  ['/count', '1'],
  ['/recall 1', '/recall 1'],
  ['/tool weather {"city":"Oslo"}', 'weather returned its input.'],
  ['/big 100', 'big returned 100 bytes.'],
  ['/spawn scripted hello', 'You said: hello'],
  ['/deaf 10', 'Deaf for 10 ms. Listening again.'],
  ['/nothing we know', 'You said: /nothing we know'],
])('%s is answered with: %s', async (input, text) => {
  const turn = await server.say(`says-${encodeURIComponent(input)}`, input);

  expect(turn).toMatchObject({ outcome: 'completed', text });
});

test('it counts and recalls what the user said, also after the server was killed', async () => {
  await server.say('memory', 'one  two\n three');
  await server.restart();

  expect((await server.say('memory', '/count')).text).toBe('2');
  expect((await server.say('memory', '/recall 1')).text).toBe('one  two\n three');
});

test('/crash ends the process at once, and the attempt after it says so', async () => {
  // The answer may be lost with the process; a repeated call with the same key tells what became of it.
  const once = () => server.send('crash', '/crash', {}, { 'Idempotency-Key': 'once' });
  await once().catch(() => undefined);
  await server.gone();
  await server.start();
  const { body } = await once();
  await server.idle('crash');

  const [turn] = (await server.get('/v1/sessions/crash/turns')).body.turns;
  expect(body).toMatchObject({ disposition: 'replayed', turn: turn.id });
  expect(turn).toMatchObject({ outcome: 'completed', attempt: 2, text: 'back, attempt 2' });
});

test('a recorded question is answered with the recorded answer, word by word', async () => {
  const [conversation] = MT_BENCH;
  for (const { question, answer } of conversation?.turns ?? []) {
    const { id, text } = await server.say('bench', question);
    expect(text).toBe(answer);
    expect(said(await server.events('bench'), id as string)).toBe(answer);
  }
  expect.assertions(4);
});

test('a tool is called before it returns, and what is large becomes an artifact', async () => {
  await server.say('tools', '/tool weather {"city":"Oslo"}');
  await server.say('tools', '/big 100000');

  const events = await server.events('tools');
  const [small, large] = events.filter(({ kind }) => kind === 'tool.returned');
  const called = events.find(({ kind }) => kind === 'tool.called');
  expect(called?.body).toMatchObject({ name: 'weather', input: { city: 'Oslo' } });
  expect(small?.body).toMatchObject({ call: called?.body.call, output: { city: 'Oslo' }, isError: false });
  expect(small?.seq).toBeGreaterThan(called?.seq ?? Infinity);
  expect(large?.body).toMatchObject({ artifact: expect.any(String), bytes: 100_000, isError: false });
  const whole = await server.get(`/v1/sessions/tools/artifacts/${large?.body.artifact}`);
  expect(whole.headers.get('content-type')).toBe('text/plain; charset=utf-8');
  expect(whole.text).toHaveLength(100_000);
  expect(whole.text).toMatch(/^line 1\nline 2\n/);
});

test('a failure ends its turn, and the session goes on', async () => {
  const failed = await server.say('fails', '/fail on purpose');
  const next = await server.say('fails', 'hello');

  expect(failed).toMatchObject({
    outcome: 'failed',
    error: { code: 'agent.failed', message: 'on purpose' },
  });
  expect(next.outcome).toBe('completed');
});

test('a question waits for its answer, and one that was denied hears that', async () => {
  const texts: string[] = [];
  for (const [key, call] of Object.entries({
    told: { decision: 'allow', answer: 'blue' },
    denied: { decision: 'deny' },
  })) {
    await server.send(key, '/ask Which colour?');
    const { body } = await server.until(key, ({ kind }) => kind === 'request.opened');
    expect(await server.session(key)).toMatchObject({ state: 'waiting' });
    const answer = () => server.call('POST', `/v1/sessions/${key}/requests/${body.request}`, call);
    expect((await answer()).status).toBe(200);
    expect((await answer()).body.code).toBe('request.closed');
    await server.idle(key);
    texts.push((await server.get(`/v1/sessions/${key}/turns`)).body.turns[0].text);
  }

  expect(texts).toEqual(['blue', 'deny']);
});

test('a child that is not waited for reports to its parent when it ends', async () => {
  const turn = await server.say('parent', '/spawn& scripted /words 5 0');
  const { body } = await server.until('parent', ({ kind }) => kind === 'child.ended');

  expect(turn.text).toMatch(/^Started /);
  expect(body).toMatchObject({ outcome: 'completed', text: words(5) });
});

test('a turn that runs longer than it may expires, and one with a budget of time ends by that', async () => {
  const late = await server.say('late', '/words 1000 20', { deadlineMs: 100 });
  const costly = await server.say('late', '/words 1000 20', { budget: { ms: 100 } });

  expect(late).toMatchObject({ outcome: 'expired', error: { code: 'turn.expired' } });
  expect(costly).toMatchObject({ outcome: 'budget', error: { code: 'turn.budget' } });
});
