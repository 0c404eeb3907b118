// Context text: a session's working set as a person reads it.
//
//   CT1. No line is wider than the terminal. In the tables texts are cut, then columns are left out; all else goes on below.
//   CT2. The bar is as long as the window: what is used, what is free, and where pressure begins.
//   CT3. What others wrote is shown as text, on one line.
//   CT4. Of what is long only the newest is shown, and how much more there is.
import type { ContextEntry, ContextView, Pressure, TaskView } from '../wire/context.ts';
import { counted, figure, sizeText } from './figure.ts';
import { brief, type Style, table } from './screen.ts';
import { widthOf, wrapped } from './wrap.ts';

const INDENT = '  ';
const BAR_MAX = 60;
const SMALL_BAR = 10;
const ENTRIES_MAX = 24;
const TASKS_MAX = 12;
const GAP = 2;
const TEXT_MIN = 12;
const TEXT_WISHED = 24;
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

/** By family of models. */
const COUNTED: Readonly<Record<string, string>> = {
  estimate: 'estimated, since it is far from full',
  openai: 'counted as OpenAI models do',
  claude: 'counted about as Claude models do',
  other: 'counted about as most models do',
};

/** All of it, oldest entry first. */
export function contextLines(key: string, view: ContextView, columns: number): Line[] {
  const lines = [
    ...windowLines(key, view, columns),
    ...entryLines(view, columns),
    ...factLines(view),
    ...taskLines(view, columns),
  ];
  return lines.flatMap(({ text, style }) => rowsOf(text, columns).map((row) => ({ text: row, style }))); // CT1
}

/** What does not fit goes on below, further in. */
function rowsOf(text: string, columns: number): string[] {
  if (widthOf(text) <= columns) return [text];
  const lead = /^ */.exec(text)?.[0] ?? '';
  return wrapped(text.trimStart(), columns - lead.length - INDENT.length).map(
    (row, index) => `${lead}${index > 0 ? INDENT : ''}${row}`,
  );
}

const plain = (text = ''): Line => ({ text, style: 'reset' });
const dim = (text: string): Line => ({ text, style: 'dim' });

function windowLines(key: string, view: ContextView, columns: number): Line[] {
  const { tokens, overheadTokens, windowTokens, pressure, seq, counting, marks } = view;
  const head: Line = {
    text: `${brief(key, 60)}, as its next turn sees it after event ${seq}`,
    style: 'bold',
  };
  if (view.ownsHistory === true) {
    return [
      head,
      plain(),
      plain(`${INDENT}Its agent keeps the conversation itself: nothing of it is measured.`),
    ];
  }
  const used = tokens + overheadTokens;
  const besides = overheadTokens > 0 ? `, ${figure(overheadTokens)} of them instructions and tools` : '';
  const pressed = pressure === 'none' ? '' : `, pressure ${pressure}`;
  const count = `${figure(used)} of ${figure(windowTokens)} tokens (${percent(used / windowTokens)})`;
  const legend = Object.entries(marks).map(([name, share]) => `${name} ${percent(share)}`);
  const length = Math.max(SMALL_BAR, Math.min(BAR_MAX, columns - 2 * INDENT.length));
  return [
    head,
    plain(),
    { text: `${INDENT}${windowBar(view, length)}`, style: STYLES[pressure] },
    plain(`${INDENT}${count}${besides}${pressed}`),
    dim(
      `${INDENT}│ ${legend.join(', ')} of the window; ${COUNTED[counting] ?? `counted as by ${brief(counting, 40)}`}`,
    ),
  ];
}

/** CT2. */
function windowBar({ tokens, overheadTokens, windowTokens, marks }: ContextView, length: number): string {
  const used = Math.min(length, Math.ceil((length * (tokens + overheadTokens)) / windowTokens));
  const cells: string[] = Array.from({ length }, (_, cell) => (cell < used ? '█' : '░'));
  for (const share of Object.values(marks)) {
    const cell = Math.min(length - 1, Math.round(share * length));
    cells[cell] = cell < used ? '▓' : '│';
  }
  return cells.join('');
}

/** Stands for the references of many. */
const MANY = '…';

const HEAD = ['REF', 'TOKENS', '', 'CALLS', 'MOVED OUT', 'WHAT'];
/** Of `HEAD`, without its last: what is left out first where there is little room. */
const CHOICES = [
  [0, 1, 2, 3, 4],
  [0, 1, 2, 4],
  [0, 1, 4],
  [0, 1],
];

