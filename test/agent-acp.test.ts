// An agent of the Agent Client Protocol, a real process, as an agent of ours: what it says, what it is told, and what it asks.
// Its processes are in agent-acp-process.test.ts, and what the runtime makes of it in agent-acp-session.test.ts.
import { Buffer } from 'node:buffer';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import type { Agent, AgentEvent, Instance } from '../src/agent/agent.ts';
import { systemClock } from '../src/kernel/clock.ts';
import { SojournError } from '../src/kernel/errors.ts';
import type { InputPart } from '../src/wire/message.ts';
import { agentConformance } from '../src/testing/agent-conformance.ts';
import { allOf, testContext, testTurn, textSaid } from '../src/testing/test-turn.ts';
import { answer, echo, type EchoOptions, events, fails, scratch } from './acp-stage.ts';

const { folder, remove } = scratch();
const opened: Instance[] = [];
/** For turns that leave nothing behind: a process takes longer to start than most of them. */
const shared = echo({ folder }).open(testContext(systemClock));
afterEach(async () => {
  vi.unstubAllEnvs();
  await Promise.all(opened.splice(0).map(async (instance) => instance.close('closed')));
});
afterAll(async () => {
  await (await shared).close('closed');
  remove();
});

async function open(options: Partial<EchoOptions> = {}, previous?: never): Promise<Instance> {
  return openAgent(echo({ folder, ...options }), previous);
}

async function openAgent(agent: Agent, previous?: never): Promise<Instance> {
  const instance = await agent.open(testContext(systemClock), previous);
  opened.push(instance);
  return instance;
}

describe('the echo agent', () => {
  agentConformance(
    { describe, test, expect },
    {
      agent: () => echo({ folder }),
      says: { input: 'hello', text: 'You said: hello' },
      long: '/words 100000 10',
      fails: '/fail on purpose',
      calls: '/tool weather {"city":"Oslo"}\n/big 10\n/broken it',
      begun: { skipped: 'an agent of the protocol runs its tools in its own process' },
      asks: '/ask pay {"usd":3}',
    },
  );
});

