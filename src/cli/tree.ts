// Tree: the command that shows a session and everything below it, once or as it changes.
//
//   F1. On a terminal the tree is drawn over the one before it; elsewhere each session that changed is a line.
//   F2. A drawn tree is never higher than the terminal, nor a line of it wider: what scrolled away could not be drawn over.
//   F3. It looks again `LOOK_MS` after the last answer, so a slow server is never asked twice at once.
import type { Command } from 'commander';
import { systemClock } from '../kernel/clock.ts';
import type { TreeNode } from '../wire/session.ts';
import { desk } from './desk.ts';
import type { Screen } from './screen.ts';
import { nodeLine, sightOf, treeLines, type Line } from './tree-text.ts';
import type { World } from './world.ts';
import { wrapped } from './wrap.ts';

const LOOK_MS = 500;
const COLUMNS = 100;
const ROWS = 24;

interface TreeOptions {
  follow?: true;
  untilIdle?: true;
  keys?: true;
}

export function addTree(program: Command, world: World): void {
  program
    .command('tree <key>')
    .description('show a session and everything below it: what it does, has used and may still spend')
    .option('-f, --follow', 'go on as it changes')
    .option('--until-idle', 'go on as it changes, until nothing in it runs or waits')
    .option('--keys', 'keys instead of titles')
    .action(async (key: string, options: TreeOptions, command: Command) => {
      const { screen, server } = desk(world, command);
      const session = server.session(key);
      const tree = await session.tree();
      const show = viewer(world, screen, options);
      show(tree);
      if (options.follow !== true && options.untilIdle !== true) return;
      for (let seen = tree; options.follow === true || isAtWork(seen);) {
        await pause();
        seen = await session.tree();
        show(seen);
      }
    });
}

/** F3. */
function pause(): Promise<void> {
  return new Promise((resolve) => {
    systemClock.after(LOOK_MS, resolve, 'keeps-alive');
  });
}

function isAtWork({ session, children }: TreeNode): boolean {
  return (session.state !== 'idle' && session.state !== 'closed') || children.some(isAtWork);
}

/** What shows a tree each time it is called. */
function viewer(world: World, screen: Screen, options: TreeOptions): (tree: TreeNode) => void {
  const keys = options.keys === true;
  const follows = options.follow === true || options.untilIdle === true;
  if (screen.json) return changed(JSON.stringify, (tree) => screen.value(tree));
  const painted = ({ text, style }: Line): string => (style === 'reset' ? text : screen.style(style, text));
  if (!follows) return (tree) => screen.line(treeLines(tree, keys).map(painted).join('\n'));
  if (world.stdout.isTTY !== true) return lineByLine(screen, keys);
  return drawing(world, screen, keys, painted);
}

function changed(
  sight: (tree: TreeNode) => string,
  show: (tree: TreeNode) => void,
): (tree: TreeNode) => void {
  let last: string | undefined;
  return (tree) => {
    const next = sight(tree);
    if (next !== last) show(tree);
    last = next;
  };
}

/** F1, without a terminal. */
function lineByLine(screen: Screen, keys: boolean): (tree: TreeNode) => void {
  const sights = new Map<string, string>();
  const tell = (node: TreeNode, depth: number): void => {
    const sight = sightOf(node);
    if (sights.get(node.session.id) !== sight) screen.line(nodeLine(node, depth, keys));
    sights.set(node.session.id, sight);
    for (const child of node.children) tell(child, depth + 1);
  };
  return (tree) => tell(tree, 0);
}

/** F1 and F2, on a terminal. */
function drawing(
  world: World,
  screen: Screen,
  keys: boolean,
  painted: (line: Line) => string,
): (tree: TreeNode) => void {
  let drawn = 0;
  return (tree) => {
    const columns = world.stdout.columns || COLUMNS;
    const rowsMax = (world.stdout.rows || ROWS) - 1;
    const lines = treeLines(tree, keys);
    const over = lines.length - rowsMax;
    if (over > 0) lines.splice(rowsMax - 1, over + 1, { text: `… ${over + 1} more`, style: 'dim' });
    const fitting = lines.map(({ text, style }) => painted({ text: wrapped(text, columns)[0] ?? '', style }));
    screen.write(`${drawn > 0 ? `\u001b[${drawn}A\r\u001b[J` : ''}${fitting.join('\n')}\n`);
    drawn = lines.length;
  };
}
