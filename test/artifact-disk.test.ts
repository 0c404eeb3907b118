// Artifacts on a disk that is tampered with, full, or fails: what is refused, what is never lost, and what comes back.
//
//   H-DISK 94  modes
//   H-DISK 95  a link, a pipe, a folder, a second name where a file belongs
//   H-DISK 96  something exchanged between the look and the use
//   H-DISK 97  a full disk, too many open files
//   H-DISK 98  a disk that fails
//   H-DISK 99  too large, and another content than its digest says (more in http-artifacts.test.ts)
//   H-DISK 100 archives are bytes: nothing is unpacked
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { inProcessBus } from '../src/bus/in-process/in-process.ts';
import { SojournError } from '../src/kernel/errors.ts';
import { silentLogger } from '../src/kernel/logger.ts';
import { createRuntime } from '../src/runtime/create.ts';
import { inspect } from '../src/store/sqlite/doctor.ts';
import { artifactPath } from '../src/store/sqlite/files.ts';
import { ManualClock } from '../src/testing/manual-clock.ts';
import { MemoryStore } from '../src/testing/memory-store.ts';
import type { Store } from '../src/store/store.ts';
import { codeOf, newSession, StoreFolder } from './store-folder.ts';
import { refusal, Stage } from './session-stage.ts';

const at = new StoreFolder();
const bytes = Buffer.from('what was put');

const artifacts = (): string => join(at.folder, 'artifacts');
const pathOf = (digest: string): string => join(artifacts(), artifactPath('default', digest));

function filesIn(folder: string): string[] {
  const found = readdirSync(folder, { recursive: true, withFileTypes: true });
  return found.filter((entry) => !entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name));
}

async function kept(): Promise<{ store: Store; digest: string; path: string }> {
  const store = await at.open();
  const digest = await store.files.put('default', bytes);
  return { store, digest, path: pathOf(digest) };
}

test('[94] files of artifacts can be read by their owner only, and so can their folders', async () => {
  const before = process.umask(0);
  try {
    const { path } = await kept();

    const places = [path, join(path, '..'), join(path, '..', '..'), artifacts()];
    expect(places.map((place) => lstatSync(place).mode & 0o777)).toEqual([0o600, 0o700, 0o700, 0o700]);
  } finally {
    process.umask(before);
  }
});

test('[94] the doctor tells of artifacts that are open to others', async () => {
  const { path } = await kept();
  chmodSync(path, 0o644);

  const { ok, findings } = await inspect(at.folder);

  expect(ok).toBe(true);
  expect(findings.map(({ what }) => what)).toContain(
    `1 files and folders in ${artifacts()} are open to others`,
  );
});

test.each<[string, (path: string) => void]>([
  ['a link to the very bytes', (path) => symlinkSync(join(at.above, 'twin'), path)],
  ['a link to nothing', (path) => symlinkSync(join(at.above, 'nothing'), path)],
  ['a link to a device', (path) => symlinkSync('/dev/zero', path)],
  ['a pipe that nobody writes to', (path) => void spawnSync('mkfifo', [path])],
  ['a folder', (path) => mkdirSync(path)],
  ['a second name of a file elsewhere', (path) => linkSync(join(at.above, 'twin'), path)],
])('[95] %s is never read as an artifact, in whole or in part', async (_name, exchange) => {
  const { store, digest, path } = await kept();
  writeFileSync(join(at.above, 'twin'), bytes);
  rmSync(path);
  exchange(path);

  const codes = [
    await codeOf(store.files.read('default', digest)),
    await codeOf(store.files.read('default', digest, 1, 3)),
    await codeOf(store.files.read('default', digest, 0, 0)),
  ];

  expect(new Set(codes)).toEqual(new Set(['store.damaged']));
});

