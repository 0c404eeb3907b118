// Folder: the data folder and the files in it. What may be there, with which modes, and whether it can be trusted.
//
//   F1. One process owns a folder: `lock.db` is held in an exclusive transaction for life, and the system frees it
//       however the process ends.
//   F2. A database that is not whole is refused with its name, and never replaced (`store.damaged`). A new one is made
//       under another name and moved into place complete, so that an empty file is always damage.
//   F3. Nothing but SQLite opens a database file while it is in use: closing any handle of it would free SQLite's locks.
//   F4. Only the owner of the files can read them; looser modes are mended and reported.
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statfsSync,
} from 'node:fs';
import { closeSync, fsyncSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { SojournError } from '../../kernel/errors.ts';
import type { Logger } from '../../kernel/logger.ts';
import { Connection, faultOf } from './connection.ts';
import { knownVersion, migrate } from './schema.ts';
import { logDamage } from './write-ahead-log.ts';

export const databaseFile = (folder: string): string => join(folder, 'sojourn.db');
export const lockFile = (folder: string): string => join(folder, 'lock.db');
export const ballastFile = (folder: string): string => join(folder, 'ballast');
export const artifactsFolder = (folder: string): string => join(folder, 'artifacts');

const OWNER_ONLY = 0o077;
const HEADER = 'SQLite format 3\0';
const HEADER_BYTES = 100;
export const APPLICATION_ID_AT = 68;

/** As `statfs` tells them on Linux. */
const NETWORK_DISKS: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'SMB'],
  [0xfe534d42, 'SMB'],
  [0x65735546, 'FUSE'],
  [0x01021997, '9P'],
  [0x00c36400, 'Ceph'],
  [0x5346414f, 'AFS'],
  [0x0bd00bd0, 'Lustre'],
]);

/** What the system says of the disk that a folder is on. */
export type StatDisk = (folder: string) => { type: number };

/** What kind of disk a folder is on, where that may lie about what is written or locked. */
export function networkDisk(folder: string, statDisk: StatDisk = statfsSync): string | undefined {
  return process.platform === 'linux' ? NETWORK_DISKS.get(statDisk(folder).type >>> 0) : undefined;
}

/** Makes it where it is missing, mends modes (F4), and warns of a disk that cannot be relied on. */
export function prepareFolder(folder: string, logger: Logger, statDisk?: StatDisk): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  mendMode(folder, 0o700, logger);
  const disk = networkDisk(folder, statDisk);
  if (disk !== undefined) logger.warn('store.network_disk', { folder, disk, fix: 'Use a local disk.' });
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isFile()) mendMode(path, 0o600, logger);
    else if (entry.isDirectory()) mendMode(path, 0o700, logger);
  }
}

function mendMode(path: string, mode: number, logger: Logger): void {
  if (process.platform === 'win32') return;
  const found = lstatSync(path).mode & 0o777;
  if ((found & OWNER_ONLY) === 0) return;
  chmodSync(path, mode);
  logger.warn('store.mode_mended', { path, was: found.toString(8), is: mode.toString(8) });
}

/** Held until it is closed (F1). Throws `store.in_use`. */
export function lockFolder(folder: string): { release(): void } {
  const file = lockFile(folder);
  const nothing = 'remove it: it holds nothing, and the next start makes it';
  if (lstatSync(file, { throwIfNoEntry: false })?.isFile() === false)
    throw damaged(file, 'it is not a regular file', undefined, nothing);
  makeEmpty(file);
  const lock = new DatabaseSync(file, { timeout: 0 });
  try {
    lock.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    const fault = faultOf(error);
    if (fault === 'busy')
      throw new SojournError('store.in_use', `Another process owns ${folder}`, { cause: error });
    if (fault !== 'damage') throw openingError(file, error);
    throw damaged(file, 'it is not the lock file that was made here', error, nothing);
  }
  return { release: () => lock.close() };
}

/** Never opens a file that is there (F3). */
function makeEmpty(file: string): void {
  if (!existsSync(file)) closeSync(openSync(file, 'wx', 0o600));
}

/** Looks before SQLite touches anything (F2), and makes the database of a new folder. */
export function checkDatabase(folder: string, now: number, isSynced: boolean): void {
  if (!checkExisting(folder, isSynced)) makeDatabase(databaseFile(folder), now);
}

/** False where there is no database. Nobody may have it open (F3); `isSynced` says whether every commit waited for the disk. */
export function checkExisting(folder: string, isSynced: boolean): boolean {
  const file = databaseFile(folder);
  const stat = lstatSync(file, { throwIfNoEntry: false });
  const logBytes = checkLog(`${file}-wal`, isSynced);
  if (stat === undefined) {
    if (logBytes > 0) throw damaged(file, 'it is missing, and its write-ahead log is there');
    return false;
  }
  if (!stat.isFile()) throw damaged(file, 'it is not a regular file');
  if (stat.size === 0) throw damaged(file, 'it is empty');
  const { pageBytes, pages, application } = readHeader(file);
  const isShort = pages * pageBytes > stat.size;
  const short = `it has ${stat.size} bytes of ${pages * pageBytes}`;
  if (isShort && logBytes === 0) throw damaged(file, short);
  // What is missing may be in the log: a checkpoint was cut off.
  checkReadable(file, application, isShort ? short : undefined);
  return true;
}

