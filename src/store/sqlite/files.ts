// ArtifactFiles: artifacts as files, named by what is in them, apart for each project.
//
//   A1. A file appears under its name only when all of it is on disk: it is written beside, synced, renamed, and the
//       folder synced. The same bytes again replace it by themselves, which also heals it.
//   A2. No link is followed, nothing but a regular file of one name is read, and what was read is what lies there, even
//       where somebody exchanges files and folders meanwhile: the folder may have been tampered with.
//   A3. Of a file that does not match its digest nothing is returned, not even a part. Large ones go in slices, so that no
//       call holds up the event loop.
//   A4. Nothing is removed while a backup copies.
import { createHash, type Hash } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { lstat, mkdir, open, readdir, rename, rm, rmdir, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock, Millis } from '../../kernel/clock.ts';
import { SojournError } from '../../kernel/errors.ts';
import type { ArtifactStore, KeptArtifact } from '../store.ts';
import { artifactsFolder, damaged } from './folder.ts';
import { OpenFolder } from './open-folder.ts';
import { VerifiedFiles } from './verified-files.ts';

const SLICE_BYTES = 1_024 * 1_024;
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const WRITE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
/** A file that was just replaced by itself is opened again. */
const OPENED_MAX = 5;
/** What a crash in the middle of a put leaves. */
export const UNFINISHED = /^put-\d+\.tmp$/;
const PROJECT = /^[0-9a-f]{64}$/;
const FIRST = /^[0-9a-f]{2}$/;
const REST = /^[0-9a-f]{62}$/;
const DIGEST = /^[0-9a-f]{64}$/;

interface Opened {
  file: FileHandle;
  stat: Stats;
}

export class ArtifactFiles implements ArtifactStore {
  readonly #folder: string;
  readonly #bytesMax: number;
  readonly #clock: Clock;
  #puts = 0;
  #copies = 0;
  readonly #removing = new Set<Promise<unknown>>();
  readonly #verified = new VerifiedFiles();

  constructor(folder: string, bytesMax: number, clock: Clock) {
    this.#folder = artifactsFolder(folder);
    this.#bytesMax = bytesMax;
    this.#clock = clock;
  }

