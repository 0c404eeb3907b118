// Backup: a copy of a data folder that is in use.
//
//   K1. The database is copied in steps inside one read transaction, so that writes going on meanwhile neither change
//       the copy nor make it begin again.
//   K2. Artifacts are copied before the database, and those that came meanwhile after it: one is stored before any event
//       refers to it, and one that leaves meanwhile, because its session is erased, has been copied. Within one process
//       removals wait (files.ts, A4); from here on another one is not kept from them.
//   K3. The copy gets its name when all of it is on disk; until then it is called `.partial`.
//   K4. The copy is another database than the first: should it be put where the log of the first lies, that is noticed.
import { chmod, copyFile, lstat, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { constants } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { backup } from 'node:sqlite';
import { SojournError } from '../../kernel/errors.ts';
import { Connection } from './connection.ts';
import { APPLICATION_ID_AT, applicationId, artifactsFolder, databaseFile, syncFolder } from './folder.ts';

export type Progress = (done: number, all: number) => void;

const PAGES_A_STEP = 1_000;
const ARTIFACT = /^[0-9a-f]{62}$/;

/** Progress is in bytes. Throws `config.invalid` where `target` exists. */
export async function backupFolder(folder: string, target: string, onProgress: Progress): Promise<void> {
  const whole = resolve(target);
  const partial = `${whole}.partial`;
  if (await exists(whole))
    throw new SojournError('config.invalid', `The backup folder ${whole} exists already`);
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true, mode: 0o700 });
  const copied = new Set<string>();
  let done = 0;
  const copyArtifacts = async (toFollow: number): Promise<void> => {
    const artifacts = (await artifactsIn(artifactsFolder(folder))).filter(({ path }) => !copied.has(path));
    const all = artifacts.reduce((sum, { bytes }) => sum + bytes, done + toFollow);
    for (const { path, bytes } of artifacts) {
      if (await copySynced(join(artifactsFolder(folder), path), join(artifactsFolder(partial), path)))
        copied.add(path);
      done += bytes;
      onProgress(done, all);
    }
  };
  await copyArtifacts((await stat(databaseFile(folder))).size);
  done += await copyDatabase(folder, partial, (part, all) => onProgress(done + part, done + all));
  await copyArtifacts(0);
  onProgress(done, done);
  syncFolder(partial);
  await rename(partial, whole);
  syncFolder(dirname(whole));
}

/** Answers its size. */
async function copyDatabase(folder: string, partial: string, onProgress: Progress): Promise<number> {
  const source = new Connection(databaseFile(folder), 'read');
  try {
    source.sql('BEGIN').run();
    const pageBytes = source.number('PRAGMA page_size');
    const pages = source.number('PRAGMA page_count');
    await backup(source.db, databaseFile(partial), {
      rate: PAGES_A_STEP,
      progress: ({ totalPages, remainingPages }) =>
        onProgress((totalPages - remainingPages) * pageBytes, totalPages * pageBytes),
    });
    await chmod(databaseFile(partial), 0o600);
    await markAsAnother(databaseFile(partial));
    return pages * pageBytes;
  } finally {
    source.close();
  }
}

/** Finished ones, as paths below the folder of artifacts. */
async function artifactsIn(folder: string): Promise<{ path: string; bytes: number }[]> {
  const found: { path: string; bytes: number }[] = [];
  for (const name of await namesIn(folder)) {
    for (const first of await namesIn(join(folder, name))) {
      for (const rest of await namesIn(join(folder, name, first))) {
        const path = join(name, first, rest);
        const stat = await lstat(join(folder, path));
        if (stat.isFile() && ARTIFACT.test(rest)) found.push({ path, bytes: stat.size });
      }
    }
  }
  return found;
}

async function namesIn(folder: string): Promise<string[]> {
  const stat = await lstat(folder).catch(() => undefined);
  return stat?.isDirectory() === true ? readdir(folder) : [];
}

/** False where it has left meanwhile. */
async function copySynced(from: string, to: string): Promise<boolean> {
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  try {
    await copyFile(from, to, constants.COPYFILE_FICLONE);
  } catch (error) {
    return unlessGone(error) ?? false;
  }
  await chmod(to, 0o600);
  await syncFile(to);
  syncFolder(dirname(to));
  return true;
}

function unlessGone(error: unknown): undefined {
  if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
}

/** K4. Nobody has opened it yet. */
async function markAsAnother(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    const id = Buffer.alloc(4);
    await file.read(id, 0, id.length, APPLICATION_ID_AT);
    id.writeInt32BE(applicationId(`${path} ${id.readInt32BE()}`));
    await file.write(id, 0, id.length, APPLICATION_ID_AT);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

async function exists(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined)) !== undefined;
}
