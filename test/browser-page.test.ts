// A page in a real Chromium: what a model reads of it and does with it, and what a hostile one may not.
import { createSocket } from 'node:dgram';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AgentTurn } from '../src/agent/agent.ts';
import { type BrowserOptions, browserTools, type BrowserTools } from '../src/agent/browser/browser.ts';
import { systemClock } from '../src/kernel/clock.ts';
import { allOf, testContext, testTurn } from '../src/testing/test-turn.ts';
import { answers, onTools, Pages, refOf, returned } from './browser-stage.ts';
import { testChromium } from './chromium.ts';
import type { Step } from './model-stand-in.ts';

beforeAll(() => testChromium(), 120_000); // Unpacked once.

/** A turn whose resources are closed by `close`, as the runtime would. */
function turnOfItsOwn(): { turn: AgentTurn; close: () => Promise<void> } {
  const { turn } = testTurn({ input: 'go', clock: systemClock });
  const closing: (() => Promise<void>)[] = [];
  const resource: AgentTurn['resource'] = (name, make, close) =>
    turn.resource(
      name,
      async () => {
        const thing = await make();
        closing.push(() => close(thing));
        return thing;
      },
      close,
    );
  return {
    turn: { ...turn, resource },
    close: async () => void (await Promise.all(closing.map((close) => close()))),
  };
}

/** One browser for all tests that need no settings of their own: it stays while this turn has its tab. */
const keeping = turnOfItsOwn();
let shared: (turn: AgentTurn) => BrowserTools;

/** A turn in which a model takes these steps in a tab of its own. */
async function visit(steps: readonly Step[], options?: BrowserOptions) {
  const own = { ...(await testChromium()), allow: [pages.host], ...options };
  const { agent, prompts } = onTools(options === undefined ? shared : browserTools(own), steps);
  const instance = await agent.open(testContext());
  const { turn, close } = turnOfItsOwn();
  try {
    const events = await allOf(instance.run(turn));
    return { events, answers: answers(events), returned: returned(events), prompts };
  } finally {
    await close();
  }
}

let pages: Pages;
let elsewhere: Pages;

beforeAll(async () => {
  elsewhere = await Pages.serve({ '/secret': 'a secret of this machine' });
  const secret = elsewhere.at('/secret');
  pages = await Pages.serve({
    '/': '<title>Home</title><h1>Welcome</h1><a href="/next">Go on</a><p>It is <b>fine</b>.</p>',
    '/next': '<title>Next</title><h1>Second page</h1>',
    '/form': `<title>Form</title><form action="/found"><label>Search <input name="q" value="old"></label>
      <button>Find</button></form>`,
    '/found': '<title>Found</title><h1>Three results</h1>',
    '/counter': `<title>Counter</title><button onclick="this.textContent = 'Clicked ' + (window.n = (window.n ?? 0) + 1)">
      Click me</button>`,
    '/long': `<title>Long</title>${Array.from({ length: 2_000 }, (_, line) => `<p>line ${line + 1}</p>`).join('')}`,
    '/frame':
      '<title>Outer</title><iframe srcdoc="<button onclick=&quot;parent.document.title=1234&quot;>Inner</button>"></iframe>',
    '/away': { status: 302, headers: { location: secret } },
    '/far': { status: 302, headers: { location: '/away' } },
    '/to-file': { status: 302, headers: { location: 'file:///etc/passwd' } },
    '/script-https': `<title>Sly</title><button onclick="location.href='${secret.replace('http', 'https')}'">Leave</button>`,
    '/script-away': `<title>Sly</title><button onclick="location.href='${secret}'">Leave</button>`,
    '/loads': `<title>Loads</title><h1>Loading</h1><img src="${secret}"><link rel="stylesheet" href="${secret}">
      <iframe src="${secret}"></iframe><script src="${secret}"></script><link rel="preconnect" href="${secret}">
      <script>fetch('${secret}').then(() => say('fetched'), () => say('no fetch'));
      new WebSocket('${secret.replace('http', 'ws')}').onerror = () => say('no socket');
      new Worker(URL.createObjectURL(new Blob(["fetch('${secret}').catch(() => postMessage('no worker'))"]))).onmessage =
        ({ data }) => say(data);
      navigator.sendBeacon('${secret}', 'hi'); const said = [];
      function say(word) { said.push(word); document.querySelector('h1').textContent = said.sort().join(', '); }</script>`,
    '/windows': `<title>Windows</title><button onclick="window.open('/next')">Open</button>
      <a href="/next" target="_blank">Blank</a>`,
    '/dialogs': `<title>Dialogs</title><button onclick="this.textContent = String(confirm('Really?'))">Ask</button>
      <script>onbeforeunload = (event) => event.preventDefault()</script>`,
    '/download': { headers: { 'content-disposition': 'attachment; filename=x.bin' }, body: 'bytes' },
    '/downloads': '<title>Downloads</title><a href="/download">Take it</a>',
    '/silent': null,
    '/hangs': '<title>Hangs</title><h1>Still here</h1><button onclick="for (;;);">Seize</button>',
    '/gone': '<title>Gone</title><button onclick="this.remove()">Vanish</button>',
    '/tall':
      '<title>Tall</title><div style="height: 20000px; background: linear-gradient(red, blue)">Tall</div>',
    '/colours': `<title>Colours</title><body style="margin: 0; background: linear-gradient(90deg, gold, teal)">
      <h1 style="font: 64px sans-serif; padding: 40px">Hello from a page</h1></body>`,
  });
  shared = browserTools({ ...(await testChromium()), allow: [pages.host], actionMsMax: 10_000 });
  await shared(keeping.turn).open.execute({ url: pages.at('/') }, { toolCallId: 'first' });
});

