// The server dies under real coding agents: one in the middle of a command, one that waits for a person.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turnOfLoop } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { claudeOptions, openCodeOptions } from '../../examples/10-sub-agents/agents.ts';
import { startModel } from '../../examples/10-sub-agents/model.ts';
import { below, workingIn } from '../../examples/10-sub-agents/processes.ts';
import { ContractServer, type Logged } from '../contract-server.ts';

let folder: string;
let model: Awaited<ReturnType<typeof startModel>>;
let server: ContractServer;
let file: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sojourn-agents-'));
  file = join(folder, 'work', 'allowed.ts');
  model = await startModel();
  const places = { model: model.url, page: '', folder };
  server = await ContractServer.start(`
    import { defineAgent, defineConfig } from 'sojourn';
    import { claudeCode, openCode } from 'sojourn/agent/acp';
    const lead = defineAgent(async function* (turn) {
      const coder = await turn.spawn('coder', 'Please wait until I stop you');
      const tester = await turn.spawn('tester', 'Please write ${file}');
      const results = [await coder.result(), await tester.result()];
      yield results.map(({ outcome }) => outcome).join(' ');
    }, { rerun: 'safe' });
    const coder = openCode(${JSON.stringify(openCodeOptions(places))});
    const tester = claudeCode(${JSON.stringify(claudeOptions(places))});
    export default defineConfig({ agents: { lead, coder, tester } });
  `);
});
afterAll(async () => {
  await server.close();
  await model.stop();
  rmSync(folder, { recursive: true, force: true });
});

test('a killed server leaves nothing of them: what ran ends interrupted, and what waits for a person goes on when it is answered', async () => {
  await server.send('lead', 'go');
  const first = await server.until('lead', ({ kind }) => kind === 'child.started');
  const second = await server.until('lead', ({ kind }) => kind === 'child.started', first.seq);
  const [coder, tester] = [first, second].map(({ body }) => body.key as string) as [string, string];
  await server.until(coder, ({ kind }) => kind === 'tool.called');
  const asked = await server.until(tester, ({ kind }) => kind === 'request.opened');
  const processes = below(server.pid);

  await server.kill();
  const killedMs = performance.now();
  while (workingIn(folder).length > 0 && performance.now() - killedMs < 5_000) await turnOfLoop();
  const left = workingIn(folder);
  await server.start();
  const before = existsSync(file);
  await server.call('POST', `/v1/sessions/${tester}/requests/${asked.body.request}`, { decision: 'allow' });
  await server.idle('lead');

  expect(left).toEqual([]);
  for (const program of ['opencode', 'claude'])
    expect([program, processes.some(({ command }) => command.includes(program))]).toEqual([program, true]);
  expect([before, existsSync(file)]).toEqual([false, true]);
  const of = async (key: string, kind: string): Promise<Logged[]> =>
    (await server.events(key)).filter((event) => event.kind === kind);
  const outcomes = (ended: readonly Logged[]) => ended.map(({ body }) => body.outcome as string);
  expect(outcomes(await of(coder, 'turn.ended'))).toEqual(['interrupted']);
  expect(outcomes(await of(tester, 'turn.ended'))).toEqual(['completed']);
  expect(outcomes(await of('lead', 'child.ended')).toSorted((a, b) => (a < b ? -1 : 1))).toEqual([
    'completed',
    'interrupted',
  ]);
  expect((await of('lead', 'turn.ended')).map(({ body }) => body.text)).toEqual(['interrupted completed']);
});
