// The processes of an ACP agent: how they start and stop, what becomes of those that crash or do not listen, and what the next
// one remembers.
import { existsSync } from 'node:fs';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import type { Agent, AgentEvent, Instance } from '../src/agent/agent.ts';
import { claudeCode, codex, gemini, openCode } from '../src/agent/acp/acp.ts';
import { systemClock } from '../src/kernel/clock.ts';
import { allOf, testContext, testTurn, textSaid } from '../src/testing/test-turn.ts';
import { answer, echo, type EchoOptions, events, fails, scratch } from './acp-stage.ts';
import { isRunning, until } from './process-scene.ts';

const { folder, remove } = scratch();
const opened: Instance[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map(async (instance) => instance.close('closed')));
});
afterAll(remove);

async function open(options: Partial<EchoOptions> = {}, previous?: never): Promise<Instance> {
  return openAgent(echo({ folder, ...options }), previous);
}

async function openAgent(agent: Agent, previous?: never): Promise<Instance> {
  const instance = await agent.open(testContext(systemClock), previous);
  opened.push(instance);
  return instance;
}

describe('how it is started', () => {
  test('a missing program is named with the command that installs it', async () => {
    const missing = { command: 'sojourn-no-such-program', cwd: folder };

    for (const [make, command] of [
      [claudeCode, 'npm install --global @agentclientprotocol/claude-agent-acp'],
      [codex, 'npm install --global @agentclientprotocol/codex-acp'],
      [openCode, 'npm install --global opencode-ai'],
      [gemini, 'npm install --global @google/gemini-cli'],
    ] as const) {
      expect(await fails(openAgent(make(missing)))).toMatchObject({
        code: 'agent.package_missing',
        detail: `There is no program sojourn-no-such-program here: ${command}`,
      });
    }
  });

  test('a program that speaks something else, or another version, is refused', async () => {
    const other = await fails(open({ words: ['version=7'] }));
    const none = await fails(open({ args: ['-e', "console.error('what?'); process.exit(4)"] }));

    expect(other.detail).toBe('Echo speaks version 7 of the protocol; 1 is needed');
    expect(none.detail).toBe('Echo ended with code 4 and said last:\nwhat?');
  });

  test('one that wants its own sign-in says so', async () => {
    expect((await fails(open({ words: ['sign-in=yes'] }))).detail).toMatch(
      /^Echo wants its own sign-in first/,
    );
  });

  test('what nobody waits for any more is ended', async () => {
    const stop = new AbortController();
    const agent = echo({ folder, words: ['slow=60000'] });

    const opening = agent.open({ ...testContext(systemClock), signal: stop.signal });
    stop.abort(new Error('nobody waits'));

    await expect(opening).rejects.toThrow('nobody waits');
  });

  test.each([{ resultCharsMax: 0 }, { cancelMs: Number.NaN }, { stopMs: 0 }])('%o is refused', (options) => {
    expect(() => echo({ folder, ...options })).toThrow('a number above 0 is meant');
  });
});