afterAll(async () => {
  await keeping.close();
  await pages[Symbol.asyncDispose]();
  await elsewhere[Symbol.asyncDispose]();
});

const open = (path: string): Step => ['open', { url: pages.at(path) }];
const click =
  (name: string): Step =>
  (seen) => ['click', { ref: refOf(seen, name) }];

describe('a page', () => {
  test('is read as an outline: its title, what it says, and what can be clicked', async () => {
    const { returned: heard } = await visit([open('/')]);

    expect(heard).toMatchObject([
      { output: { url: pages.at('/'), title: 'Home', page: expect.stringContaining('heading "Welcome"') } },
    ]);
    expect(JSON.stringify(heard)).toMatch(/link \\"Go on\\" \[ref=e\d+\]/);
  });

  test('is left by a click on a link, and the next one is read', async () => {
    const { answers: heard } = await visit([open('/'), click('Go on')]);

    expect(heard[1]).toContain('Second page');
  });

  test('is filled in and sent', async () => {
    const { answers: heard } = await visit([
      open('/form'),
      (seen) => ['type', { ref: refOf(seen, 'Search'), text: 'blue door', submit: true }],
    ]);

    expect(heard[1]).toContain('Three results');
    expect(pages.visits).toContain('/found?q=blue+door');
  });

  test('changes under its reader, who sees it as it is then', async () => {
    const { answers: heard } = await visit([
      open('/counter'),
      click('Click me'),
      click('Clicked 1'),
      ['read', {}],
    ]);

    expect(heard.slice(1).map((answer) => /Clicked \d/.exec(answer)?.[0])).toEqual([
      'Clicked 1',
      'Clicked 2',
      'Clicked 2',
    ]);
  });

  test('does one thing at a time, in the order it was told', async () => {
    const { turn, close } = turnOfItsOwn();
    const { open: go, read } = shared(turn);

    const pair = await Promise.all(
      ['/', '/next'].map((path) => go.execute({ url: pages.at(path) }, { toolCallId: path })),
    );
    const last = await read.execute({}, { toolCallId: 'last' });
    await close();

    expect([...pair, last]).toMatchObject([{ title: 'Home' }, { title: 'Next' }, { title: 'Next' }]);
  });

  test('comes in parts where it is long, and each says how to go on', async () => {
    const { returned: heard } = await visit([open('/long'), ['read', { from: 1_000 }]], {
      pageCharsMax: 1_000,
    });
    const [first, second] = heard.map(({ output }) => output as { page: string; more: string });

    expect(first?.page).toHaveLength(1_000);
    expect(first?.more).toMatch(/^\d+ characters: read from 1000$/);
    expect(second?.more).toMatch(/^\d+ characters: read from 2000$/);
    expect(second?.page).not.toBe(first?.page);
  });

  test('is read with what its frames hold, which can be clicked as well', async () => {
    const { answers: heard } = await visit([open('/frame'), click('Inner')]);

    expect(heard[1]).toContain('"title":"1234"');
  });

  test('is shown as a picture to the model, and travels as a file and not in the result', async () => {
    const { events, prompts, returned: heard } = await visit([open('/colours'), ['screenshot', {}]]);
    const files = events.flatMap((event) =>
      typeof event === 'object' && event.kind === 'message'
        ? event.parts.filter(({ type }) => type === 'file')
        : [],
    );
    const [file] = files;

    expect(files).toMatchObject([{ type: 'file', mediaType: 'image/png', name: 'screenshot-1.png' }]);
    expect(JSON.parse(JSON.stringify(heard[1]))).toMatchObject({
      output: { url: pages.at('/colours'), name: 'screenshot-1.png', bytes: expect.any(Number) },
    });
    expect(JSON.stringify(heard[1]).length).toBeLessThan(500);
    const data = file?.type === 'file' ? (file.data ?? '') : '';
    expect(Buffer.from(data, 'base64').subarray(1, 4).toString()).toBe('PNG');
    expect(JSON.stringify(prompts.at(-1))).toContain(data.slice(0, 2_000));
  });

  test('is pictured whole, up to a bound', async () => {
    const { returned: heard, events } = await visit([open('/tall'), ['screenshot', { whole: true }]]);
    const file = events
      .flatMap((event) => (typeof event === 'object' && event.kind === 'message' ? event.parts : []))
      .find((part) => part.type === 'file');
    const png = Buffer.from(file?.type === 'file' ? (file.data ?? '') : '', 'base64');

    expect(heard[1]?.isError).toBeUndefined();
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([1_280, 8_000]);
  });
});

