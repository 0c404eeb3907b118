// Context text: a session's working set as a person reads it.
//
//   CT1. No line is wider than the terminal; the text of an entry gives way first, then the bars.
//   CT2. The bar of the window is as long as the window: what is used, what is free, and where pressure begins.
//   CT3. What others wrote is shown as text, on one line.
import type { ContextEntry, ContextView, Pressure, TaskView } from '../wire/context.ts';
import { bytesText, figure } from './figure.ts';
import { brief, type Style, table } from './screen.ts';
import { widthOf, wrapped } from './wrap.ts';

const INDENT = '  ';
const BAR_MAX = 60;
const SMALL_BAR = 10;
const TEXT_MIN = 12;
const TASK_TOOLS = 3;

export interface Line {
  text: string;
  style: Style;
}

const STYLES: Readonly<Record<Pressure, Style>> = {
  none: 'reset',
  mild: 'yellow',
  aggressive: 'red',
  emergency: 'red',
};

const UNMEASURED = {
  agent: 'Its agent keeps the conversation itself',
  internal: 'It is an internal session',
};

/** All of it, oldest entry first. */
export function contextLines(key: string, view: ContextView, columns: number): Line[] {
  const lines = [...windowLines(key, view, columns), ...entryLines(view, columns), ...factLines(view)];
  lines.push(...taskLines(view, columns));
  return lines.map(({ text, style }) => ({ text: wrapped(text, columns)[0] ?? '', style })); // CT1
}

const plain = (text = ''): Line => ({ text, style: 'reset' });
const dim = (text: string): Line => ({ text, style: 'dim' });

function windowLines(key: string, view: ContextView, columns: number): Line[] {
  const { tokens, overheadTokens, windowTokens, pressure, seq, counting } = view;
  const head: Line = {
    text: `${brief(key, 60)}, as its next turn sees it after event ${seq}`,
    style: 'bold',
  };
  if (view.unmeasured !== undefined) {
    return [head, plain(), plain(`${INDENT}${UNMEASURED[view.unmeasured]}: nothing of it is measured.`)];
  }
  const used = tokens + overheadTokens;
  const share = Math.round((100 * used) / windowTokens);
  const besides = overheadTokens > 0 ? `, ${figure(overheadTokens)} of them instructions and tools` : '';
  const pressed = pressure === 'none' ? '' : `, pressure ${pressure}`;
  const length = Math.max(SMALL_BAR, Math.min(BAR_MAX, columns - 2 * INDENT.length));
  return [
    head,
    plain(),
    { text: `${INDENT}${windowBar(view, length)}`, style: STYLES[pressure] },
    dim(`${INDENT}${marksRow(view, length)}`),
    plain(
      `${INDENT}${figure(used)} of ${figure(windowTokens)} tokens (${share} %)${besides}${pressed}; counted as ${brief(counting, 40)}`,
    ),
  ];
}

/** CT2. */
function windowBar({ tokens, overheadTokens, windowTokens, marks }: ContextView, length: number): string {
  const used = Math.min(length, Math.ceil((length * (tokens + overheadTokens)) / windowTokens));
  const cells: string[] = Array.from({ length }, (_, cell) => (cell < used ? '█' : '░'));
  for (const share of Object.values(marks)) {
    const cell = cellOf(share, length);
    if (cell >= used) cells[cell] = '│';
  }
  return cells.join('');
}

const cellOf = (share: number, length: number): number => Math.min(length - 1, Math.round(share * length));

/** Below each mark its name, where there is room. */
function marksRow({ marks }: ContextView, length: number): string {
  let row = '';
  for (const [name, share] of Object.entries(marks)) {
    const cell = cellOf(share, length);
    if (cell < row.length + (row === '' ? 0 : 1)) continue;
    row = `${row.padEnd(cell)}${name}`;
  }
  return row;
}

const HEAD = ['REF', 'TOKENS', '', 'CALLS', 'MOVED OUT', 'WHAT'];

