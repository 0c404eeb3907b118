// What becomes of files that nobody refers to any more, and what never happens to the others.
import { Buffer } from 'node:buffer';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { scriptedAgent } from '../src/agent/scripted/scripted.ts';
import { inProcessBus } from '../src/bus/in-process/in-process.ts';
import { ArtifactGuard } from '../src/context/artifact-guard.ts';
import type { Limits } from '../src/kernel/limits.ts';
import { hostCaller } from '../src/runtime/access.ts';
import { createRuntime } from '../src/runtime/create.ts';
import type { Runtime } from '../src/runtime/runtime.ts';
import { ArtifactFiles } from '../src/store/sqlite/files.ts';
import { sqliteStore } from '../src/store/sqlite/sqlite.ts';
import type { Store } from '../src/store/store.ts';
import { ManualClock } from '../src/testing/manual-clock.ts';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

let folder: string;
let clock: ManualClock;
let store: Store;
let runtime: Runtime;
let logged: (event: string, fields?: Record<string, unknown>) => void;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sojourn-collecting-'));
  clock = new ManualClock();
  logged = () => undefined;
});

afterEach(async () => {
  await runtime.shutdown(0);
  rmSync(folder, { recursive: true, force: true });
});

async function start(limits: Partial<Limits> = {}): Promise<void> {
  const log = (event: string, fields?: Record<string, unknown>): void => logged(event, fields);
  const logger = { info: log, warn: log, error: log };
  const few = { freeBytesMin: 0, ballastBytes: 0 };
  store = await sqliteStore({
    folder: join(folder, 'data'),
    clock,
    logger,
    limits: few,
    durability: 'process-crash',
  });
  const agents = { scripted: scriptedAgent({ wordMs: 0 }) };
  runtime = await createRuntime({ store, bus: inProcessBus(logger), clock, logger, agents, limits });
}

/** Time passes until a sweep is due; answers what it says when it is over. */
async function swept(ms: number): Promise<unknown> {
  const over = Promise.withResolvers<unknown>();
  logged = (event, fields) => void (event.startsWith('artifacts.') && over.resolve(fields));
  await clock.advance(ms);
  return over.promise;
}

/** A session that refers to one file with this text. */
async function keeps(key: string, text: string, caller = hostCaller()): Promise<void> {
  const data = Buffer.from(text).toString('base64');
  const call = { input: [{ type: 'file', mediaType: 'text/plain', data } as const] };
  const { turn } = await runtime.send(key, call, {}, caller);
  await runtime.finished(key, turn, { waitMs: Infinity }, caller);
}

const long = (letter: string): string => letter.repeat(10_000);

function filesOnDisk(): number {
  const artifacts = join(folder, 'data', 'artifacts');
  const found = readdirSync(artifacts, { recursive: true, withFileTypes: true });
  return found.filter((entry) => entry.isFile()).length;
}

test('a file that no log refers to is gone after a day, and those that logs refer to stay', async () => {
  await start();
  await keeps('chat', long('a'));
  await store.files.put('default', Buffer.from('of a message that was refused'));

  const early = await swept(5 * MINUTE);
  const late = await swept(DAY);

  expect([early, late]).toEqual([
    { files: 0, bytes: 0 },
    { files: 1, bytes: 29 },
  ]);
  const [artifact] = await runtime.artifacts('chat');
  const { bytes } = await runtime.artifact('chat', artifact?.id ?? '');
  expect(Buffer.from(bytes).toString()).toBe(long('a'));
  expect(filesOnDisk()).toBe(1);
});

test('a file is old enough strictly after its grace, counted from when it was last put', async () => {
  await start({ artifactGraceMs: 60 * MINUTE, artifactSweepMs: 60 * MINUTE });
  await swept(5 * MINUTE);
  await store.files.put('default', Buffer.from('exactly'));
  const exactly = await swept(60 * MINUTE);
  await store.files.put('default', Buffer.from('exactly')); // Again.
  const again = await swept(60 * MINUTE);

  const past = await swept(60 * MINUTE);

  expect([exactly, again, past]).toMatchObject([{ files: 0 }, { files: 0 }, { files: 1 }]);
});

