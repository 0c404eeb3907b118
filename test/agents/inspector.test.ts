// The protocol's own inspector, as its command line: it lists our tools and calls them, over HTTP and over stdio.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { allTools } from '../../src/face/mcp/open.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { systemIds } from '../../src/kernel/ids.ts';
import { ContractServer, type Loose } from '../contract-server.ts';

const ROOT = join(import.meta.dirname, '../..');
const INSPECTOR = join(ROOT, 'node_modules/.cache/agents/node_modules/.bin/mcp-inspector');
const MAIN = join(ROOT, 'src/cli/main.ts');
const INSPECTOR_MS_MAX = 60_000;

let server: ContractServer;
let home: string;

beforeAll(async () => {
  server = await ContractServer.start();
  home = mkdtempSync(join(tmpdir(), 'sojourn-inspector-'));
});
afterAll(async () => {
  await server.close();
  rmSync(home, { recursive: true, force: true });
});

/** What it prints of the answer to one method. It keeps files of its own at home. */
function inspect(target: readonly string[], method: readonly string[]): Promise<Loose> {
  const { promise, resolve, reject } = Promise.withResolvers<Loose>();
  const env = { PATH: process.env.PATH ?? '', HOME: home };
  const words = [INSPECTOR, '--cli', ...target, '--method', ...method];
  execFile(process.execPath, words, { env, timeout: INSPECTOR_MS_MAX }, (error, stdout) => {
    if (error === null) resolve(JSON.parse(stdout));
    else reject(error);
  });
  return promise;
}

describe.each([
  [
    'HTTP',
    () => [`${server.url}/mcp`, '--transport', 'http', '--header', `Authorization: Bearer ${server.token}`],
  ],
  ['stdio', () => [process.execPath, MAIN, 'mcp', '-e', `SOJOURN_DATA=${server.folder}`]],
] as const)('over %s, the inspector', (way, target) => {
  test('lists our tools', async () => {
    const { tools } = await inspect(target(), ['tools/list']);

    const named = allTools({ clock: systemClock, ids: systemIds }).map(({ name }) => name);
    expect(tools.map(({ name }: Loose) => name)).toEqual(named);
  });

  test('calls one that reads', async () => {
    const { structuredContent } = await inspect(target(), ['tools/call', '--tool-name', 'list_agents']);

    expect(structuredContent.agents).toMatchObject([{ name: 'scripted', default: true }]);
  });

  test('signs in', async () => {
    const name = `Ada over ${way}`;
    const call = ['tools/call', '--tool-name', 'sign_in', '--tool-arg', `name=${name}`];
    const { structuredContent, isError } = await inspect(target(), call);

    const listed = await server.get('/v1/identities');
    expect(isError).not.toBe(true);
    expect(structuredContent.identity).toMatchObject({ name });
    expect(listed.body.identities).toContainEqual(
      expect.objectContaining({ id: structuredContent.identity.id, name }),
    );
  });
});
