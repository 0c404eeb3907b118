// What survives when the process dies or the disk gives up: a ledger of acknowledgements against what is on disk.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../src/kernel/clock.ts';
import { SojournError } from '../src/kernel/errors.ts';
import { silentLogger } from '../src/kernel/logger.ts';
import { inspect } from '../src/store/sqlite/doctor.ts';
import { sqliteStore } from '../src/store/sqlite/sqlite.ts';
import type { NewSession, Store } from '../src/store/store.ts';
import { newSession } from '../src/testing/store/trial.ts';

const WRITER = fileURLToPath(new URL('store-writer.ts', import.meta.url));
const limits = { freeBytesMin: 0, ballastBytes: 0 };

let above = '';
let folder = '';
beforeEach(() => {
  above = mkdtempSync(join(tmpdir(), 'sojourn-crash-'));
  folder = join(above, 'store');
});
afterEach(() => rmSync(above, { recursive: true, force: true }));

const open = (): Promise<Store> => sqliteStore({ folder, clock: systemClock, logger: silentLogger, limits });

/** The highest number acknowledged in each session, over all lives of the writer. */
type Ledger = Map<number, number>;

interface Life {
  acks: number;
  /** Acknowledged in an earlier life, and not there any more. */
  lost: number;
  failures: string[];
}

/** Runs a writer until it ends, killing it after `killAfter` acknowledgements; the ledger learns of each. */
async function live(child: ChildProcess, ledger: Ledger, killAfter: number): Promise<Life> {
  const life: Life = { acks: 0, lost: 0, failures: [] };
  if (child.stdout === null) throw new Error('the writer has no output');
  const ended = new Promise((resolve) => child.once('close', resolve));
  for await (const line of createInterface({ input: child.stdout })) {
    const [what, first = '', from, to] = line.split(' ');
    if (what === 'failed') life.failures.push(first);
    if (what === 'head') {
      life.lost += Math.max(0, (ledger.get(Number(first)) ?? 0) - Number(from));
      ledger.set(Number(first), Number(from));
    }
    // A line may be cut off by the kill.
    if (what !== 'ack' || to === undefined || Number(to) < Number(from)) continue;
    expect(Number(from)).toBe((ledger.get(Number(first)) ?? 0) + 1);
    ledger.set(Number(first), Number(to));
    life.acks += 1;
    if (life.acks === killAfter) child.kill('SIGKILL');
  }
  await ended;
  return life;
}

const start = (sessions: number): ChildProcess =>
  spawn(process.execPath, [WRITER, folder, String(sessions)], { stdio: ['ignore', 'pipe', 'inherit'] });

/** How many acknowledged events are missing. What is there must be gapless and have the bodies it was given. */
async function audit(store: Store, ledger: Ledger): Promise<number> {
  let lost = 0;
  for (const [num, acknowledged] of ledger) {
    let seq = 0;
    for (;;) {
      const page = await store.read(num, seq, { eventsMax: 1_000, bytesMax: 1_000_000 });
      for (const event of page) {
        seq += 1;
        const body = JSON.stringify({ seq, text: 'x'.repeat((seq * 37) % 300) });
        expect([event.seq, event.body]).toEqual([seq, body]);
      }
      if (page.length === 0) break;
    }
    lost += Math.max(0, acknowledged - seq);
  }
  return lost;
}

test('nothing that was acknowledged is missing, however often the process is killed', async () => {
  const KILLS = 16;
  const ledger: Ledger = new Map();
  let acks = 0;
  let lost = 0;

  for (let kill = 0; kill < KILLS; kill++) {
    const life = await live(start(6), ledger, 20 + ((kill * 7_919) % 160));
    acks += life.acks;
    lost += life.lost;
  }

  expect(lost).toBe(0);
  expect(acks).toBeGreaterThan(KILLS * 20);
  const store = await open();
  expect(await audit(store, ledger)).toBe(0);
  await store.close();
  expect(await inspect(folder)).toMatchObject({ ok: true });
}, 120_000);

test('when a file cannot grow any more nothing is acknowledged, and nothing acknowledged is lost', async () => {
  const store = await open();
  await store.close();
  const ledger: Ledger = new Map();
  const child = spawn(
    '/bin/sh',
    ['-c', `ulimit -f 2048; exec '${process.execPath}' '${WRITER}' '${folder}' 6`],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );

  const life = await live(child, ledger, Infinity);

  expect(life.acks).toBeGreaterThan(100);
  expect(life.failures).toEqual(Array.from({ length: 7 }, () => 'store.failed'));
  const again = await open();
  expect(await audit(again, ledger)).toBe(0);
  await again.close();
});

interface Owner {
  num: number;
  epoch: number;
}

async function claimed(store: Store, session: number | NewSession, epoch: number): Promise<Owner> {
  const done = await store.append(() => ({ session, epoch, claim: true, events: [] }));
  if (done.kind !== 'appended') throw new Error(done.kind);
  return { num: done.num, epoch: done.epoch };
}

/** Appends 20 KB and answers `none`, or what it was refused with. */
async function write(store: Store, { num, epoch }: Owner, texts: string[]): Promise<string> {
  const text = `${texts.length} ${'x'.repeat(20_000)}`;
  const events = [{ at: 1, kind: 'said', turn: null, body: JSON.stringify(text) }];
  try {
    await store.append(() => ({ session: num, epoch, events }));
    texts.push(text);
    return 'none';
  } catch (error) {
    return error instanceof SojournError ? error.code : String(error);
  }
}

const canMount = process.platform === 'linux' && process.getuid?.() === 0;

test.skipIf(!canMount)(
  'a full disk refuses with store.full, loses nothing, and works again when there is space (needs root to mount one)',
  async ({ skip }) => {
    const disk = join(above, 'disk');
    mkdirSync(disk);
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', disk]).status !== 0)
      skip('mount is refused');
    folder = join(disk, 'store');
    mkdirSync(folder);
    writeFileSync(join(folder, 'ballast'), Buffer.alloc(512 * 1_024, 'ballast'));
    const store = await open();
    try {
      const owner = await claimed(store, newSession('a'), 0);
      const texts: string[] = [];
      let code = 'none';
      while (code === 'none') code = await write(store, owner, texts);

      expect(code).toBe('store.full');
      expect(existsSync(join(folder, 'ballast'))).toBe(false);
      expect(await write(store, owner, texts)).toBe('log.poisoned');
      expect((await store.byKey('default', 'a'))?.headSeq).toBe(texts.length);
      spawnSync('mount', ['-o', 'remount,size=16m', disk]);
      const again = await claimed(store, owner.num, owner.epoch);
      expect(await write(store, again, texts)).toBe('none');
      const events = await store.read(owner.num, 0, { eventsMax: 10_000, bytesMax: 100_000_000 });
      expect(events.map(({ body }) => JSON.parse(body) as string)).toEqual(texts);
    } finally {
      await store.close();
      spawnSync('umount', [disk]);
    }
  },
);
