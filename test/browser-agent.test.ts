// A browser agent in a runtime: its context lives as long as the live session, its process as long as any context, and
// what it shows goes where every file goes.
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ToolLoopAgent } from 'ai';
import { aiSdkAgent } from '../src/agent/ai-sdk/ai-sdk.ts';
import { functionAgent } from '../src/agent/function/function.ts';
import type { ChildResult } from '../src/agent/agent.ts';
import { browserTools } from '../src/agent/browser/browser.ts';
import { agentConformance } from '../src/testing/agent-conformance.ts';
import { testRuntime } from '../src/testing/test-runtime.ts';
import { browsing, Pages, refOf } from './browser-stage.ts';
import { testChromium } from './chromium.ts';
import { calling, finish, model, type Step, text } from './model-stand-in.ts';
import { bodies, outcome, say, seen, send } from './session-stage.ts';

let pages: Pages;

beforeAll(async () => {
  await testChromium(); // Unpacked once.
  const noise = Array.from({ length: 4_000 }, (_, at) => {
    const [x, y, hue] = [(at * 37) % 1_280, (at * 91) % 800, (at * 53) % 360];
    return `<i style="position:absolute;left:${x}px;top:${y}px;width:9px;height:9px;background:hsl(${hue} 80% 50%)"></i>`;
  });
  pages = await Pages.serve({
    '/': '<title>Home</title><h1>Welcome</h1>',
    '/visits': `<title>Visits</title><h1>Visits</h1><script>
      const count = 1 + Number(/n=(\\d+)/.exec(document.cookie)?.[1] ?? 0);
      document.cookie = 'n=' + count; document.querySelector('h1').textContent = 'Visit ' + count;</script>`,
    '/noise': `<title>Noise</title><body>${noise.join('')}</body>`,
    '/form': '<title>Form</title><form action="/"><input aria-label="Name"><button>Send</button></form>',
  });
}, 120_000);

afterAll(() => pages[Symbol.asyncDispose]());

const open = (path: string): Step => ['open', { url: pages.at(path) }];
const web = (steps: readonly Step[]) => browsing(steps, { allow: [pages.host] });

/** Processes of a Chromium that was started by `parent`, directly or not. */
function browsersBelow(parent = process.pid): number[] {
  const parents = new Map<number, number>();
  const names = new Map<number, string>();
  for (const entry of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      const [, name = '', state = '', above = ''] = /\((.*)\) (\S) (\d+)/s.exec(stat) ?? [];
      if (state === 'Z') continue;
      parents.set(Number(entry), Number(above));
      names.set(Number(entry), name);
    } catch {
      // It has ended.
    }
  }
  const isBelow = (pid: number): boolean => {
    const above = parents.get(pid);
    return above !== undefined && (above === parent || isBelow(above));
  };
  return [...parents.keys()].filter((pid) => /chrom/.test(names.get(pid) ?? '') && isBelow(pid));
}

const onLinux = process.platform === 'linux';

