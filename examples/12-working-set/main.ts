// Run it with `npm run replay`. Four recorded runs of a coding agent, replayed through working sets of 8,000 and 32,000
// tokens: what each call of the model is sent of the past, how much that saves, and whether all that left can be read back.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { replay, type ReplaySum } from './replay.ts';

const WINDOWS = [8_000, 32_000];
const recordings = new URL('../../test/data/trajectories/', import.meta.url);
const above = mkdtempSync(join(tmpdir(), 'sojourn-replay-'));
const folder = (): string => mkdtempSync(join(above, 'run-'));

const figure = (count: number): string => count.toLocaleString('en-US').padStart(9);
const saved = ({ sent, whole }: { sent: number; whole: number }): string =>
  `${(100 * (1 - sent / Math.max(1, whole))).toFixed(1)} %`;

function show(name: string, sums: readonly ReplaySum[]): void {
  console.log(`\n${name}\n`);
  const heads = sums.map(({ windowTokens }) => `in ${windowTokens.toLocaleString('en-US')}`.padStart(11));
  console.log(`  call     whole${heads.join('')}   tokens of the past that the model is sent`);
  const [first] = sums;
  for (const [index, { whole }] of (first?.steps ?? []).entries()) {
    const cells = sums.map(({ steps }) => `  ${figure(steps[index]?.sent ?? 0)}`);
    console.log(`  ${String(index + 1).padStart(4)} ${figure(whole)}${cells.join('')}`);
  }
  console.log(`   all ${figure(first?.whole ?? 0)}${sums.map(({ sent }) => `  ${figure(sent)}`).join('')}`);
  for (const sum of sums) {
    const { windowTokens, compactions, refs, bytes, wrong } = sum;
    const proof = wrong.length === 0 ? 'each is what it was' : `${wrong.length} are not what they were`;
    console.log(
      `  in ${windowTokens.toLocaleString('en-US')}: ${saved(sum)} saved; ${compactions} digests made; ${refs} references read back, ${bytes.toLocaleString('en-US')} bytes: ${proof}`,
    );
  }
}

try {
  const names = readdirSync(recordings).filter((name) => name.endsWith('.traj'));
  const runs = [...names.map((name) => [name]), names];
  let bad = 0;
  for (const run of runs) {
    const files = run.map((name) => new URL(name, recordings).pathname);
    const sums: ReplaySum[] = [];
    for (const windowTokens of WINDOWS) sums.push(await replay({ files, folder, windowTokens }));
    show(run.length === 1 ? (run[0] ?? '') : 'All of them, one after the other in one session', sums);
    for (const { wrong } of sums) bad += wrong.length;
  }
  process.exitCode = bad === 0 ? 0 : 1;
} finally {
  rmSync(above, { recursive: true, force: true });
}