describe('how it is stopped', () => {
  test('one that does not listen is killed with all it started, and the next turn starts it anew', async () => {
    const instance = await open({ cancelMs: 100 });
    const pids = [await answer(instance, '/pid'), await answer(instance, '/spawn')].map(Number);
    const play = testTurn({ input: '/deaf', clock: systemClock });

    const running = allOf(instance.run(play.turn));
    await until(() => pids.every(isRunning), 1_000);
    setImmediate(() => play.abort(new Error('enough')));

    await expect(running).rejects.toThrow('enough');
    expect(pids.map(isRunning)).toEqual([false, false]);
    expect(await answer(instance, '/count')).toBe('This session has had 4 prompts.');
  });

  test('one that does not even read what it is told is killed', async () => {
    const instance = await open({ cancelMs: 100 });
    const pid = Number(await answer(instance, '/pid'));
    const play = testTurn({ input: 'x'.repeat(2_000_000), clock: systemClock });

    process.kill(pid, 'SIGSTOP');
    const running = allOf(instance.run(play.turn));
    setImmediate(() => play.abort(new Error('enough')));

    await expect(running).rejects.toThrow('enough');
    expect(isRunning(pid)).toBe(false);
  });

  test('one that is told to stop answers what it had used', async () => {
    const instance = await open();
    const play = testTurn({ input: '/usage 5 6\n/words 100000 5', clock: systemClock });
    const said: AgentEvent[] = [];

    const running = (async () => {
      for await (const event of instance.run(play.turn)) {
        said.push(event);
        if (said.length === 3) play.abort(new Error('enough'));
      }
    })();

    await expect(running).rejects.toThrow('enough');
    expect(said.at(-1)).toMatchObject({ kind: 'usage', usage: { inputTokens: 5, outputTokens: 6 } });
  });

  test('what one has cost that is told to stop is on the bill, although it says so only then', async () => {
    const instance = await open();
    const play = testTurn({ input: '/cost 0.5\n/words 3 0\n/late 0.25', clock: systemClock });
    const costs: unknown[] = [];

    const running = (async () => {
      for await (const event of instance.run(play.turn)) {
        if (typeof event === 'string') continue;
        if (event.kind === 'usage') costs.push(event.costUsd);
        if (event.kind === 'text.delta' && event.text.includes('w3')) play.abort(new Error('enough'));
      }
    })();

    await expect(running).rejects.toThrow('enough');
    expect(costs).toEqual([0.5, 0.25]);
  });

  test('a permission that waits when the turn is stopped is cancelled', async () => {
    const instance = await open();
    const play = testTurn({
      input: '/ask pay {}',
      clock: systemClock,
      answer: () => new Promise(() => setImmediate(() => play.abort(new Error('enough')))),
    });

    await expect(allOf(instance.run(play.turn))).rejects.toThrow('enough');
    expect(await answer(instance, 'still there?')).toBe('You said: still there?');
  });

  test('closing it leaves none of its processes', async () => {
    const instance = await open();
    const pids = [await answer(instance, '/pid'), await answer(instance, '/spawn')].map(Number);

    await instance.close('closed');

    expect(pids.map(isRunning)).toEqual([false, false]);
  });

  test('one that crashes fails its turn with what it said last, and the next turn takes its session up again', async () => {
    const instance = await open();
    await answer(instance, 'one');

    const failed = await fails(answer(instance, '/stderr the disk is on fire\n/crash 9'));

    expect(failed).toMatchObject({
      code: 'agent.failed',
      detail: 'Echo ended with code 9 and said last:\nthe disk is on fire',
    });
    expect(await answer(instance, '/count')).toBe('This session has had 3 prompts.');
  });

  test('one that says more at once than it may ends, and its turn says why', async () => {
    const failed = await fails(answer(await open(), `/image ${33 * 1_024 * 1_024}`));

    expect(failed.detail).toContain('one message had more than 33554432 bytes');
  });

  test('one that ended between two turns is started anew', async () => {
    const instance = await open();
    const pid = Number(await answer(instance, '/pid'));

    process.kill(pid, 'SIGKILL');
    await until(() => !existsSync(`/proc/${pid}`), 5_000); // We have heard of its end.

    expect(await answer(instance, '/recall 1')).toBe('/pid');
  });
});

describe('what it remembers', () => {
  test.each(['load', 'resume'])('another process of it goes on by %s, and replays nothing', async (way) => {
    const first = await open({ words: [`can=${way}`] });
    await answer(first, 'my name is Ada');
    const left = (await first.snapshot()) as never;
    await first.close('idle');

    const second = await open({ words: [`can=${way}`] }, left);

    expect(await answer(second, '/recall 1')).toBe('my name is Ada');
  });

  test('one that cannot open its session again says that it remembers nothing, once', async () => {
    const first = await open({ forgets: true });
    await answer(first, 'my name is Ada');
    const left = (await first.snapshot()) as never;
    await first.close('idle');
    const second = await open({ forgets: true }, left);

    const [says, ...rest] = await events(second, '/count');

    expect(says).toMatchObject({ kind: 'message', role: 'system' });
    expect(JSON.stringify(says)).toContain('does not remember what was said before');
    expect(textSaid(rest)).toBe('This session has had 1 prompts.');
    expect(
      (await events(second, '/count')).every((one) => typeof one !== 'string' && one.kind === 'text.delta'),
    ).toBe(true);
  });

  test('what it had cost before is not on the bill again', async () => {
    const first = await open();
    await events(first, '/cost 0.25');
    const left = (await first.snapshot()) as never;
    await first.close('idle');

    const said = await events(await open({}, left), '/cost 0.5');

    expect(said.at(-1)).toEqual({ kind: 'usage', usage: {}, costUsd: 0.5 });
  });
});
