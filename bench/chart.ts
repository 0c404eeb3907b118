// Chart: the picture of a run for the README: bars, drawn by hand, readable on light and dark pages.
import { CONTENDERS, F0, F0_NORMAL, F1, F2, type Contender } from './contender.ts';
import { fixed } from './report.ts';
import { coldExtraMs, firstP50, perSecond, typical, type Results } from './results.ts';

interface Bar {
  name: string;
  value: number;
  ours: boolean;
}

interface Panel {
  title: string;
  /** Which way is good. */
  better: string;
  bars: readonly Bar[];
}

const WIDTH = 760;
const NAME_WIDTH = 150;
const BAR_WIDTH = 500;
const BAR_HEIGHT = 18;
const ROW_HEIGHT = 24;
const TITLE_HEIGHT = 34;
const FOOT_HEIGHT = 48;

export function chart(results: Results): string {
  const panels = [
    panel(results, 'Turns a second, back to back (W2)', 'more is better', (c) =>
      typical(results, c, 'w2', perSecond),
    ),
    panel(results, 'Turns a second, 5 ms between deltas (W2)', 'more is better', (c) =>
      typical(results, c, 'w2-paced', perSecond),
    ),
    panel(results, 'First delta, one user at a time, ms', 'less is better', (c) =>
      typical(results, c, 'first', firstP50),
    ),
    panel(results, 'First turn after a restart, over the next one, ms (W3)', 'less is better', (c) =>
      coldExtraMs(results, c),
    ),
  ].filter((each) => each.bars.length > 0);
  const height =
    panels.reduce((sum, each) => sum + TITLE_HEIGHT + each.bars.length * ROW_HEIGHT, 10) + FOOT_HEIGHT;
  let y = 10;
  const drawn = panels.map((each) => {
    const text = drawPanel(each, y);
    y += TITLE_HEIGHT + each.bars.length * ROW_HEIGHT;
    return text;
  });
  const floors = [F0, F0_NORMAL, F1, F2].map(({ name, promise }) => `${name}: ${promise}`).join(' · ');
  const foot = `One commit here takes ${fixed(results.commitMs)} ms. ${results.machine.cpus} cores, Node ${results.machine.node}, median of ${results.rounds} rounds. 20 deltas a turn, 32 users at once.`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="Sojourn beside hand-written servers">
<style>
text { font: 12px system-ui, sans-serif; fill: #57606a; }
.title { font-weight: 600; font-size: 13px; fill: #24292f; }
.ours { fill: #1f6feb; } .floor { fill: #afb8c1; }
@media (prefers-color-scheme: dark) { text { fill: #9198a1; } .title { fill: #e6edf3; } .floor { fill: #57606a; } }
</style>
${drawn.join('\n')}
<text x="10" y="${height - 28}">${escaped(floors)}</text>
<text x="10" y="${height - 10}">${escaped(foot)}</text>
</svg>
`;
}

function panel(
  results: Results,
  title: string,
  better: string,
  pick: (contender: Contender) => number,
): Panel {
  const bars = CONTENDERS.map((contender) => ({
    name: contender.name,
    value: Math.max(0, pick(contender)),
    ours: contender.script.startsWith('sojourn'),
  })).filter((bar) => !Number.isNaN(bar.value) && results.visits.length > 0);
  return { title, better, bars };
}

function drawPanel({ title, better, bars }: Panel, top: number): string {
  const most = Math.max(...bars.map((bar) => bar.value));
  const rows = bars.map((bar, at) => {
    const y = top + TITLE_HEIGHT + at * ROW_HEIGHT;
    const width = Math.max(1, (bar.value / most) * BAR_WIDTH);
    return [
      `<text x="${NAME_WIDTH - 8}" y="${y + 13}" text-anchor="end">${escaped(bar.name)}</text>`,
      `<rect class="${bar.ours ? 'ours' : 'floor'}" x="${NAME_WIDTH}" y="${y}" width="${width.toFixed(1)}" height="${BAR_HEIGHT}" rx="3"/>`,
      `<text x="${(NAME_WIDTH + width + 8).toFixed(1)}" y="${y + 13}">${fixed(bar.value)}</text>`,
    ].join('');
  });
  const head = `<text class="title" x="10" y="${top + 22}">${escaped(title)}</text><text x="${WIDTH - 10}" y="${top + 22}" text-anchor="end">${better}</text>`;
  return [head, ...rows].join('\n');
}

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll("'", '&#39;');