function entryLines({ entries: given, windowTokens }: ContextView, columns: number): Line[] {
  if (given.length === 0) return [];
  const entries = folded(given);
  const most = Math.max(...given.map(({ tokens }) => tokens), 1);
  const all = entries.map((entry) => [
    brief(entry.ref, 40),
    figure(entry.tokens).padStart(figure(windowTokens).length),
    entry.ref === MANY ? '' : smallBar(entry.tokens / most),
    entry.callTokens > 0 ? figure(entry.callTokens) : '',
    movedText(entry),
  ]);
  const rows = [HEAD, ...all];
  const tables = CHOICES.map((places) => rows.map((row) => places.map((column) => row[column] ?? '')));
  const chosen = tables.find((bare) => roomOf(bare, columns) >= TEXT_WISHED) ?? tables.at(-1) ?? [];
  const room = Math.max(TEXT_MIN, roomOf(chosen, columns));
  const texts = [HEAD.at(-1) ?? '', ...entries.map((entry) => whatText(entry, room))]; // CT3
  const full = table(chosen.map((row, index) => [...row, texts[index] ?? '']));
  const lines = full.split('\n').map((text, index): Line => {
    const style = index === 0 ? 'dim' : entries[index - 1]?.kind === 'digest' ? 'cyan' : 'reset';
    return { text: INDENT + text, style };
  });
  return [plain(), ...lines];
}

/** CT4. The first, which may be a digest, and the newest. */
function folded(entries: readonly ContextEntry[]): readonly ContextEntry[] {
  const [first] = entries;
  if (first === undefined || entries.length <= ENTRIES_MAX) return entries;
  const newest = entries.slice(2 - ENTRIES_MAX);
  const between = entries.slice(1, 2 - ENTRIES_MAX);
  const sum = (of: (entry: ContextEntry) => number): number =>
    between.reduce((total, entry) => total + of(entry), 0);
  const middle: ContextEntry = {
    kind: 'turn',
    turn: null,
    ref: MANY,
    messages: sum(({ messages }) => messages),
    tokens: sum(({ tokens }) => tokens),
    callTokens: sum(({ callTokens }) => callTokens),
    digested: sum(({ digested }) => digested),
    offloaded: sum(({ offloaded }) => offloaded),
    text: `${figure(between.length)} turns`,
  };
  return [first, middle, ...newest];
}

/** What is left of a line behind these columns. */
function roomOf(rows: readonly (readonly string[])[], columns: number): number {
  // The last column is padded, too, once another stands behind it.
  return columns - INDENT.length - Math.max(...table(rows).split('\n').map(widthOf)) - GAP;
}

function whatText({ kind, text }: ContextEntry, max: number): string {
  return fitting(kind === 'digest' ? `digest: ${text}` : text, max);
}

/** On one line, and no wider than `max` columns. */
function fitting(text: string, max: number): string {
  const flat = brief(text, max);
  return widthOf(flat) <= max ? flat : `${wrapped(flat, max - 1)[0] ?? ''}…`;
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

function factLines({ calls, artifacts, compactions }: ContextView): Line[] {
  const pending = calls.pending.map(({ name }) => brief(name, 40)).join(', ');
  const facts: [string, string][] = [
    [
      'calls',
      `${calls.returned} returned, ${calls.digested} digested${pending && `, waiting for ${pending}`}`,
    ],
    ['artifacts', `${artifacts.count}, ${sizeText(artifacts.bytes)}`],
    ['compactions', compactionsText(compactions)],
  ];
  const rows = table(facts).split('\n');
  return [plain(), ...rows.map((row) => plain(INDENT + row))];
}

function compactionsText({ count, tokensSaved, lastSeq }: ContextView['compactions']): string {
  if (count === 0) return 'none';
  return `${count}, ${figure(tokensSaved)} tokens saved, the last at event ${lastSeq ?? 0}`;
}

function taskLines({ tasks: given, earlierTasks }: ContextView, columns: number): Line[] {
  if (given.length === 0) return [];
  const tasks = given.slice(-TASKS_MAX); // CT4
  const earlier = earlierTasks + given.length - tasks.length;
  const rows = tasks.map((task) => [task.state, counted(task.turns, 'turn'), task.ref, toolsText(task)]);
  const head = ['TASK', '', 'REF', 'TOOLS'];
  const tables = [4, 3].map((count) => [head, ...rows].map((row) => row.slice(0, count)));
  const chosen = tables.find((bare) => roomOf(bare, columns) >= TEXT_WISHED) ?? tables.at(-1) ?? [];
  const room = Math.max(TEXT_MIN, roomOf(chosen, columns));
  const titles = ['', ...tasks.map(({ title }) => fitting(title, room))];
  const full = table(chosen.map((row, index) => [...row, titles[index] ?? ''])).split('\n');
  const lines = full.map((text, index): Line => {
    const open = index > 0 && tasks[index - 1]?.state === 'open';
    return { text: INDENT + text, style: index === 0 ? 'dim' : open ? 'bold' : 'reset' };
  });
  const before = earlier > 0 ? [dim(`${INDENT}${counted(earlier, 'task')} before these`)] : [];
  return [plain(), ...lines.slice(0, 1), ...before, ...lines.slice(1)];
}

function toolsText({ tools }: TaskView): string {
  const named = tools.slice(0, TASK_TOOLS).map(({ name, calls }) => `${brief(name, 20)} ×${calls}`);
  return [...named, ...(tools.length > TASK_TOOLS ? ['…'] : [])].join(', ');
}

const percent = (share: number): string => `${Math.round(100 * share)} %`;
