// Processes: what runs below this one, as /proc says. Where there is none, nothing is said.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface Running {
  pid: number;
  /** Since the machine began; with the pid it is this process and no other. */
  begun: string;
  command: string;
}

/** Everything that this process started, and what that started. */
export function below(pid: number = process.pid): readonly Running[] {
  const parents = new Map(all().map((running) => [running.pid, running]));
  const isBelow = (running: Running & { parent: number }): boolean => {
    const above = parents.get(running.parent);
    return running.parent === pid || (above !== undefined && isBelow(above));
  };
  return [...parents.values()].filter(isBelow);
}

/** Those of them that are still there. */
export function alive(known: readonly Running[]): readonly Running[] {
  const now = new Map(all().map(({ pid, begun }) => [pid, begun]));
  return known.filter(({ pid, begun }) => now.get(pid) === begun);
}

/** Whoever works in this folder, whether we started it or nobody is above it any more. */
export function workingIn(folder: string): readonly Running[] {
  return all().filter(({ pid }) => {
    try {
      return readlinkSync(`/proc/${pid}/cwd`).startsWith(folder);
    } catch {
      return false; // It ended while we looked, or is not ours.
    }
  });
}

function all(): (Running & { parent: number })[] {
  return names().flatMap((name) => {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      const [state, parent, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (state === 'Z') return []; // It has ended, and nobody has asked how.
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0').slice(0, 2).join(' ');
      return [{ pid: Number(name), parent: Number(parent), begun: rest[17] ?? '', command }];
    } catch {
      return []; // It ended while we looked.
    }
  });
}

function names(): string[] {
  try {
    return readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
}
