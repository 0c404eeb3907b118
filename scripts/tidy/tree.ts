// Tree: the files of the repository as plain values, so that every rule is a function of what it is given.
//
//   T1. Holds what git would commit: tracked files and new ones that are not ignored. Binary files are left out.
//   T2. Paths are relative to the root, with `/`.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface TreeFile {
  path: string;
  text: string;
}

/** Something a rule has against a line. */
export interface Finding {
  rule: string;
  path: string;
  /** From 1; 0 where it is about the whole file. */
  line: number;
  message: string;
}

export function readTree(root: string): readonly TreeFile[] {
  const list = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  const files: TreeFile[] = [];
  for (const path of new Set(list.split('\0'))) {
    const text = path === '' ? undefined : readText(join(root, path));
    if (text !== undefined) files.push({ path, text });
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Undefined: deleted but not yet committed, a link to nowhere, or not text. */
function readText(path: string): string | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'EISDIR') return undefined;
    throw error;
  }
  return bytes.includes(0) ? undefined : bytes.toString('utf8');
}