/** Answers its size. */
function checkLog(log: string, isSynced: boolean): number {
  const stat = lstatSync(log, { throwIfNoEntry: false });
  if (stat === undefined) return 0;
  if (!stat.isFile()) throw damaged(log, 'it is not a regular file');
  const damage = logDamage(log);
  if (damage === undefined) return stat.size;
  const { frame, commits, bytes } = damage;
  if (frame === 0) throw damaged(log, 'its header is damaged', undefined, withoutLog);
  if (!isSynced) return stat.size;
  const what = `frame ${frame} is damaged, and SQLite would drop it and what follows, ${commits} commits`;
  throw damaged(
    log,
    what,
    undefined,
    `restore the folder from a backup, or cut the log there: truncate -s ${bytes} '${log}'`,
  );
}

const withoutLog = 'restore the folder from a backup, or move the log away to go on without what is in it';

function readHeader(file: string): { pageBytes: number; pages: number; application: number } {
  const header = Buffer.alloc(HEADER_BYTES);
  const handle = openSync(file, 'r');
  try {
    readSync(handle, header, 0, HEADER_BYTES, 0);
  } finally {
    closeSync(handle);
  }
  if (header.toString('latin1', 0, HEADER.length) !== HEADER)
    throw damaged(file, 'it is not a SQLite database');
  const pageBytes = header.readUInt16BE(16) === 1 ? 65_536 : header.readUInt16BE(16);
  return { pageBytes, pages: header.readUInt32BE(28), application: header.readInt32BE(APPLICATION_ID_AT) };
}

/** Opened for reading only, so that a refusal leaves everything as it was. */
function checkReadable(file: string, application: number, short: string | undefined): void {
  let connection: Connection | undefined;
  try {
    connection = new Connection(file, 'read');
    const version = knownVersion(connection, file);
    if (version === 0) throw damaged(file, 'it holds no sessions of this program');
    if (connection.number('PRAGMA application_id') !== application) {
      throw damaged(`${file}-wal`, 'it belongs to another database', undefined, withoutLog);
    }
    if (short !== undefined && !isWhole(connection)) throw damaged(file, short);
    connection.number('SELECT max(num) FROM sessions');
  } catch (error) {
    throw openingError(file, error);
  } finally {
    connection?.close();
  }
}

function isWhole(connection: Connection): boolean {
  return connection.row<{ quick_check: string }>('PRAGMA quick_check(1)')?.quick_check === 'ok';
}

function makeDatabase(file: string, now: number): void {
  const making = `${file}.new`;
  for (const end of ['', '-wal', '-shm', '-journal']) rmSync(`${making}${end}`, { force: true });
  makeEmpty(making);
  const connection = new Connection(making, 'write-power-loss');
  migrate(connection, file, now);
  connection.db.exec(`PRAGMA application_id = ${applicationId(`${file} ${now} ${process.pid}`)}`);
  connection.close();
  renameSync(making, file);
  syncFolder(join(file, '..'));
}

/** Tells this database from others, so that a write-ahead log in the wrong place is noticed. */
export function applicationId(from: string): number {
  return createHash('sha256').update(from).digest().readInt32BE(0);
}

/** So that a new or renamed name in it survives a power loss. */
export function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } catch {
    // Some systems cannot sync a folder; they keep names by themselves.
  } finally {
    closeSync(handle);
  }
}

/** What stands against opening it: the disk, or the file itself. */
export function openingError(file: string, error: unknown): SojournError {
  if (error instanceof SojournError) return error;
  const what = error instanceof Error ? error.message : String(error);
  const fault = isOfSystem(error) ? systemFault(error.code) : faultOf(error);
  if (fault === 'full') return new SojournError('store.full', `${file}: ${what}`, { cause: error });
  if (fault === 'disk' || fault === 'busy') {
    return new SojournError('store.failed', `${file}: ${what}`, { cause: error });
  }
  return damaged(file, what, error);
}

/** What the system says of a folder, where that is about the disk and not about the place that was named; else as it is. */
export function folderError(folder: string, error: unknown): unknown {
  return isOfSystem(error) && !OF_PLACES.has(error.code) ? openingError(folder, error) : error;
}

const OF_PLACES = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOENT', 'ENOTDIR', 'EEXIST', 'EISDIR']);

const isOfSystem = (error: unknown): error is { code: string } =>
  error instanceof Error && 'syscall' in error && 'code' in error;

const systemFault = (code: string): 'full' | 'disk' =>
  ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(code) ? 'full' : 'disk';

export function damaged(
  file: string,
  what: string,
  cause?: unknown,
  mend = 'restore it from a backup, or move it away to begin anew',
): SojournError {
  return new SojournError('store.damaged', `${file}: ${what}; ${mend}`, { cause });
}

export function hasBallast(folder: string): boolean {
  return existsSync(ballastFile(folder));
}
