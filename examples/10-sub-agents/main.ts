// Run it with `npm run story`, which installs the agents first. It needs no key and asks nobody outside this machine; it
// uses a folder of its own and free ports, and cleans up after itself.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { scratchFolder } from '../scratch.ts';
import { MODEL, PRICE, realAgents } from './agents.ts';
import { startModel } from './model.ts';
import { servePage } from './page.ts';
import { alive, below, type Running, workingIn } from './processes.ts';
import { KEY, tellStory } from './story.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const folder = scratchFolder();
const model = await startModel();
const page = await servePage();
const processes: Running[] = [];
let watching: ReturnType<typeof sojourn> | undefined;
let server: Record<string, string> = {};

/** The command, as somebody else would run it in another terminal. */
function sojourn(...words: string[]) {
  return spawn(process.execPath, [MAIN, ...words], { env: { ...process.env, ...server }, stdio: 'inherit' });
}

console.log(`OpenCode, Claude Code and a browser work for one agent.\n\n$ sojourn tree ${KEY} --follow`);
const end = await tellStory({
  ...realAgents({ model: model.url, page: page.host, folder }),
  folder: `${folder}/stored`,
  prices: { [MODEL]: PRICE },
  onServer: ({ url, token }) => {
    server = { SOJOURN_URL: url, SOJOURN_TOKEN: token };
    watching = sojourn('tree', KEY, '--follow');
  },
  onTurn: () => {
    processes.push(...below());
  },
  onOver: async () => {
    if (watching === undefined) return;
    const gone = once(watching, 'exit');
    watching.kill();
    await gone;
    console.log(`\n$ sojourn tree ${KEY}`);
    await once(sojourn('tree', KEY), 'exit');
  },
});
page.close();
await model.stop();

const agents = processes.filter(({ command }) => !command.includes(MAIN));
const left = [...alive(agents), ...workingIn(folder)];
const { tree, said, coderWasLive, allowed, spentUsd, images } = end;
console.log(`
  ${said.join('\n  ')}
  A person allowed: ${allowed.join(', ')}.
  Before its second turn the coder was ${coderWasLive ? 'still in memory' : 'put away'}.
  The browser brought home ${images} picture.
  On the bill at the root: $${tree.costUsd.toFixed(4)}. Added up from every log: $${spentUsd.toFixed(4)}.
  ${new Set(agents.map(({ pid }) => pid)).size} processes were seen at work, and ${left.length} are left.`);
process.exitCode = left.length === 0 && tree.costUsd.toFixed(6) === spentUsd.toFixed(6) ? 0 : 1;