test.each<[string, (path: string) => void]>([
  ['a link', (path) => symlinkSync(join(at.above, 'twin'), path)],
  ['a pipe', (path) => void spawnSync('mkfifo', [path])],
  ['a second name of a file elsewhere', (path) => linkSync(join(at.above, 'twin'), path)],
])(
  '[95] putting an artifact where %s lies replaces that, and leaves what it led to alone',
  async (_name, exchange) => {
    const { store, digest, path } = await kept();
    writeFileSync(join(at.above, 'twin'), 'somebody else’s');
    rmSync(path);
    exchange(path);

    await store.files.put('default', bytes);

    expect(Buffer.from(await store.files.read('default', digest)).equals(bytes)).toBe(true);
    expect([lstatSync(path).isFile(), lstatSync(path).nlink]).toEqual([true, 1]);
    expect(Buffer.from('somebody else’s').equals(await readFile(join(at.above, 'twin')))).toBe(true);
  },
);

test('[95] a folder where an artifact belongs is said to be in the way, and is not removed', async () => {
  const { store, path } = await kept();
  rmSync(path);
  mkdirSync(path);
  writeFileSync(join(path, 'inside'), 'x');

  expect(await codeOf(store.files.put('default', bytes))).toBe('store.damaged');
  expect(existsSync(join(path, 'inside'))).toBe(true);
  expect(filesIn(artifacts())).toEqual([join(path, 'inside')]);
});

test('[95] removing an artifact through a folder that became a link removes nothing elsewhere', async () => {
  const { store, digest, path } = await kept();
  const project = join(path, '..', '..');
  renameSync(project, join(at.above, 'moved'));
  symlinkSync(join(at.above, 'moved'), project);

  const answers = [
    await codeOf(store.files.remove('default', digest)),
    (await store.files.list('default', '', 10)).length,
    await store.files.removeStrangers([], Date.now() + 1_000, 10),
  ];

  expect(answers).toEqual(['store.damaged', 0, 0]);
  expect(filesIn(join(at.above, 'moved'))).toHaveLength(1);
});

test('[95] the doctor names what is no file of its own, and what nobody refers to', async () => {
  const { store, digest, path } = await kept();
  const linked = await store.files.put('default', Buffer.from('linked'));
  await store.files.put('default', Buffer.from('nobody’s'));
  await store.files.put('unknown', Buffer.from('nobody’s'));
  const row = (name: string, size: number) => ({
    digest: name,
    bytes: size,
    mediaType: 'a/b',
    name: null,
    at: 1,
  });
  await store.append(() => ({
    session: newSession('a'),
    epoch: 0,
    events: [],
    artifacts: [row(digest, 12), row(linked, 6), row('0'.repeat(64), 1)],
  }));
  rmSync(path);
  spawnSync('mkfifo', ['-m', '600', path]);
  linkSync(pathOf(linked), join(at.above, 'twin'));

  const { ok, findings } = await inspect(at.folder);

  expect(ok).toBe(false);
  const said = findings.map(({ what }) => what);
  expect(said).toContain(`Artifact ${path} is not a regular file`);
  expect(said).toContain(`Artifact ${pathOf(linked)} has another name as well, and is not read`);
  expect(said).toContain(`Artifact ${pathOf('0'.repeat(64))} is missing`);
  expect(said).toContain(`2 files of 20 bytes in ${artifacts()} belong to no session`);
});

