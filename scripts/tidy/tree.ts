// Tree: the files of the repository as plain values, so that every rule is a function of what it is given.
//
//   T1. Holds what .gitignore lets through, whether committed yet or not. Binary files are left out.
//   T2. Paths are relative to the root, with `/`, in order.
import { readdirSync, readFileSync } from 'node:fs';
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
  const ignored = ignoredBy(readFileSync(join(root, '.gitignore'), 'utf8'));
  const files: TreeFile[] = [];
  const folders = [''];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      if (ignored(entry.name)) continue;
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) folders.push(path);
      if (!entry.isFile()) continue;
      const bytes = readFileSync(join(root, path));
      if (!bytes.includes(0)) files.push({ path, text: bytes.toString('utf8') });
    }
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Names and `*.ending` only: that is all this repository's .gitignore uses, and anything else is refused. */
function ignoredBy(gitignore: string): (name: string) => boolean {
  const lines = gitignore.split('\n').filter((line) => line !== '');
  const names = new Set(['.git']);
  const endings: string[] = [];
  for (const line of lines) {
    const [, star, name = ''] = /^(\*?)([\w.-]+)\/?$/.exec(line) ?? [];
    if (name === '') throw new Error(`scripts/tidy/tree.ts cannot read this line of .gitignore: ${line}`);
    if (star === '') names.add(name);
    else endings.push(name);
  }
  return (name) => names.has(name) || endings.some((ending) => name.endsWith(ending));
}
