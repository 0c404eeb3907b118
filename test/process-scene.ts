// Scene: programs to be started, and a look at what really runs.
import { readdirSync, readFileSync } from 'node:fs';

/** Starts what the words say as a Node program in one argument. */
export const node = (script: string, ...words: string[]): { command: string; args: string[] } => ({
  command: process.execPath,
  args: ['-e', script, ...words],
});

/**
 * A program with a child, and with a grandchild that left the group; all three ignore whatever can be ignored. It says their
 * numbers once all are there.
 */
export const STUBBORN = `
const { spawn } = require('node:child_process');
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => {});
setInterval(() => {}, 1000);
const depth = Number(process.argv[1] ?? 0);
if (depth === 0) console.log(process.pid);
if (depth < 2) {
  const below = spawn(process.execPath, ['-e', process.env.SCRIPT, String(depth + 1)], {
    detached: depth === 1,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: process.env,
  });
  below.on('spawn', () => console.log(below.pid));
}
`;

export function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const [state] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state !== 'Z' && state !== 'X';
  } catch {
    return false;
  }
}

/** Those that were started with this in their environment. */
export function withEnvironment(entry: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return `\0${readFileSync(`/proc/${name}/environ`, 'utf8')}\0`.includes(`\0${entry}\0`);
      } catch {
        return false;
      }
    })
    .map(Number)
    .filter(isRunning);
}

/** The guards that this process has started. */
export function guardsOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((one) => {
      try {
        const stat = readFileSync(`/proc/${one}/stat`, 'latin1');
        const [, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        const isOurs = Number(parent) === pid && isRunning(one);
        return isOurs && /guard\.[jt]s/.test(readFileSync(`/proc/${one}/cmdline`, 'utf8'));
      } catch {
        return false;
      }
    });
}

/** Milliseconds until `isSo`; it is looked at again and again, since the system tells nobody. Throws past `max`. */
export async function until(isSo: () => boolean, max: number): Promise<number> {
  const since = performance.now();
  while (!isSo()) {
    if (performance.now() - since > max) throw new Error(`It is not so after ${max} ms`);
    await new Promise(setImmediate);
  }
  return performance.now() - since;
}

/** The first `count` lines of a stream. */
export async function lines(stream: NodeJS.ReadableStream, count: number): Promise<string[]> {
  let text = '';
  for await (const chunk of stream) {
    text += String(chunk);
    if (text.split('\n').length > count) break;
  }
  return text.split('\n').slice(0, count);
}