describe('what it says', () => {
  test('words arrive as they are said', async () => {
    const said = await events(await shared, '/words 3 1');

    expect(said).toEqual(['w1', ' w2', ' w3'].map((text) => ({ kind: 'text.delta', text, message: 'a1' })));
  });

  test('thoughts are reasoning', async () => {
    expect(await events(await shared, '/think of it')).toEqual([
      { kind: 'reasoning.delta', text: 'of it', message: 'a1' },
    ]);
  });

  test('a tool is called once, when its arguments are known, and returns once', async () => {
    expect(await events(await shared, '/tool clock {"zone":"UTC"}')).toEqual([
      { kind: 'tool.called', call: expect.any(String), name: 'clock', input: { zone: 'UTC' } },
      { kind: 'tool.progress', call: expect.any(String), message: 'clock works' },
      { kind: 'tool.returned', call: expect.any(String), output: { zone: 'UTC' }, isError: false },
    ]);
  });

  test('a tool of no name and no kind goes by what it was first called', async () => {
    const [called] = await events(await shared, '/other sojourn_read_posts');

    expect(called).toMatchObject({ kind: 'tool.called', name: 'sojourn_read_posts' });
  });

  test('the file that a tool is at is progress for whoever waits for the turn', async () => {
    const play = testTurn({ input: '/tool look {"path":"/a.txt"}\n/edit /b.txt', clock: systemClock });
    const progress: unknown[] = [];
    const turn = { ...play.turn, progress: (one: unknown) => void progress.push(one) };

    await allOf((await shared).run(turn));

    expect(progress).toEqual([
      { kind: 'tool', summary: 'look', message: 'look', filePath: '/a.txt' },
      { kind: 'tool', summary: 'edit', message: 'edit', filePath: '/b.txt' },
      { kind: 'tool', summary: 'edit', message: 'edit works', filePath: '/b.txt' },
    ]);
  });

  test('a tool whose arguments come piece by piece is called with all of them, while it is at work', async () => {
    const play = testTurn({ input: '/stream 3600000 run {"a":1,"b":2}', clock: systemClock });
    const said: AgentEvent[] = [];

    const running = (async () => {
      for await (const event of (await shared).run(play.turn)) {
        said.push(event);
        play.abort(new Error('seen'));
      }
    })();

    await expect(running).rejects.toThrow('seen');
    expect(said).toEqual([
      { kind: 'tool.called', call: expect.any(String), name: 'run', input: { a: 1, b: 2 } },
    ]);
  });

  test('a permission asks with all arguments, also when only some were known before', async () => {
    const play = testTurn({ input: '/ask pay {"to":"Ada","usd":3}', clock: systemClock });

    const [called] = await allOf((await shared).run(play.turn));

    expect(called).toMatchObject({ kind: 'tool.called', input: { to: 'Ada', usd: 3 } });
    expect(play.asks[0]?.question.tool?.input).toEqual({ to: 'Ada', usd: 3 });
  });

  test('a tool that fails says so, and one that edits shows what it changed', async () => {
    const said = await events(await shared, '/broken no such city\n/edit /tmp/a.txt');

    expect(said.filter((event) => typeof event !== 'string' && event.kind === 'tool.returned')).toMatchObject(
      [
        { output: 'no such city', isError: true },
        { output: { diffs: [{ path: '/tmp/a.txt', oldText: 'before', newText: 'after' }] }, isError: false },
      ],
    );
  });

  test('a long result is cut where it was told to, and says by how much', async () => {
    const said = await events(await open({ resultCharsMax: 10 }), '/big 25');

    expect(said.at(-1)).toMatchObject({ output: 'xxxxxxxxxx\n[15 more characters were left out.]' });
  });

  test('long arguments are told exactly, and whoever allows them sees all of them', async () => {
    const text = 'x'.repeat(70_000);
    const play = testTurn({ input: `/ask write {"text":"${text}"}`, clock: systemClock });

    const [called] = await allOf((await shared).run(play.turn));

    expect(called).toMatchObject({ kind: 'tool.called', input: { text } });
    expect(play.asks[0]?.question.tool?.input).toEqual({ text });
  });

  test('a plan is an event of the turn, and progress for whoever waits for it', async () => {
    const play = testTurn({ input: '/plan', clock: systemClock });
    const progress: unknown[] = [];
    const turn = { ...play.turn, progress: (one: unknown) => void progress.push(one) };

    const said = await allOf((await shared).run(turn));

    expect(said).toMatchObject([{ kind: 'custom', name: 'plan', data: { entries: { length: 3 } } }]);
    expect(progress).toEqual([{ kind: 'plan', summary: '1 of 3 done: Think', percent: 33 }]);
  });

  test('tokens and cost are on the bill, the cost as what was added to it', async () => {
    const instance = await open();
    const first = await events(instance, '/usage 1 2 3 4 5\n/cost 0.25');
    const second = await events(instance, '/cost 0.5');

    const used = (said: AgentEvent[]) =>
      said.filter((one) => typeof one !== 'string' && one.kind === 'usage');
    expect(used(first)).toEqual([
      { kind: 'usage', usage: {}, costUsd: 0.25 },
      {
        kind: 'usage',
        usage: { inputTokens: 1, outputTokens: 7, cacheReadTokens: 3, cacheWriteTokens: 4 },
        costUsd: 0, // It has been said.
      },
    ]);
    expect(used(second)).toEqual([{ kind: 'usage', usage: {}, costUsd: 0.5 }]);
  });

  test('an image is a file of its own message, behind what was said before', async () => {
    expect(await events(await shared, 'look:\n/image 8\ndone')).toEqual([
      { kind: 'text.delta', text: 'You said: look:', message: 'a1' },
      { kind: 'text.delta', text: '[image/png]', message: 'a2' },
      {
        kind: 'message',
        role: 'assistant',
        message: 'a2',
        parts: [{ type: 'file', mediaType: 'image/png', data: 'AAAAAAAA' }],
      },
      { kind: 'text.delta', text: 'You said: done', message: 'a3' },
    ]);
  });

  test('a reason other than the end is told, and so is an error', async () => {
    const instance = await shared;

    expect(await events(instance, '/stop max_tokens')).toEqual([
      { kind: 'custom', name: 'finish', data: { reason: 'max_tokens' } },
    ]);
    expect((await fails(events(instance, '/fail out of luck'))).detail).toMatch(
      /^Echo answered: .*out of luck$/,
    );
    expect((await fails(events(instance, '/stop cancelled'))).detail).toBe('Echo stopped the turn by itself');
  });

  test('what the protocol does not know is passed over', async () => {
    expect(await answer(await shared, '/odd')).toBe('still here');
  });
});