describe('what cannot be done', () => {
  test('is said to the model with its code, and the browser goes on', async () => {
    const { returned: heard } = await visit(
      [
        ['read', {}],
        open('/gone'),
        click('Vanish'),
        ['click', { ref: 'e99' }],
        ['click', { ref: 'body; drop' }],
        ['open', { url: 'not an address' }],
        open('/next'),
      ],
      { actionMsMax: 500 },
    );

    expect(heard.map(({ output, isError }) => [isError ?? false, String(output).split(':')[0]])).toEqual([
      [true, 'page.failed'],
      [false, '[object Object]'],
      [false, '[object Object]'],
      [true, 'page.failed'],
      [true, 'page.failed'],
      [true, 'page.forbidden'],
      [false, '[object Object]'],
    ]);
    expect(heard[0]?.output).toContain('No page is open: open an address first');
    expect(heard[3]?.output).toContain('use a ref that stands there now');
  });

  test('a page that never answers is given up in time', async () => {
    const { returned: heard } = await visit([open('/silent'), open('/next')], {
      navigationMsMax: 300,
    });

    expect(heard[0]).toMatchObject({
      isError: true,
      output: expect.stringMatching(/^page\.failed: .*Timeout 300ms/),
    });
    expect(JSON.stringify(heard[1])).toContain('Second page');
  });

  test('a page that lets nobody in any more is left by opening another', async () => {
    const { returned: heard } = await visit([open('/hangs'), click('Seize'), ['read', {}], open('/next')], {
      actionMsMax: 500,
      navigationMsMax: 3_000,
    });

    expect(heard.map(({ isError }) => isError ?? false)).toEqual([false, true, true, false]);
    expect(JSON.stringify(heard[3])).toContain('Second page');
  });
});

