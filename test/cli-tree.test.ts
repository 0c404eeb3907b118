// The tree on the command line: who is at work below a session, what it costs, and how it goes on.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { run } from '../src/cli/program.ts';
import { nodeLine, treeLines } from '../src/cli/tree-text.ts';
import { noUsage, type SessionView, type TreeNode } from '../src/wire/session.ts';
import { begin, cli, lines, testServer, type TestServer } from './cli-server.ts';
import { terminalWorld } from './cli-terminal.ts';

let server: TestServer;
const sojourn = (...words: string[]) => cli(server.folder, words);

beforeAll(async () => {
  server = await testServer();
});
afterAll(() => server.close());

function node(session: Partial<SessionView>, more: Partial<TreeNode> = {}): TreeNode {
  const view = {
    key: 'k',
    agent: 'coder',
    title: null,
    state: 'idle',
    queued: 0,
    budget: {},
    parent: null,
    ...session,
  };
  const rest = { outcome: null, progress: null, children: [], usage: noUsage(), costUsd: 0, left: {} };
  return { session: view as SessionView, ...rest, ...more };
}

const drawn = (tree: TreeNode, keys = false): string[] => treeLines(tree, keys).map(({ text }) => text);

test('a tree says who is at work and with what, how the others ended, what it cost and what is left', () => {
  const progress = { kind: 'tool', turnNumber: 2, elapsedMs: 65_000, at: '', percent: 40 };
  const tree = node(
    { key: 'trip', agent: 'planner', state: 'running', budget: { usd: 1, tokens: 50_000 } },
    {
      usage: { ...noUsage(), inputTokens: 12_300, outputTokens: 4_100 },
      costUsd: 0.0423,
      left: { usd: 0.9577, tokens: 33_600 },
      children: [
        node(
          { title: 'Fix the parser', state: 'running' },
          { progress: { ...progress, summary: 'Editing', filePath: 'src/a.ts' } },
        ),
        node(
          { key: 'child:1', state: 'closed' },
          { outcome: 'cancelled', children: [node({ key: 'deep' }, { outcome: 'failed' })] },
        ),
        node({ key: 'new', state: 'queued', queued: 2 }),
      ],
    },
  );

  expect(drawn(tree)).toEqual([
    'SESSION            AGENT    STATE              TOKENS              COST     LEFT',
    'trip               planner  running            12.3k in, 4100 out  $0.0423  $0.9577, 33.6k tokens',
    '├─ Fix the parser  coder    running                                                                turn 2 · 40 % · Editing · src/a.ts · 1 min 5 s',
    '├─ child:1         coder    closed, cancelled',
    '│  └─ deep         coder    failed',
    '└─ new             coder    queued +1',
  ]);
  expect(drawn(tree, true)[2]).toMatch(/^├─ k +coder/);
});

test('where a tree is too large to be shown whole, it says how many are left out', () => {
  const tree = node({ key: 'trip' }, { omitted: 25, children: [node({ title: 'Newest' }, { omitted: 3 })] });

  expect(drawn(tree).slice(1)).toEqual([
    'trip                  coder  idle',
    '├─ Newest             coder  idle',
    '│  └─ … 3 more below',
    '└─ … 25 more below',
  ]);
  expect(nodeLine(tree, 0, false)).toBe('trip  coder  idle  … 25 more below');
});

test('what an agent wrote into its progress cannot move the cursor of whoever watches', () => {
  const progress = { kind: 'tool', turnNumber: 1, elapsedMs: 0, at: '', summary: 'a\u001b[2Jb\nc' };

  expect(drawn(node({ state: 'running' }, { progress }))[1]).toMatch(/a\\u\{1b\}\[2Jb c · 0 s$/);
});

test('the tree of one session is there at once, for people and for programs', async () => {
  await sojourn('send', 'once', '/spawn scripted Hello');

  const { out } = await sojourn('tree', 'once');
  const [tree] = lines<TreeNode>((await sojourn('tree', 'once', '--json')).out);

  expect(out.split('\n').slice(1, 3)).toEqual([
    expect.stringMatching(/^once +scripted +completed/),
    expect.stringMatching(/^└─ Hello +scripted +completed/),
  ]);
  expect(tree).toMatchObject({
    outcome: 'completed',
    progress: null,
    left: {},
    children: [{ outcome: 'completed' }],
  });
  expect((await sojourn('tree', 'nobody')).code).toBe(3);
});

test('followed without a terminal, each change is a line, and it ends when nothing runs', async () => {
  const sending = begin(server.folder, ['send', 'lines', '/spawn scripted /words 100000 5']);
  await sending.err.says('child.started');
  const watching = begin(server.folder, ['tree', 'lines', '--until-idle']);
  await watching.out.says(/^ {2}\/words 100000 5 +scripted +running/m);

  await sojourn('cancel', 'lines');
  await sending.ended;

  expect(await watching.ended).toBe(0);
  expect(watching.out.text).toMatch(/^lines +scripted +running/m);
  expect(watching.out.text).toMatch(/^lines +scripted +cancelled/m);
  expect(watching.out.text).toMatch(/^ {2}\/words 100000 5 +scripted +cancelled/m);
  expect(watching.out.text).not.toContain('└─');
});

test('followed on a terminal, it is drawn over what was there', async () => {
  const sending = begin(server.folder, ['send', 'drawn', '/spawn scripted /words 100000 5']);
  await sending.err.says('child.started');
  const { world, terminal } = terminalWorld(80);
  const watching = run(['tree', 'drawn', '--until-idle'], {
    ...world,
    env: { ...world.env, SOJOURN_DATA: server.folder },
  });
  await terminal.shows((text) => /^└─ \/words 100000 5 +scripted +running/m.test(text));

  await sojourn('cancel', 'drawn');
  await sending.ended;
  await watching;

  expect(terminal.text.trimEnd().split('\n')).toEqual([
    expect.stringMatching(/^SESSION +AGENT +STATE/),
    expect.stringMatching(/^drawn +scripted +cancelled/),
    expect.stringMatching(/^└─ \/words 100000 5 +scripted +cancelled/),
  ]);
});

test('a tree that is higher than the terminal is cut, and says by how much, so that it can be drawn over', async () => {
  await sojourn('send', 'high', '/spawn scripted /spawn scripted /spawn scripted Hello');
  const { world, terminal } = terminalWorld(30);
  const stdout = Object.assign(terminal, { rows: 4 });

  await run(['tree', 'high', '--until-idle'], { ...world, stdout, env: { SOJOURN_DATA: server.folder } });

  expect(terminal.text.trimEnd().split('\n')).toEqual([
    expect.stringMatching(/^SESSION/),
    expect.stringMatching(/^high/),
    '… 3 more',
  ]);
});
