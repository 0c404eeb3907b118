// Agents: brings the coding agents that `npm run test:agents` runs and the protocol's own inspector, and says which
// Chromium it will use.
// They are never dependencies: they lie in a folder of their own below node_modules/.cache, and go with it.
//
//   I1. Nothing is done when everything is there: the record says exactly what was wanted.
//   I2. An install that was interrupted is never taken for a finished one: the record goes first and comes back last.
//   I3. Only OpenCode's own step after installing is run, since without it there is no program; no other script is.
//   I4. A failure ends with what to do about it, not with a stack.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const WANTED = {
  'opencode-ai': '1.18.33',
  '@agentclientprotocol/claude-agent-acp': '0.100.0',
  '@modelcontextprotocol/inspector': '2.12.0',
};
const PROGRAMS = ['opencode', 'claude-agent-acp', 'mcp-inspector'];
const SYSTEM_CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const SAID_LINES_MAX = 4;
const BEAT_MS = 5_000;

const folder = fileURLToPath(new URL('../node_modules/.cache/agents/', import.meta.url));
const bin = join(folder, 'node_modules', '.bin');
const recordPath = join(folder, 'installed.json');
const wanted = JSON.stringify(WANTED);

if (isInstalled()) console.error('The agents are there: ' + names());
else await install();
await chromium();

function names() {
  return Object.entries(WANTED)
    .map(([name, version]) => name + ' ' + version)
    .join(', ');
}

/** I1. */
function isInstalled() {
  return (
    existsSync(recordPath) &&
    readFileSync(recordPath, 'utf8') === wanted &&
    PROGRAMS.every((name) => existsSync(join(bin, name)))
  );
}

async function install() {
  console.error('Installing ' + names() + ' (once, about 840 MB)');
  rmSync(recordPath, { force: true }); // I2
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, dependencies: WANTED }));
  await step('packages', 'npm', [
    'install',
    '--ignore-scripts', // I3
    '--include=optional',
    '--prefer-offline',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ]);
  const openCode = join(folder, 'node_modules', 'opencode-ai');
  await step('OpenCode', process.execPath, [join(openCode, 'postinstall.mjs')]); // I3
  writeFileSync(recordPath, wanted); // I2
}

/** Runs it, and says every few seconds that it still does. */
async function step(what, command, words) {
  const begun = Date.now();
  const seconds = () => Math.round((Date.now() - begun) / 1_000) + ' s';
  const beat = setInterval(() => console.error('  ' + what + ': ' + seconds() + ' so far'), BEAT_MS);
  const run = spawn(command, words, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  run.stderr.on('data', (piece) => (said += piece));
  const code = await new Promise((resolve) => {
    run.on('error', (error) => {
      said += error.message;
      resolve(1);
    });
    run.on('close', resolve);
  });
  clearInterval(beat);
  if (code === 0) return console.error('  ' + what + ': ' + seconds());
  const lines = said.trim().split('\n').slice(-SAID_LINES_MAX).join('\n');
  fail(
    lines || what + ' ended with ' + code,
    'It needs the npm registry and about 900 MB of disk. Run it again when it has both.',
  );
}

/** The system's, else the one from npm, which needs a few libraries of the system; where they are missing, Debian's has them. */
async function chromium() {
  const { default: carried } = await import('@sparticuz/chromium');
  process.env.TMPDIR = folder; // Where it is unpacked: a folder that is nobody else's, and stays.
  const starts = (path) => spawnSync(path, ['--version'], { stdio: 'ignore' }).status === 0;
  let found = SYSTEM_CHROMIUM.find((path) => existsSync(path)) ?? (await carried.executablePath());
  if (!starts(found)) {
    if (process.getuid?.() !== 0 || spawnSync('apt-get', ['--version']).status !== 0)
      fail('The Chromium from npm does not start here.', 'Install one: apt-get install chromium');
    const words = 'apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium';
    await step('Chromium, from Debian', 'sh', ['-c', words]);
    found = SYSTEM_CHROMIUM[0];
  }
  const link = join(bin, 'chromium');
  rmSync(link, { force: true });
  symlinkSync(found, link);
  console.error('Chromium: ' + found);
}

function fail(what, advice) {
  console.error((what + '\n\n' + advice).trim());
  process.exit(1);
}
