// Sessions of an ACP agent, as a user of the runtime sees them. The agent is a real process; time is moved by hand.
import { afterAll, describe, expect, test } from 'vitest';
import type { Agent } from '../src/agent/agent.ts';
import { testRuntime, type TestRuntime, type TestRuntimeOptions } from '../src/testing/test-runtime.ts';
import { echo, type EchoOptions, scratch } from './acp-stage.ts';
import { isRunning, until } from './process-scene.ts';
import { bodies, outcome, refusal, say, seen, send, spoken } from './session-stage.ts';

const { folder, remove } = scratch();
afterAll(remove);

type Options = Partial<EchoOptions> & { runtime?: TestRuntimeOptions };

const agentOf = (options: Partial<EchoOptions> = {}): Agent => echo({ folder, ...options });

/** Shut down at its end, so that no process of its agents is left. */
async function begin({ runtime, ...options }: Options = {}) {
  const world = await testRuntime({ agents: { echo: agentOf(options) }, ...runtime });
  return {
    world,
    async [Symbol.asyncDispose]() {
      await world.runtime.shutdown(0);
      await world.close();
    },
  };
}

const pidOf = async (world: TestRuntime): Promise<number> => Number((await say(world, 'chat', '/pid')).text);

describe('a session of an ACP agent', () => {
  test('answers, remembers, and counts what it cost', async () => {
    await using scene = await begin();
    const { world } = scene;

    await say(world, 'chat', 'hello\n/usage 10 5\n/cost 0.25');
    const second = await say(world, 'chat', '/count\n/cost 0.5');

    expect(second).toMatchObject({
      outcome: 'completed',
      text: 'This session has had 2 prompts.',
      costUsd: 0.5,
    });
    expect(await world.runtime.session('chat')).toMatchObject({
      costUsd: 0.75,
      usage: { inputTokens: 10, outputTokens: 5 },
    });
  });

  test('has no process while it is evicted, and goes on with its memory when it wakes', async () => {
    await using scene = await begin();
    const { world } = scene;
    const pid = await pidOf(world);

    await world.runtime.evict('chat');

    expect(isRunning(pid)).toBe(false);
    expect((await say(world, 'chat', '/count')).text).toBe('This session has had 2 prompts.');
  });

  test('is remade on a new configuration with one process at a time, and keeps its memory', async () => {
    await using scene = await begin();
    const { world } = scene;
    const pid = await pidOf(world);

    await world.runtime.dirty({ key: 'chat', reason: 'new settings' });
    const after = await say(world, 'chat', '/count');

    expect(after.text).toBe('This session has had 2 prompts.');
    expect(isRunning(pid)).toBe(false);
    expect(await bodies(world, 'chat', 'session.remade')).toMatchObject([{ generation: 2 }]);
  });

  test('leaves no process when it is closed', async () => {
    await using scene = await begin();
    const { world } = scene;
    const pids = [await pidOf(world), Number((await say(world, 'chat', '/spawn')).text)];

    await world.runtime.close('chat');

    expect(pids.map(isRunning)).toEqual([false, false]);
  });

  test('says what is missing when its program is not installed', async () => {
    await using scene = await begin({
      command: 'sojourn-no-such-program',
      install: 'npm install --global echo',
    });

    expect(await say(scene.world, 'chat', 'hello')).toMatchObject({
      outcome: 'failed',
      error: {
        code: 'agent.package_missing',
        message: 'There is no program sojourn-no-such-program here: npm install --global echo',
      },
    });
  });
});