describe('a hostile page', () => {
  test.each([
    ['a redirect', [['open', '/away']]],
    ['two redirects', [['open', '/far']]],
    [
      'a script',
      [
        ['open', '/script-away'],
        ['click', 'Leave'],
      ],
    ],
    [
      'a script, encrypted',
      [
        ['open', '/script-https'],
        ['click', 'Leave'],
      ],
    ],
  ] as const)('leads nobody to this machine by %s', async (_by, path) => {
    const { returned: heard } = await visit(
      path.map(([what, at]) => (what === 'open' ? open(at) : click(at))),
    );

    expect(heard.at(-1)).toMatchObject({
      isError: true,
      output: expect.stringMatching(/^page\.forbidden: .*127\.0\.0\.1.* is not a public address/),
    });
    expect(elsewhere.visits).toEqual([]);
  });

  test('leads nobody to a file', async () => {
    const { returned: heard } = await visit([open('/to-file')]);

    expect(heard[0]).toMatchObject({ isError: true, output: expect.stringMatching(/^page\.failed/) });
  });

  test.each([
    'file:///etc/passwd',
    'chrome://version',
    'data:text/html,hi',
    'http://2130706433/',
    'http://localhost/',
  ])('makes no model open %s', async (url) => {
    const { returned: heard } = await visit([['open', { url }]]);

    expect(heard[0]).toMatchObject({ isError: true, output: expect.stringMatching(/^page\.forbidden/) });
  });

  test('loads nothing from this machine: no image, frame, script, fetch, socket or worker of it arrives', async () => {
    const settled: Step = ['read', {}];
    const { answers: heard } = await visit([open('/loads'), settled, settled, settled]);

    expect(heard.at(-1)).toContain('no fetch, no socket, no worker');
    expect(heard.join()).not.toContain('a secret of this machine');
    expect(elsewhere.visits).toEqual([]);
  });

  test('calls nobody: neither its peers nor what finds them are spoken to past the proxy', async () => {
    const socket = createSocket('udp4');
    let heard = 0;
    socket.on('message', () => (heard += 1));
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    const { port } = socket.address();
    pages.add(
      '/calls',
      `<title>Calls</title><script>
        const one = new RTCPeerConnection({ iceServers: [{ urls: 'stun:127.0.0.1:${port}' }] });
        const two = new RTCPeerConnection();
        one.createDataChannel('x');
        one.onicegatheringstatechange = () => one.iceGatheringState === 'complete' && fetch('/gathered');
        new WebTransport('https://127.0.0.1:${port}/').ready.catch(() => fetch('/no-transport'));
        (async () => {
          await one.setLocalDescription(await one.createOffer());
          await two.setRemoteDescription(one.localDescription);
          await two.setLocalDescription(await two.createAnswer());
          await one.setRemoteDescription(two.localDescription);
          const candidate = 'candidate:1 1 udp 2122260223 127.0.0.1 ${port} typ host';
          await one.addIceCandidate({ candidate, sdpMid: '0', sdpMLineIndex: 0 });
        })();
      </script>`,
    );
    const tried = Promise.all([pages.visited('/gathered'), pages.visited('/no-transport')]);

    const { turn, close } = turnOfItsOwn();
    await shared(turn).open.execute({ url: pages.at('/calls') }, { toolCallId: 'calls' });
    await tried;
    await close();
    socket.close();

    expect(heard).toBe(0);
  });

  test('opens no window: it is closed, and the model is told where it led', async () => {
    const { answers: heard } = await visit([open('/windows'), click('Open'), click('Blank'), ['read', {}]]);

    const note = `A new window was closed: it was to show ${pages.at('/next')}.`;
    expect([heard[1]?.includes(note), heard[2]?.includes(note)]).toEqual([true, true]);
    expect(heard.at(-1)).toContain('"title":"Windows"');
  });

  test('asks nobody: its dialogs are dismissed, and it keeps nobody from leaving', async () => {
    const { answers: heard } = await visit([open('/dialogs'), click('Ask'), open('/next')]);

    expect(heard[1]).toContain('button \\"false\\"');
    expect(heard[1]).toContain('A dialog said');
    expect(heard[2]).toContain('Second page');
  });

  test('puts no file on this machine', async () => {
    const { returned: heard } = await visit([open('/downloads'), click('Take it'), ['read', {}]]);

    expect(JSON.stringify(heard)).toContain('A download of');
    expect(JSON.stringify(heard.at(-1))).toContain('Downloads');
  });
});

test('a browser that is not there is missed with what to do', async () => {
  const { answers: heard } = await visit([['open', { url: 'http://1.1.1.1/' }]], {
    executablePath: '/nowhere/chromium',
  });

  expect(heard[0]).toMatch(/^agent\.failed: Chromium did not start: .*\/nowhere\/chromium/);
});
