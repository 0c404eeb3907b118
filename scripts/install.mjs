// Installs what the lock file names, unless that has been done already.
// Runs on whatever Node is there, so it uses old syntax and no dependency.
import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';

const mtime = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

const installed = mtime('node_modules/.package-lock.json');
if (installed === 0 || installed < mtime('package-lock.json')) {
  console.error('Installing dependencies (once, about 10 seconds)...');
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const run = spawnSync(npm, ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    stdio: ['ignore', 'ignore', 'inherit'],
    shell: process.platform === 'win32',
  });
  if (run.status !== 0) process.exit(run.status ?? 1);
}
