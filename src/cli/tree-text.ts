// Tree text: a session and everything below it as a person reads it, a line each.
//
//   T1. Of a session at work the line says what it is doing; of one that is not, how its newest turn ended.
//   T2. Usage and cost are those of the session and everything below it, so the first line is the bill.
//   T3. What is left is shown where a session has a budget of its own.
//   T4. What the server has left out is counted where it would stand.
import type { Budget, TreeNode, TreeProgress } from '../wire/session.ts';
import { brief, table, type Style } from './screen.ts';

const NAME_MAX = 40;
const DOING_MAX = 100;
const HEAD = ['SESSION', 'AGENT', 'STATE', 'TOKENS', 'COST', 'LEFT', ''];
const LEFT = HEAD.indexOf('LEFT');

export interface Line {
  text: string;
  style: Style;
}

/** The lines of a tree, with a head; `keys` shows keys instead of titles. */
export function treeLines(tree: TreeNode, keys: boolean): Line[] {
  const rows = rowsOf(tree, '', '', keys);
  const [head = '', ...lines] = table([HEAD, ...rows.map(({ cells }) => cells)]).split('\n');
  const styled = lines.map((text, index): Line => ({ text, style: styleOf(rows[index]?.state ?? '') }));
  return [{ text: head, style: 'dim' }, ...styled];
}

/** One session on a line of its own, for those who cannot be shown a tree that changes. */
export function nodeLine(node: TreeNode, depth: number, keys: boolean): string {
  const cells = cellsOf(node, '  '.repeat(depth) + nameOf(node, keys));
  if (cells[LEFT]) cells[LEFT] += ' left';
  if (node.omitted !== undefined) cells.push(moreText(node.omitted)); // T4
  return cells.filter((cell) => cell !== '').join('  ');
}

/** Equal as long as there is nothing new to say about this session. */
export function sightOf({ session, outcome, progress, costUsd, usage, omitted }: TreeNode): string {
  const { state, turn, queued } = session;
  return JSON.stringify([state, turn, queued, outcome, progress, costUsd, usage, omitted]);
}

/** `completed`, `running`, `running +2`: what it is at, or how that ended, and how many more turns wait. */
function stateText({ session, outcome }: TreeNode): string {
  const { state, queued } = session;
  const others = state === 'queued' ? queued - 1 : queued;
  if (others > 0) return `${state} +${others}`;
  if (state === 'closed')
    return outcome === null || outcome === 'completed' ? 'closed' : `closed, ${outcome}`;
  return state === 'idle' ? (outcome ?? 'idle') : state; // T1
}

interface Row {
  cells: string[];
  state: string;
}

function rowsOf(node: TreeNode, lead: string, below: string, keys: boolean): Row[] {
  const own = { cells: cellsOf(node, lead + nameOf(node, keys)), state: stateText(node) };
  const others = node.children.flatMap((child, index) => {
    const last = index === node.children.length - 1 && node.omitted === undefined;
    return rowsOf(child, `${below}${last ? '└─ ' : '├─ '}`, `${below}${last ? '   ' : '│  '}`, keys);
  });
  if (node.omitted !== undefined) others.push({ cells: [`${below}└─ ${moreText(node.omitted)}`], state: '' }); // T4
  return [own, ...others];
}

const moreText = (count: number): string => `… ${count} more below`;

function nameOf({ session }: TreeNode, keys: boolean): string {
  if (keys) return brief(session.key, Infinity);
  // Keys of children are made by the runtime and say nothing to a person.
  const asked = session.parent === null ? null : session.summary;
  return brief(session.title ?? asked ?? session.key, NAME_MAX);
}

function cellsOf(node: TreeNode, name: string): string[] {
  const { session, usage, costUsd, progress } = node;
  return [
    name,
    brief(session.agent, 20),
    stateText(node),
    tokensText(usage),
    costText(costUsd),
    Object.keys(session.budget).length > 0 ? leftText(node.left) : '', // T3
    progress === null ? '' : doingText(progress),
  ];
}

function styleOf(state: string): Style {
  if (state.startsWith('running')) return 'bold';
  if (state.startsWith('waiting')) return 'yellow';
  return /failed|interrupted|expired|budget/.test(state) ? 'red' : 'reset';
}

function tokensText(usage: TreeNode['usage']): string {
  const input = usage.inputTokens + usage.cacheReadTokens + usage.cacheWriteTokens;
  if (input + usage.outputTokens === 0) return '';
  return `${countText(input)} in, ${countText(usage.outputTokens)} out`;
}

/** Cents, and two digits more while they are few. */
function costText(usd: number): string {
  if (usd === 0) return '';
  return usd < 1 ? `$${usd.toFixed(4)}` : `$${usd.toFixed(2)}`;
}

function countText(count: number): string {
  if (count < 10_000) return String(count);
  return count < 1_000_000 ? `${(count / 1_000).toFixed(1)}k` : `${(count / 1_000_000).toFixed(1)}M`;
}

function leftText(left: Budget): string {
  const parts: [number | undefined, (value: number) => string][] = [
    [left.usd, (value) => costText(value) || '$0'],
    [left.tokens, (value) => `${countText(value)} tokens`],
    [left.turns, (value) => `${value} turns`],
    [left.toolCalls, (value) => `${value} tool calls`],
    [left.ms, (value) => timeText(value)],
  ];
  return parts.flatMap(([value, say]) => (value === undefined ? [] : [say(value)])).join(', ');
}

function doingText({
  turnNumber,
  percent,
  summary,
  message,
  kind,
  filePath,
  elapsedMs,
}: TreeProgress): string {
  const what = summary ?? message ?? kind;
  const parts = [
    turnNumber > 1 ? `turn ${turnNumber}` : undefined,
    percent === undefined ? undefined : `${Math.round(percent)} %`,
    what,
    filePath === undefined || what.includes(filePath) ? undefined : filePath,
    timeText(elapsedMs),
  ];
  return brief(parts.filter((part) => part !== undefined).join(' · '), DOING_MAX);
}

function timeText(ms: number): string {
  const seconds = Math.floor(ms / 1_000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
