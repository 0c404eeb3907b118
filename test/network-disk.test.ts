// A data folder on a disk that may lie about what is written and who locks: what is said of it.
//
//   H-DISK 93  a data folder on NFS, SMB or FUSE. No such disk is here: what the system says of one is handed in.
import { expect, test } from 'vitest';
import { inspect } from '../src/store/sqlite/doctor.ts';
import { prepareFolder } from '../src/store/sqlite/folder.ts';
import type { Logger } from '../src/kernel/logger.ts';
import { StoreFolder } from './store-folder.ts';

const at = new StoreFolder();
const EXT4 = 0xef53;
const onDisk = (type: number) => () => ({ type });

function warned(type: number): unknown[] {
  const said: unknown[] = [];
  const logger: Logger = {
    info: () => undefined,
    warn: (event, fields) => void said.push([event, fields]),
    error: () => undefined,
  };
  prepareFolder(at.folder, logger, onDisk(type));
  return said;
}

test.runIf(process.platform === 'linux').each([
  ['NFS', 0x6969],
  ['SMB', 0xff534d42],
  ['SMB', 0xff534d42 | 0], // As a system of 32 bits says it.
  ['FUSE', 0x65735546],
])('[93] a data folder on %s is warned of at the start, and by the doctor', async (disk, type) => {
  const said = warned(type);
  const { ok, findings } = await inspect(at.folder, { statDisk: onDisk(type) });

  expect(said).toEqual([['store.network_disk', { folder: at.folder, disk, fix: 'Use a local disk.' }]]);
  expect(ok).toBe(true);
  expect(findings).toContainEqual({
    level: 'warning',
    what: `${at.folder} is on a network or user-space file system (${disk})`,
    fix: 'Move it to a local disk: others may lie about what is written.',
  });
});

test('[93] nothing is said of a local disk', async () => {
  expect(warned(EXT4)).toEqual([]);
  const { findings } = await inspect(at.folder, { statDisk: onDisk(EXT4) });
  expect(findings.filter(({ what }) => what.includes('file system'))).toEqual([]);
});
