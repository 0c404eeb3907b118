// Report: the results as Markdown, for the terminal and for `results.md`.
import { CONTENDERS } from './contender.ts';
import {
  coldExtraMs,
  distances,
  firstP50,
  goalsOf,
  perSecond,
  serverCpuUs,
  stallMs,
  typical,
  type Results,
} from './results.ts';

export function report(results: Results): string {
  const { machine } = results;
  return [
    `# Measured`,
    `Node ${machine.node}, ${machine.platform}, ${machine.cpus} cores (${machine.model}), ${results.at.slice(0, 10)}${results.quick ? ', a quick run' : ''}. Medians of ${results.rounds} rounds; ratios are taken within a round. Here one commit takes **${fixed(results.commitMs)} ms** (${fixed(results.loneCommitMs)} ms after a pause of 20 ms, ${fixed(results.pacedCommitMs)} ms after one of 1 ms) and a bare \`fdatasync\` of 4 KiB ${fixed(results.fdatasyncMs)} ms.`,
    results.loadBefore > results.machine.cpus / 2 ? busy(results) : '',
    section('Goals', goalsTable(results)),
    section('Distances', distancesTable(results)),
    section('Turns', turnsTable(results)),
    section('Memory', memoryTable(results)),
    section('Apart', linesTable(results)),
  ]
    .filter((part) => part !== '')
    .join('\n\n')
    .concat('\n');
}

const busy = ({ loadBefore }: Results): string =>
  `**The machine was busy when this began** (load ${fixed(loadBefore)}): these figures say little.`;

const section = (title: string, rows: string): string => (rows === '' ? '' : `## ${title}\n\n${rows}`);

/** The first `words` columns stand to the left, the others, which are figures, to the right. */
function table(words: number, head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return '';
  const widths = head.map((_, at) => Math.max(4, ...[head, ...rows].map((row) => (row[at] ?? '').length)));
  const line = (row: readonly string[]): string => {
    const cells = widths.map((width, at) => {
      const cell = row[at] ?? '';
      return at < words ? cell.padEnd(width) : cell.padStart(width);
    });
    return `| ${cells.join(' | ')} |`;
  };
  const rule = widths.map((width, at) => (at < words ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  return [line(head), line(rule), ...rows.map(line)].join('\n');
}

function goalsTable(results: Results): string {
  return table(
    1,
    ['goal', 'measured', 'bound', 'met'],
    goalsOf(results).map((goal) => [
      goal.what,
      `${fixed(goal.value)} ${goal.unit}`,
      `${goal.sign === '<=' ? 'at most' : 'at least'} ${fixed(goal.bound)} ${goal.unit}`,
      goal.met ? 'yes' : 'NO',
    ]),
  );
}

function distancesTable(results: Results): string {
  return table(
    1,
    ['ratio', 'measured'],
    distances(results).map((row) => [row.what, `${fixed(row.value)} x`]),
  );
}

function turnsTable(results: Results): string {
  const present = CONTENDERS.filter((contender) =>
    results.visits.some((visit) => visit.contender === contender.name),
  );
  return table(
    2,
    [
      '',
      'promise',
      'W1 turns/s',
      'W2 turns/s',
      'W2 p99 ms',
      'W2 at 5 ms turns/s',
      'first delta p50 ms',
      'W3 extra p50 ms',
      'W5 stall ms',
      'events/turn',
      'server CPU us/turn',
      'load CPU us/turn',
    ],
    present.map((contender) => [
      contender.name,
      contender.promise,
      fixed(typical(results, contender, 'w1', perSecond)),
      fixed(typical(results, contender, 'w2', perSecond)),
      fixed(typical(results, contender, 'w2', (figures) => figures.totalMs.p99)),
      fixed(typical(results, contender, 'w2-paced', perSecond)),
      fixed(typical(results, contender, 'first', firstP50)),
      fixed(coldExtraMs(results, contender)),
      fixed(stallMs(results, contender)),
      fixed(typical(results, contender, 'w2', (figures) => figures.eventsPerTurn)),
      fixed(serverCpuUs(results, contender)),
      fixed(typical(results, contender, 'w2', (figures) => figures.cpuUsPerTurn)),
    ]),
  );
}

function memoryTable(results: Results): string {
  return table(
    1,
    [
      '',
      'live sessions',
      'heap before MiB',
      'bytes a live session',
      'of that history',
      'heap after, over before',
    ],
    results.memory.map((memory) => [
      memory.contender,
      String(memory.sessions),
      fixed(memory.baseBytes / 1_048_576),
      fixed(memory.liveBytesPerSession),
      fixed(memory.historyBytesPerSession),
      memory.afterOverBase === null ? 'kept' : fixed(memory.afterOverBase),
    ]),
  );
}

function linesTable(results: Results): string {
  return table(
    2,
    ['bench', 'what', 'measured'],
    results.lines.map((line) => [line.bench, line.what, `${fixed(line.value)} ${line.unit}`]),
  );
}

/** Three digits that matter. A figure that was not taken is a dash. */
export function fixed(value: number): string {
  if (Number.isNaN(value)) return '-';
  const size = Math.abs(value);
  if (size >= 100) return Math.round(value).toLocaleString('en-US');
  return value.toFixed(size >= 10 ? 1 : size >= 1 ? 2 : 3);
}