test('[96] while somebody exchanges a folder for a link, nothing is written or read elsewhere', async () => {
  const { store, digest, path } = await kept();
  const first = join(path, '..');
  const outside = join(at.above, 'outside');
  mkdirSync(outside);
  writeFileSync(join(outside, digest.slice(2)), 'somebody else’s secret');
  symlinkSync(outside, join(at.above, 'link'));
  let isOver = false;
  const exchanging = (async () => {
    for (let round = 0; !isOver; round += 1) {
      await rename(first, join(at.above, 'real')).catch(() => undefined);
      await rename(join(at.above, 'link'), first).catch(() => undefined);
      await rename(first, join(at.above, 'link')).catch(() => undefined);
      await rename(join(at.above, 'real'), first).catch(() => undefined);
    }
  })();
  const seen = new Set<string>();
  const codes = new Set<string>();
  const look = (answer: Promise<Uint8Array>): Promise<unknown> =>
    answer.then(
      (found) => seen.add(Buffer.from(found).toString()),
      (error: unknown) => codes.add(error instanceof SojournError ? error.code : String(error)),
    );

  for (let round = 0; round < 120; round += 1) {
    await Promise.all([
      look(store.files.read('default', digest, 0, 8)),
      store.files.put('default', bytes).catch((error: unknown) => codes.add((error as SojournError).code)),
      store.files
        .remove('default', digest)
        .catch((error: unknown) => codes.add((error as SojournError).code)),
    ]);
  }
  isOver = true;
  await exchanging;

  expect([...seen].filter((text) => text !== 'what was')).toEqual([]);
  expect([...codes].filter((code) => !/^(store\.(damaged|failed)|artifact\.not_found)$/.test(code))).toEqual(
    [],
  );
  expect(readdirSync(outside)).toEqual([digest.slice(2)]);
  expect((await readFile(join(outside, digest.slice(2)))).toString()).toBe('somebody else’s secret');
});

const canMount = process.platform === 'linux' && process.getuid?.() === 0;

test.skipIf(!canMount)(
  '[97] a full disk refuses an artifact, leaves no half of it, and takes it when there is space (needs root to mount one)',
  async ({ skip }) => {
    mkdirSync(at.folder);
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', at.folder]).status !== 0)
      skip('mount is refused');
    try {
      const { store, digest } = await kept();
      const large = Buffer.alloc(6 * 1_024 * 1_024, 'large');

      expect(await codeOf(store.files.put('default', large))).toBe('store.full');
      expect(filesIn(artifacts())).toEqual([pathOf(digest)]);
      expect((await store.files.read('default', digest)).byteLength).toBe(bytes.length);
      spawnSync('mount', ['-o', 'remount,size=32m', at.folder]);
      const there = await store.files.put('default', large);
      expect((await store.files.read('default', there)).byteLength).toBe(large.length);
      await store.close();
    } finally {
      spawnSync('umount', [at.folder]);
    }
  },
);

test('[97] with no file left to open, artifacts are refused for now, and work again afterwards', () => {
  const writer = fileURLToPath(new URL('artifact-writer.ts', import.meta.url));
  const command = `ulimit -n 256; exec '${process.execPath}' '${writer}' '${at.folder}'`;

  const { stdout } = spawnSync('/bin/sh', ['-c', command], { encoding: 'utf8' });

  expect(JSON.parse(stdout)).toEqual(['store.failed', 'store.failed', 'none', 'none']);
});

/** A runtime whose files cannot be put or read while `failing` names a code. */
async function onFailingDisk() {
  const clock = new ManualClock();
  const real = new MemoryStore({ clock });
  const disk: { failing?: 'store.full' | 'store.failed' } = {};
  const fail = (): void => {
    if (disk.failing !== undefined) throw new SojournError(disk.failing, 'as told');
  };
  const { files } = real;
  const put = files.put.bind(files);
  const read = files.read.bind(files);
  files.put = async (project, content) => {
    fail();
    return put(project, content);
  };
  files.read = async (project, digest, start, end) => {
    fail();
    return read(project, digest, start, end);
  };
  const stage = new Stage();
  const runtime = await createRuntime({
    store: real,
    bus: inProcessBus(silentLogger),
    clock,
    logger: silentLogger,
    agents: { stage },
  });
  return { runtime, stage, disk, [Symbol.asyncDispose]: () => runtime.shutdown(0) };
}

const picture = {
  input: [
    { type: 'file', mediaType: 'image/png', data: Buffer.from('picture '.repeat(2_000)).toString('base64') },
  ],
} as const;

