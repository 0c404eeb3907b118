// Artifact findings: what the doctor says of the files that sessions refer to, and of those that none does.
//
//   AF1. Nothing is opened and no link is followed: names, sizes and modes say it all. What is in them: `artifact-contents.ts`.
//   AF2. A file that no session refers to is no fault: it is collected in time.
import { lstatSync, readdirSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import type { Connection } from './connection.ts';
import { artifactPath, projectFolder } from './files.ts';
import type { Finding } from './finding.ts';
import { artifactsFolder } from './folder.ts';

interface Row {
  project: string;
  digest: string;
  bytes: number;
}

export function* artifactFindings(connection: Connection, folder: string): Iterable<Finding> {
  const rows = connection
    .sql('SELECT DISTINCT project, digest, bytes FROM artifacts')
    .iterate() as Iterable<unknown> as Iterable<Row>;
  for (const { project, digest, bytes } of rows) {
    const path = join(artifactsFolder(folder), artifactPath(project, digest));
    const what = faultOf(lstatSync(path, { throwIfNoEntry: false }), bytes);
    if (what !== undefined)
      yield { level: 'error', what: `Artifact ${path} ${what}`, fix: 'Copy it from a backup.' };
  }
  yield* folderFindings(connection, artifactsFolder(folder));
}

function faultOf(stat: Stats | undefined, bytes: number): string | undefined {
  if (stat === undefined) return 'is missing';
  if (!stat.isFile()) return 'is not a regular file';
  if (stat.nlink > 1) return 'has another name as well, and is not read';
  return stat.size === bytes ? undefined : `has ${stat.size} bytes instead of ${bytes}`;
}

function* folderFindings(connection: Connection, artifacts: string): Iterable<Finding> {
  const names = connection.rows<{ project: string }>('SELECT DISTINCT project FROM artifacts');
  const projects = new Map(names.map(({ project }) => [projectFolder(project), project]));
  const nobodys = { files: 0, bytes: 0 };
  let open = 0;
  for (const { path, stat, folder, digest } of below(artifacts)) {
    if (!stat.isSymbolicLink() && (stat.mode & 0o077) !== 0) open += 1;
    if (digest === undefined) continue;
    const project = projects.get(folder);
    const one = 'SELECT 1 FROM artifacts WHERE project = ? AND digest = ? LIMIT 1';
    if (project !== undefined && connection.row(one, project, digest) !== undefined) continue;
    if (!stat.isFile()) {
      yield {
        level: 'warning',
        what: `${path} is not a regular file`,
        fix: 'Remove it: no session refers to it.',
      };
      continue;
    }
    nobodys.files += 1;
    nobodys.bytes += stat.size;
  }
  if (open > 0 && process.platform !== 'win32') {
    const what = `${open} files and folders in ${artifacts} are open to others`;
    yield { level: 'warning', what, fix: `chmod -R go-rwx '${artifacts}'` };
  }
  // AF2.
  if (nobodys.files > 0) {
    const what = `${nobodys.files} files of ${nobodys.bytes} bytes in ${artifacts} belong to no session`;
    yield { level: 'info', what, fix: 'Nothing: the server removes them once they are old enough.' };
  }
}

interface Found {
  path: string;
  stat: Stats;
  /** Of its project. */
  folder: string;
  /** Of a file, by its name; undefined of a folder. */
  digest: string | undefined;
}

/** Folders of projects, folders in them, and what lies in those. */
function* below(artifacts: string): Iterable<Found> {
  for (const folder of entriesOf(artifacts)) {
    if (!/^[0-9a-f]{64}$/.test(folder.name)) continue;
    yield { ...folder, folder: folder.name, digest: undefined };
    for (const first of entriesOf(folder.path)) {
      yield { ...first, folder: folder.name, digest: undefined };
      for (const rest of entriesOf(first.path)) {
        yield { ...rest, folder: folder.name, digest: `${first.name}${rest.name}` };
      }
    }
  }
}

/** AF1. Of a real folder. What leaves meanwhile is passed over. */
function* entriesOf(folder: string): Iterable<{ name: string; path: string; stat: Stats }> {
  if (lstatSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return;
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat !== undefined) yield { name, path, stat };
  }
}