test('with hundreds of files of nobody, all go in one sweep, and the sessions’ own stay', async () => {
  await start();
  for (const letter of 'abcde') await keeps(`s-${letter}`, long(letter));
  await Promise.all(
    Array.from({ length: 410 }, (_, index) => store.files.put('default', Buffer.from(`nobody's ${index}`))),
  );

  await swept(5 * MINUTE);
  const late = await swept(DAY);

  expect(late).toMatchObject({ files: 410 });
  expect(filesOnDisk()).toBe(5);
});

test('what two sessions share goes with the second one that is erased', async () => {
  await start();
  await keeps('a', long('x'));
  await keeps('b', long('x'));
  await keeps('a', long('y'));
  const before = filesOnDisk();

  await runtime.close('a', { erase: true });
  const between = filesOnDisk();
  const [artifact] = await runtime.artifacts('b');
  const { total } = await runtime.artifact('b', artifact?.id ?? '');
  await runtime.close('b', { erase: true });

  expect([before, between, total, filesOnDisk()]).toEqual([2, 1, 10_000, 0]);
});

test('files of a project that nobody knows are nobody’s; those of one that has sessions are not', async () => {
  await start();
  await runtime.addProject('gone');
  await keeps('a', long('g'), hostCaller('gone'));
  await runtime.close('a', { erase: true }, hostCaller('gone'));
  await store.files.put('gone', Buffer.from('left'));
  await runtime.removeProject('gone');
  await keeps('a', long('s'), hostCaller('never registered'));

  await swept(5 * MINUTE);
  const late = await swept(DAY);

  expect(late).toMatchObject({ files: 1 });
  expect(readdirSync(join(folder, 'data', 'artifacts'))).toHaveLength(1);
  const [artifact] = await runtime.artifacts('a', hostCaller('never registered'));
  const kept = await runtime.artifact('a', artifact?.id ?? '', undefined, hostCaller('never registered'));
  expect(kept.total).toBe(10_000);
});

test('while a backup copies nothing is removed and nobody waits for it; the next sweep removes it', async () => {
  await start();
  const files = new ArtifactFiles(join(folder, 'apart'), 1_000, clock);
  await files.sweep();
  const guard = new ArtifactGuard(files, { referred: async () => [] }, clock);
  const digest = await files.put('default', Buffer.from('nobody’s'));
  const copied = Promise.withResolvers<void>();
  const copying = files.whileCopying(() => copied.promise);

  const during = [
    await guard.remove('default', digest),
    await guard.removeStrangers([], Infinity, 10),
    (await guard.put('default', Buffer.from('another'))).length,
    (await guard.read('default', digest)).length,
  ];
  copied.resolve();
  await copying;
  const after = [await guard.remove('default', digest), (await files.list('default', '', 10)).length];

  expect([during, after]).toEqual([
    [false, 0, 64, 10],
    [true, 1],
  ]);
});

test('a backup begins when what is being removed is gone', async () => {
  await start();
  const files = new ArtifactFiles(join(folder, 'apart'), 1_000, clock);
  await files.sweep();
  const digest = await files.put('default', Buffer.from('nobody’s'));

  const removing = files.remove('default', digest);
  const copied = await files.whileCopying(() => files.list('default', '', 10));

  expect([await removing, copied]).toEqual([true, []]);
});

test('with a sweep of 0 nothing is ever collected', async () => {
  await start({ artifactSweepMs: 0 });
  await store.files.put('default', Buffer.from('nobody’s'));
  let said = false;
  logged = (event) => void (said ||= event.startsWith('artifacts.'));

  await clock.advance(3 * DAY);
  await runtime.shutdown(0);

  expect([said, filesOnDisk()]).toEqual([false, 1]);
});

test('a runtime that shuts down in the middle of a sweep has ended it when it is down', async () => {
  await start({ artifactSweepMs: MINUTE, artifactGraceMs: 0 });
  await Promise.all(
    Array.from({ length: 250 }, (_, index) => store.files.put('default', Buffer.from(`nobody's ${index}`))),
  );
  const said: string[] = [];
  logged = (event) => void (event.startsWith('artifacts.') && said.push(event));
  await clock.advance(MINUTE);

  await runtime.shutdown(0);
  const left = filesOnDisk();
  const until = [...said];
  await clock.advance(DAY);

  expect(until).toEqual(['artifacts.collected']);
  expect([filesOnDisk(), said]).toEqual([left, until]);
});