test.each(['store.full', 'store.failed'] as const)(
  '[97, 98] a message whose file cannot be kept is refused with %s and leaves nothing; sent again it is taken',
  async (code) => {
    await using scene = await onFailingDisk();
    scene.disk.failing = code;

    const refused = await refusal(scene.runtime.send('chat', picture));
    const before = await refusal(scene.runtime.session('chat'));
    delete scene.disk.failing;
    const { disposition } = await scene.runtime.send('chat', picture);
    (await scene.stage.next()).end();

    expect([refused, before, disposition]).toEqual([code, 'session.not_found', 'started']);
    expect(await scene.runtime.artifacts('chat')).toHaveLength(1);
  },
);

test.each(['store.full', 'store.failed'] as const)(
  '[97, 98] a result that cannot be kept fails its turn with %s, and the next turn works',
  async (code) => {
    await using scene = await onFailingDisk();
    const { runtime, stage, disk } = scene;
    const turn = async (fails: boolean) => {
      const receipt = await runtime.send('chat', { input: 'hello' });
      const act = await stage.next();
      if (fails) disk.failing = code;
      const returned = { kind: 'tool.returned', call: 'c1', output: 'x'.repeat(20_000) } as const;
      await act.say({ kind: 'tool.called', call: 'c1', name: 'look', input: {} });
      if (fails) act.utter(returned);
      else await act.say(returned);
      act.end();
      const view = await runtime.finished('chat', receipt.turn, { waitMs: Infinity });
      delete disk.failing;
      return [view?.outcome, view?.error?.code];
    };

    expect([await turn(true), await turn(false)]).toEqual([
      ['failed', code],
      ['completed', undefined],
    ]);
    expect(await runtime.artifacts('chat')).toHaveLength(1);
  },
);

test('[98] a file that cannot be read fails the turn it was sent with, and the session goes on', async () => {
  await using scene = await onFailingDisk();
  const { runtime, stage, disk } = scene;
  await runtime.send('chat', { input: 'first' });
  const first = await stage.next();
  const { turn } = await runtime.send('chat', picture);
  disk.failing = 'store.failed';
  first.end();
  const view = await runtime.finished('chat', turn, { waitMs: Infinity });
  delete disk.failing;

  const { turn: next } = await runtime.send('chat', { input: 'again' });
  const act = await stage.next();
  act.end();

  expect([view?.outcome, view?.error?.code]).toEqual(['failed', 'store.failed']);
  expect((await runtime.finished('chat', next, { waitMs: Infinity }))?.outcome).toBe('completed');
  expect(act.turn.history[1]?.parts[0]).toMatchObject({ type: 'file' }); // Whole again.
});

test('[99] an artifact of 64 MiB is taken, and one byte more is not', async () => {
  const store = await at.open();
  const most = Buffer.alloc(64 * 1_024 * 1_024 + 1);

  expect(await codeOf(store.files.put('default', most))).toBe('artifact.too_large');
  const digest = await store.files.put('default', most.subarray(1));
  expect((await store.files.list('default', '', 10)).map((file) => [file.digest, file.bytes])).toEqual([
    [digest, 64 * 1_024 * 1_024],
  ]);
});

test('[100] an archive with a way out in it is kept as the bytes it is, and nothing of it is unpacked', async () => {
  await using scene = await onFailingDisk();
  const { runtime, stage } = scene;
  // The head of a zip entry that names a file above, and of a bomb, as far as a reader of archives would look.
  const archive = Buffer.concat([
    Buffer.from('504b0304140000000800', 'hex'),
    Buffer.alloc(16, 0xff),
    Buffer.from([20, 0, 0, 0]),
    Buffer.from('../../../etc/escaped'),
    Buffer.alloc(20_000, 0),
  ]);
  const data = archive.toString('base64');

  await runtime.send('chat', {
    input: [{ type: 'file', mediaType: 'application/zip', name: '../../a.zip', data }],
  });
  const act = await stage.next();
  act.end();

  const [artifact, ...more] = await runtime.artifacts('chat');
  expect([artifact?.bytes, artifact?.name, more]).toEqual([archive.length, '../../a.zip', []]);
  const { bytes: back } = await runtime.artifact('chat', artifact?.id ?? '');
  expect(Buffer.from(back).equals(archive)).toBe(true);
});