describe('an agent with a browser', () => {
  agentConformance(
    { describe, test, expect },
    {
      agent: () => {
        const { mock } = model((prompt) => {
          const asked = JSON.stringify(prompt.findLast(({ role }) => role === 'user')?.content);
          if (asked.includes('fail')) throw new Error('on purpose');
          if (asked.includes('call') && prompt.at(-1)?.role !== 'tool') {
            return [calling('c1', 'open', { url: 'http://127.0.0.1/' }), finish('tool-calls')];
          }
          return [...text(asked.includes('long') ? 'word '.repeat(20_000) : 'hello'), finish('stop')];
        });
        const tools = browserTools({ sandbox: false, executablePath: '/nowhere' });
        return aiSdkAgent(
          (turn) => new ToolLoopAgent({ model: mock, tools: tools(turn), onError: () => {} }),
        );
      },
      says: { input: 'hi', text: 'hello' },
      long: 'long',
      fails: 'fail',
      calls: 'call',
      begun: { skipped: 'its browser is not there: the calls fail before anything begins' },
      asks: { skipped: 'it asks only where it is told to, through the adapter that runs it' },
    },
  );

  test('works a page and tells what it did, call by call', async () => {
    const { agent } = await web([
      open('/form'),
      (page) => ['type', { ref: refOf(page, 'textbox'), text: 'Ada', submit: true }],
    ]);
    await using world = await testRuntime({ agents: { agent } });

    const { text: said, outcome: how } = await say(world, 'chat', 'go');
    const called = await bodies(world, 'chat', 'tool.called');
    const results = await bodies(world, 'chat', 'tool.returned');
    await world.runtime.evict('chat');

    expect([how, said]).toEqual(['completed', 'done']);
    expect(called.map(({ name }) => name)).toEqual(['open', 'type']);
    expect(results).toMatchObject([{ isError: false }, { output: { title: 'Home' } }]);
  });

  test('keeps its page from one turn to the next, and its cookies until the session leaves memory', async () => {
    const { agent } = await web([open('/visits')]);
    await using world = await testRuntime({ agents: { agent } });
    const visit = async (key: string): Promise<string> => {
      const { headSeq } = await world.runtime.session(key).catch(() => ({ headSeq: 0 }));
      await say(world, key, 'go');
      const { body } = await seen(world, key, 'tool.returned', headSeq);
      return /Visit \d/.exec(JSON.stringify(body.output))?.[0] ?? 'nothing';
    };

    const first = await visit('one');
    const second = await visit('one');
    const other = await visit('two');
    await world.runtime.evict('one');
    const afterwards = await visit('one');
    await world.runtime.close('one');
    await world.runtime.close('two');

    expect([first, second, other, afterwards]).toEqual(['Visit 1', 'Visit 2', 'Visit 1', 'Visit 1']);
  });

  test.runIf(onLinux)('shares one process among its sessions, which ends with the last of them', async () => {
    const { agent } = await web([open('/')]);
    await using world = await testRuntime({ agents: { agent } });
    const mains = (): number[] =>
      browsersBelow().filter((pid) => {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
        return command.includes('--remote-debugging-pipe') && !command.includes('--type=');
      });
    await Promise.all([say(world, 'one', 'go'), say(world, 'two', 'go')]);

    const both = mains().length;
    await world.runtime.evict('one');
    const one = mains().length;
    await world.runtime.close('two');

    expect([both, one, mains().length]).toEqual([1, 1, 0]);
    expect(browsersBelow()).toEqual([]);
  });

  test.runIf(onLinux)('goes on in a new browser when its own has died', async () => {
    const { agent } = await web([open('/')]);
    await using world = await testRuntime({ agents: { agent } });
    await say(world, 'chat', 'go');

    const dying = browsersBelow();
    for (const pid of dying) execFileSync('kill', ['-9', String(pid)]);
    const { text: said } = await say(world, 'chat', 'go on');
    const results = await bodies(world, 'chat', 'tool.returned');
    await world.runtime.evict('chat');

    expect(dying.length).toBeGreaterThan(0);
    expect(said).toBe('done');
    expect(results.map(({ isError }) => isError)).toEqual([false, false]);
  });

  test('shows a picture as an image: an artifact of the session, a file part of what was said', async () => {
    const { agent } = await web([open('/noise'), ['screenshot', {}]]);
    await using world = await testRuntime({ agents: { agent } });

    await say(world, 'chat', 'go');
    const messages = await world.runtime.transcript('chat');
    const file = messages.flatMap(({ parts }) => parts).find(({ type }) => type === 'file');
    const artifact = file?.type === 'file' ? (file.ref?.artifact ?? '') : '';
    const { bytes } = await world.runtime.artifact('chat', artifact);
    await world.runtime.evict('chat');

    expect(file).toMatchObject({
      mediaType: 'image/png',
      name: 'screenshot-1.png',
      ref: { mediaType: 'image/png' },
    });
    expect(Buffer.from(bytes).subarray(1, 4).toString()).toBe('PNG');
  });

  test('gives whoever started it the pictures it took', async () => {
    const { agent } = await web([open('/'), ['screenshot', {}], open('/noise'), ['screenshot', {}]]);
    let result: ChildResult | undefined;
    const parent = functionAgent(async function* (turn) {
      const child = await turn.spawn('agent', 'go');
      result = await child.result();
      await turn.children.close(child.session);
      yield 'seen';
    });
    await using world = await testRuntime({ agents: { parent, agent } });

    await say(world, 'chat', { input: 'go', agent: 'parent' });

    expect(result?.images).toMatchObject([
      {
        type: 'file',
        mediaType: 'image/png',
        name: 'screenshot-1.png',
        data: expect.stringMatching(/^iVBOR/),
      },
      {
        type: 'file',
        mediaType: 'image/png',
        name: 'screenshot-2.png',
        data: expect.stringMatching(/^iVBOR.{65536}/), // The log refers to it.
      },
    ]);
  });

  test('stops in the middle of a page that does not load', async () => {
    pages.add('/never', null);
    const { agent } = await web([open('/never')]);
    await using world = await testRuntime({ agents: { agent } });
    const { turn } = await send(world, 'chat', 'go');
    await seen(world, 'chat', 'tool.called');

    await world.runtime.cancelTurn('chat', turn);

    expect((await outcome(world, 'chat', turn)).outcome).toBe('cancelled');
    await world.runtime.evict('chat');
  });

  test.runIf(onLinux)('leaves no browser behind when its process is killed', async () => {
    const options = { ...(await testChromium()), allow: [pages.host] };
    const program = `
      import { browserTools } from ${JSON.stringify(new URL('../src/agent/browser/browser.ts', import.meta.url).href)};
      import { testTurn } from ${JSON.stringify(new URL('../src/testing/test-turn.ts', import.meta.url).href)};
      const { turn } = testTurn({ clock: { now: Date.now, monotonic: () => performance.now(), after: () => ({ cancel() {} }) } });
      await browserTools(${JSON.stringify(options)})(turn).open.execute({ url: ${JSON.stringify(pages.at('/'))} }, {});
      console.log('open');
      setInterval(() => undefined, 1_000);`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    for await (const line of createInterface({ input: child.stdout })) if (line === 'open') break;
    const browsers = browsersBelow(child.pid);

    child.kill('SIGKILL');
    await Promise.all(browsers.map((pid) => gone(pid)));

    expect(browsers.length).toBeGreaterThan(0);
  });
});

/** Resolves when the process has ended; the test's own time is the bound. */
async function gone(pid: number): Promise<void> {
  const path = `/proc/${pid}/stat`;
  for (;;) {
    try {
      if (/\) Z /.test(readFileSync(path, 'utf8'))) return;
    } catch {
      return;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}