  /** Removes what a crash left half written. Nobody else may be writing: the folder is locked. */
  async sweep(): Promise<void> {
    const stat = await lstat(this.#folder).catch(() => undefined);
    if (stat?.isDirectory() === false)
      throw damaged(this.#folder, 'it is not a folder', undefined, 'put the folder itself there');
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    for (const name of await readdir(this.#folder)) {
      if (UNFINISHED.test(name)) await rm(join(this.#folder, name), { force: true });
    }
  }

  async put(project: string, bytes: Uint8Array): Promise<string> {
    if (bytes.byteLength > this.#bytesMax) {
      const detail = `${bytes.byteLength} bytes, and at most ${this.#bytesMax} are allowed`;
      throw new SojournError('artifact.too_large', detail);
    }
    this.#puts += 1;
    const name = `put-${this.#puts}.tmp`;
    const way: OpenFolder[] = [];
    try {
      const root = await OpenFolder.open(this.#folder);
      way.push(root);
      const digest = await writeSynced(join(root.path, name), bytes, this.#clock.now());
      const outer = await root.innerMade(projectFolder(project));
      way.push(outer);
      const inner = await outer.innerMade(digest.slice(0, 2));
      way.push(inner);
      await rename(join(root.path, name), join(inner.path, digest.slice(2)));
      await inner.sync();
      return digest;
    } catch (error) {
      // The first error is the one to tell.
      await rm(join(this.#folder, name), { force: true }).catch(() => undefined);
      throw asStoreError(error);
    } finally {
      await Promise.all(way.map((folder) => folder.close()));
    }
  }

  async read(project: string, digest: string, start?: number, end?: number): Promise<Uint8Array> {
    if (!DIGEST.test(digest)) throw notFound(digest);
    try {
      const { file, stat } = await this.#openFile(project, digest);
      try {
        return await this.#content(artifactPath(project, digest), digest, { file, stat }, [start, end]);
      } finally {
        await file.close();
      }
    } catch (error) {
      throw isCode(error, 'ENOENT') ? notFound(digest) : asStoreError(error);
    }
  }

  async remove(project: string, digest: string): Promise<boolean> {
    if (this.#copies > 0) return false; // A4
    if (!DIGEST.test(digest)) return true;
    return this.#removed(projectFolder(project), digest.slice(0, 2), digest.slice(2));
  }

  async list(project: string, after: string, limit: number): Promise<readonly KeptArtifact[]> {
    const found: KeptArtifact[] = [];
    const outer = join(this.#folder, projectFolder(project));
    for (const first of await foldersIn(outer, FIRST)) {
      if (first < after.slice(0, 2)) continue;
      for (const { rest, bytes, putAt } of await filesIn(
        join(outer, first),
        (rest) => first + rest > after,
        limit,
      )) {
        found.push({ digest: first + rest, bytes, putAt });
        if (found.length >= limit) return found;
      }
    }
    return found;
  }

  async removeStrangers(known: readonly string[], before: Millis, limit: number): Promise<number> {
    const ours = new Set(known.map(projectFolder));
    let removed = 0;
    for (const project of await foldersIn(this.#folder, PROJECT)) {
      if (ours.has(project)) continue;
      const outer = join(this.#folder, project);
      for (const first of await foldersIn(outer, FIRST)) {
        for (const { rest, putAt } of await filesIn(join(outer, first), () => true, limit)) {
          if (this.#copies > 0 || removed >= limit) return removed; // A4
          if (putAt < before && (await this.#removed(project, first, rest))) removed += 1;
        }
        await rmdir(join(outer, first)).catch(() => undefined); // Something is left in it.
      }
      await rmdir(outer).catch(() => undefined);
    }
    return removed;
  }

  /** Puts off removals until `copy` has settled (A4). */
  async whileCopying<T>(copy: () => Promise<T>): Promise<T> {
    this.#copies += 1;
    try {
      await Promise.allSettled(this.#removing);
      return await copy();
    } finally {
      this.#copies -= 1;
    }
  }

  async #removed(project: string, first: string, rest: string): Promise<boolean> {
    const removing = this.#unlink([project, first], rest);
    this.#removing.add(removing);
    try {
      await removing;
    } catch (error) {
      if (!isCode(error, 'ENOENT')) throw asStoreError(error);
    } finally {
      this.#removing.delete(removing);
    }
    return true;
  }

  async #unlink(folders: readonly string[], name: string): Promise<void> {
    const way = [await OpenFolder.open(this.#folder)];
    try {
      for (const folder of folders) {
        const last = way.at(-1);
        if (last !== undefined) way.push(await last.inner(folder));
      }
      await unlink(join(way.at(-1)?.path ?? this.#folder, name));
    } finally {
      await Promise.all(way.map((folder) => folder.close()));
    }
  }

  /** A3. */
  async #content(
    path: string,
    digest: string,
    { file, stat }: Opened,
    [start, end]: readonly [number?, number?],
  ): Promise<Uint8Array> {
    const { size } = stat;
    const [from, to] = [start ?? 0, end ?? size];
    const isAll = from === 0 && to === size;
    if (!isAll && !(await this.#verified.isWhole(path, digest, file, stat))) throw changed(digest);
    if (!(from >= 0 && from <= to && to <= size)) {
      throw new SojournError('artifact.range', `${from} to ${to} of ${size} bytes`);
    }
    const hash = isAll ? createHash('sha256') : undefined;
    const bytes = await readSlices(file, from, to, hash);
    if (hash === undefined) return bytes;
    if (hash.digest('hex') !== digest) throw changed(digest);
    this.#verified.note(path, stat);
    return bytes;
  }

  /** A2. What is open is the file that lies there, seen after it was opened. */
  async #openFile(project: string, digest: string): Promise<Opened> {
    const outer = join(this.#folder, projectFolder(project));
    const inner = join(outer, digest.slice(0, 2));
    const path = join(inner, digest.slice(2));
    for (let opened = 1; ; opened += 1) {
      const file = await open(path, READ);
      try {
        const [stat, there, ...folders] = await Promise.all([
          file.stat(),
          lstat(path),
          ...[this.#folder, outer, inner].map((folder) => lstat(folder)),
        ]);
        if (!folders.every((folder) => folder.isDirectory()))
          throw damaged(inner, 'a folder on the way is a link');
        if (!there.isFile() || !stat.isFile()) throw notAFile(path);
        if (stat.ino === there.ino && stat.dev === there.dev) {
          if (stat.nlink > 1) throw new SojournError('store.damaged', `${path} has another name as well`);
          return { file, stat };
        }
        // It was put again meanwhile, or it is not what it seems.
        if (opened >= OPENED_MAX) throw notAFile(path);
      } catch (error) {
        await file.close();
        throw error;
      }
      await file.close();
    }
  }
}

/** Below the folder of artifacts. */
export function artifactPath(project: string, digest: string): string {
  return join(projectFolder(project), digest.slice(0, 2), digest.slice(2));
}

/** No project's name reaches the file system: names that differ by case or accents stay apart. */
export function projectFolder(project: string): string {
  return createHash('sha256').update(project).digest('hex');
}

/** A1. Answers the digest. */
async function writeSynced(path: string, bytes: Uint8Array, at: Millis): Promise<string> {
  const hash = createHash('sha256');
  const file = await open(path, WRITE, 0o600);
  try {
    for (let place = 0; place < bytes.byteLength;) {
      const slice = bytes.subarray(place, place + SLICE_BYTES);
      const { bytesWritten } = await file.write(slice);
      hash.update(slice.subarray(0, bytesWritten));
      place += bytesWritten;
    }
    await file.utimes(new Date(at), new Date(at));
    await file.sync();
  } finally {
    await file.close();
  }
  return hash.digest('hex');
}

async function readSlices(
  file: FileHandle,
  from: number,
  to: number,
  hash: Hash | undefined,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(to - from);
  for (let at = 0; at < bytes.byteLength;) {
    const { bytesRead } = await file.read(bytes, at, Math.min(SLICE_BYTES, bytes.byteLength - at), from + at);
    if (bytesRead === 0)
      throw new SojournError('store.damaged', 'An artifact became shorter while it was read');
    hash?.update(bytes.subarray(at, at + bytesRead));
    at += bytesRead;
  }
  return bytes;
}

/** In order; empty for what is no folder. */
async function foldersIn(folder: string, names: RegExp): Promise<string[]> {
  return (await entriesIn(folder)).filter((name) => names.test(name)).sort();
}

/** The first `limit` whole artifacts, in order. */
async function filesIn(
  folder: string,
  isWanted: (rest: string) => boolean,
  limit: number,
): Promise<{ rest: string; bytes: number; putAt: Millis }[]> {
  const rests = (await entriesIn(folder)).filter((name) => REST.test(name) && isWanted(name)).sort();
  const found = await Promise.all(
    rests.slice(0, limit).map(async (rest) => {
      const stat = await lstat(join(folder, rest)).catch(() => undefined);
      return stat?.isFile() === true ? [{ rest, bytes: stat.size, putAt: Math.round(stat.mtimeMs) }] : [];
    }),
  );
  return found.flat();
}

/** A2. */
async function entriesIn(folder: string): Promise<string[]> {
  const stat = await lstat(folder).catch(() => undefined);
  return stat?.isDirectory() === true ? readdir(folder) : [];
}

function notFound(digest: string): SojournError {
  return new SojournError('artifact.not_found', `There is no artifact ${digest.slice(0, 64)}`);
}

function changed(digest: string): SojournError {
  return new SojournError('store.damaged', `Artifact ${digest} does not hold what was put there`);
}

function notAFile(path: string): SojournError {
  return new SojournError('store.damaged', `${path} is not a regular file`);
}

function isCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

function asStoreError(error: unknown): unknown {
  if (error instanceof SojournError) return error;
  if (isCode(error, 'ENOSPC', 'EDQUOT', 'EFBIG')) {
    return new SojournError('store.full', 'There is no space for an artifact', { cause: error });
  }
  if (isCode(error, 'ELOOP', 'ENOTDIR', 'EISDIR', 'ENOTEMPTY', 'ENXIO')) {
    return new SojournError('store.damaged', 'Something else lies where an artifact belongs', {
      cause: error,
    });
  }
  return new SojournError('store.failed', 'An artifact could not be written or read', { cause: error });
}