function entryLines({ entries, windowTokens }: ContextView, columns: number): Line[] {
  if (entries.length === 0) return [];
  const most = Math.max(...entries.map(({ tokens }) => tokens), 1);
  const rows = entries.map((entry) => [
    entry.ref,
    figure(entry.tokens).padStart(figure(windowTokens).length),
    smallBar(entry.tokens / most),
    entry.callTokens > 0 ? figure(entry.callTokens) : '',
    movedText(entry),
  ]);
  const bare = table([HEAD.slice(0, -1), ...rows]).split('\n');
  const width = INDENT.length + Math.max(...bare.map(widthOf)) + 2;
  const room = Math.max(TEXT_MIN, columns - width);
  const full = [HEAD, ...rows.map((row, index) => [...row, whatText(entries[index], room)])]; // CT3
  const [head = '', ...texts] = table(full).split('\n');
  const styled = texts.map((text, index): Line => {
    return { text: INDENT + text, style: entries[index]?.kind === 'digest' ? 'cyan' : 'reset' };
  });
  return [plain(), dim(INDENT + head), ...styled];
}

function whatText(entry: ContextEntry | undefined, max: number): string {
  if (entry === undefined) return '';
  return brief(entry.kind === 'digest' ? `digest: ${entry.text}` : entry.text, max);
}

function movedText({ digested, offloaded }: ContextEntry): string {
  const parts = [
    digested > 0 ? `${digested} digested` : '',
    offloaded > 0 ? `${offloaded} by reference` : '',
  ];
  return parts.filter((part) => part !== '').join(', ');
}

/** Eighths of a character: small shares are seen, too. */
function smallBar(share: number): string {
  const eighths = share <= 0 ? 0 : Math.max(1, Math.round(share * SMALL_BAR * 8));
  const rest = eighths % 8;
  return '█'.repeat(Math.floor(eighths / 8)) + (rest === 0 ? '' : String.fromCodePoint(0x2590 - rest));
}

function factLines({ calls, artifacts, compactions, overheadTokens }: ContextView): Line[] {
  const pending = calls.pending.map(({ name }) => brief(name, 40)).join(', ');
  const facts: [string, string][] = [
    [
      'calls',
      `${calls.returned} returned, ${calls.digested} digested${pending && `, waiting for ${pending}`}`,
    ],
    ['artifacts', `${artifacts.count}, ${bytesText(artifacts.bytes)}`],
    ['compactions', compactionsText(compactions)],
  ];
  if (overheadTokens > 0) facts.push(['besides', `${figure(overheadTokens)} tokens, as the provider tells`]);
  const rows = table(facts).split('\n');
  return [plain(), ...rows.map((row) => plain(INDENT + row))];
}

function compactionsText({ count, tokensSaved, lastSeq }: ContextView['compactions']): string {
  if (count === 0) return 'none';
  return `${count}, ${figure(tokensSaved)} tokens saved, the last at event ${lastSeq ?? 0}`;
}

function taskLines({ tasks, earlierTasks }: ContextView, columns: number): Line[] {
  if (tasks.length === 0) return [];
  const rows = tasks.map((task) => [task.state, counted(task.turns, 'turn'), task.ref, toolsText(task)]);
  const width = INDENT.length + Math.max(...table(rows).split('\n').map(widthOf)) + 2;
  const room = Math.max(TEXT_MIN, columns - width);
  const full = table([
    ['TASK', '', 'REF', 'TOOLS', ''],
    ...rows.map((row, index) => [...row, brief(tasks[index]?.title ?? '', room)]),
  ]).split('\n');
  const lines = full.map((text, index): Line => {
    const open = index > 0 && tasks[index - 1]?.state === 'open';
    return { text: INDENT + text, style: index === 0 ? 'dim' : open ? 'bold' : 'reset' };
  });
  const before = earlierTasks > 0 ? [dim(`${INDENT}${counted(earlierTasks, 'task')} before these`)] : [];
  return [plain(), ...lines.slice(0, 1), ...before, ...lines.slice(1)];
}

function toolsText({ tools }: TaskView): string {
  const named = tools.slice(0, TASK_TOOLS).map(({ name, calls }) => `${brief(name, 20)} ×${calls}`);
  return [...named, ...(tools.length > TASK_TOOLS ? ['…'] : [])].join(', ');
}

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
