// Sweep: one process for each fault, and what is found after it.
//
//   SW1. Two at once: what a machine with two cores has room for.
//   SW2. A process that neither ends nor dies is ended, and that is wrong, too.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { audit, type Findings } from './crash-audit.ts';
import type { Fault, Way } from './crash-faults.ts';
import { STORY, type Told } from './crash-story.ts';

const WORKER = fileURLToPath(new URL('crash-worker.ts', import.meta.url));
const AT_ONCE = 2;
/** A story takes a second; one that has not ended by then hangs. */
const STORY_MS_MAX = 60_000;
const WAYS: readonly Way[] = ['before', 'half', 'after', 'ENOSPC', 'EIO'];

interface Life {
  told: Told[];
  /** Undefined where it was killed. */
  written: readonly string[] | undefined;
  isHung: boolean;
}

/** It is killed once it has told enough. */
export async function live(
  folder: string,
  nth: number,
  way: Way | 'busy',
  isEnough: (told: number) => boolean = () => false,
): Promise<Life> {
  const child = spawn(process.execPath, ['--conditions=sojourn-source', WORKER, folder, String(nth), way], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const life: Life = { told: [], written: undefined, isHung: false };
  const watch = setTimeout(() => {
    life.isHung = true;
    child.kill('SIGKILL');
  }, STORY_MS_MAX);
  const ended = new Promise((resolve) => child.once('close', resolve));
  for await (const line of createInterface({ input: child.stdout })) {
    const said = parsed(line);
    if (said !== undefined) life.told.push(said);
    if (said?.kind === 'over') life.written = said.written;
    if (isEnough(life.told.length)) child.kill('SIGKILL');
  }
  await ended;
  clearTimeout(watch);
  return life;
}

/** Undefined for one that was cut off by the kill. */
function parsed(line: string): Told | undefined {
  try {
    return JSON.parse(line) as Told;
  } catch {
    return undefined;
  }
}

/** What is wrong after one fault. */
export async function after(fault: Fault): Promise<{ life: Life; found: Findings }> {
  const above = mkdtempSync(join(tmpdir(), 'sojourn-crash-'));
  const folder = join(above, 'data');
  try {
    const life = await live(folder, fault.nth, fault.way);
    const found = await audit(folder, life.told, STORY);
    if (life.isHung) found.wrong.push('it did not end');
    const refused = life.told.filter((step) => step.kind === 'refused' && step.what !== 'import a part');
    // A disk that is full for a moment costs one call at most.
    if (fault.way === 'ENOSPC' && refused.length > 1)
      found.wrong.push(`${refused.length} calls were refused`);
    return { life, found };
  } finally {
    rmSync(above, { recursive: true, force: true });
  }
}

/** Tells a line that names the fault, for everything that is wrong after it. */
export async function sweep(
  faults: readonly Fault[],
  written: readonly string[],
  tell: (wrong: string) => void,
): Promise<void> {
  const left = [...faults];
  const work = async (): Promise<void> => {
    for (let fault = left.shift(); fault !== undefined; fault = left.shift()) {
      const name = `${fault.way} write ${fault.nth} (${written[fault.nth - 1] ?? 'none'})`;
      try {
        const { found } = await after(fault);
        for (const what of found.wrong) tell(`${name}: ${what}`);
      } catch (error) {
        tell(`${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work)); // SW1
}

/** Every write in every way. */
export const every = (written: readonly string[]): Fault[] =>
  written.flatMap((name, index) =>
    WAYS.filter((way) => way !== 'half' || name === 'file.write').map((way) => ({ nth: index + 1, way })),
  );

/** One of each kind of write, the ways in turn. */
export function sample(written: readonly string[], random: () => number): Fault[] {
  return [...new Set(written)].map((name) => {
    const those = every(written).filter(({ nth }) => written[nth - 1] === name);
    const fault = those[Math.floor(random() * those.length)];
    if (fault === undefined) throw new Error(`There is no ${name}`);
    return fault;
  });
}

export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}