describe('what it is told', () => {
  const png: InputPart = { type: 'file', mediaType: 'image/png', data: 'AAAA' };
  const note: InputPart = {
    type: 'file',
    mediaType: 'text/plain',
    name: 'a note.txt',
    data: Buffer.from('remember').toString('base64'),
  };
  const link: InputPart = { type: 'file', mediaType: 'text/html', name: 'page', url: 'https://example.org/' };
  const zip: InputPart = { type: 'file', mediaType: 'application/zip', name: 'all.zip', data: 'UEsDBA==' };
  const ask: InputPart = { type: 'text', text: '/files' };

  test('files, as it takes them', async () => {
    expect(await answer(await shared, [[ask, png, note, link, zip]])).toBe(
      [
        'image image/png AAAA',
        'resource attachment:///a%20note.txt remember',
        'link page https://example.org/',
        'resource attachment:///all.zip UEsDBA==',
      ].join(' | '),
    );
  });

  test('in words, what it does not take', async () => {
    expect(await answer(await open({ words: ['takes=none'] }), [[ask, png, note, zip]])).toBe(
      [
        'text [A file of 3 bytes, image/png (image/png), came with this message. This agent takes no such files.]',
        'text a note.txt:\nremember',
        'text [A file of 4 bytes, all.zip (application/zip), came with this message. This agent takes no such files.]',
      ].join(' | '),
    );
  });

  test('the folder it works in, and nothing of our environment but what was named', async () => {
    vi.stubEnv('A_KEY', 'secret');
    vi.stubEnv('B_KEY', 'secret, too');
    const instance = await open({ inherit: ['A_KEY'], env: { MODE: 'test' } });

    expect(await answer(instance, '/cwd')).toBe(`${folder} ${folder}`);
    expect(await answer(instance, '/env A_KEY\n/env B_KEY\n/env MODE')).toBe('A_KEY=secretB_KEY=MODE=test');
  });

  test('the folder may follow from the session', async () => {
    const instance = await open({ cwd: (session) => (session.key === 'test' ? folder : '/nowhere') });

    expect(await answer(instance, '/cwd')).toBe(`${folder} ${folder}`);
  });

  test('the MCP servers of its options', async () => {
    const files = { name: 'files', command: 'mcp-files', args: ['--root', '/data'], env: [] };
    const web = { type: 'http' as const, name: 'web', url: 'https://example.org/mcp', headers: [] };

    expect(JSON.parse(await answer(await open({ mcpServers: [files, web] }), '/mcp'))).toEqual([files, web]);
    expect((await fails(open({ mcpServers: [{ ...web, type: 'sse' }] }))).code).toBe('config.invalid');
  });
});

test('it gets no file through us: what it may read is what its process may read', async () => {
  expect(await answer(await shared, '/read /etc/passwd')).toMatch(/^refused: /);
});

describe('a permission', () => {
  const OPTIONS = ['Always', 'Yes', 'No', 'Never'];

  test('asks with the exact arguments, behind the call it is about', async () => {
    const play = testTurn({ input: '/ask pay {"usd":3}', clock: systemClock });

    const said = await allOf((await shared).run(play.turn));

    const [called] = said;
    if (typeof called === 'string' || called?.kind !== 'tool.called') throw new Error('No call');
    expect(called).toMatchObject({ name: 'pay', input: { usd: 3 } });
    expect(play.asks.map(({ question }) => question)).toEqual([
      {
        kind: 'approval',
        text: 'Run pay',
        options: OPTIONS,
        tool: { call: called.call, name: 'pay', input: { usd: 3 } },
      },
    ]);
  });

  test.each([
    [{ decision: 'allow' as const }, 'yes'],
    [{ decision: 'allow' as const, remember: true }, 'yes'],
    [{ decision: 'deny' as const }, 'no'],
    [{ decision: 'deny' as const, remember: true }, 'no'],
    [{ decision: 'deny' as const, answer: 'Never' }, 'no-always'],
    [{ decision: 'deny' as const, answer: 'Always' }, 'no'],
    [{ decision: 'allow' as const, answer: 'Never' }, 'yes'],
    [{ decision: 'allow' as const, answer: 'please' }, 'yes'],
  ])('%o chooses %s', async (given, chosen) => {
    const said = await events(await shared, '/ask pay {}', { answer: () => given });

    expect(textSaid(said)).toBe(`chosen: ${chosen}`);
  });

  test.each(['Always', 'yes-always'])('for always is given only to whoever names it: %s', async (named) => {
    const tool = `sell-${named}`;
    const said = await events(await shared, `/ask ${tool} {}\n/ask ${tool} {}`, {
      answer: () => ({ decision: 'allow', answer: named }),
    });

    expect(textSaid(said)).toBe('chosen: yes-alwayschosen: unasked');
  });

  test('that expired is a refusal, and the call says why', async () => {
    const said = await events(await shared, '/ask pay {}', {
      answer: () => Promise.reject(new SojournError('request.closed', 'Nobody came')),
    });

    expect(textSaid(said)).toBe('chosen: no');
    expect(said).toContainEqual({
      kind: 'tool.progress',
      call: expect.any(String),
      message: 'Denied: Nobody answered in time.',
    });
  });

  test('two at once are two questions, and each gets its own answer', async () => {
    const said = await events(await shared, '/both pay {"usd":1} {"usd":2}', {
      answer: (_key, { tool }) => ({
        decision: JSON.stringify(tool?.input) === '{"usd":1}' ? 'allow' : 'deny',
      }),
    });

    expect(textSaid(said)).toBe('chosen: yes and no');
  });

  test('the same call asked twice in a turn is asked under two keys', async () => {
    const play = testTurn({ input: '/ask pay {"usd":3}\n/ask pay {"usd":3}', clock: systemClock });

    await allOf((await shared).run(play.turn));

    expect(new Set(play.asks.map(({ key }) => key)).size).toBe(2);
  });
});
