// Guard: a process of its own that ends what we started, also when nobody is left to tell it to.
//
// Its standard input is a pipe that only we hold. `+ pid mark` puts a process group under its care; `- pid mark` has the
// group ended, and is answered by `- pid` when nothing of it is left. When the pipe closes we are gone, however that came
// about: it ends every group and goes, too.
//
//   U1. What belongs to a group: its members, what carries its mark in the environment it was started with, and what
//       descends from either. So what left the group, by setsid or through a shell, is found all the same; where the
//       system shows no processes as files, the group is all that is known.
//   U2. It ends them by SIGKILL, and looks again until none is left, at most `ROUNDS_MAX` times.
//   U3. It obeys no signal that a terminal or a shutdown sends to everyone.
import { createReadStream, readdirSync, readFileSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { systemClock } from '../kernel/clock.ts';

/** The variable that carries the mark. */
export const MARK = 'SOJOURN_PROCESS';

const ROUND_MS = 40;
const ROUNDS_MAX = 100;

interface Seen {
  pid: number;
  parent: number;
  group: number;
  isMarked: boolean;
}

/** What runs now. Undefined where the system does not say. */
function running(mark: string): Seen[] | undefined {
  let names: string[];
  try {
    names = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return undefined;
  }
  const seen: Seen[] = [];
  for (const name of names) {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
      const [state, parent, group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (state === 'Z' || state === 'X') continue; // It is over, and waits for its parent to hear of it.
      seen.push({
        pid: Number(name),
        parent: Number(parent),
        group: Number(group),
        isMarked: carries(name, mark),
      });
    } catch {
      // It has ended meanwhile.
    }
  }
  return seen;
}

function carries(name: string, mark: string): boolean {
  try {
    const environment = readFileSync(`/proc/${name}/environ`, 'utf8');
    return `\0${environment}\0`.includes(`\0${MARK}=${mark}\0`);
  } catch {
    return false; // Another user's.
  }
}

/** U1. */
function belonging(pid: number, mark: string): number[] | undefined {
  const seen = running(mark);
  if (seen === undefined) return undefined;
  const ours = new Set(seen.filter(({ group, isMarked }) => isMarked || group === pid).map((one) => one.pid));
  for (let before = -1; before !== ours.size;) {
    before = ours.size;
    for (const one of seen) if (ours.has(one.parent)) ours.add(one.pid);
  }
  ours.delete(process.pid);
  return [...ours];
}

/** False when there is nothing to be sent to. */
function send(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** U2. */
async function end(pid: number, mark: string): Promise<void> {
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    const members = belonging(pid, mark);
    if (members?.length === 0) return;
    if (members === undefined && !send(-pid, 0)) return;
    if (members === undefined) send(-pid, 'SIGKILL');
    for (const member of members ?? []) send(member, 'SIGKILL');
    await new Promise<void>((resolve) => systemClock.after(ROUND_MS, resolve, 'keeps-alive'));
  }
}

async function guard(): Promise<void> {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGPIPE'] as const) {
    process.on(signal, () => undefined); // U3
  }
  const groups = new Map<number, string>();
  const lines = createInterface({ input: createReadStream('', { fd: 0 }) });
  for await (const line of lines) {
    const [sign, text, mark = ''] = line.split(' ');
    const pid = Number(text);
    if (!Number.isSafeInteger(pid) || pid <= 1 || mark === '') continue;
    if (sign === '+') groups.set(pid, mark);
    if (sign !== '-') continue;
    end(pid, mark)
      .then(() => {
        groups.delete(pid);
        writeSync(1, `- ${pid}\n`);
      })
      .catch(() => undefined); // Nobody reads our answers any more.
  }
  await Promise.all([...groups].map(([pid, mark]) => end(pid, mark)));
}

if (import.meta.main) await guard();
