// ArtifactFiles: artifacts as files, named by what is in them, apart for each project.
//
//   A1. A file appears under its name only when all of it is on disk: it is written beside, synced, renamed, and the
//       folder synced. The same bytes again replace it by themselves, which also heals it.
//   A2. No link is followed and nothing but a regular file is read: the folder may have been tampered with.
//   A3. A whole that does not match its digest is never returned. Large ones go in slices, so that no call holds up
//       the event loop.
//   A4. Nothing is removed while a backup copies.
import { createHash, type Hash } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, mkdir, open, readdir, rename, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { SojournError } from '../../kernel/errors.ts';
import type { ArtifactStore } from '../store.ts';
import { artifactsFolder, damaged, syncFolder } from './folder.ts';

const SLICE_BYTES = 1_024 * 1_024;
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const WRITE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
/** What a crash in the middle of a put leaves. */
export const UNFINISHED = /^put-\d+\.tmp$/;

export class ArtifactFiles implements ArtifactStore {
  readonly #folder: string;
  readonly #bytesMax: number;
  #puts = 0;
  #copying: Promise<unknown> = Promise.resolve();

  constructor(folder: string, bytesMax: number) {
    this.#folder = artifactsFolder(folder);
    this.#bytesMax = bytesMax;
  }

  /** Removes what a crash left half written. Nobody else may be writing: the folder is locked. */
  async sweep(): Promise<void> {
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
    const beside = join(this.#folder, `put-${this.#puts}.tmp`);
    try {
      const digest = await writeSynced(beside, bytes);
      const folder = await this.#makeFolder(project, digest);
      await rename(beside, join(folder, digest.slice(2)));
      syncFolder(folder);
      return digest;
    } catch (error) {
      await rm(beside, { force: true }).catch(() => undefined); // The first error is the one to tell.
      throw asStoreError(error);
    }
  }

  async read(project: string, digest: string, start?: number, end?: number): Promise<Uint8Array> {
    if (!/^[0-9a-f]{64}$/.test(digest)) throw notFound(digest);
    const path = join(await this.#checkFolder(project, digest), digest.slice(2));
    const file = await open(path, READ).catch((error: unknown) => {
      throw isCode(error, 'ENOENT') ? notFound(digest) : isCode(error, 'ELOOP') ? notAFile(path) : error;
    });
    try {
      const stat = await file.stat();
      if (!stat.isFile()) throw notAFile(path);
      const [from, to] = [start ?? 0, end ?? stat.size];
      if (!(from >= 0 && from <= to && to <= stat.size)) {
        throw new SojournError('artifact.range', `${from} to ${to} of ${stat.size} bytes`);
      }
      const isWhole = from === 0 && to === stat.size;
      const hash = isWhole ? createHash('sha256') : undefined;
      const bytes = await readSlices(file, from, to, hash);
      if (hash !== undefined && hash.digest('hex') !== digest) {
        throw new SojournError('store.damaged', `Artifact ${digest} does not hold what was put there`);
      }
      return bytes;
    } finally {
      await file.close();
    }
  }

  async remove(project: string, digest: string): Promise<void> {
    await this.#copying;
    if (!/^[0-9a-f]{64}$/.test(digest)) return;
    await rm(join(this.#pathOf(project, digest), digest.slice(2)), { force: true });
  }

  /** Puts off removals until `copy` has settled (A4). */
  async whileCopying<T>(copy: () => Promise<T>): Promise<T> {
    const copying = copy();
    this.#copying = Promise.allSettled([this.#copying, copying]);
    return copying;
  }

  #pathOf(project: string, digest: string): string {
    return join(this.#folder, projectFolder(project), digest.slice(0, 2));
  }

  async #makeFolder(project: string, digest: string): Promise<string> {
    const inner = this.#pathOf(project, digest);
    const made = await mkdir(inner, { recursive: true, mode: 0o700 });
    if (made !== undefined) {
      syncFolder(join(inner, '..'));
      syncFolder(this.#folder);
    }
    return this.#checkFolder(project, digest);
  }

  /** A2, for the folders on the way. */
  async #checkFolder(project: string, digest: string): Promise<string> {
    const inner = this.#pathOf(project, digest);
    for (const path of [this.#folder, join(inner, '..'), inner]) {
      const stat = await lstat(path).catch((error: unknown) => {
        throw isCode(error, 'ENOENT') ? notFound(digest) : error;
      });
      if (!stat.isDirectory()) throw damaged(path, 'it is not a folder');
    }
    return inner;
  }
}

/** No project's name reaches the file system: names that differ by case or accents stay apart. */
export function projectFolder(project: string): string {
  return createHash('sha256').update(project).digest('hex');
}

/** Answers the digest. */
async function writeSynced(path: string, bytes: Uint8Array): Promise<string> {
  const hash = createHash('sha256');
  const file = await open(path, WRITE, 0o600);
  try {
    for (let at = 0; at < bytes.byteLength;) {
      const slice = bytes.subarray(at, at + SLICE_BYTES);
      const { bytesWritten } = await file.write(slice);
      hash.update(slice.subarray(0, bytesWritten));
      at += bytesWritten;
    }
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

function notFound(digest: string): SojournError {
  return new SojournError('artifact.not_found', `There is no artifact ${digest.slice(0, 64)}`);
}

function notAFile(path: string): SojournError {
  return new SojournError('store.damaged', `${path} is not a regular file`);
}

function isCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

function asStoreError(error: unknown): unknown {
  if (isCode(error, 'ENOSPC', 'EDQUOT')) {
    return new SojournError('store.full', 'There is no space for an artifact', { cause: error });
  }
  if (isCode(error, 'EIO', 'EROFS', 'EMFILE', 'ENFILE')) {
    return new SojournError('store.failed', 'An artifact could not be written', { cause: error });
  }
  return error;
}
