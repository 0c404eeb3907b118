// The client in a page of a real browser, unbundled: its sources with their types stripped.
import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Event } from '../src/client/client.ts';
import { testChromium } from './chromium.ts';
import { testServer, type TestServer } from './cli-server.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const MODULES = '/modules';
const PAGE = `<!doctype html>
<script type="importmap">
  { "imports": { "eventsource-parser": "${MODULES}/node_modules/eventsource-parser/dist/index.js" } }
</script>
<script type="module">
  import { connect } from '${MODULES}/src/client/client.ts';
  window.connectTo = (token, more) => connect({ url: location.origin, token, ...more });
</script>`;

let server: TestServer;
let browser: Browser;
let page: Page;
const broken: string[] = [];

beforeAll(async () => {
  server = await testServer();
  const { executablePath, env } = await testChromium();
  browser = await chromium.launch({
    ...(executablePath === undefined ? { channel: 'chrome' } : { executablePath }),
    ...(env === undefined ? {} : { env }),
    chromiumSandbox: false,
  });
  page = await browser.newPage();
  page.on('pageerror', (error) => broken.push(error.message)); // Also rejections that nobody took.
  // On the server's own origin, which it serves nothing of this on.
  await page.route(`${server.url}/page`, (route) => route.fulfill({ contentType: 'text/html', body: PAGE }));
  await page.route(`${server.url}${MODULES}/**`, (route, request) => {
    const file = new URL(request.url()).pathname.slice(MODULES.length);
    const source = readFileSync(join(ROOT, file), 'utf8');
    const body = file.endsWith('.ts') ? stripTypeScriptTypes(source) : source;
    return route.fulfill({ contentType: 'text/javascript', body });
  });
  await page.exposeFunction('restart', () => server.restart());
  await page.exposeFunction('token', () => readFileSync(join(server.folder, 'token'), 'utf8').trim());
  await page.goto(`${server.url}/page`);
  await page.waitForFunction('window.connectTo');
}, 60_000);

afterAll(async () => {
  await browser.close();
  await server.close();
});

test('a page follows a turn over a restart of the server, without a loss or a repeat', async () => {
  const { events, changes } = await page.evaluate<{ events: Event[]; changes: string[] }>(`(async () => {
    const changes = [];
    const client = connectTo(await token(), { onConnection: ({ state }) => changes.push(state) });
    const events = [];
    let restarted;
    for await (const event of client.session('日本/é').stream('/words 40 10')) {
      events.push(event);
      if (events.length === 10) restarted = restart();
    }
    await restarted;
    return { events, changes };
  })()`);

  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, at) => at + 2));
  expect(events.at(-1)).toMatchObject({ kind: 'turn.ended', body: { outcome: 'completed' } });
  expect(changes).toContain('lost');
  expect(changes.at(-1)).toBe('back');
  expect(broken).toEqual([]);
});

test('a page leaves a stream by its signal, and reads back what was too large for the log', async () => {
  const told = await page.evaluate(`(async () => {
    const session = connectTo(await token()).session('left');
    const stop = new AbortController();
    let seen = 0;
    const thrown = await (async () => {
      for await (const event of session.stream('/words 100000 5', { signal: stop.signal })) {
        if ((seen += 1) === 5) stop.abort();
      }
    })().catch(({ name }) => name);
    await session.cancel();
    await session.sendAndWait('/big 100000');
    const [artifact] = await session.artifacts();
    const bytes = await session.artifact(artifact.id, { start: 10, end: 30 });
    return { thrown, seen, bytes: bytes.length };
  })()`);

  expect(told).toEqual({ thrown: 'AbortError', seen: 5, bytes: 20 });
  expect(broken).toEqual([]);
});
