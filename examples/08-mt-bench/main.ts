// Run it with `npm run demo`. It uses a folder of its own and a free port, and cleans up after itself.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DemoProgress, runDemo } from './demo.ts';

const BAR = 40;
const folder = mkdtempSync(join(tmpdir(), 'sojourn-demo-'));
const isTerminal = process.stdout.isTTY === true;

let shown = '';
function show({ turnsEnded, turns, kills, deltas }: DemoProgress): void {
  const full = Math.round((turnsEnded / turns) * BAR);
  const bar = '█'.repeat(full) + '░'.repeat(BAR - full);
  const line = `${bar} ${turnsEnded}/${turns} turns  ${kills} × kill -9  ${Math.floor(deltas / 500) * 500} deltas`;
  if (line === shown) return;
  shown = line;
  if (isTerminal) process.stdout.write(`\r${line}`);
  else if (turnsEnded % 20 === 0) console.log(line);
}

console.log(
  '80 sessions at once, 30 real two-turn conversations, a server killed five times in the middle of turns.\n',
);
try {
  const sum = await runDemo({ folder, sessions: 80, kills: 5, wordMs: 30, onProgress: show });
  console.log(`\n
  ${sum.turnsEnded} turns ended in ${sum.seconds.toFixed(1)} s, through ${sum.kills} × kill -9; one was begun ${sum.attemptsMax} times
  ${sum.exact} answers equal the recorded ones, word for word
  ${sum.acknowledged} messages acknowledged, ${sum.missing} missing
  ${sum.doubleOutcomes} turns without exactly one outcome
  ${sum.gaps} gaps in ${sum.events} events
  ${sum.repeated} events shown twice to a client`);
  const bad = sum.missing + sum.doubleOutcomes + sum.gaps + sum.repeated + (sum.turns - sum.exact);
  process.exitCode = bad === 0 ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
