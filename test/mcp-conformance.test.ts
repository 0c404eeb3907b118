// The protocol's own suite, both revisions, against the very handler that serves Sojourn's tools: the same face, gate,
// credential and framing, with the server that the suite prescribes behind them.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { http } from '../src/face/http/http.ts';
import { Endpoint } from '../src/face/mcp/endpoint.ts';
import { DEFAULT_LINK_LIMITS } from '../src/face/mcp/links.ts';
import type { OpenFace } from '../src/face/face.ts';
import { systemClock } from '../src/kernel/clock.ts';
import { systemIds } from '../src/kernel/ids.ts';
import { testRuntime, type TestRuntime } from '../src/testing/test-runtime.ts';
import { everything } from './mcp-everything.ts';

const SUITE = join(import.meta.dirname, '../node_modules/@modelcontextprotocol/conformance/dist/index.js');

let world: TestRuntime;
let face: OpenFace;
let door: Server;
let url = '';

beforeAll(async () => {
  world = await testRuntime();
  const { runtime } = world;
  const { secret } = await runtime.addToken({ name: 'suite', scopes: ['read'] });
  face = await http({
    port: 0,
    mounts: [
      {
        name: 'everything',
        path: '/mcp',
        open: () => {
          const endpoint = new Endpoint(
            () =>
              everything((what) => endpoint.notify[what === 'tools' ? 'toolsChanged' : 'promptsChanged']()),
            {
              runtime,
              clock: systemClock,
              ids: systemIds,
              limits: DEFAULT_LINK_LIMITS,
              note: () => undefined,
            },
          );
          return {
            documents: {},
            tokenDocument: '/.well-known/oauth-protected-resource/mcp',
            answer: (call) => endpoint.answer(call),
            close: () => endpoint.close(),
          };
        },
      },
    ],
  }).start(runtime);
  door = await withToken(new URL(face.urls[0] ?? ''), secret);
  url = `http://localhost:${(door.address() as AddressInfo).port}/mcp`;
});

afterAll(async () => {
  door.close();
  door.closeAllConnections();
  await face.close(0);
  await world.close();
});

/** The suite has no token: this one gives it to every request, and is called by the name of the face behind it. */
async function withToken(to: URL, secret: string): Promise<Server> {
  const server = createServer((asked, answered) => {
    const own = `localhost:${(server.address() as AddressInfo).port}`;
    const renamed = (text: string | undefined): string => (text ?? '').replace(own, to.host);
    const { host, origin, ...headers } = asked.headers;
    const passed = request(
      to,
      {
        method: asked.method,
        path: asked.url,
        headers: {
          ...headers,
          host: renamed(host),
          ...(origin === undefined ? {} : { origin: renamed(origin) }),
          authorization: `Bearer ${secret}`,
        },
      },
      (answer) => {
        answered.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(answered);
        answered.once('close', () => passed.destroy());
      },
    );
    passed.on('error', () => answered.destroy());
    asked.pipe(passed);
  });
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  return server;
}

/** What the suite says of a revision, and whether it is content. */
function judged(revision: string): Promise<{ passed: boolean; verdict: string }> {
  const cwd = mkdtempSync(join(tmpdir(), 'sojourn-mcp-suite-'));
  const words = [SUITE, 'server', '--url', url, '--requirements', revision];
  return new Promise((resolve) => {
    execFile(process.execPath, words, { cwd, maxBuffer: 64 * 1_024 * 1_024 }, (error, stdout, stderr) => {
      rmSync(cwd, { recursive: true, force: true });
      resolve({ passed: error === null, verdict: stdout + stderr });
    });
  });
}

describe('the conformance suite', () => {
  test.each([
    ['2026-07-28', 37],
    ['2025-11-25', 30],
  ])('passes every scored scenario of %s', { timeout: 120_000 }, async (revision, scored) => {
    const { passed, verdict } = await judged(revision);

    const summary = verdict.slice(verdict.indexOf('=== SUMMARY ==='));
    expect({ passed, summary }).toMatchObject({ passed: true });
    expect(summary.split('\n').filter((line) => line.startsWith('✓')).length).toBeGreaterThanOrEqual(scored);
  });
});
