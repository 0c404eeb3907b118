// Artifact contents: what the doctor finds when it reads the files that sessions refer to.
//
//   AC1. A file of another kind or size than it should be is not read: that is said by `artifact-findings.ts`. One that is
//        removed meanwhile is passed over: no session refers to it any more.
//   AC2. The list is read in pages, and a file in slices: neither is held in memory, and no state of the database for as
//        long as it takes.
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Connection } from './connection.ts';
import { artifactPath } from './files.ts';
import type { Finding } from './finding.ts';
import { artifactsFolder } from './folder.ts';
import { digestOf } from './verified-files.ts';

const PAGE_ROWS = 1_000;
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

interface Row {
  project: string;
  digest: string;
  bytes: number;
}

/** `onProgress` is told of bytes. */
export async function* artifactContents(
  connection: Connection,
  folder: string,
  onProgress?: (done: number, all: number) => void,
): AsyncIterable<Finding> {
  const all = connection.number(
    'SELECT coalesce(sum(bytes), 0) FROM (SELECT DISTINCT project, digest, bytes FROM artifacts)',
  );
  let done = 0;
  let last: Row | undefined;
  for (;;) {
    const rows = pageBehind(connection, last);
    for (const row of rows) {
      const path = join(artifactsFolder(folder), artifactPath(row.project, row.digest));
      const what = await faultIn(path, row);
      if (what !== undefined) yield { level: 'error', what: `Artifact ${path} ${what}`, fix: FIX };
      done += row.bytes;
      onProgress?.(done, Math.max(all, done));
    }
    if (rows.length < PAGE_ROWS) return;
    last = rows.at(-1);
  }
}

const FIX =
  'Copy it from a backup. Until then it is not given out; the same content put again heals it, too.';

function pageBehind(connection: Connection, last: Row | undefined): Row[] {
  return connection.rows<Row>(
    `SELECT DISTINCT project, digest, bytes FROM artifacts WHERE (project, digest) > (?, ?)
     ORDER BY project, digest LIMIT ${PAGE_ROWS}`,
    last?.project ?? '',
    last?.digest ?? '',
  );
}

/** AC1. */
async function faultIn(path: string, { digest, bytes }: Row): Promise<string | undefined> {
  const file = await open(path, READ).catch(() => undefined);
  if (file === undefined) return undefined;
  try {
    const stat = await file.stat();
    if (!stat.isFile() || stat.size !== bytes) return undefined;
    return (await digestOf(file, bytes)) === digest ? undefined : 'does not hold what was put there';
  } catch (error) {
    return `cannot be read: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    await file.close();
  }
}
