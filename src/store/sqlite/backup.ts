// Backup: a copy of a data folder that is in use.
//
//   K1. The database is copied in steps inside one read transaction, so that writes going on meanwhile neither change
//       the copy nor make it begin again.
//   K2. The database goes first: an artifact is stored before any event refers to it, so every one that the copy
//       refers to is there. Removals wait (files.ts, A4).
//   K3. The copy gets its name when all of it is on disk; until then it is called `.partial`.
import { chmod, copyFile, lstat, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { constants } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { backup } from 'node:sqlite';
import { SojournError } from '../../kernel/errors.ts';
import { Connection } from './connection.ts';
import { artifactsFolder, databaseFile, syncFolder } from './folder.ts';

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
  const artifacts = await artifactsIn(artifactsFolder(folder));
  const artifactBytes = artifacts.reduce((sum, { bytes }) => sum + bytes, 0);
  const databaseBytes = await copyDatabase(folder, partial, (done, all) =>
    onProgress(done, all + artifactBytes),
  );
  // Those that were put while the database was copied may belong to it.
  let done = databaseBytes;
  const all = databaseBytes + artifactBytes;
  for (const { path, bytes } of await artifactsIn(artifactsFolder(folder))) {
    await copySynced(join(artifactsFolder(folder), path), join(artifactsFolder(partial), path));
    done += bytes;
    onProgress(Math.min(done, all), all);
  }
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
    await syncFile(databaseFile(partial));
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

async function copySynced(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  await copyFile(from, to, constants.COPYFILE_FICLONE);
  await chmod(to, 0o600);
  await syncFile(to);
  syncFolder(dirname(to));
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