describe('a turn of it that is stopped', () => {
  test('ends cancelled with what it had said, and the next one is answered by the same process', async () => {
    await using scene = await begin();
    const { world } = scene;
    const pid = await pidOf(world);
    const { turn, seq } = await send(world, 'chat', '/words 100000 5');
    await seen(world, 'chat', 'text.delta', seq);

    await world.runtime.cancel('chat', turn);

    expect(await outcome(world, 'chat', turn)).toMatchObject({
      outcome: 'cancelled',
      text: expect.stringMatching(/^w1/),
    });
    expect(await pidOf(world)).toBe(pid);
  });

  test('is killed with its group when it does not listen, and the next one is not refused as busy', async () => {
    await using scene = await begin({ cancelMs: 1_000 });
    const { world } = scene;
    const pids = [await pidOf(world), Number((await say(world, 'chat', '/spawn')).text)];
    const { turn, seq } = await send(world, 'chat', '/deaf');
    await seen(world, 'chat', 'text.delta', seq);

    const cancelled = world.runtime.cancel('chat', turn);
    await world.clock.advance(1_000);
    await cancelled;
    const next = await say(world, 'chat', { input: '/count', policy: 'reject' });

    expect((await outcome(world, 'chat', turn)).outcome).toBe('cancelled');
    expect(pids.map(isRunning)).toEqual([false, false]);
    expect(next.text).toBe('This session has had 4 prompts.');
  });

  test('expires at its deadline', async () => {
    await using scene = await begin();
    const { world } = scene;
    await say(world, 'chat', 'hello');
    const { turn, seq } = await send(world, 'chat', { input: '/words 100000 5', deadlineMs: 60_000 });
    await seen(world, 'chat', 'text.delta', seq);

    await world.clock.advance(60_000);

    expect((await outcome(world, 'chat', turn)).outcome).toBe('expired');
  });

  test('ends at its budget when the agent says what it has cost', async () => {
    await using scene = await begin();
    const { world } = scene;

    const view = await say(world, 'chat', { input: '/cost 2\n/words 100000 5', budget: { usd: 1 } });

    expect(view).toMatchObject({ outcome: 'budget', costUsd: 2 });
  });

  test('is billed for what the agent says only when it is told to stop', async () => {
    await using scene = await begin();
    const { world } = scene;
    const { turn, seq } = await send(world, 'chat', '/usage 10 5\n/cost 0.5\nbusy\n/late 0.25');
    await seen(world, 'chat', 'text.delta', seq);

    await world.runtime.cancel('chat', turn);

    expect(await outcome(world, 'chat', turn)).toMatchObject({
      outcome: 'cancelled',
      costUsd: 0.75,
      usage: { inputTokens: 10, outputTokens: 5 },
    });
  });

  test('fails with what the agent said last when that crashes, and the next one goes on with its memory', async () => {
    await using scene = await begin();
    const { world } = scene;
    await say(world, 'chat', 'one');

    const failed = await say(world, 'chat', 'two\n/stderr \u001b[31mout of memory\n/crash 134');

    expect(failed).toMatchObject({
      outcome: 'failed',
      text: 'You said: two',
      error: { code: 'agent.failed', message: 'Echo ended with code 134 and said last:\nout of memory' },
    });
    expect((await say(world, 'chat', '/recall 1')).text).toBe('one');
  });

  test('of an agent that cannot open its session again, the next one says that it has forgotten', async () => {
    await using scene = await begin({ forgets: true });
    const { world } = scene;
    await say(world, 'chat', 'one');
    await say(world, 'chat', '/crash 1');

    const next = await say(world, 'chat', '/count');

    expect(next.text).toBe('This session has had 1 prompts.');
    expect(spoken(await world.runtime.transcript('chat')).slice(-3)).toEqual([
      'user: /count',
      expect.stringMatching(/^system: .*does not remember/),
      'assistant: This session has had 1 prompts.',
    ]);
  });
});

