// The story of examples/10-sub-agents on agents that need no model: each is the ACP echo agent, in a process of its own.
// `npm run test:agents` tells the same with OpenCode, Claude Code and a browser.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { alive, below, type Running } from '../examples/10-sub-agents/processes.ts';
import { KEY, tellStory } from '../examples/10-sub-agents/story.ts';
import { acpAgent } from '../src/agent/acp/acp.ts';
import { begin, cli, lines } from './cli-server.ts';
import type { TreeNode } from '../src/wire/session.ts';

const ECHO = new URL('acp-echo-agent.ts', import.meta.url).pathname;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sojourn-story-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('three agents work for one: one goes on after it was put away, one is cancelled, all is on one bill, and no process is left', async () => {
  const echo = acpAgent({
    command: process.execPath,
    args: [ECHO, `memory=${folder}`],
    cwd: folder,
  });
  const processes: Running[] = [];
  const trees: TreeNode[] = [];
  let env: Record<string, string> = {};
  let watching: ReturnType<typeof begin> | undefined;

  const end = await tellStory({
    folder: join(folder, 'stored'),
    coder: echo,
    tester: echo,
    reader: echo,
    wishes: {
      coder: ['/ask write {"path":"parser.ts"}\n/usage 1000 20\n/cost 0.0133', '/count\n/cost 0.0044'],
      tester: ['/tool write {}\n/cost 0.0055', '/spawn\n/tool bash {}\n/words 100000 20'],
      reader: '/image 100\n/cost 0.001',
    },
    onServer: ({ url, token }) => {
      env = { SOJOURN_URL: url, SOJOURN_TOKEN: token };
      watching = begin(folder, ['tree', KEY, '--follow', '--json'], env);
      watching.ended.catch(() => undefined); // It goes on until the server is gone.
    },
    onTurn: async () => {
      processes.push(...below());
      trees.push(...lines<TreeNode>((await cli(folder, ['tree', 'release', '--json'], { env })).out));
    },
    onWork: () => watching?.out.says(/"kind":"(message|tool)"[^}]*"turnNumber":2/),
  });
  await watching?.ended;

  expect(end.said).toEqual([
    'The first three: completed, completed, completed.',
    'The coder again: completed. The tester again: cancelled.',
  ]);
  expect(end.coderWasLive).toBe(false);
  expect(end.coderSaid).toBe('This session has had 2 prompts.');
  expect(end.allowed).toEqual(['write']);
  expect(end.images).toBe(1);
  expect(end.tree.costUsd).toBe(0.0242);
  expect(end.spentUsd).toBeCloseTo(0.0242, 10);
  expect(end.tree.left.usd).toBe(1 - 0.0242);
  expect(trees.map(({ outcome, children }) => [outcome, children.length])).toEqual([
    ['completed', 3],
    ['completed', 3],
  ]);
  const atWork = lines<TreeNode>(watching?.out.text ?? '').flatMap(({ children }) =>
    children.flatMap(({ session, progress }) =>
      progress === null || progress.kind === 'started' ? [] : [`${session.agent} ${progress.turnNumber}`],
    ),
  );
  expect(atWork).toContain('tester 2');
  expect(processes.filter(({ command }) => command.includes(ECHO)).length).toBeGreaterThanOrEqual(3);
  expect(alive(processes)).toEqual([]);
});
