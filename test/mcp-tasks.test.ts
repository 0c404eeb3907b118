// What a task may decide: only what its own turn asks, and an approval only by the word that was asked for.
import { describe, expect, onTestFinished, test } from 'vitest';
import { functionAgent } from '../src/agent/function/function.ts';
import { scriptedAgent } from '../src/agent/scripted/scripted.ts';
import { http } from '../src/face/http/http.ts';
import { mcp } from '../src/face/mcp/mcp.ts';
import { testRuntime } from '../src/testing/test-runtime.ts';
import { SCOPES } from '../src/wire/access.ts';
import { modern, type Loose } from './mcp-support.ts';

const TASKS = { extensions: { 'io.modelcontextprotocol/tasks': {} } };

/** Asks whether it may delete, and says what it was told. */
const careful = functionAgent(async function* (turn) {
  const { decision } = await turn.ask('delete', {
    kind: 'approval',
    text: 'Delete it all?',
    tool: { call: 'c1', name: 'delete', input: { path: '/' } },
  });
  yield decision === 'allow' ? 'Deleted' : 'Left alone';
});

interface Desk {
  /** The result of one request of a client that takes tasks. */
  ask: (method: string, params: Record<string, unknown>) => Promise<Loose>;
  /** The task of a turn that waits, and the requests it shows. */
  waiting: (session: string, agent: string, message: string) => Promise<{ taskId: string; asked: string[] }>;
  text: (session: string) => Promise<string | undefined>;
  open: () => Promise<readonly { id: string }[]>;
}

async function desk(): Promise<Desk> {
  const world = await testRuntime({ agents: { scripted: scriptedAgent({ wordMs: 0 }), careful } });
  onTestFinished(() => world.close());
  const { runtime } = world;
  const face = await http({ port: 0, mounts: [mcp()] }).start(runtime);
  onTestFinished(() => face.close(0));
  const { secret } = await runtime.addToken({ name: 'test', scopes: SCOPES });
  const ask: Desk['ask'] = async (method, params) => {
    const { body, headers } = modern(method, params, TASKS);
    const response = await fetch(`${face.urls[0]}/mcp`, {
      method: 'POST',
      headers: {
        ...headers,
        Authorization: `Bearer ${secret}`,
        Accept: 'application/json, text/event-stream',
        'Content-Type': 'application/json',
      },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    const [, framed] = /^data: (\{.*)$/m.exec(text) ?? [];
    return (JSON.parse(framed ?? text) as Loose).result;
  };
  return {
    ask,
    async waiting(session, agent, message) {
      await runtime.open(session, { agent });
      const { turn } = await runtime.send(session, { input: message });
      const tail = await runtime.tail(session, { after: 0 });
      for (let asks = false; !asks;) asks = (await tail.next()).some(({ kind }) => kind === 'request.opened');
      tail.close();
      const taskId = Buffer.from(JSON.stringify([session, turn])).toString('base64url');
      const { inputRequests } = await ask('tasks/get', { taskId });
      return { taskId, asked: Object.keys(inputRequests) };
    },
    async text(session) {
      await runtime.waitForIdle(session);
      return (await runtime.turns(session, { limit: 1 }))[0]?.text;
    },
    open: () => runtime.requests(),
  };
}

describe('an approval through a task', () => {
  test.each([
    ['allows', 'a clear yes', { action: 'accept', content: { allow: true } }, 'Deleted'],
    ['denies', 'a no', { action: 'accept', content: { allow: false } }, 'Left alone'],
    ['denies', 'words in place of a yes', { action: 'accept', content: { answer: 'no!' } }, 'Left alone'],
    [
      'denies',
      'words beside a no',
      { action: 'accept', content: { allow: false, answer: 'x' } },
      'Left alone',
    ],
    ['denies', 'a yes that is text', { action: 'accept', content: { allow: 'true' } }, 'Left alone'],
    ['denies', 'a form that was put away', { action: 'cancel', content: { allow: true } }, 'Left alone'],
    ['denies', 'nothing at all', {}, 'Left alone'],
  ])('%s by %s', async (_does, _what, response, said) => {
    const { waiting, ask, text } = await desk();
    const { taskId, asked } = await waiting('a', 'careful', 'go');

    const inputResponses = Object.fromEntries(asked.map((request) => [request, response]));
    await ask('tasks/update', { taskId, inputResponses });

    expect(asked).toHaveLength(1);
    expect(await text('a')).toBe(said);
  });
});

test('a task answers what its own turn asks, and nothing that another does', async () => {
  const { waiting, ask, open } = await desk();
  const own = await waiting('a', 'scripted', '/ask Who are you?');
  const other = await waiting('b', 'careful', 'go');
  const [request = ''] = other.asked;

  const inputResponses = { [request]: { action: 'accept', content: { allow: true } }, 'made-up': {} };
  const told = await ask('tasks/update', { taskId: own.taskId, inputResponses });

  expect(told).toMatchObject({ resultType: 'complete' });
  expect((await open()).map(({ id }) => id).toSorted()).toEqual([...own.asked, ...other.asked].toSorted());
});
