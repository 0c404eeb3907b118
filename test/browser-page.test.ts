// A page in a real Chromium: what a model reads of it and does with it, and what it hears when something cannot be done.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Pages, refOf, SharedBrowser } from './browser-stage.ts';
import { testChromium } from './chromium.ts';
import type { Step } from './model-stand-in.ts';

let pages: Pages;
let browser: SharedBrowser;

beforeAll(async () => {
  await testChromium(); // Unpacked once.

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
    '/silent': null,
    '/hangs': '<title>Hangs</title><h1>Still here</h1><button onclick="for (;;);">Seize</button>',
    '/gone': '<title>Gone</title><button onclick="this.remove()">Vanish</button>',
    '/tall':
      '<title>Tall</title><div style="height: 20000px; background: linear-gradient(red, blue)">Tall</div>',
    '/colours': `<title>Colours</title><body style="margin: 0; background: linear-gradient(90deg, gold, teal)">
      <h1 style="font: 64px sans-serif; padding: 40px">Hello from a page</h1></body>`,
  });
  browser = await SharedBrowser.open(pages);
}, 120_000);

afterAll(async () => {
  await browser.close();
  await pages[Symbol.asyncDispose]();
});

const open = (path: string): Step => ['open', { url: pages.at(path) }];
const click =
  (name: string): Step =>
  (seen) => ['click', { ref: refOf(seen, name) }];

describe('a page', () => {
  test('is read as an outline: its title, what it says, and what can be clicked', async () => {
    const { returned: heard } = await browser.visit([open('/')]);

    expect(heard).toMatchObject([
      { output: { url: pages.at('/'), title: 'Home', page: expect.stringContaining('heading "Welcome"') } },
    ]);
    expect(JSON.stringify(heard)).toMatch(/link \\"Go on\\" \[ref=e\d+\]/);
  });

  test('is left by a click on a link, and the next one is read', async () => {
    const { answers: heard } = await browser.visit([open('/'), click('Go on')]);

    expect(heard[1]).toContain('Second page');
  });

  test('is filled in and sent', async () => {
    const { answers: heard } = await browser.visit([
      open('/form'),
      (seen) => ['type', { ref: refOf(seen, 'Search'), text: 'blue door', submit: true }],
    ]);

    expect(heard[1]).toContain('Three results');
    expect(pages.visits).toContain('/found?q=blue+door');
  });

  test('changes under its reader, who sees it as it is then', async () => {
    const { answers: heard } = await browser.visit([
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
    await using tab = await browser.tab();

    const heard = await Promise.all([tab.open('/'), tab.open('/next'), tab.read()]);

    expect(heard.map((page) => /"title":"(\w+)"/.exec(page)?.[1])).toEqual(['Home', 'Next', 'Next']);
  });

  test('comes in parts where it is long, and each says how to go on', async () => {
    const { returned: heard } = await browser.visit([open('/long'), ['read', { from: 1_000 }]], {
      pageCharsMax: 1_000,
    });
    const [first, second] = heard.map(({ output }) => output as { page: string; more: string });

    expect(first?.page).toHaveLength(1_000);
    expect(first?.more).toMatch(/^\d+ characters: read from 1000$/);
    expect(second?.more).toMatch(/^\d+ characters: read from 2000$/);
    expect(second?.page).not.toBe(first?.page);
  });

  test('is read with what its frames hold, which can be clicked as well', async () => {
    const { answers: heard } = await browser.visit([open('/frame'), click('Inner')]);

    expect(heard[1]).toContain('"title":"1234"');
  });

  test('is shown as a picture to the model, and travels as a file and not in the result', async () => {
    const { events, prompts, returned: heard } = await browser.visit([open('/colours'), ['screenshot', {}]]);
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
    const { returned: heard, events } = await browser.visit([open('/tall'), ['screenshot', { whole: true }]]);
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
    const { returned: heard } = await browser.visit(
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
    const { returned: heard } = await browser.visit([open('/silent'), open('/next')], {
      navigationMsMax: 300,
    });

    expect(heard[0]).toMatchObject({
      isError: true,
      output: expect.stringMatching(/^page\.failed: .*Timeout 300ms/),
    });
    expect(JSON.stringify(heard[1])).toContain('Second page');
  });

  test('a page that lets nobody in any more is left by opening another', async () => {
    const { returned: heard } = await browser.visit(
      [open('/hangs'), click('Seize'), ['read', {}], open('/next')],
      {
        actionMsMax: 500,
        navigationMsMax: 3_000,
      },
    );

    expect(heard.map(({ isError }) => isError ?? false)).toEqual([false, true, true, false]);
    expect(JSON.stringify(heard[3])).toContain('Second page');
  });
});

test('a browser that is not there is missed with what to do', async () => {
  const { answers: heard } = await browser.visit([['open', { url: 'http://1.1.1.1/' }]], {
    executablePath: '/nowhere/chromium',
  });

  expect(heard[0]).toMatch(/^agent\.failed: Chromium did not start: .*\/nowhere\/chromium/);
});
