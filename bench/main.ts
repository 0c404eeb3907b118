// The bench: `npm run bench [-- names...] [--quick] [--rounds N] [--only A,B]`.
//
// Names: w1 w2 w3 w4 (w5 is taken on the way), store, keeper, readers, children, sign-in, timeline, context, list.
// Without any it measures all of them, and the lists over 100,000 sessions only; `list` and `all` take the million, which are two or three minutes in the making.
// Data lies under node_modules/.cache: on the disk of this checkout, and gone when the run ends.
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { childrenBench } from './apart/children.ts';
import { contextBench } from './apart/context.ts';
import { hopBench } from './apart/hop.ts';
import { keeperBench } from './apart/keeper.ts';
import { listBench } from './apart/list.ts';
import { readersBench } from './apart/readers.ts';
import { signInsBench } from './apart/sign-ins.ts';
import { storeBench } from './apart/store.ts';
import { timelineBench } from './apart/timeline.ts';
import { chart } from './chart.ts';
import { commitTime } from './commit-time.ts';
import { CONTENDERS, F0, F1, removeFolder, SOJOURN, type Contender } from './contender.ts';
import { Load } from './load/driver.ts';
import { measureMemory, type MemoryFigures } from './memory.ts';
import { fixed, report } from './report.ts';
import { commitMs, type Line, type Results } from './results.ts';
import { FULL_SIZES, QUICK_SIZES, runRounds, type Visit } from './workload.ts';

const NAMES = [
  'w1',
  'w2',
  'w3',
  'w4',
  'store',
  'list',
  'keeper',
  'readers',
  'children',
  'sign-in',
  'timeline',
  'context',
] as const;

interface Options {
  wanted: ReadonlySet<string>;
  quick: boolean;
  /** Sessions in the store that is listed. */
  listed: number;
  rounds: number | undefined;
  contenders: readonly Contender[];
  /** Everything, in full: only such a run replaces the published results. */
  whole: boolean;
}

function optionsOf(args: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { quick: { type: 'boolean' }, rounds: { type: 'string' }, only: { type: 'string' } },
  });
  const unknown = positionals.filter((name) => ![...NAMES, 'w5', 'all'].includes(name));
  if (unknown.length > 0)
    throw new Error(`There is no bench called ${unknown.join(', ')}: use ${NAMES.join(', ')}`);
  const all = positionals.length === 0 || positionals.includes('all');
  const named = all ? NAMES : positionals.flatMap((name) => (name === 'w5' ? ['w1', 'w2', 'w3'] : [name]));
  const quick = values.quick === true;
  const only = values.only?.split(',');
  return {
    wanted: new Set<string>(named),
    quick,
    listed: quick ? 10_000 : positionals.length > 0 ? 1_000_000 : 100_000,
    rounds: values.rounds === undefined ? undefined : Number(values.rounds),
    contenders: CONTENDERS.filter((contender) => only?.includes(contender.name) ?? true),
    whole: all && !quick && only === undefined,
  };
}

async function main(): Promise<void> {
  const options = optionsOf(process.argv.slice(2));
  const root = fileURLToPath(new URL('../node_modules/.cache/', import.meta.url));
  mkdirSync(root, { recursive: true });
  const folder = mkdtempSync(`${root}sojourn-bench-`);
  process.once('exit', () => removeFolder(folder));
  process.once('SIGINT', () => process.exit(130));
  process.once('SIGTERM', () => process.exit(143));
  const load = new Load();
  try {
    const results = await measure(options, folder, load);
    const text = report(results);
    console.log(`\n${text}`);
    if (options.whole) publish(results, text);
  } finally {
    await load.close();
  }
}

async function measure(options: Options, folder: string, load: Load): Promise<Results> {
  const { wanted, quick, contenders } = options;
  const base = quick ? QUICK_SIZES : FULL_SIZES;
  const rounds = options.rounds ?? base.rounds;
  const sizes = { ...base, rounds, pacedRounds: Math.ceil(rounds / 3) };
  const [loadBefore = 0] = loadavg();
  const visits: Visit[] = [];
  let commits = [await commitTime(`${folder}/commit`)];
  if (['w1', 'w2', 'w3'].some((name) => wanted.has(name))) {
    const onVisit = (visit: Visit): void => {
      visits.push(visit);
      progress(visit);
    };
    commits = await runRounds({ contenders, sizes, folder, load, wanted, onVisit });
  }
  const memory: MemoryFigures[] = [];
  if (wanted.has('w4')) {
    for (const contender of (quick ? [SOJOURN] : [SOJOURN, F0, F1]).filter((each) =>
      contenders.includes(each),
    )) {
      memory.push(
        await measureMemory(contender, `${folder}/memory-${memory.length}`, load, quick ? 2_000 : 10_000),
      );
    }
  }
  const lines = await apart(options, folder, load);
  return {
    at: new Date().toISOString(),
    machine: {
      cpus: cpus().length,
      model: cpus()[0]?.model.trim() ?? 'unknown',
      node: process.versions.node,
      platform: `${process.platform} ${process.arch}`,
    },
    loadBefore,
    quick,
    rounds: sizes.rounds,
    commitMs: commitMs(commits, 'commitMs'),
    loneCommitMs: commitMs(commits, 'loneCommitMs'),
    pacedCommitMs: commitMs(commits, 'pacedCommitMs'),
    fdatasyncMs: commitMs(commits, 'fdatasyncMs'),
    visits,
    memory,
    lines,
  };
}

/** The separate benches, one after the other: nothing else runs meanwhile. */
async function apart({ wanted, quick, listed }: Options, folder: string, load: Load): Promise<Line[]> {
  const benches: [string, () => Promise<Line[]>][] = [
    ['store', async () => [...(await hopBench()), ...(await storeBench(`${folder}/store`, quick))]],
    ['keeper', keeperBench],
    ['readers', () => readersBench(`${folder}/readers`, load, quick)],
    ['children', () => childrenBench(`${folder}/children`, quick)],
    ['sign-in', () => signInsBench(`${folder}/sign-ins`, quick)],
    ['timeline', () => timelineBench(`${folder}/timeline`, load, quick)],
    ['context', () => contextBench(`${folder}/context`, quick)],
    ['list', () => listBench(`${folder}/list`, listed)],
  ];
  const lines: Line[] = [];
  for (const [name, bench] of benches) {
    if (!wanted.has(name)) continue;
    console.error(name);
    lines.push(...(await bench()));
  }
  return lines;
}

function progress({ round, workload, contender, figures, stallMs, cpuUsPerTurn }: Visit): void {
  const rate = `${fixed(figures.turnsPerSecond)} turns/s`;
  const times = `first ${fixed(figures.firstMs.p50)} ms, p50 ${fixed(figures.totalMs.p50)} ms, p99 ${fixed(figures.totalMs.p99)} ms`;
  console.error(
    `round ${round + 1}  ${workload.padEnd(8)}  ${contender.padEnd(20)}  ${rate.padStart(14)}  ${times}, stall ${fixed(stallMs)} ms, CPU ${fixed(cpuUsPerTurn)} us`,
  );
}

function publish(results: Results, text: string): void {
  const write = (name: string, content: string): void =>
    writeFileSync(new URL(name, import.meta.url), content);
  const short = (_name: string, value: unknown): unknown =>
    typeof value === 'number' ? Number(value.toPrecision(6)) : value;
  write('results.json', `${JSON.stringify(results, short, 1)}\n`);
  write('results.md', text);
  write('results.svg', chart(results));
}

await main();
