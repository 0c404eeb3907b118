// The server dies while three agents work for a fourth, each in a process of its own. Seen from outside: over HTTP, and
// in the list of processes of the machine.
import { setImmediate as turnOfLoop } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { alive, below } from '../examples/10-sub-agents/processes.ts';
import { ContractServer, type Logged } from './contract-server.ts';

const ECHO = new URL('acp-echo-agent.ts', import.meta.url).pathname;
const CONFIG = `
  import { defineAgent, defineConfig } from 'sojourn';
  import { acpAgent } from 'sojourn/agent/acp';
  const lead = defineAgent(async function* (turn) {
    const children = [];
    for (const name of ['a', 'b', 'c']) children.push(await turn.spawn('echo', '/words 100000 20', { title: name }));
    const results = await Promise.all(children.map((child) => child.result()));
    yield results.map(({ outcome }) => outcome).join(' ');
  }, { rerun: 'safe' });
  const echo = acpAgent({ command: process.execPath, args: [${JSON.stringify(ECHO)}], cwd: process.cwd() });
  export default defineConfig({ agents: { lead, echo } });
`;

let server: ContractServer;

beforeAll(async () => {
  server = await ContractServer.start(CONFIG);
});
afterAll(() => server.close());

const of = (events: readonly Logged[], kind: string): Logged[] =>
  events.filter((event) => event.kind === kind);

test('a server that is killed with three agents at work leaves no process, and each of them has one outcome and one result', async () => {
  await server.send('lead', 'go');
  const started: Logged[] = [];
  while (started.length < 3)
    started.push(
      await server.until('lead', ({ kind }) => kind === 'child.started', started.at(-1)?.seq ?? 0),
    );
  const keys = started.map(({ body }) => body.key as string);
  await Promise.all(keys.map((key) => server.until(key, ({ kind }) => kind === 'text.delta')));
  const processes = below(server.pid);

  await server.kill();
  const killedMs = performance.now();
  while (alive(processes).length > 0 && performance.now() - killedMs < 5_000) await turnOfLoop();
  const left = alive(processes);
  await server.start();
  await server.idle('lead');

  expect(processes.filter(({ command }) => command.includes(ECHO))).toHaveLength(3);
  expect(left).toEqual([]);
  for (const key of keys) {
    const ended = of(await server.events(key), 'turn.ended');
    expect(ended.map(({ body }) => body.outcome)).toEqual(['interrupted']);
    expect((await server.session(key)).state).toBe('idle');
  }
  const events = await server.events('lead');
  const results = of(events, 'child.ended').map(({ body }) => [body.session, body.outcome] as const);
  expect(results).toHaveLength(3);
  expect(new Map(results)).toEqual(new Map(started.map(({ body }) => [body.session, 'interrupted'])));
  expect(of(events, 'child.started')).toHaveLength(3);
  expect(of(events, 'turn.ended').map(({ body }) => body.text)).toEqual([
    'interrupted interrupted interrupted',
  ]);
  expect(below(server.pid).filter(({ command }) => command.includes(ECHO))).toEqual([]);
});