describe('a permission', () => {
  const asking = async (world: TestRuntime, input: string) => {
    const { turn, seq } = await send(world, 'chat', input);
    const { body } = await seen(world, 'chat', 'request.opened', seq);
    return { turn, body, request: body.request };
  };

  test('is a request with the exact arguments, bound to their hash, behind a call that is in the log', async () => {
    await using scene = await begin();
    const { world } = scene;

    const { turn, body, request } = await asking(world, '/ask pay {"usd":3}');
    const [called] = await bodies(world, 'chat', 'tool.called');
    await world.runtime.answer('chat', request, { decision: 'allow' });

    expect(body).toMatchObject({
      kind: 'approval',
      text: 'Run pay',
      tool: {
        call: called?.call,
        name: 'pay',
        input: { usd: 3 },
        inputHash: expect.stringMatching(/^[0-9a-f]{64}$/),
      },
    });
    expect(await outcome(world, 'chat', turn)).toMatchObject({ outcome: 'completed', text: 'chosen: yes' });
    expect(await refusal(world.runtime.answer('chat', request, { decision: 'deny' }))).toBe('request.closed');
  });

  test('that is denied is a refusal, and the turn says so', async () => {
    await using scene = await begin();
    const { world } = scene;

    const { turn, request } = await asking(world, '/ask pay {"usd":3}');
    await world.runtime.answer('chat', request, { decision: 'deny', answer: 'too dear' });

    expect(await outcome(world, 'chat', turn)).toMatchObject({ outcome: 'completed', text: 'chosen: no' });
    expect(await bodies(world, 'chat', 'tool.progress')).toMatchObject([{ message: 'Denied: too dear' }]);
  });

  test('that is to be remembered is not asked again in this session, and lets no other call run', async () => {
    await using scene = await begin();
    const { world } = scene;

    const first = await asking(world, '/ask pay {"usd":3}\n/ask pay {"usd":3}');
    await world.runtime.answer('chat', first.request, { decision: 'allow', remember: true });
    await outcome(world, 'chat', first.turn);
    await say(world, 'chat', '/ask pay {"usd":3}');
    const other = await asking(world, '/ask pay {"usd":4}');
    await world.runtime.answer('chat', other.request, { decision: 'deny' });
    await outcome(world, 'chat', other.turn);

    const chosen = (await bodies(world, 'chat', 'text.delta')).map(({ text }) => text);
    expect(chosen).toEqual(['chosen: yes', 'chosen: yes', 'chosen: yes', 'chosen: no']);
  });

  test('is denied at once where nobody can be asked, and the turn says so', async () => {
    await using scene = await begin();
    const { world } = scene;

    const view = await say(world, 'chat', { input: '/ask pay {"usd":3}', canAsk: false });

    expect(view).toMatchObject({ outcome: 'completed', text: 'chosen: no' });
    expect(await bodies(world, 'chat', 'request.opened')).toEqual([]);
    expect(await bodies(world, 'chat', 'tool.progress')).toMatchObject([
      { message: 'Denied: nobody can be asked in this turn' },
    ]);
  });

  test('that nobody answers expires, as a refusal', async () => {
    await using scene = await begin({ runtime: { limits: { requestMs: 60_000 } } });
    const { world } = scene;

    const { turn } = await asking(world, '/ask pay {"usd":3}');
    await world.clock.advance(60_000);

    expect(await outcome(world, 'chat', turn)).toMatchObject({ outcome: 'completed', text: 'chosen: no' });
  });

  test('that waits when the turn is cancelled is void, and the agent is told', async () => {
    await using scene = await begin();
    const { world } = scene;
    const pid = await pidOf(world);

    const { turn, request } = await asking(world, '/ask pay {"usd":3}');
    await world.runtime.cancel('chat', turn);

    expect((await outcome(world, 'chat', turn)).outcome).toBe('cancelled');
    expect(await bodies(world, 'chat', 'request.closed')).toEqual([{ request, decision: 'void', by: null }]);
    expect(await pidOf(world)).toBe(pid);
  });

  test('is void when the agent dies while it waits, and the turn fails', async () => {
    await using scene = await begin();
    const { world } = scene;
    const pid = await pidOf(world);

    const { turn, request } = await asking(world, '/ask pay {"usd":3}');
    process.kill(pid, 'SIGKILL');

    expect(await outcome(world, 'chat', turn)).toMatchObject({
      outcome: 'failed',
      error: { message: 'Echo ended with SIGKILL and said nothing on stderr' },
    });
    expect(await bodies(world, 'chat', 'request.closed')).toEqual([{ request, decision: 'void', by: null }]);
    expect((await say(world, 'chat', '/recall 1')).text).toBe('/pid');
  });

  test.each(['load', 'resume'])(
    'waits over a restart of ours, and its answer is found by the agent that goes on (%s)',
    async (way) => {
      await using scene = await begin({ words: [`can=${way}`] });
      const { world } = scene;
      const { turn, request } = await asking(world, 'before\n/ask pay {"usd":3}');

      await world.restart();
      const between = await world.runtime.session('chat');
      await world.runtime.answer('chat', request, { decision: 'allow' });

      expect(between).toMatchObject({ state: 'waiting', live: false });
      expect(await outcome(world, 'chat', turn)).toMatchObject({
        outcome: 'completed',
        attempt: 2,
        text: 'chosen: yes',
      });
      expect(await bodies(world, 'chat', 'request.opened')).toHaveLength(1);
      expect(
        spoken(await world.runtime.transcript('chat')).filter((line) => line.startsWith('assistant')),
      ).toEqual(['assistant: You said: before', 'assistant: ', 'assistant: chosen: yes']);
    },
  );

  test('that waits after a restart is not answered by what was said to an equal one before', async () => {
    await using scene = await begin();
    const { world } = scene;
    const { turn, request } = await asking(world, '/ask pay {"usd":3}\n/ask pay {"usd":3}');
    await world.runtime.answer('chat', request, { decision: 'deny' });
    const { seq } = await seen(world, 'chat', 'request.closed');
    const second = await seen(world, 'chat', 'request.opened', seq);

    await world.restart();
    await world.runtime.answer('chat', second.body.request, { decision: 'allow' });

    // The first was denied, and the second is what the agent goes on with.
    expect(await outcome(world, 'chat', turn)).toMatchObject({ outcome: 'completed', text: 'chosen: yes' });
  });

  test('of an agent that has forgotten fails its turn with a reason: it does not begin again', async () => {
    await using scene = await begin({ forgets: true });
    const { world } = scene;
    const { turn, request } = await asking(world, '/ask pay {"usd":3}');

    await world.restart();
    await world.runtime.answer('chat', request, { decision: 'allow' });

    const { outcome: ended, error } = await outcome(world, 'chat', turn);
    expect(ended).toBe('failed');
    expect(error?.message).toContain('could not take up its session again');
  });

  test('of an agent that says it cannot go on ends with the process', async () => {
    await using scene = await begin({ resumes: false });
    const { world } = scene;
    const { turn } = await asking(world, '/ask pay {"usd":3}');

    await world.restart();

    expect((await outcome(world, 'chat', turn)).outcome).toBe('interrupted');
  });
});

test('a runtime that is shut down leaves no process of its agents', async () => {
  const world = await testRuntime({ agents: { echo: agentOf() } });
  const pids = [await pidOf(world), Number((await say(world, 'chat', '/spawn')).text)];
  const { seq } = await send(world, 'chat', '/deaf');
  await seen(world, 'chat', 'text.delta', seq);

  let isOver = false;
  void world.runtime.shutdown(0).then(() => (isOver = true));
  while (!isOver) await world.clock.advance(500);

  // The bounds are over before the system has done its part.
  expect(await until(() => !pids.some(isRunning), 5_000)).toBeLessThan(5_000);
  await world.close();
});
