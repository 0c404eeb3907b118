// Run it with `npm run posts`, which installs the agents first. It needs no key and asks nobody outside this machine; it
// uses a folder of its own and free ports, and cleans up after itself.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { alive, below, type Running, workingIn } from '../10-sub-agents/processes.ts';
import { scratchFolder } from '../scratch.ts';
import { startModel } from './model.ts';
import { tellStory } from './story.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const folder = scratchFolder();
const model = await startModel();
const processes: Running[] = [];
const interrupted = new AbortController();
process.once('SIGINT', () => interrupted.abort());
let following: ReturnType<typeof follow> | undefined;

/** The command, as somebody else would run it in another terminal. */
function follow(server: Record<string, string>) {
  const words = [MAIN, 'timeline', '--follow'];
  return spawn(process.execPath, words, { env: { ...process.env, ...server }, stdio: 'inherit' });
}

console.log('OpenCode signs in and posts, from outside and from inside.\n\n$ sojourn timeline --follow &');
const end = await tellStory({
  folder,
  model: model.url,
  signal: interrupted.signal,
  onServer: ({ url, token }) => {
    following = follow({ SOJOURN_URL: url, SOJOURN_TOKEN: token });
  },
  onStep: (command) => console.log(`\n$ ${command}`),
  onSaid: (said) => {
    processes.push(...below());
    console.log(said);
  },
  onOver: async () => {
    if (following === undefined) return;
    const gone = once(following, 'exit');
    following.kill();
    await gone;
  },
});
await model.stop();

const left = [...alive(processes), ...workingIn(folder)];
const { posts, identities, live } = end;
const names = identities.map(({ displayName }) => displayName).toSorted((a, b) => (a < b ? -1 : 1));
console.log(`
  ${posts.length} posts by ${names.join(' and ')}: ${identities.length} identities.
  ${live} of them are still signed in, and ${left.length} processes are left.`);
process.exitCode = posts.length === 4 && identities.length === 2 && live === 0 && left.length === 0 ? 0 : 1;
