// Install: brings what package-lock.json names, before `npm start` and `npm test`.
// It runs on whatever Node is there, before any dependency is, so it uses neither new syntax nor a package.
//
//   I1. Nothing is done when everything is there: what npm wrote about the installed packages equals the lock file.
//   I2. An install that was interrupted is never taken for a finished one: npm's record goes first and comes back last.
//   I3. A failure ends with what to do about it, not with a stack.
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const NODE_LEAST = [24, 15];
/** Of what npm says, the part before its stacks. */
const SAID_LINES_MAX = 4;
const root = fileURLToPath(new URL('..', import.meta.url));
const lockPath = join(root, 'package-lock.json');
const recordPath = join(root, 'node_modules', '.package-lock.json');
/** The package that brings Node for this machine, where there is one. */
const nodePackage = 'node_modules/node-' + process.platform + '-' + process.arch;

const lock = packagesOf(lockPath);
if (lock === undefined)
  fail('package-lock.json is missing or damaged.', 'Restore it: git checkout package-lock.json');
if (!isInstalled(packagesOf(recordPath))) install();

/** The packages of a lock file; undefined when it is not there or was cut off. */
function packagesOf(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages;
  } catch (error) {
    if (error.code === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** I1. Packages for other machines are optional and may be absent; Node for this one may not. */
function isInstalled(record) {
  if (record === undefined) return false;
  for (const path of Object.keys(record)) if (!(path in lock)) return false;
  return Object.keys(lock).every((path) => {
    if (path === '') return true;
    if (record[path] === undefined) return lock[path].optional === true && path !== nodePackage;
    return JSON.stringify(record[path]) === JSON.stringify(lock[path]);
  });
}

function install() {
  console.error('Installing dependencies (once, about 10 seconds)...');
  rmSync(recordPath, { force: true }); // I2
  const run = runNpm([
    'ci',
    '--include=dev', // NODE_ENV=production would leave out the tests' own tools
    '--include=optional',
    '--ignore-scripts',
    '--prefer-offline',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ]);
  const said = String(run.stderr || '').trim();
  if (run.signal === 'SIGINT' || run.status === 130) process.exit(130);
  if (run.error !== undefined)
    fail('npm could not be started: ' + run.error.message, 'Install npm 10 or newer.');
  if (run.status !== 0) fail(said.split('\n').slice(0, SAID_LINES_MAX).join('\n'), adviceFor(said));
  if (!isInstalled(packagesOf(recordPath))) {
    fail('npm left some packages out.\n' + said, 'Run `npm ci` to see why.');
  }
  if (!(nodePackage in lock) && !isNewEnough()) {
    fail(
      'This is Node ' + process.versions.node + ', and none comes along for ' + nodePackage.slice(18) + '.',
      'Install Node ' + NODE_LEAST.join('.') + ' or newer, and run this again.',
    );
  }
}

/** The npm that started this, when one did: a bare machine may have no other on its path. */
function runNpm(words) {
  const options = { cwd: root, stdio: ['ignore', 'ignore', 'pipe'] };
  const npm = process.env.npm_execpath;
  if (npm !== undefined && basename(npm) === 'npm-cli.js') {
    return spawnSync(process.execPath, [npm].concat(words), options);
  }
  const isWindows = process.platform === 'win32';
  return spawnSync(isWindows ? 'npm.cmd' : 'npm', words, Object.assign(options, { shell: isWindows }));
}

function adviceFor(said) {
  if (/\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ENOTCACHED)\b/.test(said)) {
    return 'The package registry cannot be reached: connect to the network, or set a proxy for npm, and run this again.';
  }
  if (/\b(ENOSPC|EACCES|EROFS)\b/.test(said))
    return 'Make this folder writable and free about 500 MB, and run this again.';
  if (/\bEUSAGE\b/.test(said))
    return 'package.json and package-lock.json differ: run `npm install` and commit the lock file.';
  return 'Run `npm ci` to see more.';
}

function isNewEnough() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  return major > NODE_LEAST[0] || (major === NODE_LEAST[0] && minor >= NODE_LEAST[1]);
}

function fail(what, advice) {
  console.error((what + '\n\n' + advice).trim());
  process.exit(1);
}
