// The story of examples/10-sub-agents on real agents: OpenCode, Claude Code and a browser in real Chromium. Their models
// are a server on this machine, so it costs nothing and says the same each time.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MODEL, PRICE, realAgents } from '../../examples/10-sub-agents/agents.ts';
import { startModel } from '../../examples/10-sub-agents/model.ts';
import { servePage } from '../../examples/10-sub-agents/page.ts';
import { alive, below, type Running, workingIn } from '../../examples/10-sub-agents/processes.ts';
import { KEY, tellStory, type Story } from '../../examples/10-sub-agents/story.ts';
import type { TreeNode } from '../../src/wire/session.ts';
import { begin, cli, lines } from '../cli-server.ts';

let folder: string;
let model: Awaited<ReturnType<typeof startModel>>;
let page: Awaited<ReturnType<typeof servePage>>;
let agents: ReturnType<typeof realAgents>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sojourn-agents-'));
  model = await startModel();
  page = await servePage();
  agents = realAgents({ model: model.url, page: page.host, folder });
});
afterAll(async () => {
  page.close();
  await model.stop();
  rmSync(folder, { recursive: true, force: true });
});

test('two coding agents and a browser work for one agent, in sight, on one bill, and leave no process', async () => {
  const processes: Running[] = [];
  let env: Record<string, string> = {};
  let watching: ReturnType<typeof begin> | undefined;
  let last: TreeNode | undefined;
  const story: Story = {
    ...agents,
    folder: join(folder, 'stored'),
    prices: { [MODEL]: PRICE },
    onServer: ({ url, token }) => {
      env = { SOJOURN_URL: url, SOJOURN_TOKEN: token };
      watching = begin(folder, ['tree', KEY, '--follow', '--json'], env);
      watching.ended.catch(() => undefined); // It goes on until the server is gone.
    },
    onTurn: () => void processes.push(...below()),
    onOver: async () => {
      last = lines<TreeNode>((await cli(folder, ['tree', KEY, '--json'], { env })).out)[0];
    },
  };

  const end = await tellStory(story);
  await watching?.ended;

  expect(end.said).toEqual([
    'The first three: completed, completed, completed.',
    'The coder again: completed. The tester again: cancelled.',
  ]);
  expect(end.coderWasLive).toBe(false);
  for (const file of ['parser.ts', 'faster-parser.ts', 'parser.test.ts'])
    expect([file, existsSync(join(folder, 'work', file))]).toEqual([file, true]);
  // What it was told before its process ended is in what its next process tells the model.
  const again = model.getRequests().filter(({ body }) => JSON.stringify(body).includes('faster-parser.ts'));
  expect(again.length).toBeGreaterThan(0);
  for (const { body } of again) expect(JSON.stringify(body)).toContain('/parser.ts');
  expect(end.allowed).toEqual(['Write', 'Bash']);
  expect(end.images).toBe(1);

  const [coder, tester, reader] = ['coder', 'tester', 'reader'].map((agent) =>
    last?.children.find(({ session }) => session.agent === agent),
  );
  const stepUsd = (1_000 * PRICE.input + 20 * PRICE.output) / 1e6;
  expect(coder?.costUsd).toBeCloseTo(4 * stepUsd, 9);
  expect(reader?.costUsd).toBeCloseTo(3 * stepUsd, 9);
  expect(tester?.costUsd).toBeGreaterThan(0);
  const sum = (coder?.costUsd ?? 0) + (tester?.costUsd ?? 0) + (reader?.costUsd ?? 0);
  expect(last?.costUsd).toBeCloseTo(sum, 9);
  expect(end.spentUsd).toBeCloseTo(sum, 9);
  expect(last?.left.usd).toBeCloseTo(1 - sum, 9);

  const seen = lines<TreeNode>(watching?.out.text ?? '').flatMap(({ children }) =>
    children.flatMap(({ session, progress }) => (progress === null ? [] : [session.agent])),
  );
  expect(new Set(seen)).toEqual(new Set(['coder', 'tester', 'reader']));
  for (const program of ['opencode', 'claude', 'chromium'])
    expect([program, processes.some(({ command }) => command.includes(program))]).toEqual([program, true]);
  expect([...alive(processes), ...workingIn(folder)]).toEqual([]);
});
