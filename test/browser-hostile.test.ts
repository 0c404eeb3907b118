// A hostile page in a real Chromium: where it leads nobody, and what it may not do to whoever reads it.
//
// Each test fails without what it is about: the proxy, the settings that close the ways round it, or the watch over a page.
import { createSocket } from 'node:dgram';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Pages, refOf, SharedBrowser } from './browser-stage.ts';
import { testChromium } from './chromium.ts';
import type { Step } from './model-stand-in.ts';

let pages: Pages;
let browser: SharedBrowser;
let elsewhere: Pages;
beforeAll(async () => {
  await testChromium(); // Unpacked once.
  elsewhere = await Pages.serve({ '/secret': 'a secret of this machine' });
  const secret = elsewhere.at('/secret');
  pages = await Pages.serve({
    '/': '<title>Home</title>',
    '/next': '<title>Next</title><h1>Second page</h1>',
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
  });
  browser = await SharedBrowser.open(pages);
}, 120_000);

afterAll(async () => {
  await browser.close();
  await pages[Symbol.asyncDispose]();
  await elsewhere[Symbol.asyncDispose]();
});

const open = (path: string): Step => ['open', { url: pages.at(path) }];
const click =
  (name: string): Step =>
  (seen) => ['click', { ref: refOf(seen, name) }];

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
    const { returned: heard } = await browser.visit(
      path.map(([what, at]) => (what === 'open' ? open(at) : click(at))),
    );

    expect(heard.at(-1)).toMatchObject({
      isError: true,
      output: expect.stringMatching(/^page\.forbidden: .*127\.0\.0\.1.* is not a public address/),
    });
    expect(elsewhere.visits).toEqual([]);
  });

  test('leads nobody to a file', async () => {
    const { returned: heard } = await browser.visit([open('/to-file')]);

    expect(heard[0]).toMatchObject({ isError: true, output: expect.stringMatching(/^page\.failed/) });
  });

  test.each([
    'file:///etc/passwd',
    'chrome://version',
    'data:text/html,hi',
    'http://2130706433/',
    'http://localhost/',
  ])('makes no model open %s', async (url) => {
    const { returned: heard } = await browser.visit([['open', { url }]]);

    expect(heard[0]).toMatchObject({ isError: true, output: expect.stringMatching(/^page\.forbidden/) });
  });

  test('loads nothing from this machine: no image, frame, script, fetch, socket or worker of it arrives', async () => {
    await using tab = await browser.tab();
    const heard = [await tab.open('/loads')];

    while (!heard.at(-1)?.includes('no fetch, no socket, no worker')) heard.push(await tab.read()); // Until all were tried.

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

    await using tab = await browser.tab();
    await tab.open('/calls');
    await tried;
    socket.close();

    expect(heard).toBe(0);
  });

  test('opens no window: it is closed, and the model is told where it led', async () => {
    const note = `A new window was closed: it was to show ${pages.at('/next')}.`;
    await using tab = await browser.tab();

    for (const name of ['Open', 'Blank']) {
      const page = await tab.open('/windows');
      let heard = await tab.click(refOf(page, name));
      while (!heard.includes(note)) heard = await tab.read(); // It is told when the browser says so.
    }
    const last = await tab.read();

    expect(last).toContain('"title":"Windows"');
    expect(last).not.toContain(note); // Told once.
  });

  test('asks nobody: its dialogs are dismissed, and it keeps nobody from leaving', async () => {
    const { answers: heard } = await browser.visit([open('/dialogs'), click('Ask'), open('/next')]);

    expect(heard[1]).toContain('button \\"false\\"');
    expect(heard[1]).toContain('A dialog said');
    expect(heard[2]).toContain('Second page');
  });

  test('puts no file on this machine', async () => {
    await using tab = await browser.tab();
    const page = await tab.open('/downloads');

    let heard = await tab.click(refOf(page, 'Take it'));
    while (!heard.includes('A download of')) heard = await tab.read(); // It is told when the browser says so.

    expect(heard).toContain(`A download of ${pages.at('/download')} was refused.`);
    expect(heard).toContain('"title":"Downloads"');
  });
});
